"""Runs one FaxCall on the asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sip.line import Failed, LineEvent
from sip.logs import get_logger
from sip.syntax.errors import UnsupportedError
from sip.values import Address
from t38fsp.call.driver import PageJob, StorePage, settle
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.placing import PollingCall, SendingCall
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call.verdict import Verdict, result_of, verdict
from t38fsp.engine.call_log import CallLog
from t38fsp.engine.media import MediaPair, MediaPort
from t38fsp.engine.pacer import Pacer
from t38fsp.engine.received_file import ReceivedFile
from t38fsp.engine.tcp_connection import MediaStream
from t38fsp.events import BeganInAudio, Connected, FaxEvent, Finished, SwitchedToT38
from t38fsp.header import CallHeader
from t38fsp.image.errors import DocumentChangedError, DocumentError, ImageError
from t38fsp.image.fax import Fax
from t38fsp.image.page_warnings import PageWarnings
from t38fsp.image.pool import ImagePool
from t38fsp.lanes import Lane
from t38fsp.outcome import Outcome
from t38fsp.t30.outputs import PageWanted

logger = get_logger(__name__)

FAULT = verdict(Outcome.FAULT, "an internal error ended the call; its trace is in the log")

_GIVEN_UP = verdict(Outcome.CANCELLED, "the fax was cancelled, and the engine ended before its call did")

T = TypeVar("T")


class RunningCall:
    """Runs one FaxCall on a media port; it sends ``fax``, and receives into ``file``."""

    def __init__(
        self,
        call: FaxCall,
        media: MediaPort | MediaPair,
        pacer: Pacer,
        images: ImagePool,
        observer: Callable[[FaxEvent], None],
        log: CallLog,
        on_over: Callable[[], None],
        on_fault: Callable[[], None],
        *,
        fax: Fax | None = None,
        file: ReceivedFile | None = None,
        header: CallHeader | None = None,
    ) -> None:
        self.call = call
        self._media = media
        self._pacer = pacer
        self._images = images
        self._fax = fax
        self._page_warnings = None if fax is None else PageWarnings(fax)
        self._file = file
        self._observer = observer
        self._log = log.under(logger)
        self._on_over = on_over
        self._on_fault = on_fault
        self._header = header
        self._over = False
        self._failed = False
        """An internal error has ended the call: do not use it any more."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._page_tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._stream: MediaStream | None = None
        self._lane: Lane | None = None

    def line_event(self, event: LineEvent) -> None:
        if isinstance(event, Failed):
            self._log.facts.dialog = event.call_id
        self._feed(self.call.line_event, event)

    def datagram_received(self, data: bytes, source: Address) -> bool:
        """Process a datagram; call :meth:`settle` after one or several."""
        # None, after a fault of ours: not accepted, so that its source is not latched.
        return self._give(self.call.datagram_received, data, source, self._loop.time()) or False

    def proceed(self, go_on: bool) -> None:
        if isinstance(self.call, SendingCall):
            self._feed(self.call.proceed, go_on)

    def forsake(self) -> None:
        """No result will be reported: mark the received file as possibly incomplete."""
        if self._file is not None:
            self._file.forsake()

    def abort(self) -> None:
        self._feed(self.call.abort)

    def _feed(self, method: Callable[..., T], *arguments: object) -> T | None:
        """Give the call an input, and apply its outputs."""
        outcome = self._give(method, *arguments, self._loop.time())
        self.settle()
        return outcome

    def settle(self) -> None:
        """Apply the outputs of the call after an input."""
        if self.call.moved and not self._failed:
            self._give(settle, self.call, self)

    def _give(self, action: Callable[..., T], *arguments: object) -> T | None:
        try:
            return action(*arguments)
        except UnsupportedError as error:
            self._fail(verdict(Outcome.MISCONFIGURED, str(error)))
        except Exception:
            # An internal error ends this call, with a result, and no other.
            self._log.exception("failed with an internal error")
            self._fail(FAULT)
        return None

    def _fail(self, why: Verdict) -> None:
        """End the call now, with a result of all that is known."""
        # The result is made already, and only the file's name is still missing.
        if self._over or self._closing is not None:
            return
        self._failed = True
        try:
            self._on_fault()
        except Exception:
            # The far end ends by its own timers (RFC 4028, T.30); the job must end here.
            self._log.exception("cannot be hung up")
        # The call is in an unknown state: no timer may touch it any more.
        self.arm(None)
        try:
            result = self.call.break_off(why, self._loop.time())
        except Exception:
            # The call's state is inconsistent: report a result without its facts.
            self._log.exception("the call cannot report its own result")
            result = result_of(why)
        self.report(Finished(result))

    def give_up(self) -> None:
        """The engine ends: end the call, which did not end in time after ``abort``."""
        self._fail(_GIVEN_UP)

    def begin(self) -> None:
        """The call has been started: apply its outputs."""
        self._feed(lambda now: None)

    def _lane_failed(self, error: Exception) -> None:
        self._log.error("failed with an internal error", exc_info=error)
        self._loop.call_soon(self._fail, FAULT)  # later: the pacer is sending packets of other calls

    # --- the driver of the call ----------------------------------------------------------------------------

    def arm(self, deadline: float | None) -> None:
        if self._timer is not None:
            # Most packets only postpone the deadline: an early wake-up costs less than moving the timer.
            if deadline is not None and self._timer_due <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer_due = deadline  # a handle of uvloop has no when()
            self._timer = self._loop.call_at(deadline, self._on_deadline)

    def set_remote(self, address: Address) -> None:
        if self.call.stream is None:
            self._media.set_remote(address)
        # Once: a later SDP does not move a connection that exists (RFC 4145 5).
        elif self._stream is None:
            self._stream = MediaStream(
                self._media.address,
                lambda octets: self._feed(self.call.stream_received, octets),
                self._log,
            )
            self._stream.open(address, self.call.stream)

    def pace(self, lane: Lane) -> None:
        if lane is not self._lane:
            self._drop_lane()
            self._lane = lane
            lane.failed = self._lane_failed
            lane.planned = self._planned
        # Set each time: the connection may have been opened since.
        lane.send = self._media.send if self._stream is None else self._stream.send
        self._pacer.schedule(lane)

    def _planned(self) -> None:
        self.arm(self.call.next_deadline())

    def _drop_lane(self) -> None:
        if self._lane is not None:
            self._pacer.remove(self._lane)
            self._lane = None

    def do(self, job: PageJob) -> None:
        task = self._loop.create_task(self._do(job))
        self._page_tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._page_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("failed with an internal error", exc_info=error)
            self._fail(FAULT)

    def report(self, event: FaxEvent) -> None:
        if isinstance(event, Connected):
            self._log.facts.dialog = str(event.dialog)
            self._log.info("the call is up")
        elif isinstance(event, SwitchedToT38):
            # Gateways often have T.38 on another port than audio, and behind a NAT it comes from yet another.
            self._media.expect_new_source()
        elif isinstance(event, BeganInAudio):
            self._log.info("the fax goes in audio")
        if not isinstance(event, Finished):
            self._observer(event)
        elif self._file is not None:
            self._cancel_page_tasks()  # a page that is not stored yet will not be confirmed any more
            self._closing = self._loop.create_task(self._close_file(self._file, event))
            self._closing.add_done_callback(self._done)
        else:
            self._end(event)

    async def _close_file(self, file: ReceivedFile, event: Finished) -> None:
        """Report the result when the file has its final name."""
        result = event.result
        try:
            result = await file.close(result)
        finally:
            # The pages are stored, even if renaming their file failed.
            self._end(Finished(result))

    def _end(self, event: Finished) -> None:
        if self._over:
            return
        self._release_all()
        result = event.result
        if result.dialog is not None:
            self._log.facts.dialog = str(result.dialog)
        self._log.info(
            "the call ended after %.1f s, pages confirmed: %d; %s: %s",
            result.seconds,
            result.pages_confirmed,
            result.status.name,
            result.reason,
        )
        self._log.debug("datagrams: %s", self._media.counters)
        self._observer(event)

    def _release_all(self) -> None:
        self._over = True
        self._drop_lane()
        self._media.close()
        if self._stream is not None:
            self._stream.close()
        self._cancel_page_tasks()
        self._on_over()

    def _cancel_page_tasks(self) -> None:
        for task in self._page_tasks:
            task.cancel()

    def _on_deadline(self) -> None:
        self._timer = None
        self._feed(self.call.handle_deadline)

    async def _do(self, job: PageJob) -> None:
        match self.call, job, self._fax, self._file:
            case (
                (SendingCall() | ReceivingCall()) as call,
                PageWanted(request=request, index=index, mode=mode),
                Fax() as fax,
                _,
            ):
                header = None if self._header is None else self._header.line(index + 1)
                document, at = fax.place(index)
                try:
                    coded = await self._images.encode_page(document, at, mode, header, fax.store)
                except ImageError as error:
                    self._log.error("page %d of %s cannot be coded: %s", at + 1, document.path, error)
                    # A fault of the document persists. If it was changed, or a worker was killed, another
                    # attempt may succeed.
                    again = isinstance(error, DocumentChangedError) or not isinstance(error, DocumentError)
                    self._feed(partial(call.page_failed, again=again), request, fax.named(index, error))
                else:
                    assert self._page_warnings is not None
                    warnings = self._page_warnings.of(index, mode, coded)
                    self._feed(partial(call.page_ready, warnings=warnings), request, coded.octets)
            case (
                (ReceivingCall() | PollingCall()) as call,
                StorePage(index=index, mode=mode, data=data, counted=counted),
                _,
                ReceivedFile() as file,
            ):
                try:
                    quality = await file.store(data, mode, counted)
                except ImageError as error:
                    self._log.error("page %d is not in %s: %s", index + 1, file.path, error)
                    self._feed(call.page_not_stored, index, str(error))
                else:
                    self._feed(call.page_stored, index, quality)

"""The engine in this process: one SIP address, and every call on it, on one asyncio loop."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime

from sip.errors import SipError, UnsupportedError
from sip.headers import NameAddress
from sip.line import Address, Ended, Failed, Hop, Incoming, LineEvent
from sip.listening import family_of
from sip.place import Place
from sip.resolver import ResolveError, Resolver
from sip.uri import Uri, parse_uri
from t38fsp import events
from t38fsp.audio.leg import RtpStart
from t38fsp.call.environment import CallEnvironment
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.placing import Destination
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call.sending import SendingCall
from t38fsp.call.verdict import Verdict, unsupported, verdict
from t38fsp.engine.known_pages import KnownPages
from t38fsp.engine.lines import EngineLine, Lines, admission_for
from t38fsp.engine.media import MediaPort
from t38fsp.engine.media_pair import MediaPair
from t38fsp.engine.pacer import Pacer
from t38fsp.engine.running import FAULT, RunningCall
from t38fsp.engine.trunks import Trunks
from t38fsp.engine.waiting import WaitingCalls
from t38fsp.header import CallHeader
from t38fsp.image.errors import DocumentError, ImageError
from t38fsp.image.pool import ImagePool
from t38fsp.jobs import EngineError, EngineSettings, IncomingCall, Observer, ReceiveJob, SendJob
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.vocabulary import PageFormat
from t38fsp.t38.terminal import Packet

logger = logging.getLogger(__name__)

_GOODBYE_LIMIT = 3.0
"""Seconds that aborted calls are given to say goodbye."""
_UNBIND_LIMIT = 2.0
"""Seconds for the answers to what was said; a peer that never answers would need 32."""


class FaxEngine:
    """Sends and takes faxes; every method belongs to the thread of its loop.

    A busy thread of the same interpreter delays the pacing of packets: programs that compute keep the engine
    in a process of its own (:class:`t38fsp.engine.remote.EngineProcess`).
    """

    def __init__(
        self,
        settings: EngineSettings,
        on_incoming: Callable[[IncomingCall], None],
        on_gone: Callable[[int], None] | None = None,
        on_registration: Callable[[events.RegistrationChanged], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_registration = on_registration
        self._on_incoming = on_incoming
        self._on_gone = on_gone
        self._random = random.SystemRandom()
        self._resolver = Resolver(self._random)
        self._running: dict[int, RunningCall] = {}
        self._preparing: dict[int, asyncio.Task[None]] = {}
        self._preparations: set[asyncio.Task[None]] = set()
        self._observers: dict[int, Observer] = {}
        self._by_line_call: dict[tuple[EngineLine, int], RunningCall] = {}
        self._trunk_of: dict[int, str | None] = {}
        self._closed: asyncio.Task[None] | None = None
        self._none_left = asyncio.Event()

    async def start(self) -> Address:
        """Bind the SIP address and start the image workers; returns where we listen.

        Raises EngineError when the address cannot be had.
        """
        self._loop = asyncio.get_running_loop()
        self._pacer: Pacer[Packet] = Pacer(self._loop)
        try:
            self._admission = admission_for(self._settings, self._random)
            self._lines = Lines(
                self._settings,
                self._on_line_event,
                lambda state: self._trunks.changed(state),
                self._random,
                self._admission,
            )
            self._line = self._lines.main
            self._trunks = Trunks(
                self._settings.trunks,
                self._line,
                self._find_trunk,
                self._registration_changed,
                self._lines.admit,
            )
            self._waiting = WaitingCalls(self._line, self._trunks, self._settings.take_limit, self._on_gone)
            await self._line.start()
        except (SipError, ValueError) as error:
            raise EngineError(str(error)) from error
        self._images = ImagePool(self._settings.image_workers)
        await self._images.start()
        self._trunks.begin()
        return self._line.address

    async def close(self, drain: float = 0.0) -> None:
        """No new calls; wait up to ``drain`` seconds for those that run, then abort them.

        Closing twice is no error: the second one waits for the first.
        """
        if self._closed is None:
            self._closed = self._loop.create_task(self._close(drain))
        await asyncio.shield(self._closed)

    async def _close(self, drain: float) -> None:
        self._trunks.end()
        for call in list(self._waiting):
            self._waiting.refuse(call)
        if self._observers and drain > 0:
            await self._wait_for_all(drain)
        for job in list(self._observers):
            self.abort(job)
        if self._observers:
            await self._wait_for_all(_GOODBYE_LIMIT)
        await self._lines.close(_UNBIND_LIMIT)
        if self._preparations:
            # Cancelled by now; each has its image worker to end.
            await asyncio.wait(self._preparations)
        await self._images.close()

    async def _wait_for_all(self, limit: float) -> None:
        self._none_left.clear()
        try:
            await asyncio.wait_for(self._none_left.wait(), limit)
        except TimeoutError:
            logger.warning("%d calls still run after %g seconds", len(self._observers), limit)

    # --- jobs ----------------------------------------------------------------------------------------------

    def send(self, job: int, what: SendJob, observer: Observer) -> None:
        """Send a document; see :class:`t38fsp.jobs.Engine`."""
        known = KnownPages(what.resume)
        self._observers[job] = lambda event: observer(known.note(event))
        if self._refused_for_load(job, what.trunk):
            return
        self._trunk_of[job] = what.trunk
        self._trunks.take(what.trunk)
        task = self._loop.create_task(self._prepare(job, what))
        self._preparing[job] = task
        self._preparations.add(task)
        task.add_done_callback(self._preparations.discard)

    def receive(self, job: int, what: ReceiveJob, observer: Observer) -> None:
        """Take a waiting call."""
        self._observers[job] = observer
        waiting = self._waiting.take(what.call)
        if waiting is None:
            self._finish_early(job, FaxStatus.NO_ANSWER, "the caller hung up before the call was taken")
            return
        incoming = waiting.incoming
        self._trunk_of[job] = waiting.trunk
        try:
            media = self._open_media(job, self._line, incoming.source)
        except OSError as error:
            self._line.refuse(incoming.call, 503, self._loop.time())
            self._finish_early(job, FaxStatus.LINE_UNAVAILABLE, str(error))
            return
        try:
            environment = self._environment(media, self._line, incoming.source)
            credentials = self._trunks.credentials(waiting.trunk, incoming.source)
            call = ReceivingCall(self._line, incoming, what.settings, environment, credentials=credentials)
            call.start(self._loop.time())
        except UnsupportedError as error:
            media.close()
            self._line.hang_up(incoming.call, self._loop.time())
            self._finish(job, unsupported(str(error)))
        except Exception:
            media.close()
            self._line.hang_up(incoming.call, self._loop.time())
            self._fault(job)
        else:
            self._run(job, call, self._line, media, what.file)

    def proceed(self, job: int, go_on: bool) -> None:
        running = self._running.get(job)
        if running is not None:
            running.proceed(go_on)

    def abort(self, job: int) -> None:
        preparing = self._preparing.pop(job, None)
        if preparing is not None:
            preparing.cancel()
            self._finish_early(job, FaxStatus.USER_ABORT, "the fax was cancelled before dialling")
        elif job in self._running:
            self._running[job].abort()

    def refuse(self, call: int) -> None:
        self._waiting.refuse(call)

    def _refused_for_load(self, job: int, trunk: str | None) -> bool:
        if self._closed is not None:
            self._finish_early(job, FaxStatus.LINE_UNAVAILABLE, "the engine is shutting down")
        elif len(self._observers) + len(self._waiting) > self._settings.max_calls:
            self._finish_early(
                job, FaxStatus.LINE_UNAVAILABLE, f"all {self._settings.max_calls} lines are taken; try later"
            )
        elif self._trunks.full(trunk):
            self._finish_early(
                job, FaxStatus.LINE_UNAVAILABLE, f"all channels of the route {trunk} are taken; try later"
            )
        else:
            return False
        return True

    async def _prepare(self, job: int, what: SendJob) -> None:
        """Everything that can go wrong before dialling, then dial."""
        try:
            pages = await self._images.inspect(what.document)
            if (fault := what.resume.fault(len(pages))) is not None:
                raise DocumentError(fault)
            line = await self._lines.of(what.backend)
            routes = self._trunks.service_route(what.trunk)
            # A sips target wants TLS all the way, so also to whom it goes through.
            scheme = what.target.partition(":")[0]
            first = what.target if what.via is None else f"{scheme}:{what.via}"
            hops = await self._hops(NameAddress.parse(routes[0]).uri if routes else first, line)
            self._dial(job, what, line, pages, hops, routes)
        except DocumentError as error:
            self._finish_early(job, FaxStatus.BAD_DOCUMENT, str(error))
        except ImageError as error:
            self._finish_early(job, FaxStatus.FATAL_ERROR, str(error))
        except UnsupportedError as error:
            self._finish(job, unsupported(str(error)))
        except SipError as error:
            # A name server that did not answer says nothing about the name.
            passing = isinstance(error, ResolveError) and error.passing
            status = FaxStatus.LINE_UNAVAILABLE if passing else FaxStatus.BAD_ADDRESS
            self._finish_early(job, status, str(error))
        except (OSError, EngineError) as error:
            self._finish_early(job, FaxStatus.LINE_UNAVAILABLE, str(error))
        except Exception:
            self._fault(job)
        finally:
            self._preparing.pop(job, None)

    async def _find_trunk(self, via: str) -> Sequence[Hop]:
        return await self._hops(f"sip:{via}", self._line)

    async def _hops(self, target: str, line: EngineLine) -> Sequence[Hop]:
        """Where a request goes, best first. Raises SipError."""
        return await self._resolver.locate(Place.of(parse_uri(target)), line.families)

    def _dial(
        self,
        job: int,
        what: SendJob,
        line: EngineLine,
        pages: list[PageFormat],
        hops: Sequence[Hop],
        routes: tuple[str, ...],
    ) -> None:
        # The media is in the same address family as the hop that takes the call.
        other = next((hop for hop in hops if family_of(hop.host) != family_of(hops[0].host)), None)
        media = self._open_media(job, line, hops[0], other)
        caller = what.caller or str(Uri("sip", "fax", line.local_host(hops[0])))
        destination = Destination(
            what.target,
            caller,
            hops,
            what.credentials,
            what.headers,
            what.identity,
            what.session_timers,
            routes,
            None if other is None else line.local_host(other),
        )
        try:
            environment = self._environment(media, line, hops[0])
            call = SendingCall(
                line,
                destination,
                pages,
                what.settings,
                environment,
                resume=what.resume,
                addressing=what.addressing,
            )
            call.start(self._loop.time())
        except Exception:
            media.close()
            raise
        self._run(job, call, line, media, what.document, _header(what, len(pages)))

    def _open_media(
        self, job: int, line: EngineLine, peer: Hop, other: Hop | None = None
    ) -> MediaPort | MediaPair:
        def on_datagram(data: bytes, source: Address) -> bool:
            running = self._running.get(job)
            return running is not None and running.datagram_received(data, source)

        if other is not None:
            return MediaPair.open((line.interface(peer), line.interface(other)), on_datagram)
        return MediaPort.open(line.interface(peer), on_datagram)

    def _environment(self, media: MediaPort | MediaPair, line: EngineLine, peer: Hop) -> CallEnvironment:
        start = RtpStart(
            ssrc=self._random.getrandbits(32),
            sequence=self._random.getrandbits(16),
            timestamp=self._random.getrandbits(32),
        )
        return CallEnvironment(line.local_host(peer), media.port, start, tcp=True)

    def _run(
        self,
        job: int,
        call: FaxCall,
        line: EngineLine,
        media: MediaPort | MediaPair,
        file: str,
        header: CallHeader | None = None,
    ) -> None:
        """Attach a call that has been started to the wire."""
        running = RunningCall(
            call,
            media,
            self._pacer,
            self._images,
            file,
            self._observers[job],
            on_over=lambda: self._over(job, line),
            on_fault=lambda: self._hang_up(call, line),
            header=header,
        )
        self._running[job] = running
        if call.line_call is not None:
            self._by_line_call[line, call.line_call] = running
        running.begin()

    def _hang_up(self, call: FaxCall, line: EngineLine) -> None:
        if call.line_call is not None:
            line.hang_up(call.line_call, self._loop.time())

    def _over(self, job: int, line: EngineLine) -> None:
        running = self._running.pop(job)
        if running.call.line_call is not None:
            self._by_line_call.pop((line, running.call.line_call), None)
        self._forget(job)

    def _forget(self, job: int) -> None:
        del self._observers[job]
        if job in self._trunk_of:
            self._trunks.free(self._trunk_of.pop(job))
        if not self._observers:
            self._none_left.set()

    def _fault(self, job: int) -> None:
        """A fault of ours, just caught, struck a job before its call began."""
        logger.exception("fax %d failed on a fault of ours", job)
        self._finish(job, FAULT)

    def _finish_early(self, job: int, status: FaxStatus, reason: str) -> None:
        self._finish(job, verdict(status, reason))

    def _finish(self, job: int, why: Verdict) -> None:
        observer = self._observers[job]
        self._forget(job)
        observer(events.Finished(FaxResult(why.status, why.reason, why.retry, why.retry_reason)))

    def _registration_changed(self, event: events.RegistrationChanged) -> None:
        if self._on_registration is not None:
            self._on_registration(event)

    # --- the line ------------------------------------------------------------------------------------------

    def _on_line_event(self, line: EngineLine, event: LineEvent) -> None:
        running = self._by_line_call.get((line, event.call))
        if running is not None:
            running.line_event(event)
        elif isinstance(event, Incoming):
            self._on_call(event)
        elif isinstance(event, Failed | Ended) and line is self._line:
            self._waiting.lose(event.call)

    def _on_call(self, incoming: Incoming) -> None:
        trunk = self._trunks.of(incoming)
        busy = len(self._observers) + len(self._waiting) >= self._settings.max_calls or self._trunks.full(
            trunk
        )
        if self._closed is not None or busy or not self._settings.accept_calls:
            self._line.refuse(incoming.call, 486 if busy else 480, self._loop.time())
            return
        self._on_incoming(self._waiting.add(incoming, trunk))


def _header(what: SendJob, pages: int) -> CallHeader | None:
    if what.header is None:
        return None
    target = parse_uri(what.target)
    now = datetime.now().astimezone()
    return what.header.of_call(now, what.settings.station_id, target.user or target.host, pages)

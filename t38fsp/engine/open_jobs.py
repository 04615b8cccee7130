"""The jobs of an engine that are not over: their observers, and the end of those without a call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace

from sip.logs import get_logger
from sip.syntax.errors import SipError, UnsupportedError
from sip.transport.resolver import FamilyError, ResolveError
from t38fsp.call.verdict import Verdict, result_of, verdict
from t38fsp.engine.audio_places import AudioPlaces
from t38fsp.engine.call_log import CallLog
from t38fsp.engine.capacity import OverloadedError
from t38fsp.engine.channels import Channels
from t38fsp.engine.running import FAULT
from t38fsp.errors import SettingError
from t38fsp.events import BeganInAudio, FaxEvent, Finished, SwitchedToT38
from t38fsp.image.errors import DocumentChangedError, DocumentError, EncryptedError, ImageError, StoreError
from t38fsp.jobs import EngineError, Observer
from t38fsp.outcome import Outcome

logger = get_logger(__name__)


class OpenJobs:
    """A job is added, perhaps prepared by a task, and removed when its call is over or it ends without
    one."""

    def __init__(self, channels: Channels, places: AudioPlaces) -> None:
        self._channels = channels
        self._places = places
        self._observers: dict[int, Observer] = {}
        self._logs: dict[int, CallLog] = {}
        self._route_of: dict[int, str | None] = {}
        self._preparing: dict[int, asyncio.Task[None]] = {}
        self._preparations: set[asyncio.Task[None]] = set()
        self._none_left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._observers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._observers)

    def add(self, job: int, observer: Observer, log: CallLog) -> None:
        self._observers[job] = observer
        self._logs[job] = log

    def observer(self, job: int) -> Observer:
        return self._observers[job]

    def log(self, job: int) -> CallLog:
        """The log of a job that is not over."""
        return self._logs[job]

    def note_medium(self, job: int, event: FaxEvent) -> None:
        """The fax has begun in audio, or goes on over T.38."""
        if isinstance(event, BeganInAudio):
            self._places.take(job)
        elif isinstance(event, SwitchedToT38):
            self._places.free(job)

    def tell(self, job: int, event: FaxEvent) -> None:
        """Pass an event to the job's observer, unless the job is over."""
        if job in self._observers:
            self._observers[job](event)

    def holds(self, job: int, route: str | None) -> None:
        """The job uses a channel of ``route``, which is freed at its end."""
        self._route_of[job] = route

    def remove(self, job: int) -> None:
        """The job's call is over."""
        # First: freeing a channel may start another job at once, which must not find this one.
        del self._observers[job], self._logs[job]
        self._places.free(job)
        if job in self._route_of:
            self._channels.free(self._route_of.pop(job))
        if not self._observers:
            self._none_left.set()

    async def wait_for_all(self, limit: float) -> None:
        """Wait until no job is left, at most ``limit`` seconds."""
        self._none_left.clear()
        if not self._observers:
            return
        try:
            async with asyncio.timeout(limit):
                await self._none_left.wait()
        except TimeoutError:
            logger.warning("%d calls still run after %g seconds", len(self._observers), limit)

    # --- before the call ------------------------------------------------------------------------------------

    def prepare(self, job: int, preparation: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run the preparation of a job's call."""

        def ended(task: asyncio.Task[None]) -> None:
            self._preparing.pop(job, None)
            self._preparations.discard(task)

        task = asyncio.get_running_loop().create_task(preparation)
        self._preparing[job] = task
        self._preparations.add(task)
        task.add_done_callback(ended)
        return task

    def stop_preparing(self, job: int) -> bool:
        """Cancel the preparation; false if there is none."""
        task = self._preparing.pop(job, None)
        return task is not None and task.cancel()

    async def wait_for_preparations(self) -> None:
        """Wait until cancelled preparations have ended: each has an image worker to release."""
        if self._preparations:
            await asyncio.wait(self._preparations)

    def fail(self, job: int, error: Exception) -> None:
        """End a job because of ``error``, just caught, before its call began."""
        why = _verdict_on(error)
        if why is None:
            self._logs[job].under(logger).exception("failed with an internal error")
        self._end(job, why or FAULT)

    def end(self, job: int, outcome: Outcome, reason: str) -> None:
        """End a job before its call began."""
        self._end(job, verdict(outcome, reason))

    def _end(self, job: int, why: Verdict) -> None:
        observer = self._observers[job]
        log = self._logs[job].under(logger)
        self.remove(job)
        log.info("ended before its call: %s: %s", why.status.name, why.reason)
        observer(Finished(result_of(why)))


def _verdict_on(error: Exception) -> Verdict | None:
    """The verdict on a job that failed before its call; None for unexpected exceptions, internal errors."""
    match error:
        # From here to SipError the order matters: most of these are subclasses of a later one.
        case UnsupportedError() | SettingError():
            outcome = Outcome.MISCONFIGURED
        case DocumentChangedError():
            why = "the document may remain unchanged the next time"
            return replace(verdict(Outcome.BAD_DOCUMENT, str(error)), retry=True, retry_reason=why)
        case EncryptedError():
            outcome = Outcome.ENCRYPTED
        case DocumentError():
            outcome = Outcome.BAD_DOCUMENT
        case StoreError():
            outcome = Outcome.NOT_STORED
        case ImageError():
            outcome = Outcome.FAULT
        # Before SipError, of which it is one; so are FamilyError and UnsupportedError.
        case ResolveError(transient=True):
            # Without an answer of a name server the name may still be correct.
            outcome = Outcome.UNREACHABLE
        case FamilyError():
            why = "set listen to an address of that kind first"
            return verdict(Outcome.BAD_NUMBER, str(error), why)
        case SipError():
            outcome = Outcome.BAD_NUMBER
        case OverloadedError():
            outcome = Outcome.OVERLOADED
        case OSError() | EngineError():
            outcome = Outcome.UNAVAILABLE
        case _:
            return None
    return verdict(outcome, str(error))

"""One run of the engine process, seen from the program: its jobs, and what its death means for them."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable

from sip.ipc.child import Program, full_environment
from sip.ipc.messages import Close, NotStarted, Started
from sip.ipc.threaded_child import Death, ThreadedChild, ThreadsError
from sip.logs import get_logger
from sip.values import DialogId
from t38fsp.engine.host import CLOSE_LIMIT
from t38fsp.engine.known_facts import KnownFacts
from t38fsp.engine.wire import (
    CODEC,
    Abort,
    Called,
    Command,
    Gone,
    Happened,
    Message,
    Proceed,
    Receive,
    Refuse,
    StartEngine,
)
from t38fsp.events import Connected, FaxEvent, Finished, Identified, RegistrationChanged, RegistrationStatus
from t38fsp.jobs import EngineError, EngineSettings, IncomingCall, PollJob, ReceiveJob, SendJob
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus

_logger = get_logger(__name__)

START_LIMIT = 60.0
"""Seconds until a new process must listen."""
ABORT_LIMIT = 5.0
"""Seconds until an aborted job must be over; an engine that lives needs three at most."""


class RemoteJob:
    """A job on an engine process: its events, in order, ending with Finished."""

    def __init__(self, number: int, child: Child, what: SendJob | PollJob | ReceiveJob) -> None:
        self.number = number
        self._child = child
        self._events: queue.SimpleQueue[FaxEvent | None] = queue.SimpleQueue()
        self._dialog: DialogId | None = None
        self._remote_id = ""
        self._known = KnownFacts(what)
        self._waits_until = math.inf

    def next_event(self, timeout: float | None = None) -> FaxEvent:
        """Wait for the next event; after Finished none comes. Raises queue.Empty after ``timeout`` s.

        After :meth:`abort` an engine that does not end the job within ``ABORT_LIMIT`` is not waited for.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            end = min(until, self._waits_until)
            try:
                event = self._events.get(timeout=None if end == math.inf else max(end - time.monotonic(), 0))
            except queue.Empty:
                if self._waits_until > time.monotonic():
                    raise
                result = FaxResult(
                    FaxStatus.USER_ABORT,
                    f"it was aborted; the engine process did not confirm the end within {ABORT_LIMIT:g} s",
                    retry_reason="it was cancelled here",
                    dialog=self._dialog,
                    remote_id=self._remote_id,
                )
                return Finished(self._known.complete(result))
            if event is not None:
                return event

    def proceed(self, go_on: bool) -> None:
        """Answer Connected; pages wait for it. False ends the call with FS_USER_ABORT."""
        self._child.write(Proceed(self.number, go_on))

    def abort(self) -> None:
        """Ask for the end of the call, and return at once. A job that is over stays as it is."""
        self._waits_until = min(self._waits_until, time.monotonic() + ABORT_LIMIT)
        # Whoever waits without a limit has one from now on.
        self._events.put(None)
        self._child.write(Abort(self.number))

    def deliver(self, event: FaxEvent) -> None:
        """Add an event (for the reader of the pipe)."""
        match event:
            case Connected(dialog):
                self._dialog = dialog
            case Identified(station_id):
                self._remote_id = station_id
        self._events.put(self._known.note(event))

    def lose(self, reason: str) -> None:
        """End the job without its engine; the result tells what was known so far."""
        result = FaxResult(
            FaxStatus.FATAL_ERROR,
            reason,
            retry=True,
            retry_reason="the fault was here, not at the far end",
            outcome=Outcome.FAULT,
            dialog=self._dialog,
            remote_id=self._remote_id,
        )
        self._events.put(Finished(self._known.complete(result)))


class Child:
    """One process and its jobs. Raises OSError or EngineError when it cannot be had."""

    def __init__(
        self,
        settings: EngineSettings,
        factory: str,
        heartbeat: float,
        generation: int,
        on_incoming: Callable[[Child, IncomingCall], None],
        on_gone: Callable[[Child, int], None],
        on_registration: Callable[[RegistrationChanged], None] | None,
        on_death: Callable[[float], None],
    ) -> None:
        self.generation = generation
        self.address = ("", 0)
        self.alive = True
        self._on_incoming = on_incoming
        self._on_gone = on_gone
        self._on_registration = on_registration
        self._on_death = on_death
        self._jobs: dict[int, RemoteJob] = {}
        self._waiting: set[int] = set()
        """Incoming calls that are neither taken nor refused nor gone."""
        self._lock = threading.Lock()
        self._answer: queue.SimpleQueue[Started | NotStarted] = queue.SimpleQueue()
        self._started_at: float | None = None
        level = min(logging.getLogger(name).getEffectiveLevel() for name in ("sip", "t38fsp"))
        try:
            self._process: ThreadedChild[Message] = ThreadedChild(
                Program("engine process", "t38fsp.engine.host", (factory,), full_environment()),
                CODEC,
                StartEngine(level, heartbeat, settings),
                self._dispatch,
                self._bury,
                heartbeat=heartbeat,
                start_limit=START_LIMIT,
            )
        except ThreadsError as error:
            raise EngineError(f"the engine process cannot be served: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_started(self) -> None:
        """Raises EngineError, with the engine's own reason when it gave one."""
        answer = self._answer.get()
        if isinstance(answer, NotStarted):
            raise EngineError(answer.reason)
        self.address = answer.address

    def kill(self) -> None:
        """End a process that is of no use."""
        self._process.kill()

    def begin(self, job: RemoteJob, command: Command) -> None:
        """Register the job, then ask for it."""
        with self._lock:
            alive = self.alive
            if alive:
                self._jobs[job.number] = job
            if isinstance(command, Receive):
                self._waiting.discard(command.what.call)
        if alive:
            self.write(command)
        else:
            job.lose("the engine process died before the job could start")

    def write(self, command: Command) -> None:
        """Write a command; to a process that died it does nothing, for the reader tells of the death."""
        self._process.write(command)

    def refuse(self, call: int) -> None:
        with self._lock:
            self._waiting.discard(call)
        self.write(Refuse(call))

    def close(self, drain: float) -> bool:
        self.write(Close(drain))
        return self._process.end(drain + 2 * CLOSE_LIMIT)

    def _dispatch(self, message: Message) -> None:
        match message:
            case Happened(number, event):
                with self._lock:
                    job = (
                        self._jobs.pop(number, None)
                        if isinstance(event, Finished)
                        else self._jobs.get(number)
                    )
                if job is not None:
                    job.deliver(event)
            case Called(call):
                with self._lock:
                    self._waiting.add(call.call)
                _tell(self._on_incoming, self, call)
            case Gone(number):
                with self._lock:
                    self._waiting.discard(number)
                _tell(self._on_gone, self, number)
            case RegistrationChanged():
                if self._on_registration is not None:
                    _tell(self._on_registration, message)
                elif message.status is RegistrationStatus.FAILED:
                    _logger.warning("route %s is not registered: %s", message.trunk, message.reason)
            case Started():
                self._started_at = time.monotonic()
                self._answer.put(message)
            case NotStarted():
                self._answer.put(message)

    def _bury(self, death: Death) -> None:
        with self._lock:
            self.alive = False
            jobs, self._jobs = list(self._jobs.values()), {}
            waiting, self._waiting = sorted(self._waiting), set()
        if death.hung or jobs:
            _logger.error("%s; %d jobs end with it", death.reason, len(jobs))
        for call in waiting:
            _tell(self._on_gone, self, call)
        for job in jobs:
            job.lose(death.reason)
        self._answer.put(NotStarted(f"{death.reason} while it started"))
        if self._started_at is not None:
            self._on_death(time.monotonic() - self._started_at)


def _tell(callback: Callable[..., None], *arguments: object) -> None:
    try:
        callback(*arguments)
    except Exception:  # the program's code: every job waits for the thread that it runs on
        _logger.exception("a callback of the program failed")

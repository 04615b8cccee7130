"""An engine in a process of its own, for any number of threads.

A busy thread of the program would delay the packets of an engine that shares its interpreter; across a pipe
it cannot. When the process dies, every job on it ends with FS_FATAL_ERROR, and the next job (or, for an
engine that takes calls, the death itself) starts another.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from sip.line import DialogId
from sip.remote.codec import WireError
from sip.remote.pipes import Logged, how_it_ended
from t38fsp.engine.host import CLOSE_LIMIT, ENGINE
from t38fsp.engine.known_pages import KnownPages
from t38fsp.engine.wire import (
    CODEC,
    Abort,
    Called,
    Close,
    Command,
    Gone,
    Happened,
    Message,
    NotStarted,
    Proceed,
    Receive,
    Refuse,
    Send,
    Start,
    Started,
)
from t38fsp.events import Connected, FaxEvent, Finished, Identified, RegistrationChanged
from t38fsp.jobs import EngineError, EngineSettings, IncomingCall, ReceiveJob, Resume, SendJob
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus

_logger = logging.getLogger(__name__)

START_LIMIT = 60.0
"""Seconds until a new process must listen."""
_CALL_BITS = 40
"""Incoming calls are numbered per process; the bits above these tell the processes apart."""


class RemoteJob:
    """A job on an engine process: its events, in order, ending with Finished."""

    def __init__(self, number: int, child: _Child, resume: Resume = Resume()) -> None:  # noqa: B008
        self.number = number
        self._child = child
        self._events: queue.SimpleQueue[FaxEvent] = queue.SimpleQueue()
        self._dialog: DialogId | None = None
        self._remote_id = ""
        self._known = KnownPages(resume)

    def next_event(self, timeout: float | None = None) -> FaxEvent:
        """Wait for the next event; after Finished none comes. Raises queue.Empty after ``timeout`` s."""
        return self._events.get(timeout=timeout)

    def proceed(self, go_on: bool) -> None:
        """Answer Connected; pages wait for it. False ends the call with FS_USER_ABORT."""
        self._child.write(Proceed(self.number, go_on))

    def abort(self) -> None:
        """Ask for the end of the call, and return at once. A job that is over stays as it is."""
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
            dialog=self._dialog,
            remote_id=self._remote_id,
        )
        self._events.put(Finished(self._known.complete(result)))


class EngineProcess:
    """Starts the engine process and talks to it. Every method may be called from any thread.

    ``on_incoming``, ``on_gone`` and ``on_registration`` run on the thread that reads the pipe: they must
    return soon and not wait for an event.
    ``factory`` names the engine as ``module:attribute``. An engine that takes calls is started again as soon
    as it died, unless it lived less than ``restart_pause`` seconds.
    """

    def __init__(
        self,
        settings: EngineSettings,
        on_incoming: Callable[[IncomingCall], None],
        on_gone: Callable[[int], None] | None = None,
        *,
        on_registration: Callable[[RegistrationChanged], None] | None = None,
        factory: str = ENGINE,
        restart_pause: float = 5.0,
    ) -> None:
        self._settings = settings
        self._on_incoming = on_incoming
        self._on_gone = on_gone
        self._on_registration = on_registration
        self._factory = factory
        self._restart_pause = restart_pause
        self._starting = threading.Lock()
        self._child: _Child | None = None
        self._closed = False
        self._jobs = itertools.count(1)
        self._generations = itertools.count(1)

    def start(self) -> tuple[str, int]:
        """Start the process unless it runs; return the SIP address. Raises EngineError."""
        return self._running().address

    def send(self, what: SendJob) -> RemoteJob:
        """Begin to send. Raises EngineError when no process can be started."""
        child = self._running()
        job = RemoteJob(next(self._jobs), child, what.resume)
        child.begin(job, Send(job.number, what))
        return job

    def receive(self, what: ReceiveJob) -> RemoteJob:
        """Take an incoming call. Raises EngineError when no process can be started."""
        generation, call = divmod(what.call, 1 << _CALL_BITS)
        child = self._running()
        job = RemoteJob(next(self._jobs), child)
        if generation == child.generation:
            child.begin(job, Receive(job.number, replace(what, call=call)))
        else:
            job.lose("the engine process that announced the call has died")
        return job

    def refuse(self, call: int) -> None:
        """Do not take this incoming call."""
        generation, number = divmod(call, 1 << _CALL_BITS)
        child = self._child
        if child is not None and child.generation == generation:
            child.write(Refuse(number))

    def close(self, drain: float = 0.0) -> bool:
        """No new calls; wait up to ``drain`` seconds for those that run, then abort them; end the process.

        False when the process did not end by itself.
        """
        with self._starting:
            self._closed = True
            child, self._child = self._child, None
        return child is None or child.close(drain)

    @property
    def pid(self) -> int | None:
        """Process id of the engine that runs, None while none does."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    def _running(self) -> _Child:
        with self._starting:
            if self._closed:
                raise EngineError("the engine is closed; make another")
            if self._child is None or not self._child.alive:
                self._child = _Child(
                    self._settings,
                    self._factory,
                    next(self._generations),
                    self._incoming,
                    self._gone,
                    self._on_registration,
                    self._died,
                )
                self._child.wait_until_started()
            return self._child

    def _incoming(self, child: _Child, call: IncomingCall) -> None:
        self._on_incoming(replace(call, call=child.generation << _CALL_BITS | call.call))

    def _gone(self, child: _Child, call: int) -> None:
        if self._on_gone is not None:
            self._on_gone(child.generation << _CALL_BITS | call)

    def _died(self, lived: float) -> None:
        if self._settings.accept_calls and not self._closed and lived >= self._restart_pause:
            try:
                self.start()
            except EngineError as error:
                _logger.error("the engine process died and cannot be started again: %s", error)


class _Child:
    """One run of the host process, with the thread that reads from it."""

    def __init__(
        self,
        settings: EngineSettings,
        factory: str,
        generation: int,
        on_incoming: Callable[[_Child, IncomingCall], None],
        on_gone: Callable[[_Child, int], None],
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
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._answer: queue.SimpleQueue[Started | NotStarted] = queue.SimpleQueue()
        self._started_at: float | None = None
        # The engine must find the packages that this program found, wherever that was; -P keeps the current
        # directory out unless it is one of those. A group of its own spares it the terminal's Ctrl-C.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "t38fsp.engine.host", factory],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise EngineError(f"the engine process cannot be started: {error}") from error
        level = min(logging.getLogger(name).getEffectiveLevel() for name in ("sip", "t38fsp"))
        self.write(Start(settings, level))
        self._reader = threading.Thread(target=self._read, name="t38fsp-engine", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_started(self) -> None:
        """Raises EngineError, with the engine's own reason when it gave one."""
        try:
            answer = self._answer.get(timeout=START_LIMIT)
        except queue.Empty:
            self._process.kill()
            answer = NotStarted(f"the engine process did not answer within {START_LIMIT:.0f} s")
        if isinstance(answer, NotStarted):
            self._reader.join()
            raise EngineError(answer.reason)
        self.address = (answer.host, answer.port)

    def begin(self, job: RemoteJob, command: Command) -> None:
        """Register the job, then ask for it."""
        with self._lock:
            alive = self.alive
            if alive:
                self._jobs[job.number] = job
        if alive:
            self.write(command)
        else:
            job.lose("the engine process died before the job could start")

    def write(self, command: Command) -> None:
        """Write a command; to a process that died it does nothing, for the reader tells of the death."""
        pipe = self._process.stdin
        if pipe is None:
            return
        with self._writing, contextlib.suppress(OSError, ValueError):
            pipe.write(CODEC.encode(command))
            pipe.flush()

    def close(self, drain: float) -> bool:
        self.write(Close(drain))
        try:
            self._process.wait(drain + 2 * CLOSE_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join()
        return self._process.returncode == 0

    def _read(self) -> None:
        pipe = self._process.stdout
        if pipe is None:
            return
        decoder = CODEC.decoder()
        try:
            while data := os.read(pipe.fileno(), 65536):
                for message in decoder.feed(data):
                    self._dispatch(message)
        except WireError as error:
            _logger.error("the engine process wrote what is no report: %s", error)
            self._process.kill()
        self._bury()

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
                _tell(self._on_incoming, self, call)
            case Gone(number):
                _tell(self._on_gone, self, number)
            case RegistrationChanged():
                if self._on_registration is not None:
                    _tell(self._on_registration, message)
            case Logged(name, level, text):
                logging.getLogger(name).log(level, "%s", text)
            case Started():
                self._started_at = time.monotonic()
                self._answer.put(message)
            case NotStarted():
                self._answer.put(message)

    def _bury(self) -> None:
        """The pipe has ended: the process is dead, or is of no use any more."""
        try:
            code = self._process.wait(CLOSE_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        with self._lock:
            self.alive = False
            jobs, self._jobs = list(self._jobs.values()), {}
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with self._writing, contextlib.suppress(OSError):
                    pipe.close()
        reason = f"the engine process died ({how_it_ended(code)})"
        for job in jobs:
            job.lose(reason)
        self._answer.put(NotStarted(f"{reason} while it started"))
        if self._started_at is not None:
            self._on_death(time.monotonic() - self._started_at)


def _tell(callback: Callable[..., None], *arguments: object) -> None:
    try:
        callback(*arguments)
    except Exception:  # the program's code: every job waits for the thread that it runs on
        _logger.exception("a callback of the program failed")

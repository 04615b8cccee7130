"""One run of the engine process, seen from the program: its jobs, its pipe, its death.

A process that hangs is killed: its loop has to tell every few seconds that it still turns.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from sip.ipc.codec import WireError
from sip.ipc.pipes import Logged, how_it_ended
from sip.logs import FORWARDED, get_logger
from sip.values import DialogId
from t38fsp.engine.host import CLOSE_LIMIT
from t38fsp.engine.known_facts import KnownFacts
from t38fsp.engine.wire import (
    CODEC,
    Abort,
    Alive,
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
    Start,
    Started,
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
_MOST_MISSED = 6
"""Signs of life, before the process is killed. A machine under load delays some; a loop that hangs gives
none."""


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
    """One process, with the thread that reads from it and the one that watches it.

    Raises OSError or EngineError when it cannot be had.
    """

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
        self._writing = threading.Lock()
        self._answer: queue.SimpleQueue[Started | NotStarted] = queue.SimpleQueue()
        self._started_at: float | None = None
        self._heartbeat = heartbeat
        self._listening = False
        """The reader waits for the process, rather than for a callback of the program."""
        self._heard = False
        self._hung = False
        self._ended = threading.Event()
        # The engine must find the packages that this program found, wherever that was; -P keeps the current
        # directory out unless it is one of those. A group of its own spares it the terminal's Ctrl-C.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        level = min(logging.getLogger(name).getEffectiveLevel() for name in ("sip", "t38fsp"))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "t38fsp.engine.host", factory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0 if os.name == "posix" else None,
        )
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once, as the reader will tell
                self._put(Start(settings, level, heartbeat))
            self._reader = _thread(self._read, "t38fsp-engine")
        except BaseException:
            # Nothing reads from it. This closes the pipes, too.
            self._process.kill()
            self._process.communicate()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_started(self) -> None:
        """Raises EngineError, with the engine's own reason when it gave one."""
        try:
            answer = self._answer.get(timeout=START_LIMIT)
        except queue.Empty:
            answer = NotStarted(f"the engine process did not answer within {START_LIMIT:.0f} s")
        if isinstance(answer, NotStarted):
            raise EngineError(answer.reason)
        self.address = (answer.host, answer.port)
        _thread(self._watch, "t38fsp-watch")

    def kill(self) -> None:
        """End a process that is of no use."""
        self._process.kill()
        self._reader.join()

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
        with contextlib.suppress(OSError):
            self._put(command)

    def _put(self, command: Command) -> None:
        frame = CODEC.encode(command)
        pipe = self._process.stdin
        with self._writing:
            if pipe is not None and not pipe.closed:
                pipe.write(frame)
                pipe.flush()

    def refuse(self, call: int) -> None:
        with self._lock:
            self._waiting.discard(call)
        self.write(Refuse(call))

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
            while data := self._listen(pipe.fileno()):
                for message in decoder.feed(data):
                    self._dispatch(message)
        except WireError as error:
            _logger.error("the engine process wrote what is no report: %s", error)
            self._process.kill()
        self._bury()

    def _listen(self, descriptor: int) -> bytes:
        self._listening = True
        data = os.read(descriptor, 65536)
        self._listening = False
        self._heard = True
        return data

    def _watch(self) -> None:
        """Kill a process that has stopped to tell that it is alive, so that no job waits for it."""
        missed = 0
        while not self._ended.wait(self._heartbeat):
            missed = missed + 1 if self._listening and not self._heard else 0
            self._heard = False
            if missed >= _MOST_MISSED:
                self._hung = True
                self._process.kill()
                return

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
            case Logged(name, level, text):
                logging.getLogger(name).log(level, "%s", text, extra=FORWARDED)
            case Started():
                self._started_at = time.monotonic()
                self._answer.put(message)
            case NotStarted():
                self._answer.put(message)
            case Alive():
                pass

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
            waiting, self._waiting = sorted(self._waiting), set()
        self._ended.set()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with self._writing, contextlib.suppress(OSError):
                    pipe.close()
        if self._hung:
            reason = f"the engine process hung for {_MOST_MISSED * self._heartbeat:g} s and was killed"
        else:
            reason = f"the engine process died ({how_it_ended(code)})"
        if self._hung or jobs:
            _logger.error("%s; %d jobs end with it", reason, len(jobs))
        for call in waiting:
            _tell(self._on_gone, self, call)
        for job in jobs:
            job.lose(reason)
        self._answer.put(NotStarted(f"{reason} while it started"))
        if self._started_at is not None:
            self._on_death(time.monotonic() - self._started_at)


def _thread(target: Callable[[], None], name: str) -> threading.Thread:
    """One that runs. Raises EngineError when this process may have no more threads."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise EngineError(f"the engine process cannot be served: {error}") from error
    return thread


def _tell(callback: Callable[..., None], *arguments: object) -> None:
    try:
        callback(*arguments)
    except Exception:  # the program's code: every job waits for the thread that it runs on
        _logger.exception("a callback of the program failed")

"""An engine in a process of its own, for any number of threads.

A busy thread of the program would delay the packets of an engine that shares its interpreter; across a pipe
it cannot. When the process dies, or hangs and is killed, every job on it ends with FS_FATAL_ERROR, and the
next job (or, for an engine that takes calls, the death itself) starts another.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace

from sip.logs import get_logger
from sip.syntax.errors import told
from t38fsp.engine.child import Child, RemoteJob
from t38fsp.engine.host import ENGINE
from t38fsp.engine.wire import Poll, Receive, Send
from t38fsp.events import RegistrationChanged
from t38fsp.jobs import EngineError, EngineSettings, IncomingCall, PollJob, ReceiveJob, SendJob

_logger = get_logger(__name__)

HEARTBEAT = 5.0
"""Seconds from one sign of life of a process to the next."""
_CALL_BITS = 40
"""Incoming calls are numbered per process; the bits above these tell the processes apart."""


class EngineProcess:
    """Starts the engine process and talks to it. Every method may be called from any thread.

    ``on_incoming``, ``on_gone`` and ``on_registration`` run on the thread that reads the pipe: they must
    return soon and not wait for an event.
    ``factory`` names the engine as ``module:attribute``. An engine that takes calls is started again as soon
    as it died, unless it lived less than ``restart_pause`` seconds. A process that gives no sign of life six
    times ``heartbeat`` seconds long is killed.
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
        heartbeat: float = HEARTBEAT,
    ) -> None:
        self._settings = settings
        self._on_incoming = on_incoming
        self._on_gone = on_gone
        self._on_registration = on_registration
        self._factory = factory
        self._restart_pause = restart_pause
        self._heartbeat = heartbeat
        self._starting = threading.Lock()
        self._child: Child | None = None
        self._closed = False
        self._jobs = itertools.count(1)
        self._generations = itertools.count(1)

    def start(self) -> tuple[str, int]:
        """Start the process unless it runs; return the SIP address. Raises EngineError."""
        return self._running().address

    def send(self, what: SendJob) -> RemoteJob:
        """Begin to send. Raises EngineError when no process can be started."""
        child = self._running()
        job = RemoteJob(next(self._jobs), child, what)
        child.begin(job, Send(job.number, what))
        return job

    def poll(self, what: PollJob) -> RemoteJob:
        """Begin to fetch a document. Raises EngineError when no process can be started."""
        child = self._running()
        job = RemoteJob(next(self._jobs), child, what)
        child.begin(job, Poll(job.number, what))
        return job

    def receive(self, what: ReceiveJob) -> RemoteJob:
        """Take an incoming call. Raises EngineError when no process can be started."""
        generation, call = divmod(what.call, 1 << _CALL_BITS)
        child = self._running()
        job = RemoteJob(next(self._jobs), child, what)
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
            child.refuse(number)

    def close(self, drain: float = 0.0) -> bool:
        """No new calls; wait up to ``drain`` seconds for those that run, then abort them; end the process.

        False when the process had to be killed. One that died before has nothing left to end.
        """
        with self._starting:
            self._closed = True
            child, self._child = self._child, None
        return child is None or not child.alive or child.close(drain)

    @property
    def pid(self) -> int | None:
        """Process id of the engine that runs, None while none does."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    def _running(self) -> Child:
        with self._starting:
            if self._closed:
                raise EngineError("the engine is closed; make another")
            if self._child is None or not self._child.alive:
                try:
                    self._child = self._started()
                except OSError as error:
                    raise EngineError(f"the engine process cannot be started: {told(error)}") from error
            return self._child

    def _started(self) -> Child:
        child = Child(
            self._settings,
            self._factory,
            self._heartbeat,
            next(self._generations),
            self._incoming,
            self._gone,
            self._on_registration,
            self._died,
        )
        try:
            child.wait_until_started()
        except BaseException:
            child.kill()
            raise
        return child

    def _incoming(self, child: Child, call: IncomingCall) -> None:
        self._on_incoming(replace(call, call=child.generation << _CALL_BITS | call.call))

    def _gone(self, child: Child, call: int) -> None:
        if self._on_gone is not None:
            self._on_gone(child.generation << _CALL_BITS | call)

    def _died(self, lived: float) -> None:
        if self._settings.accept_calls and not self._closed and lived >= self._restart_pause:
            try:
                self.start()
            except EngineError as error:
                _logger.error("the engine process died and cannot be started again: %s", error)

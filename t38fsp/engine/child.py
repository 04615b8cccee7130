"""One run of an engine process, on the program's side: its jobs, and their end when the process dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from sip.ipc.messages import Close
from sip.ipc.threaded_child import Death
from sip.logs import get_logger
from sip.values import Address, Hop
from t38fsp.engine.channels import Channels, all_taken
from t38fsp.engine.host import CLOSE_LIMIT
from t38fsp.engine.process import EngineProgram, log_level
from t38fsp.engine.remote_job import RemoteJob
from t38fsp.engine.wire import (
    CODEC,
    Called,
    Closing,
    Command,
    Gone,
    JobHappened,
    Limited,
    ListeningAt,
    Message,
    Receive,
    RefuseWaiting,
    StartEngine,
)
from t38fsp.events import Finished, RegistrationChanged
from t38fsp.jobs import EngineSettings, WaitingCall

_logger = get_logger(__name__)

ANSWER_LIMIT = 5.0
"""Seconds for an engine to confirm Close; one whose loop is not blocked does so at once."""


class Child:
    """One process and its jobs, each with a channel of its route from ``channels``.

    Raises OSError or EngineError when it cannot be started.
    """

    def __init__(
        self,
        settings: EngineSettings,
        factory: str,
        heartbeat: float,
        generation: int,
        channels: Channels,
        on_incoming: Callable[[Child, WaitingCall], None],
        on_gone: Callable[[Child, int], None],
        on_registration: Callable[[Child, RegistrationChanged], None],
        on_death: Callable[[Child, float], None],
    ) -> None:
        self.generation = generation
        self.address: Address = ("", 0)
        self.addresses: Sequence[Hop] = ()
        self.alive = True
        self._channels = channels
        self._on_incoming = on_incoming
        self._on_gone = on_gone
        self._on_registration = on_registration
        self._on_death = on_death
        self._jobs: dict[int, RemoteJob] = {}
        self._waiting: dict[int, str | None] = {}
        """Incoming calls that are waiting, each with its route."""
        self._lock = threading.Lock()
        self._limit: int | None = None
        self._asked = 0.0
        self._hears = threading.Event()
        """Set when it has confirmed Close, or is dead."""
        self._program: EngineProgram[Message] = EngineProgram(
            "engine process",
            "t38fsp.engine.host",
            (factory,),
            CODEC,
            StartEngine(log_level(), heartbeat, settings),
            self._dispatch,
            self._bury,
            heartbeat,
        )

    @property
    def pid(self) -> int:
        return self._program.pid

    @property
    def calls(self) -> int:
        """The number of jobs that are not over and calls that wait."""
        return len(self._jobs) + len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether it is overloaded, and accepts no further call."""
        return self._limit is not None and self.calls >= self._limit

    def wait_until_started(self) -> None:
        """Wait until it has started. Raises EngineError, with the engine's reason if it reported one."""
        self.address = self._program.wait_until_started().address

    def kill(self) -> None:
        """Kill the process."""
        self._program.kill()

    def begin(self, job: RemoteJob, command: Command) -> None:
        """Register the job, then write its command: the first event may come at once."""
        if isinstance(command, Receive):
            with self._lock:
                # The job takes over the channel of the waiting call.
                # A call that is gone meanwhile has no channel any more; the engine ends the job.
                job.route = self._waiting.pop(command.what.call, None)
        elif not self._channels.take(job.route):
            job.refuse(all_taken(job.route))
            return
        with self._lock:
            alive = self.alive
            if alive:
                self._jobs[job.number] = job
        if alive:
            self.write(command)
        else:
            # With the lock held, so that a Finished and the death of the process do not both free it.
            self._channels.free(job.route)
            job.lose("the engine process died before the job could start")

    def write(self, command: Command) -> None:
        """Write a command; no-op if the process has died, which the reader reports."""
        self._program.write(command)

    def refuse(self, call: int, status: int) -> None:
        self._forget(call)
        self.write(RefuseWaiting(call, status))

    def ask_to_close(self, drain: float) -> None:
        """Let its calls end within ``drain`` seconds, then abort the rest."""
        self._asked = time.monotonic()
        self.write(Close(drain))

    def end(self, drain: float) -> bool:
        """Wait until it has exited after ``close`` with the same ``drain``.

        False if it had to be killed; it is killed early if it does not confirm Close.
        """
        hears = self._hears.wait(max(0.0, self._asked + ANSWER_LIMIT - time.monotonic()))
        # The engine has its own limit (CLOSE_LIMIT); twice as long is for the process to exit after it.
        patience = self._asked + drain + 2 * CLOSE_LIMIT - time.monotonic()
        return self._program.end(max(0.0, patience) if hears else 0.0)

    def _dispatch(self, message: Message) -> None:
        match message:
            case JobHappened(number, event):
                # The channel is freed under the lock: the job may end and the process die at the same
                # time.
                with self._lock:
                    job = self._jobs.get(number)
                    if job is not None and isinstance(event, Finished):
                        del self._jobs[number]
                        self._channels.free(job.route)
                if job is not None:
                    job.deliver(event)
            case Called(call):
                self._called(call)
            case Gone(number):
                self._forget(number)
                _tell(self._on_gone, self, number)
            case RegistrationChanged():
                _tell(self._on_registration, self, message)
            case ListeningAt(hops):
                self.addresses = hops
            case Limited(calls):
                self._limit = calls
            case Closing():
                self._hears.set()

    def _called(self, call: WaitingCall) -> None:
        if not self._channels.take(call.route):
            # An engine does not know of the channels that calls of other engines use.
            self.write(RefuseWaiting(call.call))
            return
        with self._lock:
            self._waiting[call.call] = call.route
        _tell(self._on_incoming, self, call)

    def _forget(self, call: int) -> None:
        """A call does not wait any more: free its channel."""
        with self._lock:
            if call in self._waiting:
                self._channels.free(self._waiting.pop(call))

    def _bury(self, death: Death, lived: float | None) -> None:
        with self._lock:
            self.alive = False
            jobs, self._jobs = list(self._jobs.values()), {}
            waiting = sorted(self._waiting)
        self._hears.set()
        if death.hung or jobs:
            _logger.error("%s; %d jobs end with it", death.reason, len(jobs))
        for call in waiting:
            self._forget(call)
            _tell(self._on_gone, self, call)
        for job in jobs:
            self._channels.free(job.route)
            job.lose(death.reason)
        if lived is not None:
            self._on_death(self, lived)


def _tell(callback: Callable[..., None], *arguments: object) -> None:
    try:
        callback(*arguments)
    except Exception:  # code of the program: an exception must not end the thread that all jobs depend on
        _logger.exception("a callback of the program failed")

"""One run of the engine process, seen from the program: its jobs, and what its death means for them."""

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
    Happened,
    Limited,
    Listening,
    Message,
    Receive,
    Refuse,
    StartEngine,
)
from t38fsp.events import Finished, RegistrationChanged
from t38fsp.jobs import EngineSettings, IncomingCall

_logger = get_logger(__name__)

ANSWER_LIMIT = 5.0
"""Seconds until an engine that is to close must have heard it; one whose loop has its turns does at once."""


class Child:
    """One process and its jobs, each with a channel of its trunk out of ``channels``.

    Raises OSError or EngineError when it cannot be had.
    """

    def __init__(
        self,
        settings: EngineSettings,
        factory: str,
        heartbeat: float,
        generation: int,
        channels: Channels,
        on_incoming: Callable[[Child, IncomingCall], None],
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
        """Incoming calls that are neither taken nor refused nor gone, each with its trunk."""
        self._lock = threading.Lock()
        self._limit: int | None = None
        self._asked = 0.0
        self._hears = threading.Event()
        """It has heard that it is to close, or is dead."""
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
        """Jobs that are not over, and calls that wait."""
        return len(self._jobs) + len(self._waiting)

    @property
    def full(self) -> bool:
        """It has more to do than usual, and takes no further call."""
        return self._limit is not None and self.calls >= self._limit

    def wait_until_started(self) -> None:
        """Raises EngineError, with the engine's own reason when it gave one."""
        self.address = self._program.wait_until_started().address

    def kill(self) -> None:
        """End a process that is of no use."""
        self._program.kill()

    def begin(self, job: RemoteJob, command: Command) -> None:
        """Register the job, then ask for it."""
        if isinstance(command, Receive):
            with self._lock:
                # The channel of the call is that of the job from now on.
                job.trunk = self._waiting.pop(command.what.call, None)
        elif not self._channels.take(job.trunk):
            job.refuse(all_taken(job.trunk))
            return
        with self._lock:
            alive = self.alive
            if alive:
                self._jobs[job.number] = job
        if alive:
            self.write(command)
        else:
            self._channels.free(job.trunk)
            job.lose("the engine process died before the job could start")

    def write(self, command: Command) -> None:
        """Write a command; to a process that died it does nothing, for the reader tells of the death."""
        self._program.write(command)

    def refuse(self, call: int) -> None:
        self._forget(call)
        self.write(Refuse(call))

    def ask_to_close(self, drain: float) -> None:
        """Let its calls end within ``drain`` seconds, then abort the rest."""
        self._asked = time.monotonic()
        self.write(Close(drain))

    def end(self, drain: float) -> bool:
        """Wait until it has closed, as it was asked to with the same ``drain``.

        False when it had to be killed, as it is soon when it does not even hear that it is to close.
        """
        hears = self._hears.wait(max(0.0, self._asked + ANSWER_LIMIT - time.monotonic()))
        patience = self._asked + drain + 2 * CLOSE_LIMIT - time.monotonic()
        return self._program.end(max(0.0, patience) if hears else 0.0)

    def _dispatch(self, message: Message) -> None:
        match message:
            case Happened(number, event):
                with self._lock:
                    job = self._jobs.get(number)
                    if job is not None and isinstance(event, Finished):
                        del self._jobs[number]
                        self._channels.free(job.trunk)
                if job is not None:
                    job.deliver(event)
            case Called(call):
                self._called(call)
            case Gone(number):
                self._forget(number)
                _tell(self._on_gone, self, number)
            case RegistrationChanged():
                _tell(self._on_registration, self, message)
            case Listening(hops):
                self.addresses = hops
            case Limited(calls):
                self._limit = calls
            case Closing():
                self._hears.set()

    def _called(self, call: IncomingCall) -> None:
        if not self._channels.take(call.trunk):
            # Other engines have them; this one does not know.
            self.write(Refuse(call.call))
            return
        with self._lock:
            self._waiting[call.call] = call.trunk
        _tell(self._on_incoming, self, call)

    def _forget(self, call: int) -> None:
        """A call waits no more."""
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
            self._channels.free(job.trunk)
            job.lose(death.reason)
        if lived is not None:
            self._on_death(self, lived)


def _tell(callback: Callable[..., None], *arguments: object) -> None:
    try:
        callback(*arguments)
    except Exception:  # the program's code: every job waits for the thread that it runs on
        _logger.exception("a callback of the program failed")

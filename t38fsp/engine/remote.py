"""Engines in separate processes, for any number of threads.

A busy thread of the program would delay the packets of an engine in the same interpreter, but not of one in
another process. When an engine process dies, or hangs and is killed, its jobs end with FS_FATAL_ERROR, those
of other processes continue, and the process is started again.

.. code-block:: text

    program ──pipes──> engine process 1 ──┐
            ──pipes──> engine process 2 ──┼── Unix socket ── signalling process ── SIP
            ──pipes──> engine process N ──┘

One engine process alone has the SIP address itself.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from sip.ipc.system import usable_cores
from sip.logs import get_logger
from sip.values import Address, Hop
from t38fsp.choices import Backend
from t38fsp.engine.channels import Channels
from t38fsp.engine.child import Child
from t38fsp.engine.host import ENGINE
from t38fsp.engine.process import cannot_start, restart
from t38fsp.engine.remote_job import RemoteJob
from t38fsp.engine.signalling_child import SignallingProcess
from t38fsp.engine.wire import Poll, Receive, Send
from t38fsp.events import FaxEvent, RegistrationChanged, RegistrationStatus
from t38fsp.jobs import EngineError, EngineSettings, PollJob, ReceiveJob, SendJob, WaitingCall

_logger = get_logger(__name__)

HEARTBEAT = 5.0
"""Seconds between heartbeats of a process."""
_CALL_BITS = 40
"""Incoming calls are numbered per process; the bits above these identify the process."""

Tell = Callable[[FaxEvent], None]


class EngineProcess:
    """Runs ``settings.workers`` engine processes (default: one). Thread-safe.

    A job goes to the process with the fewest calls that is not overloaded.
    ``on_incoming``, ``on_gone`` and ``on_registration`` run on the threads that read the pipes, perhaps on
    two at once: they must return soon and not wait for an event. ``factory`` is the engine as
    ``module:attribute``. A process that died is restarted, unless it is the only one and accepts no calls:
    then the next job starts it. It is restarted at once, or after ``restart_pause`` seconds if it lived no
    longer than that. A process without a heartbeat for six times ``heartbeat`` seconds is killed.
    """

    def __init__(
        self,
        settings: EngineSettings,
        on_incoming: Callable[[WaitingCall], None],
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
        workers = settings.workers or 1
        self._children: list[Child | None] = [None] * workers
        """The processes that have started, by slot."""
        self._by_generation: dict[int, Child] = {}
        """These and the ones that are starting: one may announce a call before all have started."""
        self._signalling: SignallingProcess | None = None
        if workers > 1 and settings.signalling is None:
            self._signalling = SignallingProcess(settings, heartbeat, restart_pause)
        self._channels = Channels(settings.routes)
        self._teller: Child | None = None
        self._choosing = threading.Lock()
        self._closed = False
        self._jobs = itertools.count(1)
        self._generations = itertools.count(1)

    def start(self) -> Address:
        """Start the processes that do not run; return the SIP address. Raises EngineError."""
        with self._starting:
            self._start()
            return self._least_busy_of(self._live).address

    @property
    def addresses(self) -> Sequence[Hop]:
        """Where SIP listens, for each transport; empty while no process runs."""
        live = self._live
        return live[0].addresses if live else ()

    def send(self, what: SendJob, tell: Tell | None = None) -> RemoteJob:
        """Begin to send; ``tell`` as for RemoteJob. Raises EngineError when no process can be started."""
        child = self._least_busy()
        job = RemoteJob(next(self._jobs), child, what, tell)
        child.begin(job, Send(job.number, what))
        return job

    def poll(self, what: PollJob, tell: Tell | None = None) -> RemoteJob:
        """Begin to poll a document. Raises EngineError when no process can be started."""
        child = self._least_busy()
        job = RemoteJob(next(self._jobs), child, what, tell)
        child.begin(job, Poll(job.number, what))
        return job

    def receive(self, what: ReceiveJob, tell: Tell | None = None) -> RemoteJob:
        """Accept an incoming call. Raises EngineError when no process can be started."""
        # Calls of a process that died must not be taken for those of its successor, which counts from 1
        # again.
        generation, call = divmod(what.call, 1 << _CALL_BITS)
        child = self._of(generation)
        job = RemoteJob(next(self._jobs), child or self._least_busy(), what, tell)
        if child is not None:
            child.begin(job, Receive(job.number, replace(what, call=call)))
        else:
            job.lose("the engine process that announced the call has died")
        return job

    def refuse(self, call: int, status: int = 486) -> None:
        """Refuse an incoming call."""
        generation, number = divmod(call, 1 << _CALL_BITS)
        if (child := self._of(generation)) is not None:
            child.refuse(number, status)

    def close(self, drain: float = 0.0) -> bool:
        """Accept no new calls, wait up to ``drain`` seconds for running ones, abort the rest, and end the
        processes.

        False if a process had to be killed; one that died before does not count.
        """
        with self._starting:
            self._closed = True
            live = self._live
            # No new job finds a process; the death of one is then no reason for another.
            self._children = [None] * len(self._children)
        for child in live:
            child.ask_to_close(drain)
        # All were asked before: they drain at the same time.
        in_order = [child.end(drain) for child in live]
        if self._signalling is not None:
            # Last, because the engines' calls end through it.
            in_order.append(self._signalling.close())
        return all(in_order)

    @property
    def pids(self) -> Sequence[int]:
        """Process ids of the engines that run."""
        return [child.pid for child in self._live]

    @property
    def pid(self) -> int | None:
        """Process id of the first engine, None while none runs."""
        return next(iter(self.pids), None)

    @property
    def signalling_pid(self) -> int | None:
        """Process id of the signalling process, None while none runs, or none is needed."""
        return None if self._signalling is None else self._signalling.pid

    @property
    def _live(self) -> list[Child]:
        return [child for child in self._children if child is not None and child.alive]

    def _of(self, generation: int) -> Child | None:
        child = self._by_generation.get(generation)
        return child if child is not None and child.alive else None

    @staticmethod
    def _least_busy_of(live: Sequence[Child]) -> Child:
        """The process with the fewest calls. Raises EngineError when there is none."""
        if not live:
            raise EngineError("the engine process died as soon as it had started")
        # An overloaded one only if all are: it refuses with a reason that can be acted on.
        return min(live, key=lambda child: (child.full, child.calls))

    def _least_busy(self) -> Child:
        """Raises EngineError."""
        live = self._live
        if not live:
            with self._starting:
                self._start()
                live = self._live
        return self._least_busy_of(live)

    def _start(self) -> None:
        """Start the processes that do not run, and wait for them. Raises EngineError; running ones are
        kept."""
        if self._closed:
            raise EngineError("the engine is closed; create another")
        if self._signalling is not None and self._settings.backend is not Backend.OWN:
            count = len(self._children)
            raise EngineError(
                f"{count} engine processes need the backend 'own'; set workers to 1, or backend to 'own'"
            )
        try:
            with ExitStack() as undo:
                # Only if no engine is left to use it: a restart of one must not end the calls of the
                # others.
                if self._signalling is not None and self._signalling.start() and not self._live:
                    undo.callback(self._signalling.kill)
                started: dict[int, Child] = {}
                for slot, child in enumerate(self._children):
                    if child is None or not child.alive:
                        started[slot] = self._begin(slot)
                        undo.callback(started[slot].kill)
                for child in started.values():
                    child.wait_until_started()
                undo.pop_all()
        except OSError as error:
            raise cannot_start("engine process", error) from error
        for slot, child in started.items():
            self._children[slot] = child
        for child in started.values():
            if not child.alive:
                # It died before it was entered in _children, so its death was not handled there.
                self._died(child, 0.0)

    def _begin(self, slot: int) -> Child:
        # Nothing may raise between the start of the process and its entry in _by_generation, or it is never
        # killed.
        living = {each: known for each, known in self._by_generation.items() if known.alive}
        child = Child(
            self._settings_of(slot),
            self._factory,
            self._heartbeat,
            next(self._generations),
            self._channels,
            self._incoming,
            self._gone,
            self._registration,
            self._died,
        )
        # Replaced as a whole: threads that deliver events read it without a lock.
        self._by_generation = {**living, child.generation: child}
        return child

    def _settings_of(self, slot: int) -> EngineSettings:
        workers = len(self._children)
        if workers == 1:
            return self._settings
        images = self._settings.image_workers
        settings = replace(
            self._settings,
            workers=1,
            name=f"{self._settings.name}-{slot + 1}",
            # The processes share the cores; at least two image workers each, because one may wait for a disk.
            image_workers=max(2, usable_cores() // workers) if images is None else max(1, images // workers),
        )
        return settings if self._signalling is None else replace(settings, signalling=self._signalling.path)

    def _incoming(self, child: Child, call: WaitingCall) -> None:
        self._on_incoming(replace(call, call=child.generation << _CALL_BITS | call.call))

    def _gone(self, child: Child, call: int) -> None:
        if self._on_gone is not None:
            self._on_gone(child.generation << _CALL_BITS | call)

    def _registration(self, child: Child, event: RegistrationChanged) -> None:
        # Every process reports the shared registrations: pass on those of one.
        with self._choosing:
            if self._teller is None or not self._teller.alive:
                self._teller = child
            if child is not self._teller:
                return
        if self._on_registration is not None:
            self._on_registration(event)
        elif event.status is RegistrationStatus.FAILED:
            _logger.warning("route %s is not registered: %s", event.route, event.reason)

    def _died(self, child: Child, lived: float) -> None:
        def missed() -> bool:
            return not self._closed and child in self._children

        if self._settings.accept_calls or len(self._children) > 1:
            restart(self.start, missed, lived, self._restart_pause)

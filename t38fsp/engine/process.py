"""A process of an engine, seen from the program: started, answered for, and dead once."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic

from sip.ipc.child import Program, full_environment
from sip.ipc.codec import Codec, MessageT
from sip.ipc.messages import NotStarted, Started
from sip.ipc.threaded_child import Death, ThreadedChild, ThreadsError
from sip.logs import get_logger
from sip.syntax.errors import told
from t38fsp.choices import PREFIX
from t38fsp.jobs import EngineError

_logger = get_logger(__name__)

START_LIMIT = 60.0
"""Seconds until a new process must listen."""
_LEAST_PAUSE = 1.0
"""Seconds between two attempts to start a process, when the first one fails."""


class EngineProgram(Generic[MessageT]):
    """Runs ``module`` until it dies or is ended; what it writes beside its first answer goes to ``take``.

    ``died`` is told how it died, and how many seconds it had lived since it answered; None if it never did.
    Both run on the thread that reads. Raises OSError or EngineError when it cannot be had.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: tuple[str, ...],
        codec: Codec[MessageT],
        start: MessageT,
        take: Callable[[MessageT], None],
        died: Callable[[Death, float | None], None],
        heartbeat: float,
    ) -> None:
        self.alive = True
        self._take = take
        self._died = died
        self._answer: queue.SimpleQueue[Started | NotStarted] = queue.SimpleQueue()
        self._started_at: float | None = None
        try:
            self._child: ThreadedChild[MessageT] = ThreadedChild(
                # Settings, passwords among them, have been read: a process is told what they say.
                Program(name, module, arguments, full_environment(but=PREFIX)),
                codec,
                start,
                self._dispatch,
                self._bury,
                heartbeat=heartbeat,
                start_limit=START_LIMIT,
            )
        except ThreadsError as error:
            raise EngineError(f"the {name} cannot be served: {error}") from error

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_until_started(self) -> Started:
        """Its answer. Raises EngineError, with its own reason when it gave one."""
        answer = self._answer.get()
        if isinstance(answer, NotStarted):
            raise EngineError(answer.reason)
        return answer

    def write(self, message: MessageT) -> None:
        """To a process that died it does nothing, for ``died`` tells of the death."""
        self._child.write(message)

    def kill(self) -> None:
        """End a process that is of no use."""
        self._child.kill()

    def end(self, patience: float) -> bool:
        """Give it ``patience`` seconds to leave, as it was told to, then kill it; false if it was killed."""
        return self._child.end(patience)

    def _dispatch(self, message: MessageT) -> None:
        if isinstance(message, Started | NotStarted):
            if isinstance(message, Started):
                self._started_at = time.monotonic()
            self._answer.put(message)
        else:
            self._take(message)

    def _bury(self, death: Death) -> None:
        self.alive = False
        # Whoever waits for its answer waits no more.
        self._answer.put(NotStarted(f"{death.reason} while it started"))
        self._died(death, None if self._started_at is None else time.monotonic() - self._started_at)


def log_level() -> int:
    """The least level of log records that this process wants of another."""
    return min(logging.getLogger(name).getEffectiveLevel() for name in ("sip", "t38fsp"))


def cannot_start(name: str, error: OSError) -> EngineError:
    """What is raised for an ``error`` in starting a process."""
    return EngineError(f"the {name} cannot be started: {told(error)}")


def restart(start: Callable[[], object], wanted: Callable[[], bool], lived: float, pause: float) -> None:
    """Start a process again that died: at once, or after ``pause`` seconds if it lived no longer than that.

    When that fails it is tried again after each pause, as long as it is ``wanted``.
    """

    def attempt() -> None:
        if wanted():
            try:
                start()
            except EngineError as error:
                if wanted():
                    _logger.error("%s; trying again in %g s", error, pause)
                    later()

    def later() -> None:
        timer = threading.Timer(max(pause, _LEAST_PAUSE), attempt)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError as error:
            _logger.error("a process that died is not started again: %s", error)

    if lived >= pause:
        attempt()
    else:
        later()

"""A child process of an engine, on the program's side: start, messages, death."""

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
"""Seconds for a new process to listen."""
_LEAST_PAUSE = 1.0
"""Least seconds between attempts to start a process."""


class EngineProgram(Generic[MessageT]):
    """Runs ``module`` until it dies or is ended; messages after its response to Start go to ``take``.

    ``died`` gets the reason, and the seconds since that response; None if there was none. Both run on the
    thread that reads. Raises OSError or EngineError when it cannot be started.
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
                # Keep passwords out of its environment: settings are already read, and sent in Start.
                Program(name, module, arguments, full_environment(but=PREFIX)),
                codec,
                start,
                self._dispatch,
                self._bury,
                heartbeat=heartbeat,
                start_limit=START_LIMIT,
            )
        except ThreadsError as error:
            raise EngineError(f"the {name} cannot be used: {error}") from error

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_until_started(self) -> Started:
        """The response to Start. Raises EngineError, with the process's reason if it reported one."""
        answer = self._answer.get()
        if isinstance(answer, NotStarted):
            raise EngineError(answer.reason)
        return answer

    def write(self, message: MessageT) -> None:
        """Write a message; no-op if the process has died, which ``died`` reports."""
        self._child.write(message)

    def kill(self) -> None:
        """Kill the process."""
        self._child.kill()

    def end(self, patience: float) -> bool:
        """Wait ``patience`` seconds for it to exit after Close, then kill it; false if it was killed."""
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
        # Wake the thread that waits for the response.
        # After a Started nothing reads it any more.
        self._answer.put(NotStarted(f"{death.reason} while it started"))
        self._died(death, None if self._started_at is None else time.monotonic() - self._started_at)


def log_level() -> int:
    """The lowest level of log records that a child has to send."""
    return min(logging.getLogger(name).getEffectiveLevel() for name in ("sip", "t38fsp"))


def cannot_start(name: str, error: OSError) -> EngineError:
    """The exception to raise for an ``error`` in starting a process."""
    return EngineError(f"the {name} cannot be started: {told(error)}")


def restart(start: Callable[[], object], wanted: Callable[[], bool], lived: float, pause: float) -> None:
    """Restart a process that died: at once, or after ``pause`` seconds if it lived no longer than that.

    If that fails, try again after each pause, as long as ``wanted`` returns true.
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
            _logger.error("cannot restart a process that died: %s", error)

    # One that dies as soon as it has started is most likely to do so again.
    if lived >= pause:
        attempt()
    else:
        later()

"""A job on an engine process, on the program's side."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable
from typing import Protocol

from sip.values import DialogId
from t38fsp.call.verdict import result_of, verdict
from t38fsp.engine.known_facts import KnownFacts
from t38fsp.engine.wire import Abort, Command, Proceed
from t38fsp.events import Connected, FaxEvent, Finished, Identified
from t38fsp.jobs import PollJob, ReceiveJob, SendJob
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus

ABORT_LIMIT = 5.0
"""Seconds for an aborted job to end; a working engine needs three at most."""


class CommandSink(Protocol):
    """What a job needs of its process."""

    def write(self, command: Command) -> None: ...


class RemoteJob:
    """A job on an engine process: its events, in order, ending with Finished.

    They are queued for :meth:`next_event`, or passed to ``tell`` on the thread that reads the pipe.
    """

    def __init__(
        self,
        number: int,
        engine: CommandSink,
        what: SendJob | PollJob | ReceiveJob,
        tell: Callable[[FaxEvent], None] | None = None,
    ) -> None:
        self.number = number
        self.route: str | None = None if isinstance(what, ReceiveJob) else what.route
        """The route whose channel it uses."""
        self._engine = engine
        self._events: queue.SimpleQueue[FaxEvent | None] = queue.SimpleQueue()
        self._tell = tell or self._events.put
        self._dialog: DialogId | None = None
        self._remote_id = ""
        self._known = KnownFacts(what)
        self._waits_until = math.inf

    def next_event(self, timeout: float | None = None) -> FaxEvent:
        """Wait for the next event; Finished is the last one. Raises queue.Empty after ``timeout`` s.

        After :meth:`abort` it waits at most ``ABORT_LIMIT`` for the engine to end the job.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            end = min(until, self._waits_until)
            try:
                event = self._events.get(timeout=None if end == math.inf else max(end - time.monotonic(), 0))
            except queue.Empty:
                # The time of the caller is over, not that of the abort.
                if self._waits_until > time.monotonic():
                    raise
                return self.given_up()
            if event is not None:
                return event

    def given_up(self) -> Finished:
        """The end of an aborted job whose engine does not confirm it."""
        result = FaxResult(
            FaxStatus.USER_ABORT,
            f"it was aborted; the engine process did not confirm the end within {ABORT_LIMIT:g} s",
            retry_reason="it was cancelled here",
            dialog=self._dialog,
            remote_id=self._remote_id,
        )
        return Finished(self._known.complete(result))

    def proceed(self, go_on: bool) -> None:
        """Respond to Connected, which pages wait for. False ends the call with FS_USER_ABORT."""
        self._engine.write(Proceed(self.number, go_on))

    def abort(self) -> None:
        """Request the end of the call, and return at once. No-op for a job that is over."""
        # A second abort must not prolong the wait.
        self._waits_until = min(self._waits_until, time.monotonic() + ABORT_LIMIT)
        # Wake a thread in next_event, which now has a time limit.
        self._events.put(None)
        self._engine.write(Abort(self.number))

    def deliver(self, event: FaxEvent) -> None:
        """Add an event (for the reader of the pipe)."""
        match event:
            case Connected(dialog):
                self._dialog = dialog
            case Identified(station_id):
                self._remote_id = station_id
        self._tell(self._known.note(event))

    def lose(self, reason: str) -> None:
        """End the job without its engine; the result contains what is known."""
        result = FaxResult(
            FaxStatus.FATAL_ERROR,
            reason,
            retry=True,
            retry_reason="the fault was here, not at the far end",
            outcome=Outcome.FAULT,
            dialog=self._dialog,
            remote_id=self._remote_id,
        )
        self._tell(Finished(self._known.complete(result)))

    def refuse(self, reason: str) -> None:
        """End a job that never reached an engine."""
        self._tell(Finished(self._known.complete(result_of(verdict(Outcome.UNAVAILABLE, reason)))))

"""Runs the state table of a call: the only code that sets the state of a call and its timers."""

from __future__ import annotations

from operator import attrgetter

from t38fsp.call.table import TABLE, Change, Input, Row, State, Timer, TimerChange
from t38fsp.call_settings import CallSettings


class CallMachine:
    """Runs the table. ``owner`` has the guards and actions: ``x`` in the table is its method ``_x``."""

    def __init__(self, owner: object, settings: CallSettings) -> None:
        self._owner = owner
        self._settings = settings
        self._timers: dict[Timer, float] = {}
        self.state = State.IDLE

    def feed(self, given: Input, now: float) -> bool:
        """Take the row for this input; false if there is none, and the input is ignored.

        The state is set before the actions run. So an input that an action causes, such as the end of T.30
        when the line drops, finds the call in the next state.
        """
        for row in TABLE.get((self.state, given), ()):
            if all(attrgetter("_" + name)(self._owner)() is wanted for name, wanted in row.guards):
                self._take(row, now)
                return True
        return False

    def _take(self, row: Row, now: float) -> None:
        if row.next is not None and row.next is not self.state:
            self.state = row.next
            # Only those that the new state has a row for: nothing has to be stopped by hand.
            self._timers = {timer: due for timer, due in self._timers.items() if (row.next, timer) in TABLE}
        for change in row.timers:
            self._change(change, now)
        for action in row.actions:
            attrgetter("_" + action)(self._owner)(now)

    def _change(self, change: TimerChange, now: float) -> None:
        timer, seconds = change.timer, change.seconds
        due = now + (getattr(self._settings, seconds) if isinstance(seconds, str) else seconds)
        match change.change:
            case Change.START:
                self._timers[timer] = due
            case Change.AT_MOST:
                self._timers[timer] = min(self._timers.get(timer, due), due)
            case Change.AT_LEAST:
                self._timers[timer] = max(self._timers.get(timer, due), due)
            case Change.STOP:
                self._timers.pop(timer, None)

    def next_deadline(self) -> float | None:
        if not self._timers:
            return None  # the usual case during a fax, asked after nearly every datagram
        return min(self._timers.values())

    def handle_deadline(self, now: float) -> None:
        """Expire the timers that are due, the earliest first."""
        while self._timers:
            timer = min(self._timers, key=self._timers.__getitem__)
            if self._timers[timer] > now:
                return
            del self._timers[timer]
            self.feed(timer, now)

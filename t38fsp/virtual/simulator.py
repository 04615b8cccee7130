"""Simulated time: a clock that jumps from one event to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class ScheduledCall:
    """A callback that runs at a time, unless it is cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Also keeps simulated time from advancing to it."""
        self.callback = None


class Simulator:
    """Runs callbacks in order of their virtual time (seconds from 0)."""

    def __init__(self) -> None:
        self.now = 0.0
        # What is due at the same time runs in the order in which it was scheduled; without the number,
        # heapq would compare the calls themselves.
        self._order = count()
        self._queue: list[tuple[float, int, ScheduledCall]] = []

    def at(self, when: float, callback: Callable[[], None]) -> ScheduledCall:
        """Run ``callback`` at virtual time ``when``, or next if that has passed."""
        scheduled = ScheduledCall(callback)
        heapq.heappush(self._queue, (max(when, self.now), next(self._order), scheduled))
        return scheduled

    def after(self, delay: float, callback: Callable[[], None]) -> None:
        self.at(self.now + delay, callback)

    def run(self, until: Callable[[], bool] | None = None, *, limit: float = 86_400.0) -> bool:
        """Run until ``until`` holds, nothing is left, or virtual time passes ``limit``.

        Returns whether ``until`` held at the end (true when it was not given and nothing is left).
        """
        while self._queue:
            if until is not None and until():
                return True
            if self._queue[0][0] > limit:
                return False
            when, _, scheduled = heapq.heappop(self._queue)
            if scheduled.callback is not None:
                self.now = when
                scheduled.callback()
        return until is None or until()


class Alarm:
    """One deadline in a simulator that can be moved."""

    def __init__(self, simulator: Simulator, callback: Callable[[], None]) -> None:
        self._simulator = simulator
        self._callback = callback
        self._due: float | None = None
        self._scheduled: ScheduledCall | None = None

    def set(self, due: float | None) -> None:
        # Scheduled anew it would run after what was scheduled since, for the same time.
        if due == self._due:
            return
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._due = due
        if due is not None:
            self._scheduled = self._simulator.at(due, self._ring)

    def _ring(self) -> None:
        self._due = self._scheduled = None
        self._callback()

"""One heap of timers for everything that a user agent waits for."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Callback = Callable[[float], None]
"""Called with ``now`` when the timer fires."""

_SLACK = 64
"""Cancelled timers that may stay in the heap before it is swept."""


class Timer:
    """A timer that has been set. ``cancel`` may be called at any time, and more than once."""

    __slots__ = ("callback", "owner")

    def __init__(self, owner: Timers, callback: Callback) -> None:
        self.owner = owner
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self.owner.cancelled += 1


class Timers:
    """Callbacks at points of time (seconds, on the caller's monotonic clock).

    Nothing fires by itself: ``fire`` runs what is due.
    """

    def __init__(self) -> None:
        self.cancelled = 0
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap) - self.cancelled

    @property
    def held(self) -> int:
        """Timers in memory, cancelled ones included."""
        return len(self._heap)

    def at(self, when: float, callback: Callback) -> Timer:
        """Have ``callback`` called at ``when``; timers of one instant fire in the order they were set."""
        if self.cancelled > _SLACK and self.cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self.cancelled = 0
        # The order breaks ties, so that callbacks are never compared.
        timer = Timer(self, callback)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        return timer

    def next_deadline(self) -> float | None:
        """When ``fire`` has something to do; None when nothing is set."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
            self.cancelled -= 1
        return self._heap[0][0] if self._heap else None

    def fire(self, now: float) -> None:
        """Run what is due at ``now``, in order of time."""
        while (when := self.next_deadline()) is not None and when <= now:
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback(now)

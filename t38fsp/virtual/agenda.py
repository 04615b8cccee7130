"""What is to be done later: the timed actions of a sans-IO object."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Agenda:
    """Actions in the order of their times, equal ones in the order they came; each is told the time."""

    def __init__(self) -> None:
        self._order = count()
        self._actions: list[tuple[float, int, Callable[[float], None]]] = []

    def at(self, when: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._actions, (when, next(self._order), action))

    def next_deadline(self) -> float | None:
        return self._actions[0][0] if self._actions else None

    def handle_deadline(self, now: float) -> None:
        """Do what is due, and what that makes due."""
        while self._actions and self._actions[0][0] <= now:
            heapq.heappop(self._actions)[2](now)

    def clear(self) -> None:
        self._actions.clear()

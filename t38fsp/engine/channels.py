"""The number of channels in use of each route."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from t38fsp.jobs import EngineRoute


class Channels:
    """Counts the calls of each of ``routes``. Thread-safe.

    Calls of the route None, or of an unknown name, are not limited.
    """

    def __init__(self, routes: Iterable[EngineRoute]) -> None:
        self._limits = {route.name: route.channels for route in routes}
        self._taken: Counter[str | None] = Counter()
        self._lock = threading.Lock()

    def full(self, name: str | None) -> bool:
        """Whether all channels of a route are in use."""
        limit = None if name is None else self._limits.get(name)
        return limit is not None and self._taken[name] >= limit

    def take(self, name: str | None) -> bool:
        """Take a channel; false if none is free."""
        with self._lock:
            if self.full(name):
                return False
            self._taken[name] += 1
            return True

    def free(self, name: str | None) -> None:
        """Free the channel of a call that is over."""
        with self._lock:
            self._taken[name] -= 1


def all_taken(route: str | None) -> str:
    """The message for a call that got no channel."""
    return f"all channels of the route {route} are in use; try again later"

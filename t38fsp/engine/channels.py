"""How many channels of each trunk are taken."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from t38fsp.jobs import Trunk


class Channels:
    """Counts the calls of each of ``trunks``. Any thread may use it.

    A name of None, or one that is unknown, stands for calls that no limit holds for.
    """

    def __init__(self, trunks: Iterable[Trunk]) -> None:
        self._limits = {trunk.name: trunk.channels for trunk in trunks}
        self._taken: Counter[str | None] = Counter()
        self._lock = threading.Lock()

    def full(self, name: str | None) -> bool:
        """Whether all channels of a trunk are taken."""
        limit = None if name is None else self._limits.get(name)
        return limit is not None and self._taken[name] >= limit

    def take(self, name: str | None) -> bool:
        """Take a channel; false, and nothing is taken, when there is none."""
        with self._lock:
            if self.full(name):
                return False
            self._taken[name] += 1
            return True

    def free(self, name: str | None) -> None:
        """The call that took a channel is over."""
        with self._lock:
            self._taken[name] -= 1


def all_taken(trunk: str | None) -> str:
    """The sentence for a call that got no channel."""
    return f"all channels of the route {trunk} are taken; try later"

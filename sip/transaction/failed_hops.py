"""Hops that failed recently, so that calls try others first (RFC 3263 4.3, RFC 3261 21.5.4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from sip.transaction.timers import Timer, Timers
from sip.values import Hop

AVOIDED = 30.0
"""Seconds for which a hop is avoided if it sent no Retry-After."""
LONGEST_AVOIDED = 3600.0
"""Upper bound for a Retry-After, in seconds."""

_LIMIT = 1024


class FailedHops:
    """Shared by all calls of a line. Each hop is forgotten when its time is over."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._hops: OrderedDict[Hop, Timer] = OrderedDict()

    def __contains__(self, hop: Hop) -> bool:
        return hop in self._hops

    def __len__(self) -> int:
        return len(self._hops)

    def add(self, hop: Hop, now: float, seconds: float = AVOIDED) -> None:
        """Avoid ``hop`` from now on, for ``seconds`` (at most LONGEST_AVOIDED)."""
        self.remove(hop)
        # The oldest makes room: that it failed is least likely to be true still.
        if len(self._hops) == _LIMIT:
            self.remove(next(iter(self._hops)))
        until = now + min(seconds, LONGEST_AVOIDED)
        self._hops[hop] = self._timers.at(until, lambda late: self.remove(hop))

    def remove(self, hop: Hop) -> None:
        """The hop has responded again."""
        timer = self._hops.pop(hop, None)
        if timer is not None:
            timer.cancel()

    def order(self, hops: Iterable[Hop]) -> list[Hop]:
        """The same hops, recently failed ones last (a stable sort); never empty unless ``hops`` is."""
        return sorted(hops, key=self.__contains__)

"""How late packets leave, as a histogram."""

from __future__ import annotations

from bisect import bisect_left

_FINE = 0.1
"""Seconds up to which each slot is half a millisecond wide."""
_PER_SECOND = 2000
_SLOTS = round(_FINE * _PER_SECOND)
_EDGES = (0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
"""Upper edges in seconds of the slots after that; the last slot holds everything later."""


class Lateness:
    """Histogram of the delay, in seconds, between the due times of packets and their departures."""

    __slots__ = ("_slots", "maximum")

    def __init__(self) -> None:
        self.maximum = 0.0
        self._slots = [0] * (_SLOTS + len(_EDGES) + 1)

    def add(self, *late: float) -> None:
        """Count packets by their delays, which must not be negative."""
        slots, maximum = self._slots, self.maximum
        for seconds in late:
            if seconds < _FINE:
                # A list and a product: this runs for each packet of each call.
                slots[int(seconds * _PER_SECOND)] += 1
            else:
                slots[_SLOTS + bisect_left(_EDGES, seconds)] += 1
            if seconds > maximum:
                maximum = seconds
        self.maximum = maximum

    def merge(self, other: Lateness) -> None:
        """Add the counts of ``other``."""
        self._slots = [ours + theirs for ours, theirs in zip(self._slots, other._slots, strict=True)]
        self.maximum = max(self.maximum, other.maximum)

    @property
    def count(self) -> int:
        """Packets."""
        return sum(self._slots)

    def quantile(self, share: float) -> float:
        """Delay in seconds that ``share`` (0 to 1) of the packets did not exceed, rounded up to a slot."""
        wanted = share * self.count
        seen = 0
        for slot, packets in enumerate(self._slots):
            seen += packets
            if seen >= wanted:
                return min(_upper_edge(slot), self.maximum)
        return self.maximum

    @property
    def p99(self) -> float:
        return self.quantile(0.99)


def _upper_edge(slot: int) -> float:
    if slot < _SLOTS:
        return (slot + 1) / _PER_SECOND
    coarse = slot - _SLOTS
    return _EDGES[coarse] if coarse < len(_EDGES) else float("inf")

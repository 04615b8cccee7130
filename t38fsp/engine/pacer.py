"""The pacer: one timer for the packets of every call in the process.

A task or a timer for each packet costs two to three times as much as the packet and collapses first under
load; here one heap (:class:`~t38fsp.t38.packet_queue.PacketQueue`) and one timer serve all calls.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable
from typing import Generic

from t38fsp.t38.packet_queue import DEFAULT_LIMIT, Channel, P, PacketQueue

_EDGES = (
    0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015,
    0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip


class Lateness:
    """How late packets left, in seconds behind their due time, as a small histogram."""

    __slots__ = ("_buckets", "count", "maximum")

    def __init__(self) -> None:
        self.count = 0
        self.maximum = 0.0
        self._buckets = [0] * (len(_EDGES) + 1)

    def add(self, seconds: float) -> None:
        """Count one packet; an early one counts as 0."""
        self.count += 1
        self.maximum = max(self.maximum, seconds)
        self._buckets[bisect_left(_EDGES, seconds)] += 1

    def merge(self, other: Lateness) -> None:
        """Count the packets of another one, too."""
        self.count += other.count
        self.maximum = max(self.maximum, other.maximum)
        self._buckets = [ours + theirs for ours, theirs in zip(self._buckets, other._buckets, strict=True)]

    def quantile(self, share: float) -> float:
        """Seconds that ``share`` (0 to 1) of the packets stayed within, rounded up to a histogram step."""
        wanted = share * self.count
        seen = 0
        for edge, packets in zip(_EDGES, self._buckets, strict=False):
            seen += packets
            if seen >= wanted:
                return min(edge, self.maximum)
        return self.maximum

    @property
    def p99(self) -> float:
        return self.quantile(0.99)


class Pacer(Generic[P]):
    """Sends packets when they are due on ``loop.time()``. Belongs to the thread of its loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = DEFAULT_LIMIT) -> None:
        self._loop = loop
        self._queue: PacketQueue[P] = PacketQueue(limit)
        self._timer: asyncio.Handle | None = None
        self._rings = 0.0
        """When the timer does; not every loop's handles can be asked."""
        self._before, self._lateness = Lateness(), Lateness()

    def __len__(self) -> int:
        """How many packets wait."""
        return len(self._queue)

    @property
    def lateness(self) -> Lateness:
        """Of all packets so far."""
        total = Lateness()
        total.merge(self._before)
        total.merge(self._lateness)
        return total

    def take_lateness(self) -> Lateness:
        """Of the packets since this was called last; for whoever watches."""
        taken, self._lateness = self._lateness, Lateness()
        self._before.merge(taken)
        return taken

    def add(self, channel: Channel[P], packets: Iterable[P]) -> None:
        """Take packets of ``channel``; what is due already leaves in the next turn of the loop.

        Raises OverflowError, taking none, when more would wait than the limit for one channel.
        """
        self._queue.push(channel, packets)
        self._arm()

    def remove(self, channel: Channel[P]) -> None:
        """Forget the channel and its packets; call it when a call ends."""
        self._queue.remove(channel)
        self._arm()

    def _arm(self) -> None:
        due = self._queue.next_due()
        if self._timer is not None:
            if due is not None and self._rings == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._run)
            self._rings = due

    def _run(self) -> None:
        self._timer = None
        now = self._loop.time()
        try:
            for channel, packet, datagram in self._queue.release_due(now):
                self._lateness.add(now - packet.due)
                channel.send(datagram)
        finally:
            # A fault in one call must not stop the clock of the others.
            self._arm()

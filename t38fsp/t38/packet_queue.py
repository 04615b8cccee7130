"""The order in which the packets of many calls leave: due times, gaps, and nothing else.

A *channel* is one call's way out. Its packets leave in the order of their due times (equal ones in the order
they came), and none leaves sooner than its ``gap`` behind the packet before it, however late that one was: a
stall must not shorten a preamble or a silence. Real time and simulated time run the same queue: the caller
says what time it is.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeVar

DEFAULT_LIMIT = 1024
"""Packets that one channel may have waiting: several seconds, where a terminal plans a fraction of one."""


class Scheduled(Protocol):
    """A packet with a time to leave."""

    @property
    def due(self) -> float:
        """Seconds on the caller's clock."""

    @property
    def gap(self) -> float:
        """Least seconds behind the packet before it on the same channel; 0 for none."""


P = TypeVar("P", bound=Scheduled)
P_contra = TypeVar("P_contra", bound=Scheduled, contravariant=True)


class Channel(Protocol[P_contra]):
    """Where packets go; hashable, one object for one call."""

    def release(self, packet: P_contra) -> bytes | None:
        """Make the datagram now that it leaves; None when the packet was revoked."""

    def send(self, datagram: bytes) -> None:
        """Give the datagram to the network."""


class Released(NamedTuple, Generic[P]):
    """A datagram to hand to ``channel.send``."""

    channel: Channel[P]
    packet: P
    datagram: bytes


class _Lane(Generic[P]):
    """What waits for one channel. ``ticket`` marks its one valid entry in the heap."""

    __slots__ = ("channel", "last_release", "ticket", "waiting")

    def __init__(self, channel: Channel[P]) -> None:
        self.channel = channel
        self.waiting: deque[P] = deque()
        self.last_release = float("-inf")
        self.ticket = -1


_due = attrgetter("due")


class PacketQueue(Generic[P]):
    """Packets of all channels, bounded to ``limit`` waiting ones for each."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._lanes: dict[Channel[P], _Lane[P]] = {}
        self._heap: list[tuple[float, int, _Lane[P]]] = []
        self._tickets = count()

    def __len__(self) -> int:
        """How many packets wait."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def push(self, channel: Channel[P], packets: Iterable[P]) -> None:
        """Take packets of ``channel``: all of them or, above the limit, none (OverflowError)."""
        packets = tuple(packets)
        if not packets:
            return
        lane = self._lanes.get(channel)
        if lane is None:
            lane = self._lanes[channel] = _Lane(channel)
        waiting = lane.waiting
        if len(waiting) + len(packets) > self._limit:
            raise OverflowError(
                f"{len(waiting)} packets wait and {len(packets)} more would pass the limit of {self._limit}: "
                "plan a shorter stretch ahead"
            )
        head = waiting[0] if waiting else None
        for packet in packets:
            # Only what follows a revoked burst is due before something that already waits.
            if waiting and packet.due < waiting[-1].due:
                insort(waiting, packet, key=_due)
            else:
                waiting.append(packet)
        if waiting[0] is not head:
            self._schedule(lane)

    def remove(self, channel: Channel[P]) -> None:
        """Forget the channel and what waits for it; a channel never seen is no error."""
        lane = self._lanes.pop(channel, None)
        if lane is not None:
            lane.waiting.clear()
            lane.ticket = -1

    def next_due(self) -> float | None:
        """When :meth:`release_due` has something to do again; None when nothing waits."""
        heap = self._heap
        while heap and heap[0][1] != heap[0][2].ticket:
            heappop(heap)
        return heap[0][0] if heap else None

    def release_due(self, now: float) -> Iterator[Released[P]]:
        """Release what is due at ``now``, across channels in order of time, while the result is iterated."""
        heap = self._heap
        while True:
            due = self.next_due()
            if due is None or due > now:
                return
            lane = heappop(heap)[2]
            packet = lane.waiting.popleft()
            try:
                datagram = lane.channel.release(packet)
                if datagram is not None:
                    lane.last_release = now
            finally:
                if lane.waiting:
                    self._schedule(lane)
            if datagram is not None:
                yield Released(lane.channel, packet, datagram)

    def _schedule(self, lane: _Lane[P]) -> None:
        head = lane.waiting[0]
        lane.ticket = next(self._tickets)
        heappush(self._heap, (max(head.due, lane.last_release + head.gap), lane.ticket, lane))

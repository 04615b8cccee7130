"""The scheduler that sends the packets of many calls in the order of their due times.

A *lane* is the outgoing packet queue of one call: it knows when its next packet is due, and builds and sends
the packet when called. :class:`Lanes` is one heap of all lanes. Planning future packets takes longer than
sending, so it is done after all due packets have been sent, and only while the turn has time left::

    turn    send what is due, in the order of due times · plan for lanes that will run out, if time is left

The caller passes the time, so real time and simulated time run the same code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush, heapreplace
from itertools import count

from t38fsp.lateness import Lateness

NEVER = float("inf")
"""Due time of a lane that has nothing to send."""

_NO_TICKET = -1
_BETWEEN_LOOKS = 16
"""Packets sent between two readings of the clock."""


def _unconnected(datagram: bytes) -> object:
    raise RuntimeError("a lane has a packet to send, but its send function is not set")


def _not_contained(error: Exception) -> None:
    raise error


def _nothing() -> None: ...


class Lane:
    """Packet queue of one call. Its owner sets ``send`` and, as needed, ``failed`` and ``planned``."""

    __slots__ = ("failed", "moved", "planned", "send", "ticket")

    def __init__(self) -> None:
        self.send: Callable[[bytes], object] = _unconnected
        """Passes a datagram to the network."""
        self.failed: Callable[[Exception], None] = _not_contained
        """Called with an exception from ``leave`` or ``plan``, after which the lane is no longer served."""
        self.planned: Callable[[], None] = _nothing
        """Called when ``plan`` reached the end of a burst: a deadline of the call may be known now."""
        self.moved = False
        """``due`` was changed outside ``leave`` and ``plan``: :meth:`Lanes.schedule` must be called."""
        self.ticket = _NO_TICKET
        """Ticket of its valid entry in the heap; entries with another one are stale and skipped."""

    @property
    def due(self) -> float:
        """Time of the next packet in seconds on the caller's clock; NEVER if there is none."""
        raise NotImplementedError

    def leave(self, now: float, hungry: deque[Lane]) -> float:
        """Send the packet that is due; return the due time of the next one.

        A lane that will soon run out of planned packets appends itself to ``hungry``. Must not modify other
        lanes.
        """
        raise NotImplementedError

    def plan(self, now: float) -> None:
        """Plan more packets, for a fraction of a millisecond at most; called for a lane that was hungry."""


class Lanes:
    """All lanes of a process, or of one party of a simulation."""

    def __init__(self) -> None:
        self.lateness = Lateness()
        """Lateness since this object was replaced; an observer may take it and assign a new one."""
        self._heap: list[tuple[float, int, Lane]] = []
        self._hungry: deque[Lane] = deque()
        self._tickets = count()

    def schedule(self, lane: Lane) -> None:
        """Serve ``lane`` at its due time from now on; replaces any earlier entry."""
        lane.moved = False
        due = lane.due
        if due == NEVER:
            lane.ticket = _NO_TICKET
        else:
            lane.ticket = next(self._tickets)
            heappush(self._heap, (due, lane.ticket, lane))

    def remove(self, lane: Lane) -> None:
        """Stop serving ``lane``; a no-op for an unknown one."""
        lane.ticket = _NO_TICKET
        while lane in self._hungry:  # twice, where it was dropped and used again before it had its turn
            self._hungry.remove(lane)

    def next_due(self) -> float | None:
        """Time at which :meth:`turn` has work again; None when nothing waits."""
        # Work that is overdue at any time of the caller's clock.
        if self._hungry:
            return 0.0
        heap = self._heap
        while heap and heap[0][1] != heap[0][2].ticket:
            heappop(heap)
        return heap[0][0] if heap else None

    def turn(self, clock: Callable[[], float], budget: float = NEVER) -> None:
        """Send what is due, across all lanes in the order of due times, then plan.

        Both stop after about ``budget`` seconds; :meth:`next_due` then reports the remaining work.
        """
        now = clock()
        end = now + budget
        # Collected and added once a turn: a call for each packet would cost as much as sending it.
        late: list[float] = []
        try:
            if not self._send_due(now, end, clock, late):
                return
        finally:
            self.lateness.add(*late)
        hungry = self._hungry
        while hungry:
            self._plan(hungry.popleft(), now)
            now = clock()
            if now >= end:
                return

    def _send_due(self, now: float, end: float, clock: Callable[[], float], late: list[float]) -> bool:
        """Returns true if everything due was sent. Appends the lateness of each packet to ``late``."""
        heap, hungry = self._heap, self._hungry
        left = _BETWEEN_LOOKS
        while heap:
            due, ticket, lane = heap[0]
            if due > now:
                return True
            # A stale entry: the lane was rescheduled or removed, which is cheaper than a search in the heap.
            if ticket != lane.ticket:
                heappop(heap)
                continue
            try:
                following = lane.leave(now, hungry)
            except Exception as error:
                heappop(heap)
                self._fail(lane, error)
                continue
            late.append(now - due)
            if following == NEVER:
                heappop(heap)
                # Nothing is planned: ``_plan`` or ``schedule`` puts it in again.
                lane.ticket = _NO_TICKET
            else:
                # With the old ticket: the entry stays the valid one of its lane.
                heapreplace(heap, (following, ticket, lane))
            left -= 1
            # Reading the clock costs about as much as sending; every sixteenth packet is precise enough.
            if not left:
                left = _BETWEEN_LOOKS
                now = clock()
                if now >= end:
                    return False
        return True

    def _plan(self, lane: Lane, now: float) -> None:
        try:
            lane.plan(now)
        except Exception as error:
            self._fail(lane, error)
            return
        if lane.ticket == _NO_TICKET:
            self.schedule(lane)

    def _fail(self, lane: Lane, error: Exception) -> None:
        self.remove(lane)
        lane.failed(error)

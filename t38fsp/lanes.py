"""The order in which the packets of many calls leave.

A *lane* is one call's way out: it knows when its next packet is due, and makes and sends the packet itself
when it is told to. :class:`Lanes` is one heap of all lanes. What takes longer than sending, planning packets
of the future, is done after all packets that are due have left, and only as long as the turn is short::

    turn    send what is due, in the order of its time · plan for lanes that will run out, if time is left

Real time and simulated time run the same lanes: the caller says what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush, heapreplace
from itertools import count

from t38fsp.lateness import Lateness

NEVER = float("inf")
"""When a lane is due that has nothing to send."""

_NO_TICKET = -1
_BETWEEN_LOOKS = 16
"""Packets sent before the clock is looked at again."""


def _unconnected(datagram: bytes) -> object:
    raise RuntimeError("a lane without a way out has a packet to send")


def _not_contained(error: Exception) -> None:
    raise error


def _nothing() -> None: ...


class Lane:
    """One call's way out. Whoever paces it sets ``send``, and of ``failed`` and ``planned`` what it needs."""

    __slots__ = ("failed", "moved", "planned", "send", "ticket")

    def __init__(self) -> None:
        self.send: Callable[[bytes], object] = _unconnected
        """Gives a datagram to the network."""
        self.failed: Callable[[Exception], None] = _not_contained
        """Told of a fault in ``leave`` or ``plan``, after which the lane is no longer served."""
        self.planned: Callable[[], None] = _nothing
        """Told when ``plan`` has come to the end of a burst: a deadline of the call may be known since."""
        self.moved = False
        """``due`` has changed other than by ``leave`` and ``plan``: :meth:`Lanes.schedule` has to be told."""
        self.ticket = _NO_TICKET
        """Of its valid entry in the heap."""

    @property
    def due(self) -> float:
        """Seconds on the caller's clock at which the next packet leaves; NEVER for none."""
        raise NotImplementedError

    def leave(self, now: float, hungry: deque[Lane]) -> float:
        """Send the packet that is due; returns when the next one is.

        A lane that will soon run out of planned packets appends itself to ``hungry``. It touches no other
        lane.
        """
        raise NotImplementedError

    def plan(self, now: float) -> None:
        """Plan more packets, as many as take a fraction of a millisecond; for a lane that was hungry."""


class Lanes:
    """All lanes of a process, or of a party of a simulation."""

    def __init__(self) -> None:
        self.lateness = Lateness()
        """Since it was replaced last; whoever watches may take it and put a new one in its place."""
        self._heap: list[tuple[float, int, Lane]] = []
        self._hungry: deque[Lane] = deque()
        self._tickets = count()

    def schedule(self, lane: Lane) -> None:
        """Serve ``lane`` from now on, at its due time, whatever was known of it before."""
        lane.moved = False
        due = lane.due
        if due == NEVER:
            lane.ticket = _NO_TICKET
        else:
            lane.ticket = next(self._tickets)
            heappush(self._heap, (due, lane.ticket, lane))

    def remove(self, lane: Lane) -> None:
        """Forget ``lane``; one that was never seen is no error."""
        lane.ticket = _NO_TICKET
        if lane in self._hungry:
            self._hungry.remove(lane)

    def next_due(self) -> float | None:
        """When :meth:`turn` has something to do again; None when nothing waits."""
        if self._hungry:
            return 0.0
        heap = self._heap
        while heap and heap[0][1] != heap[0][2].ticket:
            heappop(heap)
        return heap[0][0] if heap else None

    def turn(self, clock: Callable[[], float], budget: float = NEVER) -> None:
        """Send what is due, across lanes in the order of its time, then plan.

        Both stop after about ``budget`` seconds; :meth:`next_due` tells that there is more to be done.
        """
        now = clock()
        end = now + budget
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
        """True when nothing that is due is left. Notes how ``late`` each packet was."""
        heap, hungry = self._heap, self._hungry
        left = _BETWEEN_LOOKS
        while heap:
            due, ticket, lane = heap[0]
            if due > now:
                return True
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
                lane.ticket = _NO_TICKET
            else:
                heapreplace(heap, (following, ticket, lane))
            left -= 1
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

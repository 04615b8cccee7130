"""The outgoing lane of a terminal: the planned packets, and when each leaves.

A planned packet is a tuple for speed, since there are forty a second in each call: due time, octets with
their length prefix (as in all UDPTL datagrams that contain them), flags, and the least distance from the
packet before. That distance is kept however late the packet before was: a stall must not shorten a preamble
or a silence.

A datagram gets its number when it leaves, so that dropped packets leave no gap in the numbering.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from sip.frozen import dataclass
from t38fsp.lanes import NEVER, Lane
from t38fsp.t38.values import Indicator

CONTROL = 1
"""Flag of indicators, ends of bursts and V.21 data: losing one costs the call, not just a few lines of a
page."""
REPEAT = 2
"""Flag of a repetition: the previous datagram again, with the same number."""

Planned = tuple[float, bytes, int, float]
"""Due time, octets with their length prefix, flags, least seconds after the packet before."""

_LOW = 4
"""Plan more when fewer packets than this are waiting; at modem pace they last a tenth of a second."""


@dataclass(frozen=True, slots=True)
class BurstEnd:
    """The burst has left the line at ``due``; ``state`` is the indicator in effect after it."""

    due: float
    state: Indicator


class BurstPlan(Protocol):
    """A burst, divided into packets one stretch at a time."""

    done: BurstEnd | None
    """Set with the last stretch."""

    def extend(self, now: float) -> Sequence[Planned]:
        """The next stretch, in the order of due times: at least one packet while ``done`` is None."""


class PacketLane(Lane):
    """``wrap`` makes the datagram of a packet from its octets and flags when it leaves; b"" sends nothing."""

    __slots__ = ("_asked", "_closed", "_left", "_plan", "_waiting", "wrap")

    def __init__(self, wrap: Callable[[bytes, int], bytes]) -> None:
        super().__init__()
        self.wrap = wrap
        self._waiting: deque[Planned] = deque()
        self._left = -NEVER
        """When the last packet left."""
        self._plan: BurstPlan | None = None
        self._asked = False
        self._closed = False

    def __len__(self) -> int:
        """Number of planned packets that have not left."""
        return len(self._waiting)

    def add(self, packets: Sequence[Planned]) -> None:
        """Append packets, in the order of their due times."""
        if self._closed or not packets:
            return
        waiting = self._waiting
        first = packets[0][0]
        # A repetition due after a new packet would repeat that one: drop it.
        # The sender repeats its last datagram, whatever that is by then.
        while waiting and waiting[-1][0] > first and waiting[-1][2] & REPEAT:
            waiting.pop()
        waiting.extend(packets)
        self.moved = True

    def follow(self, plan: BurstPlan, now: float) -> None:
        """Send the burst of ``plan`` after the waiting packets."""
        self.add(plan.extend(now))
        self._plan = plan if plan.done is None and not self._closed else None
        self._asked = False

    def drop(self) -> None:
        """Discard all packets that are waiting or still to be planned."""
        self._waiting.clear()
        self._plan = None
        self.moved = True

    def close(self) -> None:
        """Send nothing from now on."""
        self.drop()
        self._closed = True

    # --- Lane ---------------------------------------------------------------------------------------------

    @property
    def due(self) -> float:
        if not self._waiting:
            return NEVER
        due, _, _, gap = self._waiting[0]
        return max(due, self._left + gap) if gap else due

    def leave(self, now: float, hungry: deque[Lane]) -> float:
        waiting = self._waiting
        if not waiting:
            return NEVER
        _, octets, flags, _ = waiting.popleft()
        self._left = now
        datagram = self.wrap(octets, flags)
        if datagram:
            self.send(datagram)
        if len(waiting) < _LOW and self._plan is not None and not self._asked:
            self._asked = True
            hungry.append(self)
        if not waiting:
            return NEVER
        due, _, _, gap = waiting[0]
        # The same as ``due`` above, but without the attribute look-ups: this runs for each packet.
        return due if not gap or due > now + gap else now + gap

    def plan(self, now: float) -> None:
        self._asked = False
        if self._plan is None:
            return
        self._waiting.extend(self._plan.extend(now))
        if self._plan.done is not None:
            self._plan = None
            self.planned()

"""The way out of a terminal: the packets that are planned, and when each leaves.

A planned packet is a tuple, for there are forty in each second of each call: when it is due, its octets with
the length in front (as UDPTL has it in all datagrams that carry it), flags, and its least distance from the
packet before it. That distance holds however late the one before was: a stall must not shorten a preamble or
a silence.

A datagram gets its number when it leaves, so that what is dropped leaves no hole in the numbering.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from sip.frozen import dataclass
from t38fsp.lanes import NEVER, Lane
from t38fsp.t38.values import Indicator

CONTROL = 1
"""Flag of indicators, the ends of bursts and all that V.21 carries: without it a call fails, and not just a
few lines of a page."""
REPEAT = 2
"""Flag of a copy: the datagram before it again, with the same number."""

Planned = tuple[float, bytes, int, float]
"""Due time, octets with their length in front, flags, least seconds after the packet before."""

_LOW = 4
"""Fewer packets than that are a reason to plan; at the pace of a modem they last for a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Done:
    """The burst has left the line at ``due``. ``state`` is the indicator that holds from then on."""

    due: float
    state: Indicator


class Plan(Protocol):
    """A burst, cut into packets stretch by stretch."""

    done: Done | None
    """Known with the last stretch."""

    def extend(self, now: float) -> Sequence[Planned]:
        """The next stretch, in the order of due times: at least one packet, as long as ``done`` is None."""


class PacketLane(Lane):
    """``wrap`` makes the datagram of a packet that leaves, of its octets and flags; b"" sends nothing."""

    __slots__ = ("_asked", "_closed", "_left", "_plan", "_waiting", "wrap")

    def __init__(self, wrap: Callable[[bytes, int], bytes]) -> None:
        super().__init__()
        self.wrap = wrap
        self._waiting: deque[Planned] = deque()
        self._left = -NEVER
        """When the last packet left."""
        self._plan: Plan | None = None
        self._asked = False
        self._closed = False

    def __len__(self) -> int:
        """Packets that are planned and have not left."""
        return len(self._waiting)

    def add(self, packets: Sequence[Planned]) -> None:
        """Append packets, in the order of their due times."""
        if self._closed or not packets:
            return
        waiting = self._waiting
        first = packets[0][0]
        # A copy that is due after a new packet would no longer follow its original.
        while waiting and waiting[-1][0] > first and waiting[-1][2] & REPEAT:
            waiting.pop()
        waiting.extend(packets)
        self.moved = True

    def follow(self, plan: Plan, now: float) -> None:
        """Send the burst of ``plan`` after what is waiting."""
        self.add(plan.extend(now))
        self._plan = plan if plan.done is None and not self._closed else None
        self._asked = False

    def drop(self) -> None:
        """Forget all that is waiting or to be planned."""
        self._waiting.clear()
        self._plan = None
        self.moved = True

    def close(self) -> None:
        """Send nothing any more."""
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
        return due if not gap or due > now + gap else now + gap

    def plan(self, now: float) -> None:
        self._asked = False
        if self._plan is None:
            return
        self._waiting.extend(self._plan.extend(now))
        if self._plan.done is not None:
            self._plan = None
            self.planned()

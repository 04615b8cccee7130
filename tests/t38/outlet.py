"""The lane of one terminal, served in simulated time; no far end."""

from __future__ import annotations

from dataclasses import dataclass

from t38fsp.lanes import Lanes
from t38fsp.t38.packet_lane import CONTROL, REPEAT
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.udptl import unprefixed


@dataclass(frozen=True, slots=True)
class Left:
    """A packet that left: when, its octets, its datagram."""

    time: float
    ifp: bytes
    datagram: bytes
    control: bool
    repeat: bool


class Outlet:
    """Turns come when something is due, or when a test says so."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.lanes = Lanes()
        self.left: list[Left] = []
        self.over: list[float] = []
        """When bursts were."""
        self.most_waiting = 0
        self._now = 0.0
        self._wrap = terminal.lane.wrap
        terminal.lane.wrap = self._tapped
        terminal.lane.send = lambda datagram: None

    def _tapped(self, octets: bytes, flags: int) -> bytes:
        datagram = self._wrap(octets, flags)
        control, repeat = bool(flags & CONTROL), bool(flags & REPEAT)
        self.left.append(Left(self._now, unprefixed(octets), datagram, control, repeat))
        return datagram

    def turn(self, now: float) -> None:
        """One turn of a loop, in which all that is due is done."""
        self._now = now
        self.terminal.handle_deadline(now)
        self._settle()
        self.lanes.turn(lambda: now)
        self.most_waiting = max(self.most_waiting, len(self.terminal.lane))

    def run(self, until: float) -> None:
        """A turn whenever something is due."""
        while (due := self.next_due()) is not None and due <= until:
            self.turn(due)

    def next_due(self) -> float | None:
        """When there is something to do, at the earliest at the time of the last turn."""
        self._settle()
        dues = (self.lanes.next_due(), self.terminal.next_deadline())
        due = min((due for due in dues if due is not None), default=None)
        return None if due is None else max(self._now, due)

    def _settle(self) -> None:
        if self.terminal.lane.moved:
            self.lanes.schedule(self.terminal.lane)
        self.over += [self._now] * self.terminal.take_sent()

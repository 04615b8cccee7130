"""Two terminals and the network between them, in simulated time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from t38fsp.lanes import Lanes
from t38fsp.t30.vocabulary import Burst, LineSignal
from t38fsp.t38.ifp import IndicatorPacket, parse
from t38fsp.t38.ifp import Packet as Ifp
from t38fsp.t38.packet_lane import REPEAT
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.udptl import unprefixed

Side = Literal[0, 1]


@dataclass(frozen=True)
class Sent:
    """A datagram that left: when, from which side, what was in it."""

    time: float
    side: Side
    datagram: bytes
    octets: bytes
    """The packet alone."""
    ifp: Ifp
    repeat: bool
    """The datagram is the one before it again."""

    @property
    def text(self) -> str:
        """Such as ``v17-14400 t4-non-ecm-data[54]``."""
        if isinstance(self.ifp, IndicatorPacket):
            return _name(self.ifp.indicator)
        sizes = (f"[{len(field.data)}]" if field.data else "" for field in self.ifp.fields)
        names = (_name(field.type) for field in self.ifp.fields)
        return " ".join([_name(self.ifp.type), *map(str.__add__, names, sizes)])


def _name(value: Enum) -> str:
    return value.name.lower().replace("_", "-")


class Line:
    """Joins ``near`` (side 0) and ``far`` (side 1).

    ``network`` says for each datagram after how many seconds it arrives, None for never.
    """

    def __init__(
        self, near: Terminal, far: Terminal, network: Callable[[bytes], float | None] = lambda _: 0.0
    ) -> None:
        self.terminals = (near, far)
        self.now = 0.0
        self.sent: list[Sent] = []
        self.signals: tuple[list[tuple[float, LineSignal]], list[tuple[float, LineSignal]]] = ([], [])
        self.bursts_sent: tuple[list[float], list[float]] = ([], [])
        self._network = network
        self._lanes = Lanes()
        for side, terminal in enumerate(self.terminals):
            self._tap(side, terminal)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def send(self, side: Side, burst: Burst) -> None:
        self.terminals[side].send(burst, self.now)

    def heard(self, side: Side) -> list[LineSignal]:
        """What ``side`` heard, without the times."""
        return [signal for _, signal in self.signals[side]]

    def run(self, until: float) -> None:
        while True:
            self._collect()
            times = [self._heap[0][0]] if self._heap else []
            times += [due for each in self.terminals if (due := each.next_deadline()) is not None]
            if (due := self._lanes.next_due()) is not None:
                times.append(due)
            if not times or min(times) > until:
                break
            self.now = max(self.now, min(times))
            self._lanes.turn(lambda: self.now)
            while self._heap and self._heap[0][0] <= self.now:
                heapq.heappop(self._heap)[2]()
                self._collect()
            for each in self.terminals:
                each.handle_deadline(self.now)
        self.now = until

    def _collect(self) -> None:
        for side, terminal in enumerate(self.terminals):
            if terminal.lane.moved:
                self._lanes.schedule(terminal.lane)
            self.signals[side].extend((self.now, signal) for signal in terminal.take_signals())
            self.bursts_sent[side].extend(self.now for _ in range(terminal.take_sent()))

    def _at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (time, next(self._order), action))

    def _tap(self, side: Side, terminal: Terminal) -> None:
        """See the packets of ``terminal`` as they become datagrams, and carry those."""
        wrap = terminal.lane.wrap

        def tapped(octets: bytes, flags: int) -> bytes:
            datagram, ifp = wrap(octets, flags), unprefixed(octets)
            packet = parse(ifp, terminal.syntax)
            self.sent.append(Sent(self.now, side, datagram, ifp, packet, bool(flags & REPEAT)))
            return datagram

        terminal.lane.wrap = tapped
        terminal.lane.send = lambda datagram: self._carry(side, datagram)

    def _carry(self, side: Side, datagram: bytes) -> None:
        delay = self._network(datagram)
        if delay is not None:
            other = self.terminals[1 - side]
            self._at(self.now + delay, lambda: other.receive(datagram, self.now) and None)

"""The T.38 side of a gateway's call, past the points of its quirks: bursts to datagrams, and back to signals.

Correct behaviour is that of the product's own terminal and UDPTL. A gateway parses IFP strictly, in the
syntax that was negotiated, or that a quirk sets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from t38fsp.call.media import ImageMedia
from t38fsp.t30.vocabulary import Burst, HdlcBurst, LineSignal
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import IfpError, Syntax
from t38fsp.t38.packet_lane import REPEAT, PacketLane
from t38fsp.t38.receiving import Delivery, UdptlReceiver
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.udptl import Counters, ParitySender, UdptlSender, unprefixed
from t38fsp.virtual.hooks import Gateway, Quirk

T = TypeVar("T")


class GatewayT38:
    """Feed it bursts and datagrams, come back at ``next_deadline``, then drain its outputs.

    Datagrams are sent through ``gateway``. Numbering begins before the switch, because a gateway may send
    early.
    """

    def __init__(self, gateway: Gateway, stages: Sequence[Quirk]) -> None:
        habits = gateway.habits
        self.counters = Counters()
        self.syntax = habits.syntax or Syntax.Y1998
        self._gateway = gateway
        self._habits = habits
        self._stages = stages
        self._terminal: Terminal | None = None
        # There is a sender before the switch, for quirks that send early; until then nothing is known of
        # the far end, so it makes no copies.
        self._sender: UdptlSender | ParitySender = UdptlSender(0, habits.parameters.max_datagram)
        self._sender.number = habits.first_number
        self._receiver = UdptlReceiver(self.counters)
        self._renumbered = False
        self._written: list[bytes] = []
        """The packet that was sent last."""
        self._wrapped: list[bytes] = []
        """Its datagrams, which are sent again as its copies."""
        self._owed: deque[bool] = deque()
        """For each burst being sent: whether the machine waits for its end."""
        self._revocations = 0

    # --- switching ------------------------------------------------------------------------------------------

    @property
    def switched(self) -> bool:
        return self._terminal is not None

    def switch(self, media: ImageMedia) -> None:
        """T.38 was agreed on; nothing is sent before ``start``."""
        theirs = media.theirs
        self.syntax = self._habits.syntax or Syntax.for_version(media.version)
        redundancy = self._habits.redundancy if theirs.accepts_redundancy else 0
        self._terminal = Terminal(
            syntax=self.syntax,
            redundancy=redundancy,
            max_datagram=theirs.max_datagram,
            max_ifp=theirs.max_ifp,
            timing=self._habits.timing,
        )
        self._terminal.lane.wrap = self._leave
        # The numbers go on over the switch: the far end has seen those of packets sent early.
        number = self._sender.number
        if self._habits.parity is not None:
            self._sender = ParitySender(*self._habits.parity, theirs.max_datagram)
        else:
            self._sender = UdptlSender(redundancy, theirs.max_datagram)
        self._sender.number = number

    def start(self, now: float) -> None:
        """The line is up."""
        if self._terminal is not None:
            self._terminal.start(now)

    def close(self) -> None:
        """Stop sending."""
        if self._terminal is not None:
            self._terminal.stop()

    # --- out ------------------------------------------------------------------------------------------------

    def play(self, bursts: Sequence[Burst], now: float) -> None:
        """Play what the quirks made of one burst of the machine: none, one, or several."""
        for position, burst in enumerate(bursts, 1):
            self._play(burst, now, owed=position == len(bursts))

    def interject(self, burst: Burst, now: float) -> None:
        """Play a burst that is not the machine's, after those that wait."""
        self._play(burst, now, owed=False)

    def _play(self, burst: Burst, now: float, *, owed: bool) -> None:
        if self._terminal is not None:
            if isinstance(burst, HdlcBurst):
                # The product changes its syntax after a command without a response; a gateway keeps its own.
                burst = replace(burst, attempt=1)
            self._owed.append(owed)
            self._terminal.send(burst, now)

    def revoke(self, now: float) -> None:
        """Stop what is being played."""
        if self._terminal is not None:
            self._terminal.revoke(now)
            self._owed.clear()
            self._revocations += 1

    def unless_revoked(self, action: Callable[[], None]) -> Callable[[], None]:
        """``action``, to be called later; a no-op if a burst is revoked before."""
        revocations = self._revocations
        return lambda: action() if revocations == self._revocations else None

    def take_sent(self) -> Iterator[bool]:
        """For each burst that has been sent: whether the machine waits for its end."""
        sent = 0 if self._terminal is None else self._terminal.take_sent()
        return (bool(self._owed) and self._owed.popleft() for _ in range(sent))

    @property
    def lane(self) -> PacketLane | None:
        """The packets of what is being played."""
        return None if self._terminal is None else self._terminal.lane

    def _leave(self, planned: bytes, flags: int) -> bytes:
        """Send the datagrams, any number of them, that the quirks make of a packet that is due."""
        gateway = self._gateway
        # A repetition sends the same datagrams with the same numbers, unless a quirk gives it new ones.
        repeat = flags & REPEAT
        if not repeat:
            plain = ifp.parse(unprefixed(planned), self.syntax)
            packets = through(self._stages, [plain], lambda stage, each: stage.packet_out(each, gateway))
            self._written = [self._write(each) for each in packets]
            self._renumbered = self._habits.renumbered_copies and not _has_data(plain)
        if not repeat or self._renumbered:
            self._wrapped = [self.wrap(octets) for octets in self._written]
        for datagram in through(
            self._stages, self._wrapped, lambda stage, each: stage.datagram_out(each, gateway)
        ):
            gateway.send(datagram)
        # All datagrams are sent above, and the lane sends no empty one.
        return b""

    def wrap(self, octets: bytes) -> bytes:
        """A packet with the next number of the stream."""
        datagram = self._sender.wrap(octets)
        if self._sender.number == 0:
            self._sender.number = self._habits.number_after_ffff
        return datagram

    def jump(self, number: int) -> None:
        self._sender.number = number

    def _write(self, packet: ifp.Packet) -> bytes:
        octets = ifp.encode(packet, self.syntax)
        for stage in self._stages:
            octets = stage.octets_out(octets, packet, self._gateway)
        return octets

    # --- in -------------------------------------------------------------------------------------------------

    def receive(self, datagram: bytes, now: float) -> None:
        self._hear(self._receiver.receive(datagram, now), now)

    def take_signals(self) -> list[LineSignal]:
        """The received signals, as the machine hears them."""
        if self._terminal is None:
            return []
        signals = self._terminal.take_signals()
        return through(self._stages, signals, lambda stage, each: stage.signal_in(each, self._gateway))

    def _hear(self, deliveries: Iterable[Delivery], now: float) -> None:
        if self._terminal is None:
            return
        gateway = self._gateway
        for delivery in deliveries:
            after_gap = delivery.after_gap
            octets_in = through(self._stages, [delivery.ifp], lambda stage, each: stage.ifp_in(each, gateway))
            for octets in octets_in:
                try:
                    packet = ifp.parse(octets, self.syntax, padded=delivery.padded)
                except IfpError:
                    # Strict, where the product guesses the syntax: a gateway has no second reading.
                    self.counters.malformed += 1
                    continue
                packets = through(self._stages, [packet], lambda stage, each: stage.packet_in(each, gateway))
                for heard in packets:
                    self._terminal.hear(heard, now, after_gap=after_gap)
                    after_gap = False

    # --- time -----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        if self._terminal is None:
            return None
        times = (self._terminal.next_deadline(), self._receiver.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        if self._terminal is not None:
            self._hear(self._receiver.handle_deadline(now), now)
            self._terminal.handle_deadline(now)


def through(stages: Iterable[Quirk], items: Iterable[T], point: Callable[[Quirk, T], Iterable[T]]) -> list[T]:
    """The result of passing ``items`` through one point of all ``stages``, one after the other."""
    passing = list(items)
    for stage in stages:
        passing = [passed for item in passing for passed in point(stage, item)]
    return passing


def _has_data(packet: ifp.Packet) -> bool:
    return isinstance(packet, ifp.DataPacket) and any(field.data for field in packet.fields)

"""Bursts without modem pace, between internet-aware terminals: as fast as the path allows.

UDP has no congestion control, so the terminal has its own. Its input is what T.30 measures for each response:
the time it took beyond the quickest of its kind (queues on the path delay it), and which frames were missing
in spite of all copies::

    response                   rate of the next burst
    nothing missing, prompt    doubled; after the first overload one eighth more, and at most one quarter
    late                       what has passed in burst and delay together
    frames missing             at most half, and at most the share that got through

Packets leave in groups, one each 5 ms, so that the timer that serves all calls does not fire for each packet.
A late sender does not catch up: the rest of the burst is late too, and packets that were already planned keep
half of the distance between groups.
"""

from __future__ import annotations

from collections.abc import Iterator

from t38fsp.t30.vocabulary import HdlcBurst, Modem
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket, Syntax, encode
from t38fsp.t38.packet_lane import CONTROL, BurstEnd, Planned
from t38fsp.t38.planner import indicator_packets
from t38fsp.t38.timing import Timing
from t38fsp.t38.udptl import prefixed
from t38fsp.t38.values import DataType, FieldType, Indicator

FIRST_RATE = 4_000_000
LEAST_RATE = 64_000
MOST_RATE = 16_000_000
"""bit/s on the path, including copies and headers. Above MOST_RATE other work dominates the time."""

LEAD = 0.04
"""Seconds planned ahead; a longer time would mean many packets."""

_LATE = 0.1
_LATE_STORED = 0.25
"""Seconds beyond the quickest response of its kind that still count as prompt."""
_STORING = 1.0
"""Seconds allowed for storing the first page."""
_LEAST_SHARE = 1 / 64
"""Least share of the rate that one response leaves; the next ones correct it."""
_STEP = 1 / 8
_MARGIN = 1.25
_TICK = 0.005
_GROUP = 16
"""Most packets that leave together: other calls have to be served between groups."""
_IFP_OVERHEAD = 6
"""Octets of a packet beside its data: 5 of one field, and 1 for the end of the frame."""
_LEAST_CHUNK = 32
"""Octets of data in a packet, even if that leaves no room for copies."""
_HEADERS = 28
"""Octets of IPv4 and UDP."""
_UDPTL_OVERHEAD = 4


class RateControl:
    """Congestion control; ``rate`` is in bit/s on the path."""

    def __init__(self) -> None:
        self.rate = FIRST_RATE
        self._passed: int | None = None
        """bit/s that got through at the last overload; None before the first."""
        self._quickest: float | None = None
        self._quickest_stored: float | None = None
        """Quickest responses so far, seconds: to commands alone, and after a page was stored."""

    def answered(self, seconds: float, burst: float, missing: float, *, stored: bool) -> None:
        """A response came ``seconds`` after a burst that took ``burst`` seconds; 0 for a command alone.

        ``missing`` is the share (0 to 1) of its frames that must be retransmitted. With ``stored`` the far
        end had to store a page before it responded.
        """
        late = self._late_stored(seconds) if stored else self._late(seconds)
        if burst <= 0:
            return
        # Copies repair single losses, so a frame that is missing in spite of them means that the queue
        # overflowed for longer: at least halve.
        share = min(1 - missing, 0.5) if missing else 1.0
        if late > (_LATE_STORED if stored else _LATE):
            # What waits in a queue on the path has been sent faster than the path carries it; this is the
            # rate that would have kept the queue empty.
            share *= burst / (burst + late)
        if share < 1:
            self.rate = max(int(self.rate * max(share, _LEAST_SHARE)), LEAST_RATE)
            self._passed = self.rate
        elif self._passed is None:
            self.rate = min(2 * self.rate, MOST_RATE)
        else:
            # Copies hide losses: probing without a limit would fill the path with copies.
            limit = min(int(self._passed * _MARGIN), MOST_RATE)
            self.rate = min(int(self.rate * (1 + _STEP)), limit)

    def _late(self, seconds: float) -> float:
        quickest = seconds if self._quickest is None else self._quickest
        self._quickest = min(seconds, quickest)
        return seconds - quickest

    def _late_stored(self, seconds: float) -> float:
        """Delay beyond the usual. The time to store a page is unknown; the quickest response includes it."""
        quickest = self._quickest_stored
        self._quickest_stored = seconds if quickest is None else min(seconds, quickest)
        return seconds - ((self._quickest or 0.0) + _STORING if quickest is None else quickest)


class UnpacedPlanner:
    """Plans bursts into packets of whole frames, or of pieces of ``roomy`` octets if frames are longer.

    No packet is longer than ``most`` octets. ``copies`` is the number of later datagrams that repeat each,
    none longer than ``max_datagram``.
    """

    def __init__(
        self, timing: Timing, rate: RateControl, roomy: int, most: int, copies: int, max_datagram: int
    ) -> None:
        self.timing = timing
        self._rate = rate
        self._size = max(roomy - _IFP_OVERHEAD, min(most - _IFP_OVERHEAD, _LEAST_CHUNK))
        self._copies = copies
        self._max_datagram = max_datagram

    def plan(self, burst: HdlcBurst, syntax: Syntax, start: float) -> UnpacedPlan:
        """The packets of ``burst``; none is due before ``start``."""
        return UnpacedPlan(self._packets(burst, syntax), burst.modem is Modem.V21, start, self)

    def _packets(self, burst: HdlcBurst, syntax: Syntax) -> Iterator[bytes]:
        yield encode(
            IndicatorPacket(Indicator.of(burst.modem, short_training=burst.short_training)), Syntax.Y1998
        )
        # The syntaxes differ in the field types of data only, so the indicator above is the same in both.
        kind = DataType.of(burst.modem)
        last = len(burst.frames) - 1
        for position, frame in enumerate(burst.frames):
            end = FieldType.HDLC_FCS_OK_SIG_END if position == last else FieldType.HDLC_FCS_OK
            for fields in self._pieces(frame, end):
                yield encode(DataPacket(kind, fields), syntax)

    def _pieces(self, frame: bytes, end: FieldType) -> Iterator[tuple[Field, ...]]:
        size = self._size
        for at in range(0, len(frame), size):
            data = Field(FieldType.HDLC_DATA, frame[at : at + size])
            yield (data,) if at + size < len(frame) else (data, Field(end))

    def seconds(self, octets: bytes) -> float:
        """Seconds that a packet takes, with its length prefix and copies of others as long as it."""
        datagram = len(octets) * (1 + self._copies) + _UDPTL_OVERHEAD
        bits = 8 * (min(datagram, self._max_datagram) + _HEADERS)
        return max(bits / self._rate.rate, _TICK / _GROUP)


class UnpacedPlan:
    """A burst as groups of packets. Late planning delays the rest by the same time."""

    def __init__(self, ifps: Iterator[bytes], control: bool, start: float, planner: UnpacedPlanner) -> None:
        self.done: BurstEnd | None = None
        self._due = start
        """Time of the last packet planned so far."""
        self._ifps = ifps
        self._flags = CONTROL if control else 0
        self._at = start
        self._planner = planner

    def extend(self, now: float) -> list[Planned]:
        """All that is due within LEAD of ``now``."""
        planned: list[Planned] = []
        at = max(self._at, now)
        due = self._due
        for ifp in self._ifps:
            gap = 0.0
            if at >= due + _TICK:
                due, gap = at, _TICK / 2
            octets = prefixed(ifp)
            planned.append((due, octets, self._flags, gap))
            at += self._planner.seconds(octets)
            if at > now + LEAD:
                break
        else:
            planned += indicator_packets(Indicator.NO_SIGNAL, due, self._planner.timing)
            self.done = BurstEnd(due, Indicator.NO_SIGNAL)
        self._at, self._due = at, due
        return planned

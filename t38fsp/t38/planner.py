"""The sending half: from a burst to a schedule of packets at the pace of the modem.

A burst is planned in stretches of a second or two, at times counted from its beginning, so nothing drifts and
a long page takes no more memory than a short one. Each packet leaves when its first bit begins on the far
modem, so the far end buffers one chunk, and the head start of a page without ECM (T38FaxMaxBuffer bounds
both):

    V.21    preamble · data, an octet each 26.7 ms · fcs-OK · … · fcs-OK-sig-end · tail · no-signal
    HDLC    training, flags · data, 30 ms each · fcs-OK · … · fcs-OK-sig-end · tail · no-signal
    raw     training · data, 30 ms each · (page: zero octets) · t4-non-ecm-sig-end · tail · no-signal
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from functools import cache

from t38fsp.t30.vocabulary import Burst, HdlcBurst, Modem, RawBurst, Tone, ToneBurst
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket, Syntax, encode, field_prefix
from t38fsp.t38.packet_lane import CONTROL, REPEAT, BurstEnd, BurstPlan, Planned
from t38fsp.t38.timing import Timing
from t38fsp.t38.udptl import prefixed
from t38fsp.t38.values import DataType, FieldType, Indicator

_IFP_OVERHEAD = 6
"""Octets of a packet beside its data: 5 of one field, and 1 for the end of a frame in the same packet."""
_FLAG_BITS = 16
"""Two flags between frames."""
_FILL = re.compile(rb"\0{3,}")
"""Fill in T.4 data. Two zero octets contain the eleven zeros of an EOL at any bit position (T.4 4.1.2)."""
_KEPT = 2

# Late packets catch up, but a gateway needs the least silence and preamble of T.30 5.3.1 (55 ms and 850 ms).
# Late octets of V.21 leave together: when they left one per turn of the loop, on a busy machine, a PPR took
# longer than T4.
_LEAST_SILENCE = 0.055 / 0.075
_LEAST_PREAMBLE = 0.85

_TONES = {Tone.CNG: Indicator.CNG, Tone.CED: Indicator.CED}


_STRETCH = 48
"""Approximate number of packets in a stretch: 1.2 s of ECM frames, planned in a fraction of a millisecond."""


def line_bits(frame: bytes) -> tuple[int, int]:
    """Bits that an HDLC frame takes on the line: its octets, and its FCS, both including stuffed zeros.

    A zero is stuffed after five consecutive ones (ISO/IEC 13239).
    """
    fcs = crc_hqx(frame, 0xFFFF) ^ 0xFFFF
    octets = int.from_bytes(frame, "big")
    # HDLC sends the low bit of each octet first, but T.38 has octets with the first bit as the highest one,
    # so the end of the integer is what leaves last.
    ones = (octets ^ octets + 1).bit_length() - 1  # at the end of the octets: the run continues into the FCS
    trailer = _stuffed((1 << ones) - 1 << 16 | fcs) - ones // 5
    return len(frame) * 8 + _stuffed(octets), 16 + trailer


def _stuffed(bits: int) -> int:
    """Number of zeros to stuff; arithmetic on integers is faster here than on a string of bits."""
    pairs = bits & bits >> 1
    fives = pairs & pairs >> 2 & bits >> 4
    count = 0
    while fives:
        # A run of ones has a bit here for each position at which five more begin: count its last bit.
        count += (fives ^ fives & fives >> 1).bit_count()
        fives &= fives >> 5
    return count


class Planner:
    """Plans bursts into packets of ``roomy`` octets, if chunks of a sensible length allow that.

    No packet is longer than ``most`` octets, which must be more than 6. The far end never buffers more than
    ``max_buffer`` octets for its modem, if that is not None. With ``fill_removal`` the fill of pages without
    ECM is not sent, though its time passes. With ``repeat_v21`` all V.21 data are sent several times, as
    indicators are.
    """

    def __init__(
        self,
        timing: Timing,
        roomy: int,
        most: int,
        *,
        max_buffer: int | None = None,
        fill_removal: bool = False,
        repeat_v21: bool = False,
    ) -> None:
        self._timing = timing
        self._roomy = roomy - _IFP_OVERHEAD
        self._most = most - _IFP_OVERHEAD
        if max_buffer is not None:
            self._roomy = min(self._roomy, max_buffer)
            self._most = min(self._most, max_buffer)
        self._max_buffer = max_buffer
        self._fill_removal = fill_removal
        self._repeat_v21 = repeat_v21

    def plan(self, burst: Burst, syntax: Syntax, start: float, *, silent_since: float | None) -> BurstPlan:
        """The packets of ``burst``; none is due before ``start``.

        ``silent_since`` is when no-signal became the state of the line; None if the state is another.
        """
        timing = self._timing
        opening: list[Planned] = []
        if silent_since is None:
            opening += indicator_packets(Indicator.NO_SIGNAL, start, timing)
            silent_since = start
        begin = max(start, silent_since + timing.silence)
        if isinstance(burst, ToneBurst):
            return _tone(burst, opening, begin, timing)
        indicator = Indicator.of(burst.modem, short_training=burst.short_training)
        # The repetitions of no-signal come before the indicator, and their time is part of the silence.
        gap = max(timing.silence * _LEAST_SILENCE - _repeats(timing), 0.0)
        opening += indicator_packets(indicator, begin, timing, gap)
        hdlc = isinstance(burst, HdlcBurst)
        begin += timing.start_up(burst.modem, short_training=burst.short_training, hdlc=hdlc)
        size = min(timing.chunk_octets(burst.modem, self._roomy), self._most)
        if burst.modem is Modem.V21 and timing.whole_frames:
            size = max(self._roomy, 1)
        shape = _Shape(timing, burst.modem, syntax, size, repeat=self._repeat_v21)
        if isinstance(burst, HdlcBurst):
            return _HdlcPlan(burst, opening, begin, shape)
        return _RawPlan(burst.data, opening, begin, self._head_start(burst, size), shape, self._fill_removal)

    def _head_start(self, burst: RawBurst, size: int) -> float:
        """Seconds by which a page without ECM is sent ahead, within the buffer that one chunk leaves."""
        if self._max_buffer is None:
            return self._timing.head_start
        return min(self._timing.head_start, max(self._max_buffer - size, 0) * 8 / burst.modem.rate)


def indicator_packets(indicator: Indicator, due: float, timing: Timing, gap: float = 0.0) -> list[Planned]:
    """The packets of an indicator, repetitions included."""
    octets = prefixed(encode(IndicatorPacket(indicator), Syntax.Y1998))
    return _copied(octets, due, timing.copies, gap, timing.copy_spacing)


def _copied(octets: bytes, due: float, copies: int, gap: float, spacing: float) -> list[Planned]:
    """A control packet and its repetitions, which keep their distance however late they are."""
    planned: list[Planned] = [(due, octets, CONTROL, gap)]
    for copy in range(1, copies):
        planned.append((due + copy * spacing, octets, CONTROL | REPEAT, spacing))
    return planned


def _repeats(timing: Timing) -> float:
    """Seconds that the repetitions of a packet take."""
    return (timing.copies - 1) * timing.copy_spacing


class _WholePlan:
    """A plan with a single stretch."""

    def __init__(self, packets: list[Planned], done: BurstEnd) -> None:
        self.done: BurstEnd | None = done
        self._packets = packets

    def extend(self, now: float) -> list[Planned]:
        packets, self._packets = self._packets, []
        return packets


def _tone(burst: ToneBurst, opening: list[Planned], begin: float, timing: Timing) -> BurstPlan:
    indicator = _TONES[burst.tone]
    opening += indicator_packets(indicator, begin, timing)
    end = begin + max(burst.seconds, _repeats(timing))
    # CED has an end; CNG lasts until the far end speaks.
    if burst.tone is Tone.CED:
        opening += indicator_packets(Indicator.NO_SIGNAL, end, timing)
        indicator = Indicator.NO_SIGNAL
    return _WholePlan(opening, BurstEnd(end, indicator))


class _Shape:
    """What the data packets of one burst have in common."""

    def __init__(self, timing: Timing, modem: Modem, syntax: Syntax, size: int, *, repeat: bool) -> None:
        self.timing = timing
        self.modem = modem
        self.size = size
        """Octets of data in a packet."""
        self.octet = 8 / modem.rate
        self.type = DataType.of(modem)
        self.syntax = syntax
        v21 = modem is Modem.V21
        self.flags = CONTROL if v21 else 0
        self.first_gap = max(timing.preamble * _LEAST_PREAMBLE - _repeats(timing), 0.0) if v21 else 0.0
        # As many repetitions as fit before the next octet.
        self.copies = min(timing.copies, 1 + int(self.octet / timing.copy_spacing)) if v21 and repeat else 1

    def bare(self, field_type: FieldType) -> bytes:
        """A packet without data."""
        return prefixed(encode(DataPacket(self.type, (Field(field_type),)), self.syntax))

    def ending(self, field_type: FieldType, due: float, gap: float = 0.0) -> list[Planned]:
        """The packet that ends the data of a burst."""
        timing = self.timing
        return _copied(self.bare(field_type), due, timing.copies, gap, timing.copy_spacing)


@cache
def _head(prefix: bytes, size: int) -> bytes:
    """The octets before ``size`` octets of data in a packet of one field, its length prefix included."""
    field = prefix + (size - 1).to_bytes(2, "big")
    return prefixed(field + bytes(size))[:-size]


class _HdlcPlan:
    """HDLC frames, which are taken from the burst only as the line needs them, to save memory."""

    def __init__(self, burst: HdlcBurst, opening: list[Planned], begin: float, shape: _Shape) -> None:
        self.done: BurstEnd | None = None
        self._at = begin
        self._shape = shape
        self._opening = opening
        self._following = iter(burst.frames)
        self._frame = next(self._following, None)
        self._gap = shape.first_gap
        self._prefix = field_prefix(shape.type, FieldType.HDLC_DATA, shape.syntax)
        self._end_of_frame = shape.bare(FieldType.HDLC_FCS_OK)

    def extend(self, now: float) -> list[Planned]:
        planned, self._opening = self._opening, []
        if planned:
            # A preamble or training follows, which leaves time to plan the rest when the process is less
            # busy.
            return planned
        shape = self._shape
        frame = self._frame
        if frame is None:
            # A burst without a frame: the receiver needs an end of the carrier all the same.
            planned += shape.ending(FieldType.HDLC_SIG_END, self._at, self._gap)
            return self._finish(planned)
        while frame is not None and len(planned) < _STRETCH:
            upcoming = next(self._following, None)
            body, fcs = line_bits(frame)
            at = self._at
            last = upcoming is None
            # Sent three times with data in it, a receiver that does not compare numbers would append the
            # octets three times.
            # The end of the burst is sent three times, so its packet must not contain data.
            merged = shape.timing.fcs_with_data and not last
            self._chunks(planned, frame, at, merged=merged)
            at += body / shape.modem.rate
            if last:
                planned += shape.ending(FieldType.HDLC_FCS_OK_SIG_END, at)
            # fcs-OK as a packet of its own is safe with each syntax; see ``t38fsp.t38.ifp`` about two fields
            # in one packet.
            elif not merged:
                self._copies(planned, at, self._end_of_frame, 0.0)
            self._at = at + (fcs + _FLAG_BITS) / shape.modem.rate
            frame = upcoming
        self._frame = frame
        return planned if frame is not None else self._finish(planned)

    def _chunks(self, planned: list[Planned], frame: bytes, at: float, *, merged: bool) -> None:
        shape, prefix = self._shape, self._prefix
        size, octet, flags = shape.size, shape.octet, shape.flags
        gap, self._gap = self._gap, 0.0
        head = _head(prefix, size)
        end = len(frame)
        for start in range(0, end, size):
            chunk = frame[start : start + size]
            if merged and start + size >= end:
                fields = Field(FieldType.HDLC_DATA, chunk), Field(FieldType.HDLC_FCS_OK)
                octets = prefixed(encode(DataPacket(shape.type, fields), shape.syntax))
            else:
                octets = (head if len(chunk) == size else _head(prefix, len(chunk))) + chunk
            if shape.copies == 1:
                planned.append((at + start * octet, octets, flags, gap))
            else:
                self._copies(planned, at + start * octet, octets, gap)
            gap = 0.0

    def _copies(self, planned: list[Planned], due: float, octets: bytes, gap: float) -> None:
        """Data, which are repeated only on V.21. Late repetitions leave together, as does all of a late
        frame."""
        shape = self._shape
        planned.append((due, octets, shape.flags, gap))
        for copy in range(1, shape.copies):
            planned.append((due + copy * shape.timing.copy_spacing, octets, shape.flags | REPEAT, 0.0))

    def _finish(self, planned: list[Planned]) -> list[Planned]:
        end = self._at + self._shape.timing.hdlc_tail
        planned += indicator_packets(Indicator.NO_SIGNAL, end, self._shape.timing)
        self.done = BurstEnd(end, Indicator.NO_SIGNAL)
        return planned


class _RawPlan:
    """Octets without framing. A page is sent ``head_start`` seconds ahead of the modem."""

    def __init__(
        self,
        data: bytes,
        opening: list[Planned],
        begin: float,
        head_start: float,
        shape: _Shape,
        fill_removal: bool,
    ) -> None:
        self.done: BurstEnd | None = None
        self._shape = shape
        self._opening = opening
        self._data = data
        self._at = 0
        self._first = begin
        self._total = len(data)
        self._fill: _FillRemover | None = None
        # The zero octets after a page fill its last packet, too; without 40 ms of them some ATAs lose the
        # last rows.
        # TCF, which is all zeros, keeps its exact length (T.30 5.3.6.1.3).
        if data.count(0) != len(data):
            self._first -= head_start
            padding = round(shape.timing.page_padding * shape.modem.rate / 8)
            self._total = -(-(len(data) + padding) // shape.size) * shape.size
            self._fill = _FillRemover() if fill_removal else None
        self._sent = begin + self._total * shape.octet
        """When the last octet has left the modem."""
        self._prefix = field_prefix(shape.type, FieldType.T4_NON_ECM_DATA, shape.syntax)

    def extend(self, now: float) -> list[Planned]:
        planned, self._opening = self._opening, []
        if planned:
            return planned
        shape, data, first = self._shape, self._data, self._first
        size, octet, fill = shape.size, shape.octet, self._fill
        while self._at < self._total and len(planned) < _STRETCH:
            start = self._at
            self._at = start + size
            chunk = data[start : start + size]
            wanted = min(size, self._total - start)
            padding = wanted - len(chunk)
            if fill is not None:
                chunk = fill.feed(chunk)
            chunk += bytes(padding)
            if chunk:
                octets = _head(self._prefix, len(chunk)) + chunk
                planned.append((first + start * octet, octets, 0, 0.0))
        if self._at >= self._total:
            # Due when the last bit has left the far modem, although the data went out ``head_start``
            # earlier: a gateway may end the carrier as soon as it reads this.
            planned += shape.ending(FieldType.T4_NON_ECM_SIG_END, self._sent)
            end = self._sent + shape.timing.raw_tail
            planned += indicator_packets(Indicator.NO_SIGNAL, end, shape.timing)
            self.done = BurstEnd(end, Indicator.NO_SIGNAL)
        return planned


class _FillRemover:
    """Removes the fill of a T.4 page, one chunk at a time (T38FaxFillBitRemoval)."""

    def __init__(self) -> None:
        self._zeros = b""  # at the end of the last chunk

    def feed(self, chunk: bytes) -> bytes:
        known = self._zeros
        found = _FILL.sub(bytes(_KEPT), known + chunk)
        # A run of fill may go across chunks: the next one counts from the zeros that were kept here.
        self._zeros = bytes(min(len(found) - len(found.rstrip(b"\0")), _KEPT))
        return found[len(known) :]

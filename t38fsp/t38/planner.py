"""The sending half: from a burst to a schedule of IFP packets at the pace of the modem.

A burst is planned lazily, step by step, at times counted from its beginning, so nothing drifts and a long
page takes no more memory than a short one. Each packet leaves when its first bit begins on the far modem, so
what waits there is one chunk, and of a page without ECM the head start (T38FaxMaxBuffer bounds both):

    V.21    preamble · data, an octet each 26.7 ms · fcs-OK · … · fcs-OK-sig-end · tail · no-signal
    HDLC    training, flags · data, 30 ms each · fcs-OK · … · fcs-OK-sig-end · tail · no-signal
    raw     training · data, 30 ms each · (page: zero octets) · t4-non-ecm-sig-end · tail · no-signal
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from t38fsp.t30.vocabulary import Burst, HdlcBurst, Modem, RawBurst, Tone, ToneBurst
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket, Syntax, encode, field_prefix
from t38fsp.t38.timing import Timing
from t38fsp.t38.values import DataType, FieldType, Indicator

_IFP_OVERHEAD = 6
"""Octets of a packet beside its data: of one field 5, and 1 for the end of a frame in the same packet."""
_FLAG_BITS = 16
"""Two flags between frames."""
_FILL = re.compile(rb"\0{3,}")
"""Fill in T.4 data: two octets of zeros hold the eleven of an EOL, wherever the one behind them is."""
_KEPT = 2

# Late packets catch up, but a gateway cannot do with less than the legal silence and preamble (T.30 5.3.1:
# 55 ms and 850 ms). Octets of V.21 that are late leave together: spread out, on a busy machine, one for each
# turn of the loop, a PPR took longer than T4.
_LEAST_SILENCE = 0.055 / 0.075
_LEAST_PREAMBLE = 0.85

_TONES = {Tone.CNG: Indicator.CNG, Tone.CED: Indicator.CED}


@dataclass(frozen=True, slots=True)
class Step:
    """One packet: when it is due, how often it is sent, and its least distance from the packet before it.

    ``control`` marks indicators, the ends of bursts and all that V.21 carries: without it a call fails, and
    not just a few lines of a page. With ``together`` late copies do not keep their distance.
    """

    due: float
    ifp: bytes
    copies: int = 1
    gap: float = 0.0
    control: bool = False
    together: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The burst has left the line at ``due``. ``state`` is the indicator that holds from then on."""

    due: float
    state: Indicator


def line_bits(frame: bytes) -> tuple[int, int]:
    """Bits that an HDLC frame takes on the line: its octets, and its FCS, both with the stuffed zeros.

    A zero is stuffed behind five ones in a row (ISO/IEC 13239), which are counted as such in the bit string.
    """
    fcs = (crc_hqx(frame, 0xFFFF) ^ 0xFFFF).to_bytes(2, "big")
    bits = f"{int.from_bytes(frame + fcs, 'big'):b}"
    body = len(frame) * 8 + bits[:-16].count("11111")
    whole = len(frame) * 8 + 16 + bits.count("11111")
    return body, whole - body


class Planner:
    """Plans bursts into packets of ``roomy`` octets where chunks of a sensible length allow that.

    No packet is longer than ``most`` octets, which must be more than 6. The far end never holds more than
    ``max_buffer`` octets that its modem has still to send, if that is not None; with ``fill_removal`` the
    fill of pages without ECM stays here, though it keeps its time. With ``repeat_v21`` all of V.21 is sent
    several times, as indicators are.
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

    def plan(
        self, burst: Burst, syntax: Syntax, start: float, *, silent_since: float | None
    ) -> Iterator[Step | Done]:
        """Steps of ``burst`` in order, Done last; nothing is due before ``start``.

        ``silent_since`` is when no-signal became the state of the line, None when it is not.
        """
        timing = self._timing
        if silent_since is None:
            yield self._indicator(start, Indicator.NO_SIGNAL)
            silent_since = start
        begin = max(start, silent_since + timing.silence)
        if isinstance(burst, ToneBurst):
            yield from self._tone(burst, begin)
            return
        indicator = Indicator.of(burst.modem, short_training=burst.short_training)
        yield self._indicator(begin, indicator, gap=timing.silence * _LEAST_SILENCE - self._repeats)
        hdlc = isinstance(burst, HdlcBurst)
        begin += timing.start_up(burst.modem, short_training=burst.short_training, hdlc=hdlc)
        size = min(timing.chunk_octets(burst.modem, self._roomy), self._most)
        if burst.modem is Modem.V21 and timing.whole_frames:
            size = max(self._roomy, 1)
        sender = _BurstSender(timing, burst.modem, syntax, size, repeat=self._repeat_v21)
        if isinstance(burst, HdlcBurst):
            end = yield from sender.frames(burst, begin)
        else:
            end = yield from sender.octets(
                burst.data, begin, self._head_start(burst, size), self._fill_removal
            )
        yield self._indicator(end, Indicator.NO_SIGNAL)
        yield Done(end, Indicator.NO_SIGNAL)

    def _head_start(self, burst: RawBurst, size: int) -> float:
        """Seconds by which a page without ECM runs ahead, as far as the buffer beside one chunk holds it."""
        if self._max_buffer is None:
            return self._timing.head_start
        return min(self._timing.head_start, max(self._max_buffer - size, 0) * 8 / burst.modem.rate)

    @property
    def _repeats(self) -> float:
        """Seconds that the copies of a packet take."""
        return (self._timing.copies - 1) * self._timing.copy_spacing

    def _indicator(self, due: float, indicator: Indicator, gap: float = 0.0) -> Step:
        ifp = encode(IndicatorPacket(indicator), Syntax.Y1998)
        return Step(due, ifp, self._timing.copies, max(gap, 0.0), control=True)

    def _tone(self, burst: ToneBurst, begin: float) -> Iterator[Step | Done]:
        indicator = _TONES[burst.tone]
        yield self._indicator(begin, indicator)
        end = begin + max(burst.seconds, self._repeats)
        if burst.tone is Tone.CED:
            yield self._indicator(end, Indicator.NO_SIGNAL)
            indicator = Indicator.NO_SIGNAL
        yield Done(end, indicator)


class _BurstSender:
    """Data packets of one burst."""

    def __init__(self, timing: Timing, modem: Modem, syntax: Syntax, size: int, *, repeat: bool) -> None:
        self._timing = timing
        self._modem = modem
        self._syntax = syntax
        self._type = DataType.of(modem)
        self._size = size  # octets of data in a packet
        self._octet = 8 / modem.rate
        repeats = (timing.copies - 1) * timing.copy_spacing
        v21 = modem is Modem.V21
        self._v21 = v21
        self._first_gap = max(timing.preamble * _LEAST_PREAMBLE - repeats, 0.0) if v21 else 0.0
        # As often as there is time before the next octet.
        self._copies = min(timing.copies, 1 + int(self._octet / timing.copy_spacing)) if v21 and repeat else 1

    def frames(self, burst: HdlcBurst, begin: float) -> Generator[Step, None, float]:
        """HDLC; returns when the carrier may drop."""
        at = begin
        gap = self._first_gap
        following = iter(burst.frames)
        frame = next(following, None)
        if frame is None:
            yield Step(at, self._bare(FieldType.HDLC_SIG_END), self._timing.copies, gap, control=True)
        while frame is not None:
            upcoming = next(following, None)
            body, fcs = line_bits(frame)
            last = upcoming is None
            end_field = FieldType.HDLC_FCS_OK_SIG_END if last else FieldType.HDLC_FCS_OK
            copies = self._timing.copies if last else self._copies
            # A field that is sent three times ends a frame that is complete: it brings no data.
            merged = self._timing.fcs_with_data and not last
            yield from self._chunks(frame, at, gap, end_field if merged else None)
            at += body / self._modem.rate
            if not merged:
                ifp = self._bare(end_field)
                yield Step(at, ifp, copies, control=last or self._v21, together=not last)
            at += (fcs + _FLAG_BITS) / self._modem.rate
            gap = 0.0
            frame = upcoming
        return at + self._timing.hdlc_tail

    def octets(
        self, data: bytes, begin: float, head_start: float, fill_removal: bool
    ) -> Generator[Step, None, float]:
        """Raw data; returns when the carrier may drop."""
        size = self._size
        prefix = field_prefix(self._type, FieldType.T4_NON_ECM_DATA, self._syntax)
        total = len(data)
        first = begin
        fill = _FillRemover() if fill_removal else None
        if data.count(0) != total:
            # A page; TCF, which is all zeros, keeps its exact length (T.30 5.3.6.1.3).
            first -= head_start
            padding = round(self._timing.page_padding * self._modem.rate / 8)
            total = -(-(total + padding) // size) * size
        else:
            fill = None
        for start in range(0, total, size):
            chunk = data[start : start + size]
            padding = min(size, total - start) - len(chunk)
            if fill is not None:
                chunk = fill.feed(chunk)
            chunk += bytes(padding)
            if chunk:
                yield Step(first + start * self._octet, prefix + (len(chunk) - 1).to_bytes(2, "big") + chunk)
        end = begin + total * self._octet
        yield Step(end, self._bare(FieldType.T4_NON_ECM_SIG_END), self._timing.copies, control=True)
        return end + self._timing.raw_tail

    def _chunks(self, frame: bytes, at: float, gap: float, end_field: FieldType | None) -> Iterator[Step]:
        size = self._size
        prefix = field_prefix(self._type, FieldType.HDLC_DATA, self._syntax)
        for start in range(0, len(frame), size):
            chunk = frame[start : start + size]
            if end_field is not None and start + size >= len(frame):
                fields = (Field(FieldType.HDLC_DATA, chunk), Field(end_field))
                ifp = encode(DataPacket(self._type, fields), self._syntax)
            else:
                ifp = prefix + (len(chunk) - 1).to_bytes(2, "big") + chunk
            due = at + start * self._octet
            yield Step(due, ifp, self._copies, gap, control=self._v21, together=True)
            gap = 0.0

    def _bare(self, field_type: FieldType) -> bytes:
        return encode(DataPacket(self._type, (Field(field_type),)), self._syntax)


class _FillRemover:
    """Takes the fill out of a T.4 page, chunk by chunk (T38FaxFillBitRemoval)."""

    def __init__(self) -> None:
        self._zeros = b""  # that the last chunk ended in

    def feed(self, chunk: bytes) -> bytes:
        known = self._zeros
        found = _FILL.sub(bytes(_KEPT), known + chunk)
        self._zeros = bytes(min(len(found) - len(found.rstrip(b"\0")), _KEPT))
        return found[len(known) :]

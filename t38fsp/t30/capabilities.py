"""The capabilities of a terminal: its DIS or DTC (T.30 table 2)."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import Self

from sip.frozen import dataclass
from t38fsp.t30.dcs import Bit, BitField, pattern
from t38fsp.t30.dis_dcs_values import INCH, METRIC, SCAN_TIME, SCAN_TIME_VALUES, WIDTH, WIDTH_VALUES
from t38fsp.t30.modems import DESCENDING, dis_values, ladder, modems_of_dis
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.vocabulary import Coding, Modem, Resolution


class Length(Enum):
    """Bits 19 and 20 of a DIS."""

    A4 = "00"
    UNLIMITED = "01"
    A4_B4 = "10"


def _stated_resolutions(dis: BitField) -> frozenset[Resolution]:
    # 204x98 is what every terminal has (T.4), whatever its bits.
    found = {Resolution.R8_STANDARD}
    if Bit.INCH in dis:
        found.add(Resolution.INCH_200X100)
        found.update(resolution for resolution, bit in INCH.items() if bit in dis)
    if Bit.METRIC in dis or Bit.INCH not in dis:
        found.update(resolution for resolution, bit in METRIC.items() if bit in dis)
    if Bit.INCH_300 in dis:
        found.add(Resolution.INCH_300)
    return frozenset(found)


def _resolution_bits(resolutions: frozenset[Resolution]) -> set[int]:
    inch = {INCH[resolution] for resolution in resolutions & INCH.keys()}
    metric = {METRIC[resolution] for resolution in resolutions & METRIC.keys()}
    bits: set[int] = inch | metric
    if inch or Resolution.INCH_200X100 in resolutions:
        bits.add(Bit.INCH)
    if metric and Bit.INCH in bits:
        bits.add(Bit.METRIC)  # metric is the default only if neither bit is set (table 2, bits 44 and 45)
    if Resolution.INCH_300 in resolutions:
        bits.add(Bit.INCH_300)
    return bits


@dataclass(frozen=True, slots=True)
class ScanLineTime:
    """Minimum scan line time in milliseconds: 0, 5, 10, 20 or 40."""

    standard: int = 0
    fine: int = 0
    half_at_superfine: bool = False
    """Above 7.7 lines/mm half of ``fine`` is enough (bit 46)."""

    def at(self, resolution: Resolution) -> int:
        """The time at this resolution, rounded up to a value that a DCS can express."""
        if resolution.y <= 100:
            return self.standard
        if resolution.y > 200 and self.half_at_superfine:
            return min(value for value in SCAN_TIME_VALUES if value >= self.fine / 2)
        return self.fine


# --- the DIS ------------------------------------------------------------------------------------------------

# The bits that the fields of Capabilities stand for; a DIS is written with all others as they were read.
_DECIDED = frozenset(
    {
        *range(Bit.RECEIVES, Bit.SCAN_TIME_3 + 1),
        *range(Bit.SUPERFINE_R8, Bit.HALF_TIME_AT_SUPERFINE + 1),
        Bit.FRAMES_64_PREFERRED,
        Bit.ECM,
        Bit.MMR,
    }
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The receiving capabilities in a DIS or DTC."""

    modems: frozenset[Modem] = frozenset({Modem.V27TER_2400})
    resolutions: frozenset[Resolution] = frozenset({Resolution.R8_STANDARD})
    width: int = 215
    """Widest page, millimetres: 215, 255 or 303."""
    length: Length = Length.UNLIMITED
    codings: frozenset[Coding] = frozenset({Coding.MH})
    ecm: bool = False
    frames_64_preferred: bool = False
    scan_line_time: ScanLineTime = field(default_factory=ScanLineTime)
    receives: bool = True
    others: BitField = field(default_factory=BitField)
    """All further bits, named or not, such as Bit.T38, Bit.T38_FLOW_CONTROL and Bit.INTERNET_AWARE."""

    @classmethod
    def parse(cls, fif: bytes) -> Self:
        """Read the information field of a DIS or DTC.

        Raises:
            FrameError: shorter than 3 octets or longer than 64.
        """
        dis = BitField.parse(fif)
        codings = {Coding.MH}
        if Bit.MR in dis:
            codings.add(Coding.MR)
        # A bit error destroys the rest of an MMR page, so table 2 allows MMR only with error correction.
        if Bit.MMR in dis and Bit.ECM in dis:
            codings.add(Coding.MMR)
        standard, fine = SCAN_TIME[dis.number(21, 23)]
        length = dis.number(19, 20)
        return cls(
            modems=modems_of_dis(dis),
            resolutions=_stated_resolutions(dis),
            width=WIDTH[dis.number(17, 18)],
            # 11 is invalid (table 2).
            length=Length.UNLIMITED if length == "11" else Length(length),
            codings=frozenset(codings),
            ecm=Bit.ECM in dis,
            frames_64_preferred=Bit.FRAMES_64_PREFERRED in dis,
            scan_line_time=ScanLineTime(standard, fine, Bit.HALF_TIME_AT_SUPERFINE in dis),
            receives=Bit.RECEIVES in dis,
            others=BitField(dis.bits - _DECIDED),
        )

    def __bytes__(self) -> bytes:
        """The information field of the DIS."""
        times = {value: values for values, value in SCAN_TIME.items()}
        bits = set(self.others.bits) | _resolution_bits(self.resolutions)
        bits |= pattern(11, dis_values(self.modems))
        bits |= pattern(17, WIDTH_VALUES[self.width]) | pattern(19, self.length.value)
        bits |= pattern(21, times[self.scan_line_time.standard, self.scan_line_time.fine])
        conditions = {
            Bit.RECEIVES: self.receives,
            Bit.FRAMES_64_PREFERRED: self.frames_64_preferred,
            Bit.MR: Coding.MR in self.codings,
            Bit.ECM: self.ecm,
            # As on reading: without ECM the bit would promise what must not be used.
            Bit.MMR: self.ecm and Coding.MMR in self.codings,
            Bit.HALF_TIME_AT_SUPERFINE: self.scan_line_time.half_at_superfine,
        }
        bits |= {bit for bit, holds in conditions.items() if holds}
        return bytes(BitField.of(bits))

    def names(self) -> list[str]:
        """Names of the bits that are set."""
        return BitField.parse(bytes(self)).names()


def capabilities_of(options: ReceiveOptions) -> Capabilities:
    """The content of our own DIS: pages of any length, no minimum scan line time."""
    document = options.document
    offered = {
        Bit.DOCUMENT_TO_POLL: document is not None,
        # A wrong password can then be refused by FNV, which names it, and not only by DCN (5.3.6.1.8).
        Bit.FIELD_NOT_VALID: True,
        Bit.SELECTIVE_POLLING: document is not None and bool(document.selective_address),
        Bit.SUBADDRESS: options.addressing,
        Bit.PASSWORD: options.addressing or (document is not None and bool(document.password)),
        Bit.INTERNET_AWARE: options.internet_aware and options.ecm,
    }
    return Capabilities(
        modems=frozenset(ladder(DESCENDING, options.max_rate)),
        resolutions=options.resolutions | {Resolution.R8_STANDARD},
        width=options.width,
        codings=frozenset({*options.codings, Coding.MH}),
        ecm=options.ecm,
        frames_64_preferred=options.ecm_frame_size == 64,
        receives=True,
        others=BitField.of({bit for bit, holds in offered.items() if holds}),
    )

"""What a receiver can do (its DIS), and the mode in which a page travels to it (the DCS); T.30 table 2."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Self

from t38fsp.t30.dcs import Bit, BitField, pattern
from t38fsp.t30.fallback import DESCENDING, dcs_values, dis_values, ladder, modem_of_dcs, modems_of_dis
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import Coding, Modem, PageFormat, PageMode, Resolution

_A4_MILLIMETRES = 300
"""297 and what a scanner adds."""


class Length(Enum):
    """Bits 19 and 20 of a DIS."""

    A4 = "00"
    UNLIMITED = "01"
    A4_B4 = "10"


# --- widths (T.4 2.1, bits 17 and 18) -----------------------------------------------------------------------

_WIDTHS = (215, 255, 303)
_PIXELS = {200: (1728, 2048, 2432), 300: (2592, 3072, 3648), 400: (3456, 4096, 4864)}
_DIS_WIDTH = {"00": 215, "10": 255, "01": 303, "11": 303}
_DCS_WIDTH = {"00": 215, "10": 255, "01": 303, "11": 303}
_WIDTH_VALUES = {215: "00", 255: "10", 303: "01"}


def pixels(resolution: Resolution, width: int) -> int:
    """Pixels per line of a page ``width`` millimetres (215, 255 or 303) wide."""
    return _PIXELS[_family(resolution)][_WIDTHS.index(width)]


def _family(resolution: Resolution) -> int:
    return {204: 200, 408: 400}.get(resolution.x, resolution.x)


def _millimetres(page: PageFormat) -> int:
    for width in _WIDTHS:
        if page.width <= pixels(page.resolution, width):
            return width
    return _WIDTHS[-1]


# --- resolutions (bits 15, 41 to 45) ------------------------------------------------------------------------

_METRIC = {
    Resolution.R8_FINE: Bit.FINE,
    Resolution.R8_SUPERFINE: Bit.SUPERFINE_R8,
    Resolution.R16_SUPERFINE: Bit.SUPERFINE_R16,
}
_INCH = {
    Resolution.INCH_200: Bit.FINE,
    Resolution.INCH_200X400: Bit.SUPERFINE_R8,
    Resolution.INCH_400: Bit.SUPERFINE_R16,
}

_CLOSEST = {
    Resolution.R8_STANDARD: (Resolution.INCH_200X100,),
    Resolution.R8_FINE: (Resolution.INCH_200,),
    Resolution.R8_SUPERFINE: (Resolution.INCH_200X400, Resolution.R8_FINE, Resolution.INCH_200),
    Resolution.R16_SUPERFINE: (
        Resolution.INCH_400,
        Resolution.R8_SUPERFINE,
        Resolution.INCH_200X400,
        Resolution.R8_FINE,
        Resolution.INCH_200,
    ),
    Resolution.INCH_200X100: (),
    Resolution.INCH_200: (Resolution.R8_FINE, Resolution.INCH_200X100),
    Resolution.INCH_200X400: (
        Resolution.R8_SUPERFINE,
        Resolution.INCH_200,
        Resolution.R8_FINE,
        Resolution.INCH_200X100,
    ),
    Resolution.INCH_300: (Resolution.INCH_200, Resolution.R8_FINE, Resolution.INCH_200X100),
    Resolution.INCH_400: (
        Resolution.R16_SUPERFINE,
        Resolution.INCH_200X400,
        Resolution.R8_SUPERFINE,
        Resolution.INCH_200,
        Resolution.R8_FINE,
        Resolution.INCH_200X100,
    ),
}
"""What comes closest, best first; the metric or inch twin counts as equal (T.4 annex D). 204x98 ends all."""


def _stated_resolutions(dis: BitField) -> frozenset[Resolution]:
    found = {Resolution.R8_STANDARD}
    if Bit.INCH in dis:
        found.add(Resolution.INCH_200X100)
        found.update(resolution for resolution, bit in _INCH.items() if bit in dis)
    if Bit.METRIC in dis or Bit.INCH not in dis:
        found.update(resolution for resolution, bit in _METRIC.items() if bit in dis)
    if Bit.INCH_300 in dis:
        found.add(Resolution.INCH_300)
    return frozenset(found)


def _resolution_bits(resolutions: frozenset[Resolution]) -> set[int]:
    inch = {_INCH[resolution] for resolution in resolutions & _INCH.keys()}
    metric = {_METRIC[resolution] for resolution in resolutions & _METRIC.keys()}
    bits: set[int] = inch | metric
    if inch or Resolution.INCH_200X100 in resolutions:
        bits.add(Bit.INCH)
    if metric and Bit.INCH in bits:
        bits.add(Bit.METRIC)  # without either bit metric is meant
    if Resolution.INCH_300 in resolutions:
        bits.add(Bit.INCH_300)
    return bits


def _chosen_resolution(dcs: BitField) -> Resolution:
    inch = Bit.INCH in dcs
    if Bit.SUPERFINE_R16 in dcs:
        return Resolution.INCH_400 if inch else Resolution.R16_SUPERFINE
    if Bit.INCH_300 in dcs:
        return Resolution.INCH_300
    if Bit.SUPERFINE_R8 in dcs:
        return Resolution.INCH_200X400 if inch else Resolution.R8_SUPERFINE
    if Bit.FINE in dcs:
        return Resolution.INCH_200 if inch else Resolution.R8_FINE
    return Resolution.INCH_200X100 if inch else Resolution.R8_STANDARD


def _chosen_resolution_bits(resolution: Resolution) -> set[int]:
    bits: set[int] = set()
    if resolution in _METRIC:
        bits.add(_METRIC[resolution])
    if resolution in _INCH:
        bits.add(_INCH[resolution])
    if resolution is Resolution.INCH_300:
        bits.add(Bit.INCH_300)
    if resolution.is_inch:
        bits.add(Bit.INCH)
    return bits


# --- minimum scan line time (bits 21 to 23, 46) -------------------------------------------------------------

_SCAN_TIME = {
    "000": (20, 20),
    "001": (40, 40),
    "010": (10, 10),
    "100": (5, 5),
    "011": (10, 5),
    "110": (20, 10),
    "101": (40, 20),
    "111": (0, 0),
}
"""Milliseconds per line at 3.85 and at 7.7 lines/mm."""
_SCAN_TIME_VALUES = {0: "111", 5: "100", 10: "010", 20: "000", 40: "001"}


@dataclass(frozen=True, slots=True)
class ScanLineTime:
    """Least time per coded line, milliseconds: 0, 5, 10, 20 or 40."""

    standard: int = 0
    fine: int = 0
    half_at_superfine: bool = False
    """Above 7.7 lines/mm half of ``fine`` is enough (bit 46)."""

    def at(self, resolution: Resolution) -> int:
        """For this resolution, rounded up to what a DCS can say."""
        if resolution.y <= 100:
            return self.standard
        if resolution.y > 200 and self.half_at_superfine:
            return min(value for value in _SCAN_TIME_VALUES if value >= self.fine / 2)
        return self.fine


# --- the DIS ------------------------------------------------------------------------------------------------

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
    """What a DIS or DTC says about its sender as a receiver."""

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
    """All further bits, named or not."""

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
        if Bit.MMR in dis and Bit.ECM in dis:
            codings.add(Coding.MMR)
        standard, fine = _SCAN_TIME[dis.number(21, 23)]
        length = dis.number(19, 20)
        return cls(
            modems=modems_of_dis(dis),
            resolutions=_stated_resolutions(dis),
            width=_DIS_WIDTH[dis.number(17, 18)],
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
        times = {value: values for values, value in _SCAN_TIME.items()}
        bits = set(self.others.bits) | _resolution_bits(self.resolutions)
        bits |= pattern(11, dis_values(self.modems))
        bits |= pattern(17, _WIDTH_VALUES[self.width]) | pattern(19, self.length.value)
        bits |= pattern(21, times[self.scan_line_time.standard, self.scan_line_time.fine])
        conditions = {
            Bit.RECEIVES: self.receives,
            Bit.FRAMES_64_PREFERRED: self.frames_64_preferred,
            Bit.MR: Coding.MR in self.codings,
            Bit.ECM: self.ecm,
            Bit.MMR: self.ecm and Coding.MMR in self.codings,
            Bit.HALF_TIME_AT_SUPERFINE: self.scan_line_time.half_at_superfine,
        }
        bits |= {bit for bit, holds in conditions.items() if holds}
        return bytes(BitField.of(bits))


def capabilities_of(options: ReceiveOptions) -> Capabilities:
    """What our own DIS says: pages of any length, no minimum scan line time."""
    return Capabilities(
        modems=frozenset(ladder(DESCENDING, options.max_rate)),
        resolutions=options.resolutions | {Resolution.R8_STANDARD},
        width=options.width,
        codings=frozenset({*options.codings, Coding.MH}),
        ecm=options.ecm,
    )


# --- the DCS ------------------------------------------------------------------------------------------------

_OTHER_CODINGS = frozenset(
    {
        Bit.UNCOMPRESSED,
        Bit.T43,
        Bit.G726,
        Bit.BINARY_FILE_TRANSFER,
        Bit.DOCUMENT_TRANSFER,
        Bit.EDIFACT_TRANSFER,
        Bit.BASIC_TRANSFER,
        Bit.CHARACTER_MODE,
        Bit.MIXED_MODE,
        Bit.PROCESSABLE_MODE_26,
        Bit.JPEG,
        Bit.T85,
        Bit.T85_L0,
        Bit.T44_MODE_1,
        Bit.T44_MODE_2,
        Bit.T44_MODE_3,
        Bit.T45,
        Bit.INCH_600,
        Bit.INCH_1200,
        Bit.INCH_300X600,
        Bit.INCH_400X800,
        Bit.INCH_600X1200,
    }
)
"""What a DCS may ask for only of a receiver that offered it; ours offers none of them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A DCS: how pages travel, and on which modem. ``frame_size`` (octets) matters with ECM."""

    mode: PageMode
    modem: Modem
    frame_size: int
    dcs: BitField

    @classmethod
    def parse(cls, dcs: BitField) -> Choice | None:
        """Read a DCS; None when it chooses something that a receiver of MH, MR and MMR cannot do."""
        modem = modem_of_dcs(dcs)
        ecm = Bit.ECM in dcs
        if modem is None or dcs.bits & _OTHER_CODINGS or (Bit.MMR in dcs and not ecm):
            return None
        coding = Coding.MMR if Bit.MMR in dcs else Coding.MR if Bit.MR in dcs else Coding.MH
        resolution = _chosen_resolution(dcs)
        mode = PageMode(
            coding=coding,
            width=pixels(resolution, _DCS_WIDTH[dcs.number(17, 18)]),
            resolution=resolution,
            ecm=ecm,
            bit_rate=modem.rate,
            scan_line_time=0.0 if ecm else _SCAN_TIME[dcs.number(21, 23)][0] / 1000,
        )
        return cls(mode, modem, 64 if Bit.FRAMES_64 in dcs else 256, dcs)

    def at(self, modem: Modem) -> Choice:
        """The same on another modem."""
        dcs = self.dcs.replacing(11, dcs_values(modem))
        return Choice(replace(self.mode, bit_rate=modem.rate), modem, self.frame_size, dcs)

    @property
    def fif(self) -> bytes:
        return bytes(self.dcs)

    @property
    def rate_fif(self) -> bytes:
        """The information field of CTC: bits 1 to 16 (A.4.3)."""
        return bytes(self.dcs)[:2]


def choose_mode(
    capabilities: Capabilities, page: PageFormat, options: TransmitOptions, modem: Modem
) -> Choice | None:
    """How ``page`` travels to this receiver on ``modem``, as close to its own format as the receiver takes.

    Returns:
        None when no allowed coding suits the receiver.
    """
    ecm = options.ecm and capabilities.ecm
    coding = next(
        (
            coding
            for coding in options.codings
            if coding in capabilities.codings and (ecm or coding is not Coding.MMR)
        ),
        None,
    )
    if coding is None:
        return None
    wanted = (page.resolution, *_CLOSEST[page.resolution])
    resolution = next(
        (candidate for candidate in wanted if candidate in capabilities.resolutions), Resolution.R8_STANDARD
    )
    width = min(_millimetres(page), capabilities.width)
    milliseconds = 0 if ecm else capabilities.scan_line_time.at(resolution)
    small = ecm and (options.ecm_frame_size == 64 or capabilities.frames_64_preferred)
    bits = {Bit.RECEIVES} | _chosen_resolution_bits(resolution)
    bits |= pattern(11, dcs_values(modem)) | pattern(17, _WIDTH_VALUES[width])
    bits |= pattern(19, _length_values(capabilities.length, page))
    bits |= pattern(21, _SCAN_TIME_VALUES[milliseconds])
    conditions = {
        Bit.MR: coding is Coding.MR,
        Bit.MMR: coding is Coding.MMR,
        Bit.ECM: ecm,
        Bit.FRAMES_64: small,
    }
    bits |= {bit for bit, holds in conditions.items() if holds}
    mode = PageMode(
        coding, pixels(resolution, width), resolution, ecm, modem.rate, scan_line_time=milliseconds / 1000
    )
    return Choice(mode, modem, 64 if small else 256, BitField.of(bits))


def _length_values(length: Length, page: PageFormat) -> str:
    if length is Length.A4_B4 and page.rows * 25.4 / page.resolution.y <= _A4_MILLIMETRES:
        length = Length.A4
    values: str = length.value
    return values

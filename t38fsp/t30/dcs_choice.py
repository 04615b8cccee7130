"""The mode of a page: the content of a DCS (T.30 table 2), and how it is chosen."""

from __future__ import annotations

from dataclasses import replace

from sip.frozen import dataclass
from t38fsp.t30.capabilities import Capabilities, Length, capabilities_of
from t38fsp.t30.dcs import Bit, BitField, pattern
from t38fsp.t30.dis_dcs_values import (
    INCH,
    METRIC,
    SCAN_TIME,
    SCAN_TIME_VALUES,
    WIDTH,
    WIDTH_VALUES,
    millimetres,
    pixels,
)
from t38fsp.t30.modems import dcs_values, ladder, modem_of_dcs
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import Coding, Modem, PageFormat, PageMode, Resolution

_INCH_MM = 25.4
_A4, _LEGAL, _B4 = 297.0, 355.6, 364.0
"""Lengths in millimetres (T.4 2.2)."""
_SCANNED = 3.0
"""Millimetres by which a scan may exceed the paper length; receivers tolerate them."""
# A3 onto A4 is 210/297, and still legible.
_LEAST_SHRINK = 0.7
"""A3 to A4. A page that needs a smaller factor is sent in full length; receivers cut it into sheets."""

# --- resolutions --------------------------------------------------------------------------------------------

_CLOSEST = {
    Resolution.R8_STANDARD: (Resolution.INCH_200X100,),
    Resolution.R8_FINE: (Resolution.INCH_200,),
    Resolution.R8_SUPERFINE: (
        Resolution.INCH_200X400,
        Resolution.R16_SUPERFINE,
        Resolution.INCH_400,
        Resolution.R8_FINE,
        Resolution.INCH_200,
    ),
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
        Resolution.INCH_400,
        Resolution.R16_SUPERFINE,
        Resolution.INCH_200,
        Resolution.R8_FINE,
        Resolution.INCH_200X100,
    ),
    Resolution.INCH_300: (
        Resolution.INCH_400,
        Resolution.R16_SUPERFINE,
        Resolution.INCH_200,
        Resolution.R8_FINE,
        Resolution.INCH_200X100,
    ),
    Resolution.INCH_400: (
        Resolution.R16_SUPERFINE,
        Resolution.INCH_200X400,
        Resolution.R8_SUPERFINE,
        Resolution.INCH_200,
        Resolution.R8_FINE,
        Resolution.INCH_200X100,
    ),
}
"""The closest resolutions, best first; metric and inch variants count as equal (T.4 annex D). 204x98 is the
last.

More pixels come before fewer where that preserves the page: doubling across loses nothing.
"""


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
    if resolution in METRIC:
        bits.add(METRIC[resolution])
    if resolution in INCH:
        bits.add(INCH[resolution])
    if resolution is Resolution.INCH_300:
        bits.add(Bit.INCH_300)
    if resolution.is_inch:
        bits.add(Bit.INCH)
    return bits


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


_NOMINAL = Modem.V17_14400
"""What data are called in the internet-aware mode."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A DCS: how pages travel, and on which modem. ``frame_size`` (octets) matters with ECM.

    Bit 123 with bits 11 to 14 zero is the internet-aware mode: no modem, and no pace to keep (table 2). The
    packets need the name of one all the same.
    """

    mode: PageMode
    modem: Modem
    frame_size: int
    dcs: BitField

    @property
    def modem_paced(self) -> bool:
        return Bit.INTERNET_AWARE not in self.dcs

    @classmethod
    def parse(cls, dcs: BitField) -> Choice | None:
        """Read a DCS; None when it chooses something that a receiver of MH, MR and MMR cannot do."""
        modem_paced = Bit.INTERNET_AWARE not in dcs
        # Table 2: with bit 123 set bits 11 to 14 are zero, which would otherwise be V.27ter at 2400 bit/s.
        modem = modem_of_dcs(dcs) if modem_paced else _NOMINAL
        ecm = Bit.ECM in dcs
        # MMR and the internet-aware mode have no protection of their own: both need ECM (table 2).
        if modem is None or dcs.bits & _OTHER_CODINGS or (not ecm and (Bit.MMR in dcs or not modem_paced)):
            return None
        coding = Coding.MMR if Bit.MMR in dcs else Coding.MR if Bit.MR in dcs else Coding.MH
        resolution = _chosen_resolution(dcs)
        mode = PageMode(
            coding=coding,
            width=pixels(resolution, WIDTH[dcs.number(17, 18)]),
            resolution=resolution,
            ecm=ecm,
            bit_rate=modem.rate if modem_paced else 0,
            scan_line_time=0.0 if ecm else SCAN_TIME[dcs.number(21, 23)][0] / 1000,
        )
        return cls(mode, modem, 64 if Bit.FRAMES_64 in dcs else 256, dcs)

    def at(self, modem: Modem) -> Choice:
        """The same on another modem, and at its pace."""
        dcs = BitField(self.dcs.bits - {Bit.INTERNET_AWARE}).replacing(11, dcs_values(modem))
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
    """The mode of ``page`` for this receiver and ``modem``, as close to the page's format as the receiver
    supports.

    If both ends are internet-aware no modem is used.

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
    width = min(millimetres(page), capabilities.width)
    length_bits, max_rows = _length(capabilities, page, resolution, width)
    # With ECM the minimum scan line time is 0 (table 2, bits 21 to 23).
    # The frames are stored before they are printed, so the printer sets no pace.
    milliseconds = 0 if ecm else capabilities.scan_line_time.at(resolution)
    modem_paced = not (options.internet_aware and ecm and Bit.INTERNET_AWARE in capabilities.others)
    # Either end may choose the short frames, of which a bad line destroys fewer.
    small = ecm and (options.ecm_frame_size == 64 or capabilities.frames_64_preferred)
    bits = {Bit.RECEIVES} | _chosen_resolution_bits(resolution)
    bits |= pattern(11, dcs_values(modem)) if modem_paced else {Bit.INTERNET_AWARE}
    bits |= pattern(17, WIDTH_VALUES[width]) | length_bits | pattern(21, SCAN_TIME_VALUES[milliseconds])
    conditions = {
        Bit.MR: coding is Coding.MR,
        Bit.MMR: coding is Coding.MMR,
        Bit.ECM: ecm,
        Bit.FRAMES_64: small,
        Bit.SUBADDRESS: bool(options.sub_address) and Bit.SUBADDRESS in capabilities.others,
        Bit.PASSWORD: bool(options.sender_id) and Bit.PASSWORD in capabilities.others,
    }
    bits |= {bit for bit, holds in conditions.items() if holds}
    # With bit 33 the far end may refuse a field with FNV (5.3.6.1.8).
    if bits & {Bit.SUBADDRESS, Bit.PASSWORD} and Bit.FIELD_NOT_VALID in capabilities.others:
        bits.add(Bit.FIELD_NOT_VALID)
    rate = modem.rate if modem_paced else 0
    mode = PageMode(coding, pixels(resolution, width), resolution, ecm, rate, milliseconds / 1000, max_rows)
    return Choice(mode, modem if modem_paced else _NOMINAL, 64 if small else 256, BitField.of(bits))


def likely_mode(page: PageFormat, options: TransmitOptions) -> PageMode:
    """How ``page`` will probably travel to a receiver of which nothing is known yet: as it would to ours."""
    receiver = capabilities_of(ReceiveOptions())
    choice = choose_mode(receiver, page, options, ladder(receiver.modems, options.max_rate)[0])
    assert choice is not None, "our own receiver takes every coding"
    return choice.mode


def _length(
    capabilities: Capabilities, page: PageFormat, resolution: Resolution, width: int
) -> tuple[frozenset[int], int | None]:
    """The bits of the paper length, and the maximum number of rows if the page is too long for it."""
    shrink = min(1.0, width / millimetres(page))
    millimetres_long = page.rows * _INCH_MM / page.resolution.y * shrink
    if capabilities.length is Length.UNLIMITED:
        return pattern(19, Length.UNLIMITED.value), None
    bits: frozenset[int] = frozenset()
    longest = _A4
    if millimetres_long > _A4 + _SCANNED:
        if capabilities.length is Length.A4_B4:
            bits, longest = pattern(19, Length.A4_B4.value), _B4
        elif Bit.LEGAL in capabilities.others:
            bits, longest = frozenset({int(Bit.LEGAL)}), _LEGAL
    # Within reach of the factor above: made shorter. Beyond it the page is sent in its length, and the
    # receiver cuts it.
    if longest + _SCANNED < millimetres_long <= longest / _LEAST_SHRINK:
        return bits, int(longest * resolution.y / _INCH_MM)
    return bits, None

"""The words that T.30, the T.38 terminal and the pages have in common.

T.30 speaks in *bursts*: what one modem sends between carrier on and carrier off. The terminal below plays
them, and hands up what it hears as *line signals*. Octets are in line order: the bit transmitted first is the
most significant one, as T.30 prints frames and as T.38 carries them. HDLC frames run from the address octet
to the last octet of the information field: no flags, no stuffing, no FCS.

Times are seconds on one monotonic clock that the caller supplies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from enum import Enum

from sip.frozen import dataclass


class Modem(Enum):
    """A modulation at one data rate (bit/s)."""

    V21 = ("V.21", 300)
    V27TER_2400 = ("V.27ter", 2400)
    V27TER_4800 = ("V.27ter", 4800)
    V29_7200 = ("V.29", 7200)
    V29_9600 = ("V.29", 9600)
    V17_7200 = ("V.17", 7200)
    V17_9600 = ("V.17", 9600)
    V17_12000 = ("V.17", 12000)
    V17_14400 = ("V.17", 14400)

    __hash__ = object.__hash__  # in C; looked up for every packet

    def __init__(self, modulation: str, rate: int) -> None:
        self.modulation = modulation
        self.rate = rate


class Tone(Enum):
    CNG = "CNG"
    CED = "CED"


# --- what T.30 requests the terminal to send ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HdlcBurst:
    """HDLC frames on one carrier: a V.21 command or response, or an ECM block (its RCP frames included).

    ``frames`` may be lazy: it is read once, in order, at the pace of the modem. ``attempt`` counts
    transmissions of the same burst without a response, including this one. With ``modem_paced`` false the far
    end has no modem, and the frames are sent as fast as the path carries them.
    """

    modem: Modem
    frames: Sequence[bytes]
    short_training: bool = False
    # Not compared: a repetition equals the burst that it repeats.
    attempt: int = field(default=1, compare=False)
    modem_paced: bool = True


@dataclass(frozen=True, slots=True)
class RawBurst:
    """Octets without framing on one carrier: TCF, or a page without ECM (its RTC included)."""

    modem: Modem
    data: bytes
    short_training: bool = False


@dataclass(frozen=True, slots=True)
class ToneBurst:
    """CED for ``seconds``; CNG lasts (as a state of the line) until the next burst."""

    tone: Tone
    seconds: float


Burst = HdlcBurst | RawBurst | ToneBurst


# --- what the terminal receives -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToneHeard:
    tone: Tone


@dataclass(frozen=True, slots=True)
class CarrierDetected:
    """A burst of the far end began: preamble, training or, if those were lost, its first data."""

    modem: Modem
    short_training: bool = False


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """One HDLC frame ended; ``good`` is false if its FCS was bad or part of it was lost.

    ``after_gap`` is true if packets were lost since the end of the last good frame.
    """

    modem: Modem
    frame: bytes
    good: bool
    after_gap: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Octets of a raw burst; ``after_gap`` is true if packets just before them were lost."""

    modem: Modem
    data: bytes
    after_gap: bool = False


@dataclass(frozen=True, slots=True)
class CarrierLost:
    """The burst of the far end is over. ``clean`` is false if its end had to be inferred."""

    modem: Modem
    clean: bool = True


LineSignal = ToneHeard | CarrierDetected | FrameReceived | DataReceived | CarrierLost


# --- pages --------------------------------------------------------------------------------------------------


class Coding(Enum):
    """T.4 one- and two-dimensional coding, and T.6."""

    MH = "MH"
    MR = "MR"
    MMR = "MMR"


class Resolution(Enum):
    """Pixels per inch (x, y). Metric values first; the inch-based twins follow (T.4, TIFF-F)."""

    # 8 and 16 pixels and 3.85, 7.7 and 15.4 lines to the millimetre, in the whole numbers that TIFF-F
    # (RFC 2306) has for them.
    R8_STANDARD = (204, 98)
    R8_FINE = (204, 196)
    R8_SUPERFINE = (204, 391)
    R16_SUPERFINE = (408, 391)
    INCH_200X100 = (200, 100)
    INCH_200 = (200, 200)
    INCH_200X400 = (200, 400)
    INCH_300 = (300, 300)
    INCH_400 = (400, 400)

    @property
    def x(self) -> int:
        return self.value[0]

    @property
    def y(self) -> int:
        return self.value[1]

    @property
    def is_inch(self) -> bool:
        return self.value[0] in (200, 300, 400)


@dataclass(frozen=True, slots=True)
class PageFormat:
    """What a page is: width and length in pixels, and its resolution."""

    width: int
    rows: int
    resolution: Resolution


@dataclass(frozen=True, slots=True)
class PageMode:
    """How a page travels, as the DCS said it.

    ``scan_line_time`` is the least time per coded line in seconds (0 with ECM); ``bit_rate`` in bit/s, 0 when
    no modem sets the pace (internet-aware mode).
    ``max_rows`` is set when the page is longer than the paper there: it is then made smaller.
    """

    coding: Coding
    width: int
    resolution: Resolution
    ecm: bool
    bit_rate: int
    scan_line_time: float = 0.0
    max_rows: int | None = None


@dataclass(frozen=True, slots=True)
class PageQuality:
    """Outcome of checking a received page line by line (without ECM; with ECM every line is good)."""

    rows: int
    bad_rows: int = 0
    longest_bad_run: int = 0

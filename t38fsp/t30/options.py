"""Options of a T.30 session, with the time limits of T.30 5.4.3 and annex A."""

from __future__ import annotations

from dataclasses import field

from sip.bounds import check, like, setting
from sip.frozen import dataclass
from t38fsp.errors import SettingError
from t38fsp.t30.frames import encode_station_id
from t38fsp.t30.vocabulary import Coding, Resolution


def _sub_address(text: str) -> object:
    return encode_station_id(text, "sub-address")


def _sender_id(text: str) -> object:
    return encode_station_id(text, "sender identity")


def _selective_address(text: str) -> object:
    return encode_station_id(text, "selective address")


def _password(text: str) -> object:
    return encode_station_id(text, "password")


@dataclass(frozen=True, slots=True)
class T30Timers:
    """Timers in seconds. The defaults are at the upper end of the T.30 limits, as packets add delay."""

    t1: float = 35.0
    """Identifying: 35 ± 5 (5.4.3.1)."""
    # On T.38 a command needs the time of two networks more than the Recommendation reckons with.
    t2: float = 7.0
    """T2, a receiver waiting for a command: 6 ± 1 (5.4.3.1)."""
    last_command: float = 16.0
    """The same after training: long enough for the third transmission of a command lost twice (5.4.2)."""
    # The upper limit: a repetition that crosses a late response costs more than a short wait.
    t4: float = 3.45
    """T4, a command without a response, or a DIS without a command: 3 ± 15 % (5.4.3.1)."""
    t5: float = 65.0
    """A receiver that stays busy: 60 ± 5 (A.5.4.1)."""
    control_carrier: float = 20.0
    """Longest V.21 burst of the far end; after it the carrier counts as stuck."""
    image_carrier: float = 1800.0
    """Longest image burst of the far end; a dithered page at 2400 bit/s takes 20 minutes."""
    silent_carrier: float = 15.0
    """An image carrier without data; its burst then counts as over."""
    page_wait: float = 5.0
    """Transmitter: silence while the next page is being prepared; shorter than the receiver's T2."""
    # T4 of the transmitter may be as short as 2.55 s; the first flag of the response stops it.
    store_wait: float = 2.0
    """Receiver: silence while a page is being stored; shorter than the transmitter's T4, then RNR."""
    stall: float = 2400.0
    """Receiver: longest time without a confirmed block or page. Transmitter: longest time for one block."""


@dataclass(frozen=True, slots=True)
class TransmitOptions:
    """How to send.

    Raises:
        ValueError: an identity or address that cannot be coded, no coding, or a value out of its bounds.
    """

    station_id: str = setting("", check=encode_station_id)
    """Our TSI: at most 20 digits, spaces and +; empty sends none."""
    ecm: bool = setting(True)
    max_rate: int = setting(14400, least=2400, most=14400, unit="bit/s")
    """From the slowest V.27ter to the fastest V.17."""
    codings: tuple[Coding, ...] = (Coding.MMR, Coding.MR, Coding.MH)
    """Allowed codings, best first."""
    ecm_frame_size: int = setting(256, among=(256, 64), unit="octets")
    """Overridden by a receiver that prefers 64."""
    sub_address: str = setting("", check=_sub_address)
    """SUB, for a machine that forwards faxes: at most 20 characters; sent if the DIS allows it (bit 49)."""
    sender_id: str = setting("", check=_sender_id)
    """SID, identification of the sender, likewise; sent if the DIS allows it (bit 50)."""
    cng: bool = True
    """Play CNG while waiting for the DIS."""
    tries: int = setting(3, least=1)
    """Transmissions of one command (5.4.2)."""
    page_tries: int = setting(3, least=1)
    """Transmissions of a page that is refused (RTN)."""
    internet_aware: bool = setting(False)
    """Leave modem pace if the far end announces a terminal without a modem (DIS bit 123) and ECM is used."""
    continue_to_correct: bool = True
    """After the fourth PPR request a lower rate (CTC) while there is one; false gives up at once (EOR)."""
    timers: T30Timers = field(default_factory=T30Timers)

    def __post_init__(self) -> None:
        check(self, SettingError)
        if not self.codings:
            raise ValueError("no coding is allowed; allow at least MH, which every receiver supports")


@dataclass(frozen=True, slots=True)
class PollDocument:
    """Conditions for a caller to poll the document; each text has at most 20 characters.

    Raises:
        ValueError: one that cannot be coded.
    """

    selective_address: str = setting("", check=_selective_address)
    """The SEP required; empty accepts any."""
    password: str = setting("", check=_password, secret=True)
    """The PWD required; empty accepts any."""

    def __post_init__(self) -> None:
        check(self, SettingError)


@dataclass(frozen=True, slots=True)
class PollOptions:
    """Options of polling: the frames sent with the DTC; each text has at most 20 characters.

    Raises:
        ValueError: one that cannot be coded.
    """

    selective_address: str = like(PollDocument, "selective_address")
    """SEP, selects the document; sent if the DIS allows it (bit 47)."""
    sub_address: str = like(TransmitOptions, "sub_address")
    """PSA, the same as a sub-address (bit 35)."""
    password: str = like(PollDocument, "password")
    """PWD; sent if the DIS allows it (bit 50)."""
    tries: int = like(TransmitOptions, "tries")
    """Transmissions of DTC (5.4.2)."""
    cng: bool = True
    """Play CNG while waiting for the DIS."""

    def __post_init__(self) -> None:
        check(self, SettingError)


@dataclass(frozen=True, slots=True)
class ReceiveOptions:
    """Options of receiving; most are announced in the DIS.

    Raises:
        ValueError: a station ID that cannot be coded, a value out of its bounds, or thresholds out of order.
    """

    station_id: str = like(TransmitOptions, "station_id")
    """Our CSI: at most 20 digits, spaces and +; empty sends none."""
    ecm: bool = like(TransmitOptions, "ecm")
    ecm_frame_size: int = like(TransmitOptions, "ecm_frame_size")
    """64 is a preference that transmitters may ignore."""
    max_rate: int = like(TransmitOptions, "max_rate")
    """A DIS announces modulations, not rates: a modulation is announced only if all its rates are allowed."""
    codings: tuple[Coding, ...] = (Coding.MMR, Coding.MR, Coding.MH)
    """MH is always among them (T.4)."""
    resolutions: frozenset[Resolution] = frozenset(Resolution)
    """204x98 is always among them (T.4)."""
    width: int = setting(303, among=(215, 255, 303), unit="millimetres")
    """Widest page: A4, B4 or A3."""
    internet_aware: bool = like(TransmitOptions, "internet_aware")
    """Announce in the DIS that there is no modem here (bit 123), if ``ecm`` is set."""
    addressing: bool = True
    """Let the caller send SUB and SID (bits 49 and 50)."""
    document: PollDocument | None = None
    """A document that a caller may poll instead of sending one (bit 9)."""
    # T.30 5.3.6.1.7 leaves it to the receiver what quality deserves RTP and RTN.
    poor_share: float = 0.05
    """Share of bad rows above which a page without ECM is confirmed with RTP."""
    bad_share: float = 0.15
    """Share of bad rows above which it is refused with RTN."""
    timers: T30Timers = field(default_factory=T30Timers)

    def __post_init__(self) -> None:
        check(self, SettingError)
        if not 0 <= self.poor_share <= self.bad_share <= 1:
            raise ValueError("the shares of bad rows are invalid; they must satisfy 0 <= poor <= bad <= 1")

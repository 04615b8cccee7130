"""Outputs of the T.30 machines: requests and reports, shared by transmitter and receiver."""

from __future__ import annotations

from dataclasses import field
from enum import Enum

from sip.frozen import dataclass
from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.frames import Frame
from t38fsp.t30.vocabulary import Burst, Coding, Modem, PageMode


@dataclass(frozen=True, slots=True)
class SendBurst:
    """Send this burst; ``burst_sent`` must be called when its last bit was sent on the line."""

    burst: Burst


@dataclass(frozen=True, slots=True)
class RevokeBurst:
    """Stop the current burst at once."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Receiver: the image modem that the far end will use next, for a terminal that cannot tell it from the
    burst, as T.38 can: raw with long training for TCF, with HDLC for an ECM block.

    V.21 may come instead. It holds until the next one. None: only V.21 is expected.
    """

    modem: Modem | None
    short_training: bool = False
    hdlc: bool = False


@dataclass(frozen=True, slots=True)
class PageWanted:
    """Code page ``index`` (from 0) for ``mode``; answer with ``page_ready`` or ``page_failed``."""

    request: int
    index: int
    mode: PageMode


@dataclass(frozen=True, slots=True)
class FarEndIdentified:
    """Identification of the far end: CSI, TSI or CIG as text (stripped), and its NSF/NSS octets if any."""

    station_id: str
    non_standard: bytes = b""


@dataclass(frozen=True, slots=True)
class FarEndAddressed:
    """Addressing by the far end: the recipient (SUB; PSA when it polls), the sender (SID), the polled
    document (SEP).

    ``password`` is its PWD. Each is empty if the frame was not sent.
    """

    sub_address: str = ""
    sender_id: str = ""
    selective_address: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CapabilitiesReceived:
    """Capabilities of the far end (DIS or DTC); reported again when they change."""

    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class PollRequested:
    """Receiver: the caller polls the document that was offered; a transmitter continues with this DTC."""

    dtc: Frame


@dataclass(frozen=True, slots=True)
class SessionWarned:
    """Something was not done as requested, or may fail; ``text`` is a sentence for a person."""

    text: str


@dataclass(frozen=True, slots=True)
class Negotiated:
    """Training succeeded (CFR sent or received); the mode of the pages from now on.

    ``modem`` is what the bursts are called on the wire where ``mode.bit_rate`` is 0.
    """

    mode: PageMode
    modem: Modem


@dataclass(frozen=True, slots=True)
class PageBegun:
    """Transmission of a page has begun (index from 0). Receiver: emitted before its PageData.

    ``octets`` is the size of the page for the transmitter, and 0 for the receiver, which does not know it.
    """

    index: int
    mode: PageMode
    octets: int = 0


@dataclass(frozen=True, slots=True)
class PageData:
    """Receiver: the next octets of the page, in order, without repetitions; with ECM a whole block.

    ``after_gap`` is true if octets before them were lost; without octets, if the end of the burst was.
    """

    index: int
    data: bytes
    after_gap: bool = False


@dataclass(frozen=True, slots=True)
class RoundTripMeasured:
    """Transmitter, without modem pace: a measurement of the path by a response.

    It began ``seconds`` after our command was over. Before the command ``frames`` had been sent within
    ``burst`` seconds, of which the far end lacks ``missing``; all three are 0 for DCS. With ``stored`` it had
    a page to store meanwhile.
    """

    seconds: float
    burst: float = 0.0
    frames: int = 0
    missing: int = 0
    stored: bool = False


@dataclass(frozen=True, slots=True)
class PageReceived:
    """Receiver: the page is complete; it is confirmed after ``page_stored``, never after
    ``page_not_stored``."""

    index: int
    mode: PageMode


@dataclass(frozen=True, slots=True)
class PageOutcome:
    """Transmitter: the far end responded to a page. Receiver: we did (``confirmed`` after MCF or RTP)."""

    index: int
    confirmed: bool
    response: str
    """The T.30 name of the response (MCF, RTP, RTN, ERR), or of what came instead (T4, DCN)."""
    bit_rate: int
    coding: Coding
    ecm: bool
    octets: int
    repeats: int
    """Retransmitted frames with ECM; retransmitted pages without."""
    seconds: float
    """Time from the beginning of its carrier to the response."""


class T30Failure(Enum):
    """Why a T.30 session ended without success; the value is a sentence with the clause."""

    NO_FAX = "no DIS was heard within T1 (T.30 5.4.3.1)"
    NO_COMMAND = "no command was heard within T1 or T2 (T.30 5.4.3.1)"
    INCOMPATIBLE = "the far end cannot receive this document (T.30 5.3.6.1)"
    NO_DOCUMENT = "the far end has no document to be polled, its DIS has bit 9 clear (T.30 table 2)"
    NOT_A_RECEIVER = "the far end cannot receive, its DIS has bit 10 clear (T.30 table 2)"
    TRAINING_FAILED = "training failed at every data rate that both ends support (T.30 5.3.6.1.4, FTT)"
    NO_ANSWER_TO_DCS = "DCS and training were sent three times without an answer (T.30 5.4.2, T4)"
    NO_ANSWER_TO_DTC = "DTC was sent three times without an answer (T.30 5.4.2, T4)"
    NO_ANSWER_TO_PAGE = "the page was sent but never confirmed (T.30 5.4.2, T4)"
    PAGE_REFUSED = "the far end refused the page (T.30 5.3.6.1.7, RTN)"
    ECM_FAILED = "frames of the page could not be corrected (T.30 A.4.3, PPR and EOR)"
    RECEIVER_BUSY = "the far end stayed busy longer than T5 (T.30 A.5.4.1, RNR)"
    FIELD_REFUSED = "a sub-address, password or identity was refused (T.30 5.3.6.1.8, FNV)"
    RECEIVER_STOPPED = "the far end cannot receive further pages (T.30 5.3.6.1.7, PID)"
    DISCONNECTED = "the far end sent DCN (T.30 5.3.6.1.8)"
    LINE_DROPPED = "the far end hung up before the fax was over (T.30 5.3.6.1.8, no DCN)"
    PAGE_UNAVAILABLE = "a page could not be prepared for the far end (T.30 5.3.6.1.5)"
    PAGE_LATE = "a page was not ready when the far end waited for it (T.30 5.3.6.1.5)"
    PAGE_NOT_STORED = "a received page could not be stored (T.30 5.3.6.1.7)"
    PROTOCOL = "the far end violated the protocol (T.30 5.3.6)"
    CARRIER_STUCK = "the far end's carrier never ended (T.30 5.4.3.1)"
    ABORTED = "the call was ended locally (T.30 5.3.6.1.8, DCN)"


@dataclass(frozen=True, slots=True)
class SessionFinished:
    """The session is over and the line may be dropped. ``error`` is None after success.

    ``detail`` adds the moment in words, such as ``waiting for the response to PPS-EOP, page 2 of 2``,
    preceded by what was wrong, with a semicolon.
    """

    error: T30Failure | None
    detail: str = ""
    pages_confirmed: int = 0


Output = (
    SendBurst
    | RevokeBurst
    | Listen
    | PageWanted
    | FarEndIdentified
    | FarEndAddressed
    | CapabilitiesReceived
    | PollRequested
    | SessionWarned
    | Negotiated
    | PageBegun
    | PageData
    | RoundTripMeasured
    | PageReceived
    | PageOutcome
    | SessionFinished
)

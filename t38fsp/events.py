"""What happens during a fax operation, as the fax service hears of it, in this order at most."""

from __future__ import annotations

from enum import Enum

from sip.frozen import dataclass
from sip.values import DialogId
from t38fsp.results import FaxResult, PageRecord
from t38fsp.t30.vocabulary import Coding


@dataclass(frozen=True, slots=True)
class Delayed:
    """The call is not placed yet; ``text`` is a sentence for a person that says what it waits for."""

    text: str


@dataclass(frozen=True, slots=True)
class Dialing:
    """The INVITE went out."""

    target: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """The far end rings (``status`` 180 to 199)."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The call is established; from here on it is known by its dialog."""

    dialog: DialogId


@dataclass(frozen=True, slots=True)
class SwitchedToT38:
    """T.38 flows from now on; ``ours`` when we asked for the switch."""

    dialog: DialogId
    ours: bool


@dataclass(frozen=True, slots=True)
class Identified:
    """The far end's CSI or TSI."""

    station_id: str


@dataclass(frozen=True, slots=True)
class Addressed:
    """The caller asked for somebody beside the number (SUB), or said who sends (SID)."""

    sub_address: str
    sender_id: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something was done otherwise than asked for, or may go wrong; ``text`` is a sentence for a person."""

    text: str


@dataclass(frozen=True, slots=True)
class Trained:
    """The modems agreed on how pages travel; again after a fallback.

    ``bit_rate`` is in bit/s, and 0 between internet-aware terminals, which have no modems.
    """

    bit_rate: int
    coding: Coding
    ecm: bool


@dataclass(frozen=True, slots=True)
class PageStarted:
    """Page ``number`` (from 1) of ``total`` (0 when unknown) is on the line.

    Its octets take ``seconds`` at the rate agreed on, if none go again; 0 when that is not known.
    """

    number: int
    total: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PageDone:
    """A page attempt was answered."""

    record: PageRecord


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The call is over; ``remote`` when the far end hung up."""

    dialog: DialogId
    remote: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every operation."""

    result: FaxResult


class RegistrationStatus(Enum):
    UNREGISTERED = "unregistered"
    REGISTERING = "registering"
    REGISTERED = "registered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RegistrationChanged:
    """A trunk's registration; belongs to no fax.

    ``seconds`` from now the binding ends if it is not refreshed, or a failed attempt is repeated; infinite
    for a failure after which no other attempt is made. A failure that is told here is in no log as well;
    UNREGISTERED comes only where there was a binding to remove.
    """

    trunk: str
    status: RegistrationStatus
    reason: str = ""
    seconds: float = 0.0


FaxEvent = (
    Delayed
    | Dialing
    | Ringing
    | Connected
    | SwitchedToT38
    | Identified
    | Addressed
    | Warned
    | Trained
    | PageStarted
    | PageDone
    | Disconnected
    | Finished
)

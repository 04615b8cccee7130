"""Events of a fax operation, in the order in which they can occur.

``on_event`` of :meth:`FaxProvider.send`, ``poll`` and :meth:`IncomingFax.receive` is called with each of
them; ``FaxEvent`` is their union. A program matches on the class and ignores those that it does not need::

    def show(event: FaxEvent) -> None:
        match event:
            case PageStarted(number=number, total=total):
                print(f"page {number} of {total}")
            case PageDone(record=record):
                print("confirmed" if record.confirmed else "not confirmed")

``Finished`` is the last one. RegistrationChanged belongs to no fax: ``on_registration`` of FaxProvider is
called with it.
"""

from __future__ import annotations

from enum import Enum

from sip.frozen import dataclass
from sip.values import DialogId
from t38fsp.results import FaxResult, PageRecord
from t38fsp.t30.vocabulary import Coding


@dataclass(frozen=True, slots=True)
class Delayed:
    """The call is not placed yet; ``text`` is a sentence for a person that names what it waits for."""

    text: str


@dataclass(frozen=True, slots=True)
class Dialing:
    """The INVITE was sent."""

    target: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """The far end is ringing (``status`` 180 to 199)."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The call is established; ``dialog`` identifies it from now on."""

    dialog: DialogId


@dataclass(frozen=True, slots=True)
class SwitchedToT38:
    """The call switched to T.38; ``ours`` is true if we asked for the switch."""

    dialog: DialogId
    ours: bool


@dataclass(frozen=True, slots=True)
class BeganInAudio:
    """The call stays in audio, and the fax goes there (T.30 over G.711)."""

    dialog: DialogId


@dataclass(frozen=True, slots=True)
class Identified:
    """The far end's CSI or TSI."""

    station_id: str


@dataclass(frozen=True, slots=True)
class Addressed:
    """The caller sent a subaddress (SUB) or a sender identification (SID)."""

    sub_address: str
    sender_id: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something was not done as requested, or may fail; ``text`` is a sentence for a person."""

    text: str


@dataclass(frozen=True, slots=True)
class Trained:
    """Training succeeded, and the parameters of the pages are agreed; repeated after a fallback.

    ``bit_rate`` is in bit/s, and 0 between internet-aware terminals, which have no modems.
    """

    bit_rate: int
    coding: Coding
    ecm: bool


@dataclass(frozen=True, slots=True)
class PageStarted:
    """Transmission of page ``number`` (from 1) of ``total`` (0 when unknown) has begun.

    Its octets take ``seconds`` at the agreed rate without retransmissions; 0 when that is not known.
    """

    number: int
    total: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PageDone:
    """The receiving end responded to a page, or the attempt to send it failed."""

    record: PageRecord


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The call is over; ``remote`` is true if the far end hung up."""

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
    """The registration of a route changed; not related to any fax.

    ``seconds`` is the time until the binding expires without a refresh or, after a failure, until the next
    attempt: infinite if no further attempt is made. A failure that is reported here is not logged as well.
    UNREGISTERED is reported only if there was a binding to remove.
    """

    route: str
    status: RegistrationStatus
    reason: str = ""
    seconds: float = 0.0


FaxEvent = (
    Delayed
    | Dialing
    | Ringing
    | Connected
    | SwitchedToT38
    | BeganInAudio
    | Identified
    | Addressed
    | Warned
    | Trained
    | PageStarted
    | PageDone
    | Disconnected
    | Finished
)

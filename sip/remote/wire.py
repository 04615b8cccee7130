"""The messages of a line in another process: verbs and registrations one way, events the other.

Calls that we place are numbered by the side that has the calls, from 1 up; incoming ones by the side that has
the SIP address, from -1 down. So a verb can follow ``Place`` before that has even been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sip.ipc.codec import Codec
from sip.line import Answerer, CallRequest, LineEvent
from sip.syntax.sdp import MediaDescription
from sip.ua.registration_messages import RegistrationRequest, RegistrationState
from sip.values import Credentials, Hop

# --- verbs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    call: int
    request: CallRequest


@dataclass(frozen=True, slots=True)
class Ring:
    call: int


@dataclass(frozen=True, slots=True)
class Accept:
    call: int
    media: Sequence[MediaDescription]
    media_address: str
    answerer: Answerer
    credentials: Credentials | None


@dataclass(frozen=True, slots=True)
class Refuse:
    call: int
    status: int


@dataclass(frozen=True, slots=True)
class AnswerWith:
    call: int
    answerer: Answerer


@dataclass(frozen=True, slots=True)
class Offer:
    call: int
    media: Sequence[MediaDescription]


@dataclass(frozen=True, slots=True)
class HangUp:
    call: int
    reason: str | None


Verb = Place | Ring | Accept | Refuse | AnswerWith | Offer | HangUp


# --- events -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Happened:
    event: LineEvent


@dataclass(frozen=True, slots=True)
class NotPlaced:
    """The line would have raised this from ``place``, ``accept`` or ``offer``; the call is over."""

    call: int
    reason: str


# --- a signalling process and its clients -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a client. It takes up to ``max_incoming`` calls at a time."""

    name: str
    max_incoming: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answers Hello: where the line listens, the addresses that far ends see in place of those, and the names
    of the functions that may answer offers."""

    addresses: tuple[Hop, ...]
    advertised: tuple[str, ...]
    answerers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Register:
    """Registrations are numbered by the client."""

    registration: int
    request: RegistrationRequest


@dataclass(frozen=True, slots=True)
class Unregister:
    registration: int


@dataclass(frozen=True, slots=True)
class Redirect:
    registration: int
    hops: Sequence[Hop]


@dataclass(frozen=True, slots=True)
class Peers:
    """The addresses of a client's trunks; calls from there are admitted while it is connected."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """The client has more to do than usual, and takes up to ``calls`` in both directions; None ends that."""

    calls: int | None


@dataclass(frozen=True, slots=True)
class RegistrationIs:
    state: RegistrationState


Command = Hello | Verb | Register | Unregister | Redirect | Peers | Limit
Report = Welcome | Happened | NotPlaced | RegistrationIs
Message = Command | Report


def codec(functions: Iterable[str] = ()) -> Codec[Message]:
    """``functions`` are the answerers that the reader takes."""
    return Codec(Message, functions=functions)

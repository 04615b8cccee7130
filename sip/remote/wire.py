"""Messages of a line in another process: commands in one direction, events in the other.

Outgoing calls are numbered by the side that owns the calls, from 1 up; incoming ones by the side with the SIP
address, from -1 down. So another command can follow ``Place`` without waiting for a response.
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
class CallHappened:
    event: LineEvent


@dataclass(frozen=True, slots=True)
class NotPlaced:
    """``place``, ``accept`` or another method of the line raised an exception; the call is over."""

    call: int
    reason: str


# --- a signalling process and its clients -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a client, which accepts up to ``max_incoming`` incoming calls at a time."""

    name: str
    max_incoming: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """Response to Hello: where the line listens, the addresses that far ends see instead, and the names of
    the allowed answerers."""

    addresses: tuple[Hop, ...]
    advertised: tuple[str, ...]
    answerers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Register:
    """Begin a registration; the client chooses its number."""

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
    """Addresses of a client's trunks; calls from there are admitted while it is connected."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """The client is overloaded, and accepts up to ``calls`` in both directions; None removes the limit."""

    calls: int | None


@dataclass(frozen=True, slots=True)
class RegistrationIs:
    state: RegistrationState


Command = Hello | Verb | Register | Unregister | Redirect | Peers | Limit
Report = Welcome | CallHappened | NotPlaced | RegistrationIs
Message = Command | Report


def codec(functions: Iterable[str] = ()) -> Codec[Message]:
    """``functions`` are the answerers that the reader allows."""
    return Codec(Message, functions=functions)

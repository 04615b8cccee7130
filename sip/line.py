"""The line interface: the few verbs and events that a call needs, whatever SIP stack serves them.

A *line* places and takes calls. Each call has a number, ``call``, unique within the line. Verbs go in with
``now``; events go to the owner of the line, never from inside a verb. The line builds ``o=``, ``s=`` and
``t=`` itself and raises the version of ``o=`` only when the body changes (RFC 3264 8); callers speak in media
descriptions.

An offer from the far end is answered at once by the call's *answerer*, a pure function, so that the line may
live in another process; the call is told afterwards by :class:`MediaChanged`. To a re-INVITE without an offer
we offer what holds, or what the answerer returns if it is an :class:`Offerer` as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Protocol, runtime_checkable

from sip.frozen import dataclass
from sip.line_settings import SessionTimers
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.values import Credentials, DialogId, Hop, Identity

Answerer = Callable[[SessionDescription], Sequence[MediaDescription] | None]
"""Answers an offer: one media description for each offered one, in order; None refuses it with 488."""


@runtime_checkable
class Offerer(Protocol):
    """An answerer that also knows what to offer when a re-INVITE of the far end brings no offer."""

    def offer(self, held: Sequence[MediaDescription]) -> Sequence[MediaDescription]:
        """The media to offer: ``held``, which hold so far, changed or not, and any others after them."""


def refuse(offer: SessionDescription) -> None:
    """An answerer that takes no offer."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call to place. URIs are texts such as ``sip:+15550100@trunk.example``."""

    target: str
    """Request-URI."""
    caller: str
    """URI (or name-addr) of From."""
    destination: Sequence[Hop]
    """Where the INVITE may go, best first: where the target, or the outbound proxy, was found to be."""
    media_address: str
    """Literal IP address for the session-level ``c=`` line."""
    media: Sequence[MediaDescription] = ()
    """The offer; empty to have the far end make one, which ``answerer`` answers."""
    answerer: Answerer = refuse
    credentials: Credentials | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """More headers of the INVITE, in order; none of those that the user agent writes itself."""
    identity: Identity = field(default_factory=Identity)
    routes: tuple[str, ...] = ()
    """Route values with ``lr``, the next hop first: an outbound proxy (``<sip:proxy.example;lr>``), or the
    Service-Route of a registration. ``destination`` is then where the first of them leads."""
    session_timers: SessionTimers | None = None
    """None for those of the line."""
    redirects: int = 5
    """How many targets of 3xx responses are tried; 0 takes a 3xx for the end."""
    other_media: Sequence[MediaDescription] = ()
    """What a second INVITE offers where the first is refused for its media (415, 488, 606) and nothing has
    rung; empty for no second one."""
    other_media_address: str | None = None
    """The address of the same media port in the other address family, for hops of that family; None has
    ``media_address`` serve them, too."""

    def media_address_for(self, hop: Hop) -> str:
        """The address in the offer that goes to ``hop``."""
        other = self.other_media_address
        return other if other is not None and (":" in other) is (":" in hop.host) else self.media_address


# --- events -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ringing:
    """A provisional response above 100."""

    call: int
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A 2xx to our INVITE arrived and was acknowledged, or the ACK to ours arrived: the dialog is up."""

    call: int
    dialog: DialogId
    status: int
    reason: str
    local: SessionDescription
    remote: SessionDescription


@dataclass(frozen=True, slots=True)
class MediaChanged:
    """A later offer, ours or theirs, was answered; these descriptions hold from now on."""

    call: int
    local: SessionDescription
    remote: SessionDescription
    ours: bool
    """True when the offer was ours."""


@dataclass(frozen=True, slots=True)
class OfferDeclined:
    """An offer of theirs within the call was refused here; the call goes on as it was."""

    call: int
    offer: SessionDescription | None
    """None for one that could not be read."""
    reason: str = ""
    """What was wrong with it, where it never came to the answerer."""


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """Our re-INVITE was refused; the call goes on as it was."""

    call: int
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The INVITE came to nothing, at the last hop that was tried. ``status`` is the final response's, or 408
    when there was none at all (``local`` is then true), or 503 when the network refused it (``local``;
    ``reason`` says why where the network did), or 487 after our own hang-up."""

    call: int
    status: int
    reason: str
    local: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    cause: int | None = None
    """Q.850 cause of the Reason header (RFC 3326)."""
    call_id: str = field(default="", compare=False)
    """Call-ID of the INVITE, for looking it up in other logs; empty where the backend does not provide it."""
    advice: str | None = None
    """What to do about a local failure; empty where ``reason`` says all, None where that is not known."""
    unanswered: str | None = None
    """Why no credentials could have answered the challenge (401, 407): we do not know what it asks for."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The dialog is over: BYE from either side (completed or timed out), or a failure that ends dialogs."""

    call: int
    remote: bool
    """True when the far end hung up."""
    reason: str
    cause: int | None = None
    text: str = ""
    """Of the Reason header (RFC 3326); empty without one."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call for us; ring, accept or refuse it."""

    call: int
    request_uri: str
    caller: str
    """URI of From."""
    caller_name: str
    called: str
    """URI of To."""
    source: Hop
    offer: SessionDescription | None
    """None when the INVITE carried no offer (late offer)."""
    headers: tuple[tuple[str, str], ...] = ()
    identity: str | None = None
    """URI of P-Asserted-Identity (RFC 3325): to be believed only of a source that is trusted."""
    identity_name: str = ""
    stranger: bool = False
    """Admitted only because all are: neither the address nor a password identifies the caller."""


LineEvent = Ringing | Answered | MediaChanged | OfferDeclined | OfferRefused | Failed | Ended | Incoming


class SipLine(Protocol):
    """What a fax call asks of a SIP stack. Verbs on a call that is over do nothing."""

    def place(self, request: CallRequest, now: float) -> int:
        """Send an INVITE; return the number of the call."""

    def ring(self, call: int, now: float) -> None:
        """Answer an incoming INVITE with 180."""

    def accept(
        self,
        call: int,
        media: Sequence[MediaDescription],
        media_address: str,
        answerer: Answerer,
        now: float,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        """Answer an incoming INVITE with 200 and this answer (or offer, when it carried none).

        ``credentials`` answer challenges to our requests within the call; without any, those of a
        registration with its source do.
        """

    def refuse(self, call: int, status: int, now: float) -> None:
        """Answer an incoming INVITE with a final failure; 503 says that the caller may try again in 5 s."""

    def answer_with(self, call: int, answerer: Answerer, now: float) -> None:
        """From now on answer the offers of this call so."""

    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None:
        """Send a re-INVITE; held back until the dialog is up and no other offer is open (RFC 3261 14.1)."""

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        """CANCEL, BYE, or 480, whichever the state asks for; ends in Failed or Ended."""

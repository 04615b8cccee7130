"""The line interface: the few verbs and events that a call needs, whatever SIP stack serves them.

A *line* places and takes calls. Each call has a number, ``call``, unique within the line. Verbs go in with
``now``; events go to the owner of the line, never from inside a verb. The line builds ``o=``, ``s=`` and
``t=`` itself and raises the version of ``o=`` only when the body changes (RFC 3264 8); callers speak in media
descriptions.

An offer from the far end is answered at once by the call's *answerer*, a pure function, so that the line may
live in another process; the call is told afterwards by :class:`MediaChanged`. To a re-INVITE without an offer
we offer the current media, or those that the answerer returns if it is an :class:`Offerer` as well.
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
    """An answerer that also makes our offer when a re-INVITE of the far end has none."""

    def offer(self, held: Sequence[MediaDescription]) -> Sequence[MediaDescription]:
        """The media to offer: those in use (``held``), changed or not, and any others after them."""


def refuse(offer: SessionDescription) -> None:
    """An answerer that refuses every offer."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call to place. URIs are texts such as ``sip:+15550100@trunk.example``."""

    target: str
    """Request-URI."""
    caller: str
    """URI (or name-addr) of From."""
    destination: Sequence[Hop]
    """The hops of the target, or of the outbound proxy, best first."""
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
    Service-Route of a registration. ``destination`` then has the hops of the first of them."""
    session_timers: SessionTimers | None = None
    """None for those of the line."""
    redirects: int = 5
    """Number of targets of 3xx responses that are tried; with 0 a 3xx ends the call."""
    other_media: Sequence[MediaDescription] = ()
    """The offer of a second INVITE, sent if the first is refused for its media (415, 488, 606) before the far
    end rings; empty for no second INVITE."""
    other_media_address: str | None = None
    """The address of the same media port in the other address family, for hops of that family; None
    uses ``media_address`` for them, too."""

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
    """A later offer, ours or theirs, was answered; these descriptions are valid from now on."""

    call: int
    local: SessionDescription
    remote: SessionDescription
    ours: bool
    """True when the offer was ours."""


@dataclass(frozen=True, slots=True)
class OfferDeclined:
    """An offer of the far end within the call was refused here; the call continues unchanged."""

    call: int
    offer: SessionDescription | None
    """None if it could not be parsed."""
    reason: str = ""
    """What is wrong with it, if it was refused before the answerer was called."""


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """Our re-INVITE was refused; the call continues unchanged."""

    call: int
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The call was not answered at any hop; the fields are those of the last one. ``status`` is that of the
    final response, or 408 if there was none (``local`` is then true), or 503 if the network refused it
    (``local``; ``reason`` says why if that is known), or 487 after our own hang-up."""

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
    """What to do about a local failure; empty if ``reason`` is enough, None if it is not known."""
    unanswered: str | None = None
    """Why no credentials can answer the challenge (401, 407), such as an unknown algorithm; or None."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The dialog is over: BYE from either side (completed or timed out), or a failure that ends dialogs."""

    call: int
    remote: bool
    """True when the far end hung up."""
    reason: str
    cause: int | None = None
    text: str = ""
    """Text of the Reason header (RFC 3326); empty without one."""


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
    """URI of P-Asserted-Identity (RFC 3325); valid only from a trusted source."""
    identity_name: str = ""
    stranger: bool = False
    """Admitted only because every address is: neither the address nor a password identifies the caller."""


LineEvent = Ringing | Answered | MediaChanged | OfferDeclined | OfferRefused | Failed | Ended | Incoming


class SipLine(Protocol):
    """What a fax call uses of a SIP stack. Verbs on a call that is over are no-ops."""

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
        """Answer the offers of this call with ``answerer`` from now on."""

    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None:
        """Send a re-INVITE; delayed until the dialog is up and no other offer is pending (RFC 3261 14.1)."""

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        """End the call: CANCEL, BYE or 480, as its state requires; the last event is Failed or Ended."""

"""Our side of offer and answer (RFC 3264): which descriptions hold, and the ``o=`` line of what we send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sip.line import Answerer, Offerer
from sip.logs import SELDOM, get_logger
from sip.syntax.errors import ParseError
from sip.syntax.message import Request, Response
from sip.syntax.multipart import find_part, media_type
from sip.syntax.sdp import Direction, MediaDescription, Origin, SessionDescription

CONTENT_TYPE = "application/sdp"

_OPPOSITES = {
    Direction.SENDRECV: Direction.SENDRECV,
    Direction.SENDONLY: Direction.RECVONLY,
    Direction.RECVONLY: Direction.SENDONLY,
    Direction.INACTIVE: Direction.INACTIVE,
}

_logger = get_logger(__name__)


@dataclass(slots=True)
class Negotiation:
    """The descriptions of one call.

    ``local`` and ``remote`` hold from the last exchange that succeeded. A description of ours that was
    refused stays in mind, because its version is used up.
    """

    session_id: str
    address: str
    """Literal IP address of our media, for ``c=`` and ``o=``."""
    local: SessionDescription | None = None
    remote: SessionDescription | None = None
    _last: SessionDescription | None = None

    def describe(self, media: Sequence[MediaDescription]) -> SessionDescription:
        """Our description with these media; a new version of ``o=`` only for a new body (RFC 3264 8)."""
        wanted = tuple(media)
        # Also the last one that was refused: an offer that is made again after glare is the same body, with
        # the same version.
        for known in (self.local, self._last):
            if known is not None and known.media == wanted and known.address == self.address:
                return known
        version = self._last.origin.version + 1 if self._last else 1
        origin = Origin("-", self.session_id, version, self.address)
        self._last = SessionDescription(origin, self.address, wanted)
        return self._last

    def check(self, media: Sequence[MediaDescription]) -> None:
        """Raises UnsendableError for media that cannot be written."""
        bytes(SessionDescription(Origin("-", self.session_id, 0, self.address), self.address, tuple(media)))

    def answer(self, offer: SessionDescription, answerer: Answerer) -> SessionDescription | None:
        """Our answer to ``offer``; None refuses it.

        An answerer that fails refuses, because one call must not stop the others.
        """
        try:
            answer = answerer(offer)
            if answer is None or len(answer) != len(offer.media):
                return None
            self.check(answer)
        # The answerer is code of the program, and runs on the loop of all calls.
        except Exception:
            _logger.exception("the answerer of a call failed", extra=SELDOM)
            return None
        return self.describe(directed(answer, offer))

    def offer(self, held: Sequence[MediaDescription], answerer: Answerer) -> Sequence[MediaDescription]:
        """What to offer where ``held`` holds and the far end leaves the offer to us.

        An answerer that raises refuses the offer, because one call must not stop the others.
        """
        if not isinstance(answerer, Offerer):
            return held
        try:
            media = answerer.offer(held)
            self.check(media)
        except Exception:
            _logger.exception("the answerer of a call failed")
            return held
        # No line ever goes away (RFC 3264 8).
        return media if len(media) >= len(held) else held

    def fork(self) -> Negotiation:
        """The same for another branch of the call, which may come to another agreement."""
        return replace(self)

    def agree(self, local: SessionDescription, remote: SessionDescription) -> None:
        """An answer was sent or received: these hold from now on."""
        self.local, self.remote = local, remote


def directed(answer: Sequence[MediaDescription], offer: SessionDescription) -> tuple[MediaDescription, ...]:
    """The answer with the directions that it must have: a stream on hold stays so (RFC 3264 6.1)."""
    return tuple(
        ours if ours.rejected else ours.directed(_OPPOSITES[offer.direction_of(theirs)])
        for ours, theirs in zip(answer, offer.media, strict=False)
    )


def rejected(media: Sequence[MediaDescription]) -> tuple[MediaDescription, ...]:
    """The same lines with no stream taken (RFC 3264 6), or none any more (8.2)."""
    return tuple(MediaDescription(each.kind, 0, each.protocol, each.formats) for each in media)


def is_known(message: Request | Response) -> bool:
    """Whether nothing in the body has to be understood that is not: it is empty, SDP, or optional.

    A body without Content-Type is taken for SDP.
    """
    # RFC 3204 and RFC 3261 20.11: what is marked so may be ignored; anything else unknown needs a 415.
    optional = "handling=optional" in (message.headers.get("Content-Disposition") or "").lower()
    return not message.body or optional or _sdp_octets(message) is not None


def _sdp_octets(message: Request | Response) -> bytes | None:
    if media_type(message.headers, CONTENT_TYPE) == CONTENT_TYPE:
        return message.body
    return find_part(message.headers, message.body, CONTENT_TYPE)


def read_sdp(message: Request | Response) -> SessionDescription | None:
    """The description in the body; None without one. Raises ParseError for one that cannot be read."""
    octets = _sdp_octets(message)
    return SessionDescription.parse(octets) if octets else None


def read_answer(message: Request | Response) -> SessionDescription | None:
    """The answer in the body of an ACK or a 2xx; None when there is none that can be read.

    Some gateways answer with fewer streams than were offered, so their number is left to the caller.
    """
    try:
        answer = read_sdp(message)
    except ParseError:
        return None
    return answer if answer is not None and answer.media else None

"""The INVITEs of a call that we place: caller, target, offer, and when another attempt is worthwhile."""

from __future__ import annotations

from sip.line import CallRequest
from sip.line_settings import SessionTimers
from sip.syntax.errors import UnsendableError
from sip.syntax.message import CSeq, Headers, NameAddress, Request, Response
from sip.syntax.sdp import SessionDescription
from sip.syntax.uri import parse_request_uri, parse_uri
from sip.ua.core import UaCore
from sip.ua.identity import ANONYMOUS, headers_of, hides
from sip.ua.negotiation import Negotiation
from sip.ua.session_timer import SessionTimer
from sip.values import Hop, Transport

_MEDIA_REFUSALS = frozenset({415, 488, 606})


class Invites:
    """Writes the INVITEs of one call. Raises ParseError or UnsendableError for a request that cannot be sent.

    ``target`` may be changed, after a redirection. ``contact``, ``offer`` and ``negotiation`` are those of
    the INVITE that was written last.
    """

    def __init__(self, core: UaCore, request: CallRequest, session_timers: SessionTimers) -> None:
        self._core = core
        self._request = request
        self.session_timer = SessionTimer(request.session_timers or session_timers, core.timers)
        session_id = str(core.random.getrandbits(62))
        # Both descriptions are checked before anything is sent: the second is needed only after a
        # refusal.
        for address in (request.other_media_address or request.media_address, request.media_address):
            self.negotiation = Negotiation(session_id, address)
            self.negotiation.check(request.media)
            self.negotiation.check(request.other_media)
        self._media, self._other_media = request.media, request.other_media
        self.offer: SessionDescription | None = None
        target = parse_request_uri(request.target)
        self._secure = target.scheme == "sips"
        if self._secure and any(hop.transport is not Transport.TLS for hop in request.destination):
            raise UnsendableError(f"{request.target} requires TLS; write sip: for another transport")
        if not request.destination:
            raise UnsendableError("the INVITE has no destination")
        for route in request.routes:
            if "lr" not in parse_uri(NameAddress.parse(route).uri).params:
                raise UnsendableError(f"the route {route} asks for strict routing; add ;lr to its URI")
        hidden = hides(request.identity)
        caller = NameAddress.parse(ANONYMOUS if hidden else request.caller)
        user = parse_request_uri(caller.uri).user
        self._user = None if hidden else user
        self._headers = headers_of(request)
        self.target = str(target)
        self.tag = core.token()
        self.call_id = f"{core.token()}@{core.local_host(request.destination[0])}"
        self._from = str(NameAddress(caller.display_name, caller.uri, {"tag": self.tag}))
        self._to = f"<{target}>"
        self.contact = ""
        self.alerted = False
        """A provisional response above 100 came, so a telephone may have rung."""
        self._sequence = 0

    def write(self, hop: Hop) -> Request:
        """The next INVITE, for ``hop``."""
        address = self._request.media_address_for(hop)
        if address != self.negotiation.address:
            self.negotiation = Negotiation(self.negotiation.session_id, address)
        self.offer = self.negotiation.describe(self._media) if self._media else None
        # For each hop: our address may be another towards it, and so may the transport.
        self.contact = self._core.contact(hop, self._user, secure=self._secure)
        self._sequence += 1
        headers = Headers(
            [
                *(("Route", route) for route in self._request.routes),
                ("Max-Forwards", "70"),
                ("From", self._from),
                ("To", self._to),
                ("Call-ID", self.call_id),
                ("CSeq", str(CSeq(self._sequence, "INVITE"))),
                *self.session_timer.headers(),
                *self._headers,
            ]
        )
        return self._core.add_headers(Request("INVITE", self.target, headers), self.contact, self.offer)

    def revise(self, refusal: Response) -> bool:
        """Whether another INVITE may fare better than the one that was refused."""
        # Not after a telephone may have rung: another INVITE would let it ring again.
        if refusal.status in _MEDIA_REFUSALS and self._other_media and not self.alerted:
            self._media, self._other_media = self._other_media, ()
            return True
        return self.session_timer.raised(refusal)

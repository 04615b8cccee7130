"""A dialog: what two user agents remember of each other between requests (RFC 3261 12)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sip.syntax.errors import ParseError
from sip.syntax.message import CSeq, Headers, NameAddress, Request, Response
from sip.syntax.uri import Uri, parse_uri
from sip.ua.target import Target, is_address, reach_of
from sip.values import DialogId, Hop

DEFAULT_PORT = 5060


@dataclass(slots=True)
class Dialog:
    """Both ends of a dialog as we see them; *local* means ours.

    ``local`` and ``remote`` are the values of From and To in our requests, tags included.
    """

    id: DialogId
    local: str
    remote: str
    target: str
    """Contact of the far end: the Request-URI of what we send."""
    routes: tuple[str, ...]
    """Route values, the next hop first."""
    sequence: int
    """CSeq of our last request."""
    remote_sequence: int | None
    """CSeq of their last request; None before the first."""
    flow: Hop
    """Where the response to their last request went, or where the response to our first one came from."""
    caller: bool
    """Whether we began it, and so own the Call-ID (RFC 3261 14.1)."""
    reached: Hop | None = None
    """Where our last request that was answered went: of several ways the first to try."""

    @classmethod
    def from_response(cls, request: Request, response: Response, source: Hop) -> Dialog:
        """The caller's side, from a response with a To tag to our INVITE (RFC 3261 12.1.2).

        A Contact that is missing or no SIP URI leaves the Request-URI as target.
        """
        return cls(
            DialogId(request.call_id, request.from_.tag or "", response.to.tag or ""),
            request.headers.get("From") or "",
            response.headers.get("To") or "",
            contact_of(response) or request.uri,
            # RFC 3261 12.1.2: each proxy puts itself on top, so the last line is the one nearest to
            # the caller.
            tuple(reversed(response.headers.get_all("Record-Route"))),
            request.cseq.number,
            None,
            source,
            True,
        )

    @classmethod
    def from_request(cls, request: Request, local_tag: str, flow: Hop) -> Dialog:
        """The called side, from an INVITE (RFC 3261 12.1.1); raises ParseError without a usable Contact."""
        target = contact_of(request)
        if target is None:
            raise ParseError("the INVITE has no Contact with a SIP URI")
        to = request.to
        return cls(
            # A missing From tag is that of a peer of RFC 2543, and compares as empty (RFC 3261 12.1.1).
            DialogId(request.call_id, local_tag, request.from_.tag or ""),
            str(NameAddress(to.display_name, to.uri, {"tag": local_tag})),
            request.headers.get("From") or "",
            target,
            tuple(request.headers.get_all("Record-Route")),
            # Any start below 2**31 will do (RFC 3261 8.1.1.5).
            0,
            request.cseq.number,
            flow,
            False,
        )

    def confirm(self, response: Response, source: Hop) -> None:
        """Take the route set and the target of a 2xx for those of an early dialog (RFC 3261 13.2.2.4)."""
        self.routes = tuple(reversed(response.headers.get_all("Record-Route")))
        self.flow = source
        self.refresh_target(response)

    def request(self, method: str) -> Request:
        """The next request within the dialog (RFC 3261 12.2.1.1), without Via and Contact."""
        # ACK and CANCEL have the number of their INVITE instead; all others count up, also after a challenge.
        self.sequence += 1
        return self._request(method, self.sequence)

    def ack(self, sequence: int) -> Request:
        """The ACK of a 2xx to the INVITE with that CSeq (RFC 3261 13.2.2.4)."""
        return self._request("ACK", sequence)

    def _request(self, method: str, sequence: int) -> Request:
        uri, routes = self.target, list(self.routes)
        if routes and not _is_loose(routes[0]):
            # A strict router wants itself as Request-URI; the target goes to the end of the list.
            uri, routes = NameAddress.parse(routes[0]).uri, [*routes[1:], f"<{self.target}>"]
        headers = Headers(("Route", route) for route in routes)
        headers.add("Max-Forwards", "70")
        headers.add("From", self.local)
        headers.add("To", self.remote)
        headers.add("Call-ID", self.id.call_id)
        headers.add("CSeq", str(CSeq(sequence, method)))
        return Request(method, uri, headers)

    def next_hop(self) -> Target | None:
        """Where requests go; None when neither route nor target gives one, and only the flow is left.

        So it is with an address that means nothing where their messages come from, such as 10.0.0.5 where
        these come from 203.0.113.7: they are behind a NAT, and do not know their public address. RFC 3261
        12.2.1.1 would have us send to an unreachable address.
        """
        try:
            target = Target.of(
                parse_uri(NameAddress.parse(self.routes[0]).uri if self.routes else self.target)
            )
        except ParseError:
            return None
        # Only for literal addresses: a name may be resolved differently at the far end, and rightly so.
        if is_address(target.host) and reach_of(target.host) < reach_of(self.flow.host):
            return None
        # Many omit transport=tcp from their Contact.
        reliable = self.flow.transport.reliable
        if reliable and target.transport is None and (target.host, target.port) == self.flow.address:
            return replace(target, transport=self.flow.transport)
        return target

    def check_cseq(self, request: Request, flow: Hop) -> bool:
        """Whether a request of theirs comes in order (RFC 3261 12.2.2); keeps its CSeq and flow.

        Only a lower number is out of order: some far ends forget to count for BYE or PRACK.
        """
        number = request.cseq.number
        if self.remote_sequence is not None and number < self.remote_sequence:
            return False
        self.remote_sequence = number
        self.flow = flow
        return True

    def refresh_target(self, message: Request | Response) -> None:
        """Follow the Contact of a re-INVITE, an UPDATE or their 2xx; the route set never changes."""
        # RFC 3261 12.2.1.2 replaces the target by the Contact that comes, if there is one.
        target = contact_of(message) or self.target
        if target != self.target:
            self.target, self.reached = target, None


def contact_of(message: Request | Response) -> str | None:
    """URI of the first Contact when it is a SIP URI, as a Request-URI."""
    try:
        text = message.contact.uri
    except ParseError:
        return None
    uri = _sip_uri(text)
    if uri is None:
        return None
    target = uri.as_target()
    # As it is spelt, where nothing has to go: some compare what comes back octet by octet.
    return text if target == uri else str(target)


def _is_loose(route: str) -> bool:
    uri = _sip_uri(NameAddress.parse(route).uri)
    return uri is None or "lr" in uri.params


def _sip_uri(text: str) -> Uri | None:
    try:
        uri = parse_uri(text)
    except ParseError:
        return None
    return uri if uri.host else None

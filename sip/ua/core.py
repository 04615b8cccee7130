"""What all calls of a user agent share: transactions, timers, dialogs, events, and how its messages look."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Protocol

from sip.line import LineEvent
from sip.syntax.errors import ParseError
from sip.syntax.message import Headers, Request, Response
from sip.syntax.sdp import SessionDescription
from sip.syntax.uri import Uri
from sip.transaction.failed_hops import FailedHops
from sip.transaction.layer import TransactionLayer
from sip.transaction.machines import ServerTransaction
from sip.transaction.timers import Timer, Timers
from sip.ua.dialog import Dialog
from sip.ua.negotiation import CONTENT_TYPE
from sip.ua.target import Target
from sip.values import Address, DialogId, Hop

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO")
ALLOW = ", ".join(METHODS)
EXTENSIONS = ("100rel", "timer")
SUPPORTED = ", ".join(EXTENSIONS)

_MAX_NAMES = 256
_MAX_WAYS = 4
"""Hops of a name that one request within a call may go to: the far end chooses the name, and silence at one
leads to the next."""

_DECLINED = {"NOTIFY": 489, "SUBSCRIBE": 489, "REFER": 603}
"""Methods that are understood and refused (RFC 6665 4.2.1.2, RFC 3515 2.4.2)."""

WARNINGS = {
    304: "Media type not available",
    305: "Incompatible media format",
    307: "Session description parameter not understood",
}
"""Codes of the Warning header (RFC 3261 20.43)."""

LOOKUP_LIMIT = 5.0
"""Seconds that a call waits for a name to be looked up."""

HopsUser = Callable[[Sequence[Hop], float], None]
"""Takes the hops that were found, best first, and ``now``."""

REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    500: "Server Internal Error",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    600: "Busy Everywhere",
    603: "Decline",
}


class DialogUser(Protocol):
    """Serves the requests within a dialog."""

    dialog: Dialog

    def serve(self, transaction: ServerTransaction, source: Hop, now: float) -> None:
        """Answer a request that came in order; not ACK or CANCEL."""

    def acknowledged(self, ack: Request, now: float) -> None:
        """The ACK of a 2xx came."""


class UaCore:
    """``local_address`` returns the address of ours that a peer at the given hop reaches. With ``tcp``,
    requests that are too large for UDP go by TCP."""

    def __init__(
        self,
        local_address: Callable[[Hop], Address],
        user_agent: str,
        random: Random,
        *,
        tcp: bool = False,
        max_transactions: int,
    ) -> None:
        self.random = random
        self.timers = Timers()
        self.failed_hops = FailedHops(self.timers)
        self.transactions = TransactionLayer(
            self.timers, random, local_address, self.failed_hops, tcp=tcp, limit=max_transactions
        )
        self.dialogs: dict[DialogId, DialogUser] = {}
        self.user_agent = user_agent
        self._local_address = local_address
        self._events: list[LineEvent] = []
        # The last names looked up, so that a request within a dialog need not wait for DNS.
        self._names: OrderedDict[Target, tuple[Hop, ...]] = OrderedDict()
        self._lookups: list[Target] = []
        self._waiting: dict[Target, list[tuple[Timer, HopsUser]]] = {}

    def emit(self, event: LineEvent) -> None:
        self._events.append(event)

    def take_events(self) -> list[LineEvent]:
        taken, self._events = self._events, []
        return taken

    def token(self) -> str:
        """A tag or an identifier that cannot be guessed (RFC 3261 19.3)."""
        # RFC 3261 19.3 asks for at least 32 random bits in a tag.
        return f"{self.random.getrandbits(80):020x}"

    def contact(self, peer: Hop, user: str | None, *, secure: bool = False) -> str:
        """Our Contact towards ``peer``; a sips URI when ``secure``, which implies TLS."""
        host, port = self._local_address(peer)
        # A sips URI says TLS; a transport parameter would only repeat it (RFC 3261 26.2.2).
        if secure:
            return f"<{Uri('sips', user, host, port)}>"
        # Without the parameter a request to our Contact would go by UDP (RFC 3263 4.1).
        transport = {"transport": peer.transport.value.lower()} if peer.transport.reliable else {}
        return f"<{Uri('sip', user, host, port, transport)}>"

    def local_host(self, peer: Hop) -> str:
        return self._local_address(peer)[0]

    # --- dialogs and where they lead ------------------------------------------------------------------------

    def open_dialog(self, user: DialogUser, *, look_up: bool = True) -> None:
        """Pass requests of ``user.dialog`` to ``user`` from now on; ``user`` may send its own."""
        self.dialogs[user.dialog.id] = user
        # For each dialog again, because the addresses of names change.
        target = user.dialog.next_hop() if look_up else None
        if target is not None and target.literal is None:
            self._look_up(target)

    def close_dialog(self, user: DialogUser) -> None:
        if self.dialogs.get(user.dialog.id) is user:
            del self.dialogs[user.dialog.id]

    def hops(self, dialog: Dialog) -> list[Hop]:
        """Where the next request of a dialog goes, best first.

        A name is asked for (``take_lookups``), and known from ``resolved`` on. The last resort, and until
        then the only one, is where the far end's messages come from: an ACK never waits, and a far end that
        cannot be connected to may have connected to us.
        """
        target = dialog.next_hop()
        hops: Sequence[Hop] = ()
        if target is not None and target.literal is not None:
            hops = (target.literal,)
        elif target is not None:
            hops = self._names.get(target, ())[:_MAX_WAYS]
            if not hops:
                self._look_up(target)
        known = [*hops, dialog.flow]
        reached = dialog.reached
        first: Sequence[Hop] = ()
        if reached in known:
            first = (reached,)
        elif reached is not None:
            # By TCP for the size of the request, perhaps.
            first = [hop for hop in known if hop.address == reached.address]
        return self.failed_hops.order(dict.fromkeys([*first, *known]))

    def locate(self, target: Target, on_hops: HopsUser, now: float) -> None:
        """Call ``on_hops`` with where ``target`` leads: now, or when it is resolved, or with nothing."""
        hops = (target.literal,) if target.literal is not None else self._names.get(target)
        if hops:
            on_hops(hops, now)
            return
        self._look_up(target)

        def give_up(now: float) -> None:
            # Others that wait for the same target may have begun later.
            waiting = self._waiting[target]
            waiting.remove(waiter)
            if not waiting:
                del self._waiting[target]
            on_hops((), now)

        waiter = self.timers.at(now + LOOKUP_LIMIT, give_up), on_hops
        self._waiting.setdefault(target, []).append(waiter)

    def _located(self, target: Target, hops: Sequence[Hop], now: float) -> None:
        for limit, on_hops in self._waiting.pop(target, ()):
            limit.cancel()
            on_hops(hops, now)

    def _look_up(self, target: Target) -> None:
        if target not in self._lookups and len(self._lookups) < _MAX_NAMES:
            self._lookups.append(target)

    def take_lookups(self) -> list[Target]:
        taken, self._lookups = self._lookups, []
        return taken

    def resolved(self, target: Target, hops: Sequence[Hop]) -> None:
        self._names[target] = tuple(hops)
        self._names.move_to_end(target)
        if len(self._names) > _MAX_NAMES:
            self._names.popitem(last=False)
        if target in self._waiting:
            # Callbacks need ``now``; fire them from the timer.
            self.timers.at(0.0, lambda now: self._located(target, hops, now))

    # --- messages -------------------------------------------------------------------------------------------

    def add_headers(self, request: Request, contact: str | None, body: SessionDescription | None) -> Request:
        """``request`` with the headers of this user agent, and a description if there is one."""
        headers = request.headers
        if contact is not None:
            headers.add("Contact", contact)
            headers.add("Allow", ALLOW)
            headers.add("Supported", SUPPORTED)
        headers.add("User-Agent", self.user_agent)
        if body is None:
            return request
        headers.add("Content-Type", CONTENT_TYPE)
        return Request(request.method, request.uri, headers, bytes(body))

    def response(
        self,
        request: Request,
        status: int,
        headers: Iterable[tuple[str, str]] = (),
        *,
        to_tag: str | None = None,
        body: SessionDescription | None = None,
    ) -> Response:
        """A response to ``request`` (RFC 3261 8.2.6); ``to_tag`` is added when To has none.

        Also to one that is not valid: a To that cannot be read is copied unchanged.
        """
        # Line by line: a well-formed line need not stay so when lines are joined or split.
        fields = Headers(("Via", via) for via in request.headers.lines("Via"))
        # RFC 3261 12.1.1: only responses that make a dialog copy Record-Route; some stacks take it from
        # others, too.
        if 100 < status < 300:
            for route in request.headers.lines("Record-Route"):
                fields.add("Record-Route", route)
        to = request.headers.get("To") or ""
        if to_tag is not None and _lacks_tag(request):
            to = f"{to};tag={to_tag}"
        fields.add("From", request.headers.get("From") or "")
        fields.add("To", to)
        fields.add("Call-ID", request.headers.get("Call-ID") or "")
        fields.add("CSeq", request.headers.get("CSeq") or "")
        # RFC 3261 8.2.6.1. Without a delay, since we respond at once.
        if status == 100 and (sent_at := request.headers.get("Timestamp")) is not None:
            fields.add("Timestamp", sent_at)
        for name, value in headers:
            fields.add(name, value)
        fields.add("Server", self.user_agent)
        if body is not None:
            fields.add("Content-Type", CONTENT_TYPE)
        return Response(status, REASONS.get(status, "Refused"), fields, b"" if body is None else bytes(body))

    def warning(self, peer: Hop, code: int) -> tuple[str, str]:
        """The Warning of a 488 (RFC 3261 20.43)."""
        host = self.local_host(peer)
        return "Warning", f'{code} {f"[{host}]" if ":" in host else host} "{WARNINGS[code]}"'

    def dialog_headers(self, contact: str) -> list[tuple[str, str]]:
        """What a response that makes or refreshes a dialog carries."""
        return [("Contact", contact), ("Allow", ALLOW), ("Supported", SUPPORTED)]


def _lacks_tag(request: Request) -> bool:
    try:
        return request.to.tag is None
    except ParseError:
        return False


def refuse_method(method: str) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers of the answer to a request whose method we do not serve (RFC 3261 8.2.1)."""
    if method in _DECLINED:
        return _DECLINED[method], []
    return 405, [("Allow", ALLOW)]

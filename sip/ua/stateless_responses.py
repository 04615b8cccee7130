"""Checks before a request is served, and the responses to requests that are not served (RFC 3261 8.2).

These responses are stateless (RFC 3261 8.2.7): a retransmitted request gets the same one
again. So strangers cannot make anything grow.
"""

from __future__ import annotations

import hashlib

from sip.logs import get_logger
from sip.syntax.errors import ParseError
from sip.syntax.headers import split_list
from sip.syntax.message import MAX_LINE, Request, Via, parse_message
from sip.transaction.layer import response_address
from sip.ua.core import EXTENSIONS, UaCore
from sip.values import Hop

_logger = get_logger(__name__)

_NEEDED = ("From", "To", "Call-ID", "CSeq")
"""What an answer repeats, however little of it could be read (RFC 3261 8.2.6.2)."""
_TO_INVALID = (400, 505)
"""Statuses of requests that are not valid, whose answers may be beyond the limits of parsing. The answer to a
valid one is not (``Request.validate``)."""


class RefusedError(Exception):
    """A request is answered with this status, and that is all."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


class StatelessResponder:
    """Answers of one user agent."""

    def __init__(self, core: UaCore) -> None:
        self._core = core
        self._secret = core.random.randbytes(16)

    def answer(self, request: Request, source: Hop, status: int, *headers: tuple[str, str]) -> None:
        """Answer without a transaction; an ACK is never answered."""
        if request.method == "ACK":
            return
        # The same tag for each copy of the request (RFC 3261 8.2.7).
        seed = "\0".join((request.headers.get(name) or "") for name in ("Via", "From", "Call-ID", "CSeq"))
        digest = hashlib.sha256(self._secret + seed.encode("utf-8", "surrogateescape"))
        # A response without these cannot be matched to its request by anybody.
        missing = [name for name in _NEEDED if not request.headers.get(name)]
        if missing:
            _logger.debug("dropped a request from %s without %s", source, " and ".join(missing))
            return
        response = self._core.response(request, status, headers, to_tag=digest.hexdigest()[:20])
        octets = bytes(response)
        if status in _TO_INVALID:
            try:
                parse_message(octets)
            except ParseError as error:
                _logger.debug("dropped a request from %s: of its answer, %s", source, error)
                return
        self._core.transactions.send_octets(octets, response_address(request.via, source))


def stamp_via(request: Request, source: Hop) -> None:
    """Note in the topmost Via where the request came from (RFC 3261 18.2.1, RFC 3581 4).

    Raises ParseError, and changes nothing, when that Via cannot be read, or could not be with the note in it.
    The other lines stay as they are.
    """
    first = (request.headers.lines("Via") or [""])[0]
    top, *others = split_list(first, ",")
    via = Via.parse(top)
    asked = "rport" in via.params
    # All else is kept as it is spelt: some compare what comes back octet by octet.
    stamped = [part for part in split_list(top, ";") if _name_of(part) not in ("rport", "received")]
    # Of an IPv6 address the zone is ours alone (RFC 4007 11.2).
    host = source.host.partition("%")[0]
    if asked:
        stamped.append(f"rport={source.port}")
    # RFC 3581 4 wants received whenever rport was asked for; RFC 3261 18.2.1 only where the host differs.
    if asked or via.host != host:
        stamped.append(f"received={host}")
    value = ", ".join([";".join(stamped), *others])
    if len(value) > MAX_LINE - len("Via: "):
        raise ParseError("Via leaves no room for the address that the request came from")
    Via.parse(";".join(stamped))
    request.headers.set_first("Via", value)


def _name_of(param: str) -> str:
    return param.partition("=")[0].strip().lower()


def extensions_refused(request: Request) -> RefusedError | None:
    """The answer to a request that requires what we do not know (RFC 3261 8.2.2.3)."""
    unknown = [name for name in request.headers.get_all("Require") if name.lower() not in EXTENSIONS]
    # In one field, so that the response is not longer than the request.
    return RefusedError(420, ("Unsupported", ", ".join(unknown))) if unknown else None

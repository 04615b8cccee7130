"""Checks before a request is served, and the responses to requests that are not served (RFC 3261 8.2).

These responses are stateless (RFC 3261 8.2.7): a retransmitted request gets the same one
again. So strangers cannot make anything grow.
"""

from __future__ import annotations

import hashlib

from sip.logs import get_logger
from sip.syntax.errors import ParseError
from sip.syntax.message import Request, parse_message
from sip.transaction.via import response_address
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
        # Without these the caller cannot match a response to its request.
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
                _logger.debug("dropped a request from %s: its response would be invalid: %s", source, error)
                return
        self._core.transactions.send_octets(octets, response_address(request.via, source))


def extensions_refused(request: Request) -> RefusedError | None:
    """The answer to a request that requires what we do not know (RFC 3261 8.2.2.3)."""
    unknown = [name for name in request.headers.get_all("Require") if name.lower() not in EXTENSIONS]
    # In one field, so that the response is not longer than the request.
    return RefusedError(420, ("Unsupported", ", ".join(unknown))) if unknown else None

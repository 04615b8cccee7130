"""Via: what is added to the topmost one of a request that arrives, and where its response goes by it.

Requests of ours get theirs from the layer, in ``TransactionLayer``.
"""

from __future__ import annotations

from dataclasses import replace

from sip.syntax.errors import ParseError
from sip.syntax.headers import split_list
from sip.syntax.message import MAX_LINE, Request, Via
from sip.values import Hop


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


def response_address(via: Via, source: Hop) -> Hop:
    """Where the response to a request with this topmost Via, received from ``source``, is sent."""
    if source.transport.reliable or "rport" in via.params:
        return source
    # RFC 3261 18.2.2: to the address it came from, but the port that Via names, if the sender did
    # not ask for rport.
    return replace(source, port=via.port or source.transport.default_port)

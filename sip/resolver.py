"""From a SIP URI to an address, through the system's resolver, so that ``/etc/hosts`` counts."""

from __future__ import annotations

import asyncio
import socket

from sip.dialog import DEFAULT_PORT
from sip.errors import SipError
from sip.line import Hop
from sip.uri import parse_uri


class ResolveError(SipError):
    """A host that has no address; the text names it."""


async def resolve(uri: str, *, family: int = socket.AF_UNSPEC) -> Hop:
    """The hop that a SIP URI leads to (port 5060 when it names none).

    ``family`` is AF_INET or AF_INET6 when only such an address will do. Raises ParseError for what is no SIP
    URI, and ResolveError for one without a host, or whose host has no address.
    """
    parsed = parse_uri(uri)
    if not parsed.host:
        raise ResolveError(f"{uri!r} names no host; say which gateway to send it through")
    return await resolve_host(parsed.host, parsed.port or DEFAULT_PORT, family=family)


async def resolve_host(host: str, port: int, *, family: int = socket.AF_UNSPEC) -> Hop:
    """The first address of ``host``, with that port; raises ResolveError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise ResolveError(f"the host {host!r} has no address ({error}); check how it is spelt") from error
    return Hop(str(found[0][4][0]), port)

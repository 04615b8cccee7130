"""Which addresses the service connects to on behalf of others: documents and webhooks are named by URLs.

A URL that a client chooses could have the service reach what only its host can reach (server-side request
forgery). So the name is resolved here, each address is checked, and the connection goes to an address that
was checked: a second look-up could have another result. Nothing follows a redirect, and proxies of the
environment are not used, as they would connect where we cannot see it.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx

from sip.frozen import dataclass
from sip.line_settings import Network
from t38fsp.errors import FaxError

LONGEST_URL = 2000
_MOST_ADDRESSES = 4
"""Addresses of a name that are tried."""
_LOOK_UP_WITHIN = 10.0

Address = IPv4Address | IPv6Address

# RFC 6052 2.1: the IPv4 address is in the last 32 bits.
_NAT64 = IPv6Network("64:ff9b::/96")
# RFC 8215, translation within a network; RFC 3879, site-local addresses, which are deprecated.
_NOT_PUBLIC = (IPv6Network("64:ff9b:1::/48"), IPv6Network("fec0::/10"))
"""Beside those that ``is_global`` knows in every release of Python."""


class GuardError(FaxError):
    """The URL is not one that may be connected to, or nothing answers there."""


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """What a URL may name."""

    hosts: tuple[str, ...] = ()
    """Names of hosts; ``*.example.com`` for those below a name, ``*`` for any."""
    networks: tuple[Network, ...] = ()
    """Private networks that may be connected to all the same."""
    plain: bool = False
    """``http`` beside ``https``."""

    def check(self, url: str) -> httpx.URL:
        """The URL, read; raises GuardError for one that may not be connected to, whatever its address is."""
        if len(url) > LONGEST_URL:
            raise GuardError(f"the URL has {len(url)} characters: the maximum is {LONGEST_URL}")
        try:
            read = httpx.URL(url)
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise GuardError(f"{url[:60]!r} is not a URL; write https://HOST/PATH") from error
        schemes = ("https", "http") if self.plain else ("https",)
        if read.scheme not in schemes or not read.host or not 0 < (read.port or 443) < 65536:
            raise GuardError(f"{url[:60]!r} is not a URL of {' or '.join(schemes)}; write https://HOST/PATH")
        if read.userinfo:
            raise GuardError("the URL has a user name or password; leave it out")
        if not any(_fits(read.host.lower().rstrip("."), host.lower()) for host in self.hosts):
            raise GuardError(f"the host {read.host[:60]!r} is not among those that are allowed")
        return read

    def admits(self, address: Address) -> bool:
        """Whether the address is public, or one of ``networks``."""
        inner = _inner(address)
        if any(inner.version == network.version and inner in network for network in self.networks):
            return True
        # ``is_global`` is true for multicast addresses as well.
        elsewhere = inner.is_multicast or inner.is_reserved or inner.is_unspecified or inner.is_link_local
        return inner.is_global and not elsewhere and not any(inner in network for network in _NOT_PUBLIC)

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to, at least one. Raises GuardError."""
        try:
            async with asyncio.timeout(_LOOK_UP_WITHIN):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise GuardError(f"the host {host[:60]!r} has no address: {_text(error)}") from error
        # A zone (fe80::1%eth0) is of link-local addresses only.
        known = dict.fromkeys(str(each[4][0]) for each in found)
        admitted = [each for each in known if "%" not in each and self.admits(ip_address(each))]
        if not admitted:
            raise GuardError(f"the host {host[:60]!r} has no public address, and others are not connected to")
        return admitted[:_MOST_ADDRESSES]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests of an ``httpx.AsyncClient`` only to what ``guard`` admits; raises GuardError.

    Use it with ``follow_redirects=False``, which is httpx's default.
    """

    def __init__(self, guard: AddressGuard, **options: Any) -> None:
        self._guard = guard
        # No connection is used again: httpx tells them apart by the address, while two hosts may share one.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, limits=limits, **options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = self._guard.check(str(request.url))
        port = url.port or (443 if url.scheme == "https" else 80)
        # What the last one raises is what the client is told.
        *others, last = await self._guard.addresses(url.host, port)
        for address in others:
            try:
                return await self._inner.handle_async_request(_to(address, request))
            # Only without a connection: a request that was sent may have been carried out, so it is not
            # repeated.
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_to(last, request))

    async def aclose(self) -> None:
        await self._inner.aclose()


def fault_text(error: Exception) -> str:
    """What httpx says of a request that failed; its class where it says nothing."""
    return str(error)[:200] or type(error).__name__


def _to(address: str, request: httpx.Request) -> httpx.Request:
    """The same request to an address; its Host header, and the name in the certificate, stay."""
    # The address that was checked is the one that is connected to: a name that is looked up a second time may
    # have another answer by then (DNS rebinding). TLS still asks for the name (RFC 6066 3), and checks it.
    extensions = {**request.extensions, "sni_hostname": request.url.host}
    url = request.url.copy_with(host=address)
    return httpx.Request(
        request.method, url, headers=request.headers, stream=request.stream, extensions=extensions
    )


def _fits(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        # Not the bare domain: something has to stand before the dot.
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern in ("*", host)


def _inner(address: Address) -> Address:
    """The IPv4 address in an IPv6 address that leads to one."""
    if isinstance(address, IPv4Address):
        return address
    if (embedded := address.ipv4_mapped or address.sixtofour) is not None:
        return embedded
    if address.teredo is not None:
        # RFC 4380 4: the client's address; the first of the pair is the server's.
        return address.teredo[1]
    # Above ::1 and below 2**32: IPv4-compatible addresses (RFC 4291 2.5.5.1).
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _text(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or "the name server does not answer"

"""Where a URI leads, as far as it can be read off the URI (RFC 3263 4); ``sip.transport.resolver`` resolves
it."""

from __future__ import annotations

import re
from enum import IntEnum, auto
from ipaddress import ip_address, ip_network

from sip.frozen import dataclass
from sip.syntax.errors import ParseError
from sip.syntax.uri import Uri
from sip.values import Hop, Transport

_NUMERIC = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)(\.(0[xX][0-9A-Fa-f]*|[0-9]+))*\.?")
_OF_A_MACHINE = ("0.0.0.0", "127.0.0.0/8", "::", "::1")
_OF_A_NETWORK = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    "100.64.0.0/10",  # of a provider (RFC 6598)
)


class Reach(IntEnum):
    """From how far away an address means the same."""

    MACHINE = auto()
    NETWORK = auto()
    """RFC 1918 and its like."""
    EVERYWHERE = auto()


_NETWORKS = [
    (ip_network(text), reach)
    for texts, reach in ((_OF_A_MACHINE, Reach.MACHINE), (_OF_A_NETWORK, Reach.NETWORK))
    for text in texts
]


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URI that determine its hops; equal for URIs that lead to the same hops."""

    host: str
    """Name or literal IP address, without brackets."""
    port: int | None = None
    transport: Transport | None = None
    """None leaves it to the records of the domain, or else to UDP."""

    @classmethod
    def of(cls, uri: Uri) -> Target:
        """Raises ParseError for a URI without a host, for one with a number in its place
        (:func:`is_numeric`), and for a transport that we do not speak."""
        if not uri.host:
            raise ParseError(f"{str(uri)!r} names no host; name the gateway to send it through")
        named = uri.params.get("transport")
        try:
            transport = None if named is None else Transport(named.upper())
        except ValueError:
            raise ParseError(f"{named!r} is not a supported transport; write udp, tcp or tls") from None
        # RFC 3261 26.2.2: TLS on each hop; ``transport=tcp`` in a sips URI means TLS over TCP, which is what
        # TLS is here.
        if uri.scheme == "sips":
            if transport is Transport.UDP:
                raise ParseError(f"{str(uri)!r} asks for TLS and for UDP; leave one of them out")
            transport = Transport.TLS
        # RFC 3263 4 calls this TARGET.
        host = (uri.params.get("maddr") or uri.host).strip("[]").lower()
        if is_numeric(host):
            extension = "" if uri.user else f", and an extension as {uri.scheme}:{host}@HOST"
            raise ParseError(
                f"{host!r} is neither a host name nor a whole IP address; write all four numbers of the "
                f"address{extension}"
            )
        # An IPv6 address has many spellings, and hops are compared.
        return cls(str(ip_address(host)) if is_address(host) else host, uri.port, transport)

    @property
    def literal(self) -> Hop | None:
        """The hop when the host is an address (RFC 3263 4.1, 4.2); None when it must be looked up."""
        if not is_address(self.host):
            return None
        transport = self.transport or Transport.UDP
        # RFC 3263 4.1: a literal address without a transport means UDP, and TLS with sips.
        return Hop(self.host, self.port or transport.default_port, transport)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{host}{port}" + ("" if self.transport is None else f" over {self.transport.value}")


def is_address(host: str) -> bool:
    """Whether this is a literal IP address, without brackets."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_numeric(host: str) -> bool:
    """Whether this is a number where a host should be: no name may be one (RFC 3261 25.1, *toplabel*), but
    resolvers take 100 for 0.0.0.100, and 127.1 for 127.0.0.1."""
    return _NUMERIC.fullmatch(host) is not None and not is_address(host)


def reach_of(address: str) -> Reach:
    """The reach of a literal IP address, without brackets."""
    parsed = ip_address(address)
    return next((reach for network, reach in _NETWORKS if parsed in network), Reach.EVERYWHERE)

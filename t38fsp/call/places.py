"""Where the media of a call may go: an SDP can name anybody, who need not have asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sip.values import Address


def on_hold(remote: Address) -> bool:
    """Whether this is no place to send to, but the old way to put a stream on hold (RFC 3264 8.4)."""
    return remote[0] in ("0.0.0.0", "::")


_LEAST_PORT = 1024
"""No media is sent to a lower port: DNS, SNMP and the like live there, and RTP and UDPTL never do."""


def fault_of_place(host: str, port: int) -> str:
    """Why media is not sent there: whoever gets it need not have asked for it.

    The unspecified address is none to send to, and none to refuse (:func:`on_hold`).
    """
    if port < _LEAST_PORT:
        return f"its media port {port} is below {_LEAST_PORT}"
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""  # a name is not looked up, so nothing goes there
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_multicast or address == _BROADCAST:
        kind = "multicast" if address.is_multicast else "broadcast"
        return f"its media address {host} is a {kind} address"
    return ""


_BROADCAST = IPv4Address("255.255.255.255")


def is_among(host: str, networks: Iterable[str]) -> bool:
    """Whether ``host`` is an address in one of ``networks``, of which each may be a single address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(address in ip_network(network.partition("%")[0], strict=False) for network in networks)

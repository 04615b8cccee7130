"""Checks of media addresses: an SDP can name a third party, which must not be flooded with our media."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sip.values import Address


def on_hold(remote: Address) -> bool:
    """Whether the unspecified address puts the stream on hold, in the manner of RFC 2543 (RFC 3264 8.4)."""
    return remote[0] in ("0.0.0.0", "::")


_LEAST_PORT = 1024
"""No media is sent to a lower port: DNS, SNMP and the like are there, RTP and UDPTL never."""


def media_address_fault(host: str, port: int) -> str:
    """Why media must not be sent to this address; empty if it may.

    The unspecified address is not refused here: it means hold (:func:`on_hold`).
    """
    if port < _LEAST_PORT:
        return f"its media port {port} is below {_LEAST_PORT}"
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""  # names in SDP are never resolved, so nothing is sent there
    # ::ffff:224.0.0.1 reaches the same group as 224.0.0.1.
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_multicast or address == _BROADCAST:
        kind = "multicast" if address.is_multicast else "broadcast"
        return f"its media address {host} is a {kind} address"
    return ""


_BROADCAST = IPv4Address("255.255.255.255")


def is_in_networks(host: str, networks: Iterable[str]) -> bool:
    """Whether ``host`` is an address in one of ``networks`` (networks or single addresses)."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(address in ip_network(network.partition("%")[0], strict=False) for network in networks)

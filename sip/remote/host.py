"""The address of ours that a peer sees."""

from __future__ import annotations

import socket

from sip.line import Hop

_ANY = ("0.0.0.0", "::")


def host_towards(bound: str, peer: Hop) -> str:
    """``bound`` itself, or for a line bound to all addresses the one on the way to ``peer``."""
    if bound not in _ANY:
        return bound
    family = socket.AF_INET6 if ":" in peer.host else socket.AF_INET
    # Connecting a UDP socket sends nothing, but chooses the route.
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer.host, 9))
        except OSError:
            return "127.0.0.1" if family == socket.AF_INET else "::1"
        return str(probe.getsockname()[0])

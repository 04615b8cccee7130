"""The address of ours that a peer sees."""

from __future__ import annotations

from sip.line import Hop
from sip.listening import WILDCARDS, route_to


def host_towards(bound: str, peer: Hop) -> str:
    """``bound`` itself, or for a line bound to all addresses the one on the way to ``peer``."""
    return route_to(peer.host) if bound in WILDCARDS else bound

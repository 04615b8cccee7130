"""A user agent with several transports in simulated time, and the far end's hops."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from sip.agent import UserAgent
from sip.syntax.message import Request
from sip.syntax.sdp import Attribute
from sip.values import Hop, Transport
from tests.sip.link import ALICE, AUDIO, BOB
from tests.sip.solo import Solo

TCP = Hop(BOB.host, 5060, Transport.TCP)
TLS = Hop(BOB.host, 5061, Transport.TLS, "bob.example")
FROM_BOB = Hop(BOB.host, 43210, Transport.TCP)
"""A connection that Bob opened."""
LARGE = replace(AUDIO, attributes=tuple(Attribute("x", "y" * 100) for _ in range(12)))


class Alice(Solo):
    """Alice, who has an address of her own for each transport."""

    def __init__(self) -> None:
        super().__init__()
        ports = {Transport.UDP: 5060, Transport.TCP: 5062, Transport.TLS: 5061}
        self.agent = UserAgent(
            contact_address=ALICE.address,
            user_agent="alice/1",
            random=Random(1),
            local_address=lambda hop: (ALICE.host, ports[hop.transport]),
            tcp=True,
        )

    def went(self) -> list[tuple[str, Hop]]:
        """What was sent since the last look: method or status, and where to."""
        return [
            (message.method if isinstance(message, Request) else str(message.status), hop)
            for message, hop in self.sent_to()
        ]

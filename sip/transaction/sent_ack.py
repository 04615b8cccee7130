"""The ACK of a 2xx (RFC 3261 13.2.2.4): it has no response, so its loss is detected in another way.

It is lost if the network refuses it, and may be lost if the 2xx is retransmitted. A far end whose Contact is
unreachable is then sent to where its messages come from; otherwise it would give up the call after 64*T1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sip.values import Hop


class SentAck:
    """One ACK. ``hops`` are its destinations, best first, and ``flow`` is where the 2xx came from."""

    def __init__(
        self, send: Callable[[Hop], None], hops: Callable[[], Sequence[Hop]], flow: Callable[[], Hop]
    ) -> None:
        self._send = send
        self._hops = hops
        self._flow = flow
        self._tried: set[Hop] = set()
        self._send_to(self._hops()[0])

    def _send_to(self, hop: Hop) -> None:
        self._tried.add(hop)
        self._send(hop)

    def went_to(self, hop: Hop) -> bool:
        return hop in self._tried

    def repeat(self) -> None:
        """The 2xx was retransmitted."""
        for hop in dict.fromkeys((self._hops()[0], self._flow())):
            self._send_to(hop)

    def unreachable(self) -> None:
        """The network has refused it at the hop where it was sent."""
        left = [hop for hop in self._hops() if hop not in self._tried]
        if left:
            self._send_to(left[0])

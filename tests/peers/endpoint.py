"""A spandsp peer with UDPTL around it: datagrams in and out, one step per 20 ms of the caller's clock."""

from __future__ import annotations

from collections.abc import Callable

from tests.peers.terminal import IfpPeer
from tests.peers.udptl import ParitySender, UdptlError, UdptlReceiver, UdptlSender

STEP_SECONDS = 0.02

IfpFilter = Callable[[bytes], bytes | None]
"""Alters an IFP packet, or drops it by returning None."""


class SpandspEndpoint:
    """A party of a call in :mod:`tests.peers.simulated` and :mod:`tests.peers.realtime`.

    Args:
        peer: terminal or gateway.
        redundancy: earlier IFP packets behind each one sent (0..10).
        parity: strings and span of parity FEC, instead of earlier packets.
        toward_peer: applied to each IFP packet that arrives, after redundancy did its work.
        toward_line: applied to each IFP packet that the peer sends.
        start: when the first step is due, in seconds.
    """

    def __init__(
        self,
        peer: IfpPeer,
        *,
        redundancy: int = 3,
        parity: tuple[int, int] | None = None,
        toward_peer: IfpFilter | None = None,
        toward_line: IfpFilter | None = None,
        start: float = 0.0,
    ) -> None:
        self.peer = peer
        self.machine = peer.machine
        self.sender = UdptlSender(redundancy) if parity is None else ParitySender(*parity)
        self.receiver = UdptlReceiver()
        self.rejected: list[str] = []
        """Why datagrams were not UDPTL."""
        self.ifps_received: list[bytes] = []
        """Every IFP packet in the order in which the peer saw it."""
        self._toward_peer = toward_peer
        self._toward_line = toward_line
        self._start = start
        self._steps = 0
        self._datagrams: list[bytes] = []

    @property
    def finished(self) -> bool:
        return self.peer.completed

    def receive_datagram(self, data: bytes, now: float) -> None:
        del now  # spandsp learns of time by steps only
        try:
            packets = self.receiver.unwrap(data)
        except UdptlError as error:
            self.rejected.append(str(error))
            return
        for sequence, ifp in packets:
            altered = self._toward_peer(ifp) if self._toward_peer else ifp
            if altered is not None:
                self.ifps_received.append(altered)
                self.peer.receive_ifp(altered, sequence)
        self._collect()

    def next_deadline(self) -> float:
        return self._start + self._steps * STEP_SECONDS

    def handle_deadline(self, now: float) -> None:
        while self._start + self._steps * STEP_SECONDS <= now:
            self._steps += 1
            self.peer.step()
            self._collect()

    def take_datagrams(self) -> list[bytes]:
        taken, self._datagrams = self._datagrams, []
        return taken

    def hang_up(self) -> None:
        """The call was dropped: the T.30 machine ends, with success only if it was through."""
        if not self.peer.completed:
            self.machine.terminate()

    def _collect(self) -> None:
        for ifp, copies in self.peer.take_ifps():
            altered = self._toward_line(ifp) if self._toward_line else ifp
            if altered is not None:
                self._datagrams += [self.sender.wrap(altered)] * copies

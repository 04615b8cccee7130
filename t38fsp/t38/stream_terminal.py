"""The T.38 terminal over TCP: the same bursts at the same pace, without losses, copies or numbers.

Pages keep modem pace, as over UDPTL, since the far end may be a gateway.
"""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t38.ifp import IfpError, Syntax
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import Timing
from t38fsp.t38.tpkt import TpktError, TpktReader, wrap
from t38fsp.t38.udptl import unprefixed


class StreamTerminal(Terminal):
    """One end of a T.38 call over a TCP connection; ``receive`` takes pieces of the stream, split at any
    point.

    ``max_ifp`` and ``max_buffer`` are those of :class:`Terminal`.
    """

    def __init__(
        self,
        *,
        syntax: Syntax = Syntax.Y1998,
        max_ifp: int | None = None,
        max_buffer: int | None = None,
        fill_removal: bool = False,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(
            syntax=syntax,
            # TCP retransmits; copies would arrive as new packets.
            redundancy=0,
            max_ifp=max_ifp,
            max_buffer=max_buffer,
            fill_removal=fill_removal,
            timing=replace(timing or Timing(), copies=1),
        )
        self._reader: TpktReader | None = TpktReader(syntax)
        self.lane.wrap = self._written

    @property
    def broken(self) -> bool:
        """The stream is not T.38, so nothing after that can be read."""
        return self._reader is None

    def receive(self, datagram: bytes, now: float) -> bool:
        """Take a piece of the stream; true if it could be read."""
        if self._reader is None:
            return False
        try:
            packets = self._reader.feed(datagram)
        except TpktError:
            self._reader = None
            self.counters.malformed += 1
            return False
        for ifp in packets:
            try:
                packet = self._dialect.read(ifp, in_frame=self._listener.in_frame)
            except IfpError:
                self.counters.malformed += 1
                continue
            self.counters.received += 1
            self.hear(packet, now)
        return True

    def _written(self, octets: bytes, flags: int) -> bytes:
        """A packet as written to the stream; without TPKT if the far end sends none."""
        ifp = unprefixed(octets)
        bare = self._reader is not None and self._reader.bare
        # Until something came we cannot know; TPKT is what T.38 asks for.
        return ifp if bare else wrap(ifp)

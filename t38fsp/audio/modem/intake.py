"""Audio on its way to the modems: in order, and as long as it was sent.

There is no jitter buffer: a modem needs its samples in order, not in time. A missing packet is waited for
while others come, up to 80 ms; then the hole is filled by its timestamps, so that nothing is closed up. What
it is filled with repeats the last 20 ms: they hold a whole number of symbols and of carrier periods of V.17,
V.29 and V.27ter, and of bits of V.21, so phase, timing and carrier survive, and one or two frames are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from t38fsp.audio.g711 import SAMPLE_RATE, Law
from t38fsp.audio.offer import COMFORT_NOISE, PAYLOAD_TYPES
from t38fsp.audio.rtp import FRAME_SAMPLES, RtpPacket

RTP_HEADER = 12
"""Octets, without sources and extension."""
_HEADER = Struct("!BBHII")
_NEXT_OCTETS = RTP_HEADER + FRAME_SAMPLES
_NO_HEADER = b"\0" * RTP_HEADER
"""No packet begins so."""
_HOLD = 4
"""Packets that are held for a missing one."""
_HOLD_SECONDS = 0.08
"""The same if no others come."""
_MOST_HOLE = SAMPLE_RATE
"""Samples. After a longer hole nothing is left of a burst."""
_NEAR = 100
"""Sequence numbers within which a packet belongs to the stream."""
_PROBATION = 3
"""Packets in order that another stream must have to replace the present one, since anyone can forge a single
one."""
_MOST_AHEAD = 2 * SAMPLE_RATE
"""Samples faster than real time; the modems cost far more than packets, so a flood is dropped."""
_DRIFT = 1.02
"""Maximum drift of the far end's clock; far more than clocks have."""


@dataclass(slots=True)
class AudioCounters:
    """Quality of the path from the far end while T.30 ran in audio. Packets, but for ``holes``."""

    received: int = 0
    filled: int = 0
    """Lost, and replaced by the audio before them; in units of 20 ms."""
    lost: int = 0
    """Lost, and not replaced, as too many were lost at a time; in units of 20 ms."""
    late: int = 0
    """Repeated, or too late to be used."""
    foreign: int = 0
    """Packets of another stream, or faster than real time."""
    malformed: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio in order, at most 160 samples. ``payload`` is empty where more was lost than can be filled."""

    payload: bytes
    law: Law
    filled: bool = False
    """It stands for what was lost."""


BREAK = Piece(b"", Law.PCMA)


class Intake:
    """Takes the packets of a call, and hands over pieces."""

    def __init__(self, now: float) -> None:
        self.counters = AudioCounters()
        self.ssrc: int | None = None
        """SSRC of the far end's stream."""
        self._next = 0  # sequence number
        self._stamp = 0  # timestamp of the next sample
        self._held: dict[int, RtpPacket] = {}
        self._held_since = 0.0
        self._other: tuple[int, int, int] | None = None  # SSRC, next number, packets seen
        self._silent = False
        """The far end has announced that silence follows."""
        self._header = _NO_HEADER
        """RTP header of the next packet, if it is like the one before."""
        self._last = b""
        self.law = Law.PCMA
        """The law of the last packet."""
        self._credit = float(_MOST_AHEAD)
        self._credit_at = now

    @property
    def holds(self) -> bool:
        """Packets wait for a missing one, up to :meth:`next_deadline`."""
        return bool(self._held)

    def take_next(self, datagram: bytes, now: float) -> bytes | None:
        """Take a datagram that is the next 20 ms of the stream, as nearly all are; its samples, of ``law``.
        None for any other, which is left to :meth:`receive`. It costs a quarter of that."""
        if len(datagram) != _NEXT_OCTETS or not datagram.startswith(self._header) or self._held:
            return None
        self._earn(now)
        if self._credit < FRAME_SAMPLES:
            return None
        self._credit -= FRAME_SAMPLES
        self.counters.received += 1
        self._other = None
        self._last = datagram[RTP_HEADER:]
        self._next = (self._next + 1) & 0xFFFF
        self._stamp = (self._stamp + FRAME_SAMPLES) & 0xFFFFFFFF
        self._expect(datagram[1])
        return self._last

    def _expect(self, payload_type: int) -> None:
        """Make the header of the packet that would be next."""
        self._header = _HEADER.pack(0x80, payload_type, self._next, self._stamp, self.ssrc or 0)

    def receive(self, packet: RtpPacket, now: float) -> list[Piece]:
        """Take a packet of G.711 or of comfort noise; the pieces that are in order now."""
        self._earn(now)
        self._credit -= max(len(packet.payload), 1)
        if self._credit < 0:
            self._credit = 0.0
            self.counters.foreign += 1
            return []
        if not self._belongs(packet):
            return []
        # The signed distance modulo 65536; for timestamps below, modulo 2^32.
        ahead = (packet.sequence - self._next + 0x8000 & 0xFFFF) - 0x8000
        if ahead < 0 or packet.sequence in self._held:
            self.counters.late += 1
            return []
        self.counters.received += 1
        if ahead == 0 and not self._held:
            self._next = (self._next + 1) & 0xFFFF
            return self._pieces(packet)
        if not self._held:
            self._held_since = now
        self._held[packet.sequence] = packet
        return self._release(now, patient=len(self._held) <= _HOLD)

    def next_deadline(self) -> float | None:
        """When the wait for a missing packet is over."""
        return self._held_since + _HOLD_SECONDS if self._held else None

    def handle_deadline(self, now: float) -> list[Piece]:
        due = self.next_deadline()
        return self._release(now, patient=False) if due is not None and due <= now else []

    # --- inside -------------------------------------------------------------------------------------------

    def _earn(self, now: float) -> None:
        earned = max(now - self._credit_at, 0.0) * SAMPLE_RATE * _DRIFT
        self._credit = min(self._credit + earned, _MOST_AHEAD)
        self._credit_at = now

    def _belongs(self, packet: RtpPacket) -> bool:
        """Whether the packet is of the stream, or of one that replaces it."""
        near = abs((packet.sequence - self._next + 0x8000 & 0xFFFF) - 0x8000) <= _NEAR
        if packet.ssrc == self.ssrc and near:
            self._other = None
            return True
        seen = 1
        if self._other is not None and self._other[:2] == (packet.ssrc, packet.sequence):
            seen = self._other[2] + 1
        self._other = packet.ssrc, (packet.sequence + 1) & 0xFFFF, seen
        # The first stream is taken at once: there is none that it could displace.
        if self.ssrc is not None and seen < _PROBATION:
            self.counters.foreign += 1
            return False
        self.ssrc, self._next, self._stamp = packet.ssrc, packet.sequence, packet.timestamp
        self._held.clear()
        self._other = None
        return True

    def _release(self, now: float, *, patient: bool) -> list[Piece]:
        """Those that are in order now; without patience the first missing ones count as lost."""
        pieces: list[Piece] = []
        while self._held:
            if self._next not in self._held:
                if patient:
                    break
                self._next = min(self._held, key=lambda number: number - self._next & 0xFFFF)
                patient = True
            packet = self._held.pop(self._next)
            self._next = (self._next + 1) & 0xFFFF
            self._held_since = now
            pieces += self._pieces(packet)
        return pieces

    def _pieces(self, packet: RtpPacket) -> list[Piece]:
        hole = (packet.timestamp - self._stamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if packet.payload_type == COMFORT_NOISE:
            # It has no audio: a hole begins, which is silence however long it is.
            self._silent = True
            self._header = _NO_HEADER
            return []
        pieces = self._fill(hole, silent=self._silent or packet.marker) if hole > 0 else []
        self._silent = False
        self.law = PAYLOAD_TYPES[packet.payload_type]
        payload = packet.payload
        self._stamp = (packet.timestamp + len(payload)) & 0xFFFFFFFF
        # A timestamp that goes back repeats audio; the packet is used all the same.
        for at in range(0, len(payload), FRAME_SAMPLES):
            pieces.append(Piece(payload[at : at + FRAME_SAMPLES], self.law))
        self._last = (self._last + payload)[-FRAME_SAMPLES:]
        self._expect(packet.payload_type)
        return pieces

    def _fill(self, hole: int, *, silent: bool) -> list[Piece]:
        packets = -(-hole // FRAME_SAMPLES)
        # What fills it costs as much as what comes: timestamps that jump must not bring more than real time.
        if hole > min(_MOST_HOLE, self._credit):
            if not silent:
                self.counters.lost += packets
            return [BREAK]
        self._credit -= hole
        silent = silent or len(self._last) < FRAME_SAMPLES
        if silent:
            filling = bytes([self.law.silence]) * FRAME_SAMPLES
        else:
            self.counters.filled += packets
            filling = self._last
        whole, rest = divmod(hole, FRAME_SAMPLES)
        pieces = [Piece(filling, self.law, not silent)] * whole
        if rest:
            pieces.append(Piece(filling[:rest], self.law, not silent))
            # Turned on, so that a further hole goes on in phase.
            self._last = filling[rest:] + filling[:rest]
        return pieces

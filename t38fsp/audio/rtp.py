"""RTP (RFC 3550): packets, an outgoing and an incoming stream, and how to distinguish RTP from UDPTL."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

FRAME_SAMPLES = 160
"""20 ms of 8 kHz audio: one packet."""
MAX_PAYLOAD = 2048
"""Maximum octets of a payload; 20 ms of G.711 are 160."""

_FIXED = Struct("!BBHII")
_EXTENSION = Struct("!HH")
# Octet 1 of RTCP is 192 to 223 for all types in use; without the marker bit that is 64 to 95.
_RTCP_TYPES = range(64, 96)
"""Payload types as which the packet types of RTCP would appear (RFC 5761 4)."""

_HOLD = 4
"""Packets held back for a missing one, which then counts as lost."""
_JUMP = 100
"""A sequence number farther away than this means a new stream, not loss."""


class RtpError(ValueError):
    """A datagram that is not an RTP packet; the message names the invalid field."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """An RTP packet (RFC 3550 5.1). Padding is removed when parsed, and never written."""

    payload_type: int
    """0..127."""
    sequence: int
    """0..65535."""
    timestamp: int
    """32 bits, in samples."""
    ssrc: int
    """32 bits."""
    payload: bytes
    marker: bool = False
    sources: tuple[int, ...] = ()
    """CSRC list, at most 15."""
    extension: tuple[int, bytes] | None = None
    """Profile (16 bits) and data, whole 32-bit words (5.3.1)."""

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """Parse a datagram; raises RtpError if it is not an RTP packet."""
        if len(data) < _FIXED.size:
            raise RtpError(f"an RTP packet has at least {_FIXED.size} octets, not {len(data)}")
        first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
        if first >> 6 != 2:
            raise RtpError(f"the RTP version must be 2, not {first >> 6}")
        position = _FIXED.size + 4 * (first & 0x0F)
        sources = tuple(int.from_bytes(data[at : at + 4]) for at in range(_FIXED.size, position, 4))
        extension = None
        if first & 0x10:
            if position + _EXTENSION.size > len(data):
                raise RtpError("the RTP header extension is truncated")
            profile, words = _EXTENSION.unpack_from(data, position)
            start = position + _EXTENSION.size
            position = start + 4 * words
            extension = (profile, data[start:position])
        if position > len(data):
            raise RtpError("the RTP header is longer than the datagram")
        end = len(data)
        # The last octet counts the padding, itself included.
        if first & 0x20:
            padding = data[-1]
            if not 0 < padding <= end - position:
                raise RtpError(f"{padding} octets of padding do not fit into the RTP packet")
            end -= padding
        if end - position > MAX_PAYLOAD:
            raise RtpError(f"an RTP payload of {end - position} octets exceeds the limit of {MAX_PAYLOAD}")
        return cls(
            second & 0x7F,
            sequence,
            timestamp,
            ssrc,
            data[position:end],
            bool(second & 0x80),
            sources,
            extension,
        )

    def __bytes__(self) -> bytes:
        first = 0x80 | len(self.sources) | (0x10 if self.extension is not None else 0)
        second = self.payload_type | (0x80 if self.marker else 0)
        parts = [_FIXED.pack(first, second, self.sequence, self.timestamp, self.ssrc)]
        parts += [source.to_bytes(4) for source in self.sources]
        if self.extension is not None:
            profile, octets = self.extension
            parts += [_EXTENSION.pack(profile, len(octets) // 4), octets]
        parts.append(self.payload)
        return b"".join(parts)


class RtpSender:
    """Numbers the packets of one stream; the first carries the marker (RFC 3551 4.1).

    ``ssrc`` and the first ``timestamp`` are random 32-bit values, ``sequence`` a random 16-bit one
    (RFC 3550 5.1), made by the caller.
    """

    def __init__(self, payload_type: int, ssrc: int, sequence: int, timestamp: int) -> None:
        self.payload_type = payload_type
        """May change in mid-stream (RFC 3550 5.1)."""
        self._ssrc = ssrc
        self._sequence = sequence
        self._timestamp = timestamp
        self._marker = True

    def packet(self, payload: bytes) -> bytes:
        """The next datagram; one octet of ``payload`` is one sample."""
        second = self.payload_type | (0x80 if self._marker else 0)
        header = _FIXED.pack(0x80, second, self._sequence, self._timestamp, self._ssrc)
        self._marker = False
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + len(payload)) & 0xFFFFFFFF
        return header + payload

    def skip(self, samples: int) -> None:
        """Skip ``samples``: the next packet begins a new talkspurt, with the marker (RFC 3551 4.1)."""
        self._timestamp = (self._timestamp + samples) & 0xFFFFFFFF
        self._marker = True


class RtpReceiver:
    """Reorders one stream.

    Up to four packets are held back for a missing one. Duplicates and late packets are dropped. A new SSRC,
    or a distant sequence number, starts a new stream (RFC 3550 A.1): gateways do that when they switch from
    ringing tone to the line.
    """

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._expected = 0
        self._held: dict[int, RtpPacket] = {}

    def receive(self, packet: RtpPacket) -> list[RtpPacket]:
        """Add ``packet``; return the packets that are in order now."""
        # The signed distance modulo 65536.
        ahead = (packet.sequence - self._expected + 0x8000 & 0xFFFF) - 0x8000
        if packet.ssrc != self._ssrc or abs(ahead) > _JUMP:
            self._ssrc = packet.ssrc
            self._expected = packet.sequence
            self._held.clear()
        elif ahead < 0:
            return []
        self._held[packet.sequence] = packet
        ready: list[RtpPacket] = []
        while self._held:
            if self._expected in self._held:
                ready.append(self._held.pop(self._expected))
                self._expected = (self._expected + 1) & 0xFFFF
            # 80 ms at 20 ms a packet: tones need no more order than that.
            elif len(self._held) > _HOLD:
                self._expected = min(self._held, key=lambda number: number - self._expected & 0xFFFF)
            else:
                break
        return ready


def looks_like_rtp(datagram: bytes) -> bool:
    """Whether a datagram on a port shared by RTP and UDPTL is RTP: well formed, and not UDPTL by its lengths.

    A UDPTL sequence number of 0x8000 or above has the version bits of RTP, too, and some gateways start
    there; but the lengths inside a UDPTL datagram add up to its size, which those of audio do not.
    """
    if len(datagram) < _FIXED.size or datagram[0] >> 6 != 2 or datagram[1] & 0x7F in _RTCP_TYPES:
        return False
    # Cisco begins its UDPTL numbers at 0x8000, which is version 2 of RTP.
    if _is_udptl(datagram):
        return False
    try:
        RtpPacket.parse(datagram)
    except RtpError:
        return False
    return True


def _is_udptl(datagram: bytes) -> bool:
    """Walk a UDPTL datagram (T.38 9.1): number, primary, then secondaries or parity, to its exact end."""
    position = _after_field(datagram, 2)
    if position is None or position >= len(datagram):
        return False
    recovery = datagram[position]
    position += 1
    if recovery & 0x80:
        # FEC: span (length and value), then the count of parity strings.
        position += 2
    elif recovery:
        return False
    if position >= len(datagram):
        return False
    entries = datagram[position]
    end: int | None = position + 1
    for _ in range(entries):
        end = None if end is None else _after_field(datagram, end)
    return end == len(datagram)


def _after_field(datagram: bytes, position: int) -> int | None:
    """End of the field whose length (X.691 10.9) is at ``position``; None if it exceeds the datagram."""
    if position >= len(datagram):
        return None
    length = datagram[position]
    position += 1
    if length & 0x80:
        if position >= len(datagram):
            return None
        length = (length & 0x3F) << 8 | datagram[position]
        position += 1
    position += length
    return position if position <= len(datagram) else None

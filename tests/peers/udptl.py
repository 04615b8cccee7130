"""UDPTL for the test peers (T.38 clause 9), written on its own: it shares nothing with the product."""

from __future__ import annotations


class UdptlError(ValueError):
    """A datagram is not UDPTL."""


class UdptlSender:
    """Numbers IFP packets from 0 and puts up to ``redundancy`` earlier ones behind each (0..10)."""

    def __init__(self, redundancy: int = 3) -> None:
        self._redundancy = redundancy
        self._sequence = 0
        self._earlier: list[bytes] = []

    def wrap(self, ifp: bytes) -> bytes:
        """One IFP packet as a datagram; send the same octets again for further copies."""
        parts = [self._sequence.to_bytes(2, "big"), _open_type(ifp)]
        parts += [b"\x00", _length(len(self._earlier)), *map(_open_type, self._earlier)]
        self._earlier = [ifp, *self._earlier][: self._redundancy]
        self._sequence = (self._sequence + 1) & 0xFFFF
        return b"".join(parts)


class UdptlReceiver:
    """Recovers IFP packets in order; what neither arrives nor is repeated shows as a jump of the number."""

    def __init__(self) -> None:
        self._expected: int | None = None
        self.datagrams = 0
        self.recovered = 0
        """IFP packets taken from redundancy."""
        self.missing = 0
        """IFP packets never seen."""

    def unwrap(self, datagram: bytes) -> list[tuple[int, bytes]]:
        """New IFP packets with their unwrapped numbers, oldest first; nothing for late and repeated ones.

        Raises:
            UdptlError: the datagram is truncated, has octets behind its end, or carries parity FEC.
        """
        number, primary, earlier = parse(datagram)
        self.datagrams += 1
        if self._expected is None:
            self._expected = number
        expected = self._expected
        sequence = expected + ((number - expected + 0x8000) & 0xFFFF) - 0x8000
        if sequence < expected:
            return []
        fresh = [
            (sequence - distance, ifp)
            for distance, ifp in reversed(list(enumerate(earlier, start=1)))
            if sequence - distance >= expected and ifp
        ]
        self.recovered += len(fresh)
        self.missing += sequence - expected - len(fresh)
        self._expected = sequence + 1
        return [*fresh, (sequence, primary)]


def parse(datagram: bytes) -> tuple[int, bytes, list[bytes]]:
    """Number, primary IFP packet, and the earlier ones, newest first.

    Raises:
        UdptlError: as :meth:`UdptlReceiver.unwrap`.
    """
    if len(datagram) < 2:
        raise UdptlError("the datagram has no room for a sequence number")
    number = int.from_bytes(datagram[:2], "big")
    primary, rest = _take_open_type(datagram[2:])
    if not rest:
        raise UdptlError("the datagram ends before its error recovery")
    if rest[0] & 0x80:
        raise UdptlError("the datagram carries parity FEC, which this test peer does not read")
    count, rest = _take_length(rest[1:])
    earlier: list[bytes] = []
    for _ in range(count):
        ifp, rest = _take_open_type(rest)
        earlier.append(ifp)
    if rest:
        raise UdptlError(f"{len(rest)} octets follow the end of the UDPTL packet")
    return number, primary, earlier


def _length(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else (0x8000 | value).to_bytes(2, "big")


def _open_type(ifp: bytes) -> bytes:
    return _length(len(ifp)) + ifp


def _take_length(octets: bytes) -> tuple[int, bytes]:
    if octets and octets[0] < 0x80:
        return octets[0], octets[1:]
    if len(octets) >= 2 and octets[0] < 0xC0:
        return int.from_bytes(octets[:2], "big") & 0x3FFF, octets[2:]
    raise UdptlError("a length is truncated or fragmented")


def _take_open_type(octets: bytes) -> tuple[bytes, bytes]:
    length, rest = _take_length(octets)
    if length > len(rest):
        raise UdptlError(f"an IFP packet of {length} octets is announced but {len(rest)} are left")
    return rest[:length], rest[length:]

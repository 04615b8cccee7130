"""UDPTL for the test peers (T.38 clause 9), written on its own: it shares nothing with the product."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_MEMORY = 64
"""Packets that parity may reach back to."""


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


class ParitySender:
    """Numbers IFP packets from 0 and puts parity over the earlier ones behind each.

    Args:
        strings: parity strings in a datagram; string m covers each ``strings``-th packet.
        span: packets that a string covers.
    """

    def __init__(self, strings: int = 3, span: int = 3) -> None:
        self._strings = strings
        self._span = span
        self._earlier: list[bytes] = []

    def wrap(self, ifp: bytes) -> bytes:
        """One IFP packet as a datagram; there is no parity before there are packets enough."""
        sequence = len(self._earlier)
        head = (sequence & 0xFFFF).to_bytes(2, "big") + _open_type(ifp)
        reach = self._strings * self._span
        if sequence < reach:
            recovery = b"\x00\x00"
        else:
            covered = (
                range(sequence - reach + first, sequence, self._strings) for first in range(self._strings)
            )
            parity = [_parity(self._earlier[number] for number in numbers) for numbers in covered]
            recovery = b"\x80\x01" + bytes([self._span, len(parity)]) + b"".join(map(_open_type, parity))
        self._earlier.append(ifp)
        return head + recovery


class UdptlReceiver:
    """Recovers IFP packets in order; what neither arrives nor is repeated shows as a jump of the number.

    A packet out of parity may have zeros behind its end.
    """

    def __init__(self) -> None:
        self._expected: int | None = None
        self._seen: dict[int, bytes] = {}
        self.datagrams = 0
        self.recovered = 0
        """IFP packets taken from redundancy."""
        self.missing = 0
        """IFP packets never seen."""

    def unwrap(self, datagram: bytes) -> list[tuple[int, bytes]]:
        """New IFP packets with their unwrapped numbers, oldest first; nothing for late and repeated ones.

        Raises:
            UdptlError: the datagram is truncated, or has octets behind its end.
        """
        parsed = parse(datagram)
        number, primary = parsed.number, parsed.primary
        self.datagrams += 1
        if self._expected is None:
            self._expected = number
        expected = self._expected
        sequence = expected + ((number - expected + 0x8000) & 0xFFFF) - 0x8000
        if sequence < expected:
            return []
        fresh = [
            (sequence - distance, ifp)
            for distance, ifp in reversed(list(enumerate(parsed.earlier, start=1)))
            if sequence - distance >= expected and ifp
        ]
        self._seen[sequence] = primary
        self._seen.update(fresh)
        if sequence > expected:
            fresh += self._from_parity(parsed, sequence, expected)
            fresh.sort()
        self._seen.pop(sequence - _MEMORY, None)
        self.recovered += len(fresh)
        self.missing += sequence - expected - len(fresh)
        self._expected = sequence + 1
        return [*fresh, (sequence, primary)]

    def _from_parity(self, parsed: Parsed, sequence: int, expected: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        strings = len(parsed.parity)
        for first, parity in enumerate(parsed.parity):
            covered = range(sequence - parsed.span * strings + first, sequence, strings)
            unknown = [number for number in covered if number not in self._seen]
            if len(unknown) == 1 and unknown[0] >= expected:
                ifp = _parity([parity, *(self._seen[n] for n in covered if n in self._seen)])
                self._seen[unknown[0]] = ifp
                found.append((unknown[0], ifp))
        return found


@dataclass(frozen=True)
class Parsed:
    """A datagram: ``earlier`` IFP packets, newest first, or ``parity`` strings over ``span`` packets each."""

    number: int
    primary: bytes
    earlier: list[bytes]
    parity: list[bytes]
    span: int = 0


def parse(datagram: bytes) -> Parsed:
    """Take a datagram apart.

    Raises:
        UdptlError: as :meth:`UdptlReceiver.unwrap`.
    """
    if len(datagram) < 2:
        raise UdptlError("the datagram has no room for a sequence number")
    number = int.from_bytes(datagram[:2], "big")
    primary, rest = _take_open_type(datagram[2:])
    if not rest:
        raise UdptlError("the datagram ends before its error recovery")
    selector, rest = rest[0], rest[1:]
    span = 0
    if selector & 0x80:
        if len(rest) < 2 or rest[0] != 1:
            raise UdptlError("the span of the parity is not one octet")
        span, rest = rest[1], rest[2:]
    count, rest = _take_length(rest)
    strings: list[bytes] = []
    for _ in range(count):
        string, rest = _take_open_type(rest)
        strings.append(string)
    if rest:
        raise UdptlError(f"{len(rest)} octets follow the end of the UDPTL packet")
    if selector & 0x80:
        return Parsed(number, primary, [], strings, span)
    return Parsed(number, primary, strings, [])


def _parity(strings: Iterable[bytes]) -> bytes:
    """Exclusive or, octet by octet, as long as the longest one."""
    octets = bytearray()
    for string in strings:
        octets += bytes(max(0, len(string) - len(octets)))
        for at, octet in enumerate(string):
            octets[at] ^= octet
    return bytes(octets)


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

"""UDPTL: IFP packets in UDP datagrams, with what it takes to survive loss (T.38 clause 9).

A datagram is a 16-bit number, one IFP packet (the primary), and help for the packets before it: copies of
them, newest first, or parity strings over them. We send copies and read both::

    number (2)   length, primary   0x00   count, then length, IFP for number-1, number-2, ...
                                   0x80   0x01 span   count, then length, parity string ...

Parity string *m* of *E* over span *S* in datagram *n* is the XOR of the primaries n+m-S·E, n+m-S·E+E, ... up
to n+m-E, the shorter ones filled with zero octets. What the far end sends is put in order by
``t38fsp.t38.receiving``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

SECONDARIES = 0x00
PARITY = 0x80

_LENGTHS = tuple(bytes((n,)) for n in range(0x80))


class UdptlError(ValueError):
    """The octets are not a UDPTL datagram, or an IFP packet does not fit into one."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram in parts: ``secondaries``, newest first, or ``parity`` strings over ``span`` if not None."""

    number: int
    primary: bytes
    secondaries: tuple[bytes, ...] = ()
    parity: tuple[bytes, ...] | None = None
    span: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Datagram:
        """Raises UdptlError when ``data`` is cut short, is malformed, or goes on behind its end."""
        primary, at = _open_type(data, 2)
        if at >= len(data):
            raise UdptlError("the datagram ends before its error recovery")
        kind = data[at]
        span = 0
        if kind == PARITY:
            if data[at + 1 : at + 2] != b"\x01" or at + 2 >= len(data):
                raise UdptlError("the span of the parity strings is unreadable")
            span = data[at + 2]
            at += 2
        elif kind != SECONDARIES:
            raise UdptlError(f"unknown error recovery {kind:#04x}")
        count, at = _length(data, at + 1)
        strings = []
        for _ in range(count):
            string, at = _open_type(data, at)
            strings.append(string)
        if at != len(data):
            raise UdptlError(f"{len(data) - at} octets too many behind the datagram")
        number = data[0] << 8 | data[1]
        if kind == PARITY:
            return cls(number, primary, parity=tuple(strings), span=span)
        return cls(number, primary, tuple(strings))

    def __bytes__(self) -> bytes:
        if self.parity is None:
            strings, recovery = self.secondaries, bytes((SECONDARIES,))
        else:
            strings, recovery = self.parity, bytes((PARITY, 1, self.span))
        head = self.number.to_bytes(2, "big") + prefixed(self.primary) + recovery
        return b"".join((head, _length_octets(len(strings)), *map(prefixed, strings)))


def prefixed(octets: bytes) -> bytes:
    """``octets`` with their length in front. Raises UdptlError above 16383 octets."""
    return _length_octets(len(octets)) + octets


def _length_octets(length: int) -> bytes:
    if length < 0x80:
        return _LENGTHS[length]
    if length < 0x4000:
        return (0x8000 | length).to_bytes(2, "big")
    raise UdptlError(f"{length} octets are more than a datagram carries")


def _length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise UdptlError("the datagram ends before a length")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    if first >= 0xC0 or at + 1 >= len(data):
        raise UdptlError("a length in the datagram is unreadable")
    return (first & 0x3F) << 8 | data[at + 1], at + 2


def _open_type(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _length(data, at)
    end = at + length
    if end > len(data):
        raise UdptlError("the datagram ends inside a packet")
    return data[at:end], end


class UdptlSender:
    """Numbers packets from 0 and sends the last ``redundancy`` of them along with each.

    ``redundancy`` is 0 to 127 copies; ``max_datagram`` the octets that no datagram exceeds: copies give way.
    """

    def __init__(self, redundancy: int, max_datagram: int) -> None:
        if not 0 <= redundancy < 0x80:
            raise UdptlError(f"{redundancy} copies are not possible, 0 to 127 are")
        self.max_datagram = max_datagram
        self.number = 0
        """Of the next datagram."""
        self._copies: deque[bytes] = deque(maxlen=redundancy)

    def wrap(self, ifp: bytes) -> bytes:
        """The next datagram. Raises UdptlError when ``ifp`` alone is too long for ``max_datagram``."""
        primary = prefixed(ifp)
        number = self.number
        copies = self._copies
        room = self.max_datagram - len(primary) - 4
        if room < 0:
            raise UdptlError(f"{len(ifp)} octets do not fit a datagram of {self.max_datagram}")
        if sum(map(len, copies)) <= room:
            parts = (number.to_bytes(2, "big"), primary, b"\0", _LENGTHS[len(copies)], *copies)
        else:
            kept: list[bytes] = []
            for copy in copies:
                room -= len(copy)
                if room < 0:
                    break
                kept.append(copy)
            parts = (number.to_bytes(2, "big"), primary, b"\0", _LENGTHS[len(kept)], *kept)
        copies.appendleft(primary)
        self.number = number + 1 & 0xFFFF
        return b"".join(parts)


class ParitySender:
    """Numbers packets from 0 and sends ``strings`` parity strings over ``span`` packets each.

    ``strings`` is 1 to 5, as others drop datagrams with more, ``span`` 1 to 127. The first datagrams carry no
    parity, as there is nothing yet to make it of; nor does one that would exceed ``max_datagram`` octets.
    """

    def __init__(self, strings: int, span: int, max_datagram: int) -> None:
        if not (1 <= strings <= 5 and 1 <= span < 0x80):
            raise UdptlError(f"{strings} strings over {span} packets are not possible: 1 to 5 over 1 to 127")
        self.max_datagram = max_datagram
        self.number = 0
        """Of the next datagram."""
        self._strings = strings
        self._span = span
        self._primaries: deque[bytes] = deque(maxlen=strings * span)

    def wrap(self, ifp: bytes) -> bytes:
        """The next datagram. Raises UdptlError when ``ifp`` alone is too long for ``max_datagram``."""
        parity: tuple[bytes, ...] = ()
        primaries = list(self._primaries)
        if len(primaries) == self._strings * self._span:
            parity = tuple(xor(primaries[string :: self._strings]) for string in range(self._strings))
        datagram = bytes(Datagram(self.number, ifp, parity=parity or None, span=self._span))
        if len(datagram) > self.max_datagram:
            datagram = bytes(Datagram(self.number, ifp))
        if len(datagram) > self.max_datagram:
            raise UdptlError(f"{len(ifp)} octets do not fit a datagram of {self.max_datagram}")
        self._primaries.append(ifp)
        self.number = self.number + 1 & 0xFFFF
        return datagram


def xor(strings: Sequence[bytes]) -> bytes:
    """Their exclusive or, the shorter ones filled with zero octets."""
    size = max(map(len, strings))
    value = 0
    for string in strings:
        value ^= int.from_bytes(string.ljust(size, b"\0"), "big")
    return value.to_bytes(size, "big")


@dataclass(slots=True)
class Counters:
    """What became of the packets of the far end."""

    received: int = 0
    """Datagrams that brought something new."""
    recovered: int = 0
    """Packets whose datagram was lost, taken from a later one."""
    lost: int = 0
    """Packets that never came, nor a copy of them in time."""
    duplicates: int = 0
    """Datagrams whose packet was there already, from a copy of it for one."""
    late: int = 0
    """Datagrams that came when their packet had been given up."""
    malformed: int = 0
    """Datagrams, and IFP packets in them, that could not be read."""

"""UDPTL: IFP packets in UDP datagrams, with protection against loss (T.38 clause 9).

A datagram is a 16-bit number, one IFP packet (the primary), and error recovery for the packets before it:
copies of them, newest first, or parity strings over them::

    number (2)   length, primary   0x00   count, then length, IFP for number-1, number-2, ...
                                   0x80   0x01 span   count, then length, parity string ...

Parity string *m* of *E* over span *S* in datagram *n* is the XOR of the primaries n+m-S·E, n+m-S·E+E, ... up
to n+m-E, the shorter ones padded with zero octets. ``t38fsp.t38.receiving`` is the receiving side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from t38fsp.t38.packet_lane import CONTROL, REPEAT

# PER writes the choice of the error recovery as one bit, and fills up its octet.
SECONDARIES = 0x00
PARITY = 0x80
# Asterisk drops a whole datagram with more strings than this, and so does FreeSWITCH since 2026.
MOST_STRINGS = 5
_MOST_RECOVERED = 127
"""Upper bound for copies or parity strings in a datagram; known senders have at most ten, and each costs
time."""

_LENGTHS = tuple(bytes((n,)) for n in range(0x80))


class UdptlError(ValueError):
    """The octets are not a UDPTL datagram, or an IFP packet does not fit into one."""


class OddTailError(UdptlError):
    """The primary can be read, but not what follows it; ``datagram`` contains what can be read."""

    def __init__(self, message: str, datagram: Datagram) -> None:
        super().__init__(message)
        self.datagram = datagram


@dataclass(frozen=True, slots=True)
class Datagram:
    """A parsed datagram: ``secondaries``, newest first, or ``parity`` strings over ``span`` if not None."""

    number: int
    primary: bytes
    secondaries: tuple[bytes, ...] = ()
    parity: tuple[bytes, ...] | None = None
    span: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Datagram:
        """Raises UdptlError when ``data`` is cut short, is malformed, or continues after its end.

        If the fault is after the primary, that is an OddTailError.
        """
        primary, at = _open_type(data, 2)
        number = data[0] << 8 | data[1]
        try:
            kind, span, strings, at = _recovery(data, at)
        except UdptlError as error:
            raise OddTailError(str(error), cls(number, primary)) from None
        if kind == PARITY:
            datagram = cls(number, primary, parity=strings, span=span)
        else:
            datagram = cls(number, primary, strings)
        if at != len(data):
            raise OddTailError(f"{len(data) - at} octets too many after the datagram", datagram)
        return datagram

    def __bytes__(self) -> bytes:
        if self.parity is None:
            strings, recovery = self.secondaries, bytes((SECONDARIES,))
        else:
            strings, recovery = self.parity, bytes((PARITY, 1, self.span))
        head = self.number.to_bytes(2, "big") + prefixed(self.primary) + recovery
        return b"".join((head, _length_octets(len(strings)), *map(prefixed, strings)))


def _recovery(data: bytes, at: int) -> tuple[int, int, tuple[bytes, ...], int]:
    """Kind, span and strings of the error recovery, and where it ends."""
    if at >= len(data):
        raise UdptlError("the datagram ends before its error recovery")
    kind = data[at]
    span = 0
    if kind == PARITY:
        # fec-npackets is an unconstrained INTEGER: PER writes a length octet before the value. 1 is the only
        # length that a span below 128 can have.
        if data[at + 1 : at + 2] != b"\x01" or at + 2 >= len(data):
            raise UdptlError("the span of the parity strings is unreadable")
        span = data[at + 2]
        at += 2
    elif kind != SECONDARIES:
        raise UdptlError(f"unknown error recovery {kind:#04x}")
    count, at = _length(data, at + 1)
    if count > _MOST_RECOVERED:
        raise UdptlError(
            f"{count} copies or parity strings in a datagram; at most {_MOST_RECOVERED} are read"
        )
    strings = []
    for _ in range(count):
        string, at = _open_type(data, at)
        strings.append(string)
    return kind, span, tuple(strings), at


def prefixed(octets: bytes) -> bytes:
    """``octets`` with a length prefix. Raises UdptlError above 16383 octets."""
    return _length_octets(len(octets)) + octets


def unprefixed(octets: bytes) -> bytes:
    """``octets`` without the length prefix of :func:`prefixed`."""
    return octets[1:] if octets[0] < 0x80 else octets[2:]


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
    # PER length determinant (X.691): one octet below 128, two below 16384; no datagram needs fragments.
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


CONTROL_COPIES = 5
"""Copies of control data (``t38fsp.t38.packet_lane``), which are few and short, and whose loss ends a
call."""


class UdptlSender:
    """Numbers packets from 0, and repeats each in the datagrams after it.

    The next ``redundancy`` datagrams contain a copy of a packet, for control data the next ``control``, both
    0 to 127; the copies in a datagram are of the packets just before it, without a gap. No datagram exceeds
    ``max_datagram`` octets: the oldest copies are omitted.
    """

    def __init__(self, redundancy: int, max_datagram: int, *, control: int | None = None) -> None:
        self._image_reach = redundancy
        self._control_reach = redundancy if control is None else control
        for copies in (self._image_reach, self._control_reach):
            if not 0 <= copies < 0x80:
                raise UdptlError(f"{copies} copies are not possible; use 0 to 127")
        self.max_datagram = max_datagram
        self.number = 0
        """Number of the next datagram."""
        self._last = b""
        self._most = max(self._image_reach, self._control_reach)
        self._recent: tuple[bytes, ...] = ()
        """Packets with length prefixes, newest first; ``_reaches`` is how many datagrams repeat each."""
        self._reaches: tuple[int, ...] = ()
        self._uniform = False
        """Only image data may still be repeated, so each datagram has the same number of copies."""
        self._recovery = b"\0" + _LENGTHS[self._image_reach]

    def wrap(self, ifp: bytes, *, control: bool = False) -> bytes:
        """The next datagram. Raises UdptlError when ``ifp`` alone is too long for ``max_datagram``."""
        return self.datagram(prefixed(ifp), CONTROL if control else 0)

    def datagram(self, octets: bytes, flags: int) -> bytes:
        """The next datagram, for a planned packet: ``octets`` include the length prefix."""
        if flags & REPEAT:
            return self._last
        if flags or not self._uniform:
            return self._mixed(octets, flags)
        number, recent = self.number, self._recent
        datagram = b"".join((number.to_bytes(2, "big"), octets, self._recovery, *recent))
        if len(datagram) > self.max_datagram:
            return self._mixed(octets, flags)
        self.number = number + 1 & 0xFFFF
        self._recent = (octets, *recent[:-1]) if recent else recent
        self._last = datagram
        return datagram

    def _mixed(self, octets: bytes, flags: int) -> bytes:
        """The general case: packets differ in the number of copies, or not all copies fit."""
        # Number (2), selector (1) and count (1).
        room = self.max_datagram - len(octets) - 4
        if room < 0:
            raise UdptlError(f"{len(octets)} octets do not fit a datagram of {self.max_datagram}")
        if self._uniform:
            self._reaches = (self._image_reach,) * len(self._recent)
        wanted = max((back for back, reach in enumerate(self._reaches, 1) if reach >= back), default=0)
        copies: list[bytes] = []
        # Copies are for number - 1, - 2, ... without a gap, so a copy that does not fit ends the list, and a
        # packet that needs no more copies is still written if an older one needs one.
        for copy in self._recent[:wanted]:
            room -= len(copy)
            if room < 0:
                break
            copies.append(copy)
        number = self.number
        self.number = number + 1 & 0xFFFF
        head = number.to_bytes(2, "big"), octets, b"\0", _LENGTHS[len(copies)]
        self._last = b"".join((*head, *copies))
        reach = self._control_reach if flags & CONTROL else self._image_reach
        self._recent = (octets, *self._recent)[: self._most]
        self._reaches = (reach, *self._reaches)[: self._most]
        self._uniform = len(self._reaches) == self._most and all(
            each == self._image_reach for each in self._reaches
        )
        if self._uniform:
            self._recent = self._recent[: self._image_reach]
        return self._last


class ParitySender:
    """Numbers packets from 0 and sends up to ``strings`` parity strings over ``span`` packets each.

    ``strings`` is 1 to 5, since some receivers drop datagrams with more, ``span`` 1 to 127. The first
    datagrams have fewer strings over fewer packets; the very first string is a copy. Strings are omitted when
    a datagram would exceed ``max_datagram`` octets.
    """

    def __init__(self, strings: int, span: int, max_datagram: int) -> None:
        if not (1 <= strings <= MOST_STRINGS and 1 <= span < 0x80):
            raise UdptlError(
                f"{strings} parity strings over {span} packets are not possible; "
                f"use 1 to {MOST_STRINGS} over 1 to 127"
            )
        self.max_datagram = max_datagram
        self.number = 0
        """Number of the next datagram."""
        self._last = b""
        self._strings = strings
        self._span = span
        self._primaries: deque[bytes] = deque(maxlen=strings * span)

    def wrap(self, ifp: bytes, *, control: bool = False) -> bytes:
        """The next datagram; control data get no additional protection.

        Raises UdptlError when ``ifp`` alone is too long for ``max_datagram``.
        """
        room = self.max_datagram - len(prefixed(ifp)) - 4
        if room < 0:
            raise UdptlError(f"{len(ifp)} octets do not fit a datagram of {self.max_datagram}")
        # Parity has two octets more than copies: the length and the value of the span.
        self._last = bytes(self._with_parity(ifp, room - 2))
        self._primaries.append(ifp)
        self.number = self.number + 1 & 0xFFFF
        return self._last

    def datagram(self, octets: bytes, flags: int) -> bytes:
        """The next datagram, for a planned packet: ``octets`` include the length prefix."""
        return self._last if flags & REPEAT else self.wrap(unprefixed(octets))

    def _with_parity(self, ifp: bytes, room: int) -> Datagram:
        known = list(self._primaries)
        # How parity begins is not specified: some senders take the packets before the first one for zero
        # octets, others send copies first. Fewer strings over the packets sent so far suit receivers of
        # both kinds.
        # T.38 annex C: the strings interleave, so that a burst of ``strings`` lost packets can be repaired.
        for strings in range(min(self._strings, len(known)), 0, -1):
            span = min(self._span, len(known) // strings)
            covered = known[len(known) - strings * span :]
            parity = tuple(xor(covered[first::strings]) for first in range(strings))
            if sum(len(prefixed(string)) for string in parity) <= room:
                return Datagram(self.number, ifp, parity=parity, span=span)
        return Datagram(self.number, ifp)


def xor(strings: Sequence[bytes]) -> bytes:
    """The exclusive or of ``strings``, the shorter ones padded with zero octets."""
    size = max(map(len, strings))
    value = 0
    for string in strings:
        value ^= int.from_bytes(string.ljust(size, b"\0"), "big")
    return value.to_bytes(size, "big")


@dataclass(slots=True)
class Counters:
    """Statistics of the packets received from the far end."""

    received: int = 0
    """Datagrams with a new packet."""
    recovered: int = 0
    """Packets whose datagram was lost, recovered from a later one."""
    lost: int = 0
    """Packets that arrived neither by themselves nor as a copy in time."""
    duplicates: int = 0
    """Datagrams whose packet had arrived already, for example as a copy."""
    late: int = 0
    """Datagrams that arrived after their packet had been given up."""
    malformed: int = 0
    """Datagrams, and IFP packets in them, that could not be read."""
    longest_burst: int = 0
    """Longest run of packets whose own datagrams did not arrive in time, recovered or not."""
    jitter: int = 0
    """Greatest mean deviation of data packets from the pace of their modem, in milliseconds."""

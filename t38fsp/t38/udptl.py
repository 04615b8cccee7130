"""UDPTL: IFP packets in UDP datagrams, with what it takes to survive loss (T.38 clause 9).

A datagram is a 16-bit number, one IFP packet (the primary), and help for the packets before it: copies of
them, newest first, or parity strings over them. We send copies and read both::

    number (2)   length, primary   0x00   count, then length, IFP for number-1, number-2, ...
                                   0x80   0x01 span   count, then length, parity string ...

Parity string *m* of *E* over span *S* in datagram *n* is the XOR of the primaries n+m-S·E, n+m-S·E+E, ... up
to n+m-E, the shorter ones filled with zero octets. Implementations in use give strings of the primaries
alone; a reading of annex C puts a 16-bit length before each primary. Repair recognises the latter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SECONDARIES = 0x00
PARITY = 0x80

WINDOW = 2000
LATE_WINDOW = 256
"""Numbers further ahead than the one or further behind than the other belong to a new stream."""

_PARITY_HISTORY = 128
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
    late: int = 0
    malformed: int = 0
    """Datagrams, and IFP packets in them, that could not be read."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One IFP packet in its turn. ``number`` counts on beyond FFFF; ``padded``: zero octets may follow it."""

    number: int
    ifp: bytes
    after_gap: bool = False
    """Packets just before this one are lost."""
    padded: bool = False


_NOTHING: list[Delivery] = []


class UdptlReceiver:
    """Puts packets in order, each once, with the lost ones restored as far as a datagram allows.

    The first number may be any. A jump beyond the windows starts a new stream when a second datagram confirms
    it, so that a stray datagram (RTP around the switch) does not.
    """

    def __init__(self, counters: Counters | None = None) -> None:
        self.counters = Counters() if counters is None else counters
        self._expected: int | None = None  # unwrapped
        self._stray: Delivery | None = None  # candidate for the start of a new stream
        self._last = b""
        self._history: dict[int, bytes] | None = None  # primaries by number, once parity was seen

    def receive(self, data: bytes) -> list[Delivery]:
        """What this datagram brings, oldest first; nothing for a repeated, late or malformed one."""
        expected = self._expected
        if expected is not None and len(data) > 4 and (data[0] << 8 | data[1]) == expected & 0xFFFF:
            # In order: the primary is all that is new; its frame is checked only as far as it goes.
            end = 3 + data[2]
            if data[2] < 0x80 and end < len(data) and data[end] == SECONDARIES and self._history is None:
                self._expected = expected + 1
                self.counters.received += 1
                self._stray = None
                self._last = ifp = data[3:end]
                return [Delivery(expected, ifp)] if ifp else _NOTHING.copy()
        try:
            datagram = Datagram.parse(data)
        except UdptlError:
            self.counters.malformed += 1
            return []
        return self._place(datagram)

    def _place(self, datagram: Datagram) -> list[Delivery]:
        if self._expected is None:
            self._expected = datagram.number
            return self._advance(datagram, datagram.number)
        distance = (datagram.number - self._expected + 0x8000 & 0xFFFF) - 0x8000
        if not -LATE_WINDOW <= distance <= WINDOW:
            return self._jump(datagram)
        if distance < 0:
            if distance == -1:
                self.counters.duplicates += 1
            else:
                self.counters.late += 1
            return []
        if self._skipped_zero(datagram, distance):
            self._expected += 1
            distance = 0
        self._stray = None
        return self._advance(datagram, self._expected + distance)

    def _skipped_zero(self, datagram: Datagram, distance: int) -> bool:
        """Some senders count from FFFF to 0001: their copy of 0000 is the packet before it."""
        return (
            distance == 1
            and datagram.number == 1
            and bool(datagram.secondaries)
            and datagram.secondaries[0] == self._last
        )

    def _jump(self, datagram: Datagram) -> list[Delivery]:
        stray = self._stray
        distance = -1 if stray is None else datagram.number - stray.number & 0xFFFF
        if stray is None or distance > WINDOW:
            self._stray = Delivery(datagram.number, datagram.primary, after_gap=True)
            self.counters.late += 1
            return []
        self._stray = None
        self._history = None
        self._expected = stray.number + 1
        self._last = stray.ifp
        deliveries = [stray] if stray.ifp else []
        if distance:
            return deliveries + self._advance(datagram, stray.number + distance)
        self.counters.received += 1
        return deliveries

    def _advance(self, datagram: Datagram, number: int) -> list[Delivery]:
        """Deliver everything from the expected number up to this one."""
        expected = self._expected if self._expected is not None else number
        deliveries: list[Delivery] = []
        if number > expected:
            restored = self._restore(datagram, number, expected)
            following = expected
            for lost in sorted(restored):
                ifp, padded = restored[lost]
                deliveries.append(Delivery(lost, ifp, after_gap=lost != following, padded=padded))
                following = lost + 1
            self.counters.recovered += len(restored)
            self.counters.lost += number - expected - len(restored)
            gap = following != number
        else:
            gap = False
        if datagram.primary:
            deliveries.append(Delivery(number, datagram.primary, after_gap=gap))
        self.counters.received += 1
        self._last = datagram.primary
        self._expected = number + 1
        self._remember(datagram, number)
        return deliveries

    def _restore(self, datagram: Datagram, number: int, expected: int) -> dict[int, tuple[bytes, bool]]:
        if datagram.parity is not None:
            return self._repair(datagram.parity, datagram.span, number, expected)
        return {
            number - 1 - i: (ifp, False)
            for i, ifp in enumerate(datagram.secondaries[: number - expected])
            if ifp
        }

    # --- parity ------------------------------------------------------------------------------------------

    def _remember(self, datagram: Datagram, number: int) -> None:
        if datagram.parity is not None and self._history is None:
            self._history = {}
        if self._history is not None:
            self._history[number] = datagram.primary
            while len(self._history) > _PARITY_HISTORY:
                del self._history[next(iter(self._history))]

    def _repair(
        self, parity: tuple[bytes, ...], span: int, number: int, expected: int
    ) -> dict[int, tuple[bytes, bool]]:
        restored: dict[int, tuple[bytes, bool]] = {}
        count = len(parity)
        if self._history is None or count * span > _PARITY_HISTORY:
            return restored
        for m, string in enumerate(parity):
            group = range(number + m - span * count, number, count)
            missing = [n for n in group if n not in self._history]
            if len(missing) != 1 or missing[0] < expected:
                continue
            known = [self._history[n] for n in group if n in self._history]
            ifp, padded = _repaired(string, known)
            if ifp:
                restored[missing[0]] = (ifp, padded)
                self._history[missing[0]] = ifp
        return restored


def _repaired(string: bytes, known: list[bytes]) -> tuple[bytes, bool]:
    """The one missing primary of a parity group, and whether zero octets may follow it."""
    counted = _xor(string, [len(ifp).to_bytes(2, "big") + ifp for ifp in known])
    length = int.from_bytes(counted[:2], "big")
    if 0 < length <= len(string) - 2 and not counted[2 + length :].strip(b"\0"):
        return counted[2 : 2 + length], False
    return _xor(string, known), True


def _xor(string: bytes, others: list[bytes]) -> bytes:
    size = max(map(len, [string, *others]))
    value = int.from_bytes(string.ljust(size, b"\0"), "big")
    for other in others:
        value ^= int.from_bytes(other.ljust(size, b"\0"), "big")
    return value.to_bytes(size, "big")

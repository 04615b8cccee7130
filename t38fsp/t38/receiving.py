"""Restores the packets of the far end: in order, each once, lost ones recovered where possible (T.38 clause
9).

A missing packet that later datagrams recover neither by a copy nor by parity may still be in transit: the
receiver waits for it, and holds back the packets after it. The wait is short, since it delays our responses;
if a packet arrives after the wait, the wait is increased to what that packet would have needed.

Parity strings of known implementations are the XOR of the primaries alone; another reading of annex C puts a
16-bit length before each primary. A group without losses shows which reading applies; nothing is repaired
before, since the wrong reading sometimes produces a packet that was never sent.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from t38fsp.t38.ifp import IfpError, Syntax, parse
from t38fsp.t38.udptl import SECONDARIES, Counters, Datagram, OddTailError, UdptlError, xor

# spandsp takes a jump of more than 2000 for a new stream, too.
WINDOW = 2000
LATE_WINDOW = 256
"""A number more than WINDOW ahead, or more than LATE_WINDOW late, belongs to a new stream."""

_AHEAD = 64
"""A number further ahead than this is accepted only once a second datagram near it confirms it."""

LEAST_WAIT = 0.1
MOST_WAIT = 1.0
"""Seconds to wait for a missing packet: initially, and at most, on a path with late packets."""

_RTP_VERSION = 2
"""The two highest bits of RTP (RFC 3550 5.1)."""
_LATENESS_MARGIN = 1.2
# An ECM block is 265 datagrams when its sender does not keep the pace of a modem: less would give up packets
# that are only late.
_MOST_HELD_BACK = 256
# Packets. Five strings over fifteen packets each, which is more than senders in the field use, need 75.
_PARITY_HISTORY = 128


@dataclass(frozen=True, slots=True)
class Delivery:
    """One IFP packet in its turn. ``number`` is unwrapped; ``padded``: zero octets may follow the packet."""

    number: int
    ifp: bytes
    after_gap: bool = False
    """Packets just before this one were lost."""
    padded: bool = False
    arrived: float | None = None
    """When its datagram arrived (seconds); None for a recovered packet."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A packet that arrived before its turn."""

    ifp: bytes
    since: float
    recovered: bool = False
    padded: bool = False


class UdptlReceiver:
    """Delivers packets in order, each once, and recovers lost ones from copies or parity.

    The first number may be any. A jump starts a new stream, or continues after a large gap, only if a second
    datagram confirms it: a stray datagram (RTP around the switch, or a stranger's) must not.
    """

    def __init__(self, counters: Counters | None = None) -> None:
        self.counters = Counters() if counters is None else counters
        self.wait = LEAST_WAIT
        """Seconds to wait for a missing packet at present."""
        self._expected: int | None = None  # unwrapped
        self._waiting: dict[int, _Waiting] = {}
        self._missed: OrderedDict[int, float] = (
            OrderedDict()
        )  # packets given up, and when each was first missed
        self._stray: Datagram | None = None  # candidate for the packet after a large gap, or for a new stream
        self._last = b""
        self._history: dict[int, bytes] | None = None  # primaries by number, once parity has been received
        self._lengths_covered: bool | None = None  # by parity; None until known
        self._run = 0  # consecutive packets whose own datagrams did not arrive

    # --- in ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[Delivery]:
        """Take a datagram; returns the packets that can be delivered now, oldest first."""
        # Once parity was seen each packet is kept for repairs, which the general path does.
        if self._history is None and (number := self.take_next(data)) is not None:
            return [Delivery(number, self._last, False, False, now)] if self._last else []
        try:
            datagram = Datagram.parse(data)
        except OddTailError as error:
            if not self._is_credible(error.datagram):
                self.counters.malformed += 1
                return []
            datagram = error.datagram
        except UdptlError:
            self.counters.malformed += 1
            return []
        return self._place(datagram, now)

    def take_next(self, data: bytes) -> int | None:
        """Take the datagram that is due next, while nothing is missing, and return its number; None for any
        other, which is ignored.

        The primary, ``data[2]`` octets from offset 3, counts as delivered. With parity it must be an IFP
        packet. The copies after it are not checked: they are of packets that have arrived already.
        """
        expected = self._expected
        if expected is None or self._waiting or len(data) <= 4:
            return None
        if (data[0] << 8 | data[1]) != expected & 0xFFFF:
            return None
        end = 3 + data[2]
        # A length above 127 takes two octets, which the general path reads.
        if end > 0x82 or end >= len(data):
            return None
        history = self._history
        if history is None:
            if data[end] != SECONDARIES:
                return None
            self._last = data[3:end]
        else:
            if self._lengths_covered is None:
                return None  # not known yet what parity covers
            self._last = history[expected] = data[3:end]
            if len(history) > _PARITY_HISTORY:
                del history[next(iter(history))]
        self._expected = expected + 1
        self.counters.received += 1
        self._stray = None
        self._run = 0
        return expected

    def _is_credible(self, datagram: Datagram) -> bool:
        """Whether a datagram with an odd tail is T.38: some senders write too many octets, or too few.

        RTP around the switch has its version where the number is, and its payload is not an IFP packet.
        """
        distance = self._distance(datagram.number)
        expected = distance is not None and -LATE_WINDOW <= distance <= _AHEAD
        return (expected or datagram.number >> 14 != _RTP_VERSION) and _is_ifp(datagram.primary)

    def _distance(self, number: int) -> int | None:
        """How far a number is ahead of the next one; None before the first."""
        if self._expected is None:
            return None
        return (number - self._expected + 0x8000 & 0xFFFF) - 0x8000

    def next_deadline(self) -> float | None:
        """When the wait for a missing packet is over; None if none is missing."""
        if not self._waiting:
            return None
        return min(waiting.since for waiting in self._waiting.values()) + self.wait

    def handle_deadline(self, now: float) -> list[Delivery]:
        """Give up missing packets whose wait is over; returns the packets that they held back."""
        deliveries: list[Delivery] = []
        while (due := self.next_deadline()) is not None and now >= due:
            deliveries += self._give_up()
        return deliveries

    # --- where a datagram belongs ------------------------------------------------------------------------

    def _place(self, datagram: Datagram, now: float) -> list[Delivery]:
        if self._expected is None:
            # Deliver the copies in the first datagram too: they were sent before we could receive.
            # Any first number is accepted: Cisco CUBE begins at 32768, and the first datagrams may have come
            # before our socket was open.
            self._expected = datagram.number - _known_copies(datagram)
            return self._take(datagram, datagram.number, now)
        # Unwraps: the signed distance modulo 65536. The expected number grows without bound.
        distance = (datagram.number - self._expected + 0x8000 & 0xFFFF) - 0x8000
        if not -LATE_WINDOW <= distance <= WINDOW:
            return self._jump(datagram, now)
        known = max(self._waiting, default=self._expected)
        # Compared with the furthest packet that waits, not with the one that is missing: a burst of losses
        # has moved the latter far back.
        if self._expected + distance - known > _AHEAD:
            stray = self._stray
            if stray is None or not self._confirms(datagram, stray):
                return self._set_aside(datagram)
            self._stray = None
            # It was counted as late when it was set aside; now it belongs to the stream.
            self.counters.late -= 1
            since = datagram.number - stray.number & 0xFFFF
            return self._take(stray, self._expected + distance - since, now) + self._place(datagram, now)
        self._stray = None
        number = self._expected + distance
        if distance < 0:
            self._note_late(number, now)
            return []
        if distance == 1 and datagram.number == 1 and self._goes_on(datagram, self._expected):
            # Some senders count from FFFF to 0001.
            self._expected += 1
            if self._history is not None:
                self._history = {before + 1: ifp for before, ifp in self._history.items()}
        return self._take(datagram, number, now)

    def _note_late(self, number: int, now: float) -> None:
        """A packet whose turn is over: a repetition, or one for which the wait was too short."""
        missed = self._missed.pop(number, None)
        if missed is None:
            self.counters.duplicates += 1
            return
        self.counters.late += 1
        # The wait only grows: a path that delayed one packet delays others, and a second of waiting is well
        # below T4.
        needed = (now - missed) * _LATENESS_MARGIN
        self.wait = min(max(self.wait, needed), MOST_WAIT)

    def _goes_on(self, datagram: Datagram, expected: int) -> bool:
        """Whether this datagram follows the last one delivered, whatever its number.

        If so, it contains a copy of that one, or parity over it and those before it.
        """
        if self._waiting:
            return False
        # A copy of the packet that we delivered last proves that nothing lies between.
        if datagram.parity is None:
            return bool(datagram.secondaries) and datagram.secondaries[0] == self._last
        strings = len(datagram.parity)
        history = self._history or {}
        if strings * datagram.span > _PARITY_HISTORY:
            return False
        recent = [history.get(number) for number in range(expected - strings * datagram.span, expected)]
        known = [ifp for ifp in recent if ifp is not None]
        return 0 < len(known) == len(recent) and all(
            _is_parity(string, known[m::strings]) for m, string in enumerate(datagram.parity)
        )

    def _jump(self, datagram: Datagram, now: float) -> list[Delivery]:
        if self._expected is not None and self._goes_on(datagram, self._expected):
            # The stream is the same; only its numbering has restarted.
            ahead = datagram.number - self._expected
            if self._history is not None:
                self._history = {before + ahead: ifp for before, ifp in self._history.items()}
            self._missed.clear()
            self._stray = None
            self._expected = datagram.number
            return self._take(datagram, datagram.number, now)
        stray = self._stray
        if stray is None or not self._confirms(datagram, stray):
            return self._set_aside(datagram)
        deliveries: list[Delivery] = []
        while self._waiting:
            deliveries += self._give_up()
        number, ifp = stray.number, stray.primary
        distance = datagram.number - number & 0xFFFF
        self._stray = None
        self._history = None
        self._missed.clear()
        self._expected = number + 1
        self._last = ifp
        if ifp:
            deliveries.append(Delivery(number, ifp, after_gap=True))
        if distance:
            return deliveries + self._take(datagram, number + distance, now)
        self.counters.received += 1
        return deliveries

    def _confirms(self, datagram: Datagram, stray: Datagram) -> bool:
        """Whether it follows a stray datagram closely, as two unrelated datagrams hardly would."""
        return datagram.number - stray.number & 0xFFFF <= _AHEAD

    def _set_aside(self, datagram: Datagram) -> list[Delivery]:
        self._stray = datagram
        self.counters.late += 1
        return []

    # --- the contents of a datagram ------------------------------------------------------------------------

    def _take(self, datagram: Datagram, number: int, now: float) -> list[Delivery]:
        expected = self._expected if self._expected is not None else number
        if number in self._waiting:
            self.counters.duplicates += 1
        else:
            self._waiting[number] = _Waiting(datagram.primary, now)
            self.counters.received += 1
        restored = self._restore(datagram, number, expected)
        self.counters.recovered += len(restored)
        for lost, (ifp, padded) in restored.items():
            self._waiting[lost] = _Waiting(ifp, now, True, padded)
        self._remember(datagram, number)
        deliveries = self._in_turn(expected)
        while len(self._waiting) > _MOST_HELD_BACK:
            deliveries += self._give_up()
        return deliveries + self.handle_deadline(now)

    def _in_turn(self, expected: int, *, after_gap: bool = False) -> list[Delivery]:
        """Deliver from ``expected`` on, up to the next missing packet."""
        deliveries: list[Delivery] = []
        while (waiting := self._waiting.pop(expected, None)) is not None:
            self._count_run(missing=waiting.recovered)
            if waiting.ifp:
                arrived = None if waiting.recovered else waiting.since
                deliveries.append(Delivery(expected, waiting.ifp, after_gap, waiting.padded, arrived))
                after_gap = False
            self._last = waiting.ifp
            expected += 1
        self._expected = expected
        return deliveries

    def _give_up(self) -> list[Delivery]:
        """Continue after the first gap."""
        following = min(self._waiting)
        missed = min(waiting.since for waiting in self._waiting.values())
        for number in range(self._expected if self._expected is not None else following, following):
            # Nothing is delivered for it; the next packet has ``after_gap``, so that a frame across the gap
            # is not taken as whole.
            self.counters.lost += 1
            self._count_run(missing=True)
            self._missed[number] = missed
        while len(self._missed) > LATE_WINDOW:
            self._missed.popitem(last=False)
        return self._in_turn(following, after_gap=True)

    def _count_run(self, *, missing: bool) -> None:
        self._run = self._run + 1 if missing else 0
        self.counters.longest_burst = max(self.counters.longest_burst, self._run)

    def _restore(self, datagram: Datagram, number: int, expected: int) -> dict[int, tuple[bytes, bool]]:
        if datagram.parity is not None:
            return self._repair(datagram.parity, datagram.span, number, expected)
        return {
            number - 1 - i: (ifp, False)
            for i, ifp in enumerate(datagram.secondaries[: number - expected])
            if ifp and number - 1 - i not in self._waiting
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
        groups = [range(number + m - span * count, number, count) for m in range(count)]
        if self._lengths_covered is None:
            self._learn(parity, groups, self._history)
        if self._lengths_covered is None:
            return restored
        for string, group in zip(parity, groups, strict=True):
            missing = [n for n in group if n not in self._history]
            if len(missing) != 1 or missing[0] < expected or missing[0] in self._waiting:
                continue
            # See ``_place``: some count from FFFF to 0001.
            zero = number & ~0xFFFF
            if group[0] <= zero and zero not in self._history:
                continue  # the sender may skip number 0000, which would make another group
            known = [self._history[n] for n in group if n in self._history]
            ifp, padded = _repaired(string, known, lengths_covered=self._lengths_covered)
            if ifp:
                restored[missing[0]] = (ifp, padded)
                self._history[missing[0]] = ifp
        return restored

    def _learn(self, parity: tuple[bytes, ...], groups: list[range], history: dict[int, bytes]) -> None:
        """Learn from complete groups whether parity covers the lengths of packets."""
        for string, group in zip(parity, groups, strict=True):
            known = [history[n] for n in group if n in history]
            if 0 < len(known) == len(group):
                # Only a group for which the two readings differ decides; packets of equal length may give the
                # same string for both.
                plain, counted = _readings(known)
                if (string.rstrip(b"\0") == plain) is not (string.rstrip(b"\0") == counted):
                    self._lengths_covered = string.rstrip(b"\0") == counted


def _is_ifp(octets: bytes) -> bool:
    for syntax in Syntax:
        try:
            parse(octets, syntax)
        except IfpError:
            continue
        return True
    return False


def _known_copies(datagram: Datagram) -> int:
    """Number of consecutive copies, newest first, that are not empty."""
    for count, ifp in enumerate(datagram.secondaries):
        if not ifp:
            return count
    return len(datagram.secondaries)


def _is_parity(string: bytes, primaries: list[bytes]) -> bool:
    """Whether this is the parity of exactly these; zero octets at the end are ignored."""
    return string.rstrip(b"\0") in _readings(primaries)


def _readings(primaries: list[bytes]) -> tuple[bytes, bytes]:
    """Parity of these, plain and with their lengths, without zero octets at the end."""
    plain, counted = xor(primaries), xor([_counted(ifp) for ifp in primaries])
    return plain.rstrip(b"\0"), counted.rstrip(b"\0")


def _counted(ifp: bytes) -> bytes:
    return len(ifp).to_bytes(2, "big") + ifp


def _repaired(string: bytes, known: list[bytes], *, lengths_covered: bool) -> tuple[bytes, bool]:
    """The missing primary of a parity group (empty if the repair fails), and whether zero octets may follow
    it."""
    if not lengths_covered:
        return xor([string, *known]), True
    counted = xor([string, *map(_counted, known)])
    length = int.from_bytes(counted[:2], "big")
    if length > len(string) - 2 or counted[2 + length :].strip(b"\0"):
        return b"", False
    return counted[2 : 2 + length], False

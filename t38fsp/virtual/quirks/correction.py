"""Quirks of how lost datagrams can be made good: copies and parity."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from t38fsp.t38.udptl import Datagram, xor
from t38fsp.virtual.hooks import Gateway, Habits, Quirk, check


@dataclass(frozen=True, slots=True)
class Redundancy(Quirk):
    """Sends 0 to 7 earlier packets along with each, whatever was negotiated.

    With 0 every lost datagram is lost for good; many gateways accept redundancy and do not use it.
    """

    copies: int = 0
    name: ClassVar[str] = "redundancy"
    excludes: ClassVar[frozenset[str]] = frozenset({"fec"})

    def __post_init__(self) -> None:
        check(0 <= self.copies <= 7, self.name, "0 to 7 earlier packets")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, redundancy=self.copies)


@dataclass(frozen=True, slots=True)
class Parity(Quirk):
    """Sends parity (FEC) instead of copies, whatever was negotiated: ``strings`` over ``span`` packets each.

    An endpoint that reads copies only drops each datagram as malformed, or recovers nothing.
    """

    strings: int = 3
    span: int = 3
    name: ClassVar[str] = "fec"

    def __post_init__(self) -> None:
        check(1 <= self.strings <= 5 and 1 <= self.span <= 20, self.name, "1 to 5 strings over 1 to 20")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, parity=(self.strings, self.span))


# The soft-switch T.38 manual, chapter 7: accept either, and both in one stream.
@dataclass(frozen=True, slots=True)
class MixedCorrection(Quirk):
    """Protects every second datagram with parity (FEC), and the others with copies.

    An endpoint that has settled on one of the two drops half of what comes, or recovers nothing from it.
    """

    name: ClassVar[str] = "mixed-correction"
    excludes: ClassVar[frozenset[str]] = frozenset({"fec", "empty-copies"})

    def stage(self, gateway: Gateway) -> Quirk:
        return _Mixes()


class _Mixes(Quirk):
    def __init__(self) -> None:
        self._behind: deque[Datagram] = deque(maxlen=3)
        self._made = b""

    def datagram_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        read = Datagram.parse(datagram)
        # The same number again is a copy of the datagram before, and goes as that did.
        if not self._behind or read.number != self._behind[-1].number:
            numbers = [each.number for each in self._behind]
            follows = numbers == [read.number - distance for distance in (3, 2, 1)]
            self._made = datagram
            # Parity over numbers that are not consecutive would be that of other packets.
            if follows and read.number % 2:
                parity = xor([each.primary for each in self._behind])
                self._made = bytes(Datagram(read.number, read.primary, parity=(parity,), span=3))
                gateway.note(MixedCorrection.name)
            self._behind.append(read)
        return (self._made,)


# Asterisk has to ignore them itself: they stand for packets that it does not have any more.
@dataclass(frozen=True, slots=True)
class EmptyCopies(Quirk):
    """Puts empty secondaries after each packet (Asterisk, mainly at the start).

    An endpoint that delivers them acts on packets that do not exist, or drops the datagram.
    """

    name: ClassVar[str] = "empty-copies"
    excludes: ClassVar[frozenset[str]] = frozenset({"fec"})

    def datagram_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        read = Datagram.parse(datagram)
        if read.parity is None:
            # One at least, as the packets at the start have none to be emptied.
            read = replace(read, secondaries=tuple(b"" for _ in read.secondaries) or (b"",))
        return (bytes(read),)


@dataclass(frozen=True, slots=True)
class Copies(Quirk):
    """Sends indicators and ends of bursts 1 to 4 times; with 1 a lost one is recovered too late.

    An endpoint that needs the indicator misses the burst: the next packet, which brings its copy, is a second
    away.
    """

    copies: int = 1
    name: ClassVar[str] = "copies"

    def __post_init__(self) -> None:
        check(1 <= self.copies <= 4, self.name, "1 to 4")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, timing=replace(habits.timing, copies=self.copies))


QUIRKS: tuple[type[Quirk], ...] = (
    Redundancy,
    Parity,
    MixedCorrection,
    EmptyCopies,
    Copies,
)

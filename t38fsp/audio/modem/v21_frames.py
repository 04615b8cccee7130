"""The frames in the bits of V.21 (HDLC, T.30 5.3), of which some may be missing.

A packet of audio that was lost takes seven bits of V.21 with it, and it is known which. The check sequence of
a frame has 16 bits: so all values of the missing bits are tried, and the frame is the one that fits. If there
is other damage, too, one frame in 500 fits by chance.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterator
from itertools import product

from sip.frozen import dataclass

_FLAG = "01111110"
_FLAG_ONES = 6
_FLAG_BITS = 8
_GOOD = 0x1D0F
"""The remainder of octets and FCS (ISO 13239)."""
_ADDRESS = b"\xff"
_CONTROL = (0xC0, 0xC8)
"""T.30 5.3.5: not final, final."""
_LEAST_BITS = 8 * 5
"""Address, control, facsimile control field, FCS."""
_MOST_BITS = 8 * 300
_MOST_MISSING = 9
"""Bits; of more the check sequence would not say which values they had."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Octets without the FCS, the first bit of each highest; ``good`` if the FCS fits."""

    octets: bytes
    good: bool


class V21Frames:
    """Takes bits, gives frames. ``up`` once ``least_flags`` came one after the other: noise has no more."""

    def __init__(self, least_flags: int) -> None:
        self._least_flags = least_flags
        self._flags = 0
        self.up = False
        self._bits = bytearray()
        """Since the last flag, as digits."""
        self._missing: list[int] = []
        """Places of those that are not known."""
        self._ones = 0

    def receive(self, bits: bytes, *, missing: bool = False) -> list[Frame]:
        """Take bits (an octet each, 0 or 1), ``missing`` if it is unknown what was sent; the frames that they
        end."""
        frames: list[Frame] = []
        for bit in bits:
            if missing:
                self._missing.append(len(self._bits))
            self._bits.append(0x30 | bit)
            if bit:
                self._ones += 1
                continue
            if self._ones == _FLAG_ONES:
                self._on_flag(frames)
            self._ones = 0
        if len(self._bits) > _MOST_BITS:
            self._begin()
        return frames

    def _on_flag(self, frames: list[Frame]) -> None:
        body = self._bits[:-_FLAG_BITS].decode("ascii")
        if len(body) < _LEAST_BITS:
            # Flags may share a zero, so up to one bit fewer than a flag; noise between two is none.
            self._flags = self._flags + 1 if len(self._bits) <= _FLAG_BITS else 1
            self.up = self.up or self._flags >= self._least_flags
        elif self.up:
            frames.append(_read(body, [at for at in self._missing if at < len(body)]))
        self._begin()

    def _begin(self) -> None:
        self._bits.clear()
        self._missing.clear()


def _read(body: str, missing: list[int]) -> Frame:
    found = _octets(body)
    if (found is None or not _fits(found)) and 0 < len(missing) <= _MOST_MISSING:
        repaired = (_repaired(part, left) for part, left in _parts(body, missing))
        found = next((octets for octets in repaired if octets is not None), found)
    if found is None:
        return Frame(b"", False)
    return Frame(found[:-2], _fits(found))


def _parts(body: str, missing: list[int]) -> Iterator[tuple[str, list[int]]]:
    """What may be the frame: all of it; what is before or after a flag that the missing bits have hidden."""
    yield body, missing
    unknown = frozenset(missing)
    for at in range(max(missing[0] - _FLAG_BITS + 1, 0), min(missing[-1], len(body) - _FLAG_BITS) + 1):
        if all(at + place in unknown or body[at + place] == bit for place, bit in enumerate(_FLAG)):
            after = at + _FLAG_BITS
            yield body[:at], [place for place in missing if place < at]
            yield body[after:], [place - after for place in missing if place >= after]


def _repaired(body: str, missing: list[int]) -> bytes | None:
    """The octets with values of the missing bits that the check sequence fits."""
    digits = list(body)
    for values in product("01", repeat=len(missing)):
        for at, value in zip(missing, values, strict=True):
            digits[at] = value
        found = _octets("".join(digits))
        if found is not None and found[:1] == _ADDRESS and found[1] in _CONTROL and _fits(found):
            return found
    return None


def _octets(body: str) -> bytes | None:
    """The octets of a frame; None if it is none: six ones, or a part of an octet."""
    if "111111" in body:
        return None
    bits = body.replace("111110", "11111")  # a zero after five ones is stuffed (ISO 13239 4.3.2)
    if len(bits) % 8 or len(bits) < _LEAST_BITS:
        return None
    return int(bits, 2).to_bytes(len(bits) // 8)


def _fits(octets: bytes) -> bool:
    return crc_hqx(octets, 0xFFFF) == _GOOD

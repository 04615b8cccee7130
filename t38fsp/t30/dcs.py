"""The information field of DIS, DTC and DCS (T.30 table 2): numbered bits with names.

Bit 1 is transmitted first. Bits 24, 32, 40 and so on are extension bits: another octet follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from t38fsp.t30.frames import FrameError

_LEAST_OCTETS = 3
_MOST_OCTETS = 64
"""No edition of table 2 exceeds 20 octets; a field longer than this is noise."""


class Bit(IntEnum):
    """Bits of table 2. Where DIS and DCS differ in meaning, the name is the DIS's."""

    STORE_AND_FORWARD = 1
    T38 = 3
    MOBILE_3G = 4
    V8 = 6
    FRAMES_64_PREFERRED = 7
    DOCUMENT_TO_POLL = 9
    RECEIVES = 10
    # In a DIS these four together name a set of modulations, in a DCS one modem.
    RATE_1 = 11
    RATE_2 = 12
    RATE_3 = 13
    RATE_4 = 14
    FINE = 15
    MR = 16
    WIDTH_1 = 17
    WIDTH_2 = 18
    LENGTH_1 = 19
    LENGTH_2 = 20
    SCAN_TIME_1 = 21
    SCAN_TIME_2 = 22
    SCAN_TIME_3 = 23
    UNCOMPRESSED = 26
    ECM = 27
    FRAMES_64 = 28
    MMR = 31
    FIELD_NOT_VALID = 33
    MULTIPLE_SELECTIVE_POLLING = 34
    POLLED_SUBADDRESS = 35
    T43 = 36
    PLANE_INTERLEAVE = 37
    G726 = 38
    SUPERFINE_R8 = 41
    INCH_300 = 42
    SUPERFINE_R16 = 43
    # In a DIS which unit of resolution is preferred; a DCS chooses by bit 44 alone.
    INCH = 44
    METRIC = 45
    HALF_TIME_AT_SUPERFINE = 46
    SELECTIVE_POLLING = 47
    # In a DIS these two permit SUB and SID; in a DCS they say that these were sent.
    SUBADDRESS = 49
    PASSWORD = 50
    DATA_FILE_TO_POLL = 51
    BINARY_FILE_TRANSFER = 53
    DOCUMENT_TRANSFER = 54
    EDIFACT_TRANSFER = 55
    BASIC_TRANSFER = 57
    MIXED_DOCUMENT_TO_POLL = 59
    CHARACTER_MODE = 60
    MIXED_MODE = 62
    PROCESSABLE_MODE_26 = 65
    DIGITAL_NETWORK = 66
    DUPLEX = 67
    JPEG = 68
    FULL_COLOUR = 69
    PREFERRED_HUFFMAN = 70
    TWELVE_BITS = 71
    NO_SUBSAMPLING = 73
    CUSTOM_ILLUMINANT = 74
    CUSTOM_GAMUT = 75
    LETTER = 76
    LEGAL = 77
    T85 = 78
    T85_L0 = 79
    HKM = 81
    RSA = 82
    OVERRIDE = 83
    HFX40 = 84
    ALTERNATIVE_CIPHER_2 = 85
    ALTERNATIVE_CIPHER_3 = 86
    HFX40_I = 87
    ALTERNATIVE_HASH_2 = 89
    ALTERNATIVE_HASH_3 = 90
    T44_MODE_1 = 92
    T44_MODE_2 = 93
    T44_MODE_3 = 94
    T44_LENGTH_STRIP = 95
    COLOUR_300_400 = 97
    COLOUR_100 = 98
    SIMPLE_PHASE_C_BFT = 99
    EXTENDED_BFT = 100
    INTERNET_SELECTIVE_POLLING = 101
    INTERNET_ROUTING = 102
    INCH_600 = 105
    INCH_1200 = 106
    INCH_300X600 = 107
    INCH_400X800 = 108
    INCH_600X1200 = 109
    COLOUR_600 = 110
    COLOUR_1200 = 111
    DUPLEX_ALTERNATE = 113
    DUPLEX_CONTINUOUS = 114
    MRC_BLACK_AND_WHITE = 115
    T45 = 116
    SHARED_MEMORY_1 = 117
    SHARED_MEMORY_2 = 118
    T44_COLOUR_SPACE = 119
    T38_FLOW_CONTROL = 121
    K_ABOVE_4 = 122
    INTERNET_AWARE = 123
    T88_1 = 124
    T88_2 = 125
    T88_3 = 126
    SYCC_JPEG = 127


_NAMED = {int(bit): bit for bit in Bit}


def _is_extension(bit: int) -> bool:
    # Bit 24 and every eighth bit after it are extension bits (table 2).
    return bit >= 24 and bit % 8 == 0


@dataclass(frozen=True, slots=True)
class BitField:
    """The set bits of a DIS, DTC or DCS, without the extension bits, which follow from its length.

    Bits that table 2 does not name are kept, for display.
    """

    bits: frozenset[int] = frozenset()

    @classmethod
    def of(cls, bits: Iterable[int]) -> Self:
        return cls(frozenset(int(bit) for bit in bits))

    @classmethod
    def parse(cls, fif: bytes) -> Self:
        """Parse the field; absent octets count as zero, whatever the extension bits.

        Raises:
            FrameError: shorter than 3 octets or longer than 64.
        """
        if not _LEAST_OCTETS <= len(fif) <= _MOST_OCTETS:
            raise FrameError(
                f"DIS, DTC and DCS carry {_LEAST_OCTETS} to {_MOST_OCTETS} octets, not {len(fif)}"
            )
        # The length of the frame counts: an extension bit that is wrong then does no harm.
        return cls(frozenset(_set_bits(fif)))

    def __bytes__(self) -> bytes:
        length = max(_LEAST_OCTETS, (max(self.bits, default=0) + 7) // 8)
        octets = bytearray(length)
        # Each octet but the last says with its last bit that another one follows; the first two
        # have no such bit.
        extensions = range(24, 8 * length, 8)
        for bit in (*self.bits, *extensions):
            # Bit 1 is transmitted first, which in T.38 is the highest bit of the first octet.
            octets[(bit - 1) >> 3] |= 0x80 >> ((bit - 1) & 7)
        return bytes(octets)

    def __contains__(self, bit: int) -> bool:
        return bit in self.bits

    def number(self, first: int, last: int) -> str:
        """The bits first to last in the order of table 2, such as ``"0001"`` for bits 11 to 14."""
        return "".join("1" if bit in self.bits else "0" for bit in range(first, last + 1))

    def replacing(self, first: int, values: str) -> BitField:
        """The same field with these values from bit ``first`` on."""
        span = range(first, first + len(values))
        return BitField((self.bits - set(span)) | pattern(first, values))

    def names(self) -> list[str]:
        """Names of the set bits; unnamed ones by number."""
        return [_NAMED[bit].name if bit in _NAMED else f"bit {bit}" for bit in sorted(self.bits)]


def pattern(first: int, values: str) -> frozenset[int]:
    """The bits set by values such as ``"0001"`` that begin at bit ``first``."""
    return frozenset(first + offset for offset, value in enumerate(values) if value == "1")


def _set_bits(fif: bytes) -> Iterator[int]:
    for bit in range(1, 8 * len(fif) + 1):
        if fif[(bit - 1) >> 3] & (0x80 >> ((bit - 1) & 7)) and not _is_extension(bit):
            yield bit

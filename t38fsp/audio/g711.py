"""G.711: PCMU (mu-law) and PCMA (A-law) to and from 16-bit linear samples, by tables.

Linear samples fill 16 bits as in every sound interface: a sine of full amplitude is +3.17 dBm0 in mu-law and
+3.14 dBm0 in A-law.
"""

from __future__ import annotations

import sys
from array import array
from enum import Enum
from functools import cache

SAMPLE_RATE = 8000
"""Hz."""


class Law(Enum):
    """The two companding laws; the value is the encoding name of RFC 3551."""

    PCMU = "PCMU"
    PCMA = "PCMA"

    @property
    def silence(self) -> int:
        """The octet of a zero sample."""
        return _SILENCE[self]


_SILENCE = {Law.PCMU: 0xFF, Law.PCMA: 0xD5}


def _mu_law_value(octet: int) -> int:
    """G.711 table 2, scaled to 16 bits: all octets are sent inverted, and 132 is the bias of the segments."""
    octet ^= 0xFF
    magnitude = ((((octet & 0x0F) << 3) + 132) << ((octet >> 4) & 7)) - 132
    return -magnitude if octet & 0x80 else magnitude


def _a_law_value(octet: int) -> int:
    """G.711 table 1, scaled to 16 bits: even bits are sent inverted, and a set sign bit is positive."""
    octet ^= 0x55
    segment = (octet >> 4) & 7
    magnitude = ((octet & 0x0F) << 4) + 8
    if segment:
        magnitude = (magnitude + 256) << (segment - 1)
    return magnitude if octet & 0x80 else -magnitude


def _mu_law_codes() -> bytes:
    """Octets of the magnitudes 0..32767: in segment s, one for each 2^(s+3) magnitudes, after the bias."""
    codes = b"".join(bytes([0xFF ^ code]) * (8 << (code >> 4)) for code in range(128))
    # The first interval of G.711 is only half as wide, and the last reaches up to full scale.
    codes = codes[132 - 128 :]
    return codes + codes[-1:] * (32768 - len(codes))


def _a_law_codes() -> bytes:
    """Octets of the magnitudes 0..32767: 16 for each in segments 0 and 1, then twice as many each time."""
    return b"".join(bytes([0xD5 ^ code]) * (16 << max((code >> 4) - 1, 0)) for code in range(128))


class _Codec:
    """Tables of one law. ``octets`` is indexed by the sample; negative ones count from its end."""

    __slots__ = ("octets", "values")

    def __init__(self, values: list[int], positive: bytes, negative: bytes) -> None:
        self.values = values
        self.octets = positive + negative


@cache
def _codecs() -> dict[Law, _Codec]:
    """The tables of a law, made for the first packet of audio rather than on import."""
    mu_law, a_law = _mu_law_codes(), _a_law_codes()
    # From -32768 up to -1. mu-law mirrors 1..32768; A-law, without a zero, mirrors 0..32767.
    mu_negative = bytes(code & 0x7F for code in (mu_law + mu_law[-1:])[:0:-1])
    a_negative = bytes(code & 0x7F for code in a_law[::-1])
    return {
        Law.PCMU: _Codec([_mu_law_value(octet) for octet in range(256)], mu_law, mu_negative),
        Law.PCMA: _Codec([_a_law_value(octet) for octet in range(256)], a_law, a_negative),
    }


@cache
def _decoder(law: Law, gain: int) -> tuple[bytes, bytes]:
    """The low and the high octet of each sample, amplified by ``gain`` dB."""
    factor = 10 ** (gain / 20)
    values = [max(-32768, min(32767, round(factor * value))) for value in _codecs()[law].values]
    return bytes(value & 0xFF for value in values), bytes((value >> 8) & 0xFF for value in values)


def decode(payload: bytes, law: Law, gain: int = 0) -> array[int]:
    """Linear samples (typecode ``h``), one for each octet, amplified by ``gain`` dB and clipped."""
    low, high = _decoder(law, gain)
    # Two translations and two slices are much faster than a loop over the octets.
    little_endian = bytearray(2 * len(payload))
    little_endian[0::2] = payload.translate(low)
    little_endian[1::2] = payload.translate(high)
    samples = array("h")
    samples.frombytes(little_endian)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def encode(samples: array[int], law: Law) -> bytes:
    """One octet for each linear sample (-32768..32767)."""
    return bytes(map(_codecs()[law].octets.__getitem__, samples))

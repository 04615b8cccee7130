"""How long a page is on the line."""

from __future__ import annotations

_ECM_OVERHEAD = 1.06
"""A frame of 256 octets (T.30 annex A) has 7 more and the zeros of HDLC: 3 % for pictures, 7 % for text."""
_BLOCK = 256 * 256
"""Octets of a block of ECM, after which both ends take turns."""
_TURN = 3.05
"""Seconds of that: PPS, MCF and short training."""


def page_seconds(octets: int, bit_rate: int, ecm: bool = True) -> float:
    """Seconds for which a coded page of ``octets`` is on the line at ``bit_rate`` bits a second.

    What comes before and after a page, about as long for each, is not part of it. Without ECM the fill of
    lines that are too short for the far end has to be among the octets.
    """
    if not ecm:
        return octets * 8 / bit_rate
    return octets * 8 * _ECM_OVERHEAD / bit_rate + max(0, octets - 1) // _BLOCK * _TURN

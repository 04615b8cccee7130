"""How long a page is on the line, estimated before the call."""

from __future__ import annotations

from t38fsp.t30.vocabulary import PageMode

_FRAME = 256
_FRAMED = 263
"""Octets of a frame on the line: address, control, FCF and number, 256 of the page, FCS, a flag (A.3.6)."""
_STUFFED = 1.02
"""Zero bits are inserted into frames: one in 62 of random data, fewer of text."""
_BLOCK = 64 * 1024
_BETWEEN = 3.0
"""Seconds of commands, responses and training after each block, or page without ECM."""


def carrier_seconds(octets: int, mode: PageMode) -> float:
    """Time that the coded page itself takes; 0 if no modem sets the pace."""
    if not mode.bit_rate:
        return 0.0
    if mode.ecm:
        octets += -(-octets // _FRAME) * (_FRAMED - _FRAME)
        octets = round(octets * _STUFFED)
    return octets * 8 / mode.bit_rate


def page_seconds(octets: int, mode: PageMode) -> float:
    """The same with the commands and responses after it."""
    blocks = -(-octets // _BLOCK) if mode.ecm else 1
    return carrier_seconds(octets, mode) + blocks * _BETWEEN

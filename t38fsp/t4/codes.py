"""The code tables of T.4 and T.6: run lengths (T.4 tables 2 and 3) and two-dimensional modes (T.4 table 4).

Codes are written as text, the bit transmitted first on the left, as the Recommendations print them. Each
table below lists its codes in ascending order of run length.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

# Runs 0 to 63.
_WHITE_TERMINATING = """
    00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100
    110101 101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011
    0100100 0011000 00000010 00000011 00011010 00011011 00010010 00010011 00010100 00010101 00010110
    00010111 00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101 00001010
    00001011 01010010 01010011 01010100 01010101 00100100 00100101 01011000 01011001 01011010
    01011011 01001010 01001011 00110010 00110011 00110100
"""

_BLACK_TERMINATING = """
    0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111
    000011000 0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111
    00000101000 00000010111 00000011000 000011001010 000011001011 000011001100 000011001101
    000001101000 000001101001 000001101010 000001101011 000011010010 000011010011 000011010100
    000011010101 000011010110 000011010111 000001101100 000001101101 000011011010 000011011011
    000001010100 000001010101 000001010110 000001010111 000001100100 000001100101 000001010010
    000001010011 000000100100 000000110111 000000111000 000000100111 000000101000 000001011000
    000001011001 000000101011 000000101100 000001011010 000001100110 000001100111
"""

# Runs 64, 128, … 1728.
_WHITE_MAKE_UP = """
    11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000 01100111 011001100
    011001101 011010010 011010011 011010100 011010101 011010110 011010111 011011000 011011001
    011011010 011011011 010011000 010011001 010011010 011000 010011011
"""

_BLACK_MAKE_UP = """
    0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 000000110101
    0000001101100 0000001101101 0000001001010 0000001001011 0000001001100 0000001001101
    0000001110010 0000001110011 0000001110100 0000001110101 0000001110110 0000001110111
    0000001010010 0000001010011 0000001010100 0000001010101 0000001011010 0000001011011
    0000001100100 0000001100101
"""

# Runs 1792, 1856, … 2560; the same for both colours.
_COMMON_MAKE_UP = """
    00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101
    000000010110 000000010111 000000011100 000000011101 000000011110 000000011111
"""


def _by_run(terminating: str, make_up: str) -> dict[int, str]:
    codes = dict(enumerate(terminating.split()))
    codes.update((64 * (number + 1), code) for number, code in enumerate((make_up + _COMMON_MAKE_UP).split()))
    return codes


WHITE_CODES: dict[int, str] = _by_run(_WHITE_TERMINATING, _WHITE_MAKE_UP)
"""Code of each white run: 0 to 63 (terminating), and 64 to 2560 in steps of 64 (make-up)."""

BLACK_CODES: dict[int, str] = _by_run(_BLACK_TERMINATING, _BLACK_MAKE_UP)
"""Code of each black run."""

EOL = "000000000001"
"""End of line (T.4 4.1.2). No sequence of valid codes has eleven zeros in a row, so it is unique."""

PASS = "0001"
HORIZONTAL = "001"
VERTICAL_CODES: dict[int, str] = {
    0: "1",
    1: "011",
    2: "000011",
    3: "0000011",
    -1: "010",
    -2: "000010",
    -3: "0000010",
}
"""Vertical modes by a1 - b1: VR1 to VR3 are positive, VL1 to VL3 negative."""

# --- lookup tables for decoding ---------------------------------------------------------------------------

RUN_BITS = 13
"""Length of the longest run-length code; the run tables are looked up by this many bits."""

MODE_BITS = 7
"""Length of the longest mode code that is decoded."""


def _expand(codes: Iterable[tuple[str, int]], length: int) -> dict[str, tuple[int, int]]:
    """Every text of ``length`` bits that begins with a code, with the code's meaning and length."""
    # All endings of each length are made once, which cuts the time for these tables to a third.
    endings = [[""]]
    for _ in range(length):
        endings.append([first + rest for first in "01" for rest in endings[-1]])
    table: dict[str, tuple[int, int]] = {}
    for code, meaning in codes:
        value = (meaning, len(code))
        for rest in endings[length - len(code)]:
            table[code + rest] = value
    return table


@cache
def run_tables() -> tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
    """For white and for black, the next 13 bits to (run, length of its code); runs of 64 and more are make-up
    codes.

    Made when the first line is decoded: they have 16000 entries, and a process that sends may need none.
    """
    white, black = (
        _expand(((code, run) for run, code in codes.items()), RUN_BITS)
        for codes in (WHITE_CODES, BLACK_CODES)
    )
    return white, black


PASS_MODE = 8
HORIZONTAL_MODE = 9

MODES: dict[str, tuple[int, int]] = _expand(
    [
        (PASS, PASS_MODE),
        (HORIZONTAL, HORIZONTAL_MODE),
        *((code, offset) for offset, code in VERTICAL_CODES.items()),
    ],
    MODE_BITS,
)
"""The next 7 bits to (mode, length of its code): a1 - b1 of a vertical mode, or PASS_MODE or HORIZONTAL_MODE.

V0, whose code is one bit and by far the most frequent, has the length of all consecutive V0 codes.
The extension codes 0000001xxx (uncompressed mode) are left out: they are never negotiated here, so one that
arrives is a line error.
"""
MODES.update((text, (0, len(text) - len(text.lstrip("1")))) for text in MODES if text[0] == VERTICAL_CODES[0])

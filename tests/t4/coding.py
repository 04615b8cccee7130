"""A plain encoder of single lines, from the definitions of T.4 4.1 and 4.2, independent of Pillow."""

from __future__ import annotations

from t38fsp.t4.codes import BLACK_CODES, EOL, HORIZONTAL, PASS, VERTICAL_CODES, WHITE_CODES
from t38fsp.t4.scan_lines import Changes


def run_code(run: int, black: bool) -> str:
    codes = BLACK_CODES if black else WHITE_CODES
    text = ""
    while run > 2623:
        text += codes[2560]
        run -= 2560
    if run > 63:
        text += codes[run // 64 * 64]
    return text + codes[run % 64]


def encode_1d(line: Changes, width: int) -> str:
    text, start = "", 0
    for number, end in enumerate((*line, width)):
        text += run_code(end - start, black=bool(number % 2))
        start = end
    return text


def _colour(line: Changes, column: int) -> bool:
    return bool(sum(change <= column for change in line) % 2)


def encode_2d(line: Changes, reference: Changes, width: int) -> str:
    """By the definitions: a0, a1, a2 on the coding line, b1, b2 on the reference line."""
    text = ""
    a0, black = -1, False
    while a0 < width:
        a1 = next((c for c in line if c > a0 and _colour(line, c) != black), width)
        a2 = next((c for c in line if c > a1), width)
        b1 = next((c for c in reference if c > a0 and _colour(reference, c) != black), width)
        b2 = next((c for c in reference if c > b1), width)
        if b2 < a1:
            text += PASS
            a0 = b2
        elif abs(a1 - b1) <= 3:
            text += VERTICAL_CODES[a1 - b1]
            a0, black = a1, not black
        else:
            text += HORIZONTAL + run_code(a1 - max(a0, 0), black) + run_code(a2 - a1, not black)
            a0 = a2
    return text


def to_octets(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8)


def code_mh(lines: list[Changes], width: int) -> bytes:
    """A page with RTC."""
    return to_octets("".join(EOL + encode_1d(line, width) for line in lines) + EOL * 6)


def code_mr(lines: list[Changes], width: int, k: int) -> bytes:
    text, above = "", ()
    for number, line in enumerate(lines):
        first = number % k == 0
        text += EOL + ("1" + encode_1d(line, width) if first else "0" + encode_2d(line, above, width))
        above = line
    return to_octets(text + (EOL + "1") * 6)


def code_mmr(lines: list[Changes], width: int) -> bytes:
    text, above = "", ()
    for line in lines:
        text += encode_2d(line, above, width)
        above = line
    return to_octets(text + EOL * 2)

"""Decodes one coded line to the positions of its colour changes.

Coded data are strings of ``0`` and ``1``, so that the search for EOL and the table look-ups run in C. A line
is the tuple of its *changes*: the pixel positions where the colour changes, the first from white to black, in
ascending order, without duplicates, all below the width.
"""

from __future__ import annotations

from t38fsp.t4.codes import (
    MODE_BITS,
    MODES,
    PASS_MODE,
    RUN_BITS,
    run_tables,
)

Changes = tuple[int, ...]

WHITE_LINE: Changes = ()

LOOKAHEAD = RUN_BITS
"""Bits that must follow the last code in the text, so that every look-up finds a whole key."""


class ScanLineError(ValueError):
    """A coded line does not decode to its width."""


def to_bits(data: bytes) -> str:
    """Octets as text, the most significant bit of each first."""
    return format(int.from_bytes(data), f"0{8 * len(data)}b") if data else ""


def longest_line(width: int) -> int:
    """An upper bound on the bits of a coded line of ``width`` pixels, without fill.

    The longest line alternates pixel by pixel: a white run of one takes 6 bits, a black one 3, and horizontal
    mode adds 3 for the pair; 8 bits per pixel leave room for inefficient encoders.
    """
    return 8 * width + 64


def decode_1d(bits: str, start: int, width: int) -> tuple[Changes, int]:
    """Decode a line of run lengths (T.4 4.1); return its changes and where it ended in ``bits``.

    Raises :class:`ScanLineError`.
    """
    changes: list[int] = []
    position = start
    column = 0
    table, other = run_tables()
    while column < width:
        while True:
            code = table.get(bits[position : position + RUN_BITS])
            if code is None:
                raise ScanLineError("no run-length code")
            run, length = code
            position += length
            column += run
            if run < 64:
                break
        if changes and changes[-1] == column:
            changes.pop()
        else:
            changes.append(column)
        table, other = other, table
    if column > width:
        raise ScanLineError("more pixels than the line is wide")
    # The end of the last run at the width is not a change; after an empty run it was removed already.
    if changes and changes[-1] == width:
        changes.pop()
    return tuple(changes), position


def decode_2d(bits: str, start: int, reference: Changes, width: int) -> tuple[Changes, int]:
    """Decode a line coded against the one above it (T.4 4.2, T.6 2.2); return as :func:`decode_1d`.

    Raises :class:`ScanLineError`.
    """
    # b1 and b2 are at the width where the line above has no more changes (T.4 4.2.1.1); four, since ``index``
    # may be two past its end.
    above = (*reference, width, width, width, width)
    most = len(reference) + 1
    mode_at = MODES.get
    white, black = run_tables()
    changes: list[int] = []
    position = start
    column = 0  # a0
    index = 0  # of b1 in ``above``: even while the colour is white, odd while it is black
    while column < width:
        mode = mode_at(bits[position : position + MODE_BITS])
        if mode is None:
            raise ScanLineError("no mode code")
        kind, length = mode
        if not kind:
            # A run of V0, the most frequent mode: copy several changes of the reference line at once.
            # Beyond the line above all V0 would be changes at the width: at most one of them means anything.
            if index + length > most:
                length = max(most - index, 1)
            changes += above[index : index + length]
            column = changes[-1]
            position += length
            index += length
            continue
        position += length
        if kind < PASS_MODE:
            end = above[index] + kind
            if end < column or end > width:
                raise ScanLineError("a change outside the line")
            # Two changes at one place are none: an empty run.
            if end == column and changes and changes[-1] == end:
                changes.pop()
            else:
                changes.append(end)
            column = end
            # The colour changes, so b1 has the other parity; after VL it may be an earlier change (T.4
            # 4.2.1.1).
            index += -1 if kind < 0 and index else 1
        elif kind == PASS_MODE:
            # b2: the colour stays, and so does the parity of ``index``.
            column = above[index + 1]
        else:
            table, other = (black, white) if index & 1 else (white, black)
            for _ in range(2):
                while True:
                    code = table.get(bits[position : position + RUN_BITS])
                    if code is None:
                        raise ScanLineError("no run-length code")
                    run, length = code
                    position += length
                    column += run
                    if run < 64:
                        break
                if changes and changes[-1] == column:
                    changes.pop()
                else:
                    changes.append(column)
                table, other = other, table
            if column > width:
                raise ScanLineError("more pixels than the line is wide")
        while above[index] <= column < width:
            index += 2
    while changes and changes[-1] >= width:
        changes.pop()
    return tuple(changes), position

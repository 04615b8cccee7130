"""Decodes a whole page to pixels; bad lines are repaired and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from t38fsp.t4.reader import MAX_ROWS, Line, line_reader
from t38fsp.t4.scan_lines import WHITE_LINE, Changes
from t38fsp.t30.vocabulary import Coding, PageQuality

_SLICE = 4096

_WIDEST_TABLE = 4864
"""Pixels of A3 at 400 dots per inch; a table for much more would take hundreds of megabytes."""


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """``pixels``: the rows one after another, 1 is black, the leftmost pixel in the most significant bit,
    each row padded to whole octets. ``ended``: RTC or EOFB was seen, or MMR damage beyond which nothing can
    be decoded."""

    pixels: bytes
    quality: PageQuality
    ended: bool


@lru_cache(maxsize=4)
def _from_column(width: int) -> list[int]:
    """For each column, the row that is black from there to the right edge."""
    stride = (width + 7) // 8 * 8
    return [(1 << (stride - column)) - (1 << (stride - width)) for column in range(width)]


def row_of(line: Changes, width: int) -> bytes:
    """The pixels of one line, packed as in :class:`DecodedPage`."""
    stride = (width + 7) // 8 * 8
    row = 0
    if width <= _WIDEST_TABLE:
        from_column = _from_column(width)
        for change in line:
            # Each change inverts all pixels to its right, which leaves the runs.
            row ^= from_column[change]
    else:
        for change in line:
            row ^= (1 << (stride - change)) - (1 << (stride - width))
    return row.to_bytes(stride // 8)


def decode_page(
    data: bytes,
    coding: Coding,
    width: int,
    most_rows: int = MAX_ROWS,
    go_on: Callable[[], None] = lambda: None,
) -> DecodedPage:
    """Decode the octets of one page, at most ``most_rows`` rows.

    A bad line is replaced by a copy of the one above it (white at the top). ``go_on`` is called for each
    slice of 4096 octets and may raise to abort.
    """
    reader = line_reader(coding, width)
    rows: list[bytes] = []
    bad_rows = bad_run = longest_bad_run = 0
    row, previous = row_of(WHITE_LINE, width), WHITE_LINE

    def add(lines: list[Line]) -> None:
        nonlocal bad_rows, bad_run, longest_bad_run, row, previous
        for line in lines[: most_rows - len(rows)]:
            if line is None:
                bad_rows += 1
                bad_run += 1
                longest_bad_run = max(longest_bad_run, bad_run)
            else:
                bad_run = 0
                # Most rows of a page are like the one above, as white ones are.
                if line != previous:
                    row, previous = row_of(line, width), line
            rows.append(row)

    for start in range(0, len(data), _SLICE):
        go_on()
        add(reader.feed(data[start : start + _SLICE]))
        if reader.ended or len(rows) >= most_rows:
            break
    ended = reader.ended
    add(reader.finish())
    return DecodedPage(b"".join(rows), PageQuality(len(rows), bad_rows, longest_bad_run), ended)

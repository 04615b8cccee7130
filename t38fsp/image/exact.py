"""Coded pages read by libtiff, where what it reads is beyond doubt.

libtiff decodes many times as fast as t38fsp.t4.decode. But it reads on after damage as if nothing were wrong,
and what is missing it leaves white. So what it reads counts only with a proof that t38fsp.t4.decode would
find the same rows, all of them good:

* MMR: libtiff complained of nothing, so each row is made of good codes that end at its width; and no row has
  an empty run, for only with these libtiff takes the codes below otherwise than T.6. A row of our own was put
  between the last one and EOFB, and read as what it is: so its first bit is where a row begins, and the rows
  before it are all of the page.
* MH and MR, of which libtiff passes over what stands between the end of a row and the next EOL: the same, and
  each line was counted good as it arrived (t38fsp.t4.checker).
* Any coding, and where libtiff cannot be heard: coding the rows again gives the data back, bit for bit but
  for fill, RTC and padding. No code can be read in two ways. This takes three times as long as to decode.

Otherwise the answer is None: damage, mostly, which is for t38fsp.t4.decode.

Pixels are packed rows; 1 is black.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import TypeGuard

from t38fsp.image.coder import encode_pixels
from t38fsp.image.libtiff import Runs, can_be_heard, decode, runs_of
from t38fsp.t4.codes import EOL
from t38fsp.t4.lines import to_bits
from t38fsp.t4.prepare import ends_with_eofb
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t30.vocabulary import Coding, Resolution

_MOST_PIXELS = 80_000_000
"""Larger pages would take too much memory."""

_MOST_T4_OCTETS = 1 << 22
"""Larger pages of MH and MR would take too much memory at one octet a bit."""

_USUAL_LENGTH = 15
"""Inches; A4, Letter and Legal are shorter."""

_EOFB_BITS = 2 * len(EOL)

_EMPTY = {Coding.MH: "", Coding.MR: "1"}
"""What RTC has behind each EOL (T.4 4.1.4, 4.2.4.1)."""


def count_rows(data: bytes, width: int, resolution: Resolution) -> int | None:
    """The rows of an MMR page that ends with EOFB, or None."""
    if not ends_with_eofb(data) or not _can_be_marked(width):
        return None
    marked = _with_marker(data, width)
    for height in _heights(data, width, resolution):
        if can_be_heard():
            runs = _runs(marked, Coding.MMR, width, height)
            rows = None if runs is None else _rows_before_marker(runs, width, height)
        else:
            pixels = decode_strip(marked, Coding.MMR, width, height)
            rows = None if pixels is None else _rows_given_back(pixels, data, width, resolution)
        if rows != height:
            return rows or None
    return None


def check_strip(data: bytes, width: int, rows: int, resolution: Resolution) -> bool:
    """Whether MMR data are beyond doubt ``rows`` rows and EOFB, as a burst is."""
    if not 0 < rows <= MAX_ROWS or not ends_with_eofb(data):
        return False
    if can_be_heard() and _can_be_marked(width):
        runs = _runs(_with_marker(data, width), Coding.MMR, width, rows + 1)
        return _is_good(runs) and runs.rows[-1:] == _marker_runs(width)[:1]
    pixels = decode_strip(data, Coding.MMR, width, rows)
    return pixels is not None and _gives_back(pixels, data, Coding.MMR, width, resolution)


def read_t4(
    data: bytes, coding: Coding, width: int, rows: int, resolution: Resolution, counted: bool = False
) -> bytes | None:
    """The pixels of MH or MR data with ``rows`` rows, and RTC or nothing behind them, or None.

    ``counted`` says that each of these lines was found good as it arrived.
    """
    if not 0 < rows <= MAX_ROWS:
        return None
    pixels = decode_strip(data, coding, width, rows)
    if pixels is None:
        return None
    proved = counted and _is_good(_runs(data, coding, width, rows))
    return pixels if proved or _gives_back(pixels, data, coding, width, resolution) else None


def t4_rows(data: bytes, coding: Coding) -> int:
    """The lines of MH or MR data before RTC."""
    empty = _EMPTY[coding]
    return sum(1 for _ in takewhile(lambda line: not _is_filled(line, empty), _t4_lines(data)))


def decode_strip(data: bytes, coding: Coding, width: int, rows: int) -> bytes | None:
    """The pixels that libtiff makes of ``data``, unchecked; None where it makes nothing of it."""
    return decode(data, coding, width, rows) if 0 < width * rows <= _MOST_PIXELS else None


def _runs(data: bytes, coding: Coding, width: int, rows: int) -> Runs | None:
    return runs_of(data, coding, width, rows) if 0 < width * rows <= _MOST_PIXELS else None


def _is_good(runs: Runs | None) -> TypeGuard[Runs]:
    return runs is not None and not runs.complaints and not runs.has_empty()


# --- coding again -------------------------------------------------------------------------------------------


def _gives_back(pixels: bytes, data: bytes, coding: Coding, width: int, resolution: Resolution) -> bool:
    """Whether ``data`` are what ``pixels`` are coded as."""
    if coding is Coding.MMR:
        return encode_pixels(pixels, width, coding, resolution).rstrip(b"\0") == data.rstrip(b"\0")
    received = _t4_lines(data)
    stride = (width + 7) // 8
    rows = len(pixels) // stride
    lines, rest = received[:rows], received[rows:]
    if rest and not _is_rtc(rest, coding):
        return False
    # With one row more, each of those that count has an EOL behind it, from which its own zeros can be told.
    taller = pixels + bytes(stride)
    codes = _t4_lines(encode_pixels(taller, width, coding, resolution, aligned=False))[:-1]
    return len(lines) == len(codes) and all(map(_is_filled, lines, codes))


# --- MMR of unknown length ----------------------------------------------------------------------------------


def _heights(data: bytes, width: int, resolution: Resolution) -> Iterator[int]:
    """How high to make the page, each row taking at least a bit; the marker is a row too."""
    most = min(MAX_ROWS + 1, 8 * len(data), _MOST_PIXELS // width)
    height = _USUAL_LENGTH * resolution.y
    while height < most:
        yield height
        height *= 4
    yield most


def _rows_before_marker(runs: Runs, width: int, height: int) -> int | None:
    """``height`` where the data go on for longer, None where there is doubt."""
    marker = _marker_runs(width)
    if not runs.complaints:
        if runs.rows[-1:] != marker[:1]:
            return height
        ends = 1
    elif runs.complaints == 1 and runs.rows[-2:] == marker:
        ends = 2
    else:
        return None
    return None if runs.has_empty(ends) else runs.before + len(runs.rows) - ends


def _rows_given_back(pixels: bytes, data: bytes, width: int, resolution: Resolution) -> int | None:
    """As :func:`_rows_before_marker`, by coding the page again."""
    stride = width // 8
    rows, odd = divmod(pixels.rfind(_marker_row(width)), stride)
    if odd:
        return len(pixels) // stride
    proved = rows and _gives_back(pixels[: rows * stride], data, Coding.MMR, width, resolution)
    return rows if proved else None


_MARK = b"no row of a page"


def _can_be_marked(width: int) -> bool:
    """Every width of a fax can."""
    return width % 8 == 0 and width // 8 > len(_MARK)


def _marker_row(width: int) -> bytes:
    """Black at its right edge, it is coded in horizontal mode alone, which is good below any row."""
    return _MARK.ljust(width // 8, b"\xff")


@lru_cache
def _marker(width: int) -> bytes:
    """The marker and EOFB."""
    return encode_pixels(_marker_row(width), width, Coding.MMR, Resolution.R8_FINE)


@lru_cache
def _marker_runs(width: int) -> list[bytes]:
    """The rows that libtiff tells of the marker, and of EOFB, of which it complains as no row begins so."""
    runs = runs_of(_marker(width), Coding.MMR, width, 2)
    assert runs is not None
    return runs.rows


_TAIL = 8
"""Octets, more than EOFB and padding take."""


def _with_marker(data: bytes, width: int) -> bytes:
    """``data``, which end with EOFB, with the marker before it."""
    data = data.rstrip(b"\0")
    head, tail = data[:-_TAIL], data[-_TAIL:]
    marker = _marker(width)
    behind_rows = _EOFB_BITS + (tail[-1] & -tail[-1]).bit_length() - 1
    bits = 8 * (len(tail) + len(marker)) - behind_rows
    value = int.from_bytes(tail) >> behind_rows << 8 * len(marker) | int.from_bytes(marker)
    return head + (value << -bits % 8).to_bytes(-(-bits // 8))


# --- MH and MR ----------------------------------------------------------------------------------------------


def _t4_lines(data: bytes) -> list[str]:
    """What stands behind each EOL: in MR a tag, then codes and fill. None if anything is before."""
    if len(data) > _MOST_T4_OCTETS:
        return []
    before, *lines = to_bits(data).split(EOL)
    return [] if "1" in before else lines


def _is_rtc(lines: list[str], coding: Coding) -> bool:
    """Whether a page ends here: three EOL in a row are enough for t38fsp.t4.reader."""
    return (
        len(lines) >= 3
        and all(_is_filled(line, _EMPTY[coding]) for line in lines[:2])
        and lines[2].startswith(_EMPTY[coding])
    )


def _is_filled(line: str, code: str) -> bool:
    return line.startswith(code) and "1" not in line[len(code) :]

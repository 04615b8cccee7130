"""Decodes coded pages with libtiff where the result is proved correct.

libtiff decodes many times as fast as t38fsp.t4.decode. But it continues after damage without an error, and
leaves what is missing white. So its result is used only with a proof that t38fsp.t4.decode would find the
same rows, all of them good:

* MMR: libtiff reported no complaint, so each row consists of valid codes that end at its width; and no row
  has an empty run, since only after these does libtiff read the codes of the next row differently from T.6. A
  marker row of ours was inserted between the last row and EOFB, and was decoded correctly: so a row begins at
  its first bit, and the rows before it are the whole page.
* MH and MR, where libtiff ignores bits between the end of a row and the next EOL: the same, and each line was
  found good as it arrived (t38fsp.t4.reader).
* Any coding, also where libtiff's complaints are not available: coding the rows again gives the same data,
  bit for bit except fill, RTC and padding. Codes are unambiguous. This takes three times as long as decoding.

Otherwise the result is None, mostly because of damage, which t38fsp.t4.decode handles.

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
from t38fsp.t4.prepare import ends_with_eofb
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t4.scan_lines import to_bits
from t38fsp.t30.vocabulary import Coding, Resolution

_MOST_PIXELS = 80_000_000
"""Upper bound for the pixels of a page, for the sake of memory."""

_MOST_T4_OCTETS = 1 << 22
"""Upper bound for MH and MR pages, which are expanded to one octet a bit."""

_USUAL_LENGTH = 15
"""Inches; A4, Letter and Legal are shorter."""

_EOFB_BITS = 2 * len(EOL)

_EMPTY = {Coding.MH: "", Coding.MR: "1"}
"""What follows each EOL of RTC: nothing in MH, the tag bit 1 in MR (T.4 4.1.4, 4.2.4.1)."""


def count_rows(data: bytes, width: int, resolution: Resolution) -> int | None:
    """The number of rows of an MMR page that ends with EOFB; None if that cannot be proved."""
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
            # Fewer rows than this height: the whole page was found. No row at all is not a page.
            return rows or None
    return None


def check_strip(data: bytes, width: int, rows: int, resolution: Resolution) -> bool:
    """Whether MMR data are provably ``rows`` rows and EOFB, as a burst is."""
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
    """The pixels of MH or MR data with ``rows`` rows, followed by RTC or nothing; None if unproved.

    ``counted``: each of these lines was found good as it arrived.
    """
    if not 0 < rows <= MAX_ROWS:
        return None
    pixels = decode_strip(data, coding, width, rows)
    if pixels is None:
        return None
    proved = counted and _is_good(_runs(data, coding, width, rows))
    return pixels if proved or _gives_back(pixels, data, coding, width, resolution) else None


def t4_rows(data: bytes, coding: Coding) -> int:
    """The number of lines of MH or MR data before RTC."""
    empty = _EMPTY[coding]
    return sum(1 for _ in takewhile(lambda line: not _is_filled(line, empty), _t4_lines(data)))


def decode_strip(data: bytes, coding: Coding, width: int, rows: int) -> bytes | None:
    """The pixels that libtiff decodes from ``data``, unchecked; None if it decodes nothing."""
    return decode(data, coding, width, rows) if 0 < width * rows <= _MOST_PIXELS else None


def _runs(data: bytes, coding: Coding, width: int, rows: int) -> Runs | None:
    return runs_of(data, coding, width, rows) if 0 < width * rows <= _MOST_PIXELS else None


def _is_good(runs: Runs | None) -> TypeGuard[Runs]:
    return runs is not None and not runs.complaints and not runs.has_empty()


# --- coding again -------------------------------------------------------------------------------------------


def _gives_back(pixels: bytes, data: bytes, coding: Coding, width: int, resolution: Resolution) -> bool:
    """Whether coding ``pixels`` gives ``data``."""
    if coding is Coding.MMR:
        # Without the padding, which may be of any length.
        return encode_pixels(pixels, width, coding, resolution).rstrip(b"\0") == data.rstrip(b"\0")
    received = _t4_lines(data)
    stride = (width + 7) // 8
    rows = len(pixels) // stride
    lines, rest = received[:rows], received[rows:]
    if rest and not _is_rtc(rest, coding):
        return False
    # With an extra row each real row is followed by an EOL, which separates its own zeros from fill.
    taller = pixels + bytes(stride)
    codes = _t4_lines(encode_pixels(taller, width, coding, resolution, aligned=False))[:-1]
    return len(lines) == len(codes) and all(map(_is_filled, lines, codes))


# --- MMR of unknown length ----------------------------------------------------------------------------------


def _heights(data: bytes, width: int, resolution: Resolution) -> Iterator[int]:
    """Heights to try, the marker row included. A row takes at least one bit, which bounds them."""
    most = min(MAX_ROWS + 1, 8 * len(data), _MOST_PIXELS // width)
    height = _USUAL_LENGTH * resolution.y
    while height < most:
        yield height
        # libtiff allocates the whole height, so that a tall first guess would cost more than the second
        # attempt that long pages need.
        height *= 4
    yield most


def _rows_before_marker(runs: Runs, width: int, height: int) -> int | None:
    """The rows before the marker; ``height`` if the data continue after it, None if unproved."""
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
    """Whether a marker row fits; it does at every fax width."""
    return width % 8 == 0 and width // 8 > len(_MARK)


def _marker_row(width: int) -> bytes:
    """A row coded in horizontal mode alone, thanks to its black right edge, so it is valid below any row."""
    return _MARK.ljust(width // 8, b"\xff")


@lru_cache
def _marker(width: int) -> bytes:
    """The coded marker row and EOFB."""
    return encode_pixels(_marker_row(width), width, Coding.MMR, Resolution.R8_FINE)


@lru_cache
def _marker_runs(width: int) -> list[bytes]:
    """The rows that libtiff reports for the marker, and for EOFB, which it complains about as an invalid
    row."""
    runs = runs_of(_marker(width), Coding.MMR, width, 2)
    assert runs is not None
    return runs.rows


_TAIL = 8
"""Octets; EOFB and padding take fewer."""


def _with_marker(data: bytes, width: int) -> bytes:
    """``data``, which end with EOFB, with the marker inserted before EOFB."""
    data = data.rstrip(b"\0")
    head, tail = data[:-_TAIL], data[-_TAIL:]
    marker = _marker(width)
    # The lowest bit that is set in the last octet is the end of EOFB; the zeros below it are padding.
    behind_rows = _EOFB_BITS + (tail[-1] & -tail[-1]).bit_length() - 1
    # EOFB and padding are cut off the tail, the marker with its own EOFB takes their place, and zeros
    # fill the last octet.
    bits = 8 * (len(tail) + len(marker)) - behind_rows
    value = int.from_bytes(tail) >> behind_rows << 8 * len(marker) | int.from_bytes(marker)
    return head + (value << -bits % 8).to_bytes(-(-bits // 8))


# --- MH and MR ----------------------------------------------------------------------------------------------


def _t4_lines(data: bytes) -> list[str]:
    """What follows each EOL: in MR a tag bit, then codes and fill. Empty if any code precedes the first
    EOL."""
    if len(data) > _MOST_T4_OCTETS:
        return []
    before, *lines = to_bits(data).split(EOL)
    return [] if "1" in before else lines


def _is_rtc(lines: list[str], coding: Coding) -> bool:
    """Whether a page ends here; three consecutive EOL are enough, as in t38fsp.t4.reader."""
    return (
        len(lines) >= 3
        and all(_is_filled(line, _EMPTY[coding]) for line in lines[:2])
        and lines[2].startswith(_EMPTY[coding])
    )


def _is_filled(line: str, code: str) -> bool:
    return line.startswith(code) and "1" not in line[len(code) :]

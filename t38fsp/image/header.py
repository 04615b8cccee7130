"""A header line at the top of a page that is sent.

The letters are Pillow's bitmap font at 100 dots per inch. Every fax resolution is a whole multiple of that in
both directions, so the letters are sharp and 2.8 mm high at each.

The line replaces the white margin that nearly every page has at its top. If content begins there, the line is
added above it: the page becomes 3.6 mm longer or, where its length is limited, smaller by as much.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFont

from t38fsp.image.resolutions import inch_terms
from t38fsp.image.values import HeaderLine
from t38fsp.t30.vocabulary import Resolution

_GRID = 100
"""Dots per inch of the font."""
_LETTER = 6
_ABOVE, _HEIGHT = 2, 14
"""Rows of the grid above the letters, and rows of the whole band."""
_MARGIN = 30
"""Columns of the grid on either side: some receivers do not print the outer 7 mm."""


def band_rows(resolution: Resolution) -> int:
    """Rows of a page that the line occupies."""
    return _HEIGHT * inch_terms(resolution)[1] // _GRID


def with_header(
    line: HeaderLine,
    width: int,
    resolution: Resolution,
    max_rows: int | None,
    render: Callable[[int | None], bytes],
) -> bytes:
    """The pixels (1 is black) of a page with a header line.

    ``render`` returns those of the page itself in rows of ``width`` pixels, at most the given number of rows.
    """
    pixels = render(max_rows)
    row = width // 8
    rows = band_rows(resolution)
    band = _band(line, width, resolution)
    if len(pixels) > len(band) and not any(pixels[: rows * row]):
        return band + pixels[rows * row :]
    if max_rows is not None and len(pixels) // row + rows > max_rows:
        pixels = render(max_rows - rows)
    return band + pixels


def _band(line: HeaderLine, width: int, resolution: Resolution) -> bytes:
    x, y = (inch // _GRID for inch in inch_terms(resolution))
    grid = Image.new("1", (width // x, _HEIGHT), 0)
    text = arranged(line, (grid.width - 2 * _MARGIN) // _LETTER)
    ImageDraw.Draw(grid).text((_MARGIN, _ABOVE), text, fill=1, font=ImageFont.load_default_imagefont())
    return grid.resize((width, _HEIGHT * y), Image.Resampling.NEAREST).tobytes()


def arranged(line: HeaderLine, columns: int) -> str:
    """The parts of the line in ``columns`` characters; what does not fit is cut off, the right part last."""
    left, middle, right = (_printable(part) for part in line)
    right = right[:columns]
    room = columns - len(right) - 2 if right else columns
    centred = (columns - len(middle)) // 2
    if middle and len(left) + 2 <= centred and centred + len(middle) <= room:
        start = left.ljust(centred) + middle
    else:
        start = f"{left}  {middle}".strip()
    return start[: max(room, 0)].ljust(columns - len(right)) + right


def _printable(text: str) -> str:
    """``text`` in Latin-1, the letters of the font: others lose their accents, or become question marks."""
    kept = "".join(
        character
        if ord(character) < 256
        else unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"
        for character in text
    )
    return "".join(character if character.isprintable() else " " for character in kept)

"""A header line at the top of a page that is sent.

The letters are 2.8 mm high, 8 point, at every resolution. They are drawn with many dots, square ones as
fonts need them, and reduced to those of the page.

The line replaces the white margin that nearly every page has at its top. If content begins there, the line is
added above it: the page becomes 3.6 mm longer or, where its length is limited, smaller by as much.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

from t38fsp.fonts import Face, Letters, Typeface, fitting
from t38fsp.image.resolutions import inch_terms
from t38fsp.image.values import HeaderLine
from t38fsp.t30.vocabulary import Resolution

_DOTS = 800
"""Dots per inch of the drawing: a multiple of every resolution."""
_HEIGHT = 14 * _DOTS // 100
"""Dots of the whole band, 3.6 mm: whole rows at every resolution."""
_LETTERS = 12 * _DOTS // 100
"""Dots that letters may be high, from the accents of capitals to the descenders."""
_EM = 8 * _DOTS / 72
_MARGIN = 30 * _DOTS // 100
"""Dots on either side: some receivers do not print the outer 7 mm."""
_TALL = "ÅÇgjy|"
"""So high are the letters of most scripts; a font is not made smaller for lines of digits alone."""
_DARK = 115
"""A pixel that is darker than this, of 255, is black: more than half, or letters would grow together."""


def band_rows(resolution: Resolution) -> int:
    """Rows of a page that the line occupies."""
    return _HEIGHT * inch_terms(resolution)[1] // _DOTS


def with_header(
    line: HeaderLine,
    width: int,
    resolution: Resolution,
    max_rows: int | None,
    render: Callable[[int | None], bytes],
) -> bytes:
    """The pixels (1 is black) of a page with a header line.

    ``render`` returns those of the page itself in rows of ``width`` pixels, at most the given number of rows.
    Raises DocumentError if the font of the line cannot be used, or lacks a character of it.
    """
    pixels = render(max_rows)
    row = width // 8
    rows = band_rows(resolution)
    band = _band(line, width, resolution)
    # White where the line goes: it replaces margin, and the page keeps its length.
    if len(pixels) > len(band) and not any(pixels[: rows * row]):
        return band + pixels[rows * row :]
    if max_rows is not None and len(pixels) // row + rows > max_rows:
        # Drawn again for fewer rows, not scaled: each scaling of black and white costs legibility.
        pixels = render(max_rows - rows)
    return band + pixels


@lru_cache(maxsize=16)  # a page without a white margin at its top asks twice
def _band(line: HeaderLine, width: int, resolution: Resolution) -> bytes:
    *parts, file = line
    typeface = Typeface(file, Face.SANS_BOLD)
    left, middle, right = (typeface.drawable(_on_one_line(part), "the header line") for part in parts)
    letters = _fitting(typeface, left + middle + right)
    drawn = Image.new("L", (width * _DOTS // inch_terms(resolution)[0], _HEIGHT), 0)
    above, below = letters.extent(_TALL + left + middle + right)
    baseline = (_HEIGHT + above - below) / 2
    draw = ImageDraw.Draw(drawn)
    for start, text in arranged((left, middle, right), drawn.width - 2 * _MARGIN, letters.width):
        letters.draw(draw, _MARGIN + start, baseline, text, fill=255)
    reduced = drawn.resize((width, band_rows(resolution)), Image.Resampling.BOX)
    black = reduced.point([255 if level > _DARK else 0 for level in range(256)])
    return black.convert("1", dither=Image.Dither.NONE).tobytes()


def _fitting(typeface: Typeface, text: str) -> Letters:
    """Letters of such a size that none of ``text`` leaves the band."""
    letters = typeface.sized(_EM)
    height = sum(letters.extent(_TALL + text))
    return letters if height <= _LETTERS else typeface.sized(_EM * _LETTERS / height)


def arranged(
    parts: tuple[str, str, str], room: float, width_of: Callable[[str], float]
) -> list[tuple[float, str]]:
    """Where each part of the line begins, and what of it fits into ``room``; the right part is cut last."""
    left, middle, right = parts
    right = _cut(right, room, width_of)
    gap = width_of("  ")
    free = room - width_of(right) - gap if right else room
    centred = (room - width_of(middle)) / 2
    begin = width_of(left) + gap if left else 0.0
    # Not centred where the left part is too long: then the middle follows it.
    if not begin <= centred <= free - width_of(middle):
        centred = begin
    left = _cut(left, free, width_of)
    middle = _cut(middle, free - centred, width_of)
    placed = [(0.0, left), (centred, middle), (room - width_of(right), right)]
    return [(start, text) for start, text in placed if text]


def _cut(text: str, room: float, width_of: Callable[[str], float]) -> str:
    """The beginning of ``text`` that is not wider than ``room``."""
    if width_of(text) <= room:
        return text
    return text[: fitting(text, room, width_of)]


def _on_one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)

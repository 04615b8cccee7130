"""Plain text as pages: decoded, checked against the font, broken into lines and pages, drawn.

A page has room for 80 columns at six lines an inch. A form feed begins a new page; where the pages between
form feeds have a few lines more than there is room for, as those for line printers, the lines are closer.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw

from sip.frozen import dataclass
from t38fsp.documents.sheet import MAX_SHEETS, MM_PER_INCH, Sheet
from t38fsp.fonts import Face, Typeface
from t38fsp.image.errors import DocumentError

MAX_TEXT_OCTETS = 32 << 20
"""More than MAX_SHEETS full pages of text in any encoding."""

COLUMNS = 80
_TAB = 8
_PITCH = 1 / 6
"""Inches from line to line."""
_LEAST_PITCH = 1 / 7
_BASE = 0.8
"""Where letters stand in their line, as a part of the pitch."""
_POINTS = 72
_SIZE = 11 / _POINTS
"""Size of the letters in inches, if the columns have room for it."""
_MAX_LINE = 1000
"""Code points in a drawn line; marks that take no room would make it endless."""
_SQUARE = 1.06
"""Resolutions that differ by less are drawn as if they were equal: 204 by 196 is 4 % off."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the beginning of it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NEWLINES = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_OVERSTRUCK = re.compile(r"[^\n]\x08")
"""How programs for printers write bold and underlined letters; the last one on a place is kept."""
_STRIKES = 3
"""How often a place is struck over; without a limit backspaces could take the square of their number."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_FEW = 100
"""At most one in so many characters may be a control code in what counts as text."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Lines as they are drawn, page by page; sizes in inches."""

    pages: tuple[tuple[str, ...], ...]
    size: float
    pitch: float


class TextSource:
    """A text file as a source of sheets; ``paper`` is its width and length in mm, as is ``margin``.

    Raises DocumentError if it is not text, too long, or has characters that the font lacks, and OSError if it
    cannot be read. Nothing is drawn for that.
    """

    def __init__(
        self,
        path: Path,
        paper: tuple[float, float] = (210.0, 297.0),
        margin: float = 15.0,
        font: Path | None = None,
    ) -> None:
        if path.stat().st_size > MAX_TEXT_OCTETS:
            raise _too_long(path.name)
        text, self.warnings = decoded(path.read_bytes(), path.name)
        self.paper = paper
        self._margin = margin / MM_PER_INCH
        width, length = (side / MM_PER_INCH - 2 * self._margin for side in paper)
        if min(width, length) < 1:
            raise DocumentError(
                f"margins of {margin:g} mm leave no room on paper of {paper[0]:g} by {paper[1]:g} mm; "
                "choose smaller margins"
            )
        # Before the text is laid out, which takes seconds for a long one.
        if _least_pages(text, length) > MAX_SHEETS:
            raise _too_long(path.name)
        self._typeface = Typeface("" if font is None else str(font), Face.FIXED)
        text = self._typeface.drawable(text, f"the text {path.name}")
        self._layout = laid_out(text, self._typeface, width, length)
        if len(self._layout.pages) > MAX_SHEETS:
            raise _too_long(path.name)

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        return (Sheet(*self.paper, type_size=self._layout.size * _POINTS),) * len(self._layout.pages)

    def lines(self, index: int) -> tuple[str, ...]:
        """Those of a page, as they are drawn."""
        return self._layout.pages[index]

    def render(self, index: int, size: tuple[int, int]) -> Image.Image:
        """See :class:`t38fsp.documents.sheet.Source`.

        Letters are drawn with square pixels, in the finer of the two resolutions; so a page in standard or
        superfine resolution is made smaller in one direction.
        """
        x, y = (pixels * MM_PER_INCH / side for pixels, side in zip(size, self.paper, strict=True))
        dpi = max(x, y)
        across = round(size[0] * dpi / x) if dpi > x * _SQUARE else size[0]
        down = round(size[1] * dpi / y) if dpi > y * _SQUARE else size[1]
        x, y = x * across / size[0], y * down / size[1]
        image = Image.new("L", (across, down), 255)
        draw = ImageDraw.Draw(image)
        for number, line in enumerate(self._layout.pages[index]):
            # Whole pixels: letters are then drawn alike wherever they stand, and code in fewer octets.
            base = round((self._margin + (number + _BASE) * self._layout.pitch) * y)
            left = self._margin * x
            for run, used in self._typeface.runs(line):
                font = used.sized(self._layout.size * x)
                draw.text((round(left), base), run, fill=0, font=font, anchor="ls")
                left += font.getlength(run)
        return image if image.size == size else image.resize(size, Image.Resampling.BOX)

    def close(self) -> None:
        """Nothing is open."""


def decoded(data: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """The text, with newlines as such, and warnings about it. Raises DocumentError if it is not text."""
    encoding, mark = _encoding_of(data)
    warnings: tuple[str, ...] = ()
    try:
        text = data[len(mark) :].decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise DocumentError(
                f"{name} begins as {encoding} but is not, from octet {error.start} on; save it as UTF-8"
            ) from error
        # The encoding of most text files that are not UTF-8. It reads nearly any octets, hence the
        # warning.
        text = data.decode("cp1252", "replace")
        warnings = (f"{name} is not UTF-8 and was read as Windows-1252; save it as UTF-8 if it looks wrong",)
    if not _few_controls(text):
        raise DocumentError(
            f"{name} is not text: it has too many control codes; give a document of a known kind"
        )
    text = _NEWLINES.sub("\n", text).expandtabs(_TAB)
    for _ in range(_STRIKES):
        text = _OVERSTRUCK.sub("", text)
    return _CONTROLS.sub("", text).replace("\x0b", "\n"), warnings


def laid_out(text: str, typeface: Typeface, width: float, length: float) -> Layout:
    """Break ``text`` into lines and pages for an area of ``width`` by ``length`` inches."""
    # Eighty columns have to fit, as terminals and printers have them.
    size = min(_SIZE, width / COLUMNS / typeface.advance("0"))
    sections = text.split("\f")
    if sections[-1].strip() == "" and len(sections) > 1:
        del sections[-1]  # a form feed at the end ends the last page, and begins none
    broken = [list(_lines(section, typeface, width / size)) for section in sections]
    pitch = _PITCH
    longest = max(map(len, broken))
    if len(broken) > 1 and _LEAST_PITCH <= length / longest < pitch:
        pitch = length / longest
    # A little more, as the quotient of two floats may be just below the whole number it stands for.
    rows = max(1, int(length / pitch + 1e-6))
    pages = (
        tuple(lines[first : first + rows]) for lines in broken for first in range(0, len(lines) or 1, rows)
    )
    return Layout(tuple(pages), size, pitch)


def _lines(section: str, typeface: Typeface, room: float) -> Iterator[str]:
    """``section`` in lines that are at most ``room`` times the size of the font wide."""
    lines = section.split("\n")
    # The newline at the end of a file ends its last line, and begins none.
    if lines[-1] == "":
        del lines[-1]
    for line in lines:
        rest = line.rstrip()
        if not rest:
            yield ""
        while rest:
            end = _break(rest, typeface, room)
            yield rest[:end].rstrip()
            rest = rest[end:].lstrip(" ")


def _break(line: str, typeface: Typeface, room: float) -> int:
    """How many characters of ``line`` are drawn in one: up to a space if there is one, at least one."""
    taken = 0.0
    for place, character in enumerate(line[: _MAX_LINE + 1]):
        taken += typeface.advance(character)
        if (taken > room + 1e-6 or place == _MAX_LINE) and place > 0:
            if character == " " or _breaks_anywhere(character):
                return place
            space = line.rfind(" ", 0, place)
            return space + 1 if space > 0 and line[:space].strip() else place
    return len(line)


def _breaks_anywhere(character: str) -> bool:
    """A line may end before a character of scripts without spaces, but not before their punctuation."""
    return unicodedata.east_asian_width(character) in "WF" and character.isalnum()


def _least_pages(text: str, length: float) -> float:
    """Pages that the text takes at the least, whatever the font: known without laying it out."""
    rows = length / _LEAST_PITCH
    return max(text.count("\n") / rows, text.count("\f"), len(text) / _MAX_LINE / rows)


def _encoding_of(data: bytes) -> tuple[str | None, bytes]:
    return next(((encoding, mark) for mark, encoding in _MARKS if data.startswith(mark)), (None, b""))


def _few_controls(text: str) -> bool:
    codes = len([code for code in _CONTROLS.findall(text) if code != "\b"])
    return codes * _FEW <= len(text) + _FEW


def _too_long(name: str) -> DocumentError:
    return DocumentError(f"{name} has more than {MAX_SHEETS} pages of text; send it in parts")

"""The fonts of what we draw ourselves: header lines, cover pages, plain text.

Built in are the fonts that pdfium has for PDF files that do not contain theirs: they come with its wheels,
have real bold faces, and the letters of western European languages. Another script needs a font file. What a
font file lacks is drawn with the built-in font: many fonts of one script have no Latin letters, or no digits.
"""

from __future__ import annotations

import ctypes
import os
import stat
import unicodedata
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from io import BytesIO
from itertools import groupby
from operator import itemgetter

from PIL import ImageDraw, ImageFont, features

from sip.frozen import dataclass
from t38fsp.errors import SettingError

MOST_OCTETS = 128 * 1024 * 1024
"""Of a font file; those with all Chinese, Japanese and Korean letters have 20 MB."""

_PROBE = 32.0
"""Pixels of the size in which letters are compared with the one that stands for a missing letter."""
_SHOWN = 8
"""Missing letters that a message names."""
_NOT_A_CHARACTER = "\uffff"


class Face(Enum):
    """A built-in font; the value is its name among the 14 fonts of PDF."""

    SANS = "Helvetica"
    SANS_BOLD = "Helvetica-Bold"
    SERIF = "Times-Roman"
    SERIF_BOLD = "Times-Bold"
    FIXED = "Courier"
    FIXED_BOLD = "Courier-Bold"


@dataclass(frozen=True, slots=True)
class Letters:
    """A typeface in one size. Lengths are in pixels; a text is one line."""

    fonts: tuple[ImageFont.FreeTypeFont, ...]
    """The preferred one first."""
    stroke: float
    """By which outlines are widened, where a bold face has to be imitated."""

    def width(self, text: str) -> float:
        return sum(font.getlength(run) for font, run in self._runs(text))

    def extent(self, text: str) -> tuple[float, float]:
        """How far ``text`` reaches above its baseline, and how far below."""
        boxes = [font.getbbox(run, anchor="ls") for font, run in self._runs(text)]
        return max((-box[1] for box in boxes), default=0.0), max((box[3] for box in boxes), default=0.0)

    def draw(self, on: ImageDraw.ImageDraw, x: float, baseline: float, text: str, fill: int) -> None:
        """Draw ``text`` from ``x`` to the right."""
        runs = self._runs(text)
        # A single run is ordered by its font's layout engine, several only as wholes.
        for font, run in reversed(runs) if runs_right_to_left(text) else runs:
            stroke = self.stroke if font is self.fonts[0] else 0.0
            on.text((x, baseline), run, fill=fill, font=font, anchor="ls", stroke_width=stroke)
            x += font.getlength(run)

    def _runs(self, text: str) -> list[tuple[ImageFont.FreeTypeFont, str]]:
        if len(self.fonts) == 1:
            return [(self.fonts[0], text)]
        chosen = own = self.fonts[0]
        fonts = []
        for character in text:
            if not _is_blank(character):  # a blank goes with what is before it
                chosen = own if _has(own, character) else self.fonts[1]
            fonts.append(chosen)
        runs = groupby(zip(fonts, text, strict=True), key=itemgetter(0))
        return [(font, "".join(character for _, character in run)) for font, run in runs]


@dataclass(frozen=True, slots=True)
class Typeface:
    """The font of the file at path ``file``, or if that is empty the built-in ``face``."""

    file: str = ""
    face: Face = Face.SANS

    def sized(self, pixels: float) -> Letters:
        """The letters with an em square of ``pixels``. Raises SettingError for a file that is no font.

        Letters of a file are made bold if ``face`` is.
        """
        built_in = _built_in(self.face, pixels)
        if not self.file:
            return Letters((built_in,), 0.0)
        bold = self.face.value.endswith("-Bold")
        return Letters((_of_file(self.file, _version(self.file), pixels), built_in), pixels / 50 * bold)

    def missing(self, text: Iterable[str]) -> str:
        """The characters of ``text`` that there is no glyph for, each once, in their order.

        Spaces, control and format characters are never missing. Raises SettingError as :meth:`sized` does.
        """
        fonts = self.sized(_PROBE).fonts
        return "".join(
            character for character in dict.fromkeys(text) if not any(_has(font, character) for font in fonts)
        )

    def drawable(self, text: str, what: str, setting: str) -> str:
        """``text`` in characters that can be drawn: a letter that is missing loses its accent (``r`` for
        ``ř``).

        Raises SettingError if that does not help; ``what`` is drawn, for example "the header line", and
        ``setting`` is the one that names the font.
        """
        text = unicodedata.normalize("NFC", text)
        for lacking in self.missing(text):
            plain = unicodedata.normalize("NFKD", lacking)
            plain = "".join(each for each in plain if not unicodedata.combining(each))
            if plain and not self.missing(plain):
                text = text.replace(lacking, plain)
        if missing := self.missing(text):
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            font = f"the font {self.file}" if self.file else "the built-in font"
            raise SettingError(
                f"{what} cannot be drawn: {font} has no {' '.join(missing[:_SHOWN])}{more}; "
                f"name a font file that has with {setting}"
            )
        if any(map(_needs_shaping, text)) and not features.check("raqm"):
            raise SettingError(
                f"{what} cannot be drawn: its script needs the library FriBiDi, which is not installed; "
                "install it (Debian: libfribidi0)"
            )
        return text


def runs_right_to_left(text: str) -> bool:
    """Whether a line of ``text`` begins at the right: its first letter is Arabic or Hebrew, say."""
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def _needs_shaping(character: str) -> bool:
    """The character changes its form or place beside others: right to left, or Indic and its relatives."""
    right_to_left = unicodedata.bidirectional(character) in ("R", "AL")
    return right_to_left or "\u0900" <= character <= "\u109f" or "\u1780" <= character <= "\u18af"


@lru_cache(maxsize=16384)
def _has(font: ImageFont.FreeTypeFont, character: str) -> bool:
    return _is_blank(character) or _glyph(font, character) != _no_glyph(font)


def _is_blank(character: str) -> bool:
    """A space, or a control or format character."""
    return unicodedata.category(character)[0] in "ZC"


@lru_cache(maxsize=128)
def _no_glyph(font: ImageFont.FreeTypeFont) -> tuple[object, ...]:
    return _glyph(font, _NOT_A_CHARACTER)


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> tuple[object, ...]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


# --- loading ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _built_in(face: Face, pixels: float) -> ImageFont.FreeTypeFont:
    # Raqm reads no font without tables of metrics; the letters of these need no shaping.
    return ImageFont.truetype(BytesIO(_built_in_data(face)), pixels, layout_engine=ImageFont.Layout.BASIC)


@lru_cache
def _built_in_data(face: Face) -> bytes:
    import pypdfium2
    import pypdfium2.raw as pdfium

    document = pypdfium2.PdfDocument.new()
    try:
        font = pdfium.FPDFText_LoadStandardFont(document, face.value.encode())
        length = ctypes.c_size_t()
        pdfium.FPDFFont_GetFontData(font, None, 0, length)
        data = (ctypes.c_uint8 * length.value)()
        pdfium.FPDFFont_GetFontData(font, data, length.value, length)
        pdfium.FPDFFont_Close(font)
    finally:
        document.close()
    return bytes(data)


@lru_cache(maxsize=64)
def _of_file(file: str, version: tuple[int, int], pixels: float) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(file, pixels)
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{file} is not a font that can be drawn; name a TrueType or OpenType file"
        ) from error


def _version(file: str) -> tuple[int, int]:
    """Changes when the file does. Raises SettingError."""
    try:
        status = os.stat(file)
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise SettingError(f"the font {file} cannot be read: {reason}; check its name") from error
    if not stat.S_ISREG(status.st_mode):
        raise SettingError(f"the font {file} is not a regular file; check its name")
    if status.st_size > MOST_OCTETS:
        raise SettingError(
            f"the font {file} has {status.st_size} octets, more than {MOST_OCTETS}; name a smaller one"
        )
    return status.st_size, status.st_mtime_ns

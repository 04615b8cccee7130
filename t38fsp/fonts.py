"""The fonts of what is drawn here: header lines, cover pages, plain text.

Each character is drawn in the first font that has it: a font file that the user names, the built-in font, and
some widespread fonts as far as they are installed. Built in are the fonts that pdfium has for PDF files that
do not contain theirs: they come with its wheels, have real bold faces, and the letters of western European
languages.
"""

from __future__ import annotations

import ctypes
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from PIL import ImageDraw, ImageFont, features

from t38fsp.image.errors import DocumentError, unreadable

MOST_OCTETS = 128 * 1024 * 1024
"""Octets of a font file; those with every Chinese, Japanese and Korean letter have about 20 MB."""

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
_MAX_DEPTH = 3
"""Folders below those above that are searched."""
_FIXED = (
    "DejaVuSansMono.ttf",
    "LiberationMono-Regular.ttf",
    "NotoSansMono-Regular.ttf",
    "Menlo.ttc",
    "consola.ttf",
)
_PROPORTIONAL = (
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansMonoCJK-Regular.ttc",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "unifont.ttf",
)
"""Names of files of widespread fonts, in the order in which they are asked."""

_TRIAL = 40.0
"""Size at which glyphs are compared, pixels."""
_SHOWN = 8
"""Characters that a message lists."""
_NOT_DRAWN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
"""Categories of spaces, and of codes that control others."""
_NOWHERE = "\U0010fffe"
"""Not a character, so that every font draws its substitute for a glyph that it lacks."""


class Face(Enum):
    """A built-in font; the value is its name among the 14 fonts of PDF."""

    SANS = "Helvetica"
    SANS_BOLD = "Helvetica-Bold"
    SERIF = "Times-Roman"
    SERIF_BOLD = "Times-Bold"
    FIXED = "Courier"


class Font:
    """One font: a file, or a built-in face. Raises DocumentError if the file is none."""

    def __init__(self, source: Path | Face) -> None:
        self.source = source
        self._trial = self.sized(_TRIAL)
        self._advances: dict[str, float] = {}
        self._has: dict[str, bool] = {}
        self._lacking = self._drawn(_NOWHERE)

    @property
    def name(self) -> str:
        return "the built-in font" if isinstance(self.source, Face) else f"the font {self.source}"

    @lru_cache(maxsize=16)  # noqa: B019  there are few fonts, and they are kept
    def sized(self, pixels: float) -> ImageFont.FreeTypeFont:
        if isinstance(self.source, Face):
            data = BytesIO(_built_in(self.source))
            # Raqm reads no font without tables of metrics; the letters of these need no shaping.
            return ImageFont.truetype(data, pixels, layout_engine=ImageFont.Layout.BASIC)
        try:
            return ImageFont.truetype(self.source, pixels)
        except (OSError, ValueError, MemoryError) as error:
            raise DocumentError(
                f"{self.source} cannot be used as a font ({error}); name a TrueType or OpenType file"
            ) from error

    def advance(self, character: str) -> float:
        """How far a character moves the line on, as a part of the size of the font."""
        known = self._advances.get(character)
        if known is None:
            known = self._advances[character] = self._trial.getlength(character) / _TRIAL
        return known

    def has(self, character: str) -> bool:
        """Whether the font has a glyph for it; characters that are not drawn need none."""
        known = self._has.get(character)
        if known is None:
            not_drawn = unicodedata.category(character) in _NOT_DRAWN
            # FreeType draws a substitute for a glyph that a font lacks, and Pillow does not say so: the
            # picture is compared with that of a character that no font has.
            known = self._has[character] = not_drawn or self._drawn(character) != self._lacking
        return known

    def _drawn(self, character: str) -> tuple[tuple[int, int], bytes]:
        try:
            mask = self._trial.getmask(character, mode="L")
        except (OSError, ValueError) as error:  # a font that is damaged shows it only here
            raise DocumentError(
                f"{self.name} cannot draw {character!r} ({error}); name another font"
            ) from error
        return mask.size, bytes(mask)


class Typeface:
    """What is drawn in ``face``, and in the font file at path ``file`` if there is one.

    Fonts that have no bold face of their own are drawn bolder if ``face`` is bold. Raises DocumentError if
    the file is not a font.
    """

    def __init__(self, file: str = "", face: Face = Face.SANS) -> None:
        self._face = face
        self._file = file
        self._version = _version(file) if file else ()
        self._font_of: dict[str, Font] = {}
        if file:
            _loaded(file, self._version)

    @property
    def is_bold(self) -> bool:
        return self._face.value.endswith("-Bold")

    def font_of(self, character: str) -> Font | None:
        """The font that draws it; None if no font has it."""
        found = self._font_of.get(character)
        if found is None:
            found = next((font for font in self._fonts() if font.has(character)), None)
            if found is not None:
                self._font_of[character] = found
        return found

    def _fonts(self) -> Iterator[Font]:
        """In the order in which they are asked; the machine is searched only for what is not found before."""
        is_fixed = self._face is Face.FIXED
        if self._file:
            yield _loaded(self._file, self._version)
        if not is_fixed:
            yield _of_face(self._face)
        for path in installed(fixed=is_fixed):
            with suppress(DocumentError):  # a broken one was not named by the user
                yield _loaded(str(path), ())
        if is_fixed:  # the built-in one has thin strokes
            yield _of_face(self._face)

    def missing(self, text: Iterable[str]) -> str:
        """The characters of ``text`` that no font has, each once, in their order."""
        return "".join(each for each in dict.fromkeys(text) if self.font_of(each) is None)

    def drawable(self, text: str, what: str) -> str:
        """``text`` in characters that can be drawn: a letter that no font has loses its accent.

        Raises DocumentError if that does not help; ``what`` is drawn, for example "the header line".
        """
        text = unicodedata.normalize("NFC", text)
        for lacking in self.missing(text):
            plain = unicodedata.normalize("NFKD", lacking)
            # Decomposed (UAX #15), a letter is followed by its accents as combining marks; without these
            # the base letter is left.
            plain = "".join(each for each in plain if not unicodedata.combining(each))
            if plain and not self.missing(plain):
                text = text.replace(lacking, plain)
        if missing := self.missing(text):
            shown = " ".join(f"{each} (U+{ord(each):04X})" for each in missing[:_SHOWN])
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise DocumentError(
                f"{what} has characters that no font here has: {shown}{more}; "
                "name a font file that has them, with the setting font"
            )
        # Pillow joins and reorders letters through Raqm, which loads FriBiDi at run time. Without it
        # Arabic is drawn letter by letter from the wrong end, without an error.
        if any(map(_needs_shaping, set(text))) and not features.check("raqm"):
            raise DocumentError(
                f"{what} is in a script that needs the library FriBiDi, which is not installed; "
                "install it (Debian: libfribidi0)"
            )
        return text

    def advance(self, character: str) -> float:
        """How far a character moves the line on, as a part of the size of the font; it must be drawable."""
        font = self.font_of(character)
        assert font is not None, f"{character!r} was not checked"
        return font.advance(character)

    def runs(self, line: str) -> Iterator[tuple[str, Font]]:
        """``line`` in parts, each to be drawn in one font. Spaces and marks belong to what they follow, so
        that words written from right to left stay in their order."""
        begin, font = 0, None
        for place, character in enumerate(line):
            own = self.font_of(character)
            assert own is not None, f"{character!r} was not checked"
            if own is font or (font is not None and _joins(character) and font.has(character)):
                continue
            if font is not None:
                yield line[begin:place], font
            begin, font = place, own
        if font is not None:
            yield line[begin:], font

    def sized(self, pixels: float) -> Letters:
        """The letters with an em square of ``pixels``."""
        return Letters(self, pixels)


class Letters:
    """A typeface in one size. Lengths are in pixels; a text is one line of drawable characters."""

    def __init__(self, typeface: Typeface, pixels: float) -> None:
        self._typeface = typeface
        self.pixels = pixels

    def width(self, text: str) -> float:
        return sum(font.sized(self.pixels).getlength(run) for run, font in self._typeface.runs(text))

    def extent(self, text: str) -> tuple[float, float]:
        """How far ``text`` reaches above its baseline, and how far below."""
        boxes = [font.sized(self.pixels).getbbox(run, anchor="ls") for run, font in self._typeface.runs(text)]
        return max((-box[1] for box in boxes), default=0.0), max((box[3] for box in boxes), default=0.0)

    def draw(self, on: ImageDraw.ImageDraw, x: float, baseline: float, text: str, fill: int) -> None:
        """Draw ``text`` from ``x`` to the right."""
        runs = list(self._typeface.runs(text))
        # Within a run the layout engine of its font knows the order; among several we do.
        for run, font in reversed(runs) if runs_right_to_left(text) else runs:
            bolder = self._typeface.is_bold and not isinstance(font.source, Face)
            sized = font.sized(self.pixels)
            # The strokes of ideographs would grow together.
            stroke = self.pixels / 50 if bolder and not _is_dense(run) else 0.0
            # Anchor "ls": x is the left end, y the baseline, so that runs in different fonts stand on one
            # line.
            on.text((x, baseline), run, fill=fill, font=sized, anchor="ls", stroke_width=stroke)
            x += sized.getlength(run)


def runs_right_to_left(text: str) -> bool:
    """Whether a line of ``text`` begins at the right: its first letter is Arabic or Hebrew, say."""
    # UAX #9, rule P2: the first strong character decides the direction of the paragraph.
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def _needs_shaping(character: str) -> bool:
    """The character changes its form or place beside others: right to left, or Indic and its relatives."""
    # 0900 to 109F are the Indic scripts, Thai, Lao, Tibetan and Myanmar; 1780 to 18AF Khmer and
    # Mongolian.
    right_to_left = unicodedata.bidirectional(character) in ("R", "AL")
    return right_to_left or "\u0900" <= character <= "\u109f" or "\u1780" <= character <= "\u18af"


def _is_dense(run: str) -> bool:
    return any(unicodedata.east_asian_width(character) == "W" for character in run)


def _joins(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] in "MCP"


# --- loading ------------------------------------------------------------------------------------------------


@lru_cache
def installed(*, fixed: bool) -> tuple[Path, ...]:
    """The files of widespread fonts that this machine has, those of a fixed pitch first if ``fixed``."""
    wanted = _FIXED + _PROPORTIONAL if fixed else _PROPORTIONAL
    found: dict[str, Path] = {}
    for top in map(Path, _FOLDERS):
        # Links are not followed, so that a loop of them cannot hold up the search.
        for folder, folders, files in os.walk(top):
            if len(Path(folder).relative_to(top).parts) >= _MAX_DEPTH:
                folders.clear()
            for name in set(wanted) & set(files):
                found.setdefault(name, Path(folder, name))
    return tuple(found[name] for name in wanted if name in found)


@lru_cache
def _of_face(face: Face) -> Font:
    return Font(face)


@lru_cache(maxsize=32)
def _loaded(file: str, version: tuple[int, ...]) -> Font:
    return Font(Path(file))


@lru_cache
def _built_in(face: Face) -> bytes:
    import pypdfium2
    import pypdfium2.raw as pdfium

    document = pypdfium2.PdfDocument.new()
    try:
        # As pdfium itself has it: the wheel has no font files, and PDF files without embedded fonts are
        # drawn with the same.
        font = pdfium.FPDFText_LoadStandardFont(document, face.value.encode())
        length = ctypes.c_size_t()
        # The first call returns the length only.
        pdfium.FPDFFont_GetFontData(font, None, 0, length)
        data = (ctypes.c_uint8 * length.value)()
        pdfium.FPDFFont_GetFontData(font, data, length.value, length)
        pdfium.FPDFFont_Close(font)
    finally:
        document.close()
    return bytes(data)


def fitting(text: str, room: float, width_of: Callable[[str], float]) -> int:
    """How many characters of ``text``, which is wider than ``room``, fit into it."""
    fits, too_many = 0, len(text)
    # Bisection: each width needs a run of the layout engine, and a line of text may have thousands of
    # characters.
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if width_of(text[:middle]) <= room:
            fits = middle
        else:
            too_many = middle
    return fits


def _version(file: str) -> tuple[int, int]:
    """Changes when the file does. Raises DocumentError."""
    try:
        status = os.stat(file)
    except OSError as error:
        raise unreadable("font", file, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise DocumentError(f"the font {file} is not a regular file; check its name")
    if status.st_size > MOST_OCTETS:
        raise DocumentError(f"the font {file} is larger than any font; name another file")
    # Part of the key of ``_loaded``: a font that is replaced while the process runs is read again.
    return status.st_size, status.st_mtime_ns

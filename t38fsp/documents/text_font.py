"""The fonts of a plain text, and what they can draw.

Each character is drawn in the first font that has it: a named font file, then some widespread fonts as far
as they are installed, monospaced ones first because plain text is made for a fixed pitch, and at last the
outline font that comes with Pillow, which has little more than ASCII.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from t38fsp.image.errors import DocumentError

MAX_FONT_OCTETS = 64 << 20
"""A font file that is larger is refused; those with every Chinese character have about 20 MB."""

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
_FILES = (
    "DejaVuSansMono.ttf",
    "LiberationMono-Regular.ttf",
    "NotoSansMono-Regular.ttf",
    "Menlo.ttc",
    "consola.ttf",
    "NotoSansMonoCJK-Regular.ttc",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "unifont.ttf",
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSans-Regular.ttf",
)
"""In this order."""
_MAX_DEPTH = 3
"""Folders below those above that are searched."""
_TRIAL = 40.0
"""Size at which glyphs are compared, pixels."""
_SHOWN = 8
"""Characters that a message lists."""
_NOT_DRAWN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
"""Categories of spaces, and of codes that control others."""
_NOWHERE = "\U0010fffe"
"""Not a character, so that every font draws its substitute for a glyph that it lacks."""


class Font:
    """A font file, or Pillow's own font if ``path`` is None. Raises DocumentError if it is not one."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._trial = self.sized(_TRIAL)
        self._advances: dict[str, float] = {}
        self._lacking = self._drawn(_NOWHERE)

    @property
    def name(self) -> str:
        return self.path.name if self.path is not None else "the built-in font"

    @lru_cache(maxsize=8)  # noqa: B019  a document has one font, and dies with it
    def sized(self, pixels: float) -> ImageFont.FreeTypeFont:
        try:
            if self.path is None:
                built_in = ImageFont.load_default(pixels)
                if not isinstance(built_in, ImageFont.FreeTypeFont):
                    raise DocumentError("Pillow is built without FreeType and draws no text; reinstall it")
                return built_in
            if self.path.stat().st_size > MAX_FONT_OCTETS:
                raise DocumentError(f"{self.path} is larger than any font; name another font file")
            return ImageFont.truetype(self.path, pixels)
        except (OSError, ValueError, MemoryError) as error:
            raise DocumentError(
                f"{self.path} cannot be used as a font ({error}); name another font file"
            ) from error

    def advance(self, character: str) -> float:
        """How far a character moves the line on, as a part of the size of the font."""
        known = self._advances.get(character)
        if known is None:
            known = self._advances[character] = self._trial.getlength(character) / _TRIAL
        return known

    def has(self, character: str) -> bool:
        """Whether the font has a glyph for it; characters that are not drawn need none."""
        return unicodedata.category(character) in _NOT_DRAWN or self._drawn(character) != self._lacking

    def _drawn(self, character: str) -> tuple[tuple[int, int], bytes]:
        try:
            mask = self._trial.getmask(character, mode="L")
        except (OSError, ValueError) as error:  # a font that is damaged shows it only here
            raise DocumentError(
                f"{self.name} cannot draw {character!r} ({error}); name another font"
            ) from error
        return mask.size, bytes(mask)


class Fonts:
    """The fonts that the text with these characters is drawn in. Raises DocumentError, with some of the
    characters that no font has.
    """

    def __init__(self, characters: Iterable[str], named: Path | None = None) -> None:
        self._font_of: dict[str, Font] = {}
        missing = set(characters)
        for path in [*([named] if named is not None else []), *installed(), None]:
            font = Font(path)
            # All that is drawn in one font alone needs no other; ASCII is most of it.
            has = {character for character in missing if font.has(character)}
            self._font_of.update(dict.fromkeys(has, font))
            missing -= has
            if not missing:
                return
        shown = " ".join(f"{each} (U+{ord(each):04X})" for each in sorted(missing)[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DocumentError(
            f"the text has characters that no font here has: {shown}{more}; name a font file that has them"
        )

    def advance(self, character: str) -> float:
        """How far a character moves the line on, as a part of the size of the font."""
        return self._font_of[character].advance(character)

    def runs(self, line: str) -> Iterator[tuple[str, Font]]:
        """``line`` in parts, each to be drawn in one font. Spaces and marks belong to what they follow, so
        that words written from right to left stay in their order."""
        begin, font = 0, None
        for place, character in enumerate(line):
            own = self._font_of[character]
            if own is font or (font is not None and _joins(character) and font.has(character)):
                continue
            if font is not None:
                yield line[begin:place], font
            begin, font = place, own
        if font is not None:
            yield line[begin:], font


def _joins(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] in "MCP"


@lru_cache(maxsize=1)
def installed() -> tuple[Path, ...]:
    """The font files of the list above that this machine has."""
    wanted = {name: place for place, name in enumerate(_FILES)}
    found: dict[str, Path] = {}
    for top in map(Path, _FOLDERS):
        for folder, folders, files in os.walk(top):
            if len(Path(folder).relative_to(top).parts) >= _MAX_DEPTH:
                folders.clear()
            for name in wanted.keys() & set(files):
                found.setdefault(name, Path(folder, name))
    return tuple(found[name] for name in sorted(found, key=wanted.__getitem__))

"""Invisible text in a PDF, for searching and copying: words at their places, in a font without outlines.

The font (ISO 32000-1 9.7) has a code for each character that occurs, in the order of their occurrence, and a
table that maps the codes back to Unicode. All codes have one empty glyph, of a font program that is embedded,
so that no viewer looks for a substitute.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from sip.frozen import dataclass

_MOST_CODES = 0xFFFF
_IN_SECTION = 100
"""Entries in one section of a CMap, at most."""
_UNITS = 1000
"""Units per em of the font program, the same as in PDF (9.2.4)."""
_CHECKSUM_MAGIC = 0xB1B0AFBA


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its box on the page: left, top, width and height, in pixels."""

    text: str
    left: int
    top: int
    width: int
    height: int


class InvisibleFont:
    """The characters that were shown so far, and the objects that describe the font."""

    NAME = "Invisible"
    WIDTH = 500
    """Advance of each glyph, in thousandths of the font size."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def show(self, words: Iterable[Word], x: float, y: float, height: float) -> bytes:
        """Operators that show ``words`` on a page of this ``height``, whose pixels measure ``x`` by ``y``.

        Each word is as high as its box, and stretched to its width.
        """
        shown = [b"BT 3 Tr"]  # 3: neither fill nor stroke (9.3.6)
        for word in words:
            codes = self._coded(word.text)
            size = max(word.height, 1) * y
            if not codes:
                continue
            # Two octets for each code; Tz is in per cent (9.3.4).
            stretch = 100 * max(word.width, 1) * x / (len(codes) // 2 * size * self.WIDTH / _UNITS)
            left, bottom = word.left * x, height - (word.top + word.height) * y
            shown.append(
                f"/Text {size:.2f} Tf {stretch:.2f} Tz 1 0 0 1 {left:.2f} {bottom:.2f} Tm "
                f"<{codes.hex()}> Tj".encode("ascii")
            )
        return b"\n".join([*shown, b"ET\n"])

    def to_unicode(self) -> bytes:
        """The CMap that maps codes to Unicode (9.10.3)."""
        rows = [
            f"<{code:04x}> <{char.encode('utf-16-be').hex()}>".encode("ascii")
            for char, code in self._codes.items()
        ]
        sections = [rows[start : start + _IN_SECTION] for start in range(0, len(rows), _IN_SECTION)]
        return b"\n".join(
            [
                b"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap",
                b"/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
                b"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def",
                b"1 begincodespacerange\n<0000> <ffff>\nendcodespacerange",
                *(
                    b"%d beginbfchar\n%b\nendbfchar" % (len(section), b"\n".join(section))
                    for section in sections
                ),
                b"endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n",
            ]
        )

    def glyphs(self) -> bytes:
        """The map from codes to glyphs (9.7.4.2): all have the empty one."""
        # One more than the codes in use: they begin with 1, as 0 is .notdef.
        return bytes(2 * (len(self._codes) + 1))

    def program(self) -> bytes:
        """A TrueType font with one empty glyph, and the tables that PDF requires (9.9)."""
        tables = {
            b"glyf": bytes(4),
            # 5F0F3CF5 is the magic number of this table; its checksum is filled in last.
            b"head": struct.pack(
                ">IIIIHHqqhhhhHHhhh",
                *(0x10000, 0x10000, 0, 0x5F0F3CF5, 0, _UNITS, 0, 0),
                *(0, 0, self.WIDTH, _UNITS, 0, 8, 2, 0, 0),
            ),
            b"hhea": struct.pack(
                ">IhhhHhhhhhh8xhH", 0x10000, _UNITS, 0, 0, self.WIDTH, 0, 0, 0, 1, 0, 0, 0, 1
            ),
            b"hmtx": struct.pack(">Hh", self.WIDTH, 0),
            b"loca": struct.pack(">HH", 0, 0),
            b"maxp": struct.pack(">IH13H", 0x10000, 1, *([0] * 4), 1, *([0] * 8)),
        }
        return _font_file(tables)

    def _coded(self, text: str) -> bytes:
        codes = []
        for char in text:
            if not char.isprintable():  # nor a lone surrogate, which UTF-16 cannot have
                continue
            if char not in self._codes and len(self._codes) == _MOST_CODES:
                continue
            codes.append(self._codes.setdefault(char, len(self._codes) + 1))
        return struct.pack(f">{len(codes)}H", *codes)


def _font_file(tables: dict[bytes, bytes]) -> bytes:
    """A TrueType file; its tables are in the order of their names, each on a boundary of four octets."""
    # entrySelector, searchRange and rangeShift of the table directory: for a binary search among the
    # tables.
    power = len(tables).bit_length() - 1
    searched = 16 << power
    head = struct.pack(">IHHHH", 0x10000, len(tables), searched, power, 16 * len(tables) - searched)
    offset = len(head) + 16 * len(tables)
    directory, body = b"", b""
    for name, data in tables.items():
        directory += struct.pack(">4sIII", name, _checksum(data), offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    file = bytearray(head + directory + body)
    # The file as a whole has a checksum, too, in the third field of head.
    place = offset + sum(len(data) + -len(data) % 4 for name, data in tables.items() if name < b"head") + 8
    struct.pack_into(">I", file, place, (_CHECKSUM_MAGIC - _checksum(bytes(file))) & 0xFFFFFFFF)
    return bytes(file)


def _checksum(data: bytes) -> int:
    data += bytes(-len(data) % 4)
    words: Sequence[int] = struct.unpack(f">{len(data) // 4}I", data)
    return sum(words) & 0xFFFFFFFF

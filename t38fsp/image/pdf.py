"""Fax pages as a PDF (ISO 32000-1): the coded octets of each page as they are, as a CCITT stream.

A page is as large as its pixels and its resolution make it, so a page of standard resolution, whose pixels
are twice as high as wide, has the right shape. Words that were recognised on a page are put under its picture
as invisible text (:mod:`t38fsp.image.pdf_text`).

The file is written from its beginning to its end, and one page is held at a time.
"""

from __future__ import annotations

import codecs
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import BinaryIO

from sip.frozen import dataclass
from t38fsp.image.pdf_text import InvisibleFont, Word
from t38fsp.t30.vocabulary import Coding, Resolution

_K = {Coding.MH: 0, Coding.MR: 4, Coding.MMR: -1}
"""The parameter K of CCITTFaxDecode (7.4.6): zero one-dimensional, positive mixed, negative T.6. Decoders use
only its sign, as each line of MR tells how it is coded."""

_POINTS = 72
"""User space units per inch."""
_PLACES = 10_000
"""Sizes have four decimal places, and are a trace smaller than the pixels: programs that draw a page at its
resolution round up, and would add a column or a row for a rounding error."""
_MOST_UNITS = 14_400
"""The greatest size that viewers accept (annex C.2); a longer page has a larger user space unit."""
_MOST_TEXT = 500
"""Characters of a text in the document information."""

_CATALOG, _PAGES, _INFO = 1, 2, 3
"""Object numbers that are known before the objects are written."""


@dataclass(frozen=True, slots=True)
class PdfPage:
    """One page: ``data`` are its coded octets, most significant bit first, as one strip of a TIFF has them.

    ``width`` and ``rows`` are in pixels. ``inverted``: what is coded as white is black.
    """

    coding: Coding
    width: int
    rows: int
    resolution: Resolution
    data: bytes
    inverted: bool = False
    words: Sequence[Word] = ()
    """Text to find and copy, at its place on the page."""


class PdfWriter:
    """Writes a PDF into ``file``, which is empty: each :meth:`page` in turn, then :meth:`close`.

    ``info`` is the document information: names such as ``Title``, or of our own, and their texts; up to 500
    characters of each are written. ``created`` has a time zone. Raises OSError.
    """

    def __init__(self, file: BinaryIO, info: Mapping[str, str], created: datetime | None = None) -> None:
        self._file = file
        self._info = info
        self._created = created
        self._position = 0
        self._offsets: dict[int, int] = {}
        self._next = _INFO + 1
        self._kids: list[int] = []
        self._font: InvisibleFont | None = None
        self._font_number = 0
        # Of all that is written, for the identifier of the file in its trailer (14.4).
        self._digest = hashlib.sha256()
        # The second line tells programs that copy files that this is not text (7.5.2).
        # 1.6 is the first version with UserUnit, which very long pages need.
        self._write(b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n")

    def page(self, page: PdfPage) -> None:
        picture, contents, number = self._take(), self._take(), self._take()
        width, height, unit = _size(page)
        self._stream(
            picture,
            page.data,
            f"/Type /XObject /Subtype /Image /Width {page.width} /Height {page.rows} "
            "/ColorSpace /DeviceGray /BitsPerComponent 1 /Filter /CCITTFaxDecode "
            f"/DecodeParms << /K {_K[page.coding]} /Columns {page.width} /Rows {page.rows}"
            f"{' /BlackIs1 true' if page.inverted else ''} >>",
        )
        drawn = f"q {_number(width)} 0 0 {_number(height)} 0 0 cm /Page Do Q\n".encode()
        resources = f"/XObject << /Page {picture} 0 R >>"
        if page.words:
            font = self._with_font()
            x, y = width / page.width, height / page.rows
            drawn += font.show(page.words, x, y, height)
            resources += f" /Font << /Text {self._font_number} 0 R >>"
        self._stream(contents, zlib.compress(drawn), "/Filter /FlateDecode")
        larger = "" if unit == 1 else f" /UserUnit {unit}"
        self._object(
            number,
            f"<< /Type /Page /Parent {_PAGES} 0 R /MediaBox [0 0 {_number(width)} {_number(height)}]{larger} "
            f"/Resources << {resources} >> /Contents {contents} 0 R >>",
        )
        self._kids.append(number)

    def close(self) -> None:
        """Write what follows the pages. The file stays open."""
        if self._font is not None:
            self._write_font(self._font)
        kids = " ".join(f"{number} 0 R" for number in self._kids)
        self._object(_PAGES, f"<< /Type /Pages /Count {len(self._kids)} /Kids [{kids}] >>")
        # Flags 4: symbolic, as its codes are of no standard encoding (9.8.2).
        self._object(_CATALOG, f"<< /Type /Catalog /Pages {_PAGES} 0 R >>")
        entries = {name: _text(text) for name, text in self._info.items() if text}
        if self._created is not None:
            entries["CreationDate"] = _text(_date(self._created))
        self._object(_INFO, f"<< {' '.join(f'/{name} {text}' for name, text in entries.items())} >>")
        self._cross_references()

    def _with_font(self) -> InvisibleFont:
        if self._font is None:
            self._font, self._font_number = InvisibleFont(), self._take()
        return self._font

    def _write_font(self, font: InvisibleFont) -> None:
        below, described, program, to_unicode, glyphs = (self._take() for _ in range(5))
        self._object(
            self._font_number,
            f"<< /Type /Font /Subtype /Type0 /BaseFont /{font.NAME} /Encoding /Identity-H "
            f"/DescendantFonts [{below} 0 R] /ToUnicode {to_unicode} 0 R >>",
        )
        self._object(
            below,
            f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{font.NAME} /DW {font.WIDTH} "
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
            f"/FontDescriptor {described} 0 R /CIDToGIDMap {glyphs} 0 R >>",
        )
        self._object(
            described,
            f"<< /Type /FontDescriptor /FontName /{font.NAME} /Flags 4 /FontBBox [0 0 {font.WIDTH} 1000] "
            f"/ItalicAngle 0 /Ascent 1000 /Descent 0 /CapHeight 1000 /StemV 80 /FontFile2 {program} 0 R >>",
        )
        octets = font.program()
        self._stream(program, zlib.compress(octets), f"/Filter /FlateDecode /Length1 {len(octets)}")
        self._stream(to_unicode, zlib.compress(font.to_unicode()), "/Filter /FlateDecode")
        self._stream(glyphs, zlib.compress(font.glyphs()), "/Filter /FlateDecode")

    def _cross_references(self) -> None:
        start, count = self._position, self._next
        # Entries of exactly 20 octets; the first is the head of the list of free objects (7.5.4).
        rows = [b"0000000000 65535 f \n"]
        rows += [b"%010d 00000 n \n" % self._offsets[number] for number in range(1, count)]
        self._write(b"xref\n0 %d\n" % count + b"".join(rows))
        name = self._digest.hexdigest()[:32]
        trailer = f"<< /Size {count} /Root {_CATALOG} 0 R /Info {_INFO} 0 R /ID [<{name}> <{name}>] >>"
        self._write(f"trailer\n{trailer}\nstartxref\n{start}\n%%EOF\n".encode())

    def _take(self) -> int:
        """The number of an object that is written later."""
        self._next += 1
        return self._next - 1

    def _object(self, number: int, value: str) -> None:
        self._begin(number)
        self._write(f"{value}\nendobj\n".encode("ascii"))

    def _stream(self, number: int, data: bytes, entries: str) -> None:
        self._begin(number)
        self._write(f"<< {entries} /Length {len(data)} >>\nstream\n".encode("ascii"))
        self._write(data)
        self._write(b"\nendstream\nendobj\n")

    def _begin(self, number: int) -> None:
        self._offsets[number] = self._position
        self._write(b"%d 0 obj\n" % number)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._position += len(data)


def _size(page: PdfPage) -> tuple[float, float, int]:
    """Width and height, and the size of the unit that they are in, in points."""
    width, height = page.width * _POINTS / page.resolution.x, page.rows * _POINTS / page.resolution.y
    unit = ceil(max(width, height) / _MOST_UNITS)
    across, down = ((ceil(size / unit * _PLACES) - 1) / _PLACES for size in (width, height))
    return across, down, unit


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _text(value: str) -> str:
    """A text string (7.9.2.2): ASCII in parentheses, anything else UTF-16 in hexadecimal.

    What is not printable becomes a space: there a control character would begin the name of a language.
    """
    value = "".join(char if char.isprintable() else " " for char in value[:_MOST_TEXT])
    if value.isascii():
        escaped = value.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        return f"({escaped})"
    octets = codecs.BOM_UTF16_BE + value.encode("utf-16-be")
    return f"<{octets.hex()}>"


def _date(moment: datetime) -> str:
    """7.9.4."""
    offset = moment.strftime("%z")
    return f"D:{moment:%Y%m%d%H%M%S}{offset[:3]}'{offset[3:5]}'" if offset else f"D:{moment:%Y%m%d%H%M%S}"

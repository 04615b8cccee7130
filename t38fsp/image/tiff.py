"""The structure of a TIFF Class F file (TIFF 6.0, RFC 3949 4): which pages, and where their octets are.

Files come from anywhere, so every offset, count and link is checked before it is followed, and whatever is
wrong ends in one :class:`DocumentError` that names the page.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, NoReturn

from t38fsp.image.errors import DocumentError
from t38fsp.image.resolutions import WIDTHS, nearest_resolution
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t30.vocabulary import Coding, PageFormat

MAX_PAGES = 2000
MAX_PAGE_OCTETS = 32 * 1024 * 1024
"""Coded octets of one page."""

MAX_STRIPS = 500_000
"""Of a document: a few hundred octets that many directories share could claim any number."""

_MAX_ENTRIES = 1000

MSB_FIRST = bytes(range(256))
LSB_FIRST = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""Translation tables for ``bytes.translate``: fill order 1 as it is, fill order 2 reversed."""

_CUT_SHORT = "the file may be cut short, so copy it again"
SUGGESTION = "save it as TIFF Class F (black and white, CCITT Group 3 or 4, 1728 pixels wide)"


class Tag(IntEnum):
    """Tags of TIFF Class F (RFC 3949 4.2)."""

    NEW_SUBFILE_TYPE = 254
    IMAGE_WIDTH = 256
    IMAGE_LENGTH = 257
    BITS_PER_SAMPLE = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES_PER_PIXEL = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTE_COUNTS = 279
    X_RESOLUTION = 282
    Y_RESOLUTION = 283
    T4_OPTIONS = 292
    T6_OPTIONS = 293
    RESOLUTION_UNIT = 296
    PAGE_NUMBER = 297
    SOFTWARE = 305
    BAD_FAX_LINES = 326
    CLEAN_FAX_DATA = 327
    CONSECUTIVE_BAD_FAX_LINES = 328


class FieldType(IntEnum):
    """The field types read or written here (TIFF 6.0 section 2)."""

    BYTE = 1
    ASCII = 2
    SHORT = 3
    LONG = 4
    RATIONAL = 5


_UNSIGNED = {FieldType.BYTE: "B", FieldType.SHORT: "H", FieldType.LONG: "I"}
_COMPRESSION_NAMES = {
    1: "none",
    2: "CCITT RLE",
    5: "LZW",
    6: "JPEG",
    7: "JPEG",
    8: "Deflate",
    32773: "PackBits",
}


@dataclass(frozen=True, slots=True)
class Strip:
    """Coded data of ``rows`` rows."""

    offset: int
    length: int
    rows: int


@dataclass(frozen=True, slots=True)
class TiffPage:
    """One page of the file. ``number`` counts from 1, as people do."""

    number: int
    format: PageFormat
    coding: Coding
    lsb_first: bool
    """FillOrder 2: the bit transmitted first is the least significant one."""
    inverted: bool
    """PhotometricInterpretation 1: what is coded as white is black."""
    strips: tuple[Strip, ...]


class _Source:
    """The file as octets at an offset, every access checked; and its byte order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.header = file.read(8)
        self._order = ">" if self.header[:2] == b"MM" else "<"

    def at(self, offset: int, length: int, number: int, what: str) -> bytes:
        if offset + length > self.size:
            _refuse(number, f"its {what} lies outside the file", _CUT_SHORT)
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            _refuse(number, f"its {what} could not be read", "the file may have changed, so try again")
        return data

    def unpack(self, layout: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack(self._order + layout, data)


class TiffFile:
    """An open TIFF file; its ``pages`` once the structure was found good.

    Raises :class:`DocumentError` when it was not.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._source = _Source(file)
        self.pages = self._read_pages()

    def strip_data(self, page: TiffPage) -> list[bytes]:
        """The coded octets of each strip, in transmission order (most significant bit first)."""
        table = LSB_FIRST if page.lsb_first else MSB_FIRST
        return [
            self._source.at(strip.offset, strip.length, page.number, "image data").translate(table)
            for strip in page.strips
        ]

    def _read_pages(self) -> list[TiffPage]:
        header = self._source.header
        if not header:
            raise DocumentError("the document is empty; give a TIFF file with at least one page")
        if header[:4] in (b"II+\0", b"MM\0+"):
            raise DocumentError("the document is a BigTIFF file, which fax cannot use; save it as plain TIFF")
        if header[:4] not in (b"II*\0", b"MM\0*") or len(header) < 8:
            raise DocumentError(f"the document is not a TIFF file; {SUGGESTION}")
        (offset,) = self._source.unpack("I", header[4:])
        pages: list[TiffPage] = []
        seen: set[int] = set()
        strips = 0
        while offset:
            number = len(pages) + 1
            if offset in seen:
                _refuse(number, "its directory is linked in a loop", "save the document again")
            if len(seen) >= MAX_PAGES:
                raise DocumentError(f"the document has more than {MAX_PAGES} pages; send it in parts")
            seen.add(offset)
            directory = _Directory(self._source, offset, number)
            offset = directory.next
            # Bit 0 marks a thumbnail of another page.
            if not directory.value(Tag.NEW_SUBFILE_TYPE, 0) & 1:
                pages.append(directory.page())
                strips += len(pages[-1].strips)
            if strips > MAX_STRIPS:
                raise DocumentError(
                    f"the document has more than {MAX_STRIPS} strips; save it with one strip a page"
                )
        if not pages:
            raise DocumentError("the document has no pages; give a TIFF file with at least one page")
        return pages


class _Directory:
    """One image file directory: its entries, and the page they describe."""

    def __init__(self, source: _Source, offset: int, number: int) -> None:
        self._source = source
        self._number = number
        (count,) = source.unpack("H", source.at(offset, 2, number, "directory"))
        if not 0 < count <= _MAX_ENTRIES:
            _refuse(number, f"its directory claims {count} entries", "the file is damaged, so save it again")
        raw = source.at(offset + 2, 12 * count + 4, number, "directory")
        (self.next,) = source.unpack("I", raw[-4:])
        self._entries: dict[int, tuple[int, int, bytes]] = {}
        for start in range(0, 12 * count, 12):
            tag, kind, length = source.unpack("HHI", raw[start : start + 8])
            self._entries.setdefault(tag, (kind, length, raw[start + 8 : start + 12]))

    def values(self, tag: Tag, most: int) -> tuple[int, ...]:
        """The unsigned numbers of a field, () when it is absent; a rational gives two. At most ``most``."""
        if tag not in self._entries:
            return ()
        kind, count, inline = self._entries[tag]
        if not 0 < count <= most:
            _refuse(self._number, f"its {_name(tag)} field has {count} values", "save the document again")
        if kind == FieldType.RATIONAL:
            layout = f"{2 * count}I"
        elif kind in (FieldType.BYTE, FieldType.SHORT, FieldType.LONG):
            layout = f"{count}{_UNSIGNED[FieldType(kind)]}"
        else:
            _refuse(
                self._number, f"its {_name(tag)} field has the wrong type {kind}", "save the document again"
            )
        size = struct.calcsize("=" + layout)
        if size > 4:
            (offset,) = self._source.unpack("I", inline)
            inline = self._source.at(offset, size, self._number, f"{_name(tag)} field")
        return self._source.unpack(layout, inline[:size])

    def value(self, tag: Tag, default: int | None = None) -> int:
        """The one number of a field."""
        values = self.values(tag, 1)
        if values:
            return values[0]
        if default is None:
            _refuse(self._number, f"it has no {_name(tag)} field", SUGGESTION)
        return default

    def page(self) -> TiffPage:
        width, rows = self._size()
        coding = self._coding()
        fill_order = self.value(Tag.FILL_ORDER, 1)
        photometric = self.value(Tag.PHOTOMETRIC, 0)
        if fill_order not in (1, 2):
            _refuse(self._number, f"its FillOrder is {fill_order}, not 1 or 2", SUGGESTION)
        if photometric not in (0, 1):
            _refuse(self._number, "it is not a black and white picture", SUGGESTION)
        return TiffPage(
            number=self._number,
            format=PageFormat(width, rows, nearest_resolution(width, *self._per_inch())),
            coding=coding,
            lsb_first=fill_order == 2,
            inverted=photometric == 1,
            strips=self._strips(rows),
        )

    def _size(self) -> tuple[int, int]:
        bits = self.values(Tag.BITS_PER_SAMPLE, 16) or (1,)
        if bits != (1,) or self.value(Tag.SAMPLES_PER_PIXEL, 1) != 1:
            _refuse(self._number, "it is in colour or grey, and fax is black and white", SUGGESTION)
        width, rows = self.value(Tag.IMAGE_WIDTH), self.value(Tag.IMAGE_LENGTH)
        if width not in WIDTHS:
            _refuse(self._number, f"it is {width} pixels wide, which is no fax width", SUGGESTION)
        if not 0 < rows <= MAX_ROWS:
            _refuse(self._number, f"it has {rows} rows", f"give pages of 1 to {MAX_ROWS} rows")
        return width, rows

    def _coding(self) -> Coding:
        compression = self.value(Tag.COMPRESSION, 1)
        if compression == 4:
            return Coding.MMR
        if compression != 3:
            name = _COMPRESSION_NAMES.get(compression, "unknown")
            _refuse(self._number, f"its compression is {compression} ({name}), not fax", SUGGESTION)
        options = self.value(Tag.T4_OPTIONS, 0)
        if options & 2:
            _refuse(self._number, "it uses the uncompressed mode of T.4", SUGGESTION)
        return Coding.MR if options & 1 else Coding.MH

    def _per_inch(self) -> tuple[float, float]:
        """The resolution as declared; zeros when it is missing or senseless."""
        x, y = self.values(Tag.X_RESOLUTION, 1), self.values(Tag.Y_RESOLUTION, 1)
        if len(x) != 2 or len(y) != 2 or not all((*x, *y)):
            return 0.0, 0.0
        scale = 2.54 if self.value(Tag.RESOLUTION_UNIT, 2) == 3 else 1.0
        return x[0] / x[1] * scale, y[0] / y[1] * scale

    def _strips(self, rows: int) -> tuple[Strip, ...]:
        offsets = self.values(Tag.STRIP_OFFSETS, rows)
        lengths = self.values(Tag.STRIP_BYTE_COUNTS, rows)
        if not offsets or len(offsets) != len(lengths):
            _refuse(
                self._number,
                f"it has {len(offsets)} strip offsets and {len(lengths)} strip lengths",
                "save the document again in strips, not tiles",
            )
        # One strip is the whole page, whatever RowsPerStrip says: the Windows fax service asks for 1 there.
        in_strip = rows if len(offsets) == 1 else self.value(Tag.ROWS_PER_STRIP, rows)
        if in_strip == 0 or -(-rows // in_strip) != len(offsets):
            _refuse(
                self._number,
                f"its {rows} rows do not make {len(offsets)} strips of {in_strip} rows",
                "the file is damaged, so save it again",
            )
        if sum(lengths) > MAX_PAGE_OCTETS:
            _refuse(self._number, f"it holds more than {MAX_PAGE_OCTETS} octets", "save the document again")
        for offset, length in zip(offsets, lengths, strict=True):
            if offset + length > self._source.size or length == 0:
                _refuse(
                    self._number,
                    "its image data lies outside the file",
                    _CUT_SHORT,
                )
        return tuple(
            Strip(offset, length, min(in_strip, rows - index * in_strip))
            for index, (offset, length) in enumerate(zip(offsets, lengths, strict=True))
        )


def _name(tag: Tag) -> str:
    return tag.name.replace("_", " ").title().replace(" ", "")


def _refuse(number: int, what: str, remedy: str) -> NoReturn:
    raise DocumentError(f"page {number} cannot be faxed: {what}; {remedy}")

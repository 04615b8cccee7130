"""Reads the fields of an image file directory (TIFF 6.0 section 2).

Every offset and count is checked before it is followed; any fault raises :class:`DocumentError`, which names
the page and the field.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import BinaryIO, NoReturn

from t38fsp.image.errors import DocumentError, NotFaxError

HEADER_OCTETS = 8

CUT_SHORT = "the file may be cut short, so copy it again"
DAMAGED = "the file is damaged, so save it again"
SUGGESTION = "save it as TIFF Class F (black and white, CCITT Group 3 or 4, 1728 pixels wide)"

# A fax page has about 20; those of cameras and scanners stay far below this, too.
_MAX_ENTRIES = 1000


class Tag(IntEnum):
    """Tags of TIFF Class F (RFC 3949 4.2), and SubfileType, which NewSubfileType replaced."""

    NEW_SUBFILE_TYPE = 254
    SUBFILE_TYPE = 255
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
    TILE_OFFSETS = 324
    BAD_FAX_LINES = 326
    CLEAN_FAX_DATA = 327
    CONSECUTIVE_BAD_FAX_LINES = 328

    @property
    def label(self) -> str:
        """The name as TIFF 6.0 spells it."""
        return "PhotometricInterpretation" if self is Tag.PHOTOMETRIC else self.name.title().replace("_", "")


class FieldType(IntEnum):
    """The field types (TIFF 6.0 section 2, and IFD of its supplement)."""

    BYTE = 1
    ASCII = 2
    SHORT = 3
    LONG = 4
    RATIONAL = 5
    SBYTE = 6
    UNDEFINED = 7
    SSHORT = 8
    SLONG = 9
    SRATIONAL = 10
    FLOAT = 11
    DOUBLE = 12
    IFD = 13


_INTEGERS = {
    FieldType.BYTE: "B",
    FieldType.SHORT: "H",
    FieldType.LONG: "I",
    FieldType.SBYTE: "b",
    FieldType.SSHORT: "h",
    FieldType.SLONG: "i",
    FieldType.IFD: "I",
}
_FRACTIONS = {
    FieldType.RATIONAL: "II",
    FieldType.SRATIONAL: "ii",
    FieldType.FLOAT: "f",
    FieldType.DOUBLE: "d",
}
_SIZES = {
    int(kind): struct.calcsize("=" + layout)
    for kind, layout in (_INTEGERS | _FRACTIONS | {FieldType.ASCII: "B", FieldType.UNDEFINED: "B"}).items()
}


def refuse(number: int, what: str, remedy: str) -> NoReturn:
    """Raise DocumentError for page ``number`` (from 1)."""
    raise DocumentError(f"page {number} cannot be faxed: {what}; {remedy}")


def refuse_as_fax(number: int, what: str) -> NoReturn:
    """Raise NotFaxError for page ``number`` (from 1)."""
    raise NotFaxError(f"page {number} cannot be faxed: {what}; {SUGGESTION}")


class Source:
    """The octets of the file, every access checked, and its byte order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.header = file.read(HEADER_OCTETS)
        self._order = ">" if self.header[:2] == b"MM" else "<"

    def check(self, offset: int, length: int, number: int, what: str) -> None:
        # A seek beyond the end would succeed, and a read there return nothing.
        if offset + length > self.size:
            refuse(number, f"its {what} lies outside the file", CUT_SHORT)

    def at(self, offset: int, length: int, number: int, what: str) -> bytes:
        self.check(offset, length, number, what)
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            refuse(number, f"its {what} could not be read", "the file may have changed, so try again")
        return data

    def integers(self, layout: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack(self._order + layout, data)

    def fractions(self, layout: str, data: bytes) -> tuple[float, ...]:
        return struct.unpack(self._order + layout, data)


class Directory:
    """One image file directory: the fields of a page, and where the next directory is."""

    def __init__(self, source: Source, offset: int, number: int) -> None:
        self._source = source
        self.offset = offset
        self._number = number
        (count,) = source.integers("H", source.at(offset, 2, number, "directory"))
        if not 0 < count <= _MAX_ENTRIES:
            refuse(number, f"its directory claims {count} entries", DAMAGED)
        raw = source.at(offset + 2, 12 * count + 4, number, "directory")
        (self.next,) = source.integers("I", raw[-4:])
        self._entries: dict[int, tuple[int, int, bytes]] = {}
        for start in range(0, 12 * count, 12):
            tag, kind, length = source.integers("HHI", raw[start : start + 8])
            # An entry has 12 octets: tag, type, count, and the value, or its offset if it is longer than
            # four. Of a tag that stands twice the first one counts, as in libtiff.
            self._entries.setdefault(tag, (kind, length, raw[start + 8 : start + 12]))

    def __contains__(self, tag: Tag) -> bool:
        return tag in self._entries

    def places(self) -> Iterator[int]:
        """Offsets of the directory and of each value outside it."""
        yield self.offset
        for kind, count, inline in self._entries.values():
            if count * _SIZES.get(kind, 0) > len(inline):
                yield from self._source.integers("I", inline)

    def count(self, tag: Tag) -> int:
        """The number of values of the field, 0 when it is absent."""
        return self._entries[tag][1] if tag in self._entries else 0

    def integers(self, tag: Tag, most: int, wanted: int | None = None) -> tuple[int, ...]:
        """The first ``wanted`` integers of a field (all if None); () when it is absent.

        Raises DocumentError for more than ``most`` values, and for a negative one.
        """
        if tag not in self._entries:
            return ()
        kind, count, _ = self._entries[tag]
        if not 0 < count <= most:
            refuse(self._number, f"its {tag.label} field has {count} values", "save the document again")
        letter = _INTEGERS.get(self._type(tag, kind))
        if letter is None:
            self._refuse_type(tag, kind)
        wanted = count if wanted is None else min(wanted, count)
        values = self._source.integers(f"{wanted}{letter}", self._octets(tag, wanted))
        if min(values) < 0:
            refuse(self._number, f"its {tag.label} field is {min(values)}", "save the document again")
        return values

    def integer(self, tag: Tag, default: int | None = None) -> int:
        """The single integer of a field; ``default`` when it is absent. Raises DocumentError without
        either."""
        values = self.integers(tag, 1)
        if values:
            return values[0]
        if default is None:
            refuse(self._number, f"it has no {tag.label} field", SUGGESTION)
        return default

    def fraction(self, tag: Tag) -> float:
        """The single number of a field, of any type; 0 when it is absent, or is not a positive number."""
        if tag not in self._entries:
            return 0.0
        kind, count, _ = self._entries[tag]
        layout = _FRACTIONS.get(self._type(tag, kind))
        if layout is None:
            return float(self.integer(tag))
        if count != 1:
            refuse(self._number, f"its {tag.label} field has {count} values", "save the document again")
        value, *denominator = self._source.fractions(layout, self._octets(tag, 1))
        # A denominator of 0 is what some programs write for a resolution that they do not know.
        if denominator:
            value = value / denominator[0] if denominator[0] else 0.0
        return value if math.isfinite(value) and value > 0 else 0.0

    def _octets(self, tag: Tag, wanted: int) -> bytes:
        """The first ``wanted`` values of a field, all of whose values must be inside the file."""
        kind, count, inline = self._entries[tag]
        size = count * _SIZES[kind]
        # Short values are left-justified in the four octets, in either byte order.
        if size <= len(inline):
            return inline[: wanted * _SIZES[kind]]
        (offset,) = self._source.integers("I", inline)
        what = f"{tag.label} field"
        self._source.check(offset, size, self._number, what)
        return self._source.at(offset, wanted * _SIZES[kind], self._number, what)

    def _type(self, tag: Tag, kind: int) -> FieldType:
        if kind not in _SIZES:
            self._refuse_type(tag, kind)
        return FieldType(kind)

    def _refuse_type(self, tag: Tag, kind: int) -> NoReturn:
        refuse(self._number, f"its {tag.label} field has the wrong type {kind}", "save the document again")

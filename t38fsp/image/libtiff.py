"""Decodes with libtiff, and collects its complaints about the data.

Pillow passes on neither libtiff's warnings nor packed rows: it keeps a pixel of one bit in an octet. So the
library that Pillow is linked with is called here through its public functions, if the system can find them
and the library is new enough for error handlers per file (4.5). Elsewhere Pillow decodes, and libtiff's
complaints are not available.

libtiff complains about each code that it does not know, each row whose codes do not end at its width, and an
end before the last row, even a proper one. It ignores bits between the end of an MH or MR row and the next
EOL, and all that follows the last row.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_char,
    c_char_p,
    c_double,
    c_int,
    c_ssize_t,
    c_uint32,
    c_uint64,
    c_void_p,
    string_at,
)
from dataclasses import dataclass, field
from functools import lru_cache
from io import SEEK_CUR, SEEK_END, BytesIO
from typing import Any

from PIL import _imaging
from PIL.TiffImagePlugin import TiffImageFile

from t38fsp.image.directory import HEADER, DirectoryEntry, directory_octets
from t38fsp.image.fields import FieldType, Tag
from t38fsp.t30.vocabulary import Coding

_ROWS_AT_ONCE = 3000
"""More than an ordinary page has. A hostile one may have a run for each of its pixels."""


@dataclass(slots=True)
class Runs:
    """The runs of the rows of a strip; pixels need not be made."""

    rows: list[bytes] = field(default_factory=list)
    """The runs of each of the last rows as unsigned 32-bit numbers: white, black, white, and so on. If the
    data end before the last row, there is an additional row for the end."""
    before: int = 0
    """Number of rows before these."""
    empty_before: bool = False
    """One of the earlier rows has an empty run."""
    complaints: int = 0

    def settle(self) -> None:
        """Check all rows except the last two, and keep only those two."""
        # The last two rows may be the marker and what libtiff makes of EOFB, so they are looked at later.
        self.empty_before = self.has_empty(2)
        self.before += len(self.rows) - 2
        del self.rows[:-2]

    def has_empty(self, but: int = 0) -> bool:
        """Whether a row, except the last ``but``, has a run of no pixels other than at its ends.

        No encoder produces one. In the row below, libtiff takes its position for a changing element, which it
        is not (T.4 4.2.1.1).
        """
        # For speed check the low octet of each number first.
        return self.empty_before or any(
            b"\0" in row[_LOW_OCTET:-4:4] and 0 in memoryview(row).cast("I")[1:-1].tolist()
            for row in set(self.rows[: len(self.rows) - but])
        )


_LOW_OCTET = 4 if sys.byteorder == "little" else 7
"""Position of the low octet of the second run of a row."""


def decode(data: bytes, coding: Coding, width: int, rows: int) -> bytes | None:
    """``rows`` rows of a strip as libtiff decodes them, complaints ignored; None if it decodes nothing.

    Rows are packed, 1 is black; those that libtiff did not reach are white.
    """
    file = _file(data, coding, width, rows)
    library = _library()
    if library is None:
        return _decode_with_pillow(file)
    pixels = bytearray((width + 7) // 8 * rows)
    return bytes(pixels) if library.read(file, pixels) is not None else None


def runs_of(data: bytes, coding: Coding, width: int, rows: int) -> Runs | None:
    """The runs of up to ``rows`` rows of a strip; None if libtiff cannot be called, or decodes nothing."""
    library = _library()
    if library is None:
        return None
    runs = Runs()
    complaints = library.read(_file(data, coding, width, rows), bytearray((width + 7) // 8 * rows), runs)
    if complaints is None:
        return None
    runs.complaints = complaints
    return runs


def encode(pixels: bytes, width: int, fields: Mapping[Tag, int | float]) -> bytes | None:
    """Code packed rows (1 is black) as one strip; None if libtiff cannot be called.

    ``fields`` are those of a TIFF file that describe the coding. Raises MemoryError.
    """
    library = _library()
    return None if library is None else library.write(pixels, width, fields)


def can_be_heard() -> bool:
    return _library() is not None


def _file(data: bytes, coding: Coding, width: int, rows: int) -> bytes:
    """A minimal TIFF file that contains the strip."""
    short, long = FieldType.SHORT, FieldType.LONG
    start = len(HEADER) + 4
    fields = [
        DirectoryEntry(Tag.IMAGE_WIDTH, long, (width,)),
        DirectoryEntry(Tag.IMAGE_LENGTH, long, (rows,)),
        DirectoryEntry(Tag.BITS_PER_SAMPLE, short, (1,)),
        DirectoryEntry(Tag.COMPRESSION, short, (4 if coding is Coding.MMR else 3,)),
        DirectoryEntry(Tag.PHOTOMETRIC, short, (1,)),  # what is coded as black becomes 1
        DirectoryEntry(Tag.STRIP_OFFSETS, long, (start,)),
        DirectoryEntry(Tag.SAMPLES_PER_PIXEL, short, (1,)),
        DirectoryEntry(Tag.ROWS_PER_STRIP, long, (rows,)),
        DirectoryEntry(Tag.STRIP_BYTE_COUNTS, long, (len(data),)),
    ]
    if coding is not Coding.MMR:
        fields.append(DirectoryEntry(Tag.T4_OPTIONS, long, (int(coding is Coding.MR),)))
    place = start + len(data)
    return HEADER + struct.pack("<I", place) + data + directory_octets(fields, place)


def _decode_with_pillow(file: bytes) -> bytes | None:
    try:
        with TiffImageFile(BytesIO(file)) as picture:
            return picture.tobytes()
    except OSError:
        return None


# --- the library itself -------------------------------------------------------------------------------------

_READ = CFUNCTYPE(c_ssize_t, c_void_p, c_void_p, c_ssize_t)
_SEEK = CFUNCTYPE(c_uint64, c_void_p, c_uint64, c_int)
_CLOSE = CFUNCTYPE(c_int, c_void_p)
_SIZE = CFUNCTYPE(c_uint64, c_void_p)
_MAP = CFUNCTYPE(c_int, c_void_p, POINTER(c_void_p), POINTER(c_uint64))
_UNMAP = CFUNCTYPE(None, c_void_p, c_void_p, c_uint64)
_COMPLAINT = CFUNCTYPE(c_int, c_void_p, c_void_p, c_char_p, c_char_p, c_void_p)
_FILL = CFUNCTYPE(None, c_void_p, c_void_p, c_void_p, c_uint32)

_HEARD = 1
"""Return value of a handler: do not call the global handler."""
_NAME = b"page"
_FIRST_STRIP = 0
_RUNS = c_char * (1 << 20)
"""Nominal length of the array of runs; libtiff passes the end of each row."""
_FILL_FUNCTION = 65540
"""Pseudo-tag of the function that converts the runs of a row to pixels (TIFFTAG_FAXFILLFUNC)."""


class _Library:
    """The functions of tiffio.h that are called."""

    def __init__(self, library: ctypes.CDLL) -> None:
        def function(name: str, returns: Any, *takes: Any) -> Callable[..., Any]:
            found = getattr(library, name)
            found.restype, found.argtypes = returns, takes
            return found  # type: ignore[no-any-return]

        self._open = function(
            "TIFFClientOpenExt",
            c_void_p,
            *(c_char_p, c_char_p, c_void_p),
            *(_READ, _READ, _SEEK, _CLOSE, _SIZE, _MAP, _UNMAP),
            c_void_p,
        )
        self._read_strip = function(
            "TIFFReadEncodedStrip", c_ssize_t, c_void_p, c_uint32, c_void_p, c_ssize_t
        )
        self._write_strip = function(
            "TIFFWriteEncodedStrip", c_ssize_t, c_void_p, c_uint32, c_char_p, c_ssize_t
        )
        self._flush = function("TIFFFlushData", c_int, c_void_p)
        self._set_field = function("TIFFSetField", c_int, c_void_p, c_uint32)
        self._close = function("TIFFClose", None, c_void_p)
        self._options = function("TIFFOpenOptionsAlloc", c_void_p)
        self._free_options = function("TIFFOpenOptionsFree", None, c_void_p)
        self._handlers = [
            function(f"TIFFOpenOptionsSet{kind}HandlerExtR", None, c_void_p, _COMPLAINT, c_void_p)
            for kind in ("Error", "Warning")
        ]

    def write(self, pixels: bytes, width: int, fields: Mapping[Tag, int | float]) -> bytes:
        """Code ``pixels`` as one strip."""
        file = bytearray()
        position = 0

        def write(_: object, source: int, length: int) -> int:
            nonlocal position
            file[position : position + length] = string_at(source, length)
            position += length
            return length

        def seek(_: object, offset: int, whence: int) -> int:
            nonlocal position
            position = offset + {SEEK_CUR: position, SEEK_END: len(file)}.get(whence, 0)
            file.extend(bytes(max(0, position - len(file))))
            return position

        source = (
            *(_READ(lambda *_: -1), _READ(write), _SEEK(seek), _CLOSE(lambda _: 0)),
            *(_SIZE(lambda _: len(file)), _MAP(lambda *_: 0), _UNMAP(lambda *_: None)),
        )
        rows = len(pixels) // ((width + 7) // 8)
        with self._handled(_COMPLAINT(lambda *_: _HEARD)) as options:
            tiff = self._open(_NAME, b"w", None, *source, options)
            if not tiff:
                raise MemoryError
            try:
                size = {Tag.IMAGE_WIDTH: width, Tag.IMAGE_LENGTH: rows, Tag.ROWS_PER_STRIP: rows}
                for tag, value in {**size, **fields}.items():
                    # TIFFSetField takes variable arguments, in which C passes a float as a double.
                    self._set_field(tiff, tag, c_double(value) if isinstance(value, float) else value)
                # The header of the file is written by then.
                begun = len(file)
                if self._write_strip(tiff, _FIRST_STRIP, pixels, len(pixels)) != len(pixels):
                    raise MemoryError
                self._flush(tiff)
                # Taken before TIFFClose writes a directory after it.
                return bytes(file[begun:])
            finally:
                self._close(tiff)

    @contextmanager
    def _handled(self, handler: Any) -> Iterator[int]:
        """Open options that direct complaints to ``handler``."""
        options = self._options()
        if not options:
            raise MemoryError
        try:
            for set_handler in self._handlers:
                set_handler(options, handler, None)
            yield options
        finally:
            self._free_options(options)

    def read(self, file: bytes, pixels: bytearray, runs: Runs | None = None) -> int | None:
        """Read the first strip of ``file`` into ``pixels``, or its runs into ``runs``.

        Returns the number of complaints, or None where nothing was read.
        """
        complaints = position = 0
        fills, failed = runs is not None, False
        runs = Runs() if runs is None else runs
        rows = runs.rows
        # libtiff has pointers into this buffer, and into the callbacks below: names keep them alive until
        # the file is closed.
        octets = ctypes.create_string_buffer(file, len(file))
        start = ctypes.addressof(octets)
        places: dict[int, Any] = {}

        def complain(*_: object) -> int:
            nonlocal complaints
            complaints += 1
            return _HEARD

        def read(_: object, to: int, length: int) -> int:
            nonlocal position
            length = max(0, min(length, len(file) - position))
            ctypes.memmove(to, start + position, length)
            position += length
            return length

        def seek(_: object, offset: int, whence: int) -> int:
            nonlocal position
            position = offset + {SEEK_CUR: position, SEEK_END: len(file)}.get(whence, 0)
            return position

        def map_file(_: object, where: Any, length: Any) -> int:
            where[0], length[0] = start, len(file)
            return 1

        def fill(_: object, first: int, end: int, __: object) -> None:
            nonlocal failed
            try:
                # libtiff uses two buffers in turn, for a row and the one above it.
                place: Any = places.get(first)
                if place is None:
                    place = places[first] = _RUNS.from_address(first)
                rows.append(place[: end - first])
                if len(rows) > _ROWS_AT_ONCE:
                    runs.settle()
            except MemoryError:  # cannot propagate through libtiff; raised below
                failed = True

        source = (
            *(_READ(read), _READ(lambda *_: -1), _SEEK(seek), _CLOSE(lambda _: 0)),
            *(_SIZE(lambda _: len(file)), _MAP(map_file), _UNMAP(lambda *_: None)),
        )
        filler = _FILL(fill)
        with self._handled(_COMPLAINT(complain)) as options:
            tiff = self._open(_NAME, b"r", None, *source, options)
            if not tiff:
                return None
            try:
                if fills and not self._set_field(tiff, _FILL_FUNCTION, filler):
                    return None
                buffer = (c_char * len(pixels)).from_buffer(pixels)
                got = self._read_strip(tiff, _FIRST_STRIP, ctypes.addressof(buffer), len(pixels))
            finally:
                self._close(tiff)
        if failed:
            raise MemoryError
        return complaints if got == len(pixels) else None


@lru_cache
def _library() -> _Library | None:
    """The libtiff that Pillow is linked with, if its functions are found and behave as expected."""
    with suppress(OSError, AttributeError, TypeError, ValueError, ctypes.ArgumentError):
        # dlsym() also searches the libraries that Pillow's extension is linked with: the same libtiff,
        # whatever wheel or package it came with.
        library = _Library(ctypes.CDLL(_imaging.__file__))
        # Its interface is checked by its results, reading and writing: a library that differs is not used
        # at all.
        runs = Runs()
        complaints = library.read(_file(_WHITE_ROW, Coding.MMR, _WIDTH, 2), bytearray(_WIDTH // 4), runs)
        reads = (complaints, len(runs.rows), runs.rows[:1]) == (1, 2, [_WIDTH.to_bytes(4, sys.byteorder)])
        if reads and library.write(bytes(_WIDTH // 8), _WIDTH, _MMR) == _WHITE_ROW:
            return library
    return None


_WIDTH = 1728
_MMR = {Tag.BITS_PER_SAMPLE: 1, Tag.SAMPLES_PER_PIXEL: 1, Tag.PHOTOMETRIC: 0, Tag.COMPRESSION: 4}
_WHITE_ROW = bytes.fromhex("80080080")
"""One white row in MMR, and EOFB, about which libtiff complains if it expects two rows."""

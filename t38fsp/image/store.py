"""Received pages on disk: a TIFF Class F file that grows page by page (RFC 3949 4).

A page is written at the end of the file, then synchronised to disk, and only then linked to the page before
it; so the file contains the pages confirmed so far whatever happens meanwhile. Pages are stored in MMR, one
strip each, little-endian, as the Windows fax service expects.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from io import FileIO

from t38fsp.image.coder import encode_pixels
from t38fsp.image.directory import HEADER, DirectoryEntry, directory_octets
from t38fsp.image.errors import DocumentError, StoreError
from t38fsp.image.exact import count_rows, read_t4, t4_rows
from t38fsp.image.fields import FieldType, Tag
from t38fsp.image.tiff import TiffFile
from t38fsp.image.values import MAX_PAGES, FileId, LastPage
from t38fsp.t4.decode import decode_page
from t38fsp.t4.prepare import ends_with_eofb, without_padding
from t38fsp.t30.vocabulary import Coding, PageMode, PageQuality

StrPath = str | os.PathLike[str]

_FIRST_LINK = 4
_MOST_OCTETS = 0xFFFF_FFFF
"""Upper bound for a file: offsets in TIFF have 32 bits."""
_DIRECTORY_OCTETS = 1024
"""Upper bound for a directory and the values that follow it."""
_SOFTWARE = b"t38fsp\0"


def file_id(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino


def append_page(path: StrPath, data: bytes, mode: PageMode, only: FileId | None = None) -> PageQuality:
    """Store one received page: ``data`` are the octets of its burst, ``mode`` is how it was sent.

    If the file at ``path`` exists the page is appended; it may be empty. With ``only`` it must exist, and be
    that file. On return the page is on disk. Without ECM bad lines are replaced by the line above; the result
    and the file contain their number. Raises :class:`StoreError`, after which the file is as it was before.
    """
    return store_page(path, data, mode, only)[0]


def store_page(
    path: StrPath,
    data: bytes,
    mode: PageMode,
    only: FileId | None = None,
    *,
    counted: PageQuality | None = None,
    last: LastPage | None = None,
    since: int | None = None,
    on_size: Callable[[int], None] = lambda octets: None,
) -> tuple[PageQuality, LastPage]:
    """As :func:`append_page`; also returns where the page is.

    ``counted`` are the lines of an MH or MR page, counted as it arrived. The position of this page, passed as
    ``last`` for the next one, saves a search through the whole file.

    ``on_size`` is called with the length of the file before anything is written. Passed as ``since`` to a
    second attempt, when the first did not complete, that length prevents the page from being stored twice.
    """
    coded, quality = _read(data, mode, counted)
    try:
        with _opened(path, only) as file:
            stored = None if since is None else _stored(file, since)
            if stored is None:
                size = file.seek(0, os.SEEK_END)
                on_size(size)
                stored = _append(file, size, coded, mode, quality, last)
        # A new name in the folder, possibly one of the attempt before.
        if stored.pages == 1 or since is not None:
            sync_folder(path)
    except (OSError, DocumentError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"the received page could not be stored in {os.fspath(path)}: {reason}") from error
    return quality, stored


def finish(path: StrPath, total: int, only: FileId | None = None) -> None:
    """Write the total number of pages (up to 65535), which is known only now, into every page.

    Raises :class:`StoreError`.
    """
    try:
        with _opened(path, only) as file:
            for position in _directories(file):
                entry = _entry(file, position, Tag.PAGE_NUMBER)
                if entry is not None:
                    # The second of its two numbers: 8 octets of the entry, 2 of the first.
                    file.seek(entry + 10)
                    _write(file, struct.pack("<H", total))
            os.fsync(file.fileno())
    except (OSError, DocumentError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"the pages in {os.fspath(path)} could not be numbered: {reason}") from error


def _read(data: bytes, mode: PageMode, counted: PageQuality | None) -> tuple[bytes, PageQuality]:
    """The page in MMR, and its quality."""
    # Unchanged if every line is proved to be good; otherwise our own decoder finds the good ones.
    if mode.coding is Coding.MMR:
        data = without_padding(data)
        rows = count_rows(data, mode.width, mode.resolution)
        if rows is not None:
            return data.rstrip(b"\0"), PageQuality(rows)
    elif counted is None or not counted.bad_rows:
        rows = t4_rows(data, mode.coding) if counted is None else counted.rows
        pixels = read_t4(data, mode.coding, mode.width, rows, mode.resolution, counted is not None)
        if pixels is not None:
            return encode_pixels(pixels, mode.width, Coding.MMR, mode.resolution), PageQuality(rows)
    decoded = decode_page(data, mode.coding, mode.width)
    quality = decoded.quality
    if quality.rows == quality.bad_rows:
        raise StoreError("the received page has no readable line, so it was not stored; ask for it again")
    coded = data.rstrip(b"\0")
    if mode.coding is not Coding.MMR or quality.bad_rows or not ends_with_eofb(coded):
        coded = encode_pixels(decoded.pixels, mode.width, Coding.MMR, mode.resolution)
    return coded, quality


def _opened(path: StrPath, only: FileId | None) -> FileIO:
    """Open the file unbuffered, so that after a failed write closing it writes nothing.

    A new file gets mode 0600, since received documents are private.
    """
    make = os.O_CREAT if only is None else 0
    try:
        handle = os.open(path, os.O_RDWR | make, 0o600)
    except FileNotFoundError as error:
        if only is None:
            raise
        raise StoreError(f"{os.fspath(path)} was moved away while the fax was being received") from error
    if only is not None and file_id(os.fstat(handle)) != only:
        os.close(handle)
        raise StoreError(f"{os.fspath(path)} was replaced by another file while the fax was being received")
    return FileIO(handle, "r+")


_NEVER_SYNCED = frozenset({errno.EACCES, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})
"""Errors of systems on which folders cannot be opened or synchronised, such as network file systems."""


def sync_folder(path: StrPath) -> None:
    """Synchronise the folder of ``path``, if supported: only then is a new name on disk. Raises OSError."""
    try:
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno not in _NEVER_SYNCED:
            raise


def _write(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _stored(file: FileIO, since: int) -> LastPage | None:
    """The page that was linked after the file had ``since`` octets, if any; an unlinked remainder is
    removed."""
    directories: list[int] = []
    with suppress(DocumentError):  # not even the header was finished
        directories = _directories(file)
    size = file.seek(0, os.SEEK_END)
    if directories and directories[-1] >= since:
        os.fsync(file.fileno())
        return LastPage(directories[-1], len(directories), size)
    if size > since:
        file.truncate(since)
    return None


def _append(
    file: FileIO, size: int, coded: bytes, mode: PageMode, quality: PageQuality, last: LastPage | None
) -> LastPage:
    if not size:
        pages, link = 0, _FIRST_LINK
    # Still the last page: its link is empty and the file has not grown since. Otherwise another program
    # has written to it, and all directories are read.
    elif last is not None and last.size == size and not _next_of(file, last.place):
        pages, link = last.pages, _link_of(file, last.place)
    else:
        directories = _directories(file)
        pages, link = len(directories), _link_of(file, directories[-1])
    if pages >= MAX_PAGES:
        raise DocumentError(f"it has {MAX_PAGES} pages already; use another file")
    if size + len(coded) + _DIRECTORY_OCTETS > _MOST_OCTETS:
        raise DocumentError("it would get longer than the 4 GB that TIFF allows; use another file")
    try:
        if not size:
            _write(file, HEADER + bytes(4))
        end = file.seek(0, os.SEEK_END)
        start = end + end % 2
        # A directory begins at an even offset (TIFF 6.0 section 2).
        place = start + len(coded) + len(coded) % 2
        fields = _fields(start, len(coded), mode, quality, pages)
        page = bytes(end % 2) + coded + bytes(len(coded) % 2) + directory_octets(fields, place)
        _write(file, page)
        os.fsync(file.fileno())
        # The page is on disk before it is linked: a crash between the two leaves a valid file without it.
        file.seek(link)
        _write(file, struct.pack("<I", place))
        os.fsync(file.fileno())
    # The disk may be full: without the link and the octets after it the file is again what it was.
    except OSError:
        with suppress(OSError):
            file.seek(link)
            _write(file, bytes(4))
            file.truncate(size)
        raise
    return LastPage(place, pages + 1, end + len(page))


def _fields(
    offset: int, length: int, mode: PageMode, quality: PageQuality, index: int
) -> list[DirectoryEntry]:
    short, long = FieldType.SHORT, FieldType.LONG
    fields = [
        # 2: one page of several (TIFF 6.0 section 8).
        DirectoryEntry(Tag.NEW_SUBFILE_TYPE, long, (2,)),
        DirectoryEntry(Tag.IMAGE_WIDTH, long, (mode.width,)),
        DirectoryEntry(Tag.IMAGE_LENGTH, long, (quality.rows,)),
        DirectoryEntry(Tag.BITS_PER_SAMPLE, short, (1,)),
        DirectoryEntry(Tag.COMPRESSION, short, (4,)),
        DirectoryEntry(Tag.PHOTOMETRIC, short, (0,)),
        DirectoryEntry(Tag.FILL_ORDER, short, (1,)),
        DirectoryEntry(Tag.STRIP_OFFSETS, long, (offset,)),
        DirectoryEntry(Tag.ORIENTATION, short, (1,)),
        DirectoryEntry(Tag.SAMPLES_PER_PIXEL, short, (1,)),
        DirectoryEntry(Tag.ROWS_PER_STRIP, long, (quality.rows,)),
        DirectoryEntry(Tag.STRIP_BYTE_COUNTS, long, (length,)),
        DirectoryEntry(Tag.X_RESOLUTION, FieldType.RATIONAL, (mode.resolution.x, 1)),
        DirectoryEntry(Tag.Y_RESOLUTION, FieldType.RATIONAL, (mode.resolution.y, 1)),
        DirectoryEntry(Tag.T6_OPTIONS, long, (0,)),
        DirectoryEntry(Tag.RESOLUTION_UNIT, short, (2,)),
        # The second number is how many pages there are; 0 is "not known yet" (RFC 3949 4.2.4),
        # until ``finish``.
        DirectoryEntry(Tag.PAGE_NUMBER, short, (index, 0)),
        DirectoryEntry(Tag.SOFTWARE, FieldType.ASCII, tuple(_SOFTWARE)),
    ]
    # With ECM these fields are omitted (RFC 3949 4.2.4); without it, a clean page has a count of 0.
    if not mode.ecm or quality.bad_rows:
        fields.append(DirectoryEntry(Tag.BAD_FAX_LINES, long, (quality.bad_rows,)))
    if quality.bad_rows:
        fields.append(DirectoryEntry(Tag.CLEAN_FAX_DATA, short, (1,)))  # bad lines were regenerated
        fields.append(DirectoryEntry(Tag.CONSECUTIVE_BAD_FAX_LINES, long, (quality.longest_bad_run,)))
    return fields


def _directories(file: FileIO) -> list[int]:
    """Offsets of the directories of the file. Raises DocumentError for a TIFF file that we cannot append
    to."""
    tiff = TiffFile(file)
    file.seek(0)
    if file.read(len(HEADER)) != HEADER:
        raise DocumentError("it is a big-endian TIFF file; use another file")
    return tiff.directories


def _entries(file: FileIO, directory: int) -> int:
    file.seek(directory)
    count: int = struct.unpack("<H", file.read(2))[0]
    return count


def _link_of(file: FileIO, directory: int) -> int:
    """Offset of the link to the next directory."""
    return directory + 2 + 12 * _entries(file, directory)


def _next_of(file: FileIO, directory: int) -> int:
    file.seek(_link_of(file, directory))
    offset: int = struct.unpack("<I", file.read(4))[0]
    return offset


def _entry(file: FileIO, directory: int, tag: Tag) -> int | None:
    """Offset of the entry of ``tag`` in the directory; None without one."""
    for number in range(_entries(file, directory)):
        position = directory + 2 + 12 * number
        file.seek(position)
        if struct.unpack("<H", file.read(2))[0] == tag:
            return position
    return None

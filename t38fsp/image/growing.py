"""The file of a fax that is coming in.

It grows as ``NAME.part`` in the folder of the file that it is to be, and gets that name when the fax is over;
so what has the name is whole. From its first page on it is a TIFF with all pages confirmed so far, also where
the process that wrote it was killed. Whichever of two faxes is over first gets the name that both were to
have; the other is ``NAME-2``.

After it was made it is never made again: a file that somebody moved away, or put another in the place of,
takes no further page.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from t38fsp.image.errors import DocumentError, StoreError
from t38fsp.image.room import folder_of, told
from t38fsp.image.store import StrPath, file_id, sync_folder
from t38fsp.image.tiff import TiffFile
from t38fsp.image.values import Growing

SUFFIX = ".part"
"""Behind the name of a file that still grows."""

_MOST_LOOKED_FOR = 100
"""Names that a file may have got before."""

_LOCKED_FOR = 1.0
"""Seconds to wait for a lock; it takes no longer than to give a few files their names."""


def create(path: StrPath, append: bool = False) -> Growing:
    """The file that is to become ``path``, or, to ``append``, the one that is there or is made there.

    It is for its owner only, as received documents are. Raises StoreError.
    """
    path = os.fspath(path)
    try:
        if append:
            return _appended(path)
        for name in _names(path):
            with suppress(FileExistsError):
                return _made(name + SUFFIX)
        raise AssertionError("there is no end of names")
    except (OSError, DocumentError) as error:
        raise StoreError(f"no page can be stored in {path}: {told(error)}") from error


def complete(growing: Growing, path: StrPath) -> str:
    """Give a file that is whole the name that it is to have; returns the name that it has.

    That is still the old one where the file system does not let it be changed. Doing so twice is no error.
    Raises StoreError when the file is not where it grew.
    """
    name = path = os.fspath(path)
    try:
        if not _is_there(growing):
            for name in itertools.islice(_names(path), _MOST_LOOKED_FOR):
                if _is_there(replace(growing, path=name)):
                    return name
            raise StoreError(f"{growing.path} was moved away or replaced while the fax came in")
        if growing.path == path:
            return path
        with _alone_in(folder_of(path)):
            name = next(name for name in _names(path) if not os.path.lexists(name))
            os.rename(growing.path, name)
        sync_folder(name)
    except OSError:
        return name if _is_there(replace(growing, path=name)) else growing.path
    return name


def discard(growing: Growing, path: StrPath) -> None:
    """Remove a file into which no page came that counts; but not one that was to be appended to.

    Raises StoreError.
    """
    try:
        empty = growing.path != os.fspath(path) or not os.stat(growing.path).st_size
        if growing.made and empty and _is_there(growing):
            os.unlink(growing.path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(f"{growing.path} could not be removed: {told(error)}") from error


def _names(path: str) -> Iterator[str]:
    """``fax.tif``, ``fax-2.tif``, ``fax-3.tif``, and so on."""
    stem, suffix = os.path.splitext(path)
    yield path
    for number in itertools.count(2):
        yield f"{stem}-{number}{suffix}"


def _made(path: str) -> Growing:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return Growing(path, file_id(os.fstat(file)), 0, True)
    finally:
        os.close(file)


def _appended(path: str) -> Growing:
    with suppress(FileExistsError):
        return _made(path)
    with open(path, "r+b") as file:
        status = os.fstat(file.fileno())
        pages = len(TiffFile(file).directories) if status.st_size else 0
        return Growing(path, file_id(status), pages, False)


def _is_there(growing: Growing) -> bool:
    try:
        return file_id(os.lstat(growing.path)) == growing.file_id
    except FileNotFoundError:
        return False


@contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Hold a lock, so that no two of our processes on this machine give one name to two files.

    We hold it for a moment only; whoever else locks the folder keeps no fax from its name.
    """
    with ExitStack() as held:
        # Some folders can be opened, or locked, by nobody; some systems have no such locks.
        with suppress(OSError, ImportError):
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            until = time.monotonic() + _LOCKED_FOR
            while not _locked(handle) and time.monotonic() < until:
                time.sleep(0.01)
        yield


def _locked(handle: int) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""The file of a fax while it is being received.

It grows as ``NAME.part`` in the folder of the final file, and is renamed when the fax is over, so a file with
the final name is complete. From its first page on it is a valid TIFF with all pages confirmed so far, even if
the process that wrote it is killed. If two faxes have the same name, the one that ends first gets it; the
other becomes ``NAME-2``.

The file is created once only: if it is moved away or replaced meanwhile, no further page is stored.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from t38fsp.image.errors import DocumentError, StoreError
from t38fsp.image.room import error_text, folder_of
from t38fsp.image.store import StrPath, file_id, sync_folder
from t38fsp.image.tiff import TiffFile
from t38fsp.image.values import GROWING_SUFFIX, Growing

_MOST_LOOKED_FOR = 100
"""Upper bound for the names searched for a file that was renamed earlier."""

_LOCKED_FOR = 1.0
"""Seconds to wait for a lock, which is held only while a few files are renamed."""


def create(path: StrPath, append: bool = False) -> Growing:
    """Create the file that will become ``path``; with ``append`` open ``path`` itself, or create it.

    The mode is 0600, since received documents are private. Raises StoreError.
    """
    path = os.fspath(path)
    try:
        if append:
            return _appended(path)
        # O_EXCL decides, not a look before: several calls may begin in the same second, with the same
        # name.
        for name in _names(path):
            with suppress(FileExistsError):
                return _made(name + GROWING_SUFFIX)
        raise AssertionError("names are endless")
    except (OSError, DocumentError) as error:
        raise StoreError(f"no page can be stored in {path}: {error_text(error)}") from error


def complete(growing: Growing, path: StrPath) -> str:
    """Rename a complete file to ``path``, or to the first free name after it; returns its name.

    That is the old name if the file system refuses the change. A repetition is a no-op. Raises StoreError
    when the file is no longer where it grew.
    """
    name = path = os.fspath(path)
    try:
        # The job was repeated after its worker died: the first attempt may have renamed the file already.
        if not _is_there(growing):
            for name in itertools.islice(_names(path), _MOST_LOOKED_FOR):
                if _is_there(replace(growing, path=name)):
                    return name
            raise StoreError(f"{growing.path} was moved away or replaced while the fax was being received")
        if growing.path == path:
            return path
        # rename() replaces an existing file without a word, so the look and the rename must be one step.
        with alone_in(folder_of(path)):
            name = next(name for name in _names(path) if not os.path.lexists(name))
            # A rename, not a link: programs that watch a folder wait for one.
            os.rename(growing.path, name)
        sync_folder(name)
    except OSError:
        return name if _is_there(replace(growing, path=name)) else growing.path
    return name


def discard(growing: Growing, path: StrPath) -> None:
    """Remove a file without a confirmed page, unless pages were to be appended to it.

    Raises StoreError.
    """
    try:
        # A file that was there before the call, even an empty one, belongs to another program.
        empty = growing.path != os.fspath(path) or not os.stat(growing.path).st_size
        if growing.made and empty and _is_there(growing):
            os.unlink(growing.path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(f"{growing.path} could not be removed: {error_text(error)}") from error


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
def alone_in(folder: str) -> Iterator[None]:
    """Hold a lock on the folder, so that two of our processes on this machine never choose the same name.

    The wait is bounded: another program that locks the folder must not keep a fax from its name.
    """
    with ExitStack() as held:
        # Some folders cannot be opened or locked, and some systems have no such locks: go on without.
        with suppress(OSError, ImportError):
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            until = time.monotonic() + _LOCKED_FOR
            # flock cannot wait with a limit, and the process that has the lock may be stopped.
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

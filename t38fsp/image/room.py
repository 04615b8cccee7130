"""Checks before a call is answered that its fax can be stored."""

from __future__ import annotations

import errno
import os
import tempfile

from t38fsp.image.errors import DocumentError, StoreError

StrPath = str | os.PathLike[str]

ROOM = 256 * 1024
"""Free octets required before a call is answered: most pages are smaller."""

_NOT_SUPPORTED = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})
"""Errors of file systems that do not support allocation."""


def check_room(path: StrPath, append: bool = False) -> None:
    """Check that a fax can be stored in ``path``, and leave nothing behind.

    Raises StoreError when it cannot: the disk is full, the folder is read-only or missing, or the file exists
    and ``append`` is false.
    """
    try:
        if not append and os.path.lexists(path):
            raise StoreError(f"{os.fspath(path)} exists; name a new file")
        if append and os.path.exists(path):
            with open(path, "r+b"):
                pass
            _check_free(path)
        else:
            # Without a name (O_TMPFILE, or unlinked at once), so that nothing is left behind even if this
            # process is killed.
            with tempfile.TemporaryFile(dir=folder_of(path)) as file:
                _allocate(file.fileno())
    except OSError as error:
        raise StoreError(f"nothing can be stored in {folder_of(path)}: {error_text(error)}") from error


def folder_of(path: StrPath) -> str:
    return os.path.dirname(os.path.abspath(path))


def error_text(error: OSError | DocumentError) -> str:
    """The system's message for an error, or its own text."""
    return getattr(error, "strerror", None) or str(error)


def _allocate(file: int) -> None:
    try:
        # Really allocated: quotas and thin volumes refuse what statvfs() calls free.
        os.posix_fallocate(file, 0, ROOM)
    except AttributeError:
        pass
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
    else:
        return
    rest = memoryview(bytes(ROOM))
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)  # network file systems report a full disk only now


def _check_free(path: StrPath) -> None:
    if hasattr(os, "statvfs"):
        free = os.statvfs(path)
        if free.f_bavail * free.f_frsize < ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

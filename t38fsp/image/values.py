"""What names a file, and a header line: values that the workers and those who ask them share."""

from __future__ import annotations

import os

from sip.frozen import dataclass

HeaderLine = tuple[str, str, str]
"""Left, middle and right."""

Identity = tuple[int, ...]
"""What changes whenever a file does: device, inode, size, time of the last change in nanoseconds."""

FileId = tuple[int, int]
"""Device and inode of a file: which one it is, whatever its name."""


def identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Growing:
    """Where a received file grows, which one that is, and how many pages it had before."""

    path: str
    file_id: FileId
    pages: int
    made: bool
    """It was not there before."""


@dataclass(frozen=True, slots=True)
class LastPage:
    """Where the directory of the last page of a received file is, the pages of the file, and its octets."""

    place: int
    pages: int
    size: int

"""Values shared by the workers and the program: identities of files, and header lines."""

from __future__ import annotations

import os

from sip.frozen import dataclass

MAX_PAGES = 2000
"""Pages of a document, and of a fax."""

HeaderLine = tuple[str, str, str, str]
"""Left, middle and right, and the path of the font file; empty for the built-in font."""

Identity = tuple[int, ...]
"""Changes whenever the file does: device, inode, size, time of the last change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class CodedPage:
    """A page as it travels."""

    octets: bytes
    simplified: str = ""
    """What was done to its pictures so that it takes less time, as a phrase; empty if nothing was."""
    rows: int = 0
    """0 if they were not counted."""


GROWING_SUFFIX = ".part"
"""Suffix of a received file that is still growing."""

FileId = tuple[int, int]
"""Device and inode of a file: identifies it whatever its name."""


def identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Growing:
    """A received file that is growing: its path, its identity, and how many pages it had before."""

    path: str
    file_id: FileId
    pages: int
    made: bool
    """We created it; false if it existed before."""


@dataclass(frozen=True, slots=True)
class LastPage:
    """Where the directory of the last page of a received file is, the pages of the file, and its octets."""

    place: int
    pages: int
    size: int

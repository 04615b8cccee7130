"""How the worker processes are spoken to: a header as JSON and octets, both with their lengths in front."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from t38fsp.t30.vocabulary import Coding, PageMode, PageQuality, Resolution

HeaderLine = tuple[str, str, str]
"""Left, middle and right."""

Identity = tuple[int, ...]
"""What changes whenever a file does: device, inode, size, time of the last change in nanoseconds."""

LENGTHS = struct.Struct("!II")
"""Octets of the header, then of the data behind it."""


def identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


FileId = tuple[int, int]
"""Device and inode of a file: which one it is, whatever its name."""


class Growing(NamedTuple):
    """Where a received file grows, which one that is, and how many pages it had before."""

    path: str
    file_id: FileId
    pages: int
    made: bool
    """It was not there before."""


class ModeFields(TypedDict):
    coding: str
    width: int
    resolution: str
    ecm: bool
    bit_rate: int
    scan_line_time: float
    max_rows: int | None


class Request(TypedDict, total=False):
    """A job: ``job`` is prove, structure, inspect, encode, or one of a received file: check_room, create,
    store, finish, complete, discard."""

    job: str
    path: str
    append: bool
    file_id: FileId | None
    """Of the file to store into, or to finish."""
    growing: tuple[str, FileId, int, bool]
    identity: Sequence[int]
    pages: Sequence[tuple[int, int]]
    """Number and place of those to inspect."""
    page: tuple[int, int, int]
    """Number, place and facts of the one to encode."""
    mode: ModeFields
    total: int
    header: Sequence[str] | None
    """Left, middle and right."""
    since: int
    """Store, tried again: what the reply to the first try said."""


class Reply(TypedDict, total=False):
    """``error`` (with ``message``) names the class of what was raised; otherwise the job's result."""

    error: str
    message: str
    identity: list[int]
    pages: list[tuple[int, int, str, int, int]]
    """Of a structure: width, rows, resolution, place, and the first page with the same data (from 0)."""
    facts: list[int]
    quality: tuple[int, int, int]
    since: int
    """Alone in a reply that is not the last one: the octets that the file has before it grows."""
    growing: tuple[str, FileId, int, bool]
    path: str


def pack(header: Request | Reply, data: bytes = b"") -> bytes:
    """A message as it goes through the pipe."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(data)) + text + data


def mode_fields(mode: PageMode) -> ModeFields:
    return {
        "coding": mode.coding.name,
        "width": mode.width,
        "resolution": mode.resolution.name,
        "ecm": mode.ecm,
        "bit_rate": mode.bit_rate,
        "scan_line_time": mode.scan_line_time,
        "max_rows": mode.max_rows,
    }


def mode_of(fields: ModeFields) -> PageMode:
    return PageMode(
        coding=Coding[fields["coding"]],
        width=fields["width"],
        resolution=Resolution[fields["resolution"]],
        ecm=fields["ecm"],
        bit_rate=fields["bit_rate"],
        scan_line_time=fields["scan_line_time"],
        max_rows=fields["max_rows"],
    )


def growing_of(fields: tuple[str, FileId, int, bool]) -> Growing:
    path, (device, inode), pages, made = fields
    return Growing(path, (device, inode), pages, made)


def quality_fields(quality: PageQuality) -> tuple[int, int, int]:
    return quality.rows, quality.bad_rows, quality.longest_bad_run

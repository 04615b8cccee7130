"""How the worker processes are spoken to: a header as JSON and octets, both with their lengths in front."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import TypedDict

from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, PageQuality, Resolution

LENGTHS = struct.Struct("!II")
"""Octets of the header, then of the data behind it."""


class ModeFields(TypedDict):
    coding: str
    width: int
    resolution: str
    ecm: bool
    bit_rate: int
    scan_line_time: float
    max_rows: int | None


class Request(TypedDict, total=False):
    """A job: ``job`` is one of inspect, encode, store, finish."""

    job: str
    path: str
    index: int
    mode: ModeFields
    total: int
    header: Sequence[str] | None
    """Left, middle and right."""


class Reply(TypedDict, total=False):
    """``error`` (with ``message``) names the class of what was raised; otherwise the job's result."""

    error: str
    message: str
    formats: list[tuple[int, int, str]]
    quality: tuple[int, int, int]


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


def format_fields(page: PageFormat) -> tuple[int, int, str]:
    return page.width, page.rows, page.resolution.name


def format_of(fields: tuple[int, int, str]) -> PageFormat:
    width, rows, resolution = fields
    return PageFormat(width, rows, Resolution[resolution])


def quality_fields(quality: PageQuality) -> tuple[int, int, int]:
    return quality.rows, quality.bad_rows, quality.longest_bad_run

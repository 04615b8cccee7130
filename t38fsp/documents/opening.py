"""Finds the kind of a document by its content and opens it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from t38fsp.documents.sheet import MAX_FILE_OCTETS, Source
from t38fsp.image.errors import DocumentError
from t38fsp.page_settings import PageSettings

_LOOKED_AT = 1024
"""Octets at the beginning that determine the kind; a PDF header may be preceded by others (ISO 32000 7.5.2,
and what readers accept)."""

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The last two are BigTIFF."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A file to be opened. ``password`` is for encrypted documents; ``repr`` does not show it."""

    path: str
    settings: PageSettings
    password: str | None


def _pdf(what: Opening) -> Source:
    from t38fsp.documents.pdf import PdfSource

    return PdfSource(what.path, what.password)


def open_source(path: str, settings: PageSettings, password: str | None = None) -> Source:
    """Open the document; raises DocumentError when it is missing, broken, encrypted with another password,
    too large, or of no known kind."""
    start = beginning(path)
    if not start:
        raise DocumentError(f"the document {path} is empty; give one with at least one page")
    what = Opening(path, settings, password)
    for is_kind, opened in _KINDS:
        if is_kind(start):
            return opened(what)
    raise DocumentError(f"the document {path} is of no known kind; save it as PDF")


def beginning(path: str) -> bytes:
    """The first octets of a regular file. Raises DocumentError."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) and not os.path.isdir(path):
            raise DocumentError(f"the document {path} is a pipe or a device; give a regular file")
        if status.st_size > MAX_FILE_OCTETS:
            raise DocumentError(
                f"the document {path} has more than {MAX_FILE_OCTETS >> 20} MiB; save it smaller or in parts"
            )
        with open(path, "rb") as file:
            return file.read(_LOOKED_AT)
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise DocumentError(f"the document {path} cannot be read: {reason}; check its name") from error


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[Opening], Source]], ...] = (
    (lambda start: b"%PDF-" in start, _pdf),
)

"""Finds the kind of a document by its content and opens it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from t38fsp.choices import PaperSize
from t38fsp.documents.sheet import MAX_FILE_OCTETS, Source
from t38fsp.image.errors import DocumentError, unreadable
from t38fsp.page_settings import PageSettings

_LOOKED_AT = 1024
"""Octets at the beginning that determine the kind; a PDF header may be preceded by others (ISO 32000 7.5.2,
and what readers accept)."""

_PICTURES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",  # JPEG
    b"GIF8",
    b"BM",
    b"II*\0",  # TIFF
    b"MM\0*",
    b"II+\0",  # BigTIFF
    b"MM\0+",
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"\xb1\x68\xde\x3a",  # DCX
    b"\n\x05\x01",  # PCX
    b"\n\x03\x01",
)
_PBM = re.compile(rb"P[1-6]\s")
_HEIC = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif")
_UTF_16_AND_32 = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_TEXT_PAPER = {
    PaperSize.AUTO: (210.0, 297.0),
    PaperSize.LETTER: (215.9, 279.4),
    PaperSize.LEGAL: (215.9, 355.6),
}


@dataclass(frozen=True, slots=True)
class Opening:
    """A file to be opened. ``password`` is for encrypted documents; ``repr`` does not show it."""

    path: str
    settings: PageSettings
    password: str | None
    inspecting: bool
    """Before the call, when there is time for a look at the size of letters."""


# The imports are in functions: each kind has its libraries, and a worker mostly sees one kind.
def _pdf(what: Opening) -> Source:
    from t38fsp.documents.pdf import PdfSource

    return PdfSource(what.path, what.password, type_sizes=what.inspecting)


def _picture(what: Opening) -> Source:
    from t38fsp.documents.pictures import PictureSource

    return PictureSource(what.path)


def _text(what: Opening) -> Source:
    from t38fsp.documents.text import TextSource

    font = Path(what.settings.font) if what.settings.font else None
    paper = _TEXT_PAPER.get(what.settings.paper, _TEXT_PAPER[PaperSize.AUTO])
    return TextSource(Path(what.path), paper, font=font)


def _heic(what: Opening) -> Source:
    raise DocumentError(f"the document {what.path} is a HEIC or AVIF picture; save it as JPEG")


def open_source(
    path: str, settings: PageSettings, password: str | None = None, *, inspecting: bool = False
) -> Source:
    """Open the document; raises DocumentError when it is missing, broken, encrypted with another password,
    too large, or of an unknown kind."""
    start = beginning(path)
    if not start:
        raise DocumentError(f"the document {path} is empty; give one with at least one page")
    what = Opening(path, settings, password, inspecting)
    for is_kind, opened in _KINDS:
        if is_kind(start):
            return opened(what)
    # Text has no NUL, but for UTF-16 and UTF-32, which are known by their byte order mark.
    if b"\0" not in start or start.startswith(_UTF_16_AND_32):
        return _text(what)
    raise DocumentError(f"the document {path} is of an unknown kind; save it as PDF")


def beginning(path: str) -> bytes:
    """The first octets of a regular file. Raises DocumentError."""
    try:
        status = os.stat(path)
        # Opening a pipe would wait for a writer. A folder is refused below, by the error of its opening.
        if not stat.S_ISREG(status.st_mode) and not os.path.isdir(path):
            raise DocumentError(f"the document {path} is a pipe or a device; give a regular file")
        if status.st_size > MAX_FILE_OCTETS:
            raise DocumentError(
                f"the document {path} has more than {MAX_FILE_OCTETS >> 20} MiB; save it smaller or in parts"
            )
        with open(path, "rb") as file:
            return file.read(_LOOKED_AT)
    except OSError as error:
        raise unreadable("document", path, error) from error


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[Opening], Source]], ...] = (
    # First of all, as a PDF may begin with octets of another kind.
    (lambda start: b"%PDF-" in start, _pdf),
    (lambda start: start.startswith(_PICTURES), _picture),
    (lambda start: start[:4] == b"RIFF" and start[8:12] == b"WEBP", _picture),
    (lambda start: bool(_PBM.match(start)), _picture),
    (lambda start: start[4:12] in _HEIC, _heic),
)

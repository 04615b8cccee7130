"""Which kind of office file a file is, by its content, and the names that LibreOffice has for it.

LibreOffice is told what it reads. If it looked for itself, it could take a file for something else than it
was checked as.
"""

from __future__ import annotations

import codecs
import errno
import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from sip.frozen import dataclass
from t38fsp.image.errors import DocumentError


class Guard(Enum):
    """How a file is kept from taking others onto its pages."""

    ARCHIVE = auto()
    """A zip archive of XML that is written again without references."""
    HTML = auto()
    """Refused if it refers to anything, and written again."""
    RTF = auto()
    """The same."""
    SANDBOX = auto()
    """Converted only where nothing else can be reached."""


class App(Enum):
    """The part of LibreOffice that opens a file, as filters for PDF name it."""

    WRITER = "writer"
    CALC = "calc"
    IMPRESS = "impress"
    DRAW = "draw"


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    """As messages name it."""
    suffix: str
    app: App
    filter: str
    """What LibreOffice calls the kind."""
    guard: Guard = Guard.ARCHIVE


_OOXML: tuple[tuple[bytes, Kind], ...] = (
    (b"wordprocessingml.", Kind("Word document", ".docx", App.WRITER, "MS Word 2007 XML")),
    # Types of documents with macros have this form. Their macros are never run.
    (b"ms-word.", Kind("Word document", ".docx", App.WRITER, "MS Word 2007 XML")),
    (
        b"ms-excel.sheet.binary.",
        Kind("Excel workbook", ".xlsb", App.CALC, "Calc MS Excel 2007 Binary", Guard.SANDBOX),
    ),
    (b"spreadsheetml.", Kind("Excel workbook", ".xlsx", App.CALC, "Calc MS Excel 2007 XML")),
    (b"ms-excel.", Kind("Excel workbook", ".xlsx", App.CALC, "Calc MS Excel 2007 XML")),
    (
        b"presentationml.",
        Kind("PowerPoint presentation", ".pptx", App.IMPRESS, "Impress MS PowerPoint 2007 XML"),
    ),
    (
        b"ms-powerpoint.",
        Kind("PowerPoint presentation", ".pptx", App.IMPRESS, "Impress MS PowerPoint 2007 XML"),
    ),
)
"""By the content type of the main part: application/vnd.openxmlformats-officedocument. or application/vnd.,
one of these, and what follows."""
_MAIN_PART = re.compile(
    rb"application/vnd\.(?:openxmlformats-officedocument\.)?([\w.-]+?)\.?main(?:\+xml)?[\"']", re.I
)

_ODF = {
    b"text": Kind("OpenDocument text", ".odt", App.WRITER, "writer8"),
    b"spreadsheet": Kind("OpenDocument spreadsheet", ".ods", App.CALC, "calc8"),
    b"presentation": Kind("OpenDocument presentation", ".odp", App.IMPRESS, "impress8"),
    b"graphics": Kind("OpenDocument drawing", ".odg", App.DRAW, "draw8"),
}
_ODF_TYPE = b"application/vnd.oasis.opendocument."

_CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD = (
    ("WordDocument", Kind("Word 97 document", ".doc", App.WRITER, "MS Word 97", Guard.SANDBOX)),
    ("Workbook", Kind("Excel 97 workbook", ".xls", App.CALC, "MS Excel 97", Guard.SANDBOX)),
    (
        "PowerPoint Document",
        Kind("PowerPoint 97 presentation", ".ppt", App.IMPRESS, "MS PowerPoint 97", Guard.SANDBOX),
    ),
)
"""By the name of a stream."""

_HTML = Kind("HTML page", ".html", App.WRITER, "HTML (StarWriter)", Guard.HTML)
_RTF = Kind("RTF document", ".rtf", App.WRITER, "Rich Text Format", Guard.RTF)
_SVG = Kind("SVG picture", ".svg", App.DRAW, "SVG - Scalable Vector Graphics Draw", Guard.SANDBOX)
_FLAT = {
    b"text": Kind("flat OpenDocument text", ".fodt", App.WRITER, "OpenDocument Text Flat XML", Guard.SANDBOX),
    b"spreadsheet": Kind(
        "flat spreadsheet", ".fods", App.CALC, "OpenDocument Spreadsheet Flat XML", Guard.SANDBOX
    ),
    b"presentation": Kind(
        "flat presentation", ".fodp", App.IMPRESS, "OpenDocument Presentation Flat XML", Guard.SANDBOX
    ),
}

_IS_HTML = re.compile(rb"(<!doctype\s+html|<html[\s>])", re.IGNORECASE)
_LOOKED_AT = 4096
_MAX_TYPES = 1 << 20
"""Octets of the list of content types that are read."""


_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,  # also IndexError, of a part without a name
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What reading a damaged archive may raise, beside OSError for an impossible place in the file."""


@contextmanager
def readable() -> Iterator[None]:
    """Turns what a damaged archive raises into DocumentError."""
    try:
        yield
    except DocumentError:
        raise
    except (*_DAMAGE, OSError) as error:
        # EINVAL is a seek to before the beginning, to where a damaged directory of the archive points.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise DocumentError(f"it is a damaged archive ({error}); save it again") from error


def is_office(start: bytes) -> bool:
    """Whether a file that begins so is of a kind that LibreOffice converts; :func:`kind_of` finds out zip
    archives and compound files of other programs."""
    return start.startswith((b"PK\x03\x04", _CFB)) or _of_text(start) is not None


def kind_of(path: Path) -> Kind:
    """The kind of office file. Raises DocumentError when it is none, and OSError."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if start.startswith(b"PK\x03\x04"):
        return _of_archive(path)
    if start.startswith(_CFB):
        return _of_compound_file(path)
    if (kind := _of_text(start)) is not None:
        return kind
    raise DocumentError("it is an office file of an unknown kind; save it as PDF")


def _of_text(start: bytes) -> Kind | None:
    for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        start = start.removeprefix(mark)
    # UTF-16 of either order reads like ASCII without its zero octets.
    start = start.replace(b"\x00", b"").lstrip()
    if start.startswith(b"{\\rtf"):
        return _RTF
    if not start.startswith(b"<"):
        return None
    if _IS_HTML.search(start):
        return _HTML
    if b"<svg" in start:
        return _SVG
    if b"<office:document" in start:
        return next((kind for name, kind in _FLAT.items() if _ODF_TYPE + name in start), None)
    return None


def _of_archive(path: Path) -> Kind:
    with readable(), zipfile.ZipFile(path) as archive:
        # zipfile also unpacks bzip2 and LZMA, whose memory and time are not bounded by the checks here.
        if any(entry.compress_type not in _METHODS for entry in archive.infolist()):
            raise DocumentError("it is packed in a way that office programs do not use; save it again")
        names = set(archive.namelist())
        if "[Content_Types].xml" in names:
            with archive.open("[Content_Types].xml") as part:
                types = part.read(_MAX_TYPES)
            mains = [match[1] + b"." for match in _MAIN_PART.finditer(types)]
            for name, kind in _OOXML:
                if any(main.startswith(name) for main in mains):
                    return kind
        elif "mimetype" in names:
            with archive.open("mimetype") as part:
                kind_name = part.read(200).strip().removeprefix(_ODF_TYPE).removesuffix(b"-template")
            if kind_name in _ODF:
                return _ODF[kind_name]
    raise DocumentError("it is an archive, not an office file; send the documents in it one by one")


def _of_compound_file(path: Path) -> Kind:
    data = path.read_bytes()
    # The stream that holds an encrypted Office Open XML file (MS-OFFCRYPTO).
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise DocumentError("it is encrypted; save it without a password")
    # The directory of a compound file (MS-CFB) has its names in UTF-16. To find one anywhere is enough,
    # as these kinds are converted in the sandbox only.
    for stream, kind in _OLD:
        if stream.encode("utf-16-le") in data:
            return kind
    raise DocumentError("it is an office file of an unknown kind; save it as PDF")

"""Office files that are zip archives, written again without what refers to other files or runs programs.

Sizes are checked before anything is unpacked, and again while it is, since an archive may lie about them.
"""

from __future__ import annotations

import codecs
import gzip
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from t38fsp.documents.office_kinds import readable
from t38fsp.documents.office_xml import METAFILES, RASTERS, Part
from t38fsp.image.errors import DocumentError

MAX_PARTS = 5000
MAX_OCTETS = 256 << 20
"""Octets of all parts together when they are unpacked."""
MAX_XML_OCTETS = 96 << 20
"""Those of them that are XML: about a spreadsheet of a million cells."""
_MAX_RATIO = 200
"""A part of a megabyte or more that shrinks by more than this was made to do so; XML shrinks by 10 to 50."""
_RATIO_FROM = 1 << 20
_CHUNK = 1 << 16
_LOOKED_AT = 4096

_XML_NAMES = (".xml", ".rels", ".vml", ".rdf")
_FONT_NAMES = (".odttf", ".ttf", ".otf", ".fntdata")
_ACTIVE = ("basic/", "scripts/", "dialogs/", "configurations2/", "customui/")
_GZIP = b"\x1f\x8b"


def cleaned(source: Path, target: Path) -> None:
    """Write the office file ``source`` again as ``target``.

    Raises DocumentError when it is damaged, encrypted, or larger than an office file may be.
    """
    with readable(), zipfile.ZipFile(source) as archive:
        entries = _checked(archive)
        kept = {entry.filename: entry for entry in entries if _is_kept(archive, entry)}
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as result:
            _copy(archive, kept, result)


def _checked(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_PARTS:
        raise DocumentError(f"it has {len(entries)} parts; an office file has at most {MAX_PARTS}")
    # Readers differ in which of the two they take, and only one of them would have been checked.
    if len({entry.filename for entry in entries}) != len(entries):
        raise DocumentError("two of its parts have the same name; save it again")
    # Bit 0 of the general purpose flags (APPNOTE 4.4.4).
    if any(entry.flag_bits & 1 for entry in entries):
        raise DocumentError("it is encrypted; save it without a password")
    if any(
        entry.file_size > _RATIO_FROM and entry.file_size > _MAX_RATIO * entry.compress_size
        for entry in entries
    ):
        raise DocumentError(
            f"one of its parts unpacks to more than {_MAX_RATIO} times its size; save it as PDF"
        )
    if sum(entry.file_size for entry in entries) > MAX_OCTETS:
        raise _too_large()
    return entries


def _is_kept(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Whether a part may be there: XML, pictures, fonts. Others are programs, embedded files, previews."""
    name = entry.filename.lower()
    if name.startswith(_ACTIVE) or "\\" in name or name.startswith("/") or ".." in name.split("/"):
        return False
    if name == "mimetype":
        return True
    # By its content, as the name of a part can say anything.
    start = _start(archive, entry)
    if name.endswith(_XML_NAMES) or _is_markup(start):
        return True
    if start.startswith((*RASTERS, *METAFILES)):
        return True
    # What office programs take for SVG wherever it begins.
    return name.endswith(_FONT_NAMES) and b"<svg" not in start.replace(b"\x00", b"")


def _copy(archive: zipfile.ZipFile, kept: dict[str, zipfile.ZipInfo], result: zipfile.ZipFile) -> None:
    everything, markup = _Budget(MAX_OCTETS), _Budget(MAX_XML_OCTETS)
    for name, entry in kept.items():
        info = zipfile.ZipInfo(name)
        # The media type of OpenDocument has to come first and uncompressed.
        info.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
        is_markup = name.lower().endswith(_XML_NAMES) or _is_markup(_start(archive, entry))
        with _unpacked(archive, entry) as part, result.open(info, "w") as written:
            chunks = (markup if is_markup else everything).spent_on(iter(lambda: part.read(_CHUNK), b""))
            if is_markup:
                Part(name, kept.keys(), written.write).feed(chunks)
            else:
                written.writelines(chunks)


class _Budget:
    """Counts octets, and ends in DocumentError."""

    def __init__(self, octets: int) -> None:
        self._left = octets

    def spent_on(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._left -= len(chunk)
            if self._left < 0:
                raise _too_large()
            yield chunk


def _start(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with _unpacked(archive, entry) as part:
        return part.read(_LOOKED_AT)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    """A part; one that is compressed by itself, as EMZ and SVGZ are, without that."""
    with archive.open(entry) as part:
        is_gzip = part.read(len(_GZIP)) == _GZIP
    part = archive.open(entry)
    return gzip.GzipFile(fileobj=part) if is_gzip else part  # type: ignore[return-value]


def _is_markup(start: bytes) -> bool:
    for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        start = start.removeprefix(mark)
    return start.replace(b"\x00", b"").lstrip().startswith(b"<")


def _too_large() -> DocumentError:
    return DocumentError(
        f"it unpacks to more than {MAX_OCTETS >> 20} MiB, or {MAX_XML_OCTETS >> 20} MiB without its "
        "pictures; send it in parts"
    )

"""Documents to send: TIFF Class F in, the octets of a page's burst out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from t38fsp.image.coder import encode_burst
from t38fsp.image.convert import convert
from t38fsp.image.errors import DocumentError
from t38fsp.image.resolutions import inch_terms
from t38fsp.image.tiff import SUGGESTION, TiffFile, TiffPage
from t38fsp.t4.decode import decode_page
from t38fsp.t4.prepare import ends_with_eofb
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode

_INVERT = bytes(255 - octet for octet in range(256))

MOST_BAD_ROWS = 0.15
"""Share of the rows of an MH or MR page that may be damaged (and are repaired), as in a bad fax."""

StrPath = str | os.PathLike[str]


def inspect(path: StrPath) -> list[PageFormat]:
    """The format of every page, after reading and decoding all of them.

    Raises :class:`DocumentError` when the file is missing, is not a TIFF Class F file, or has a page that
    cannot be decoded to its end.
    """
    with _opened(path) as tiff:
        for page in tiff.pages:
            _read(tiff, page)
        return [page.format for page in tiff.pages]


def pages(path: StrPath) -> Iterator[tuple[PageFormat, bytes]]:
    """Format and pixels of each page, one after the other: rows of packed pixels, 1 is black.

    Raises :class:`DocumentError`.
    """
    with _opened(path) as tiff:
        for page in tiff.pages:
            yield page.format, _read(tiff, page).pixels


def load_page(path: StrPath, index: int) -> tuple[PageFormat, bytes]:
    """Format and pixels of page ``index`` (from 0): rows of packed pixels, 1 is black.

    Raises :class:`DocumentError`.
    """
    with _opened(path) as tiff:
        page = _page(tiff, index)
        return page.format, _read(tiff, page).pixels


def encode_page(path: StrPath, index: int, mode: PageMode) -> bytes:
    """The exact octets of the burst that carries page ``index`` (from 0) as ``mode`` says.

    MH and MR: EOL before every line, fill for ``mode.scan_line_time``, RTC at the end. MMR: EOFB at the end.
    A page that is stored as it has to travel is handed on as it is. Otherwise it is coded again, after
    its resolution and its width were changed to those of ``mode`` where they differ.

    Raises :class:`DocumentError`.
    """
    with _opened(path) as tiff:
        page = _page(tiff, index)
        content = _read(tiff, page)
    if content.burst and mode.coding is Coding.MMR and _fits(page.format, mode):
        return content.burst
    return encode_burst(convert(content.pixels, page.format, mode.width, mode.resolution), mode)


def _fits(page: PageFormat, mode: PageMode) -> bool:
    same_resolution = inch_terms(page.resolution) == inch_terms(mode.resolution)
    return page.width == mode.width and same_resolution


@contextmanager
def _opened(path: StrPath) -> Iterator[TiffFile]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise DocumentError(f"the document {os.fspath(path)} is a pipe or a device; give a plain file")
        with open(path, "rb") as file:
            yield TiffFile(file)
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise DocumentError(
            f"the document {os.fspath(path)} cannot be read: {reason}; check its name"
        ) from error


def _page(tiff: TiffFile, index: int) -> TiffPage:
    if not 0 <= index < len(tiff.pages):
        raise DocumentError(f"the document has no page {index + 1}; it has {len(tiff.pages)}")
    return tiff.pages[index]


@dataclass(frozen=True, slots=True)
class _Content:
    pixels: bytes
    """1 is black."""
    burst: bytes
    """The stored octets when they are just what an MMR burst has to be, else empty."""


def _read(tiff: TiffFile, page: TiffPage) -> _Content:
    """Decode a page; a few bad lines of MH or MR are repaired."""
    width, rows = page.format.width, page.format.rows
    stride = (width + 7) // 8
    pixels = bytearray()
    bad_rows = 0
    burst = b""
    for strip, data in zip(page.strips, tiff.strip_data(page), strict=True):
        decoded = decode_page(data, page.coding, width)
        quality = decoded.quality
        # After damage in MMR nothing can be trusted; in MH and MR the lines behind it can.
        readable = quality.rows - quality.bad_rows if page.coding is Coding.MMR else quality.rows
        if readable < strip.rows:
            raise DocumentError(
                f"page {page.number} cannot be faxed: its image data are damaged or cut short at row "
                f"{len(pixels) // stride + readable + 1} of {rows}; copy the document again or {SUGGESTION}"
            )
        if page.coding is not Coding.MMR:
            bad_rows += quality.bad_rows
        elif quality.rows == rows and not page.inverted and ends_with_eofb(data):
            burst = data.rstrip(b"\0")
        pixels += decoded.pixels[: strip.rows * stride]
    if bad_rows > MOST_BAD_ROWS * rows:
        raise DocumentError(
            f"page {page.number} cannot be faxed: {bad_rows} of its {rows} rows are damaged; "
            f"copy the document again or {SUGGESTION}"
        )
    return _Content(bytes(pixels.translate(_INVERT) if page.inverted else pixels), burst)

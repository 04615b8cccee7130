"""Documents to send: TIFF Class F in, the octets of a page's burst out."""

from __future__ import annotations

import os
import stat
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Flag, auto
from typing import BinaryIO

from PIL import Image

from t38fsp.image.coder import encode_burst
from t38fsp.image.convert import convert
from t38fsp.image.errors import DocumentError
from t38fsp.image.exact import decode_strip, read_strip
from t38fsp.image.fields import SUGGESTION
from t38fsp.image.header import with_header
from t38fsp.image.orientation import Orientation, upright
from t38fsp.image.resolutions import inch_terms
from t38fsp.image.tiff import TiffFile, TiffPage
from t38fsp.image.values import HeaderLine, Identity, identity_of
from t38fsp.t4.decode import decode_page
from t38fsp.t4.prepare import ends_with_eofb
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, PageQuality

_INVERT = bytes(255 - octet for octet in range(256))

MOST_BAD_ROWS = 0.15
"""Share of the rows of an MH or MR page that may be damaged (and are repaired), as in a bad fax."""

MOST_SECONDS = 5.0
"""Of CPU for one page, as it may have to be read again while a far end waits. An ordinary page takes 0.02."""

_DOCUMENTS_REMEMBERED = 64

StrPath = str | os.PathLike[str]


class Facts(Flag):
    """What reading a page to its end has shown."""

    NONE = 0
    EXACT = auto()
    """libtiff reads it rightly (t38fsp.image.exact)."""
    BURST = auto()
    """But for padding it is stored as it has to travel in MMR."""


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page that was inspected earlier, of a file with this ``identity``.

    ``place`` is that of its directory, ``number`` counts from 1.
    """

    identity: Identity
    number: int
    place: int
    facts: Facts


def inspect(path: StrPath) -> list[PageFormat]:
    """The format of every page, after reading and decoding all of them.

    What was found is remembered for :func:`encode_page`, as long as the file does not change.

    Raises :class:`DocumentError` when the file is missing, is not a TIFF Class F file, or has a page that
    cannot be decoded to its end.
    """
    with _opened(path) as document:
        facts = {page.number: _read(document.tiff, page).facts for page in document.tiff.pages}
        _remember(document.identity, facts)
        return [page.format for page in document.tiff.pages]


def structure(path: StrPath) -> tuple[Identity, list[TiffPage]]:
    """The pages of a document, none of them decoded yet: the first part of :func:`inspect`.

    Raises :class:`DocumentError`.
    """
    with _opened(path) as document:
        return document.identity, document.tiff.pages


def inspect_pages(
    path: StrPath, identity: Identity, places: Iterable[tuple[int, int]], seconds: float
) -> list[Facts]:
    """Read and decode pages, each given by its number and the place of its directory: the other parts.

    Takes at least one, and no further one once ``seconds`` are over. Raises :class:`DocumentError`, also
    for a page that takes more than MOST_SECONDS, and when the file is not the one with this ``identity`` any
    more.
    """
    end = time.monotonic() + seconds
    found: list[Facts] = []
    with _opened_again(path, identity) as file:
        for number, place in places:
            begun = time.process_time()
            tiff = TiffFile(file, place, number)
            found.append(_read(tiff, tiff.pages[0]).facts)
            used = time.process_time() - begun
            if used > MOST_SECONDS:
                raise DocumentError(
                    f"page {number} cannot be faxed: to read it takes {used:.0f} s, longer than a far end "
                    "waits for a page; give simpler pages"
                )
            if time.monotonic() >= end:
                break
    return found


def pages(path: StrPath) -> Iterator[tuple[PageFormat, bytes]]:
    """Format and pixels of each page, one after the other: rows of packed pixels, 1 is black.

    Raises :class:`DocumentError`.
    """
    with _opened(path) as document:
        for page in document.tiff.pages:
            yield page.format, _read(document.tiff, page).pixels()


def encode_page(
    path: StrPath,
    index: int,
    mode: PageMode,
    header: HeaderLine | None = None,
) -> bytes:
    """The exact octets of the burst that carries page ``index`` (from 0) as ``mode`` says.

    MH and MR: EOL before every line, fill for ``mode.scan_line_time``, RTC at the end. MMR: EOFB at the end.
    A page that is stored as it has to travel is handed on as it is. Otherwise it is coded again, after
    its resolution and its width were changed to those of ``mode`` where they differ, and its length where it
    is too long. With a ``header`` that line stands above it (:mod:`t38fsp.image.header`).

    Raises :class:`DocumentError`.
    """
    with _opened(path) as document:
        page = _page(document.tiff, index)
        facts = _known.get(document.identity, {}).get(page.number, Facts.NONE)
        return _encode(document.tiff, page, facts, mode, header)


def encode_known_page(
    path: StrPath, known: KnownPage, mode: PageMode, header: HeaderLine | None = None
) -> bytes:
    """As :func:`encode_page`, of a page that was inspected, without reading what was found out then.

    Raises :class:`DocumentError`, also when the document has changed since.
    """
    with _opened_again(path, known.identity) as file:
        tiff = TiffFile(file, known.place, known.number)
        return _encode(tiff, tiff.pages[0], known.facts, mode, header)


def _encode(tiff: TiffFile, page: TiffPage, facts: Facts, mode: PageMode, header: HeaderLine | None) -> bytes:
    as_it_is = header is None and mode.coding is Coding.MMR and _fits(page.format, mode)
    if as_it_is and Facts.BURST in facts:
        (data,) = tiff.strip_data(page)
        return data.rstrip(b"\0")
    content = _read(tiff, page, facts)
    if as_it_is and content.burst:
        return content.burst
    return encode_burst(_as_it_travels(content, page.format, mode, header), mode)


def _fits(page: PageFormat, mode: PageMode) -> bool:
    same_resolution = inch_terms(page.resolution) == inch_terms(mode.resolution)
    short_enough = mode.max_rows is None or page.rows <= mode.max_rows
    return page.width == mode.width and same_resolution and short_enough


def _as_it_travels(content: _Content, page: PageFormat, mode: PageMode, header: HeaderLine | None) -> bytes:
    pixels = content.pixels()

    def render(max_rows: int | None) -> bytes:
        return convert(pixels, page, mode.width, mode.resolution, max_rows)

    if header is None:
        return render(mode.max_rows)
    return with_header(header, mode.width, mode.resolution, mode.max_rows, render)


# --- opening, and remembering -------------------------------------------------------------------------------

_known: OrderedDict[Identity, dict[int, Facts]] = OrderedDict()
"""Of the documents inspected last, each page by its number."""


def _remember(identity: Identity, facts: dict[int, Facts]) -> None:
    _known[identity] = facts
    if len(_known) > _DOCUMENTS_REMEMBERED:
        _known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Document:
    tiff: TiffFile
    identity: Identity


@contextmanager
def _opened(path: StrPath) -> Iterator[_Document]:
    with _file(path) as file:
        yield _Document(TiffFile(file), identity_of(os.fstat(file.fileno())))


@contextmanager
def _opened_again(path: StrPath, identity: Identity) -> Iterator[BinaryIO]:
    with _file(path) as file:
        if identity_of(os.fstat(file.fileno())) != identity:
            raise DocumentError(
                f"the document {os.fspath(path)} was changed after it was inspected; "
                "send it again, and leave it as it is until it is sent"
            )
        yield file


@contextmanager
def _file(path: StrPath) -> Iterator[BinaryIO]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise DocumentError(f"the document {os.fspath(path)} is a pipe or a device; give a plain file")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise DocumentError(
            f"the document {os.fspath(path)} cannot be read: {reason}; check its name"
        ) from error


def _page(tiff: TiffFile, index: int) -> TiffPage:
    if not 0 <= index < len(tiff.pages):
        raise DocumentError(f"the document has no page {index + 1}; it has {len(tiff.pages)}")
    return tiff.pages[index]


# --- reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Content:
    parts: list[Image.Image | bytes]
    """Each strip, from libtiff or from our own decoder; 1 is what is coded as black."""
    page: TiffPage
    burst: bytes
    """The stored octets when they are just what an MMR burst has to be, else empty."""

    @property
    def facts(self) -> Facts:
        exact = all(isinstance(part, Image.Image) for part in self.parts)
        return (Facts.EXACT if exact else Facts.NONE) | (Facts.BURST if self.burst else Facts.NONE)

    def pixels(self) -> bytes:
        """As the page is seen; 1 is black."""
        pixels = b"".join(part if isinstance(part, bytes) else part.tobytes() for part in self.parts)
        if self.page.inverted:
            pixels = pixels.translate(_INVERT)
        return upright(pixels, self.page.width, self.page.orientation)


def _read(tiff: TiffFile, page: TiffPage, facts: Facts = Facts.NONE) -> _Content:
    """Decode a page, of which ``facts`` are known; a few bad lines of MH or MR are repaired."""
    width, rows = page.width, page.rows
    stored_as_seen = page.orientation is Orientation.TOP_LEFT and not page.inverted
    parts: list[Image.Image | bytes] = []
    row = bad_rows = 0
    burst = b""
    for strip, data in zip(page.strips, tiff.strip_data(page), strict=True):
        if Facts.EXACT in facts:
            image = decode_strip(data, page.coding, width, strip.rows)
        else:
            image = read_strip(data, page.coding, width, strip.rows, page.format.resolution)
        if image is not None:
            parts.append(image)
            quality = PageQuality(strip.rows)
        else:
            decoded = decode_page(data, page.coding, width, strip.rows + 1)
            parts.append(decoded.pixels[: strip.rows * ((width + 7) // 8)])
            quality = decoded.quality
        # After damage in MMR nothing can be trusted; in MH and MR the lines behind it can.
        readable = quality.rows - quality.bad_rows if page.coding is Coding.MMR else quality.rows
        if readable < strip.rows:
            raise DocumentError(
                f"page {page.number} cannot be faxed: its image data are damaged or cut short at row "
                f"{row + readable + 1} of {rows}; copy the document again or {SUGGESTION}"
            )
        if page.coding is not Coding.MMR:
            bad_rows += quality.bad_rows
        elif len(page.strips) == 1 and quality.rows == rows and stored_as_seen and ends_with_eofb(data):
            burst = data.rstrip(b"\0")
        row += strip.rows
    if bad_rows > MOST_BAD_ROWS * rows:
        raise DocumentError(
            f"page {page.number} cannot be faxed: {bad_rows} of its {rows} rows are damaged; "
            f"copy the document again or {SUGGESTION}"
        )
    return _Content(parts, page, burst)

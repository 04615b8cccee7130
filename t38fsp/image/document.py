"""Documents to send: reads TIFF Class F, and returns the octets of the burst for each page."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Flag, auto
from typing import BinaryIO

from t38fsp.image.coder import encode_burst
from t38fsp.image.convert import convert
from t38fsp.image.errors import DocumentError, changed, unreadable
from t38fsp.image.exact import check_strip, decode_strip, read_t4
from t38fsp.image.fields import SUGGESTION
from t38fsp.image.header import with_header
from t38fsp.image.orientation import Orientation, upright
from t38fsp.image.resolutions import inch_terms
from t38fsp.image.tiff import TiffFile, TiffPage
from t38fsp.image.values import HeaderLine, Identity, identity_of
from t38fsp.t4.decode import decode_page
from t38fsp.t4.prepare import ends_with_eofb, without_padding
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, PageQuality

_INVERT = bytes(255 - octet for octet in range(256))

MOST_BAD_ROWS = 0.15
"""Share of the rows of an MH or MR page that may be damaged and are repaired, as in a bad fax."""

MOST_SECONDS = 5.0
"""CPU seconds allowed to read one page, since a far end may be waiting. An ordinary page takes 0.005."""

StrPath = str | os.PathLike[str]


class Facts(Flag):
    """What reading a page to its end has established."""

    NONE = 0
    EXACT = auto()
    """libtiff reads the page correctly (t38fsp.image.exact)."""
    BURST = auto()
    """Except for padding the page is stored exactly as an MMR burst."""


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page that was inspected earlier, in a file with this ``identity``.

    ``place`` is the offset of its directory, ``number`` counts from 1. ``lengths`` are those of its strips if
    the directory does not contain them, ``facts`` what reading it earlier has established.
    """

    identity: Identity
    number: int
    place: int
    lengths: tuple[int, ...] = ()
    facts: Facts = Facts.NONE


def is_tiff(path: StrPath) -> bool:
    """Whether the file begins as TIFF does, other than BigTIFF. Raises DocumentError."""
    with _opened(path) as file:
        return file.read(4) in (b"II*\0", b"MM\0*")


def inspect(path: StrPath) -> list[PageFormat]:
    """The format of every page.

    Checks all that can be checked without decoding: the directories, the size and coding of each page, and
    the position of its image data.

    Raises :class:`DocumentError` when the file is missing, or is not a TIFF Class F file.
    """
    return [page.format for page in structure(path)[1]]


def structure(path: StrPath) -> tuple[Identity, list[TiffPage]]:
    """The identity of the file and its pages, checked as by :func:`inspect`. Raises
    :class:`DocumentError`."""
    with _opened(path) as file:
        return identity_of(os.fstat(file.fileno())), TiffFile(file).pages


def pages(path: StrPath) -> Iterator[tuple[PageFormat, bytes]]:
    """Format and pixels of each page, one after the other: rows of packed pixels, 1 is black.

    Raises :class:`DocumentError`, also at a page that cannot be decoded to its end.
    """
    with _opened(path) as file:
        tiff = TiffFile(file)
        for page in tiff.pages:
            yield page.format, _read(tiff, page).pixels()


def encode_page(path: StrPath, index: int, mode: PageMode, header: HeaderLine | None = None) -> bytes:
    """The exact octets of the burst that carries page ``index`` (from 0) in ``mode``.

    MH and MR: EOL before every line, fill for ``mode.scan_line_time``, RTC at the end. MMR: EOFB at the end.
    A page that is stored in this form is passed on unchanged. Otherwise it is coded again, after conversion
    to the resolution and width of ``mode`` if they differ, and reduction if it is too long. With a ``header``
    that line is above it (:mod:`t38fsp.image.header`).

    Raises :class:`DocumentError`, also when the page cannot be decoded to its end.
    """
    with _opened(path) as file:
        tiff = TiffFile(file)
        return _encode(tiff, _page(tiff, index), Facts.NONE, mode, header)[0]


def encode_known_page(
    path: StrPath, known: KnownPage, mode: PageMode, header: HeaderLine | None = None
) -> tuple[bytes, Facts]:
    """As :func:`encode_page`, for a page that was inspected; also returns what is known of it now.

    Facts that are known already are not checked again.

    Raises :class:`DocumentError`, also when the page takes more than MOST_SECONDS to read, and
    :class:`DocumentChangedError` when the document has changed since.
    """
    with _opened(path) as file:
        if identity_of(os.fstat(file.fileno())) != known.identity:
            raise changed(path)
        tiff = TiffFile(file, known.place, known.number, known.lengths)
        return _encode(tiff, tiff.pages[0], known.facts, mode, header)


def _encode(
    tiff: TiffFile, page: TiffPage, facts: Facts, mode: PageMode, header: HeaderLine | None
) -> tuple[bytes, Facts]:
    as_it_is = header is None and mode.coding is Coding.MMR and _fits(page.format, mode)
    # The quick way of most pages: read, cut off the padding, send.
    if as_it_is and Facts.BURST in facts:
        (data,) = tiff.strip_data(page)
        return without_padding(data), facts
    content = _read(tiff, page, facts)
    if as_it_is and content.burst:
        return content.burst, content.facts
    return encode_burst(_as_it_travels(content, page.format, mode, header), mode), content.facts


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


# --- opening ------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: StrPath) -> Iterator[BinaryIO]:
    try:
        # To open a pipe would wait for a writer. A directory is left to open(), whose error is the
        # plainer one.
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise DocumentError(f"the document {os.fspath(path)} is a pipe or a device; give a regular file")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise unreadable("document", path, error) from error


def _page(tiff: TiffFile, index: int) -> TiffPage:
    if not 0 <= index < len(tiff.pages):
        raise DocumentError(f"the document has no page {index + 1}; it has {len(tiff.pages)}")
    return tiff.pages[index]


# --- reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Content:
    page: TiffPage
    strips: list[tuple[bytes, bytes | None]]
    """For each strip its octets, and its pixels if decoded already; 1 is what is coded as black."""
    facts: Facts

    @property
    def burst(self) -> bytes:
        """The stored octets if they are exactly an MMR burst, else empty."""
        return without_padding(self.strips[0][0]) if Facts.BURST in self.facts else b""

    def pixels(self) -> bytes:
        """The pixels of the upright page; 1 is black."""
        parts: list[bytes] = []
        for (data, decoded), strip in zip(self.strips, self.page.strips, strict=True):
            if decoded is None:
                decoded = decode_strip(data, self.page.coding, self.page.width, strip.rows)
                assert decoded is not None  # libtiff read it before
            parts.append(decoded)
        pixels = b"".join(parts)
        if self.page.inverted:
            pixels = pixels.translate(_INVERT)
        return upright(pixels, self.page.width, self.page.orientation)


def _read(tiff: TiffFile, page: TiffPage, facts: Facts = Facts.NONE) -> _Content:
    """Check that a page with the known ``facts`` can be decoded; repair bad lines of MH or MR."""
    data_of_strips = tiff.strip_data(page)
    # Proved by an earlier job: nothing is decoded until pixels are needed.
    if Facts.EXACT in facts:
        return _Content(page, [(data, None) for data in data_of_strips], facts)
    alone = len(page.strips) == 1
    stored_as_seen = page.orientation is Orientation.TOP_LEFT and not page.inverted
    strips: list[tuple[bytes, bytes | None]] = []
    row = bad_rows = 0
    exact, burst = True, False
    go_on = _limit(page.number)
    for strip, data in zip(page.strips, data_of_strips, strict=True):
        go_on()
        pixels: bytes | None = None
        if page.coding is Coding.MMR:
            data = without_padding(data)
            read = ends = check_strip(data, page.width, strip.rows, page.format.resolution)
        else:
            ends = False
            pixels = read_t4(data, page.coding, page.width, strip.rows, page.format.resolution)
            read = pixels is not None
        if not read:
            exact = False
            pixels, quality = _repaired(data, page, strip.rows, go_on)
            ends = quality.rows == strip.rows and ends_with_eofb(data)
            # After damage in MMR nothing can be trusted: each line refers to the one above. MH and MR
            # resynchronise.
            mmr = page.coding is Coding.MMR
            readable = quality.rows - quality.bad_rows if mmr else quality.rows
            if readable < strip.rows:
                raise DocumentError(
                    f"page {page.number} cannot be faxed: its image data are damaged or cut short at row "
                    f"{row + readable + 1} of {page.rows}; copy the document again or {SUGGESTION}"
                )
            bad_rows += 0 if mmr else quality.bad_rows
        burst = alone and stored_as_seen and page.coding is Coding.MMR and ends
        strips.append((data, pixels))
        row += strip.rows
    if bad_rows > MOST_BAD_ROWS * page.rows:
        raise DocumentError(
            f"page {page.number} cannot be faxed: {bad_rows} of its {page.rows} rows are damaged; "
            f"copy the document again or {SUGGESTION}"
        )
    found = (Facts.EXACT if exact else Facts.NONE) | (Facts.BURST if burst else Facts.NONE)
    return _Content(page, strips, found)


def _repaired(data: bytes, page: TiffPage, rows: int, go_on: Callable[[], None]) -> tuple[bytes, PageQuality]:
    """Decode a strip with our own decoder, which repairs lines but takes many times as long."""
    # One row more than declared: data that go on after the last one are seen.
    decoded = decode_page(data, page.coding, page.width, rows + 1, go_on)
    return decoded.pixels[: rows * ((page.width + 7) // 8)], decoded.quality


def _limit(number: int) -> Callable[[], None]:
    """A function that raises DocumentError once page ``number`` has taken too much CPU time."""
    # CPU time, as neither a slow disk nor a busy machine is the document's fault.
    begun = time.process_time()

    def go_on() -> None:
        if time.process_time() - begun > MOST_SECONDS:
            raise DocumentError(
                f"page {number} cannot be faxed: reading it takes more than {MOST_SECONDS:.0f} s, longer "
                "than a far end waits for a page; give simpler pages"
            )

    return go_on

"""The pages of a TIFF Class F file (TIFF 6.0, RFC 3949 4): their properties, and where their octets are.

Files are untrusted. A missing or wrong value that follows from the rest of the file is derived from it;
anything else is refused with a :class:`DocumentError` that names the page and the field.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO

from t38fsp.image.errors import DocumentError, NotFaxError
from t38fsp.image.fields import (
    CUT_SHORT,
    DAMAGED,
    HEADER_OCTETS,
    SUGGESTION,
    Directory,
    Source,
    Tag,
    refuse,
    refuse_as_fax,
)
from t38fsp.image.orientation import Orientation
from t38fsp.image.resolutions import WIDTHS, nearest_resolution
from t38fsp.image.values import MAX_PAGES
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t30.vocabulary import Coding, PageFormat

MAX_PAGE_OCTETS = 32 * 1024 * 1024
"""Coded octets of one page."""

MAX_STRIPS = 500_000
"""Upper bound for a document: many directories could share the same few hundred octets of strips."""

MAX_COMPUTED = 20_000
"""Strips of a document whose lengths are told from what follows them. Who inspects a document hands these
lengths on, to a loop that has calls to serve: half a million held it up for half a second."""

MSB_FIRST = bytes(range(256))
LSB_FIRST = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""Translation tables for ``bytes.translate``: fill order 1 unchanged, fill order 2 reversed."""

_NOT_A_PAGE = 1 | 4
"""Bits of NewSubfileType: a thumbnail, or a mask, of another page."""
_OLD_THUMBNAIL = 2
"""A value of SubfileType."""
_TRANSPARENCY_MASK = 4
"""A value of PhotometricInterpretation."""

_SENSIBLE = 1e-6, 1e6
"""Bounds for plausible resolutions; without a unit only their ratio counts, and they may be small."""

_COMPRESSION_NAMES = {
    1: "none",
    2: "CCITT RLE",
    5: "LZW",
    6: "JPEG",
    7: "JPEG",
    8: "Deflate",
    32773: "PackBits",
}


@dataclass(frozen=True, slots=True)
class Strip:
    """Coded data of ``rows`` rows."""

    offset: int
    length: int
    rows: int


@dataclass(frozen=True, slots=True)
class TiffPage:
    """One page of the file. ``number`` counts from 1."""

    number: int
    format: PageFormat
    """The format of the upright page."""
    width: int
    """Pixels, as stored."""
    rows: int
    """Rows, as stored."""
    orientation: Orientation
    coding: Coding
    lsb_first: bool
    """FillOrder 2: the bit transmitted first is the least significant one."""
    inverted: bool
    """PhotometricInterpretation 1: what is coded as white is black."""
    strips: tuple[Strip, ...]
    place: int = 0
    """Offset of its directory, so that it can be read again without those before it."""
    computed: bool = False
    """The directory does not contain the lengths of all strips; they were computed."""

    @property
    def computed_lengths(self) -> tuple[int, ...]:
        """The lengths of its strips, if they were computed from the whole file."""
        return tuple(strip.length for strip in self.strips) if self.computed else ()


class TiffFile:
    """An open TIFF file whose structure was checked: its ``pages``, and the offsets of its ``directories``.

    With ``place`` the structure is known already, and only the page at that offset is read; ``number`` is its
    number, and ``lengths`` are those of its strips if the directory has none. Raises :class:`DocumentError`
    when the structure is invalid.
    """

    def __init__(
        self, file: BinaryIO, place: int | None = None, number: int = 1, lengths: tuple[int, ...] = ()
    ) -> None:
        self._source = Source(file)
        self.directories: list[int] = []
        self._starts = array("I")
        """Offsets at which something begins: a strip of unknown length ends at the next one."""
        if place is None:
            self.pages = self._with_lengths(self._read_pages())
        else:
            self.pages = [self._page_at(place, number, lengths)]

    def _page_at(self, place: int, number: int, lengths: tuple[int, ...]) -> TiffPage:
        page = _Reading(self._source, Directory(self._source, place, number), number).page()
        if not lengths:
            return page
        strips = zip(page.strips, lengths, strict=True)
        return replace(page, strips=tuple(replace(strip, length=length) for strip, length in strips))

    def strip_data(self, page: TiffPage) -> list[bytes]:
        """The coded octets of each strip, in transmission order (most significant bit first)."""
        table = LSB_FIRST if page.lsb_first else MSB_FIRST
        return [
            self._source.at(strip.offset, strip.length, page.number, "image data").translate(table)
            for strip in page.strips
        ]

    def _read_pages(self) -> list[TiffPage]:
        pages: list[TiffPage] = []
        strips = 0
        offset = first_directory(self._source)
        seen: set[int] = set()
        last: Directory | None = None
        while offset:
            directory = self._linked(offset, seen, pages, last)
            if directory is None:
                break
            seen.add(offset)
            self.directories.append(offset)
            self._starts.extend(directory.places())
            if not _is_not_a_page(directory):
                pages.append(_Reading(self._source, directory, len(pages) + 1).page())
                strips += len(pages[-1].strips)
                self._starts.extend(strip.offset for strip in pages[-1].strips)
            if strips > MAX_STRIPS:
                raise DocumentError(
                    f"the document has more than {MAX_STRIPS} strips; save it with one strip a page"
                )
            offset, last = directory.next, directory
        if not pages:
            raise DocumentError("the document has no pages; give a TIFF file with at least one page")
        return pages

    def _linked(
        self, offset: int, seen: set[int], pages: list[TiffPage], last: Directory | None
    ) -> Directory | None:
        """The next directory; None if the link to it is wrong, but the pages before it declare themselves
        complete (PageNumber)."""
        number = len(pages) + 1
        if len(seen) >= MAX_PAGES:
            raise DocumentError(f"the document has more than {MAX_PAGES} pages; send it in parts")
        try:
            if offset in seen:
                refuse(number, "its directory is linked in a loop", "save the document again")
            return Directory(self._source, offset, number)
        except DocumentError as error:
            if not pages or last is None:
                raise
            # RFC 3949 4.2.4: the number of the page, from 0, and how many there are, or 0.
            # Some writers leave garbage after the last directory; a fax that says how many pages it has
            # is complete without it.
            if last.integers(Tag.PAGE_NUMBER, 2)[1:] == (len(pages),):
                return None
            before = "the page before it is" if len(pages) == 1 else f"the {len(pages)} pages before it are"
            raise DocumentError(
                f"{error} ({before} good; if there are no more, save the document again)"
            ) from None

    def _with_lengths(self, pages: list[TiffPage]) -> list[TiffPage]:
        """``pages`` with the missing lengths of strips computed: each strip ends where the next item
        begins."""
        if all(strip.length for page in pages for strip in page.strips):
            return pages
        starts = sorted({*self._starts, self._source.size})

        def complete(strip: Strip) -> Strip:
            if strip.length:
                return strip
            end = starts[bisect_right(starts, strip.offset)]
            # The next item may be far away, beyond the limit for a page.
            return replace(strip, length=min(min(end, self._source.size) - strip.offset, MAX_PAGE_OCTETS))

        completed = [
            page
            if all(strip.length for strip in page.strips)
            else replace(page, strips=tuple(map(complete, page.strips)), computed=True)
            for page in pages
        ]
        if sum(len(page.strips) for page in completed if page.computed) > MAX_COMPUTED:
            raise DocumentError(
                f"the document has more than {MAX_COMPUTED} strips without their lengths (StripByteCounts); "
                "save it with one strip a page"
            )
        for page in completed:
            _limit_octets(page.number, [strip.length for strip in page.strips])
        return completed


def first_directory(source: Source) -> int:
    """Offset of the first directory. Raises DocumentError for a file that is not TIFF."""
    header = source.header
    if not header:
        raise DocumentError("the document is empty; give a TIFF file with at least one page")
    # BigTIFF has version 43 ("+") in place of 42 ("*").
    if header[:4] in (b"II+\0", b"MM\0+"):
        raise NotFaxError("the document is a BigTIFF file, which fax cannot use; save it as plain TIFF")
    if header[:4] not in (b"II*\0", b"MM\0*") or len(header) < HEADER_OCTETS:
        raise DocumentError(f"the document is not a TIFF file; {SUGGESTION}")
    (offset,) = source.integers("I", header[4:])
    return offset


def _is_not_a_page(directory: Directory) -> bool:
    return (
        bool(directory.integer(Tag.NEW_SUBFILE_TYPE, 0) & _NOT_A_PAGE)
        or directory.integer(Tag.SUBFILE_TYPE, 0) == _OLD_THUMBNAIL
        or directory.integer(Tag.PHOTOMETRIC, 0) == _TRANSPARENCY_MASK
    )


def _limit_octets(number: int, lengths: Iterable[int]) -> None:
    if sum(lengths) > MAX_PAGE_OCTETS:
        what = f"it holds more than {MAX_PAGE_OCTETS} octets (StripByteCounts)"
        refuse(number, what, "save the document again")


class _Reading:
    """Reads the properties of a page from its directory."""

    def __init__(self, source: Source, directory: Directory, number: int) -> None:
        self._source = source
        self._directory = directory
        self._number = number

    def page(self) -> TiffPage:
        orientation = Orientation.of(self._directory.integer(Tag.ORIENTATION, Orientation.TOP_LEFT))
        width, rows = self._size(orientation)
        # Some scanners write 0 for the default.
        fill_order = self._directory.integer(Tag.FILL_ORDER, 1) or 1
        if fill_order not in (1, 2):
            refuse_as_fax(self._number, f"its FillOrder is {fill_order}, not 1 or 2")
        across, down = self._per_inch()
        if orientation.is_sideways:
            across, down = down, across
            shown = PageFormat(rows, width, nearest_resolution(rows, across, down))
        else:
            shown = PageFormat(width, rows, nearest_resolution(width, across, down))
        return TiffPage(
            number=self._number,
            format=shown,
            width=width,
            rows=rows,
            orientation=orientation,
            coding=self._coding(),
            lsb_first=fill_order == 2,
            inverted=self._photometric() == 1,
            strips=self._strips(rows),
            place=self._directory.offset,
        )

    def _size(self, orientation: Orientation) -> tuple[int, int]:
        """Width and rows as stored; one of them is a fax width."""
        for tag, default in ((Tag.BITS_PER_SAMPLE, 16), (Tag.SAMPLES_PER_PIXEL, 1)):
            values = self._directory.integers(tag, default) or (1,)
            if values != (1,):
                what = f"it is in colour or grey ({tag.label} {values[0]}), and fax is black and white"
                refuse_as_fax(self._number, what)
        width, rows = (self._directory.integer(tag) for tag in (Tag.IMAGE_WIDTH, Tag.IMAGE_LENGTH))
        across, down = width, rows
        turned = ""
        if orientation.is_sideways:
            across, down = rows, width
            turned = f"turned upright (Orientation {orientation:d}) "
        if across not in WIDTHS:
            what = f"{turned}it is {across} pixels wide, which is not a fax width"
            refuse_as_fax(self._number, what)
        if not 0 < down <= MAX_ROWS:
            field = Tag.IMAGE_WIDTH if turned else Tag.IMAGE_LENGTH
            what = f"{turned}it has {down} rows ({field.label})"
            refuse(self._number, what, f"give pages of 1 to {MAX_ROWS} rows")
        return width, rows

    def _photometric(self) -> int:
        photometric = self._directory.integer(Tag.PHOTOMETRIC, 0)
        if photometric not in (0, 1):
            what = f"it is not a black and white picture (PhotometricInterpretation {photometric})"
            refuse_as_fax(self._number, what)
        return photometric

    def _coding(self) -> Coding:
        # T.4 and T.6 alone: 2 is T.4 without EOL and with lines that begin on octets, which a fax machine
        # does not send.
        compression = self._directory.integer(Tag.COMPRESSION, 1)
        if compression == 4:
            return Coding.MMR
        if compression != 3:
            name = _COMPRESSION_NAMES.get(compression, "unknown")
            refuse_as_fax(self._number, f"its compression is {compression} ({name}), not fax")
        # Bit 0 two-dimensional coding, bit 1 uncompressed mode. Bit 2, fill before EOL, needs no attention:
        # readers skip fill.
        options = self._directory.integer(Tag.T4_OPTIONS, 0)
        if options & 2:
            refuse_as_fax(self._number, "it uses the uncompressed mode of T.4 (T4Options)")
        return Coding.MR if options & 1 else Coding.MH

    def _per_inch(self) -> tuple[float, float]:
        """The declared resolution of the stored page; zeros when it is missing or implausible."""
        x, y = (self._directory.fraction(tag) for tag in (Tag.X_RESOLUTION, Tag.Y_RESOLUTION))
        if not all(_SENSIBLE[0] <= value <= _SENSIBLE[1] for value in (x, y)):
            return 0.0, 0.0
        # ResolutionUnit: 1 none, 2 inch, 3 centimetre.
        scale = 2.54 if self._directory.integer(Tag.RESOLUTION_UNIT, 2) == 3 else 1.0
        return x * scale, y * scale

    def _strips(self, rows: int) -> tuple[Strip, ...]:
        """The strips; a length of 0 has to be computed from what follows the strip."""
        present = self._directory.count(Tag.STRIP_OFFSETS)
        # One strip is the whole page, whatever RowsPerStrip is: the Windows fax service writes 1 there.
        in_strip = rows if present == 1 else self._rows_per_strip(rows, present)
        needed = -(-rows // in_strip)
        # Some programs write more strips than the page needs.
        offsets = self._directory.integers(Tag.STRIP_OFFSETS, MAX_STRIPS, needed)
        lengths = self._directory.integers(Tag.STRIP_BYTE_COUNTS, MAX_STRIPS, needed)
        if not offsets and Tag.TILE_OFFSETS in self._directory:
            refuse_as_fax(self._number, "it is stored in tiles")
        if not offsets:
            refuse(
                self._number,
                f"it has 0 strip offsets and {len(lengths)} strip lengths (there is no StripOffsets field)",
                "save the document again in strips, not tiles",
            )
        if len(offsets) < needed:
            refuse(
                self._number,
                f"its {rows} rows do not make {len(offsets)} strips of {in_strip} rows (RowsPerStrip)",
                DAMAGED,
            )
        lengths += (0,) * (needed - len(lengths))
        _limit_octets(self._number, lengths)
        for offset, length in zip(offsets, lengths, strict=True):
            if offset < HEADER_OCTETS:
                refuse(
                    self._number,
                    f"its StripOffsets field contains {offset}, which is inside the file header",
                    DAMAGED,
                )
            if offset + max(length, 1) > self._source.size:
                field = Tag.STRIP_BYTE_COUNTS if offset < self._source.size else Tag.STRIP_OFFSETS
                refuse(self._number, f"its image data lies outside the file ({field.label})", CUT_SHORT)
        return tuple(
            Strip(offset, length, min(in_strip, rows - index * in_strip))
            for index, (offset, length) in enumerate(zip(offsets, lengths, strict=True))
        )

    def _rows_per_strip(self, rows: int, strips: int) -> int:
        """RowsPerStrip, at most ``rows``."""
        if strips > 1 and Tag.ROWS_PER_STRIP not in self._directory:
            refuse(self._number, f"it has {strips} strips and no RowsPerStrip field", DAMAGED)
        in_strip = self._directory.integer(Tag.ROWS_PER_STRIP, rows)
        if in_strip == 0:
            refuse(self._number, "its RowsPerStrip field is 0", DAMAGED)
        return min(in_strip, rows)

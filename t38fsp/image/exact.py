"""Coded pages to pictures through libtiff, where what it reads is beyond doubt.

libtiff decodes twenty times as fast as t38fsp.t4.decode. But it reads on behind damage as if nothing were
wrong, and what is missing it leaves white. So its picture counts only if coding it gives the data back, bit
for bit but for fill, RTC and padding: no code can be read in two ways, so t38fsp.t4.decode would then find
the same rows, all of them good. Otherwise the answer is None: damage, or the rare encoder that chooses other
codes than libtiff does. Both are for t38fsp.t4.decode.

In the pictures, of mode "1", 1 is black.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from itertools import takewhile

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from t38fsp.image.coder import encode_image, encode_pixels
from t38fsp.image.directory import HEADER, Field, directory_octets
from t38fsp.image.fields import FieldType, Tag
from t38fsp.t4.codes import EOL
from t38fsp.t4.lines import to_bits
from t38fsp.t4.prepare import ends_with_eofb
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

_MOST_PIXELS = 80_000_000
"""Larger pictures would take too much memory at one octet a pixel."""

_MOST_T4_OCTETS = 1 << 22
"""Larger pages of MH and MR would take too much memory at one octet a bit."""

_USUAL_LENGTH = 15
"""Inches; A4, Letter and Legal are shorter."""

_EOFB_BITS = 2 * len(EOL)

_EMPTY = {Coding.MH: "", Coding.MR: "1"}
"""What RTC has behind each EOL (T.4 4.1.4, 4.2.4.1)."""


def read_strip(
    data: bytes, coding: Coding, width: int, rows: int, resolution: Resolution
) -> Image.Image | None:
    """The picture of a strip that holds exactly ``rows`` rows, or None."""
    image = decode_strip(data, coding, width, rows) if rows < MAX_ROWS else None
    return image if image is not None and _gives_back(image, data, coding, resolution) else None


def read_burst(data: bytes, mode: PageMode) -> Image.Image | None:
    """The picture of a page that travelled as ``mode`` says, as high as it has rows, or None."""
    if mode.coding is Coding.MMR:
        return _read_mmr(data, mode.width, mode.resolution)
    empty = _EMPTY[mode.coding]
    rows = sum(1 for _ in takewhile(lambda line: not _is_filled(line, empty), _t4_lines(data)))
    return read_strip(data, mode.coding, mode.width, rows, mode.resolution)


def decode_strip(data: bytes, coding: Coding, width: int, rows: int) -> Image.Image | None:
    """What libtiff makes of ``data``, unchecked; None where it makes nothing of it."""
    if not 0 < width * rows <= _MOST_PIXELS:
        return None
    try:
        with TiffImageFile(BytesIO(_file(data, coding, width, rows))) as picture:
            picture.load()
            return picture
    except OSError:
        return None


def _file(data: bytes, coding: Coding, width: int, rows: int) -> bytes:
    """A TIFF file of the strip, without any tag that must not be taken over into what is coded from it."""
    short, long = FieldType.SHORT, FieldType.LONG
    start = len(HEADER) + 4
    fields = [
        Field(Tag.IMAGE_WIDTH, long, (width,)),
        Field(Tag.IMAGE_LENGTH, long, (rows,)),
        Field(Tag.BITS_PER_SAMPLE, short, (1,)),
        Field(Tag.COMPRESSION, short, (4 if coding is Coding.MMR else 3,)),
        Field(Tag.PHOTOMETRIC, short, (1,)),  # what is coded as black becomes 1
        Field(Tag.STRIP_OFFSETS, long, (start,)),
        Field(Tag.SAMPLES_PER_PIXEL, short, (1,)),
        Field(Tag.ROWS_PER_STRIP, long, (rows,)),
        Field(Tag.STRIP_BYTE_COUNTS, long, (len(data),)),
    ]
    if coding is not Coding.MMR:
        fields.append(Field(Tag.T4_OPTIONS, long, (int(coding is Coding.MR),)))
    place = start + len(data)
    return HEADER + struct.pack("<I", place) + data + directory_octets(fields, place)


def _gives_back(image: Image.Image, data: bytes, coding: Coding, resolution: Resolution) -> bool:
    """Whether ``data`` are what ``image`` is coded as."""
    if coding is Coding.MMR:
        return encode_image(image, coding, resolution).rstrip(b"\0") == data.rstrip(b"\0")
    received = _t4_lines(data)
    lines, rest = received[: image.height], received[image.height :]
    if rest and not _is_rtc(rest, coding):
        return False
    # With one row more, each of those that count has an EOL behind it, from which its own zeros can be told.
    taller = image.crop((0, 0, image.width, image.height + 1))
    codes = _t4_lines(encode_image(taller, coding, resolution, aligned=False))[:-1]
    return len(lines) == len(codes) and all(map(_is_filled, lines, codes))


# --- MMR of unknown length ----------------------------------------------------------------------------------


def _read_mmr(data: bytes, width: int, resolution: Resolution) -> Image.Image | None:
    """Decode with a black row put behind the last one, which tells where that is: white rows do not."""
    if not ends_with_eofb(data):
        return None
    marked = _with_marker(data.rstrip(b"\0"), width)
    for height in _heights(data, width, resolution):
        image = decode_strip(marked, Coding.MMR, width, height)
        box = image.getbbox() if image is not None else None
        if image is None or box is None:
            return None
        rows = box[3] - 1
        if image.crop((0, rows, width, rows + 1)).tobytes() == _black_row(width):
            page = image.crop((0, 0, width, rows))
            if rows and _gives_back(page, data, Coding.MMR, resolution):
                return page
        if rows < height // 2:
            # White in its lower half, the picture was rather cut short by damage than made too low.
            return None
    return None


def _heights(data: bytes, width: int, resolution: Resolution) -> Iterator[int]:
    """How high to make the picture, each row taking at least a bit; the marker is a row too."""
    most = min(MAX_ROWS + 1, 8 * len(data), _MOST_PIXELS // width)
    height = _USUAL_LENGTH * resolution.y
    while height < most:
        yield height
        height *= 4
    yield most


def _with_marker(data: bytes, width: int) -> bytes:
    """``data``, whose last octet is the one that ends EOFB, with a black row before the EOFB."""
    behind_rows = _EOFB_BITS + (data[-1] & -data[-1]).bit_length() - 1
    marker = _marker(width)
    bits = 8 * (len(data) + len(marker)) - behind_rows
    value = int.from_bytes(data) >> behind_rows << 8 * len(marker) | int.from_bytes(marker)
    return (value << -bits % 8).to_bytes(-(-bits // 8))


@lru_cache
def _marker(width: int) -> bytes:
    """A black row in MMR, and EOFB. Coded against white it is in horizontal mode, which is good anywhere."""
    return encode_pixels(_black_row(width), width, Coding.MMR, Resolution.R8_FINE)


def _black_row(width: int) -> bytes:
    return b"\xff" * (width // 8)


# --- MH and MR ----------------------------------------------------------------------------------------------


def _t4_lines(data: bytes) -> list[str]:
    """What stands behind each EOL: in MR a tag, then codes and fill. None if anything is before."""
    if len(data) > _MOST_T4_OCTETS:
        return []
    before, *lines = to_bits(data).split(EOL)
    return [] if "1" in before else lines


def _is_rtc(lines: list[str], coding: Coding) -> bool:
    """Whether a page ends here: three EOL in a row are enough for t38fsp.t4.reader."""
    return (
        len(lines) >= 3
        and all(_is_filled(line, _EMPTY[coding]) for line in lines[:2])
        and lines[2].startswith(_EMPTY[coding])
    )


def _is_filled(line: str, code: str) -> bool:
    return line.startswith(code) and "1" not in line[len(code) :]

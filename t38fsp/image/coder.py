"""Codes pixels with libtiff: the one that Pillow is linked with, called directly where possible."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, TiffImagePlugin

from t38fsp.image.fields import Directory, Source, Tag
from t38fsp.image.libtiff import encode
from t38fsp.image.tiff import first_directory
from t38fsp.t4.prepare import prepare_t4
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

# Naming the plug-in loads it alone; otherwise Pillow loads all its forty to find the one for TIFF.
_TIFF = TiffImagePlugin.TiffImageFile.format

_TWO_DIMENSIONAL = 1
_ALIGNED = 4
"""Bits of T4Options. With EOL ending on an octet boundary, fill can be added as whole octets."""

_GROUP_3, _GROUP_4 = 3, 4
_INCH = 2


def encode_pixels(
    pixels: bytes, width: int, coding: Coding, resolution: Resolution, aligned: bool = True
) -> bytes:
    """Code rows (1 is black, packed as t38fsp.t4.decode packs them) as one strip.

    MH and MR have an EOL before each line, which ends on an octet boundary if ``aligned``, and no RTC; MMR
    ends with EOFB. The vertical resolution determines how many two-dimensional lines may follow a
    one-dimensional one in MR (parameter K, T.4 4.2.1).
    """
    fields: dict[Tag, int | float] = {
        Tag.BITS_PER_SAMPLE: 1,
        Tag.SAMPLES_PER_PIXEL: 1,
        Tag.PHOTOMETRIC: 0,
        Tag.COMPRESSION: _GROUP_4 if coding is Coding.MMR else _GROUP_3,
        Tag.RESOLUTION_UNIT: _INCH,
        Tag.Y_RESOLUTION: float(resolution.y),
    }
    if coding is not Coding.MMR:
        two_dimensional = _TWO_DIMENSIONAL if coding is Coding.MR else 0
        fields[Tag.T4_OPTIONS] = two_dimensional | (_ALIGNED if aligned else 0)
    coded = encode(pixels, width, fields)
    return _encode_with_pillow(pixels, width, fields, resolution) if coded is None else coded


def _encode_with_pillow(
    pixels: bytes, width: int, fields: dict[Tag, int | float], resolution: Resolution
) -> bytes:
    # Pillow takes 1 for white, but its strips are coded for PhotometricInterpretation 1: the two cancel out.
    image = image_of(pixels, width)
    # Pillow makes strips of 64 KB unless both the rows and the size of a strip are given; the coded page
    # must be one piece.
    info = {int(Tag.ROWS_PER_STRIP): image.height}
    if Tag.T4_OPTIONS in fields:
        info[int(Tag.T4_OPTIONS)] = int(fields[Tag.T4_OPTIONS])
    file = BytesIO()
    image.save(
        file,
        _TIFF,
        compression="group4" if fields[Tag.COMPRESSION] == _GROUP_4 else "group3",
        dpi=resolution.value,
        tiffinfo=info,
        strip_size=len(pixels) + 1,
    )
    source = Source(file)
    directory = Directory(source, first_directory(source), 1)
    offset, length = (directory.integer(tag) for tag in (Tag.STRIP_OFFSETS, Tag.STRIP_BYTE_COUNTS))
    return source.at(offset, length, 1, "image data")


def image_of(pixels: bytes, width: int) -> Image.Image:
    """A Pillow image, in which 1 is black, from rows packed as t38fsp.t4.decode packs them."""
    return Image.frombytes("1", (width, len(pixels) // ((width + 7) // 8)), pixels)


def encode_burst(pixels: bytes, mode: PageMode) -> bytes:
    """The exact octets of a page sent in ``mode``: with EOL, fill and RTC, or with EOFB."""
    lines = encode_pixels(pixels, mode.width, mode.coding, mode.resolution)
    return lines if mode.coding is Coding.MMR else prepare_t4(lines, mode)

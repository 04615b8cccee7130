"""Pixels to coded lines, through Pillow and its libtiff."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from t38fsp.image.tiff import Tag, TiffFile
from t38fsp.t4.prepare import prepare_t4
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

# T4Options: bit 0 two-dimensional, bit 2 EOL ends on an octet boundary, which lets fill be added in octets.
_T4_OPTIONS = {Coding.MH: 4, Coding.MR: 5}


def encode_pixels(pixels: bytes, width: int, coding: Coding, resolution: Resolution) -> bytes:
    """Code rows (1 is black, packed as t38fsp.t4.decode packs them) as one strip.

    MH and MR come with octet-aligned EOL before each line and without RTC; MMR ends with EOFB. The vertical
    resolution decides how many lines of MR may follow a one-dimensional one (T.4 4.2.1).
    """
    rows = len(pixels) // ((width + 7) // 8)
    # Pillow takes 1 for white, but its strips are coded for PhotometricInterpretation 1: the two cancel out.
    image = Image.frombytes("1", (width, rows), pixels)
    info = {int(Tag.ROWS_PER_STRIP): rows}
    if coding in _T4_OPTIONS:
        info[int(Tag.T4_OPTIONS)] = _T4_OPTIONS[coding]
    file = BytesIO()
    image.save(
        file,
        "TIFF",
        compression="group4" if coding is Coding.MMR else "group3",
        dpi=resolution.value,
        tiffinfo=info,
        strip_size=len(pixels) + 1,
    )
    tiff = TiffFile(file)
    (strip,) = tiff.strip_data(tiff.pages[0])
    return strip


def encode_burst(pixels: bytes, mode: PageMode) -> bytes:
    """The exact octets of a page that travels as ``mode`` says: with EOL, fill and RTC, or with EOFB."""
    lines = encode_pixels(pixels, mode.width, mode.coding, mode.resolution)
    return lines if mode.coding is Coding.MMR else prepare_t4(lines, mode)

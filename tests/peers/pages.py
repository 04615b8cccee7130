"""Test pages made by Pillow alone, as TIFF-F documents."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

_COMPRESSIONS = {"MH": "group3", "MR": "group3", "MMR": "group4"}
_PHOTOMETRIC = 262
_T4_OPTIONS = 292


@dataclass(frozen=True, slots=True)
class TestPage:
    """A page: black is 0 and white 255 in the mode "1" image; resolution in pixels per inch."""

    __test__ = False

    image: Image.Image
    x_resolution: int = 204
    y_resolution: int = 196


def text_page(
    *, rows: int = 1100, width: int = 1728, seed: int = 1, noise_rows: int = 40, y_resolution: int = 196
) -> TestPage:
    """Lines of words, a frame, and a band of random pixels that no coding compresses."""
    chance = random.Random(seed)
    image = Image.new("1", (width, rows), 255)
    draw = ImageDraw.Draw(image)
    for top in range(30, rows - 30, 50):
        left = 60
        while left < width - 200:
            letters = chance.randint(2, 9)
            for _ in range(letters):
                draw.rectangle((left, top, left + 2, top + 22), fill=0)
                draw.line((left, top + 11, left + 12, top + chance.randint(0, 22)), fill=0, width=2)
                left += 16
            left += 22
    draw.rectangle((0, 0, width - 1, rows - 1), outline=0)
    if noise_rows:
        octets = chance.randbytes(((width - 400) // 8) * noise_rows)
        band = Image.frombytes("1", ((width - 400) // 8 * 8, noise_rows), octets)
        image.paste(band, (200, rows // 2))
    return TestPage(image, y_resolution=y_resolution)


def write_document(path: Path, pages: Sequence[TestPage], coding: str = "MMR") -> Path:
    """Write ``pages`` as TIFF-F: one strip a page, 0 bits white (PhotometricInterpretation 0).

    Pillow codes an image of mode "1" with 0 bits black. So the inverse is coded, and each page is then
    declared as what it is.
    """
    first, *others = (ImageChops.invert(page.image) for page in pages)
    frames = [first, *others]
    for page, frame in zip(pages, frames, strict=True):
        frame.encoderinfo = {
            "compression": _COMPRESSIONS[coding],
            "dpi": (page.x_resolution, page.y_resolution),
            "tiffinfo": {_T4_OPTIONS: 1} if coding == "MR" else {},
            "strip_size": 1 << 24,
        }
    first.save(
        path,
        format="TIFF",
        save_all=True,
        append_images=others,
        **first.encoderinfo,
    )
    path.write_bytes(_declare_white_zero(path.read_bytes()))
    return path


def _declare_white_zero(tiff: bytes) -> bytes:
    """Set PhotometricInterpretation to 0 in every directory of a little-endian TIFF."""
    octets = bytearray(tiff)
    if octets[:4] != b"II*\0":
        raise ValueError("the TIFF is not little-endian, so Pillow did not write it here")
    (offset,) = struct.unpack_from("<I", octets, 4)
    while offset:
        (count,) = struct.unpack_from("<H", octets, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            (tag,) = struct.unpack_from("<H", octets, entry)
            if tag == _PHOTOMETRIC:
                struct.pack_into("<H", octets, entry + 8, 0)
        (offset,) = struct.unpack_from("<I", octets, offset + 2 + 12 * count)
    return bytes(octets)

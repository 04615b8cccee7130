"""The pages of the benchmarks, made by code, 1728 x 2200: *light* has about 17 KB of MMR, *dense* 93 KB."""

from __future__ import annotations

import io
import random
import struct
from enum import Enum
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw
from PIL.TiffImagePlugin import TiffImageFile

WIDTH, ROWS = 1728, 2200
_OFFSETS, _LENGTHS = 273, 279


class Kind(Enum):
    """How full a page of 2200 rows is: lines of words, and the height and the spread of a letter."""

    LIGHT = ("light", 10, 38)
    DENSE = ("dense", 62, 34)

    def __init__(self, label: str, lines: int, height: int) -> None:
        self.label = label
        self.lines = lines
        self.height = height


def page(kind: Kind, seed: int, rows: int = ROWS) -> Image.Image:
    """Lines of strokes and arcs, as letters have them; the same arguments give the same page."""
    chance = random.Random(f"{kind.label} {seed}")
    image = Image.new("1", (WIDTH, rows), 255)
    draw = ImageDraw.Draw(image)
    pitch = (ROWS - 100) // kind.lines
    for top in range(50, rows - kind.height, pitch):
        left = 90
        while left < WIDTH - 120:
            for _ in range(chance.randint(2, 10)):
                bottom = top + chance.randint(kind.height // 2, kind.height - 8)
                draw.line((left, top, left, bottom), fill=0, width=3)
                draw.arc((left, top, left + 13, bottom), 180, chance.randint(270, 540), fill=0, width=2)
                left += 17
                if left > WIDTH - 120:
                    break
            left += 22
    return image


def coded(image: Image.Image) -> bytes:
    """The page as T.6 has it: 1 is black, one strip."""
    file = io.BytesIO()
    # Pillow says that 1 is white, and libtiff codes what it is given.
    ImageChops.invert(image).save(file, "TIFF", compression="group4", strip_size=1 << 24)
    file.seek(0)
    with TiffImageFile(file) as saved:
        ((offset,), (length,)) = (saved.tag_v2[tag] for tag in (_OFFSETS, _LENGTHS))
    return file.getvalue()[offset : offset + length]


def document(path: Path, kind: Kind, pages: int, *, rows: int = ROWS, first: int = 0) -> Path:
    """A TIFF Class F document of different pages: MMR in one strip, 0 is white, 204 x 196."""
    file = bytearray(b"II*\0" + bytes(4))
    link = 4
    for number in range(pages):
        strip, at = coded(page(kind, first + number, rows)), len(file)
        file += strip + bytes(len(strip) % 2)
        across, down = len(file), len(file) + 8
        file += struct.pack("<4I", 204, 1, 196, 1)
        tags = (
            (254, 4, 2),
            (256, 4, WIDTH),
            (257, 4, rows),
            (258, 3, 1),
            (259, 3, 4),
            (262, 3, 0),
            (266, 3, 1),
            (_OFFSETS, 4, at),
            (277, 3, 1),
            (278, 4, rows),
            (_LENGTHS, 4, len(strip)),
            (282, 5, across),
            (283, 5, down),
            (296, 3, 2),
        )
        struct.pack_into("<I", file, link, len(file))
        file += struct.pack("<H", len(tags))
        for tag, of_type, value in tags:
            file += struct.pack("<HHII", tag, of_type, 1, value)
        link = len(file)
        file += bytes(4)
    path.write_bytes(file)
    return path

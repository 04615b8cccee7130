"""Documents for tests, made by code: any width, resolution, coding, byte order, fill order, strips.

Beside it: the tests of t38fsp.pages and the pages that they compare.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from PIL import Image, ImageDraw

from t38fsp.image import document
from t38fsp.image.coder import encode_pixels
from t38fsp.image.tiff import LSB_FIRST
from t38fsp.t30.vocabulary import Coding, PageFormat, Resolution

PageSpec = tuple[int, Resolution, int, str]
"""Width, resolution, rows, and kind: white, black, text, lines, halftone or noise."""

_COMPRESSION = {Coding.MH: 3, Coding.MR: 3, Coding.MMR: 4}
_T4_OPTIONS = {Coding.MH: 4, Coding.MR: 5}
_INVERT = bytes(255 - octet for octet in range(256))


@lru_cache(maxsize=64)
def make_pixels(width: int, rows: int, kind: str, seed: int = 0) -> bytes:
    """Packed rows, 1 is black; the same arguments give the same pixels."""
    chance = random.Random(f"{width} {rows} {kind} {seed}")
    image = Image.new("1", (width, rows), 0)
    draw = ImageDraw.Draw(image)
    if kind == "black":
        draw.rectangle((0, 0, width, rows), fill=1)
    elif kind == "text":
        for top in range(10, rows - 30, 48):
            left = 40
            while left < width - 60:
                for _ in range(chance.randint(2, 9)):
                    draw.line((left, top, left, top + 22), fill=1, width=3)
                    draw.arc((left, top, left + 12, top + chance.randint(8, 22)), 0, 270, fill=1, width=2)
                    left += 16
                left += 24
    elif kind == "lines":
        for step in range(0, width, 61):
            draw.line((step, 0, width - step, rows), fill=1)
        draw.rectangle((0, 0, width - 1, rows - 1), outline=1)
    elif kind == "halftone":
        for y in range(0, rows, 8):
            for x in range(0, width, 8):
                size = 7 * x * (y + 1) // (width * rows)
                draw.rectangle((x, y, x + size, y + size), fill=1)
    elif kind == "noise":
        return chance.randbytes(width // 8 * rows)
    elif kind != "white":
        raise ValueError(f"no pages of the kind {kind}")
    return image.tobytes()


_encode = lru_cache(maxsize=64)(encode_pixels)


def load_page(path: Path, index: int) -> tuple[PageFormat, bytes]:
    """Format and pixels (1 is black) of page ``index`` (from 0)."""
    return next(islice(document.pages(path), index, None))


def make_document(
    path: Path,
    pages: Sequence[PageSpec],
    coding: Coding = Coding.MMR,
    fill_order: int = 1,
    byte_order: str = "<",
    strips: int = 1,
    photometric: int = 0,
) -> list[bytes]:
    """Write a TIFF Class F document; return the pixels of its pages (1 is black).

    ``byte_order`` is ``<`` (II) or ``>`` (MM); every page has ``strips`` strips, each coded by itself.
    """
    pixels = [make_pixels(width, rows, kind, number) for number, (width, _, rows, kind) in enumerate(pages)]
    file = bytearray((b"II*\0" if byte_order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for (width, resolution, rows, _), page in zip(pages, pixels, strict=True):
        stride = (width + 7) // 8
        in_strip = -(-rows // strips)
        offsets, lengths = [], []
        for top in range(0, rows, in_strip):
            part = page[top * stride : (top + in_strip) * stride]
            coded = _encode(part.translate(_INVERT) if photometric else part, width, coding, resolution)
            offsets.append(len(file))
            lengths.append(len(coded))
            file += coded.translate(LSB_FIRST) if fill_order == 2 else coded
            file += bytes(len(file) % 2)
        tags: list[tuple[int, str, list[int]]] = [
            (254, "I", [2]),
            (256, "H", [width]),
            (257, "I", [rows]),
            (258, "H", [1]),
            (259, "H", [_COMPRESSION[coding]]),
            (262, "H", [photometric]),
            (266, "H", [fill_order]),
            (273, "I", offsets),
            (277, "H", [1]),
            (278, "I", [in_strip]),
            (279, "I", lengths),
            (282, "R", [resolution.x, 1]),
            (283, "R", [resolution.y, 1]),
            (292, "I", [_T4_OPTIONS[coding]]) if coding in _T4_OPTIONS else (293, "I", [0]),
            (296, "H", [2]),
        ]
        entries = bytearray()
        for tag, kind, values in tags:
            value = struct.pack(f"{byte_order}{len(values)}{'H' if kind == 'H' else 'I'}", *values)
            if len(value) > 4:
                value, long_value = struct.pack(byte_order + "I", len(file)), value
                file += long_value
            number = {"H": 3, "I": 4, "R": 5}[kind]
            count = len(values) // 2 if kind == "R" else len(values)
            entries += struct.pack(byte_order + "HHI", tag, number, count) + value.ljust(4, b"\0")
        struct.pack_into(byte_order + "I", file, link, len(file))
        file += struct.pack(byte_order + "H", len(tags)) + entries + bytes(4)
        link = len(file) - 4
    path.write_bytes(file)
    return pixels

"""The pages of the benchmarks, made by code, 1728 x 2200: *light* has about 17 KB of MMR, *dense* 93 KB."""

from __future__ import annotations

import random
from enum import Enum
from pathlib import Path

from PIL import Image, ImageDraw

WIDTH, ROWS = 1728, 2200


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
    image = Image.new("1", (WIDTH, rows), 1)
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


def document(path: Path, kind: Kind, pages: int, *, rows: int = ROWS, first: int = 0) -> Path:
    """A TIFF Class F document of different pages, MMR in one strip, 204 x 196."""
    made = [page(kind, first + number, rows) for number in range(pages)]
    made[0].save(
        path,
        compression="group4",
        dpi=(204, 196),
        strip_size=1 << 24,
        save_all=True,
        append_images=made[1:],
    )
    return path

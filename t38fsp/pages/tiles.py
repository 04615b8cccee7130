"""A page in tiles of about a millimetre: what is decided by region is decided for these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Tones = NDArray[np.uint8]
Mask = NDArray[np.bool_]
PerTile = NDArray[np.int32]

STROKE_MM = 3.1
"""What is thicker than that is no stroke, but an area."""
EDGE_MM = 0.5
"""The edge of a stroke is sharper than half of that."""
THIN_MM = 0.37
MOSTLY_THIN = 0.8
"""Share of strokes that are thinner than that, from which on type is small: up to 9 points."""
CONTRAST = 36
"""Between a mark and its ground, at least."""

_ACROSS_DPI, _DOWN_DPI = 25.5, 24.5
"""Tiles to an inch: 8 by 8 pixels at 204 by 196."""


_ENOUGH_DPI = 200
"""Pixels an inch in which regions and skew are seen as well as in more."""


def reduction(tones: Tones, x_dpi: float, y_dpi: float) -> tuple[int, int]:
    """By how much a page may be reduced across and down to be looked at."""
    across, down = max(1, round(x_dpi / _ENOUGH_DPI)), max(1, round(y_dpi / _ENOUGH_DPI))
    return (across if tones.shape[1] % (8 * across) == 0 else 1), down


def reduced(tones: Tones, by: tuple[int, int]) -> Tones:
    return tones if by == (1, 1) else np.asarray(Image.fromarray(tones).reduce(by))


@dataclass(frozen=True, slots=True)
class Grid:
    """Tiles of a page of ``rows`` by ``columns`` pixels. The last row of tiles may reach beyond the page."""

    rows: int
    columns: int
    width: int
    """Pixels across a tile: a multiple of 8 that divides ``columns``."""
    height: int

    @classmethod
    def of(cls, tones: Tones, x_dpi: float, y_dpi: float) -> Grid:
        rows, columns = tones.shape
        octets = min(columns // 8, max(1, round(x_dpi / _ACROSS_DPI / 8)))
        while columns // 8 % octets:
            octets -= 1
        return cls(rows, columns, 8 * octets, max(1, round(y_dpi / _DOWN_DPI)))

    def enlarged(self, rows: int, columns: int, down: int, across: int) -> Grid:
        """The same tiles on a page of more pixels: ``down`` by ``across`` for each."""
        return Grid(rows, columns, self.width * across, self.height * down)

    @property
    def shape(self) -> tuple[int, int]:
        return -(-self.rows // self.height), self.columns // self.width

    @property
    def pixels(self) -> int:
        """Pixels of a tile."""
        return self.width * self.height

    def count(self, mask: Mask) -> PerTile:
        """How many pixels of each tile are in ``mask``."""
        return self.count_bits(np.packbits(mask, axis=1))

    def count_bits(self, bits: NDArray[np.uint8]) -> PerTile:
        """The same of packed rows."""
        down, across = self.shape
        ones = np.bitwise_count(bits)
        missing = down * self.height - self.rows
        if missing:
            ones = np.concatenate([ones, np.zeros((missing, ones.shape[1]), np.uint8)])
        rows: NDArray[np.int32] = ones.reshape(down, self.height, -1).sum(axis=1, dtype=np.int32)
        tiles: PerTile = rows.reshape(down, across, -1).sum(axis=2, dtype=np.int32)
        return tiles

    def centres(self, tones: Tones) -> PerTile:
        """The pixel in the middle of each tile."""
        down, across = self.shape
        rows = np.minimum(np.arange(down) * self.height + self.height // 2, self.rows - 1)
        middle: PerTile = tones[rows, self.width // 2 :: self.width][:, :across].astype(np.int32)
        return middle

    def spread(self, values: NDArray[np.uint8]) -> Tones:
        """For each pixel the value of its tile."""
        wide = np.repeat(values, self.width, axis=1)
        return np.repeat(wide, self.height, axis=0)[: self.rows]


def neighbours(values: NDArray[np.int32], least: bool) -> NDArray[np.int32]:
    """The least or the greatest value among each tile and the eight about it."""
    extreme = np.minimum if least else np.maximum
    padded = np.pad(values, 1, "edge")
    rows = extreme(extreme(padded[:-2], padded[1:-1]), padded[2:])
    result: NDArray[np.int32] = extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return result


def about(counts: PerTile) -> PerTile:
    """The sum over each tile and those up to two further."""
    for _ in range(2):
        # Five rows, then, as the result is transposed, five columns.
        sums = np.cumsum(np.pad(counts, ((3, 2), (0, 0))), axis=0)
        counts = (sums[5:] - sums[:-5]).T
    return counts


def odd_pixels(millimetres: float, dpi: float) -> int:
    """About as many pixels, with one in the middle."""
    return 2 * round(millimetres / 25.4 * dpi / 2) + 1


def third(span: Tones) -> Tones:
    """About a third (11/32) of tones. In octets, which numpy would otherwise widen to two or eight of them a
    pixel."""
    result: Tones = (span >> 2) + (span >> 4) + (span >> 5)
    return result

"""Pages with nothing on them but text and lines on white paper, as most are: what of them is ink.

They go a shorter way than others (:mod:`t38fsp.pages.regions`): no grounds have to be told apart, and nearly
all pixels are as light as the paper, or so dark that they are ink whatever is beside them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t38fsp.pages.envelope import closing, darkest
from t38fsp.pages.tiles import (
    CONTRAST,
    EDGE_MM,
    MOSTLY_THIN,
    STROKE_MM,
    THIN_MM,
    Grid,
    Mask,
    Tones,
    about,
    odd_pixels,
    third,
)

_POOL, _WHITE = 4, 250
"""Pixels of which the lightest stands for all, to see whether it is at least ``_WHITE`` everywhere."""
_INK = 128
"""Darker pixels are ink: they are darker than half-way to any stroke beside them, which is at most black."""
_PAPER = 255 - CONTRAST // 3
"""Lighter ones are paper: not a third of the way to a stroke of the least contrast."""

Bits = NDArray[np.uint8]
"""Packed rows."""


def on_white_paper(tones: Tones, x_dpi: float, y_dpi: float) -> bool:
    """Whether there is nothing on the page but what is thin, on white."""
    rows, columns = (size // _POOL * _POOL for size in tones.shape)
    if not rows or not columns:
        return False
    pooled = tones[:rows, :columns]
    pooled = np.maximum.reduce([pooled[step::_POOL] for step in range(_POOL)])
    pooled = np.maximum.reduce([pooled[:, step::_POOL] for step in range(_POOL)])
    across, down = (odd_pixels(STROKE_MM, dpi / _POOL) for dpi in (x_dpi, y_dpi))
    return bool(closing(pooled, across, down).min() >= _WHITE)


def ink_on_white(tones: Tones, x_dpi: float, y_dpi: float) -> Mask:
    """What is ink on a page on white paper: pixels darker than half-way from the paper to the darkest tone
    beside them, and in small type than a third of the way."""
    ink = tones < _INK
    flat = ink.ravel()
    pale = np.flatnonzero((tones >= _INK) & (tones < _PAPER))
    lightness = tones.ravel()[pale]
    strokes = darkest(tones, odd_pixels(EDGE_MM, x_dpi), odd_pixels(EDGE_MM, y_dpi))
    span = 255 - strokes.ravel()[pale]
    marked = span >= CONTRAST
    half = marked & (lightness < 255 - (span >> 1))
    flat[pale] = half
    grid = Grid.of(tones, x_dpi, y_dpi)
    bits = np.packbits(ink, axis=1)
    across, down = (odd_pixels(THIN_MM, dpi) for dpi in (x_dpi, y_dpi))
    thin = grid.count_bits(bits & ~_without_thin(bits, across, down))
    small = about(thin) >= MOSTLY_THIN * about(grid.count_bits(bits))
    more = pale[marked & (lightness < 255 - third(span)) & ~half]
    row, column = np.divmod(more, tones.shape[1])
    flat[more] = small[row // grid.height, column // grid.width]
    return ink


def _without_thin(bits: Bits, across: int, down: int) -> Bits:
    """``bits`` without ones in less than ``across`` or ``down`` (odd) beside each other (an opening)."""
    return _spread(~_spread(~bits, across, down), across, down)


def _spread(bits: Bits, across: int, down: int) -> Bits:
    """Ones about each one, in a window."""
    wide = bits.copy()
    for step in range(1, across // 2 + 1):
        wide |= _moved(bits, step)
        wide |= _moved(bits, -step)
    padded = np.pad(wide, ((down // 2, down // 2), (0, 0)))
    result = wide
    for step in range(down):
        result = result | padded[step : step + len(wide)]
    return result


def _moved(bits: Bits, right: int) -> Bits:
    """``bits`` moved to the right, or to the left, by less than 8 pixels; zeros come in."""
    if right > 0:
        moved = np.right_shift(bits, right, dtype=np.uint8)
        moved[:, 1:] |= np.left_shift(bits[:, :-1], 8 - right, dtype=np.uint8)
    else:
        moved = np.left_shift(bits, -right, dtype=np.uint8)
        moved[:, :-1] |= np.right_shift(bits[:, 1:], 8 + right, dtype=np.uint8)
    return moved

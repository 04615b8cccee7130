"""What scanners and cameras add to a page, and how it is taken away: noise, skew, specks, black borders."""

from __future__ import annotations

from math import radians, tan

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from t38fsp.pages.components import components_of
from t38fsp.pages.regions import Part, Regions
from t38fsp.pages.tiles import Mask, Tones, reduced, reduction

_NOISY = 2
"""Median difference of neighbouring pixels, from which on they are smoothed; what is drawn has none."""
_SMOOTH = ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 12, 2, 1, 2, 1))

_STRIPS = 24
"""Upright strips of the page whose edges are looked at for skew."""
_EDGE = 40
_MOST_SKEW, _LEAST_SKEW = 5.0, 0.2
"""Degrees. More is meant to be so, less is not seen."""
_COARSE, _FINE = 0.25, 0.05
_SHARPER = 1.5
"""How much sharper the lines have to become."""
_LEAST_EDGES = 2000

_BORDER_DARK = 90
_BORDER_DEPTH, _BORDER_DISTANCE = 0.1, 0.04
"""Shares of the width and the height of the page: how far a border reaches into it, how far it may be from
its edge."""
_BORDER_MOSTLY, _BORDER_MARKS, _BORDER_LEAST = 0.9, 0.15, 20

_ACROSS, _DOWN = 17, 15
"""Pixels about a speck, of at most 3 by 3, in which nothing else is: the dots of a dotted line have others.
Their product is counted in an octet."""


def noisy(tones: Tones) -> bool:
    """Whether the page comes from a scanner or a camera, rather than from a program."""
    some = tones[tones.shape[0] % 16 // 2 :: 16].astype(np.int16)
    return some.shape[1] > 1 and float(np.median(np.abs(np.diff(some, axis=1)))) >= _NOISY


def smoothed(tones: Tones) -> Tones:
    return np.asarray(Image.fromarray(tones).filter(_SMOOTH))


def skew(tones: Tones, x_dpi: float, y_dpi: float) -> float:
    """By how many degrees the lines of the page rise to the right; 0 where that is not certain.

    The edges above and below lines of text are counted for each row, along lines of different slopes: along
    the right one some rows have many, and others none.
    """
    across, down = by = reduction(tones, x_dpi, y_dpi)
    tones, x_dpi, y_dpi = reduced(tones, by), x_dpi / across, y_dpi / down
    rows, columns = tones.shape
    if rows < y_dpi or columns < x_dpi:
        return 0.0
    # Downward steps only: those of a line of pixels above and below would fall together.
    edges = np.maximum(tones[:-1], tones[1:]) - tones[1:] >= _EDGE
    octets = np.bitwise_count(np.packbits(edges, axis=1))
    bounds = np.arange(_STRIPS) * octets.shape[1] // _STRIPS
    strips = np.ascontiguousarray(np.add.reduceat(octets.astype(np.uint16), bounds, axis=1).T, np.float32)
    if strips.sum() < _LEAST_EDGES:
        return 0.0
    places = bounds * (8 * y_dpi / x_dpi)

    def sharpness(angle: float) -> float:
        shifts = np.rint(places * tan(radians(angle))).astype(int)
        shifts -= shifts.min()
        profile = np.zeros(strips.shape[1] + int(shifts.max()), np.float32)
        for strip, shift in zip(strips, shifts, strict=True):
            profile[shift : shift + strip.size] += strip
        return float(np.sum(np.square(np.diff(profile))))

    straight = sharpness(0.0)
    # The most that any angle can yield: all strips in step (Cauchy and Schwarz). Mostly there is no need to
    # look for it.
    if _STRIPS * float(np.sum(np.square(np.diff(strips, axis=1)))) < _SHARPER * straight:
        return 0.0
    steps = np.arange(-_MOST_SKEW, _MOST_SKEW + _COARSE / 2, _COARSE)
    best = float(max(steps, key=sharpness))
    best = float(max(best + np.arange(-_COARSE, _COARSE + _FINE / 2, _FINE), key=sharpness))
    if abs(best) < _LEAST_SKEW or abs(best) >= _MOST_SKEW or sharpness(best) < _SHARPER * straight:
        return 0.0
    return best


def turned(tones: Tones, angle: float, x_dpi: float, y_dpi: float) -> Tones:
    """The page turned by ``angle`` degrees to the right about its middle; its borders go on outwards."""
    rows, columns = tones.shape
    slope = tan(radians(angle))
    margin_y = int(abs(slope) * columns * y_dpi / x_dpi / 2) + 2
    margin_x = int(abs(slope) * rows * x_dpi / y_dpi / 2) + 2
    image = Image.fromarray(np.pad(tones, ((margin_y, margin_y), (margin_x, margin_x)), "edge"))
    # For so small an angle its cosine is 1 within a pixel or two of a page: it would only blur.
    across, down = slope * x_dpi / y_dpi, -slope * y_dpi / x_dpi
    matrix = (1, across, margin_x - across * rows / 2, down, 1, margin_y - down * columns / 2)
    return np.asarray(
        image.transform((columns, rows), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    )


def borders(regions: Regions) -> Mask:
    """The tiles of dark edges about the page, where the lid of the scanner was.

    The page may have been placed on wider paper, so that they do not quite reach its edges.
    """
    grid = regions.grid
    down, across = grid.shape
    picture = regions.parts == Part.PICTURE
    dark = (regions.tones <= _BORDER_DARK) & ~picture
    labels = components_of(dark)
    count = int(labels.max()) + 1
    y, x = np.mgrid[0:down, 0:across]
    depth = np.minimum.reduce((x / across, (across - 1 - x) / across, y / down, (down - 1 - y) / down))
    of_component = [
        np.bincount(labels.ravel(), tiles.ravel(), count)
        for tiles in (
            dark,
            dark & (depth <= _BORDER_DEPTH),
            dark & (depth <= _BORDER_DISTANCE),
            np.where(dark, grid.count(regions.marks), 0),
            dark & _widened(picture),
        )
    ]
    area, near, outermost, marked, at_picture = of_component
    border = (area >= _BORDER_LEAST) & (outermost > 0) & (near >= _BORDER_MOSTLY * area)
    # A bar with text on it is part of the page.
    border &= (marked <= _BORDER_MARKS * area * grid.pixels) & (at_picture == 0)
    # The edge of the border is in the tiles beside it.
    return _widened(border[labels] & dark)


def _widened(tiles: Mask) -> Mask:
    """With the eight neighbours of each."""
    down, across = tiles.shape
    padded = np.pad(tiles, 1)
    steps = [(v, h) for v in range(3) for h in range(3)]
    result: Mask = np.logical_or.reduce([padded[v : v + down, h : h + across] for v, h in steps])
    return result


def without_specks(black: Mask) -> Mask:
    """``black`` without what is very small and alone."""
    if black.shape[0] < _DOWN or black.shape[1] < _ACROSS:
        return black
    down, across = _DOWN // 2, _ACROSS // 2
    padded = np.pad(black, ((down, down), (across, across))).astype(np.uint8)
    inner = padded[down - 1 : 1 - down, across - 1 : 1 - across]
    near = _sums(_sums(inner, 3, 0), 3, 1)
    far = _sums(_sums(padded, _DOWN, 0), _ACROSS, 1)
    rows, columns = np.nonzero((near == far) & (near > 0))
    result = black.copy()
    last_row, last_column = black.shape[0] - 1, black.shape[1] - 1
    for v in (-1, 0, 1):
        for h in (-1, 0, 1):
            result[np.clip(rows + v, 0, last_row), np.clip(columns + h, 0, last_column)] = False
    return result


def _sums(values: NDArray[np.uint8], window: int, axis: int) -> NDArray[np.uint8]:
    """Sums of ``window`` values that follow each other."""
    if axis:
        return np.ascontiguousarray(_sums(np.ascontiguousarray(values.T), window, 0).T)
    span, power, total = 0, values, np.zeros((), np.uint8)
    length = len(values) - window + 1
    width = 1
    while True:
        if window & width:
            total = total + power[span : span + length]
            span += width
        width *= 2
        if width > window:
            return total
        power = power[: -width // 2] + power[width // 2 :]

"""The page as black and white: the entry to this room.

It runs in the worker processes for pages only: numpy takes long to import, and a page takes tenths of a
second.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from t38fsp.choices import Quality
from t38fsp.pages.regions import Part, Regions, find_regions
from t38fsp.pages.scans import borders, noisy, skew, smoothed, turned, without_specks
from t38fsp.pages.screens import diffused, dots, runs
from t38fsp.pages.tiles import Mask, Tones

_DARK = 128
"""What is darker is black by ``Quality.THRESHOLD``."""


def to_bilevel(image: Image.Image, x_dpi: float, y_dpi: float, quality: Quality) -> bytes:
    """The rows of ``image``, packed, 1 for black.

    ``image`` is in mode L or RGB, at the resolution in which the page will be sent (``x_dpi`` and ``y_dpi``
    pixels an inch), and as wide as the line, a multiple of 8.
    """
    if image.width % 8:
        raise ValueError(f"a line of {image.width} pixels is no whole number of octets")
    tones = np.asarray(image if image.mode == "L" else image.convert("L"))
    if quality is Quality.THRESHOLD:
        return np.packbits(tones < _DARK, axis=1).tobytes()
    angle = skew(tones, x_dpi, y_dpi)
    scanned = noisy(tones)
    if scanned:
        tones = smoothed(tones)
    if angle:
        tones = turned(tones, angle, x_dpi, y_dpi)
    regions = find_regions(tones, x_dpi, y_dpi)
    black = tones < regions.level
    if scanned or angle:
        black = without_specks(black)
    _screen(black, tones, regions, x_dpi, y_dpi, quality)
    if scanned or angle:
        black &= regions.grid.spread(borders(regions).astype(np.uint8)) == 0
    return np.packbits(black, axis=1).tobytes()


def _screen(
    black: Mask, tones: Tones, regions: Regions, x_dpi: float, y_dpi: float, quality: Quality
) -> None:
    """Put pictures and tints into ``black``."""
    grid = regions.grid
    screened = regions.parts >= Part.TINT
    rows = np.flatnonzero(screened.any(axis=1))
    if not rows.size:
        return
    band = slice(int(rows[0]) * grid.height, (int(rows[-1]) + 1) * grid.height)
    cut = tones[band]
    if quality is Quality.FAST:
        points = runs(cut, x_dpi, y_dpi)
    elif quality is Quality.PHOTO:
        points = diffused(cut)
    else:
        points = dots(cut, x_dpi, y_dpi)
    inside = grid.spread(screened.astype(np.uint8))[band].astype(np.bool_)
    # Marks are kept, and what lies between them is screened as their ground is. In pictures all is screened.
    marks = regions.marks[band] & (grid.spread((regions.parts == Part.TINT).astype(np.uint8))[band] > 0)
    marks &= black[band] != (grid.spread(regions.tones)[band] < regions.level[band])
    inside &= ~marks
    np.copyto(black[band], points, where=inside)

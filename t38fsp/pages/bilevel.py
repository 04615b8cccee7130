"""The page as black and white: the entry to this room.

It runs in the worker processes for pages only: numpy takes long to import, and a page takes tenths of a
second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from t38fsp.choices import Quality
from t38fsp.pages.regions import Part, find_regions
from t38fsp.pages.scans import borders, noisy, skew, smoothed, turned, without_specks
from t38fsp.pages.screens import diffused, dots, level, runs
from t38fsp.pages.tiles import Mask, Tones
from t38fsp.pages.white import ink_on_white, on_white_paper

_Screen = Callable[[Tones, float, float], Mask]

_STEPS: tuple[tuple[_Screen, str], ...] = (
    (diffused, ""),
    (dots, "its pictures are in dots"),
    (partial(dots, coarse=1.4), "its pictures are in coarse dots"),
    (runs, "its pictures are in lines"),
    (partial(runs, coarse=1.5), "its pictures are in coarse lines"),
    (partial(runs, coarse=2.0), "its pictures are in very coarse lines"),
    (partial(runs, coarse=3.0), "its pictures are in the coarsest lines"),
    (level, "its pictures have no greys"),
)
"""Screens from the finest to the quickest to send, each about three quarters of the one before; and what has
become of a page for which none of those before was quick enough."""
_FIRST = {Quality.PHOTO: 0, Quality.BALANCED: 1, Quality.FAST: 3}
"""The place there of the screen of each quality."""


def to_bilevel(image: Image.Image, x_dpi: float, y_dpi: float, quality: Quality) -> bytes:
    """The rows of ``image``, packed, 1 for black.

    ``image`` is in mode L or RGB, at the resolution in which the page will be sent (``x_dpi`` and ``y_dpi``
    pixels an inch), and as wide as the line, a multiple of 8.
    """
    tones = _tones(image)
    if quality is Quality.THRESHOLD:
        return _packed(level(tones, x_dpi, y_dpi))
    return _Page(tones, x_dpi, y_dpi).rows(_STEPS[_FIRST[quality]][0])


def simplified(
    image: Image.Image, x_dpi: float, y_dpi: float, quality: Quality, over: Callable[[bytes], float]
) -> tuple[bytes, str]:
    """As :func:`to_bilevel`, but with the first of ever simpler screens of pictures, and at last none, that
    is not ``over`` a limit (by more than 0); and what was done, as a phrase, empty if nothing was.

    If all are, that which is the least. Text stays as it is.
    """
    tones = _tones(image)
    if quality is Quality.THRESHOLD:
        return _packed(level(tones, x_dpi, y_dpi)), ""
    page = _Page(tones, x_dpi, y_dpi)
    (screen, _), *simpler = _STEPS[_FIRST[quality] :]
    rows, done = page.rows(screen), ""
    # Nothing of it would be simpler: text is not in a screen.
    if not page.has_pictures:
        return rows, done
    least = over(rows)
    for screen, become in simpler:
        if least <= 0:
            break
        fewer = page.rows(screen)
        # A coarser screen is not always quicker to send.
        if (by := over(fewer)) < least:
            rows, done, least = fewer, become, by
    return rows, done


def _tones(image: Image.Image) -> Tones:
    if image.width % 8:
        raise ValueError(f"a width of {image.width} pixels is not a multiple of 8")
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def _packed(black: Mask) -> bytes:
    return np.packbits(black, axis=1).tobytes()


class _Page:
    """A page cleaned and divided into regions, all of it black or white but its pictures and tints."""

    def __init__(self, tones: Tones, x_dpi: float, y_dpi: float) -> None:
        self._dpi = x_dpi, y_dpi
        angle = skew(tones, x_dpi, y_dpi)
        scanned = noisy(tones)
        # Before it is turned, which would spread the noise over neighbouring pixels.
        if scanned:
            tones = smoothed(tones)
        if angle:
            tones = turned(tones, angle, x_dpi, y_dpi)
        self._borders: Mask | None = None
        self.has_pictures = False
        if on_white_paper(tones, x_dpi, y_dpi):
            self._black = ink_on_white(tones, x_dpi, y_dpi)
            if scanned or angle:
                self._black = without_specks(self._black)
            return
        self._regions = regions = find_regions(tones, x_dpi, y_dpi)
        self._black = tones < regions.level
        if scanned or angle:
            self._black = without_specks(self._black)
            self._borders = borders(regions)
        screened = regions.parts >= Part.TINT
        rows = np.flatnonzero(screened.any(axis=1))
        self.has_pictures = bool(rows.size)
        # Only the rows that have pictures are screened, since that takes time for each row.
        first, last = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)
        self._band = slice(first * regions.grid.height, last * regions.grid.height)
        self._tones = tones[self._band]
        if self.has_pictures:
            self._inside = self._screened(screened)

    def _screened(self, screened: Mask) -> Mask:
        """The pixels that the screen decides on.

        Marks on a tint are kept, and what lies between them is screened as their ground is. In pictures all
        is screened.
        """
        regions, band = self._regions, self._band
        inside = self._spread(screened)
        marks = regions.marks[band] & self._spread(regions.parts == Part.TINT)
        marks &= self._black[band] != (regions.grid.spread(regions.tones)[band] < regions.level[band])
        result: Mask = inside & ~marks
        return result

    def _spread(self, tiles: Mask) -> Any:
        return self._regions.grid.spread(tiles.astype(np.uint8))[self._band].astype(np.bool_)

    def rows(self, screen: _Screen) -> bytes:
        black = self._black
        if self.has_pictures:
            # Kept as it is, because a simpler screen may follow.
            black = black.copy()
            np.copyto(black[self._band], screen(self._tones, *self._dpi), where=self._inside)
        if self._borders is not None and self._borders.any():
            black = black & (self._regions.grid.spread(self._borders.astype(np.uint8)) == 0)
        return _packed(black)

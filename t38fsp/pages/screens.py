"""Screens: how the tones of pictures become black and white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from t38fsp.pages.tiles import Mask, Tones

_CLEAN_BLACK, _CLEAN_WHITE = 22, 233
"""Darker tones are black, lighter ones white: dots of a single pixel cost more than all others."""
_MIDDLE = 128
_DOT_MM = 1.5
"""The side of the cell of the screen of dots; it has two dots, on its diagonal, as lines at 45 degrees."""
_RUN_MM = 1.12
"""The pitch of the screen of runs."""
_SAME_ROWS_MM = 0.52
"""As many rows of the screen of runs are alike."""


def dots(tones: Tones, x_dpi: float, y_dpi: float, coarse: float = 1.0) -> Mask:
    """Round dots on lines at 45 degrees, black from the dark side and white from the light side; ``coarse``
    times as far apart as usual."""
    cell = _cell(_pixels(coarse * _DOT_MM, x_dpi), _pixels(coarse * _DOT_MM, y_dpi))
    rows, columns = tones.shape
    down, across = cell.shape
    wide = np.tile(cell, (1, -(-columns // across)))[:, :columns]
    result = np.empty((rows, columns), np.bool_)
    for row in range(down):
        np.less(tones[row::down], wide[row], out=result[row::down])
    return result


def _pixels(millimetres: float, dpi: float) -> int:
    """An even number."""
    return max(2, 2 * round(millimetres / 25.4 * dpi / 2))


def _cell(across: int, down: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:down, 0:across]
    phase_x, phase_y = 2 * np.pi * (x + 0.5) / across, 2 * np.pi * (y + 0.5) / down
    height = np.cos(phase_x + phase_y) + np.cos(phase_x - phase_y)
    # Equal heights in the order of reading would make the dots grow as lines: mix them.
    order = np.lexsort(((x * 7 + y * 5).ravel() % 11, np.round(height, 6).ravel()))
    rank = np.empty(order.size)
    rank[order] = np.arange(order.size)
    levels = 255 * (rank + 0.5) / rank.size
    return np.clip(np.round(levels), _CLEAN_BLACK, _CLEAN_WHITE).astype(np.uint8).reshape(down, across)


def runs(tones: Tones, x_dpi: float, y_dpi: float, coarse: float = 1.0) -> Mask:
    """Upright lines whose thickness is the tone, the same in several rows: of those T.6 needs a bit an edge.
    They are ``coarse`` times as far apart as usual.

    What a run is too short or too long in whole pixels is made good in the next ones below it.
    """
    period = max(2, round(coarse * _RUN_MM / 25.4 * x_dpi))
    same = max(1, round(coarse * _SAME_ROWS_MM / 25.4 * y_dpi))
    rows, columns = tones.shape
    bands, cells = -(-rows // same), -(-columns // period)
    padded = np.pad(tones, ((0, bands * same - rows), (0, cells * period - columns)), "edge")
    mean = np.asarray(Image.fromarray(padded).reduce((period, same)), np.float32)
    ink = np.where(mean >= _CLEAN_WHITE, 0, np.where(mean <= _CLEAN_BLACK, 255, 255 - mean)) * (period / 255)
    lengths = np.empty((bands, cells), np.int32)
    error = np.zeros(cells, np.float32)
    for band in range(bands):
        wanted = ink[band] + error
        lengths[band] = length = np.clip(np.rint(wanted), 0, period)
        error = np.where((ink[band] == 0) | (ink[band] == period), 0, wanted - length)
    place = np.arange(period)
    begin = (period - lengths) // 2
    black = (place >= begin[..., None]) & (place < (begin + lengths)[..., None])
    wide = black.reshape(bands, cells * period)[:, :columns]
    result: Mask = np.repeat(wide, same, axis=0)[:rows]
    return result


def diffused(tones: Tones, x_dpi: float, y_dpi: float) -> Mask:
    """Error diffusion (Floyd and Steinberg): the finest, and by far the most to send."""
    cleaned = np.where(tones >= _CLEAN_WHITE, 255, np.where(tones <= _CLEAN_BLACK, 0, tones))
    result: Mask = ~np.asarray(Image.fromarray(cleaned.astype(np.uint8)).convert("1"))
    return result


def level(tones: Tones, x_dpi: float, y_dpi: float) -> Mask:
    """No screen: what is darker than middle grey is black."""
    result: Mask = tones < _MIDDLE
    return result

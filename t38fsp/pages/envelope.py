"""The page without what is thin on it: the lightest and the darkest tone that has some extent, at each pixel.

The *closing* of a page removes what is dark and narrower than a window (strokes of letters, lines), and the
*opening* what is light and narrower. Both keep the edges of all that is larger where they are, to the pixel.
So half-way between the two is the level that separates a letter from its ground, whatever the tones of both,
and where they are equal there is nothing to separate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Tones = NDArray[np.uint8]


def closing(tones: Tones, across: int, down: int) -> Tones:
    """``tones`` without what is dark and narrower than ``across`` or lower than ``down`` pixels (odd)."""
    return darkest(lightest(tones, across, down), across, down)


def opening(tones: Tones, across: int, down: int) -> Tones:
    """``tones`` without what is light and narrower than ``across`` or lower than ``down`` pixels (odd)."""
    return lightest(darkest(tones, across, down), across, down)


def lightest(tones: Tones, across: int, down: int) -> Tones:
    """The lightest tone of a window about each pixel."""
    return _extreme(tones, across, down, np.maximum, 0)


def darkest(tones: Tones, across: int, down: int) -> Tones:
    """The darkest tone of a window about each pixel."""
    return _extreme(tones, across, down, np.minimum, 255)


def _extreme(tones: Tones, across: int, down: int, extreme: Any, neutral: int) -> Tones:
    """The ``extreme`` of a window about each pixel; outside of the page is what does not count for it.

    Windows of 2, 4, 8 and so on pixels, each made of two of those before, and then of two that overlap.
    """
    rows, columns = tones.shape
    padded = np.full((rows + down - 1, columns + across - 1), neutral, np.uint8)
    padded[down // 2 : down // 2 + rows, across // 2 : across // 2 + columns] = tones
    # The extreme of n pixels in about log2(n) passes over the page, instead of n.
    span = 1
    while span < down:
        step = min(span, down - span)
        padded = extreme(padded[:-step], padded[step:])
        span += step
    span = 1
    while span < across:
        step = min(span, across - span)
        padded = extreme(padded[:, :-step], padded[:, step:])
        span += step
    result: Tones = padded
    return result

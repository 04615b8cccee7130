"""Compares two documents pixel by pixel."""

from __future__ import annotations

from itertools import zip_longest

from t38fsp.image.document import StrPath, pages
from t38fsp.image.resolutions import inch_terms


def differing_pages(first: StrPath, second: StrPath) -> list[int]:
    """The indexes (from 0) of the pages that differ in width, rows, resolution or any pixel.

    A page that only one document has differs. Metric and inch forms of a resolution are the same. Raises
    :class:`~t38fsp.image.errors.DocumentError` when a page cannot be read.
    """
    differing: list[int] = []
    for index, (ours, theirs) in enumerate(zip_longest(pages(first), pages(second))):
        if ours is None or theirs is None:
            differing.append(index)
            continue
        (a, a_pixels), (b, b_pixels) = ours, theirs
        # A far end may have announced the resolution in inches and got it in metric terms: the same dots.
        same_shape = (a.width, a.rows, inch_terms(a.resolution)) == (
            b.width,
            b.rows,
            inch_terms(b.resolution),
        )
        if not same_shape or a_pixels != b_pixels:
            differing.append(index)
    return differing

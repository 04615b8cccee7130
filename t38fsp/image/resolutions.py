"""Page widths, resolutions, and which of them are equivalent (T.30 table 2, RFC 3949 4.2)."""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache

from t38fsp.t30.vocabulary import Resolution


class Paper(Enum):
    """The paper widths of T.4, in millimetres."""

    A4 = 215
    B4 = 255
    A3 = 303


_WIDTHS: dict[int, dict[int, Paper]] = {
    200: {1728: Paper.A4, 2048: Paper.B4, 2432: Paper.A3},
    300: {2592: Paper.A4, 3072: Paper.B4, 3648: Paper.A3},
    400: {3456: Paper.A4, 4096: Paper.B4, 4864: Paper.A3},
}
"""Pixels across, by horizontal resolution in inch terms."""

WIDTHS: dict[int, tuple[int, Paper]] = {
    width: (density, paper) for density, widths in _WIDTHS.items() for width, paper in widths.items()
}
"""Every width a fax page can have: (horizontal resolution in inch terms, paper)."""


def width_of(paper: Paper, resolution: Resolution) -> int:
    """Pixels of a line on this paper."""
    widths = _WIDTHS[inch_terms(resolution)[0]]
    return next(width for width, own in widths.items() if own is paper)


_INCH_TERMS = {98: 100, 196: 200, 391: 400, 204: 200, 408: 400}


def inch_terms(resolution: Resolution) -> tuple[int, int]:
    """The resolution with metric values replaced by the inch values that T.30 table 2 treats as
    equivalent."""
    return _INCH_TERMS.get(resolution.x, resolution.x), _INCH_TERMS.get(resolution.y, resolution.y)


@lru_cache  # most pages of a document are alike, and each is read again
def nearest_resolution(width: int, x: float, y: float) -> Resolution:
    """The fax resolution of a page whose file declares ``x`` by ``y`` pixels per inch.

    ``width``, in pixels, is a key of WIDTHS.

    The width determines the horizontal resolution, whatever ``x`` is: programs not made for fax write 72 or
    96. The ratio of ``x`` and ``y``, the shape of the pixels, then determines the vertical one. Without a
    resolution (zero or less) pixels are assumed to be nearly square, as in fine resolution.
    """
    density = WIDTHS[width][0]
    ratio = y / x if x > 0 and y > 0 else 1.0
    inch = round(x) == density

    def distance(resolution: Resolution) -> tuple[float, bool]:
        own = inch_terms(resolution)
        return abs(math.log(own[1] / own[0] / ratio)), resolution.is_inch != inch

    candidates = [resolution for resolution in Resolution if inch_terms(resolution)[0] == density]
    nearest = min(candidates, key=distance)
    # Metric and inch forms of one resolution differ little in shape; only ``x`` distinguishes them.
    twins = [resolution for resolution in candidates if inch_terms(resolution) == inch_terms(nearest)]
    return next((twin for twin in twins if twin.is_inch == inch), nearest)

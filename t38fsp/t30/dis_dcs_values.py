"""Values in table 2 of T.30 that a DIS and a DCS share: widths, resolutions, minimum scan line times."""

from __future__ import annotations

from t38fsp.t30.dcs import Bit
from t38fsp.t30.vocabulary import PageFormat, Resolution

# --- widths (T.4 2.1, bits 17 and 18) -----------------------------------------------------------------------

_WIDTHS = (215, 255, 303)
_PIXELS = {200: (1728, 2048, 2432), 300: (2592, 3072, 3648), 400: (3456, 4096, 4864)}
WIDTH = {"00": 215, "10": 255, "01": 303, "11": 303}
"""Millimetres. 11 is invalid, and taken for the widest."""
WIDTH_VALUES = {215: "00", 255: "10", 303: "01"}


def pixels(resolution: Resolution, width: int) -> int:
    """Pixels per line of a page ``width`` millimetres (215, 255 or 303) wide."""
    return _PIXELS[_family(resolution)][_WIDTHS.index(width)]


def _family(resolution: Resolution) -> int:
    return {204: 200, 408: 400}.get(resolution.x, resolution.x)


def millimetres(page: PageFormat) -> int:
    """Width of the narrowest paper (215, 255 or 303 mm) that takes the page."""
    for width in _WIDTHS:
        if page.width <= pixels(page.resolution, width):
            return width
    return _WIDTHS[-1]


# --- resolutions (bits 15, 41 to 45) ------------------------------------------------------------------------

METRIC = {
    Resolution.R8_FINE: Bit.FINE,
    Resolution.R8_SUPERFINE: Bit.SUPERFINE_R8,
    Resolution.R16_SUPERFINE: Bit.SUPERFINE_R16,
}
INCH = {
    Resolution.INCH_200: Bit.FINE,
    Resolution.INCH_200X400: Bit.SUPERFINE_R8,
    Resolution.INCH_400: Bit.SUPERFINE_R16,
}


# --- minimum scan line time (bits 21 to 23, 46) -------------------------------------------------------------

SCAN_TIME = {
    "000": (20, 20),
    "001": (40, 40),
    "010": (10, 10),
    "100": (5, 5),
    "011": (10, 5),
    "110": (20, 10),
    "101": (40, 20),
    "111": (0, 0),
}
"""Milliseconds per line at 3.85 and at 7.7 lines/mm, by bits 21 to 23 of a DIS."""
SCAN_TIME_VALUES = {0: "111", 5: "100", 10: "010", 20: "000", 40: "001"}
"""Bits 21 to 23 of a DCS, by milliseconds."""

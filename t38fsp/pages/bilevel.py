"""The page as black and white: the entry to this room.

It runs in the worker processes for pages only: numpy takes long to import, and a page takes tenths of a
second.
"""

from __future__ import annotations

from PIL import Image

from t38fsp.choices import Quality

_DARK = 128
"""What is darker is black by ``Quality.THRESHOLD``."""


def to_bilevel(image: Image.Image, x_dpi: float, y_dpi: float, quality: Quality) -> bytes:
    """The rows of ``image``, packed, 1 for black.

    ``image`` is in mode L or RGB, at the resolution in which the page will be sent (``x_dpi`` and ``y_dpi``
    pixels an inch), and as wide as the line, a multiple of 8.
    """
    if image.width % 8:
        raise ValueError(f"a line of {image.width} pixels is no whole number of octets")
    grey = image if image.mode == "L" else image.convert("L")
    black = grey.point([255 if level < _DARK else 0 for level in range(256)])
    return black.convert("1", dither=Image.Dither.NONE).tobytes()

"""Which way up a picture is stored (TIFF 6.0 section 8, Orientation)."""

from __future__ import annotations

from enum import IntEnum

from PIL import Image

_Turn = Image.Transpose


class Orientation(IntEnum):
    """Where the first stored row and the first stored column belong on the page."""

    TOP_LEFT = 1
    TOP_RIGHT = 2
    BOTTOM_RIGHT = 3
    BOTTOM_LEFT = 4
    LEFT_TOP = 5
    RIGHT_TOP = 6
    RIGHT_BOTTOM = 7
    LEFT_BOTTOM = 8

    @classmethod
    def of(cls, value: int) -> Orientation:
        """The orientation of a field value; undefined values are ignored, as other readers do."""
        return cls(value) if cls.TOP_LEFT <= value <= cls.LEFT_BOTTOM else cls.TOP_LEFT

    @property
    def is_sideways(self) -> bool:
        """The stored rows are the columns of the page."""
        return self >= Orientation.LEFT_TOP


_TURNS = {
    Orientation.TOP_RIGHT: _Turn.FLIP_LEFT_RIGHT,
    Orientation.BOTTOM_RIGHT: _Turn.ROTATE_180,
    Orientation.BOTTOM_LEFT: _Turn.FLIP_TOP_BOTTOM,
    Orientation.LEFT_TOP: _Turn.TRANSPOSE,
    Orientation.RIGHT_TOP: _Turn.ROTATE_270,  # Pillow counts anticlockwise
    Orientation.RIGHT_BOTTOM: _Turn.TRANSVERSE,
    Orientation.LEFT_BOTTOM: _Turn.ROTATE_90,
}


def upright(pixels: bytes, width: int, orientation: Orientation) -> bytes:
    """Convert packed rows of ``width`` pixels from the stored orientation to upright."""
    if orientation is Orientation.TOP_LEFT:
        return pixels
    image = Image.frombytes("1", (width, len(pixels) // ((width + 7) // 8)), pixels)
    return image.transpose(_TURNS[orientation]).tobytes()

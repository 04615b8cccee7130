"""A fax page as a PNG, pixel for pixel."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image, PngImagePlugin

from t38fsp.image.errors import ImageError
from t38fsp.image.exact import decode_strip
from t38fsp.t30.vocabulary import Coding, Resolution


def write_png(file: BinaryIO, data: bytes, width: int, rows: int, resolution: Resolution) -> None:
    """Write a page coded in MMR, of ``width`` by ``rows`` pixels, into ``file``.

    Its resolution is in the file: the pixels of a fax are not square, which not every program heeds. Raises
    ImageError if the page cannot be decoded, and OSError.
    """
    pixels = decode_strip(data, Coding.MMR, width, rows)
    if pixels is None:
        raise ImageError("libtiff does not decode the page that it coded; reinstall Pillow")
    image = Image.frombytes("1", (width, rows), pixels, "raw", "1;I")
    image.save(file, PngImagePlugin.PngImageFile.format, dpi=resolution.value)

"""Converts a page to the width and resolution in which it has to be sent."""

from __future__ import annotations

from PIL import Image

from t38fsp.image.resolutions import inch_terms
from t38fsp.t30.vocabulary import PageFormat, Resolution


def fitted(
    page: PageFormat, width: int, resolution: Resolution, max_rows: int | None = None
) -> tuple[int, int]:
    """The size in pixels (across, down) of ``page`` at ``resolution`` in lines of ``width`` pixels.

    A page that is wider, or has more than ``max_rows`` rows, is reduced in both directions; any other keeps
    its size.
    """
    x_from, y_from = inch_terms(page.resolution)
    x_to, y_to = inch_terms(resolution)
    # T.30 table 2 treats metric and inch resolutions as equivalent, so 204 to 200 changes no pixel.
    natural = page.width * x_to / x_from
    shrink = min(1.0, width / natural)
    rows = max(1, round(page.rows * y_to / y_from * shrink))
    # Smaller in both directions, so that circles stay round.
    if max_rows is not None and rows > max_rows:
        shrink *= max_rows / rows
        rows = max_rows
    return max(1, round(natural * shrink)), rows


def convert(
    pixels: bytes, page: PageFormat, width: int, resolution: Resolution, max_rows: int | None = None
) -> bytes:
    """The pixels of ``page`` (1 is black) at another resolution, in rows of ``width`` pixels.

    Text has priority: the threshold for merged pixels is such that a line one pixel thick survives. This
    makes halftones darker.
    """
    across, down = fitted(page, width, resolution, max_rows)
    if (across, down) == (page.width, page.rows) and across == width:
        return pixels
    image = resized(Image.frombytes("1", (page.width, page.rows), pixels).convert("L"), (across, down))
    if across < width:
        wider = Image.new("L", (width, down), 0)
        wider.paste(image, ((width - across) // 2, 0))
        image = wider
    # There are only two levels left, but Pillow dithers unless it is told not to.
    return image.convert("1", dither=Image.Dither.NONE).tobytes()


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A black and white page in mode L, 255 for black, at another size; as many levels as before, two."""
    across, down = size
    # In the worst case half of a thin line is in one pixel and half in the next.
    thinnest = min(1.0, across / image.width, down / image.height)
    threshold = round(255 * thinnest / 2 * 0.98)
    # BOX: each new pixel is the mean of those that it covers, whole or in part.
    smaller = image.resize(size, Image.Resampling.BOX)
    return smaller.point([0 if level < threshold else 255 for level in range(256)])

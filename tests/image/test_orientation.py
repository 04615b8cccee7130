"""Pages that are stored mirrored, upside down or sideways are faxed as they are seen."""

from functools import lru_cache
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from t38fsp.image.document import encode_page, inspect
from t38fsp.image.errors import DocumentError
from t38fsp.t4.decode import decode_page
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, Resolution
from tests.pages import load_page, make_pixels
from tests.peers.libtiff import tiffcp, tiffset

WIDTH, ROWS = 1728, 400
FINE, STANDARD = Resolution.R8_FINE, Resolution.R8_STANDARD
MIRRORED = {2: (0, 1), 3: (1, 1), 4: (1, 0)}
"""Whether the rows and the columns of what is stored begin at the far end (TIFF 6.0 section 8)."""


def seen(rows: int = ROWS) -> Image.Image:
    """The page as a reader sees it, 1 is white: no two of its eight turns are alike."""
    pixels = make_pixels(WIDTH, rows, "text")
    page = ImageChops.invert(Image.frombytes("1", (WIDTH, rows), pixels))
    page.paste(0, (0, 0, 300, 100))
    return page


def stored(page: Image.Image, orientation: int) -> Image.Image:
    """``page`` as a file with this Orientation holds it, told dot by dot from the definition."""
    return _stored(page.tobytes(), page.size, orientation)


@lru_cache(maxsize=16)
def _stored(pixels: bytes, size: tuple[int, int], orientation: int) -> Image.Image:
    page = Image.frombytes("1", size, pixels)
    rows_back = orientation in (3, 4, 6, 7)
    columns_back = orientation in (2, 3, 7, 8)
    if orientation < 5:
        columns = range(page.width)[:: -1 if columns_back else 1]
        rows = range(page.height)[:: -1 if rows_back else 1]
        grid = page.load()
        made = Image.new("1", page.size)
        made.putdata([grid[column, row] for row in rows for column in columns])
        return made
    # The first row stored is the left (5, 8) or right (6, 7) edge; the first column the top or the bottom.
    columns = range(page.width)[:: -1 if orientation in (6, 7) else 1]
    rows = range(page.height)[:: -1 if orientation in (7, 8) else 1]
    grid = page.load()
    made = Image.new("1", (page.height, page.width))
    made.putdata([grid[column, row] for column in columns for row in rows])
    return made


def save(path: Path, page: Image.Image, orientation: int, resolution: Resolution, **how: object) -> Path:
    x, y = resolution.value
    dpi = (y, x) if orientation > 4 else (x, y)
    how = {"compression": "group4", **how}
    stored(page, orientation).save(path, dpi=dpi, tiffinfo={274: orientation}, **how)
    return path


def mode(coding: Coding, resolution: Resolution = FINE) -> PageMode:
    return PageMode(coding, WIDTH, resolution, True, 14400, 0.0)


def black_is_1(page: Image.Image) -> bytes:
    return ImageChops.invert(page).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resolution", [FINE, STANDARD])
@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_a_page_is_faxed_as_it_is_seen(tmp_path, orientation, resolution, compression):
    page = seen()
    path = save(tmp_path / "document.tif", page, orientation, resolution, compression=compression)
    with Image.open(path) as other:
        other.load()
        assert other.tobytes() == page.tobytes()
    assert inspect(path) == [PageFormat(WIDTH, ROWS, resolution)]
    assert load_page(path, 0)[1] == black_is_1(page)
    for coding in Coding:
        burst = encode_page(path, 0, mode(coding, resolution))
        assert decode_page(burst, coding, WIDTH).pixels == black_is_1(page)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_in_strips_inverted_and_with_the_other_fill_order(tmp_path, orientation):
    page = seen()
    path = save(tmp_path / "document.tif", page, orientation, FINE)
    for number, options in enumerate((["-r", "100"], ["-f", "lsb2msb"], ["-c", "g3:2d", "-r", "64"])):
        other = tiffcp(path, tmp_path / f"{number}.tif", *options)
        assert inspect(other) == [PageFormat(WIDTH, ROWS, FINE)]
        assert load_page(other, 0)[1] == black_is_1(page)


@pytest.mark.parametrize(
    "orientation", [*(pytest.param(each, marks=pytest.mark.full) for each in (2, 4, 5, 7, 8)), 3, 6]
)
def test_a_damaged_page_is_repaired_where_it_is_stored(tmp_path, orientation):
    """Our own decoder reads it, in the width that it is stored in."""
    rows = 1100  # so few of them are damaged that the page is repaired, also sideways
    page = seen(rows)
    path = save(tmp_path / "document.tif", page, orientation, FINE, compression="group3")
    whole = path.read_bytes()
    boxes = []
    for position in range(len(whole) // 3, len(whole) // 3 + 12):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x18]) + whole[position + 1 :])
        assert inspect(path) == [PageFormat(WIDTH, rows, FINE)]
        read = Image.frombytes("1", (WIDTH, rows), load_page(path, 0)[1])
        boxes.append(ImageChops.logical_xor(read, ImageChops.invert(page)).getbbox())
    # A row that is stored is a column of a page that is stored sideways.
    thin = [min(box[2] - box[0], box[3] - box[1]) for box in boxes if box is not None]
    sideways = [box for box in boxes if box is not None and box[2] - box[0] < box[3] - box[1]]
    assert min(thin) < 4
    assert len(sideways) > len(thin) / 2 if orientation > 4 else not sideways


def test_a_header_line_stands_above_what_is_seen(tmp_path):
    blank = Image.new("1", (WIDTH, ROWS), 1)
    plain, turned = (
        save(tmp_path / f"{orientation}.tif", blank, orientation, FINE) for orientation in (1, 6)
    )
    line = ("left", "middle", "right", "")
    assert encode_page(turned, 0, mode(Coding.MMR), line) == encode_page(plain, 0, mode(Coding.MMR), line)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_means_nothing(tmp_path, orientation):
    path = save(tmp_path / "document.tif", seen(), 1, FINE)
    tiffset(path, 274, 1)
    octets = bytearray(path.read_bytes())
    at = octets.index(b"\x12\x01\x03\x00")
    octets[at + 8 : at + 10] = orientation.to_bytes(2, "little")
    path.write_bytes(octets)
    assert load_page(path, 0)[1] == black_is_1(seen())


def test_a_page_that_is_seen_in_no_fax_width_is_refused(tmp_path):
    """Stored in one, it is wider than that the right way up: a landscape page."""
    path = tmp_path / "document.tif"
    Image.new("1", (1728, 2200), 1).save(path, compression="group4", tiffinfo={274: 6})
    with pytest.raises(DocumentError) as caught:
        inspect(path)
    assert str(caught.value).startswith(
        "page 1 cannot be faxed: turned upright (Orientation 6) it is 2200 pixels wide, which is not a "
        "fax width"
    )


def test_a_page_that_is_seen_too_long_is_refused(tmp_path):
    path = tmp_path / "document.tif"
    Image.new("1", (40_001, 1728), 1).save(path, compression="group4", tiffinfo={274: 8})
    with pytest.raises(DocumentError, match=r"\(Orientation 8\) it has 40001 rows \(ImageWidth\)"):
        inspect(path)


def test_a_very_long_sideways_page_takes_no_more_memory_than_another(tmp_path):
    """Rows of 40,000 pixels that libtiff does not read exactly: damage sends them to our own decoder."""
    path = tmp_path / "document.tif"
    page = Image.new("1", (40_000, 1728), 1)
    page.paste(0, (39_000, 0, 39_001, 1728))
    page.save(path, compression="group3", tiffinfo={274: 6})
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 0xFF
    path.write_bytes(octets)
    assert inspect(path) == [PageFormat(1728, 40_000, FINE)]

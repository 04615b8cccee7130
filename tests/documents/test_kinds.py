"""Documents of each kind arrive upright, whole and in black and white, whatever their colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t38fsp.choices import Landscape, PageResolution, PaperSize
from t38fsp.image.errors import DocumentError
from t38fsp.page_settings import PageSettings
from t38fsp.t30.vocabulary import PageFormat, Resolution
from tests.documents.drawn import Drawn, assert_marks, difference, marks
from tests.documents.pdfs import A4, marked

SIZE = (827, 1169)
DPI = (100, 100)

_Turn = Image.Transpose
STORED = {
    1: None,
    2: _Turn.FLIP_LEFT_RIGHT,
    3: _Turn.ROTATE_180,
    4: _Turn.FLIP_TOP_BOTTOM,
    5: _Turn.TRANSPOSE,
    6: _Turn.ROTATE_90,
    7: _Turn.TRANSVERSE,
    8: _Turn.ROTATE_270,
}
"""How the page is stored that has an Orientation."""


def _with_alpha() -> Image.Image:
    """Black marks on nothing: what a program takes for the ground must be white."""
    page = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    page.putalpha(marks(SIZE).point(lambda level: 255 - level))
    return page


def _deep(kind: str, scale: float) -> Image.Image:
    return Image.fromarray((np.asarray(marks(SIZE)).astype(float) * scale).astype(kind))


PICTURES: dict[str, Callable[[Path], None]] = {
    "grey.png": lambda path: marks(SIZE).save(path, dpi=DPI),
    "black.png": lambda path: marks(SIZE).convert("1").save(path, dpi=DPI),
    "colour.jpg": lambda path: marks(SIZE, "RGB").save(path, dpi=DPI),
    "grey.jpg": lambda path: marks(SIZE).save(path, dpi=DPI),
    "cmyk.jpg": lambda path: marks(SIZE, "RGB").convert("CMYK").save(path, dpi=DPI),
    "cmyk.tif": lambda path: marks(SIZE, "RGB").convert("CMYK").save(path, dpi=DPI),
    "lab.tif": lambda path: marks(SIZE, "RGB").convert("L").save(path, dpi=DPI),
    "palette.gif": lambda path: marks(SIZE, "RGB").save(path),
    "palette.png": lambda path: marks(SIZE, "RGB").quantize(8).save(path, dpi=DPI),
    "alpha.png": lambda path: _with_alpha().save(path, dpi=DPI),
    "alpha.webp": lambda path: _with_alpha().save(path, lossless=True),
    "alpha.tif": lambda path: _with_alpha().save(path, dpi=DPI),
    "grey-alpha.png": lambda path: _with_alpha().convert("LA").save(path, dpi=DPI),
    "colour.webp": lambda path: marks(SIZE, "RGB").save(path),
    "colour.bmp": lambda path: marks(SIZE, "RGB").save(path),
    "deep.png": lambda path: _deep("uint16", 257).save(path, dpi=DPI),
    "deep.tif": lambda path: _deep("uint16", 257).save(path, dpi=DPI),
    "floating.tif": lambda path: _deep("float32", 1 / 255).save(path, dpi=DPI),
    "big.tif": lambda path: marks(SIZE).save(path, dpi=DPI, big_tiff=True),
    "lzw.tif": lambda path: marks(SIZE, "RGB").save(path, dpi=DPI, compression="tiff_lzw"),
    "jpeg.tif": lambda path: marks(SIZE, "RGB").save(path, dpi=DPI, compression="jpeg"),
    "packed.tif": lambda path: marks(SIZE).convert("1").save(path, dpi=DPI, compression="packbits"),
    "inches.ppm": lambda path: marks(SIZE, "RGB").save(path),
    "bitmap.pbm": lambda path: marks(SIZE).convert("1").save(path),
    "jpeg2000.jp2": lambda path: marks(SIZE).save(path),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_arrives_as_it_is_seen(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    PICTURES[name](path)
    document = Drawn(path)
    assert not document.is_fax
    assert_marks(document.page())


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_a_picture_arrives_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"turned.{suffix}"
    turn = STORED[orientation]
    stored = marks(SIZE, "RGB") if turn is None else marks(SIZE, "RGB").transpose(turn)
    if suffix == "jpg":
        exif = Image.Exif()
        exif[274] = orientation
        stored.save(path, exif=exif, dpi=DPI)
    else:
        stored.save(path, tiffinfo={274: orientation}, dpi=DPI)
    assert_marks(Drawn(path).page())


def test_the_kind_is_told_by_the_content(tmp_path: Path) -> None:
    path = tmp_path / "letter.pdf"
    marks(SIZE).save(path, "PNG")
    assert_marks(Drawn(path).page())


def test_pages_of_a_tiff_file_are_pages_and_frames_of_an_animation_are_not(tmp_path: Path) -> None:
    pages = [marks(SIZE), marks(SIZE, "RGB"), marks(SIZE).convert("1")]
    for name, count in (("pages.tif", 3), ("moving.gif", 1), ("moving.webp", 1)):
        path = tmp_path / name
        pages[0].save(path, save_all=True, append_images=pages[1:], dpi=DPI)
        document = Drawn(path)
        assert len(document.formats) == count, name
        for index in range(count):
            assert_marks(document.page(index))


def test_thumbnails_and_masks_in_a_tiff_file_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    thumbnail = marks((80, 113))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    marks(SIZE).save(path, save_all=True, append_images=[thumbnail], dpi=DPI)
    assert len(Drawn(path).formats) == 1


@pytest.mark.parametrize(
    ("width", "height", "dpi", "page"),
    [
        (1653, 2338, 200, PageFormat(1728, 2338, Resolution.R8_FINE)),
        (1654, 2339, 200, PageFormat(1728, 2339, Resolution.R8_FINE)),
        (1700, 2200, 200, PageFormat(1728, 2200, Resolution.R8_FINE)),
        (1700, 2200, 204, PageFormat(1728, 2200, Resolution.R8_FINE)),
        (2480, 3508, 300, PageFormat(2592, 3508, Resolution.INCH_300)),
        (2550, 3300, 300, PageFormat(2592, 3300, Resolution.INCH_300)),
        (3307, 4677, 400, PageFormat(3456, 4677, Resolution.R16_SUPERFINE)),
    ],
)
def test_a_scan_of_nearly_fax_width_is_padded_and_not_scaled(
    tmp_path: Path, width: int, height: int, dpi: int, page: PageFormat
) -> None:
    scan = marks((width, height)).convert("1")
    for column in range(200, 400, 2):  # lines one pixel wide, that no scaling would keep apart
        scan.paste(0, (column, height // 2, column + 1, height // 2 + 40))
    path = tmp_path / "scan.tif"
    scan.save(path, compression="group4", dpi=(dpi, dpi))
    document = Drawn(path)
    assert document.formats == [page]
    mode = document.mode()
    assert (mode.width, mode.resolution) == (page.width, page.resolution)
    seen = Image.open(path)
    left = (page.width - width) // 2
    drawn = document.pixels()
    assert np.array_equal(np.asarray(drawn.crop((left, 0, left + width, height))) > 0, np.asarray(seen))


def test_a_grey_scan_of_200_dpi_is_not_scaled_either(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    marks((1654, 2339)).save(path, dpi=(200, 200))
    assert Drawn(path).formats == [PageFormat(1728, 2339, Resolution.R8_FINE)]


# --- PDF ----------------------------------------------------------------------------------------------------


def written(folder: Path, data: bytes, name: str = "letter.pdf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_pdf_of_mixed_sizes(tmp_path: Path) -> None:
    letter, a5, a3 = (612.0, 792.0), (420.0, 595.0), (842.0, 1191.0)
    document = Drawn(written(tmp_path, marked(A4, letter, a5, a3)))
    assert [page.width for page in document.formats] == [1728, 1728, 1728, 2432]
    assert [round(page.rows / 196 * 25.4) for page in document.formats] == [297, 278, 210, 420]
    for index in (0, 1, 3):
        assert_marks(document.page(index))
    # True size: in the middle of the line, and nothing beside it.
    small = document.page(2)
    assert_marks(small.crop((270, 0, 1728 - 270, small.height)))
    assert small.crop((0, 0, 250, small.height)).getextrema() == (255, 255)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_pdf_page_is_turned_as_it_says(tmp_path: Path, turn: int) -> None:
    size = A4 if turn in (0, 180) else A4[::-1]
    document = Drawn(written(tmp_path, marked(size, entries=b"/Rotate %d" % turn)))
    assert document.formats == [PageFormat(1728, 2292, Resolution.R8_FINE)]
    page = document.page()
    if turn in (90, 270):  # what was drawn for the wide page is turned with it, and squeezed
        assert difference(page, marks(SIZE)) > 20
    else:
        assert_marks(page.rotate(turn))


@pytest.mark.parametrize(
    ("landscape", "paper", "turned"),
    [
        (Landscape.AUTO, PaperSize.AUTO, True),
        (Landscape.TURN, PaperSize.AUTO, True),
        (Landscape.KEEP, PaperSize.AUTO, False),
        (Landscape.KEEP, PaperSize.A4, False),
        (Landscape.AUTO, PaperSize.A3, False),
    ],
)
def test_a_landscape_page(tmp_path: Path, landscape: Landscape, paper: PaperSize, turned: bool) -> None:
    settings = PageSettings(landscape=landscape, paper=paper)
    page = Drawn(written(tmp_path, marked(A4[::-1])), settings).page()
    if turned:
        page = page.rotate(-90, expand=True)
    shape = page.width / page.height
    assert shape == pytest.approx(297 / 210, rel=0.04)
    assert difference(page, marks((1189, 841))) < 9


@pytest.mark.parametrize(
    ("wanted", "resolution"),
    [
        (PageResolution.STANDARD, Resolution.R8_STANDARD),
        (PageResolution.FINE, Resolution.R8_FINE),
        (PageResolution.SUPERFINE, Resolution.R8_SUPERFINE),
        (PageResolution.AUTO, Resolution.R8_FINE),
    ],
)
def test_the_resolution_is_that_of_the_settings(
    tmp_path: Path, wanted: PageResolution, resolution: Resolution
) -> None:
    document = Drawn(written(tmp_path, marked(A4)), PageSettings(page_resolution=wanted))
    assert document.formats[0].resolution is resolution
    assert_marks(document.page())


def test_a_margin_is_white_and_the_page_within_it_whole(tmp_path: Path) -> None:
    page = Drawn(written(tmp_path, marked(A4)), PageSettings(margin=20.0)).page()
    border = round(20 / 25.4 * 204) - 2
    assert page.crop((0, 0, page.width, border)).getextrema() == (255, 255)
    assert page.crop((0, 0, border, page.height)).getextrema() == (255, 255)
    inside = page.crop((border, border, page.width - border, page.height - border))
    assert difference(inside, marks(SIZE)) < 12


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%PDF-1.7\n",
        b"%PDF-1.7\n%%EOF",
        marked(A4)[:400],
        marked((0.5, 0.5)),
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"\xff\xd8\xff\xe0" + bytes(20),
        b"II*\0\x08\0\0\0",
        b"GIF89a",
        b"\0\x01\x02\x03" * 100,
        b"\0\0\0\x20ftypheic",
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        Drawn(written(tmp_path, data, "broken"))
    assert str(caught.value)


def test_a_picture_that_is_cut_short_is_refused_when_it_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    noise = np.random.default_rng(1).integers(0, 255, SIZE[::-1], dtype="uint8")
    Image.fromarray(noise).save(path, dpi=DPI)
    path.write_bytes(path.read_bytes()[:-200_000])
    document = Drawn(path)
    with pytest.raises(DocumentError, match="page 1 "):
        document.page()


def test_a_picture_of_too_many_pixels_is_refused_unread(tmp_path: Path) -> None:
    path = written(tmp_path, b"P5 65535 65535 255\n", "wall.pgm")
    with pytest.raises(DocumentError, match="65535 by 65535"):
        Drawn(path)

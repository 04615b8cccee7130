"""The header line: what it says, and that it costs no content."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from t38fsp.header import Header
from t38fsp.image.coder import encode_pixels, image_of
from t38fsp.image.document import encode_page
from t38fsp.image.errors import DocumentError
from t38fsp.image.header import _band, arranged, band_rows
from t38fsp.image.resolutions import WIDTHS, inch_terms
from t38fsp.image.store import append_page, finish
from t38fsp.image.values import HeaderLine
from t38fsp.t4.decode import decode_page
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.pages import load_page, make_document

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LINE: HeaderLine = ("2026-11-22 12:00", "Accounts +1 555 0199", "+12125550100  1/3", "")
DEJAVU = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
DROID = "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"
WIDTH = {200: 1728, 300: 2592, 400: 3456}


def mode_for(resolution: Resolution, width: int | None = None, max_rows: int | None = None) -> PageMode:
    width = width or WIDTH[inch_terms(resolution)[0]]
    return PageMode(Coding.MMR, width, resolution, True, 14400, max_rows=max_rows)


def travelled(document: Path, mode: PageMode, header: HeaderLine | None) -> Image.Image:
    """The first page as it arrives; 1 is black."""
    burst = encode_page(document, 0, mode, header)
    return image_of(decode_page(burst, mode.coding, mode.width).pixels, mode.width)


def page_with(tmp_path: Path, mode: PageMode, rows: int, first_black: int) -> Path:
    """A document of one page that is white as far as row ``first_black``, and striped from there on."""
    path = tmp_path / "document.tif"
    stripe = b"\xf0" * (mode.width // 8)
    pixels = bytes(len(stripe)) * first_black + stripe * (rows - first_black)
    append_page(path, encode_pixels(pixels, mode.width, mode.coding, mode.resolution), mode)
    finish(path, 1)
    return path


# --- on the page --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", list(Resolution))
def test_it_stands_in_the_margin_and_looks_alike_at_every_resolution(
    tmp_path: Path, resolution: Resolution
) -> None:
    mode = mode_for(resolution)
    rows = band_rows(resolution)
    document = page_with(tmp_path, mode, 4 * rows, 2 * rows)
    plain, headed = travelled(document, mode, None), travelled(document, mode, LINE)
    assert headed.size == plain.size
    below = (0, rows, headed.width, headed.height)
    assert headed.crop(below).tobytes() == plain.crop(below).tobytes()
    band = headed.crop((0, 0, headed.width, rows))
    different = ImageChops.logical_xor(at_100(band), dots_of_the_line(tmp_path))
    assert share_of_black(different) < 0.02


def at_100(band: Image.Image) -> Image.Image:
    """At 100 dots per inch."""
    dots = band.convert("L").resize((864, 14), Image.Resampling.BOX)
    return dots.point([255 if level > 127 else 0 for level in range(256)]).convert("1")


def share_of_black(image: Image.Image) -> float:
    return image.histogram()[-1] / (image.width * image.height)


def dots_of_the_line(folder: Path) -> Image.Image:
    """At 100 dots per inch, from a page of 400 by 400."""
    mode = mode_for(Resolution.R16_SUPERFINE)
    (folder / "superfine").mkdir()
    page = travelled(page_with(folder / "superfine", mode, 240, 120), mode, LINE)
    dots = at_100(page.crop((0, 0, 3456, 56)))
    assert 0.04 < share_of_black(dots) < 0.2
    return dots


@pytest.mark.parametrize("width", sorted(WIDTHS))
def test_every_width_has_it_within_the_printed_part(tmp_path: Path, width: int) -> None:
    density = WIDTHS[width][0]
    resolution = next(each for each in Resolution if inch_terms(each)[0] == density)
    mode = mode_for(resolution, width)
    document = page_with(tmp_path, mode, 100, 90)
    band = travelled(document, mode, LINE).crop((0, 0, width, band_rows(resolution)))
    left, top, right, bottom = band.getbbox() or (0, 0, 0, 0)
    seven_mm = density * 7 // 26
    assert seven_mm < left < right < width - seven_mm
    assert 0 < top < bottom <= band.height


def test_a_page_that_begins_at_the_top_loses_nothing(tmp_path: Path) -> None:
    mode = mode_for(Resolution.R8_FINE)
    document = page_with(tmp_path, mode, 500, 5)
    plain, headed = travelled(document, mode, None), travelled(document, mode, LINE)
    rows = band_rows(Resolution.R8_FINE)
    assert headed.height == plain.height + rows
    assert headed.crop((0, rows, 1728, headed.height)).tobytes() == plain.tobytes()


def test_where_the_length_is_limited_the_page_makes_room(tmp_path: Path) -> None:
    mode = mode_for(Resolution.R8_FINE, max_rows=500)
    document = page_with(tmp_path, mode, 500, 5)
    headed = travelled(document, mode, LINE)
    assert headed.height == 500
    content = headed.crop((0, band_rows(Resolution.R8_FINE), 1728, 500))
    left, _, right, bottom = content.getbbox() or (0, 0, 0, 0)
    assert (0 < left < right < 1728, bottom) == (True, content.height)


@pytest.mark.parametrize("coding", list(Coding))
def test_every_coding_carries_it(tmp_path: Path, coding: Coding) -> None:
    document = tmp_path / "document.tif"
    make_document(document, [(1728, Resolution.R8_STANDARD, 200, "text")])
    mode = PageMode(coding, 1728, Resolution.R8_STANDARD, coding is Coding.MMR, 9600, 0.02)
    page = decode_page(encode_page(document, 0, mode, LINE), coding, 1728)
    assert page.quality.bad_rows == 0
    _, original = load_page(document, 0)
    assert page.pixels.endswith(original[-100 * 216 :])
    assert page.pixels != original


# --- the text -----------------------------------------------------------------------------------------------


def test_what_it_says_by_default() -> None:
    header = Header(name="Accounts").of_call(NOON, "+1 555 0199", "+12125550100", 3)
    assert header.line(1) == LINE
    assert header.line(3)[2] == "+12125550100  3/3"


def test_nothing_is_known_of_us() -> None:
    assert Header().of_call(NOON, "", "100", 1).line(1) == ("2026-11-22 12:00", "", "100  1/1", "")


def test_a_template_of_ones_own() -> None:
    header = Header("{date:%d.%m.%y}|Fax {{A}} from {name}", "us").of_call(NOON, "", "", 1)
    assert header.line(1) == ("22.11.26", "Fax {A} from us", "", "")


@pytest.mark.parametrize(
    "template",
    [
        "{sender}",
        "{date.year}",
        "{date!r}",
        "{page:9999999999}",
        "{date:{page}}",
        "{0}",
        "{}",
        "{",
        "a|b|c|d",
        "x" * 201,
        "{date:%H|%M}",
        "{date:%999999999Y}",
        "{date:%Y\0}",
    ],
)
def test_templates_that_do_not_do(template: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Header(template)


@given(st.text(max_size=250))
def test_a_template_is_refused_or_gives_three_parts(template: str) -> None:
    try:
        header = Header(template)
    except ValueError:
        return
    assert len(header.of_call(NOON, "1", "2", 3).line(1)) == 4


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("a", "b", "c"), "a        b         c"),
        (("a", "", "c"), "a                  c"),
        (("", "b", ""), "         b          "),
        (("long on the left", "b", "c"), "long on the left   c"),
        (("left, quite", "mid", "c"), "left, quite  mid   c"),
        (("left, quite", "middle", "right"), "left, quite    right"),
        (("", "", "x" * 30), "x" * 20),
    ],
)
def test_what_does_not_fit_is_cut(parts: tuple[str, str, str], text: str) -> None:
    """With letters that are all one wide."""
    line = [" "] * 20
    for start, part in arranged(parts, 20, len):
        line[int(start) : int(start) + len(part)] = part
    assert "".join(line) == text


@given(st.tuples(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60)), st.integers(0, 150))
def test_no_part_overlaps_another_or_the_margin(parts: tuple[str, str, str], room: int) -> None:
    end = 0.0
    for start, text in arranged(parts, room, len):
        assert end <= start
        end = start + len(text)
    assert end <= room


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without fonts."""
    monkeypatch.setattr("t38fsp.fonts.installed", lambda *, fixed: ())
    _band.cache_clear()
    yield
    _band.cache_clear()


@pytest.mark.usefixtures("bare")
def test_a_letter_that_no_font_has_loses_its_accent() -> None:
    assert band_of("Dvořák") == band_of("Dvorák")
    assert band_of("Müller") != band_of("Muller")
    assert band_of("a\tb\n") == band_of("a b ")


@pytest.mark.usefixtures("bare")
def test_a_character_that_no_font_has_is_told_with_what_to_do() -> None:
    with pytest.raises(DocumentError, match=r"the header line has characters .* 株 .* setting font"):
        band_of("株式会社")


@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("Ελληνικά", DEJAVU),
        ("Привет", DEJAVU),
        ("שלום", DEJAVU),
        ("مرحبا", DEJAVU),
        ("株式会社", DROID),  # without digits, for which the built-in font stands in
    ],
)
def test_any_script_of_which_there_is_a_font(text: str, font: str) -> None:
    mode = mode_for(Resolution.R8_FINE)
    band = image_of(_band(("2026-11-22", text, "1/3", font), mode.width, mode.resolution), mode.width)
    left, top, right, bottom = band.crop((400, 0, 1328, band.height)).getbbox() or (0, 0, 0, 0)
    assert 100 < left < right < 828
    assert right - left > 8 * len(text)
    assert 0 < top < bottom < band.height


def test_a_file_that_is_no_font(tmp_path: Path) -> None:
    (tmp_path / "letters.ttf").write_bytes(b"no font")
    for name, kind in (
        ("letters.ttf", "cannot be used as a font"),
        ("missing.ttf", "cannot be read"),
        (".", "regular file"),
    ):
        with pytest.raises(DocumentError, match=kind):
            band_of("us", str(tmp_path / name))


def band_of(text: str, font: str = "") -> bytes:
    return _band((text, "", "", font), 1728, Resolution.R8_FINE)

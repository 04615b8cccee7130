"""The header line: what it says, and that it costs no content."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from t38fsp.header import Header
from t38fsp.image.coder import encode_pixels, image_of
from t38fsp.image.document import encode_page
from t38fsp.image.header import arranged, band_rows
from t38fsp.image.resolutions import WIDTHS, inch_terms
from t38fsp.image.store import append_page, finish
from t38fsp.image.values import HeaderLine
from t38fsp.t4.decode import decode_page
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.pages import load_page, make_document

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LINE: HeaderLine = ("2026-11-22 12:00", "Accounts +1 555 0199", "+12125550100  1/3")
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
    x, y = (inch // 100 for inch in inch_terms(resolution))
    band = headed.crop((0, 0, headed.width, rows))
    dots = band.resize((headed.width // x, rows // y), Image.Resampling.NEAREST)
    # Each dot of the font is a whole block of pixels.
    assert dots.resize(band.size, Image.Resampling.NEAREST).tobytes() == band.tobytes()
    assert dots.tobytes() == dots_of_the_line(tmp_path).tobytes()


def dots_of_the_line(folder: Path) -> Image.Image:
    """At 100 dots per inch, from a page of 200 by 100."""
    mode = mode_for(Resolution.R8_STANDARD)
    (folder / "standard").mkdir()
    page = travelled(page_with(folder / "standard", mode, 60, 30), mode, LINE)
    return page.crop((0, 0, 1728, 14)).resize((864, 14), Image.Resampling.NEAREST)


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
    assert Header().of_call(NOON, "", "100", 1).line(1) == ("2026-11-22 12:00", "", "100  1/1")


def test_a_template_of_ones_own() -> None:
    header = Header("{date:%d.%m.%y}|Fax {{A}} from {name}", "us").of_call(NOON, "", "", 1)
    assert header.line(1) == ("22.11.26", "Fax {A} from us", "")


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
    assert len(header.of_call(NOON, "1", "2", 3).line(1)) == 3


@pytest.mark.parametrize(
    ("line", "text"),
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
def test_what_does_not_fit_is_cut(line: HeaderLine, text: str) -> None:
    assert arranged(line, 20) == text


@pytest.mark.parametrize(
    ("name", "shown"), [("Müller", "Müller"), ("Dvořák", "Dvorák"), ("株式会社", "????"), ("a\tb\n", "a b ")]
)
def test_letters_that_the_font_does_not_have(name: str, shown: str) -> None:
    assert arranged((name, "", ""), 10) == shown.ljust(10)


@given(st.tuples(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60)), st.integers(0, 150))
def test_a_line_is_as_long_as_there_is_room(line: HeaderLine, columns: int) -> None:
    text = arranged(line, columns)
    assert len(text) == columns
    text.encode("latin-1")

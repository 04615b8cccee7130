"""Pages as they travel: coded again, converted, or handed on as they are."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from t38fsp.image.compare import differing_pages
from t38fsp.image.convert import convert, fitted
from t38fsp.image.document import (
    KnownPage,
    encode_known_page,
    encode_page,
    pages,
    structure,
)
from t38fsp.image.errors import DocumentError
from t38fsp.image.fields import Directory
from t38fsp.image.tiff import LSB_FIRST, TiffFile
from t38fsp.t4.decode import decode_page
from t38fsp.t4.prepare import RTC, ends_with_eofb, eol_positions
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, Resolution
from tests.pages import load_page, make_document, make_pixels

FINE, STANDARD, SUPERFINE = Resolution.R8_FINE, Resolution.R8_STANDARD, Resolution.R8_SUPERFINE


def mode(
    coding: Coding, width: int = 1728, resolution: Resolution = FINE, scan_line_time: float = 0.0
) -> PageMode:
    return PageMode(coding, width, resolution, coding is Coding.MMR, 14400, scan_line_time)


@pytest.mark.parametrize("stored", Coding)
@pytest.mark.parametrize("travels", Coding)
@pytest.mark.parametrize("kind", ["text", "lines", "halftone", "noise", "white", "black"])
def test_a_page_travels_in_any_coding_without_change(tmp_path, stored, travels, kind):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 30, "white"), (1728, FINE, 120, kind)], stored, fill_order=2)
    burst = encode_page(path, 1, mode(travels, scan_line_time=0 if travels is Coding.MMR else 0.02))
    assert ends_with_eofb(burst) if travels is Coding.MMR else burst.endswith(RTC[travels])
    page = decode_page(burst, travels, 1728)
    assert page.quality.bad_rows == 0
    assert page.pixels == make_pixels(1728, 120, kind, 1)


@pytest.mark.parametrize("fill_order", [1, 2])
def test_a_page_stored_as_it_has_to_travel_is_handed_on_as_it_is(tmp_path, fill_order):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 200, "text")], Coding.MMR, fill_order)
    burst = encode_page(path, 0, mode(Coding.MMR))
    stored = path.read_bytes()
    assert (burst.translate(LSB_FIRST) if fill_order == 2 else burst) in stored


def test_pages_in_strips_or_inverted_are_coded_again(tmp_path):
    for number, how in enumerate(({"strips": 3}, {"photometric": 1}, {"coding": Coding.MH})):
        path = tmp_path / f"{number}.tif"
        (pixels,) = make_document(path, [(1728, FINE, 100, "text")], **how)
        burst = encode_page(path, 0, mode(Coding.MMR))
        assert burst not in path.read_bytes()
        assert decode_page(burst, Coding.MMR, 1728).pixels == pixels


def test_inch_and_metric_stand_for_each_other(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, Resolution.INCH_200, 200, "text")])
    assert encode_page(path, 0, mode(Coding.MMR, resolution=FINE)) in path.read_bytes()


@pytest.mark.parametrize(
    ("page", "width", "resolution", "size"),
    [
        (PageFormat(1728, 2286, FINE), 1728, STANDARD, (1728, 1143)),
        (PageFormat(1728, 1143, STANDARD), 1728, FINE, (1728, 2286)),
        (PageFormat(1728, 4400, SUPERFINE), 1728, STANDARD, (1728, 1100)),
        (PageFormat(2048, 2048, FINE), 1728, FINE, (1728, 1728)),  # B4 on A4: smaller both ways
        (PageFormat(2432, 2432, FINE), 1728, STANDARD, (1728, 864)),
        (PageFormat(2592, 3300, Resolution.INCH_300), 1728, FINE, (1728, 2200)),
        (PageFormat(3456, 4400, Resolution.INCH_400), 1728, FINE, (1728, 2200)),
        (PageFormat(1728, 2200, FINE), 3456, Resolution.R16_SUPERFINE, (3456, 4400)),
        (PageFormat(1728, 2200, FINE), 2048, FINE, (1728, 2200)),  # narrower than the line: white beside it
        (PageFormat(1728, 1, FINE), 1728, STANDARD, (1728, 1)),
    ],
)
def test_a_page_keeps_its_shape(page, width, resolution, size):
    assert fitted(page, width, resolution) == size
    pixels = convert(make_pixels(page.width, page.rows, "black"), page, width, resolution)
    picture = Image.frombytes("1", (width, size[1]), pixels)
    left = (width - size[0]) // 2
    assert picture.getbbox() == (left, 0, left + size[0], size[1])


@pytest.mark.parametrize(
    ("page", "width", "resolution", "max_rows", "size"),
    [
        (PageFormat(1728, 2000, FINE), 1728, FINE, 2291, (1728, 2000)),
        (PageFormat(1728, 2744, FINE), 1728, FINE, 2291, (1443, 2291)),  # Legal on A4
        (PageFormat(1728, 2744, FINE), 1728, STANDARD, 1145, (1442, 1145)),
        (PageFormat(2048, 2809, FINE), 1728, FINE, 2291, (1670, 2291)),  # B4 on A4, cut to 215 mm first
        (PageFormat(3456, 6000, Resolution.INCH_400), 1728, Resolution.INCH_200, 2338, (1347, 2338)),
        (PageFormat(1728, 60_000, FINE), 1728, FINE, 2291, (66, 2291)),
    ],
)
def test_a_page_that_is_too_long_is_made_smaller_in_both_directions(page, width, resolution, max_rows, size):
    assert fitted(page, width, resolution, max_rows) == size
    pixels = convert(make_pixels(page.width, page.rows, "black"), page, width, resolution, max_rows)
    picture = Image.frombytes("1", (width, size[1]), pixels)
    left = (width - size[0]) // 2
    assert picture.getbbox() == (left, 0, left + size[0], size[1])


def test_a_page_that_is_stored_in_mmr_is_not_handed_on_when_it_is_too_long(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 2744, "text")])
    limited = replace(mode(Coding.MMR), max_rows=2291)
    assert decode_page(encode_page(path, 0, limited), Coding.MMR, 1728).quality.rows == 2291


@pytest.mark.parametrize(("width", "resolution"), [(1728, STANDARD), (1728, FINE), (2048, STANDARD)])
@pytest.mark.parametrize("column", range(600, 612))
def test_a_thin_line_survives(width, resolution, column):
    page = PageFormat(2432, 1000, SUPERFINE)
    cross = Image.new("1", (page.width, page.rows), 0)
    cross.paste(1, (column, 0, column + 1, page.rows))
    cross.paste(1, (0, column, page.width, column + 1))
    across, down = fitted(page, width, resolution)
    result = Image.frombytes("1", (width, down), convert(cross.tobytes(), page, width, resolution))
    for y in range(down):
        assert result.crop((0, y, width, y + 1)).getbbox() is not None
    for x in range(across):
        assert result.crop((x, 0, x + 1, down)).getbbox() is not None


@given(
    st.sampled_from([1728, 2048, 2432]),
    st.integers(1, 60),
    st.sampled_from([STANDARD, FINE, SUPERFINE]),
    st.sampled_from(Coding),
    st.sampled_from([1728, 2048, 2432, 3456]),
    st.sampled_from(Resolution),
)
@settings(max_examples=40, deadline=None)
def test_any_page_fits_any_mode(tmp_path_factory, width, rows, resolution, coding, to_width, to_resolution):
    path = tmp_path_factory.mktemp("any") / "document.tif"
    make_document(path, [(width, resolution, rows, "text")])
    burst = encode_page(path, 0, mode(coding, to_width, to_resolution))
    quality = decode_page(burst, coding, to_width).quality
    assert quality.bad_rows == 0
    assert quality.rows == fitted(PageFormat(width, rows, resolution), to_width, to_resolution)[1]


def test_enlarging_and_reducing_gives_the_page_back():
    page, large = PageFormat(1728, 100, STANDARD), PageFormat(1728, 200, FINE)
    pixels = make_pixels(1728, 100, "text")
    assert convert(convert(pixels, page, 1728, FINE), large, 1728, STANDARD) == pixels


def test_a_page_that_is_not_there(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 10, "text")])
    for index in (-1, 1):
        with pytest.raises(DocumentError, match=f"no page {index + 1}; it has 1"):
            encode_page(path, index, mode(Coding.MMR))


def test_all_pages_in_order(tmp_path):
    path = tmp_path / "document.tif"
    pixels = make_document(path, [(1728, FINE, 10, "text"), (2048, STANDARD, 20, "lines")])
    assert [octets for _, octets in pages(path)] == pixels
    with path.open("rb") as file:
        assert [page.number for page in TiffFile(file).pages] == [1, 2]


def test_differing_pages(tmp_path):
    one, other = tmp_path / "one.tif", tmp_path / "other.tif"
    make_document(one, [(1728, FINE, 60, kind) for kind in ("text", "lines", "white", "text")], Coding.MMR)
    make_document(
        other, [(1728, FINE, 60, kind) for kind in ("text", "lines", "white", "text")], Coding.MR, 2
    )
    assert differing_pages(one, other) == []
    make_document(other, [(1728, FINE, 60, "text"), (1728, FINE, 60, "white"), (1728, STANDARD, 60, "white")])
    assert differing_pages(one, other) == [1, 2, 3]
    assert load_page(one, 0) == load_page(other, 0)


@pytest.mark.parametrize(
    ("resolution", "k"), [(STANDARD, 2), (Resolution.INCH_200X100, 2), (FINE, 4), (SUPERFINE, 4)]
)
def test_no_more_than_k_lines_of_mr_hang_together(tmp_path, resolution, k):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, resolution, 100, "text")])
    burst = encode_page(path, 0, mode(Coding.MR, resolution=resolution))
    lines = burst[: -len(RTC[Coding.MR])]
    # The first EOL stands without fill, so its tag bit is the thirteenth; the others end with an octet.
    first_bits = [lines[1] >> 3 & 1, *(lines[position + 1] >> 7 for position in eol_positions(lines))]
    assert first_bits == [int(row % k == 0) for row in range(100)]


def test_a_page_that_takes_longer_than_a_far_end_waits(tmp_path, monkeypatch):
    """Our own decoder, which reads what is not beyond doubt, takes many times as long as libtiff."""
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 100, "noise")] * 2, Coding.MH)
    octets = bytearray(path.read_bytes())
    (strip,) = structure(path)[1][1].strips
    octets[strip.offset + 3000] ^= 0xFF
    path.write_bytes(octets)
    how = mode(Coding.MH)
    encode_page(path, 1, how)
    monkeypatch.setattr("t38fsp.image.document.MOST_SECONDS", 0.0)
    with pytest.raises(DocumentError, match="page 2 cannot be faxed: reading it takes more than 0 s, longer"):
        encode_page(path, 1, how)


def test_a_page_by_its_place_is_the_page_by_its_number(tmp_path):
    """Whatever of the structure is needed to read it: here, that its strip goes on to the next directory."""
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 100 + number, "text") for number in range(3)])
    octets = bytearray(path.read_bytes())
    for page in structure(path)[1]:
        assert page.computed_lengths == ()
        (strip,) = page.strips
        length = octets.index(strip.length.to_bytes(4, "little"), page.place)
        octets[length : length + 4] = bytes(4)
    path.write_bytes(octets)
    identity, found = structure(path)
    assert all(page.computed_lengths == (page.strips[0].length,) for page in found)
    for index, page in enumerate(found):
        known = KnownPage(identity, page.number, page.place, page.computed_lengths)
        for how in (mode(Coding.MMR, 1728, FINE), mode(Coding.MH, 1728, FINE)):
            assert encode_known_page(path, known, how)[0] == encode_page(path, index, how)


def test_a_page_is_found_without_reading_those_before_it(tmp_path, monkeypatch):
    """Also where its directory does not tell the length of its strip."""
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 20, "text")] * 30)
    octets = bytearray(path.read_bytes())
    for page in structure(path)[1]:
        (strip,) = page.strips
        length = octets.index(strip.length.to_bytes(4, "little"), page.place)
        octets[length : length + 4] = bytes(4)
    path.write_bytes(octets)
    identity, found = structure(path)
    read = []
    made = Directory.__init__

    def noted(self, source, offset, number):
        read.append(number)
        made(self, source, offset, number)

    monkeypatch.setattr(Directory, "__init__", noted)
    for page in found[-2:]:
        known = KnownPage(identity, page.number, page.place, page.computed_lengths)
        encode_known_page(path, known, mode(Coding.MMR, 1728, FINE))
    assert read == [29, 30]

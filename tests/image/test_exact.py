"""libtiff's reading counts only where our own decoder reads the same."""

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.image.coder import encode_burst, encode_pixels
from t38fsp.image.document import _DOCUMENTS_REMEMBERED, _known, encode_page, inspect
from t38fsp.image.errors import DocumentError
from t38fsp.image.exact import decode_strip, read_burst, read_strip
from t38fsp.image.store import append_page
from t38fsp.t4.codes import EOL, HORIZONTAL
from t38fsp.t4.decode import decode_page, row_of
from t38fsp.t4.lines import to_bits
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t30.vocabulary import Coding, PageMode, PageQuality, Resolution
from tests.pages import load_page, make_document, make_pixels
from tests.t4.coding import code_mh, code_mmr, code_mr, encode_1d, encode_2d, run_code, to_octets

WIDTH = 1728
FINE, STANDARD = Resolution.R8_FINE, Resolution.R8_STANDARD
WHITE, BLACK = (), (0,)


def mode(coding: Coding, resolution: Resolution = FINE, width: int = WIDTH) -> PageMode:
    return PageMode(coding, width, resolution, coding is Coding.MMR, 14400, 0.0)


MMR, MR, MH = (mode(coding) for coding in (Coding.MMR, Coding.MR, Coding.MH))

inked = st.lists(st.integers(0, WIDTH - 1), max_size=12, unique=True).map(lambda line: tuple(sorted(line)))
pages = st.lists(st.one_of(inked, st.sampled_from([WHITE, WHITE, BLACK])), min_size=1, max_size=25)


def coded(lines, coding: Coding) -> bytes:
    """By an encoder that is not libtiff."""
    if coding is Coding.MH:
        return code_mh(lines, WIDTH)
    return code_mr(lines, WIDTH, 4) if coding is Coding.MR else code_mmr(lines, WIDTH)


def pixels_of(lines) -> bytes:
    return b"".join(row_of(line, WIDTH) for line in lines)


def assert_read_as_by_our_own_decoder(data: bytes, how: PageMode) -> None:
    image = read_burst(data, how)
    if image is not None:
        page = decode_page(data, how.coding, how.width)
        assert page.quality == PageQuality(image.height)
        assert page.pixels == image.tobytes()


# --- what is good -------------------------------------------------------------------------------------------


@given(pages, st.sampled_from(Coding), st.integers(0, 300))
@settings(max_examples=80, deadline=None)
def test_a_good_page_is_read_with_all_its_rows_and_no_more(lines, coding, padding):
    image = read_burst(coded(lines, coding) + bytes(padding), mode(coding))
    assert image is not None
    assert image.size == (WIDTH, len(lines))
    assert image.tobytes() == pixels_of(lines)


@pytest.mark.parametrize("last", [WHITE, BLACK, (5,), (WIDTH - 1,)])
@pytest.mark.parametrize("before", [WHITE, BLACK, (0, 7)])
@pytest.mark.parametrize("repeated", [1, 2, 9])
def test_the_last_rows_may_be_white_or_black(last, before, repeated):
    lines = [(3, 700), before, *[last] * repeated]
    image = read_burst(coded(lines, Coding.MMR), MMR)
    assert image is not None
    assert image.tobytes() == pixels_of(lines)


@pytest.mark.parametrize("rows", [2939, 2940, 2941, 11_760, 20_000, MAX_ROWS])
@pytest.mark.parametrize("kind", ["lines", "black"])
def test_a_page_may_be_long(rows, kind):
    pixels = make_pixels(WIDTH, rows, kind)
    image = read_burst(encode_pixels(pixels, WIDTH, Coding.MMR, FINE), MMR)
    assert image is not None
    assert image.height == rows
    assert image.tobytes() == pixels


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("resolution", [STANDARD, FINE, Resolution.INCH_300, Resolution.R16_SUPERFINE])
@pytest.mark.parametrize("kind", ["text", "lines", "noise", "white", "black"])
def test_every_kind_of_page_is_read(coding, resolution, kind):
    width = {408: 4864, 300: 2592}.get(resolution.x, 2432)
    how = mode(coding, resolution, width)
    pixels = make_pixels(width, 90, kind)
    image = read_burst(encode_burst(pixels, how), how)
    assert image is not None
    assert image.tobytes() == pixels


@pytest.mark.parametrize("fill", [0, 1, 11, 12, 40, 4000])
def test_fill_is_no_part_of_a_line(fill):
    lines = [(3, 9), (5,), WHITE, (WIDTH - 9,)]
    text = "".join(EOL + encode_1d(line, WIDTH) + "0" * fill for line in lines)
    for end in ("", EOL * 3, EOL * 6, EOL * 6 + "1"):
        image = read_burst(to_octets(text + end), MH)
        assert image is not None
        assert image.tobytes() == pixels_of(lines)


# --- what is not --------------------------------------------------------------------------------------------


@given(pages, st.sampled_from(Coding), st.data())
@settings(max_examples=80, deadline=None)
def test_a_page_cut_off_anywhere_is_not_taken_for_another(lines, coding, data):
    octets = coded(lines, coding)
    assert_read_as_by_our_own_decoder(octets[: data.draw(st.integers(0, len(octets)))], mode(coding))


@pytest.mark.parametrize("coding", Coding)
def test_a_page_cut_off_at_each_octet_is_not_taken_for_another(coding):
    lines = [(3, 700), WHITE, (3, 701), BLACK, (9, 20, 31), WHITE, WHITE]
    octets = coded(lines, coding)
    for length in range(len(octets)):
        assert_read_as_by_our_own_decoder(octets[:length], mode(coding))
        assert_read_as_by_our_own_decoder(octets[length:], mode(coding))


@given(pages, st.sampled_from(Coding), st.lists(st.integers(0, 10**6), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_flipped_bits_are_never_read_otherwise_than_by_our_own_decoder(lines, coding, places):
    octets = bytearray(coded(lines, coding))
    for place in places:
        octets[place // 8 % len(octets)] ^= 0x80 >> place % 8
    assert_read_as_by_our_own_decoder(bytes(octets), mode(coding))


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("kind", ["text", "halftone"])
def test_flipped_bits_in_larger_pages(coding, kind):
    chance = random.Random(kind)
    whole = encode_burst(make_pixels(WIDTH, 200, kind), mode(coding))
    for _ in range(40):
        octets = bytearray(whole)
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        assert_read_as_by_our_own_decoder(bytes(octets), mode(coding))
        declared = read_strip(bytes(octets), coding, WIDTH, 200, FINE)
        if declared is not None:
            assert decode_page(bytes(octets), coding, WIDTH).pixels == declared.tobytes()


@given(st.binary(max_size=300), st.sampled_from(Coding))
@settings(max_examples=80, deadline=None)
def test_any_octets_are_read_alike_or_not_at_all(octets, coding):
    assert_read_as_by_our_own_decoder(octets, mode(coding))
    assert_read_as_by_our_own_decoder(octets + coded([WHITE], coding), mode(coding))


def test_damage_that_libtiff_reads_over_is_seen():
    """The codes behind the damage fall into step again, and the white rows at the end hide the rest."""
    lines = [(100, 200), (100, 201), (100, 202), *[WHITE] * 10]
    bits = to_bits(code_mmr(lines, WIDTH))
    extension = "0000001111"
    first = encode_2d(lines[0], WHITE, WIDTH)
    damaged = to_octets(first + extension + bits[len(first) :])
    assert decode_page(damaged, Coding.MMR, WIDTH).quality == PageQuality(2, 1, 1)
    misread = decode_strip(damaged, Coding.MMR, WIDTH, len(lines) + 1)
    assert misread is not None
    assert misread.tobytes()[-10 * WIDTH // 8 :] == bytes(10 * WIDTH // 8)
    assert read_strip(damaged, Coding.MMR, WIDTH, len(lines) + 1, FINE) is None
    assert read_burst(damaged, MMR) is None


def test_rows_that_are_missing_are_not_made_up():
    data = code_mmr([(3, 9), WHITE], WIDTH)
    assert read_strip(data, Coding.MMR, WIDTH, 2, FINE) is not None
    for rows in (1, 3, 50):
        assert read_strip(data, Coding.MMR, WIDTH, rows, FINE) is None


def test_zeros_that_belong_to_a_code_may_not_be_missing():
    """A white run of 3 ends in three zeros; with fewer the line is bad, though EOL is found all the same."""
    text = encode_1d((10, WIDTH - 3), WIDTH)
    assert text.endswith("1000")
    for missing, good in ((0, True), (1, False), (3, False)):
        data = to_octets(EOL + text[: len(text) - missing] + EOL * 6)
        assert (read_burst(data, MH) is not None) is good
        assert (decode_page(data, Coding.MH, WIDTH).quality.bad_rows == 0) is good


@pytest.mark.parametrize("coding", Coding)
def test_what_is_too_large_is_left_to_our_own_decoder(coding):
    lines = [BLACK] * (MAX_ROWS + 1)
    data = coded(lines, coding)
    assert read_burst(data, mode(coding)) is None
    assert read_strip(data, coding, WIDTH, MAX_ROWS + 1, FINE) is None
    assert read_strip(data, coding, WIDTH, 10**6, FINE) is None
    assert decode_page(data, coding, WIDTH).quality == PageQuality(MAX_ROWS)


# --- an encoder that chooses other codes --------------------------------------------------------------------


def unusual_mmr(lines) -> bytes:
    """Every line in horizontal mode alone: T.6 has encoders choose otherwise, but it can be read."""
    text = ""
    for line in lines:
        ends = [0, *line, WIDTH, WIDTH]
        for start, middle, end in zip(ends[:-2:2], ends[1:-1:2], ends[2::2], strict=False):
            text += HORIZONTAL + run_code(middle - start, False) + run_code(end - middle, True)
    return to_octets(text + EOL * 2)


def test_a_page_of_an_unusual_encoder_is_read_by_our_own_decoder(tmp_path):
    lines = [(3, 9), WHITE, BLACK, (5, 6, 7), (5, 6, 7), WHITE]
    data = unusual_mmr(lines)
    assert read_burst(data, MMR) is None
    assert append_page(tmp_path / "received.tif", data, MMR) == PageQuality(len(lines))
    assert encode_page(tmp_path / "received.tif", 0, MMR) == data
    inspect(tmp_path / "received.tif")
    assert encode_page(tmp_path / "received.tif", 0, MMR) == data
    burst = encode_page(tmp_path / "received.tif", 0, MH)
    assert decode_page(burst, Coding.MH, WIDTH).pixels == pixels_of(lines)


@pytest.mark.parametrize("k", [1, 2, 4, 8, 1000])
def test_mr_may_hang_together_as_it_likes(tmp_path, k):
    lines = [(3 + row, 900) for row in range(40)]
    assert append_page(tmp_path / "received.tif", code_mr(lines, WIDTH, k), MR) == PageQuality(40)
    assert load_page(tmp_path / "received.tif", 0)[1] == pixels_of(lines)


# --- what is remembered -------------------------------------------------------------------------------------


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(WIDTH, FINE, 100, "text"), (WIDTH, FINE, 100, "lines")])
    return path


def test_an_inspected_page_is_not_examined_again(document, monkeypatch):
    inspect(document)
    expected = [encode_page(document, 1, how) for how in (MMR, MH)]

    def examined(*_: object) -> None:
        raise AssertionError("the page was examined again")

    monkeypatch.setattr("t38fsp.image.document.read_strip", examined)
    monkeypatch.setattr("t38fsp.image.document.decode_page", examined)
    assert [encode_page(document, 1, how) for how in (MMR, MH)] == expected
    os.utime(document, ns=(0, 0))
    with pytest.raises(AssertionError):
        encode_page(document, 1, MMR)


def test_a_page_that_changed_after_it_was_inspected_is_refused(document):
    inspect(document)
    burst = encode_page(document, 1, MMR)
    octets = document.read_bytes()
    position = octets.index(burst) + len(burst) // 2
    document.write_bytes(octets[:position] + bytes(20) + octets[position + 20 :])
    os.utime(document, ns=(0, 0))
    for how in (MMR, MH):
        with pytest.raises(DocumentError, match="damaged or cut short"):
            encode_page(document, 1, how)


def test_only_so_many_documents_are_remembered(tmp_path):
    for number in range(_DOCUMENTS_REMEMBERED + 5):
        make_document(tmp_path / f"{number}.tif", [(WIDTH, FINE, 2, "white")])
        inspect(tmp_path / f"{number}.tif")
    assert len(_known) == _DOCUMENTS_REMEMBERED

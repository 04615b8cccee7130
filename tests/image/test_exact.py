"""libtiff's reading counts only where our own decoder reads the same."""

import os
import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.image import libtiff
from t38fsp.image.coder import encode_burst, encode_pixels
from t38fsp.image.document import KnownPage, encode_known_page, encode_page, structure
from t38fsp.image.errors import DocumentError
from t38fsp.image.exact import check_strip, count_rows, decode_strip, read_t4, t4_rows
from t38fsp.image.libtiff import Runs, runs_of
from t38fsp.image.store import append_page, store_page
from t38fsp.t4.codes import EOL, HORIZONTAL
from t38fsp.t4.decode import decode_page, row_of
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t4.scan_lines import to_bits
from t38fsp.t30.vocabulary import Coding, PageMode, PageQuality, Resolution
from tests.pages import load_page, make_document, make_pixels
from tests.sweep import examples, sweep
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


@pytest.fixture(params=["heard", pytest.param("unheard", marks=pytest.mark.full)], autouse=True)
def library(request, monkeypatch):
    """As far as it goes everything is the same where libtiff is not to be heard: tried with all tests in the
    full tier, at a push by one."""
    if request.param == "unheard":
        not_heard(monkeypatch)
    return request.param


def not_heard(monkeypatch):
    monkeypatch.setattr(libtiff, "_library", lambda: None)


def read_burst(data: bytes, how: PageMode) -> bytes | None:
    """The pixels of a page as it is received, if libtiff reads it beyond doubt."""
    if how.coding is not Coding.MMR:
        return read_t4(data, how.coding, how.width, t4_rows(data, how.coding), how.resolution)
    rows = count_rows(data, how.width, how.resolution)
    return None if rows is None else decode_strip(data, how.coding, how.width, rows)


def read_strip(data: bytes, coding: Coding, rows: int) -> bytes | None:
    """The pixels of a page of a document, likewise."""
    if coding is not Coding.MMR:
        return read_t4(data, coding, WIDTH, rows, FINE)
    return decode_strip(data, coding, WIDTH, rows) if check_strip(data, WIDTH, rows, FINE) else None


def assert_read_as_by_our_own_decoder(data: bytes, how: PageMode) -> None:
    """As a page that is received, and as one of a document that has as many rows, or one more or less."""
    page = decode_page(data, how.coding, how.width)
    pixels = read_burst(data, how)
    if pixels is not None:
        assert page.quality == PageQuality(len(pixels) // (how.width // 8))
        assert page.pixels == pixels
    if how.coding is not Coding.MMR and page.quality == PageQuality(page.quality.rows):
        counted = read_t4(data, how.coding, how.width, page.quality.rows, how.resolution, counted=True)
        assert counted in (None, page.pixels)
    for rows in range(max(1, page.quality.rows - 1), page.quality.rows + 2):
        strip = read_strip(data, how.coding, rows)
        if strip is not None:
            own = decode_page(data, how.coding, how.width, rows + 1)
            assert own.pixels == strip
            assert own.quality == PageQuality(rows)


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("kind", ["text", "white", "noise"])
def test_where_libtiff_is_not_heard(monkeypatch, coding, kind):
    not_heard(monkeypatch)
    how = mode(coding)
    pixels = make_pixels(WIDTH, 20, kind)
    burst = encode_burst(pixels, how)
    assert read_burst(burst, how) == pixels
    assert read_strip(burst, coding, 20) == pixels
    for place in range(0, 8 * len(burst), 8 * len(burst) // 4):
        octets = bytearray(burst)
        octets[place // 8] ^= 0x80 >> place % 8
        assert_read_as_by_our_own_decoder(bytes(octets), how)
        assert_read_as_by_our_own_decoder(burst[: place // 8], how)


# --- what is good -------------------------------------------------------------------------------------------


@given(pages, st.sampled_from(Coding), st.integers(0, 300))
@examples(push=40, full=80)
def test_a_good_page_is_read_with_all_its_rows_and_no_more(lines, coding, padding):
    assert read_burst(coded(lines, coding) + bytes(padding), mode(coding)) == pixels_of(lines)


@pytest.mark.parametrize("last", [WHITE, BLACK, (5,), (WIDTH - 1,)])
@pytest.mark.parametrize("before", [WHITE, BLACK, (0, 7)])
@pytest.mark.parametrize("repeated", [1, 2, 9])
def test_the_last_rows_may_be_white_or_black(last, before, repeated):
    lines = [(3, 700), before, *[last] * repeated]
    assert read_burst(coded(lines, Coding.MMR), MMR) == pixels_of(lines)


@pytest.mark.parametrize(
    "rows",
    [2939, 2940, 2941, *(pytest.param(rows, marks=pytest.mark.full) for rows in (11_760, 20_000)), MAX_ROWS],
)
@pytest.mark.parametrize("kind", ["lines", "black"])
def test_a_page_may_be_long(rows, kind):
    pixels = make_pixels(WIDTH, rows, kind)
    assert read_burst(encode_pixels(pixels, WIDTH, Coding.MMR, FINE), MMR) == pixels


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("resolution", [STANDARD, FINE, Resolution.INCH_300, Resolution.R16_SUPERFINE])
@pytest.mark.parametrize("kind", ["text", "lines", "noise", "white", "black"])
def test_every_kind_of_page_is_read(coding, resolution, kind):
    width = {408: 4864, 300: 2592}.get(resolution.x, 2432)
    how = mode(coding, resolution, width)
    pixels = make_pixels(width, 90, kind)
    assert read_burst(encode_burst(pixels, how), how) == pixels


@pytest.mark.parametrize("fill", [0, 1, 11, 12, 40, 4000])
def test_fill_is_no_part_of_a_line(fill):
    lines = [(3, 9), (5,), WHITE, (WIDTH - 9,)]
    text = "".join(EOL + encode_1d(line, WIDTH) + "0" * fill for line in lines)
    for end in ("", EOL * 3, EOL * 6, EOL * 6 + "1"):
        assert read_burst(to_octets(text + end), MH) == pixels_of(lines)


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("resolution", [STANDARD, FINE, Resolution.R16_SUPERFINE])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize(("width", "kind"), [(1728, "text"), (1728, "noise"), (1723, "lines")])
def test_what_is_coded_is_the_same_with_and_without_pillow(
    monkeypatch, coding, resolution, aligned, width, kind
):
    pixels = make_pixels(width, 60, kind) if kind != "noise" else make_pixels(width, 200, kind)
    coded = encode_pixels(pixels, width, coding, resolution, aligned)
    monkeypatch.setattr(libtiff, "_library", lambda: None)
    assert encode_pixels(pixels, width, coding, resolution, aligned) == coded


# --- what is not --------------------------------------------------------------------------------------------


@given(pages, st.sampled_from(Coding), st.data())
@examples(push=40, full=80)
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
@examples(push=80, full=200)
def test_flipped_bits_are_never_read_otherwise_than_by_our_own_decoder(lines, coding, places):
    octets = bytearray(coded(lines, coding))
    for place in places:
        octets[place // 8 % len(octets)] ^= 0x80 >> place % 8
    assert_read_as_by_our_own_decoder(bytes(octets), mode(coding))


@sweep(push=36, coding=Coding, kind=["text", "halftone"], seed=range(40))
def test_flipped_bits_in_larger_pages(coding, kind, seed):
    chance = random.Random(f"{kind} {seed}")
    octets = bytearray(encode_burst(make_pixels(WIDTH, 200, kind), mode(coding)))
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    assert_read_as_by_our_own_decoder(bytes(octets), mode(coding))
    declared = read_strip(bytes(octets), coding, 200)
    if declared is not None:
        assert decode_page(bytes(octets), coding, WIDTH).pixels[: len(declared)] == declared


@given(st.binary(max_size=300), st.sampled_from(Coding))
@examples(push=40, full=80)
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
    assert misread[-10 * WIDTH // 8 :] == bytes(10 * WIDTH // 8)
    assert read_strip(damaged, Coding.MMR, len(lines) + 1) is None
    assert read_burst(damaged, MMR) is None


def test_rows_that_are_missing_are_not_made_up():
    data = code_mmr([(3, 9), WHITE], WIDTH)
    assert check_strip(data, WIDTH, 2, FINE)
    for rows in (0, 1, 3, 50):
        assert not check_strip(data, WIDTH, rows, FINE)


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
    assert read_strip(data, coding, MAX_ROWS + 1) is None
    assert read_strip(data, coding, 10**6) is None
    assert decode_page(data, coding, WIDTH).quality == PageQuality(MAX_ROWS)


# --- what libtiff says nothing of ---------------------------------------------------------------------------


def test_an_empty_run_within_a_row_is_seen():
    """It is good, and no change of colour; libtiff takes it for one in the row below."""
    line = HORIZONTAL + run_code(10, False) + run_code(0, True)
    text = line + HORIZONTAL + run_code(20, False) + run_code(9, True) + "1" + "1" * 3
    data = to_octets(text + EOL * 2)
    rows = decode_page(data, Coding.MMR, WIDTH)
    assert rows.quality == PageQuality(2)
    assert rows.pixels == pixels_of([(30, 39), (30, 39)])
    assert read_burst(data, MMR) is None
    assert read_strip(data, Coding.MMR, 2) is None


@pytest.mark.parametrize(
    ("runs", "empty"),
    [
        ([0, 1728], False),
        ([1728, 0], False),
        ([0, 1728, 0], False),
        ([256, 512, 960], False),
        ([0, 0, 1728], True),
        ([5, 0, 1723], True),
        ([256, 0, 1472], True),
        ([1, 2, 0, 0], True),
    ],
)
def test_where_a_run_may_be_empty(runs, empty):
    rows = [array("I", [9, 1719]).tobytes(), array("I", runs).tobytes()]
    assert Runs([*rows]).has_empty() is empty
    assert Runs([*rows, b""]).has_empty(1) is empty
    assert not Runs([*rows]).has_empty(1)
    settled = Runs([*rows, *rows])
    settled.settle()
    assert (settled.before, settled.rows) == (2, rows)
    assert settled.has_empty(2) is empty


def test_what_has_no_effect_before_eofb_is_seen():
    """Two runs of 0 in horizontal mode: a row has begun, though nothing shows of it."""
    idle = HORIZONTAL + run_code(0, False) + run_code(0, True)
    for last in (WHITE, (5,)):
        good = encode_2d((3, 9), WHITE, WIDTH) + encode_2d(last, (3, 9), WIDTH)
        data = to_octets(good + idle + EOL * 2)
        assert decode_page(data, Coding.MMR, WIDTH).quality == PageQuality(3, 1, 1)
        assert read_burst(data, MMR) is None
        assert not check_strip(data, WIDTH, 2, FINE)
        assert check_strip(to_octets(good + EOL * 2), WIDTH, 2, FINE)


def test_the_end_is_where_the_data_end():
    """An EOFB before it ends the page for everybody; what follows is not looked at."""
    data = code_mmr([(3, 9), WHITE], WIDTH)
    assert read_burst(data + data, MMR) is None
    assert check_strip(data + data, WIDTH, 2, FINE) is not True


def test_an_empty_run_is_seen_however_long_the_page_goes_on():
    line = HORIZONTAL + run_code(10, False) + run_code(0, True)
    text = line + HORIZONTAL + run_code(20, False) + run_code(9, True) + "1" + "1" * 3 * 9000
    data = to_octets(text + EOL * 2)
    assert decode_page(data, Coding.MMR, WIDTH).quality == PageQuality(9001)
    assert read_burst(data, MMR) is None
    assert not check_strip(data, WIDTH, 9001, FINE)


def test_a_row_that_is_cut_off_is_not_completed_by_the_marker():
    """Nor by the zeros that libtiff reads after the end."""
    data = bytes.fromhex("2381e2ce590d40ec1b894d1a8660020020")
    assert decode_page(data, Coding.MMR, WIDTH).quality == PageQuality(5, 1, 1)
    assert not any(check_strip(data, WIDTH, rows, FINE) for rows in range(1, 8))
    last = encode_2d((WIDTH - 3,), WHITE, WIDTH)
    whole = encode_2d(WHITE, WHITE, WIDTH) + HORIZONTAL + run_code(WIDTH - 4, False) + run_code(4, True)
    assert check_strip(to_octets(whole + EOL * 2), WIDTH, 2, FINE)
    for bits in (whole, whole[:-1], whole[:-2], last[:-1]):
        assert not check_strip(to_octets(bits), WIDTH, 2, FINE)


@pytest.mark.parametrize("width", [1721, 100, 8])
def test_what_is_stored_on_its_side_may_have_any_width(width):
    pixels = make_pixels(width, 40, "lines")
    data = encode_pixels(pixels, width, Coding.MMR, FINE)
    assert check_strip(data, width, 40, FINE)
    assert not check_strip(data, width, 41, FINE)
    assert not check_strip(data[:5] + data[6:], width, 40, FINE)


def test_a_file_that_is_no_file_is_not_read(library):
    assert (runs_of(b"", Coding.MMR, WIDTH, 1) is None) or library == "heard"
    assert count_rows(b"", WIDTH, FINE) is None
    assert t4_rows(b"", Coding.MH) == 0


# --- counted as they came -----------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", [Coding.MH, Coding.MR])
def test_lines_that_were_counted_are_not_coded_again(tmp_path, monkeypatch, library, coding):
    data = encode_burst(make_pixels(WIDTH, 60, "text"), mode(coding))
    expected = store_page(tmp_path / "one.tif", data, mode(coding))[0]
    if library == "heard":
        monkeypatch.setattr("t38fsp.image.exact.encode_pixels", None)
    counted = PageQuality(60)
    assert store_page(tmp_path / "two.tif", data, mode(coding), counted=counted)[0] == expected == counted
    assert load_page(tmp_path / "two.tif", 0) == load_page(tmp_path / "one.tif", 0)


def test_bad_lines_that_were_counted_are_repaired(tmp_path):
    lines = [(3, 9), (5,), (7, 8)]
    text = [EOL + encode_1d(line, WIDTH) for line in lines]
    data = to_octets(text[0] + EOL + "0101" + text[2] + EOL * 6)
    counted = PageQuality(3, 1, 1)
    assert store_page(tmp_path / "fax.tif", data, MH, counted=counted)[0] == counted
    assert load_page(tmp_path / "fax.tif", 0)[1] == pixels_of([(3, 9), (3, 9), (7, 8)])


# --- an encoder that chooses other codes --------------------------------------------------------------------


def unusual_mmr(lines) -> bytes:
    """Every line in horizontal mode alone: T.6 has encoders choose otherwise, but it can be read."""
    text = ""
    for line in lines:
        ends = [0, *line, WIDTH, WIDTH]
        for start, middle, end in zip(ends[:-2:2], ends[1:-1:2], ends[2::2], strict=False):
            text += HORIZONTAL + run_code(middle - start, False) + run_code(end - middle, True)
    return to_octets(text + EOL * 2)


def test_a_page_of_an_unusual_encoder_is_read(tmp_path, library):
    """By our own decoder, where it would have to be coded again."""
    lines = [(3, 9), WHITE, BLACK, (5, 6, 7), (5, 6, 7), WHITE]
    data = unusual_mmr(lines)
    assert read_burst(data, MMR) == (pixels_of(lines) if library == "heard" else None)
    assert append_page(tmp_path / "received.tif", data, MMR) == PageQuality(len(lines))
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


def test_a_page_that_is_known_is_not_examined_again(document, monkeypatch):
    identity, found = structure(document)
    known = KnownPage(identity, 2, found[1].place)
    expected = {how: encode_known_page(document, known, how) for how in (MMR, MH)}
    facts = expected[MMR][1]

    def examined(*_: object) -> None:
        raise AssertionError("the page was examined again")

    monkeypatch.setattr("t38fsp.image.document.check_strip", examined)
    monkeypatch.setattr("t38fsp.image.document.decode_page", examined)
    known = KnownPage(identity, 2, found[1].place, (), facts)
    assert {how: encode_known_page(document, known, how) for how in (MMR, MH)} == expected


def test_a_page_that_changed_after_it_was_inspected_is_refused(document):
    identity, found = structure(document)
    known = KnownPage(identity, 2, found[1].place)
    burst, facts = encode_known_page(document, known, MMR)
    octets = document.read_bytes()
    position = octets.index(burst) + len(burst) // 2
    document.write_bytes(octets[:position] + bytes(20) + octets[position + 20 :])
    os.utime(document, ns=(0, 0))
    for how in (MMR, MH):
        with pytest.raises(DocumentError, match="was changed after it was inspected"):
            encode_known_page(document, KnownPage(identity, 2, found[1].place, (), facts), how)
        with pytest.raises(DocumentError, match="damaged or cut short"):
            encode_page(document, 1, how)

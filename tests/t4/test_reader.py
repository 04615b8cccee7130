"""Pages as they arrive: in pieces, damaged, with losses, ending well or not."""

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.t4.codes import EOL
from t38fsp.t4.decode import decode_page
from t38fsp.t4.reader import MAX_ROWS, ScanLineChecker, line_reader
from t38fsp.t4.scan_lines import to_bits
from t38fsp.t30.vocabulary import Coding, PageQuality
from tests.t4.coding import code_mh, code_mmr, code_mr, encode_1d, encode_2d, to_octets

WIDTH = 1728


def some_lines(rows: int, seed: int = 0, changes: int = 20):
    chance = random.Random(seed)
    line: set[int] = set()
    lines = []
    for _ in range(rows):
        line = {min(c + chance.randint(0, 1), WIDTH - 1) for c in line} ^ {chance.randrange(WIDTH)}
        line = set(sorted(line)[:changes])
        lines.append(tuple(sorted(line)))
    return lines


def coded(lines, coding: Coding) -> bytes:
    if coding is Coding.MH:
        return code_mh(lines, WIDTH)
    return code_mr(lines, WIDTH, 4) if coding is Coding.MR else code_mmr(lines, WIDTH)


def read(data: bytes, coding: Coding, piece: int = 50):
    reader = line_reader(coding, WIDTH)
    lines = []
    for start in range(0, len(data), piece):
        lines += reader.feed(data[start : start + piece])
    return lines + reader.finish(), reader


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("piece", [1, 7, 54, 100_000])
def test_a_page_comes_back_whatever_the_pieces(coding, piece):
    lines = some_lines(60)
    assert read(coded(lines, coding), coding, piece)[0] == lines


@pytest.mark.parametrize("coding", Coding)
def test_the_end_of_the_page_is_seen_and_nothing_behind_it_counts(coding):
    lines = some_lines(10)
    reader = line_reader(coding, WIDTH)
    seen = reader.feed(coded(lines, coding) + bytes(2000))
    assert reader.ended
    assert seen + reader.feed(coded(lines, coding)) + reader.finish() == lines


@pytest.mark.parametrize("coding", [Coding.MH, Coding.MR])
def test_a_page_without_rtc_is_whole_too(coding):
    lines = some_lines(12)
    bits = to_bits(coded(lines, coding))
    rtc = (EOL if coding is Coding.MH else EOL + "1") * 6
    assert read(to_octets(bits[: bits.rindex(rtc)]), coding)[0] == lines


def test_an_mmr_page_without_eofb_ends_where_only_zeros_follow():
    lines = some_lines(12)
    bits = to_bits(coded(lines, Coding.MMR))
    assert read(to_octets(bits[: bits.rindex(EOL * 2)]) + bytes(100), Coding.MMR)[0] == lines


def test_fill_of_any_length_is_skipped():
    lines = some_lines(5)
    fills = [0, 1, 9, 50_000, 3]
    bits = "".join(EOL + encode_1d(line, WIDTH) + "0" * n for line, n in zip(lines, fills, strict=True))
    assert read(to_octets(bits + EOL * 6), Coding.MH)[0] == lines


def test_noise_before_the_first_eol_is_no_line():
    lines = some_lines(5)
    noise = to_octets("0110111" * 3 + "0" * 3)
    assert read(noise + code_mh(lines, WIDTH), Coding.MH)[0] == lines


def test_a_first_line_without_eol_is_taken():
    lines = some_lines(5)
    bits = to_bits(code_mh(lines, WIDTH))[len(EOL) :]
    assert read(to_octets(bits), Coding.MH)[0] == lines


def test_one_damaged_mh_line_is_one_bad_row_and_is_repaired_from_above():
    lines = some_lines(9)
    texts = [encode_1d(line, WIDTH) for line in lines]
    texts[4] = texts[4][:20] + ("0" if texts[4][20] == "1" else "1") + texts[4][21:]
    data = to_octets("".join(EOL + text for text in texts) + EOL * 6)
    repaired = [*lines[:4], lines[3], *lines[5:]]
    page = decode_page(data, Coding.MH, WIDTH)
    assert page.quality == PageQuality(rows=9, bad_rows=1, longest_bad_run=1)
    assert page.pixels == decode_page(code_mh(repaired, WIDTH), Coding.MH, WIDTH).pixels


def test_after_a_damaged_mr_line_rows_are_bad_up_to_the_next_one_dimensional_one():
    lines = some_lines(12)
    text = ""
    for number, line in enumerate(lines):
        if number % 4 == 0:
            text += EOL + "1" + encode_1d(line, WIDTH)
        elif number == 5:
            text += EOL + "0" + "0000001111"
        else:
            text += EOL + "0" + encode_2d(line, lines[number - 1], WIDTH)
    got, reader = read(to_octets(text + (EOL + "1") * 6), Coding.MR)
    assert got == [*lines[:5], None, None, None, *lines[8:]]
    assert reader.ended


def test_an_empty_line_between_two_eols_is_a_line_that_was_lost():
    lines = some_lines(6)
    text = "".join(EOL + encode_1d(line, WIDTH) for line in lines[:3]) + EOL
    text += "".join(EOL + encode_1d(line, WIDTH) for line in lines[3:]) + EOL * 6
    assert read(to_octets(text), Coding.MH)[0] == [*lines[:3], None, *lines[3:]]


@pytest.mark.parametrize("coding", [Coding.MH, Coding.MR])
def test_a_gap_costs_the_rows_it_touches_and_no_others(coding):
    lines = some_lines(40)
    data = coded(lines, coding)
    checker = ScanLineChecker(coding, WIDTH)
    reader = line_reader(coding, WIDTH)
    for part, after_gap in ((data[:200], False), (data[210:], True)):
        checker.feed(part, after_gap)
    got = reader.feed(data[:200]) + reader.feed(data[210:], after_gap=True) + reader.finish()
    quality = checker.finish()
    assert quality.rows == len(got)
    assert 1 <= quality.bad_rows <= 4
    first, last = got.index(None), len(got) - got[::-1].index(None)
    assert got[:first] == lines[:first]
    assert got[last:] == lines[len(lines) - (len(got) - last) :]


@pytest.mark.parametrize("coding", [Coding.MH, Coding.MR])
@pytest.mark.parametrize("behind", [b"", bytes(50)])
def test_a_gap_at_the_end_is_a_bad_row(coding, behind):
    """At the end of a line too, where nothing of the next one came."""
    lines = some_lines(12)
    bits = to_bits(coded(lines, coding))
    rtc = (EOL if coding is Coding.MH else EOL + "1") * 6
    reader = line_reader(coding, WIDTH)
    got = reader.feed(to_octets(bits[: bits.rindex(rtc)] + EOL + "1"))
    assert not reader.ended
    assert got + reader.feed(behind, after_gap=True) + reader.finish() == [*lines, None]


def test_a_gap_in_mmr_is_the_end():
    data = coded(some_lines(400), Coding.MMR)
    reader = line_reader(Coding.MMR, WIDTH)
    reader.feed(data[:100])
    assert reader.feed(data[120:], after_gap=True) == [None]
    assert reader.ended


def test_an_mmr_page_that_is_cut_off_has_a_bad_row_at_its_end():
    lines = some_lines(50)
    got, _ = read(coded(lines, Coding.MMR)[:-40], Coding.MMR)
    assert got[-1] is None
    assert got[:-1] == lines[: len(got) - 1]


def test_longest_bad_run():
    lines = some_lines(20)
    bad = {3, 4, 5, 9, 12, 13}
    text = "".join(EOL + ("0111" if n in bad else encode_1d(line, WIDTH)) for n, line in enumerate(lines))
    checker = ScanLineChecker(Coding.MH, WIDTH)
    checker.feed(to_octets(text + EOL * 6))
    assert checker.ended
    assert checker.finish() == PageQuality(rows=20, bad_rows=6, longest_bad_run=3)


def test_the_length_of_a_page_is_bounded():
    assert decode_page(b"\xff" * 8192, Coding.MMR, WIDTH).quality.rows == MAX_ROWS


@pytest.mark.parametrize("octets", [b"\0", b"\xff", b"\x55", b"\x80\x00\x00\x10"])
def test_memory_is_bounded_whatever_arrives(octets):
    for coding in (Coding.MH, Coding.MR):
        checker = ScanLineChecker(coding, WIDTH)
        piece = octets * (1000 // len(octets))
        tracemalloc.start()
        for _ in range(150):
            checker.feed(piece)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 64 * 1024


@given(st.lists(st.tuples(st.binary(max_size=300), st.booleans()), max_size=6), st.sampled_from(Coding))
def test_any_octets_give_a_count(pieces, coding):
    checker = ScanLineChecker(coding, WIDTH)
    for data, after_gap in pieces:
        checker.feed(data, after_gap)
    quality = checker.finish()
    assert 0 <= quality.longest_bad_run <= quality.bad_rows <= quality.rows


@given(st.integers(0, 2**32), st.sampled_from([Coding.MH, Coding.MR]), st.data())
@settings(max_examples=60)
def test_the_checker_and_the_decoder_count_the_same(seed, coding, data):
    page = bytearray(coded(some_lines(30, seed), coding))
    for position in data.draw(st.lists(st.integers(0, len(page) - 1), max_size=6)):
        page[position] ^= data.draw(st.integers(1, 255))
    checker = ScanLineChecker(coding, WIDTH)
    for start in range(0, len(page), 37):
        checker.feed(bytes(page[start : start + 37]))
    decoded = decode_page(bytes(page), coding, WIDTH)
    assert checker.finish() == decoded.quality
    assert len(decoded.pixels) == decoded.quality.rows * WIDTH // 8

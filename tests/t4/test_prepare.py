"""What goes on the line: fill makes every line long enough and changes nothing else."""

import itertools
import math

import pytest

from t38fsp.image.coder import encode_pixels
from t38fsp.t4.codes import EOL
from t38fsp.t4.decode import decode_page
from t38fsp.t4.prepare import EOFB, RTC, ends_with_eofb, eol_positions, prepare_t4, without_padding
from t38fsp.t4.scan_lines import to_bits
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.pages import make_pixels
from tests.sweep import Share, sweep

WIDTH, ROWS = 1728, 200


def mode(coding: Coding, scan_line_time: float, bit_rate: int = 9600) -> PageMode:
    return PageMode(coding, WIDTH, Resolution.R8_FINE, False, bit_rate, scan_line_time)


def line_lengths(burst: bytes, coding: Coding) -> list[int]:
    """Bits of each line, from behind the EOL (and tag) before it to the end of its own."""
    bits = to_bits(burst)
    rtc = EOL * 6 if coding is Coding.MH else (EOL + "1") * 6
    bits = bits[: bits.rindex(rtc) + len(EOL)]
    ends, position = [], bits.find(EOL)
    while position >= 0:
        ends.append(position + len(EOL))
        position = bits.find(EOL, ends[-1])
    return [end - start for start, end in itertools.pairwise(ends)]


@sweep(
    push=Share.PAIRS,
    coding=[Coding.MH, Coding.MR],
    scan_line_time=[0.0, 0.005, 0.01, 0.02, 0.04],
    bit_rate=[2400, 7200, 14400],
    kind=["white", "text", "noise"],
)
def test_no_line_is_shorter_than_the_minimum_scan_line_time(coding, scan_line_time, bit_rate, kind):
    pixels = make_pixels(WIDTH, ROWS, kind)
    lines = encode_pixels(pixels, WIDTH, coding, Resolution.R8_FINE)
    burst = prepare_t4(lines, mode(coding, scan_line_time, bit_rate))
    lengths = line_lengths(burst, coding)
    assert len(lengths) == ROWS
    assert min(lengths) >= math.ceil(scan_line_time * bit_rate)
    page = decode_page(burst, coding, WIDTH)
    assert page.ended
    assert page.pixels == pixels


@pytest.mark.parametrize("coding", [Coding.MH, Coding.MR])
def test_a_burst_begins_with_eol_and_ends_with_rtc(coding):
    lines = encode_pixels(make_pixels(WIDTH, ROWS, "text"), WIDTH, coding, Resolution.R8_FINE)
    burst = prepare_t4(lines, mode(coding, 0.02))
    assert to_bits(burst).startswith(EOL)
    assert burst.endswith(RTC[coding])


@pytest.mark.parametrize("coding", [Coding.MH, Coding.MR])
@pytest.mark.parametrize("kind", ["white", "black", "noise"])
def test_a_page_of_one_line_begins_with_a_bare_eol_too(coding, kind):
    pixels = make_pixels(WIDTH, 1, kind)
    lines = encode_pixels(pixels, WIDTH, coding, Resolution.R8_FINE)
    burst = prepare_t4(b"\0\0" + lines, mode(coding, 0.0))
    assert to_bits(burst).startswith(EOL)
    assert decode_page(burst, coding, WIDTH).pixels == pixels


def test_rtc_is_six_eols_with_a_one_after_each_in_mr():
    assert to_bits(RTC[Coding.MH]) == EOL * 6
    assert to_bits(RTC[Coding.MR]).startswith((EOL + "1") * 6)
    assert len(RTC[Coding.MR]) == 10


def test_lines_that_are_long_enough_get_no_fill():
    lines = encode_pixels(make_pixels(WIDTH, ROWS, "noise"), WIDTH, Coding.MH, Resolution.R8_FINE)
    burst = prepare_t4(lines, mode(Coding.MH, 0.005))
    assert len(burst) == len(lines + RTC[Coding.MH])
    second = eol_positions(lines)[1]
    assert burst[second:] == lines[second:] + RTC[Coding.MH]


def test_every_eol_is_found_and_nothing_else():
    lines = encode_pixels(make_pixels(WIDTH, ROWS, "noise"), WIDTH, Coding.MR, Resolution.R8_FINE)
    assert len(eol_positions(lines)) == ROWS


def test_lines_without_octet_aligned_eol_are_refused():
    with pytest.raises(ValueError, match="octet-aligned EOL"):
        prepare_t4(b"\x35\x4d" * 20, mode(Coding.MH, 0.02))
    with pytest.raises(ValueError, match="MMR"):
        prepare_t4(EOFB, mode(Coding.MMR, 0.0))


@pytest.mark.parametrize("shift", range(8))
def test_eofb_is_recognised_at_every_bit_position(shift):
    bits = "1" * shift + EOL * 2
    assert ends_with_eofb(
        int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8)) + bytes(5)
    )
    assert not ends_with_eofb(int(("1" + bits[:-12]).ljust(40, "0"), 2).to_bytes(5))


@pytest.mark.parametrize("shift", range(8))
def test_whatever_pads_the_octet_of_eofb_is_cleared(shift):
    code = "1" * shift + EOL * 2
    length = -(-len(code) // 8)
    padded_by_zeros, padded_by_ones = (
        int(code.ljust(8 * length, bit), 2).to_bytes(length) for bit in ("0", "1")
    )
    assert without_padding(padded_by_ones + bytes(3)) == padded_by_zeros
    assert without_padding(padded_by_zeros) == padded_by_zeros


@pytest.mark.parametrize("data", [b"", bytes(3), b"\x80\x01\x80", b"\x26\xa0\0\0", EOFB + b"\x55"])
def test_data_without_eofb_at_the_end_stay(data):
    assert without_padding(data) == data

"""Single lines: every line there is comes back, and nothing that arrives raises anything else."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from t38fsp.t4.scan_lines import LOOKAHEAD, ScanLineError, decode_1d, decode_2d
from tests.sweep import examples
from tests.t4.coding import encode_1d, encode_2d, run_code

WIDTHS = st.sampled_from([8, 64, 1728, 2432, 4864])
PAD = "0" * LOOKAHEAD


@st.composite
def two_lines(draw):
    """A width, a line, and a line above it that shares many of its changes, as pictures do."""
    width = draw(WIDTHS)
    changes = st.sets(st.integers(0, width - 1), max_size=40)
    line = draw(changes)
    above = {min(max(c + draw(st.integers(-4, 4)), 0), width - 1) for c in line}
    above = (
        above ^ draw(st.sets(st.integers(0, width - 1), max_size=3)) if draw(st.booleans()) else draw(changes)
    )
    return width, tuple(sorted(line)), tuple(sorted(above))


@given(two_lines())
@example((1728, (), ()))
@example((1728, (0,), ()))
@example((8, tuple(range(8)), ()))
@settings(max_examples=200)
def test_one_dimensional_lines_come_back(lines):
    width, line, _ = lines
    bits = encode_1d(line, width)
    assert decode_1d(bits + PAD, 0, width) == (line, len(bits))


@given(two_lines())
@example((1728, (), (0, 1)))
@example((1728, (0, 1727), (1727,)))
@example((8, (1, 2), (0, 2)))
@examples(push=133, full=400)
def test_two_dimensional_lines_come_back(lines):
    width, line, above = lines
    bits = encode_2d(line, above, width)
    assert decode_2d("1" + bits + PAD, 1, above, width) == (line, 1 + len(bits))


def test_runs_of_no_length_are_no_changes():
    bits = run_code(5, False) + run_code(0, True) + run_code(5, False) + run_code(6, True)
    assert decode_1d(bits + PAD, 0, 16) == ((10,), len(bits))


@pytest.mark.parametrize(
    ("bits", "what"),
    [
        (run_code(1729, False), "more pixels"),
        (run_code(1727, False) + "0" * 13, "no run-length code"),
        ("", "no run-length code"),
    ],
)
def test_a_line_of_another_width_is_an_error(bits, what):
    with pytest.raises(ScanLineError, match=what):
        decode_1d(bits + PAD, 0, 1728)


@pytest.mark.parametrize(
    ("bits", "what"),
    [
        ("0000001111", "no mode code"),  # uncompressed mode
        ("0000000", "no mode code"),
        ("011", "outside the line"),  # VR1 from the width
        ("001" + run_code(1700, False) + run_code(29, True), "more pixels"),
    ],
)
def test_a_line_that_leaves_its_width_is_an_error(bits, what):
    with pytest.raises(ScanLineError, match=what):
        decode_2d(bits + PAD, 0, (), 1728)


@given(st.text("01", max_size=400), two_lines())
def test_any_bits_are_a_line_or_a_line_error(bits, lines):
    width, _, above = lines
    for decode in (lambda: decode_1d(bits + PAD, 0, width), lambda: decode_2d(bits + PAD, 0, above, width)):
        try:
            line, _ = decode()
        except ScanLineError:
            continue
        assert list(line) == sorted(set(line))
        assert all(0 <= change < width for change in line)

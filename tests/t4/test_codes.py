"""The code tables against what is known of them as a whole."""

import itertools
from fractions import Fraction
from hashlib import sha256

from t38fsp.t4.codes import (
    BLACK_CODES,
    EOL,
    MODES,
    RUN_BITS,
    VERTICAL_CODES,
    WHITE_CODES,
    run_tables,
)

# Of the lines "W|B run code", white first, runs ascending; made from two independent implementations.
CANONICAL = "a146f116946ef344d7576558575cd766fbf512131a32664223bb17e265e87812"


def test_the_run_length_codes_are_those_of_t4():
    lines = [
        f"{colour} {run} {code}\n"
        for colour, codes in (("W", WHITE_CODES), ("B", BLACK_CODES))
        for run, code in sorted(codes.items())
    ]
    assert len(lines) == 208
    assert sha256("".join(lines).encode()).hexdigest() == CANONICAL


def test_no_code_begins_with_another():
    for codes in (WHITE_CODES, BLACK_CODES):
        words = sorted([*codes.values(), EOL])
        assert not [a for a, b in itertools.pairwise(words) if b.startswith(a)]
        assert sum(Fraction(1, 2 ** len(code)) for code in codes.values()) == Fraction(255, 256)


def test_every_code_is_found_whatever_follows_it():
    for codes, table in zip((WHITE_CODES, BLACK_CODES), run_tables(), strict=True):
        for run, code in codes.items():
            for rest in ("0", "1"):
                assert table[code.ljust(RUN_BITS, rest)] == (run, len(code))
    for offset, code in VERTICAL_CODES.items():
        for rest in ("0", "1"):
            length = len(code) if offset or rest == "0" else 7  # V0 and all that follow it
            assert MODES[code.ljust(7, rest)] == (offset, length)


def test_eol_and_the_extension_codes_are_not_decoded():
    for table in run_tables():
        assert EOL.ljust(RUN_BITS, "1") not in table
    assert EOL[:7] not in MODES
    assert "0000001" not in MODES

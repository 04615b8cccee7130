"""That sweeps take the cases they promise, and name the one that fails."""

from __future__ import annotations

import re
from itertools import islice, product
from itertools import pairwise as pairs

import pytest

from tests.sweep import covering, scattered

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 100, 136])
def test_every_case_comes_once(count: int) -> None:
    assert sorted(scattered(count, salt=7)) == list(range(count))


def test_a_few_cases_are_spread_over_all() -> None:
    few = sorted(islice(scattered(136, salt=5), 34))
    assert max(later - earlier for earlier, later in pairs(few)) <= 8
    assert {index % 2 for index in few} == {0, 1}


AXES = {"a": range(8), "b": range(7), "c": "vwxyz", "d": [True, False], "e": [True, False]}
ROWS = [dict(zip(AXES, values, strict=True)) for values in product(*AXES.values())]


def test_pairs_are_covered_by_few_rows() -> None:
    chosen = covering(ROWS, 2)
    assert len(chosen) < 80 < len(ROWS)
    for one, other in [("a", "b"), ("a", "c"), ("c", "d"), ("d", "e"), ("b", "e")]:
        assert {(row[one], row[other]) for row in chosen} == set(product(AXES[one], AXES[other]))


def test_each_value_is_covered_by_as_many_rows_as_the_longest_axis_has() -> None:
    chosen = covering(ROWS, 1)
    assert len(chosen) == 8
    for name, values in AXES.items():
        assert {row[name] for row in chosen} == set(values)


TEST = """
from tests.sweep import Share, sweep

@sweep(push=3, seed=range(10), ecm=[True, False])
def test_it(tmp_path, seed, ecm):
    assert not list(tmp_path.iterdir())
    (tmp_path / "x").touch()
    print(f"[{seed} {ecm}]")
    assert (seed, ecm) != (4, True)
"""


@pytest.fixture
def swept(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest("from tests.conftest import pytest_addoption")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(TEST)
    return pytester


def test_the_case_that_fails_is_named_and_runs_alone(swept: pytest.Pytester) -> None:
    swept.runpytest("--tier", "long").stdout.fnmatch_lines(["*alone: --case 'seed=4 ecm=True'*"])
    alone = swept.runpytest("--case", "seed=4 ecm=True")
    alone.assert_outcomes(failed=1)
    assert alone.stdout.str().count("[4 True]") == 1
    swept.runpytest("--case", "seed=5 ecm=True").assert_outcomes(passed=1)
    swept.runpytest("--case", "seed=11 ecm=True").assert_outcomes(skipped=1)


def test_a_push_takes_the_same_few_each_time(swept: pytest.Pytester) -> None:
    first, second = (swept.runpytest("-s", "--tier", "push").stdout.str() for _ in range(2))
    cases = re.findall(r"\[\d (?:True|False)\]", first)
    assert len(cases) == 3
    assert cases == re.findall(r"\[\d (?:True|False)\]", second)

"""Tests that take long begin first, and each is run once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.order import COMPUTING, WAITING, WHOLE, arranged

TESTS = Path(__file__).parent
SHORT = [f"short.py {number}" for number in range(100)]
WAITS = next(file for file in WAITING if file not in WHOLE)
LONG = [f"{file} {number}" for file in (WAITS, COMPUTING[0], WHOLE[-1]) for number in range(9)]


def file_of(item: str) -> str:
    return item.split()[0]


def runs(items: list[str], workers: int) -> list[list[str]]:
    """As ``--dist worksteal`` deals them out first."""
    dealt, left = [], items
    for number in range(workers):
        length = len(left) // (workers - number)
        dealt.append(left[:length])
        left = left[length:]
    return dealt


@pytest.mark.parametrize("workers", [2, 3, 4, 8, 64])
@pytest.mark.parametrize("items", [SHORT + LONG, LONG, SHORT, []], ids=["both", "long", "short", "none"])
def test_each_is_run_once(items: list[str], workers: int) -> None:
    assert sorted(arranged(items, workers, file_of)) == sorted(items)


def test_each_worker_begins_with_what_is_long() -> None:
    dealt = runs(arranged(SHORT + LONG, 4, file_of), 4)
    assert [file_of(run[0]) for run in dealt] == [COMPUTING[0], *[WAITS] * 3]
    assert sorted(len({file_of(item) for item in run if item in LONG}) for run in dealt) == [1, 1, 1, 2]


def test_what_is_made_once_for_a_file_is_made_by_one_worker() -> None:
    dealt = runs(arranged(SHORT + LONG, 4, file_of), 4)
    assert sum(any(file_of(item) == WHOLE[-1] for item in run) for run in dealt) == 1


def test_every_file_is_there() -> None:
    assert set(WHOLE) <= set(WAITING)
    assert [file for file in (*WAITING, *COMPUTING) if not (TESTS / file).is_file()] == []

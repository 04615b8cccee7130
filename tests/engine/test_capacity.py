"""When an engine takes no more calls, second by second, in simulated time."""

from __future__ import annotations

import pytest

from t38fsp.engine.capacity import BAD, WINDOW, Capacity, Second

MOST = 250


def second(calls: int = 100, late: float = 0.002, busy: float = 0.4, page_wait: float = 0.0) -> Second:
    return Second(calls, late, busy, page_wait)


GOOD = second()
LATE = second(late=0.08)


def after(*seconds: Second) -> Capacity:
    capacity = Capacity(MOST)
    for each in seconds:
        capacity.note(each)
    return capacity


def test_an_engine_that_bears_its_calls_takes_more() -> None:
    capacity = after(*[second(calls=249, late=0.05, busy=0.85, page_wait=1.0)] * 60)
    assert capacity.limit is None
    assert capacity.refusal(MOST - 1) is None


def test_nothing_is_known_at_the_start_and_nothing_is_refused() -> None:
    assert Capacity(MOST).refusal(MOST - 1) is None


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (second(late=0.051), "packets leave up to 51 ms late"),
        (second(busy=0.851), "its loop is busy for 85 % of the time"),
        (second(page_wait=1.1), "pages wait 1.1 s for a worker"),
    ],
)
def test_three_bad_seconds_of_five_are_an_overload(bad: Second, why: str) -> None:
    assert after(bad, GOOD, bad, GOOD).limit is None
    refusal = after(bad, GOOD, bad, GOOD, bad).refusal(0)
    assert refusal is not None
    assert refusal.startswith(f"this engine is overloaded with 100 calls: {why}; try again")
    assert after(bad, bad, bad).limit == 0


def test_seconds_that_lie_further_apart_are_none() -> None:
    assert after(*([LATE, GOOD, GOOD] * 20)).limit is None


@pytest.mark.parametrize("seconds", range(1, BAD))
def test_a_stall_is_not_an_overload(seconds: int) -> None:
    """A second that was bad for a long time counts once; what it left behind is soon worked off."""
    capacity = after(*[GOOD] * 5, *[second(late=30.0, busy=1.0, page_wait=30.0)] * seconds, GOOD)
    assert capacity.refusal(MOST - 1) is None


def test_few_calls_are_never_an_overload() -> None:
    assert after(*[second(calls=49, late=5.0, busy=1.0, page_wait=5.0)] * 60).limit is None


def test_it_recovers_by_itself_as_calls_end() -> None:
    capacity = after(*[second(calls=200, late=0.2)] * 30)
    assert capacity.limit == 0
    for _ in range(WINDOW - BAD):
        capacity.note(second(calls=150))
        assert capacity.limit == 0
    capacity.note(second(calls=150))
    assert capacity.limit is not None
    assert capacity.limit > 0


def test_who_comes_again_does_not_come_at_once() -> None:
    """After an overload the engine takes no more than it had, and a few more from second to second."""
    capacity = after(*[second(calls=160, late=0.2)] * 3, *[second(calls=150)] * 3)
    limit = capacity.limit
    assert limit is not None
    assert 160 <= limit < MOST
    assert capacity.refusal(limit - 1) is None
    refusal = capacity.refusal(limit)
    assert refusal is not None
    assert "with 160 calls: packets leave up to 200 ms late" in refusal
    grown = []
    while (limit := capacity.limit) is not None:
        grown.append(limit)
        capacity.note(second(calls=150))
    assert grown == sorted(set(grown))
    assert len(grown) <= 10
    assert capacity.refusal(MOST - 1) is None


def test_the_limit_falls_with_each_overload() -> None:
    capacity = after(*[second(calls=200, late=0.2)] * 3)
    for _ in range(3):
        capacity.note(second(calls=100, busy=0.95))
    for _ in range(3):
        capacity.note(second(calls=90))
    assert capacity.limit is not None
    assert capacity.limit < 150


def test_without_calls_all_is_forgotten() -> None:
    capacity = after(*[LATE] * 5)
    capacity.rest()
    assert capacity.refusal(MOST - 1) is None

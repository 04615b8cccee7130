from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from t38fsp.lateness import Lateness


def test_quantiles() -> None:
    lateness = Lateness()
    assert (lateness.count, lateness.p99) == (0, 0.0)
    for _ in range(980):
        lateness.add(0.0004)
    for _ in range(20):
        lateness.add(0.012)
    lateness.add(0.0)
    assert lateness.count == 1001
    assert lateness.quantile(0.5) == 0.0005
    assert lateness.p99 == 0.012
    lateness.add(7.0)
    assert lateness.maximum == 7.0
    assert lateness.quantile(1.0) == 7.0


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0, 1))
def test_a_quantile_is_never_too_low_and_half_a_millisecond_too_high_where_it_matters(
    seconds: list[float], share: float
) -> None:
    lateness = Lateness()
    for each in seconds:
        lateness.add(each)
    exact = sorted(seconds)[max(round(share * len(seconds) + 0.499999) - 1, 0)]
    told = lateness.quantile(share)
    assert told >= min(exact, lateness.maximum) or share * len(seconds) < 1
    assert told <= lateness.maximum


def test_what_was_taken_can_be_put_together_again() -> None:
    first, second = Lateness(), Lateness()
    first.add(0.001)
    second.add(0.3)
    first.merge(second)
    assert (first.count, first.maximum) == (2, 0.3)
    assert second.count == 1

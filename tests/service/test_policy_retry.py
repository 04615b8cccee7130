"""The decision after a call: again or not, when, from which page."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from t38fsp.errors import SettingError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, PageRecord
from t38fsp.service.policy.retry import (
    Fail,
    NoFurtherCall,
    Past,
    Retry,
    RetryKind,
    RetryLimits,
    RetryPolicy,
    RetryRule,
    confirmed_here,
    decide,
    kind_of,
)
from t38fsp.service.policy.windows import Window

NOW = 1_800_000_000.0
POLICY = RetryPolicy(jitter=0.0)


def failed(
    outcome: Outcome, *, retry: bool = True, confirmed: int = 0, first: int = 1, **more: float
) -> FaxResult:
    pages = tuple(PageRecord(first + index, index < confirmed) for index in range(confirmed + 1))
    return FaxResult(
        outcome.status,
        "",
        retry,
        "" if retry else "it would fail again",
        pages=pages if confirmed else (),
        first_page=first,
        outcome=outcome,
        **more,  # type: ignore[arg-type]
    )


def decided(
    result: FaxResult, *past: Past, policy: RetryPolicy = POLICY, **more: object
) -> NoFurtherCall | Retry | Fail:
    given: dict[str, object] = {"started": NOW - 60, "now": NOW, "chance": 0.5} | more
    return decide(policy, past, result, **given)  # type: ignore[arg-type]


def times(number: int, outcome: Outcome) -> tuple[Past, ...]:
    return tuple(Past(NOW - 3600, outcome) for _ in range(number))


@pytest.mark.parametrize(
    ("outcome", "confirmed", "kind", "delay"),
    [
        (Outcome.BUSY, 0, RetryKind.BUSY, 120),
        (Outcome.NO_ANSWER, 0, RetryKind.NO_ANSWER, 600),
        (Outcome.NO_FAX, 0, RetryKind.NO_ANSWER, 600),
        (Outcome.NO_RESPONSE, 0, RetryKind.LINE, 30),
        (Outcome.UNAVAILABLE, 0, RetryKind.LINE, 30),
        (Outcome.NO_LINE, 0, RetryKind.LINE, 30),
        (Outcome.OVERLOADED, 0, RetryKind.LINE, 30),
        (Outcome.NO_PACKETS, 0, RetryKind.NO_T38, 300),
        (Outcome.DISCONNECTED, 0, RetryKind.OTHER, 180),
        (Outcome.FAILED, 0, RetryKind.OTHER, 180),
        (Outcome.FAULT, 0, RetryKind.OTHER, 180),
        (Outcome.DISCONNECTED, 3, RetryKind.PARTIAL, 60),
        (Outcome.FAILED, 1, RetryKind.PARTIAL, 60),
    ],
)
def test_each_kind_has_its_own_delay(outcome: Outcome, confirmed: int, kind: RetryKind, delay: int) -> None:
    assert decided(failed(outcome, confirmed=confirmed)) == Retry(NOW + delay, confirmed + 1, kind)


def test_every_outcome_has_a_kind_and_success_is_done() -> None:
    for outcome in Outcome:
        assert kind_of(outcome, 0) in RetryKind
    assert decided(FaxResult(Outcome.COMPLETED.status, "")) == NoFurtherCall()


def test_what_another_call_cannot_help_fails_with_the_reason_of_the_result() -> None:
    for outcome in (Outcome.BAD_NUMBER, Outcome.DECLINED, Outcome.BAD_DOCUMENT, Outcome.CANCELLED):
        result = failed(outcome, retry=False)
        # Neither another route nor other settings change it.
        assert decided(result, other_route=True, other_settings=True) == Fail("it would fail again")


@pytest.mark.parametrize(
    "outcome", [Outcome.FORBIDDEN, Outcome.CREDENTIALS, Outcome.NOT_CARRIED, Outcome.NO_T38, Outcome.BARRED]
)
def test_what_only_this_route_refuses_goes_to_the_next_one_at_once(outcome: Outcome) -> None:
    result = failed(outcome, retry=False)
    assert isinstance(decided(result), Fail)
    decision = decided(result, other_route=True)
    assert isinstance(decision, Retry)
    assert decision.other_route
    assert decision.at - NOW < 10


def test_another_route_is_tried_though_the_rule_of_the_kind_is_exhausted() -> None:
    past = times(POLICY.line.attempts, Outcome.UNAVAILABLE)
    assert isinstance(decided(failed(Outcome.UNAVAILABLE), *past), Fail)
    assert isinstance(decided(failed(Outcome.UNAVAILABLE), *past, other_route=True), Retry)
    # A busy far end is busy by any route.
    decision = decided(failed(Outcome.BUSY), other_route=True)
    assert isinstance(decision, Retry)
    assert not decision.other_route


def test_other_settings_allow_a_call_that_the_same_settings_do_not() -> None:
    result = failed(Outcome.NO_T38, retry=False)
    assert isinstance(decided(result), Fail)
    assert decided(result, other_settings=True) == Retry(NOW + 300, 1, RetryKind.NO_T38)


def test_delays_grow_up_to_the_longest_and_count_only_their_kind() -> None:
    policy = RetryPolicy(jitter=0.0, attempts=200, busy=RetryRule(100, 100.0, 2.0, 1000.0))

    def delay(*past: Past) -> float:
        decision = decided(failed(Outcome.BUSY), *past, policy=policy)
        assert isinstance(decision, Retry)
        return decision.at - NOW

    others = times(9, Outcome.NO_ANSWER)
    assert [delay(*others, *times(n, Outcome.BUSY)) for n in (0, 1, 3, 4, 90)] == [100, 200, 800, 1000, 1000]


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 96.0), (0.5, 120.0), (1.0, 144.0)])
def test_chance_moves_a_delay_by_the_jitter(chance: float, delay: float) -> None:
    decision = decided(failed(Outcome.BUSY), policy=RetryPolicy(jitter=0.2), chance=chance)
    assert isinstance(decision, Retry)
    assert decision.at - NOW == pytest.approx(delay)


def test_the_attempts_of_a_kind_of_all_kinds_and_the_hours_end_it() -> None:
    past = times(POLICY.busy.attempts - 1, Outcome.BUSY)
    assert isinstance(decided(failed(Outcome.BUSY), *past[1:]), Retry)
    assert isinstance(decided(failed(Outcome.BUSY), *past), Fail)
    # Another kind has attempts of its own, up to the limit for all.
    assert isinstance(decided(failed(Outcome.NO_ANSWER), *past), Retry)
    few = RetryPolicy(attempts=3)
    mixed = (Past(NOW - 60, Outcome.BUSY), Past(NOW - 50, Outcome.NO_ANSWER))
    assert isinstance(decided(failed(Outcome.FAILED), mixed[0], policy=few), Retry)
    assert isinstance(decided(failed(Outcome.FAILED), *mixed, policy=few), Fail)
    yesterday = Past(NOW - 24 * 3600 + 1, Outcome.BUSY)
    assert isinstance(decided(failed(Outcome.BUSY), yesterday), Fail)


def test_what_found_no_channel_counts_as_no_attempt() -> None:
    outcome = Outcome.NO_LINE
    past = times(1000, outcome)
    assert decided(failed(outcome), *past) == Retry(NOW + 30, 1, RetryKind.LINE)
    assert isinstance(decided(failed(Outcome.BUSY), *past), Retry)
    yesterday = Past(NOW - 24 * 3600 + 1, outcome)
    assert isinstance(decided(failed(outcome), yesterday), Fail)


def test_retry_after_delays_and_counts_for_its_own_route_only() -> None:
    result = failed(Outcome.UNAVAILABLE, retry_after=4000.0)
    decision = decided(result)
    assert isinstance(decision, Retry)
    assert decision.at == NOW + 4000
    decision = decided(result, other_route=True)
    assert isinstance(decision, Retry)
    assert decision.at < NOW + 10


def test_pages_of_earlier_calls_are_neither_sent_again_nor_counted_as_progress() -> None:
    earlier = tuple(PageRecord(number, True) for number in (1, 2, 3))
    result = FaxResult(
        Outcome.DISCONNECTED.status, "", True, pages=(*earlier, PageRecord(4, False)), first_page=4
    )
    assert confirmed_here(result) == 0
    assert decided(result) == Retry(NOW + 180, 4, RetryKind.OTHER)


def test_a_deadline_ends_it_or_brings_the_last_attempt_forward() -> None:
    busy = failed(Outcome.BUSY)
    past = times(4, Outcome.BUSY)  # its delay is 120 * 1.5**4, ten minutes
    assert decided(busy, *past, limits=RetryLimits(NOW + 700)) == Retry(NOW + 607.5, 1, RetryKind.BUSY)
    assert decided(busy, *past, limits=RetryLimits(NOW + 500)) == Retry(NOW + 440, 1, RetryKind.BUSY)
    # Not sooner than the first delay of its kind.
    assert isinstance(decided(busy, *past, limits=RetryLimits(NOW + 150)), Fail)
    # Nor sooner than the far end asked for.
    asked = failed(Outcome.BUSY, retry_after=480.0)
    assert isinstance(decided(asked, *past, limits=RetryLimits(NOW + 500)), Fail)


def test_a_window_delays_an_attempt_and_may_end_it() -> None:
    zone = ZoneInfo("Europe/Berlin")
    window = Window.parse("08:00-18:00")
    evening = 1_796_144_340.0  # 2026-12-01 17:59 in Berlin
    decision = decided(
        failed(Outcome.BUSY), now=evening, started=evening, limits=RetryLimits(None, window, zone)
    )
    assert isinstance(decision, Retry)
    assert decision.at == evening + 60 + 14 * 3600
    limits = RetryLimits(evening + 13 * 3600, window, zone)
    assert isinstance(decided(failed(Outcome.BUSY), now=evening, started=evening, limits=limits), Fail)


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"attempts": 2.5}, {"growth": 0.9}, {"first_delay": 0.0}, {"longest_delay": 1e9}],
)
def test_rules_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        RetryRule(**wrong)  # type: ignore[arg-type]


def test_no_delay_overflows() -> None:
    assert RetryRule(100, 1.0, 10.0, 604800.0).delay(100) == 604800.0

"""What a number is the same as, who may call it, and by which route."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from t38fsp.errors import SettingError
from t38fsp.outcome import Outcome
from t38fsp.service.policy.numbers import LONGEST_KEY, far_end
from t38fsp.service.policy.permits import EVERYTHING, Permits, refusal
from t38fsp.service.policy.routing import FailOver, RouteFacts, RoutingRule, ordered, routes_for
from t38fsp.settings.dial_plan import DialPlan, DialRule, NumberFormat

BERLIN = DialPlan(region="DE")
PBX = DialPlan(region="DE", access_code="0", internal_digits=5)
US = DialPlan(region="US")
NOWHERE = DialPlan()
RULED = DialPlan(region="DE", rules=(DialRule(begins="99", strip=2, prepend="+49"),))


@pytest.mark.parametrize(
    ("plan", "to", "key"),
    [
        (BERLIN, "030 1234567", "+49301234567"),
        (BERLIN, "+49 (30) 123-45.67", "+49301234567"),
        (BERLIN, "0049-30-1234567", "+49301234567"),
        (BERLIN, "tel:+49301234567", "+49301234567"),
        (BERLIN, "+1 212 555 0100", "+12125550100"),
        (US, "(212) 555-0100", "+12125550100"),
        (RULED, "99301234567", "+49301234567"),
        # Without a country code or a region it is what is dialled.
        (NOWHERE, "030 1234567", "0301234567"),
        (BERLIN, "4711", "4711"),
        (BERLIN, "Reception", "reception"),
        (BERLIN, "sip:Fax@PBX.Example;transport=tcp", "sip:Fax@pbx.example"),
        (BERLIN, "fax@pbx.example:5060", "sip:fax@pbx.example"),
        (BERLIN, "sip:fax@pbx.example:5080", "sip:fax@pbx.example:5080"),
        (BERLIN, "sip:192.0.2.7", "sip:192.0.2.7"),
    ],
)
def test_one_far_end_has_one_key(plan: DialPlan, to: str, key: str) -> None:
    assert far_end(to, plan).key == key


def test_keys_are_bounded_and_still_differ() -> None:
    one, two = (far_end(f"sip:{'x' * 200}{end}@pbx.example", BERLIN).key for end in "ab")
    assert len(one) == len(two) == LONGEST_KEY
    assert one != two


@pytest.mark.parametrize(
    ("plan", "to", "permits", "is_refused"),
    [
        (BERLIN, "030 1234567", Permits(), False),
        (BERLIN, "030 1234567", Permits(allowed=("+49",)), False),
        (BERLIN, "030 1234567", Permits(allowed=("030",)), False),
        (BERLIN, "+44 20 7946 0100", Permits(allowed=("+49",)), True),
        (BERLIN, "+44 20 7946 0100", Permits(allowed=("+49", "+44"), refused=("+4420",)), True),
        # The longer prefix decides, and refusing wins.
        (BERLIN, "+44 20 7946 0100", Permits(allowed=("+4420",), refused=("+44",)), False),
        (BERLIN, "+44 20 7946 0100", Permits(allowed=("+44",), refused=("+44",)), True),
        # In whatever form it is written.
        (BERLIN, "00881 6 12345678", Permits(refused=("+881",)), True),
        (RULED, "99301234567", Permits(refused=("+4930",)), True),
        (PBX, "0 030 1234567", Permits(refused=("+4930",)), True),
        (BERLIN, "sip:+88161234567@gateway.example", Permits(refused=("+881",)), True),
        (BERLIN, "sip:0088161234567@gateway.example", Permits(refused=("+881",)), True),
        # A prefix of numbers allows no URI, which leads to any host.
        (BERLIN, "sip:+49301234567@elsewhere.example", Permits(allowed=("+49",)), True),
        (BERLIN, "sip:fax@pbx.example", Permits(allowed=("sip:fax@pbx.example",)), False),
        (BERLIN, "4711", Permits(allowed=("47",)), False),
        # Emergency numbers, with anything after them, and with a country code.
        (BERLIN, "110", Permits(), True),
        (BERLIN, "112", Permits(), True),
        (BERLIN, "112 12345", Permits(), True),
        (BERLIN, "+49 112", Permits(), True),
        (PBX, "0112", Permits(), True),
        (PBX, "112", Permits(), True),
        (US, "911", Permits(), True),
        (US, "911 555 0100", Permits(), True),
        (US, "110", Permits(), False),
        (NOWHERE, "112", Permits(), True),
        (NOWHERE, "911", Permits(), True),
        (NOWHERE, "sip:911@gateway.example", Permits(), True),
        (NOWHERE, "110", Permits(), False),
        (BERLIN, "112", Permits(emergency=True), False),
        (BERLIN, "112", Permits(premium=True), True),
        (BERLIN, "030 1121234", Permits(), False),
        # Premium rate.
        (BERLIN, "0900 1 123456", Permits(), True),
        (BERLIN, "+49 900 1 123456", Permits(), True),
        (US, "1-900-555-0100", Permits(), True),
        (US, "+1 900 234 5678", Permits(), True),
        (BERLIN, "+1 900 234 5678", Permits(), True),
        (NOWHERE, "+49 900 1 123456", Permits(), True),
        (PBX, "0 0900 1 123456", Permits(), True),
        (BERLIN, "sip:+499001123456@gateway.example", Permits(), True),
        (BERLIN, "0900 1 123456", Permits(premium=True), False),
        (BERLIN, "0900 1 123456", Permits(premium=True, refused=("0900",)), True),
    ],
)  # fmt: skip
def test_who_may_be_called(plan: DialPlan, to: str, permits: Permits, is_refused: bool) -> None:
    found = far_end(to, plan)
    assert (refusal(found, plan, "office", permits) is not None) == is_refused
    # The same for a key, by a route that allows everything.
    assert (refusal(found, plan, "office", EVERYTHING, permits) is not None) == is_refused


NATIONAL = DialPlan(region="DE", format=NumberFormat.NATIONAL)


@pytest.mark.parametrize(
    ("plan", "to", "permits"),
    [
        # A trunk, or a gateway, may call the number without its separators.
        (BERLIN, "sip:0900-1234567@trunk.example", Permits()),
        (BERLIN, "sip:(0900)123.4567@trunk.example", Permits()),
        (BERLIN, "sip:+49-900-1234567;x=1@trunk.example", Permits()),
        (BERLIN, "sip:1234567;phone-context=+49900@trunk.example", Permits()),
        (BERLIN, "sip:+44-20-79460100@trunk.example", Permits(refused=("+4420",))),
        # The end of dialling, and service codes in front of a number.
        (BERLIN, "112#", Permits()),
        (BERLIN, "112*", Permits()),
        (BERLIN, "#31#112", Permits()),
        (BERLIN, "sip:112%23@trunk.example", Permits()),
        (BERLIN, "*31#0900 1234567", Permits()),
        (BERLIN, "*31#0044 20 7946 0100", Permits(refused=("+4420",))),
        (BERLIN, "09001234567#", Permits()),
        (BERLIN, "0900 1234567 000", Permits()),
        # Within the country these are dialled with 00 in front, and lead into others.
        (NATIONAL, "+49 000 44 20 7946 0000", Permits(allowed=("+49",))),
        (NATIONAL, "+49 000 882 1234567", Permits(refused=("+882",))),
    ],
)
def test_ways_around_what_is_refused(plan: DialPlan, to: str, permits: Permits) -> None:
    assert refusal(far_end(to, plan), plan, "trunk", permits) is not None


def test_what_only_looks_like_a_way_around_is_called() -> None:
    for plan in (BERLIN, NATIONAL, PBX):
        for to in (
            "030 1234567",
            "+49 30 1234567",
            "*21#",
            "sip:030-1234567@pbx.example",
            "sip:fax@pbx.example",
        ):
            assert refusal(far_end(to, plan), plan, "trunk", Permits(refused=("+44",))) is None, to
    # The part after # allows nothing.
    assert refusal(far_end("0201234#030", BERLIN), BERLIN, "trunk", Permits(allowed=("030",))) is not None


@pytest.mark.parametrize("prefix", ["", "+", "+49 30", "abc", "sip: x", "sip", "1" * 81, "+49\n"])
def test_what_is_no_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(SettingError):
        Permits(allowed=(prefix,))
    with pytest.raises(SettingError):
        Permits(refused=(prefix,))


@pytest.mark.parametrize(
    ("to", "asked", "routes"),
    [
        ("+49 89 123456", (), ("de", "world")),
        ("+49 30 1234567", (), ("berlin", "de")),
        ("030 1234567", (), ("berlin", "de")),
        ("+1 212 555 0100", (), ("world",)),
        ("4711", (), ("pbx",)),
        ("sip:fax@pbx.example", (), ("world",)),
        ("+49 30 1234567", ("world",), ("world",)),
    ],
)
def test_the_longest_beginning_names_the_routes(
    to: str, asked: Sequence[str], routes: tuple[str, ...]
) -> None:
    rules = (
        RoutingRule("", ("world",)),
        RoutingRule("+49", ("de", "world")),
        RoutingRule("+4930", ("berlin", "de")),
        RoutingRule("47", ("pbx",)),
    )
    assert routes_for(far_end(to, BERLIN), rules, asked, ("a", "b")) == routes


def test_without_a_rule_all_routes_in_the_order_of_the_file() -> None:
    assert routes_for(far_end("4711", BERLIN), (RoutingRule("+49", ("de",)),), (), ("a", "b")) == ("a", "b")
    with pytest.raises(SettingError):
        RoutingRule("+49")


NOW = 1_800_000_000.0
LIMITS = FailOver(failures=3, pause=60.0, longest_pause=200.0)


def down(name: str, failures: int, ago: float) -> RouteFacts:
    return RouteFacts(name, failures=failures, failed_at=NOW - ago)


@pytest.mark.parametrize(
    ("facts", "tried", "order"),
    [
        ([RouteFacts("a"), RouteFacts("b")], (), "ab"),
        ([RouteFacts("a", registered=False), RouteFacts("b")], (), "ba"),
        ([RouteFacts("a", registered=True), RouteFacts("b")], (), "ab"),
        ([RouteFacts("a", busy=4, channels=4), RouteFacts("b", busy=3, channels=4)], (), "ba"),
        # A fax waits for a channel rather than for a trunk that is down.
        ([RouteFacts("a", registered=False), RouteFacts("b", busy=4, channels=4)], (), "ba"),
        ([down("a", 2, 1), RouteFacts("b")], (), "ab"),
        ([down("a", 3, 59), RouteFacts("b")], (), "ba"),
        ([down("a", 3, 60), RouteFacts("b")], (), "ab"),
        ([down("a", 4, 100), RouteFacts("b")], (), "ba"),
        ([down("a", 4, 120), RouteFacts("b")], (), "ab"),
        ([down("a", 900, 199), RouteFacts("b")], (), "ba"),
        ([down("a", 900, 200), RouteFacts("b")], (), "ab"),
        # All rest: the one whose turn comes first.
        ([down("a", 4, 10), down("b", 3, 10)], (), "ba"),
        ([RouteFacts("a"), RouteFacts("b")], ("a",), "ba"),
        ([RouteFacts("a"), RouteFacts("b")], ("a", "b"), "ab"),
        ([RouteFacts("a"), down("b", 3, 10)], ("a",), "ab"),
    ],
)
def test_fail_over(facts: list[RouteFacts], tried: tuple[str, ...], order: str) -> None:
    assert ordered(facts, NOW, LIMITS, tried) == tuple(order)


def test_only_what_is_wrong_with_the_trunk_counts_and_a_call_that_reached_a_far_end_clears_it() -> None:
    facts = RouteFacts("a", failures=1, failed_at=NOW - 100)
    for outcome in (Outcome.UNAVAILABLE, Outcome.NO_RESPONSE, Outcome.CREDENTIALS, Outcome.UNREACHABLE):
        assert facts.after(outcome, NOW) == RouteFacts("a", failures=2, failed_at=NOW)
    for outcome in (Outcome.BUSY, Outcome.COMPLETED, Outcome.NO_ANSWER, Outcome.BAD_NUMBER, Outcome.NO_T38):
        assert facts.after(outcome, NOW).failures == 0
    for outcome in (Outcome.OVERLOADED, Outcome.CANCELLED, Outcome.FAULT):
        assert facts.after(outcome, NOW) == facts

"""What a number took last time starts its next call; it expires, and heals when it was wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio, Switch
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, Medium, PageRecord
from t38fsp.service.policy.memory import UNKNOWN, Memory, MemorySettings, learn, start
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import Resolution

DAY = 86400.0
LIMITS = MemorySettings(memory_days=60.0, memory_calls=5)
ASKED = CallSettings()


@dataclass
class Number:
    """Calls one number, a day after the other."""

    asked: CallSettings = ASKED
    route: str = "office"
    limits: MemorySettings = LIMITS
    memory: Memory = UNKNOWN
    now: float = 1_800_000_000.0
    modems: bool = True
    used: list[CallSettings] = field(default_factory=list)

    def next(self) -> CallSettings:
        return start(self.memory, self.asked, self.route, self.now, self.limits, modems=self.modems)

    def call(self, result: FaxResult, days: float = 1.0) -> CallSettings:
        """The settings of this call."""
        used = self.next()
        # As by way of the database.
        memory = Memory.from_json(self.memory.to_json())
        assert memory == self.memory
        self.memory = learn(memory, self.asked, used, self.route, result, self.now, self.limits)
        self.now += days * DAY
        return used


def sent(medium: Medium = Medium.T38, rate: int = 14400, ecm: bool = True) -> FaxResult:
    page = PageRecord(1, True, "MCF", rate, ecm=ecm, resolution=Resolution.R8_FINE)
    return FaxResult(Outcome.COMPLETED.status, "", medium=medium, pages=(page,))


def failed(outcome: Outcome, error: T30Failure | None = None) -> FaxResult:
    return FaxResult(outcome.status, "", True, outcome=outcome, t30_error=error)


BUSY = failed(Outcome.BUSY)


def test_a_number_without_any_trouble_changes_nothing() -> None:
    number = Number()
    number.call(sent())
    assert number.next() == ASKED
    assert number.memory.resolution == (204, 196)


def test_a_number_on_a_path_in_audio_starts_in_audio() -> None:
    number = Number()
    assert number.call(sent(Medium.AUDIO)) == ASKED
    assert number.call(sent(Medium.AUDIO)) == replace(ASKED, audio=Audio.ONLY)
    # Another path, or a host or a route that has no audio, is not affected.
    for other in (
        replace(number, route="other"),
        replace(number, modems=False),
        replace(number, asked=replace(ASKED, audio=Audio.NEVER)),
    ):
        assert other.next() == other.asked


def test_it_is_tried_without_once_in_a_while_and_forgotten_when_that_is_better() -> None:
    number = Number()
    number.call(sent(Medium.AUDIO))
    for _ in range(5):
        assert number.call(sent(Medium.AUDIO)).audio is Audio.ONLY
    assert number.call(sent(Medium.AUDIO)) == ASKED
    for _ in range(5):
        assert number.call(sent(Medium.AUDIO)).audio is Audio.ONLY
    assert number.call(sent(Medium.T38)) == ASKED
    assert number.next() == ASKED


def test_it_expires_and_a_busy_line_prolongs_nothing() -> None:
    number = Number()
    number.call(sent(Medium.AUDIO), days=59)
    assert number.call(BUSY, days=0.5).audio is Audio.ONLY
    assert number.call(BUSY, days=0.5).audio is Audio.ONLY
    assert number.next() == ASKED
    number.call(BUSY)
    assert number.memory == replace(UNKNOWN, expires=number.memory.expires)


def test_it_heals_when_the_path_has_changed() -> None:
    number = Number()
    number.call(sent(Medium.AUDIO))
    # Audio no longer comes through: the next call is one without memory, and its result counts.
    assert number.call(failed(Outcome.NO_FAX)).audio is Audio.ONLY
    assert number.call(sent(Medium.T38)) == ASKED
    assert number.next() == ASKED


@pytest.mark.parametrize(
    ("policy", "outcome", "tried"),
    [
        (Switch.FIRST, Outcome.NOT_CARRIED, Switch.CALLEE),
        (Switch.CALLEE, Outcome.NO_T38, Switch.FIRST),
        (Switch.EITHER, Outcome.NO_T38, Switch.FIRST),
    ],
)
def test_another_switch_policy_is_tried_once_and_kept_if_it_helps(
    policy: Switch, outcome: Outcome, tried: Switch
) -> None:
    asked = replace(ASKED, switch=policy, audio=Audio.NEVER)
    number = Number(asked)
    number.call(failed(outcome))
    assert number.call(sent()).switch is tried
    assert number.call(sent()).switch is tried
    # And dropped if it does not help, for as long as nothing arrives.
    number = Number(asked)
    number.call(failed(outcome))
    assert number.call(failed(Outcome.NO_T38)).switch is tried
    for _ in range(3):
        assert number.call(failed(outcome)) == asked
    number.call(sent())
    number.call(failed(outcome))
    assert number.next().switch is tried


def test_t38_whose_packets_never_come_is_followed_by_audio() -> None:
    number = Number()
    number.call(failed(Outcome.NO_PACKETS))
    assert number.call(sent(Medium.AUDIO)).audio is Audio.ONLY
    assert number.next().audio is Audio.ONLY
    without = Number(replace(ASKED, audio=Audio.NEVER))
    without.call(failed(Outcome.NO_PACKETS))
    assert without.next() == without.asked


def test_pages_that_do_not_arrive_are_tried_slower_then_without_ecm() -> None:
    number = Number()
    seen = [number.call(failed(Outcome.FAILED, T30Failure.NO_ANSWER_TO_PAGE)) for _ in range(6)]
    assert [(each.max_rate, each.ecm) for each in seen] == [
        (14400, True),
        (9600, True),
        (4800, True),
        (4800, False),
        (2400, False),
        (2400, False),
    ]
    assert number.call(sent(rate=2400, ecm=False)) == ASKED  # this one is without memory
    number.call(sent(rate=2400, ecm=True))
    assert number.next() == replace(ASKED, max_rate=2400)


def test_a_rate_that_was_reached_in_the_call_starts_the_next_one() -> None:
    number = Number()
    number.call(sent(rate=9600))
    assert number.call(sent(rate=9600)).max_rate == 9600
    # Never above what the route allows.
    slow = replace(number, asked=replace(ASKED, max_rate=7200))
    assert slow.next().max_rate == 7200


def test_no_memory_at_all_by_the_settings_and_after_unreadable_facts() -> None:
    number = Number(limits=MemorySettings(memory_days=0.0))
    number.call(sent(Medium.AUDIO))
    assert number.memory == UNKNOWN
    known = replace(UNKNOWN, medium=Medium.AUDIO).to_json()
    for facts in (None, {}, known | {"medium": "pigeon"}, known | {"resolution": 5}):
        assert Memory.from_json(facts) == UNKNOWN

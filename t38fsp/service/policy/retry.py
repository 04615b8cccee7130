"""Whether and when a fax is tried again, from the result of its last call.

:func:`decide` is pure: the policy, the earlier attempts, the result, the time and a random number go in. Each
kind of failure has delays and a number of attempts of its own: a busy line may be free in minutes, a number
that does not answer will hardly do so before an hour, and a fax that broke off after ten pages goes on soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from enum import Enum

from sip.bounds import check, like, setting
from sip.frozen import dataclass
from t38fsp.errors import SettingError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.service.policy.windows import ALWAYS, Window


class RetryKind(Enum):
    """Kinds of failure that differ in when another call can help."""

    BUSY = "busy"
    """The line of the far end is in use."""
    NO_ANSWER = "no_answer"
    """Nothing answered, or a person or a voice mailbox did."""
    LINE = "line"
    """The trunk, the network or this machine did not take the call."""
    PARTIAL = "partial"
    """The call broke off after it had brought pages that are confirmed."""
    NO_T38 = "no_t38"
    """The call was answered, but not carried as a fax."""
    OTHER = "other"
    """Everything else, such as a call that was cut off before a page was confirmed."""


_KINDS = {
    Outcome.BUSY: RetryKind.BUSY,
    Outcome.NO_ANSWER: RetryKind.NO_ANSWER,
    Outcome.NO_FAX: RetryKind.NO_ANSWER,
    Outcome.NO_RESPONSE: RetryKind.LINE,
    Outcome.UNREACHABLE: RetryKind.LINE,
    Outcome.UNAVAILABLE: RetryKind.LINE,
    Outcome.NO_LINE: RetryKind.LINE,
    Outcome.OVERLOADED: RetryKind.LINE,
    Outcome.REFUSED: RetryKind.LINE,
    # These do not deserve the same call again, but another route may do better.
    Outcome.CREDENTIALS: RetryKind.LINE,
    Outcome.FORBIDDEN: RetryKind.LINE,
    Outcome.NOT_CARRIED: RetryKind.LINE,
    Outcome.BARRED: RetryKind.LINE,
    Outcome.MISCONFIGURED: RetryKind.LINE,
    Outcome.NO_T38: RetryKind.NO_T38,
    Outcome.NO_PACKETS: RetryKind.NO_T38,
    Outcome.WRONG_PACKETS: RetryKind.NO_T38,
}

# OVERLOADED is about this machine, whichever route a call takes.
ROUTE_FAULTS = frozenset(
    outcome for outcome, kind in _KINDS.items() if kind in (RetryKind.LINE, RetryKind.NO_T38)
) - {Outcome.OVERLOADED}
"""What another route may do better: the call never came as far as the fax machine."""
_SETTINGS_FAULTS = frozenset({Outcome.NOT_CARRIED, Outcome.NO_T38, Outcome.NO_PACKETS, Outcome.WRONG_PACKETS})
"""What other settings of the call may do better, even where the same call would fail again."""

_NOT_PLACED = Outcome.NO_LINE
"""Incoming calls had the channels. It counts as no attempt, or a busy hour would use up those of a fax; the
hours of the policy bound it. OVERLOADED does count: such a call may have been answered."""

_BY_ANOTHER_ROUTE = 5.0
"""Seconds before the next route is tried."""
_BEFORE_DEADLINE = 60.0
"""Seconds before a deadline at which a last attempt is made that would be due after it."""


def grown(first: float, growth: float, longest: float, times: int) -> float:
    """Seconds to wait after the failure of this number, from 1, where each delay is ``growth`` times the one
    before it."""
    # More than 60 doublings would exceed any limit, and 10.0**400 a float.
    return min(first * growth ** min(times - 1, 60), longest)


@dataclass(frozen=True, slots=True)
class RetryRule:
    """When a fax is tried again after one kind of failure. Raises SettingError for a value out of range."""

    attempts: int = setting(5, least=1, most=200, table="rule")
    """Calls that may end in this way before the fax has failed; 1 for no further call."""
    first_delay: float = setting(180.0, above=0.0, most=86400.0, unit="seconds", table="rule")
    """Delay after the first of these calls."""
    growth: float = setting(2.0, least=1.0, most=10.0, table="rule")
    """Factor by which the delay grows with each further one."""
    longest_delay: float = setting(3600.0, above=0.0, most=604800.0, unit="seconds", table="rule")
    """Limit of the delay."""

    def __post_init__(self) -> None:
        check(self, SettingError)

    def delay(self, times: int) -> float:
        """Seconds to wait after the failure of this number, from 1."""
        return grown(self.first_delay, self.growth, self.longest_delay, times)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When faxes are tried again. Raises SettingError for a value out of range."""

    # ``like``: deliveries (delivery_settings.py) have the same bounds, so that a name means one range.
    attempts: int = like(RetryRule, "attempts", default=20, table="retry")
    """Calls for one fax, of all kinds together."""
    hours: float = setting(24.0, above=0.0, most=8760.0, unit="hours", table="retry")
    """Time after the first call of a fax in which further ones may begin."""
    jitter: float = setting(0.2, least=0.0, most=0.5, table="retry")
    """Part of a delay that is left to chance, so that faxes that failed together are not tried again
    together: 0.2 makes ten minutes 8 to 12."""
    busy: RetryRule = RetryRule(8, 120.0, 1.5, 1800.0)
    no_answer: RetryRule = RetryRule(4, 600.0, 2.0, 7200.0)
    line: RetryRule = RetryRule(12, 30.0, 2.0, 900.0)
    partial: RetryRule = RetryRule(8, 60.0, 1.5, 900.0)
    no_t38: RetryRule = RetryRule(3, 300.0, 2.0, 3600.0)
    other: RetryRule = RetryRule(5, 180.0, 2.0, 3600.0)

    def __post_init__(self) -> None:
        check(self, SettingError)

    def rule(self, kind: RetryKind) -> RetryRule:
        rule: RetryRule = getattr(self, kind.value)
        return rule


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier attempt of the same fax, since it was submitted or a person asked for it again."""

    started: float
    outcome: Outcome
    confirmed: int = 0
    """Pages that the far end confirmed in this attempt."""

    @property
    def kind(self) -> RetryKind:
        return kind_of(self.outcome, self.confirmed)


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """What bounds the attempts of a fax beside the policy."""

    deadline: float | None = None
    """No attempt begins after this time."""
    window: Window = ALWAYS
    zone: tzinfo = UTC
    """The time zone of the site, in which the window is meant."""


UNLIMITED = RetryLimits()


@dataclass(frozen=True, slots=True)
class NoFurtherCall:
    """Every page was confirmed."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Call again."""

    at: float
    """Not before this time, seconds since the epoch."""
    from_page: int
    """The first page that is not confirmed."""
    kind: RetryKind
    other_route: bool = False
    """By another route than the last one."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The fax has failed."""

    reason: str
    """Why it is not tried again: the end of a sentence that begins with the reason of the result."""


def kind_of(outcome: Outcome, confirmed: int) -> RetryKind:
    """``confirmed``: pages that the far end confirmed in this attempt."""
    return RetryKind.PARTIAL if confirmed > 0 else _KINDS.get(outcome, RetryKind.OTHER)


def confirmed_here(result: FaxResult) -> int:
    """Pages that were confirmed in this call, without those of earlier ones."""
    return sum(page.confirmed for page in result.pages if page.number >= result.first_page)


def decide(
    policy: RetryPolicy,
    history: Sequence[Past],
    result: FaxResult,
    started: float,
    now: float,
    chance: float,
    limits: RetryLimits = UNLIMITED,
    *,
    other_route: bool = False,
    other_settings: bool = False,
) -> NoFurtherCall | Retry | Fail:
    """What to do after ``result`` of a call that began at ``started`` and is over ``now``.

    ``history`` are the attempts before it. ``chance`` is a random number from 0 to 1. ``other_route``: there
    is another route for this number that can be tried; ``other_settings``: the next call would have other
    settings (``t38fsp.service.policy.memory``).
    """
    if result.completed:
        return NoFurtherCall()
    by_other_route = other_route and result.outcome in ROUTE_FAULTS
    differently = by_other_route or (other_settings and result.outcome in _SETTINGS_FAULTS)
    if not result.retry and not differently:
        return Fail(result.retry_reason or "another call would not help")
    kind = kind_of(result.outcome, confirmed_here(result))
    rule = policy.rule(kind)
    placed = [past for past in history if past.outcome is not _NOT_PLACED]
    times = 1
    if result.outcome is not _NOT_PLACED:
        times += sum(past.kind is kind for past in placed)
        # The limit of a kind is for calls the same way; the limit of all calls below holds for other routes,
        # too.
        if times >= rule.attempts and not by_other_route:
            return Fail(f"{times} of its calls ended in this way, which is the limit for {kind.value}")
        if len(placed) + 1 >= policy.attempts:
            return Fail(f"{len(placed) + 1} calls were made for it, which is the limit")
    delay = _BY_ANOTHER_ROUTE if by_other_route else rule.delay(times)
    delay *= 1 + policy.jitter * (2 * chance - 1)
    # What a far end asks for (Retry-After) holds for it, not for another trunk.
    asked = 0.0 if by_other_route else result.retry_after or 0.0
    soonest = now + max(asked, min(delay, rule.first_delay))
    first = history[0].started if history else started
    at = _within(now + max(asked, delay), soonest, first + policy.hours * 3600, limits)
    if at is None:
        return Fail("its time is over before another call can be made")
    return Retry(at, result.next_page or 1, kind, by_other_route)


def _within(at: float, soonest: float, last: float, limits: RetryLimits) -> float | None:
    """The first permitted time from ``at`` on, or one from ``soonest`` on if that is too late; None if there
    is none before ``last``."""
    if limits.deadline is not None:
        last = min(last, limits.deadline)
    opening = limits.window.next_open(at, limits.zone)
    if opening <= last:
        return opening
    # Instead of none, an attempt sooner than the growing delay would have it.
    sooner = last - _BEFORE_DEADLINE
    return sooner if soonest <= sooner < at and limits.window.is_open(sooner, limits.zone) else None

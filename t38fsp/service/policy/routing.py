"""By which route a fax goes: ordered routes for beginnings of numbers, fail-over by the health of routes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sip.bounds import check, setting
from sip.frozen import dataclass
from t38fsp.errors import SettingError
from t38fsp.outcome import Outcome
from t38fsp.service.policy.numbers import DialledNumber
from t38fsp.service.policy.permits import check_prefix
from t38fsp.service.policy.retry import ROUTE_FAULTS

_NOT_OF_THE_TRUNK = frozenset(
    # About one number or one machine behind it: another call by the same trunk may well succeed.
    {Outcome.BARRED, Outcome.REFUSED, Outcome.NO_T38, Outcome.NO_PACKETS, Outcome.WRONG_PACKETS}
)
_TRUNK_FAULTS = ROUTE_FAULTS - _NOT_OF_THE_TRUNK
_SAYS_NOTHING = frozenset(
    {
        *(Outcome.NO_LINE, Outcome.OVERLOADED, Outcome.FAULT, Outcome.CANCELLED),
        *(Outcome.BAD_DOCUMENT, Outcome.ENCRYPTED),
    }
)
"""Outcomes of this end, with or without a call."""
_MOST_ROUTES = 10


def _check_beginning(begins: object) -> None:
    if begins != "":
        check_prefix(begins)


def _check_names(names: object) -> None:
    if not isinstance(names, tuple) or len(names) > _MOST_ROUTES:
        raise SettingError(f"write a list of up to {_MOST_ROUTES} names of routes")


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """Routes for numbers that begin with ``begins``, best first.

    Of several rules that match, the one with the longest beginning counts. Raises SettingError for a wrong
    beginning or no route.
    """

    begins: str = setting("", check=_check_beginning, table="routing")
    """Digits, with + in front of a country code. Default: all numbers."""
    routes: tuple[str, ...] = setting((), check=_check_names, table="routing")
    """Names of routes, the one that is tried first at the front. Default: must be set."""

    def __post_init__(self) -> None:
        check(self, SettingError)
        if not self.routes:
            raise SettingError(
                "routes: missing; list names of routes, the one that is tried first at the front"
            )


@dataclass(frozen=True, slots=True)
class FailOver:
    """When a route is left out for a time. Raises SettingError for a value out of range."""

    failures: int = setting(3, least=1, most=1000, table="failover")
    """Calls in a row that the trunk did not take, after which other routes are used."""
    pause: float = setting(60.0, least=1.0, most=86400.0, unit="seconds", table="failover")
    """Time until one call by it is tried again; it doubles with each further failure."""
    longest_pause: float = setting(900.0, least=1.0, most=86400.0, unit="seconds", table="failover")
    """Limit of this time."""

    def __post_init__(self) -> None:
        check(self, SettingError)


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What is known of a route at the moment."""

    name: str
    registered: bool | None = None
    """Whether it is registered; None if it does not register."""
    busy: int = 0
    """Channels in use, on all hosts."""
    channels: int | None = None
    """Channels for faxes sent; None for no limit."""
    failures: int = 0
    """Calls in a row that the trunk did not take."""
    failed_at: float = 0.0
    """When the last of them ended."""

    def after(self, outcome: Outcome, now: float) -> RouteFacts:
        """The facts after a call by it ended in this way."""
        if outcome in _TRUNK_FAULTS:
            return replace(self, failures=self.failures + 1, failed_at=now)
        return self if outcome in _SAYS_NOTHING else replace(self, failures=0, failed_at=0.0)

    def rests_until(self, limits: FailOver) -> float:
        """The time from which calls by it are tried again; 0 if it is in order."""
        beyond = self.failures - limits.failures
        if beyond < 0:
            return 0.0
        return self.failed_at + min(limits.pause * 2.0 ** min(beyond, 30), limits.longest_pause)

    @property
    def is_full(self) -> bool:
        return self.channels is not None and self.busy >= self.channels


def routes_for(
    to: DialledNumber, rules: Sequence[RoutingRule], asked: Sequence[str], names: Sequence[str]
) -> tuple[str, ...]:
    """The routes that may take a fax, best first.

    Those that its submitter ``asked`` for; else those of the rule with the longest beginning that matches;
    else all, in the order of the file (``names``). A rule without a beginning replaces the latter.
    """
    if asked:
        return tuple(asked)
    forms = tuple(filter(None, (to.e164, to.number, to.uri)))
    matching = [
        rule for rule in rules if not rule.begins or any(form.startswith(rule.begins) for form in forms)
    ]
    if matching:
        return max(matching, key=lambda rule: len(rule.begins)).routes
    return tuple(names)


def ordered(
    facts: Sequence[RouteFacts], now: float, limits: FailOver, tried: Collection[str] = ()
) -> tuple[str, ...]:
    """The names of the routes in the order in which they should be tried now.

    First those that are in order and have a free channel, then those in order whose channels are all in use,
    then those that rest or are not registered: a fax waits for a channel rather than for a trunk that is
    down, and if all are down, the one that is tried again first gets it. Those already ``tried`` for this fax
    follow others of their class. Otherwise the given order is kept.
    """

    def rank(each: RouteFacts) -> tuple[int, float, bool]:
        rest = each.rests_until(limits)
        if each.registered is False or rest > now:
            return 2, rest, each.name in tried
        return (1 if each.is_full else 0), 0.0, each.name in tried

    return tuple(each.name for each in sorted(facts, key=rank))

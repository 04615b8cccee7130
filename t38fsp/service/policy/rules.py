"""Which rule takes a received fax, and which callers are refused.

A pattern is a text with ``*`` (any characters), ``?`` (one) and ``[0-9]`` (one of these). A pattern of a
number or a name is compared without regard to case, spaces, hyphens, dots, brackets and a leading ``+``; one
with ``@`` with the whole address, as ``user@host``. The empty pattern matches only where there is nothing,
such as a caller that withholds its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from sip.bounds import check, setting, text
from sip.frozen import dataclass
from sip.syntax.errors import ParseError
from sip.syntax.uri import parse_uri
from t38fsp.errors import SettingError

MOST_PATTERNS = 1000
_LONGEST_PATTERN = 200
_LONGEST_NAME = 64
_DAYS = 36500.0
_SEPARATORS = str.maketrans("", "", " \t-./()")


def check_pattern(pattern: object) -> None:
    """Raises ValueError."""
    if not isinstance(pattern, str):
        raise ValueError(f"{pattern!r} is not a pattern; write a text such as '+4930123*'")
    if len(pattern) > _LONGEST_PATTERN or not pattern.isprintable():
        raise ValueError(
            f"{pattern[:60]!r} is not a pattern: it has up to {_LONGEST_PATTERN} printable characters"
        )


def check_patterns(patterns: object) -> None:
    """Raises ValueError."""
    if not isinstance(patterns, tuple | list) or len(patterns) > MOST_PATTERNS:
        raise ValueError(f"write a list of up to {MOST_PATTERNS} patterns, such as ['+4930123*']")
    for pattern in patterns:
        check_pattern(pattern)


def check_names(names: object) -> None:
    """Check of the names of targets. Raises ValueError."""
    if not isinstance(names, tuple | list) or len(names) > _LONGEST_NAME:
        raise ValueError(f"write a list of up to {_LONGEST_NAME} names of targets")
    for name in names:
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            raise ValueError(f"{str(name)[:60]!r} is not the name of a target")


@dataclass(frozen=True, slots=True)
class ReceivedFacts:
    """What rules look at."""

    called: str = ""
    """SIP URI, or a number."""
    caller: str = ""
    station_id: str = ""
    sub_address: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """``[[service.rules]]``: what is done with the faxes that it takes; the first one that matches counts.

    A fax has to match all conditions that are given, each by one of its patterns. Raises SettingError for a
    value out of range.
    """

    name: str = setting("", check=text, table="service.rules")
    """Shown with each fax that it took. Default: its place, ``rule 1`` and so on."""
    called: tuple[str, ...] = setting((), check=check_patterns, table="service.rules")
    """Patterns of the called number."""
    caller: tuple[str, ...] = setting((), check=check_patterns, table="service.rules")
    """Patterns of the caller's number."""
    station_id: tuple[str, ...] = setting((), check=check_patterns, table="service.rules")
    """Patterns of the station ID that the far end sent (TSI)."""
    sub_address: tuple[str, ...] = setting((), check=check_patterns, table="service.rules")
    """Patterns of the subaddress that the caller asked for (SUB)."""
    deliver: tuple[str, ...] = setting((), check=check_names, table="service.rules")
    """Names of the targets; without any the fax is only kept."""
    keep_days: float | None = setting(None, least=0.0, most=_DAYS, unit="days", table="service.rules")
    """How long it is kept after it was delivered. Default: that of ``[service.receiving]``."""

    def __post_init__(self) -> None:
        check(self, SettingError)

    def takes(self, facts: ReceivedFacts) -> bool:
        return (
            _any(self.called, facts.called)
            and _any(self.caller, facts.caller)
            and _any(self.station_id, facts.station_id)
            and _any(self.sub_address, facts.sub_address)
        )


def rule_for(rules: Iterable[Rule], facts: ReceivedFacts) -> Rule | None:
    """The first one that takes the fax."""
    return next((rule for rule in rules if rule.takes(facts)), None)


def matches(pattern: str, value: str) -> bool:
    """``value`` is a SIP URI, a number, a name, or a text of a fax machine."""
    user, host = _address(value)
    if "@" in pattern:
        return fnmatchcase(f"{user}@{host}".casefold(), pattern.casefold())
    return fnmatchcase(_plain(user), _plain(pattern))


def match_any(patterns: Iterable[str], value: str) -> bool:
    return any(matches(pattern, value) for pattern in patterns)


def _any(patterns: tuple[str, ...], value: str) -> bool:
    return not patterns or match_any(patterns, value)


def _address(value: str) -> tuple[str, str]:
    """User and host of a SIP URI; another text is a user."""
    try:
        uri = parse_uri(value)
    except ParseError:
        return value, ""
    # A telephone subscriber has parameters in the user part (RFC 3261 19.1.6).
    return (uri.user or "").partition(";")[0], uri.host


def _plain(text: str) -> str:
    return text.translate(_SEPARATORS).removeprefix("+").casefold()

"""Windows of hours in which a fax may be sent, by the clock of the site.

Written ``08:00-18:00``, ``Mon-Fri 08:00-18:00``, ``Sat,Sun 10:00-14:00; Mon-Fri 22:00-06:00``: spans of
hours, each with the days on which it begins, every day if none is named. A span that ends before it begins
ends on the next day.

A window is open while the clock shows a time within a span. So when clocks go forward, a span that begins in
the hour that is skipped begins with the change; when they go back, an hour that is shown twice is within the
window twice.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from sip.frozen import dataclass
from t38fsp.errors import SettingError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:(?P<days>[A-Za-z,\- ]+?)\s+)?(?P<begin>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})")
_LONGEST_TEXT = 200
_MOST_SPANS = 20
_DAY = 24 * 60 * 60
_WEEK = 7 * _DAY


@dataclass(frozen=True, slots=True)
class Span:
    """From ``begin`` to ``end``, in seconds of a day, on ``days`` (0 is Monday); ``end`` may be in the next
    day."""

    days: frozenset[int]
    begin: int
    end: int

    def contains(self, day: int, second: int) -> bool:
        """Whether a time by the clock is within it."""
        if self.begin < self.end:
            return day in self.days and self.begin <= second < self.end
        began_yesterday = (day - 1) % 7 in self.days and second < self.end
        return began_yesterday or (day in self.days and second >= self.begin)

    def until(self, day: int, second: int) -> int:
        """Seconds by the clock until it begins next, 0 if that is now."""
        ahead = (((each - day) * _DAY + self.begin - second) % _WEEK for each in self.days)
        return min(ahead)


@dataclass(frozen=True, slots=True)
class Window:
    """Spans of hours; see the module."""

    spans: tuple[Span, ...]

    @classmethod
    def parse(cls, text: str) -> Window:
        """Raises SettingError with the form that is wanted."""
        if len(text) > _LONGEST_TEXT:
            raise SettingError(f"a window of hours has up to {_LONGEST_TEXT} characters; write fewer spans")
        parts = [part.strip() for part in text.split(";") if part.strip()]
        if not 1 <= len(parts) <= _MOST_SPANS:
            raise SettingError(_fault(text))
        return cls(tuple(_span(part) for part in parts))

    def is_open(self, at: float, zone: tzinfo) -> bool:
        """Whether the window is open ``at`` (seconds since the epoch)."""
        day, second = _clock(at, zone)
        return any(span.contains(day, second) for span in self.spans)

    def next_open(self, at: float, zone: tzinfo) -> float:
        """The first time, not before ``at``, at which the window is open."""
        # Each turn ends at the beginning of a span or at a change of the clock, of which a week has few.
        for _ in range(50):
            day, second = _clock(at, zone)
            if any(span.contains(day, second) for span in self.spans):
                return at
            # Whole seconds, as the clock shows them.
            begins = at - at % 1 + min(span.until(day, second) for span in self.spans)
            # The seconds that the clock will show until then are real ones only if the clock is not changed.
            at = begins if _offset(at, zone) == _offset(begins, zone) else _change(at, begins, zone)
        return at


ALWAYS = Window((Span(frozenset(range(7)), 0, _DAY),))


def _span(text: str) -> Span:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise SettingError(_fault(text))
    begin, end = _second(match["begin"]), _second(match["end"])
    # 24:00 is the end of a day only: as a beginning it would be 00:00 of the next.
    if begin in (end, _DAY):
        raise SettingError(f"{text!r} has no hours; for the whole day write 00:00-24:00")
    return Span(_days(match["days"]), begin, end)


def _second(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise SettingError(f"{text} is not a time of a day; write 00:00 to 24:00")
    return (hours * 60 + minutes) * 60


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        begin = _day(first)
        end = _day(last) if dash else begin
        days |= {(begin + ahead) % 7 for ahead in range((end - begin) % 7 + 1)}
    return frozenset(days)


def _day(name: str) -> int:
    short = name.lower()
    if len(short) < 3 or not any(full.startswith(short) for full in _NAMES):
        raise SettingError(f"{name!r} is not a day; write Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    return _DAYS.index(short[:3])


_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _fault(text: str) -> str:
    return (
        f"{text[:60]!r} is not a window of hours; "
        "write it like 08:00-18:00, or Mon-Fri 08:00-18:00; Sat 9:00-12:00"
    )


def _clock(at: float, zone: tzinfo) -> tuple[int, int]:
    """Weekday and second of the day that the clock shows."""
    local = datetime.fromtimestamp(at, zone)
    return local.weekday(), local.hour * 3600 + local.minute * 60 + local.second


def _offset(at: float, zone: tzinfo) -> timedelta:
    return datetime.fromtimestamp(at, zone).utcoffset() or timedelta()


def _change(before: float, after: float, zone: tzinfo) -> float:
    """The second at which the clock is changed between two times."""
    low, high = int(before), int(after)
    first = _offset(low, zone)
    # By halves: a tzinfo tells its offset at a time, but not when that changes.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == first else (low, middle)
    return float(high)

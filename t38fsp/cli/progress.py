"""How far a call is, and the line of a terminal that shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Self
from unicodedata import east_asian_width

from sip.frozen import dataclass
from t38fsp import events

_BAR = 20
"""Columns."""
_ANSWER = 0.97
"""Share of a page that its octets are; the rest is the far end's answer."""


@dataclass(frozen=True, slots=True)
class PageProgress:
    """The page on the line, of how many."""

    done: int = 0
    total: int = 0
    """0 when it is not known."""
    began: float = 0.0
    seconds: float = 0.0
    """That the page on the line takes; 0 for none, or when it is not known."""

    def after(self, event: events.FaxEvent, now: float) -> Self:
        match event:
            case events.PageStarted(number=number, total=total, seconds=seconds):
                return replace(self, done=number - 1, total=total, began=now, seconds=seconds)
            case events.PageDone(record=record):
                return replace(self, done=record.number if record.confirmed else self.done, seconds=0.0)
            case _:
                return self

    def share(self, now: float) -> float | None:
        """The part of the document that is sent, 0 to 1; None when its length is not known."""
        if not self.total:
            return None
        # By time: T.30 has no acknowledgement before the end of a page (or of an ECM block), so that
        # octets handed to the line would count as sent long before they are.
        part = min(_ANSWER, (now - self.began) / self.seconds) if self.seconds else 0.0
        return min(1.0, (self.done + part) / self.total)


def progress_line(text: str, share: float | None, seconds: float, columns: int) -> str:
    """At most ``columns`` - 1 wide, as a terminal may break a line that fills it."""
    minutes, left = divmod(int(seconds), 60)
    end = f" {minutes}:{left:02}"
    if share is not None:
        full = int(share * _BAR)
        end = f" [{'#' * full}{'-' * (_BAR - full)}] {int(100 * share):3}%{end}"
    room = columns - 1 - len(end)
    return f"{_shortened(text, room)}{end}" if room > 0 else _shortened(text, columns - 1)


def _shortened(text: str, columns: int) -> str:
    """As much of it as there is room for."""
    width = 0
    for index, char in enumerate(text):
        # Fullwidth and wide characters (UAX #11) take two columns.
        width += 2 if east_asian_width(char) in "WF" else 1
        if width > columns:
            return text[:index]
    return text

"""Session timers (RFC 4028): a call that is no longer refreshed is over.

Every INVITE and UPDATE with its 2xx agrees again on an interval and on the refresher. The refresher does so
after half of the interval; either side hangs up shortly before the end of one that passed without.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sip.line_settings import LEAST_SESSION, LONGEST_SESSION, Refresher, SessionTimers
from sip.syntax.errors import ParseError
from sip.syntax.headers import parse_params
from sip.syntax.message import Headers, Request, Response
from sip.transaction.timers import Timer, Timers

_SHORTEST = 10
"""Seconds; an interval that the far end makes shorter counts as this."""
_MAX_RAISES = 4
"""Responses with 422 that one call follows."""
_NUMBER = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The Session-Expires header (RFC 4028 4)."""

    seconds: int
    refresher: str | None = None
    """``uac``, ``uas``, or None when it is left open."""

    @classmethod
    def parse(cls, text: str) -> SessionExpires:
        """Read the value of the header; raises ParseError. A refresher that does not exist is left open."""
        number, semicolon, params = text.partition(";")
        number = number.strip()
        if not _NUMBER.fullmatch(number):
            raise ParseError(f"Session-Expires {text[:40]!r} does not begin with a number of seconds")
        refresher = (parse_params(semicolon + params).get("refresher") or "").lower()
        seconds = min(int(number), LONGEST_SESSION)
        return cls(seconds, refresher if refresher in ("uac", "uas") else None)

    @classmethod
    def of(cls, headers: Headers) -> SessionExpires | None:
        """None without one, and for one that cannot be read."""
        try:
            return cls.parse(headers.get("Session-Expires") or "")
        except ParseError:
            return None

    def __str__(self) -> str:
        return str(self.seconds) + (f";refresher={self.refresher}" if self.refresher else "")


class SessionTimer:
    """The timer of one call. ``attach`` sets what happens when it expires."""

    def __init__(self, settings: SessionTimers, timers: Timers) -> None:
        self._settings = settings
        self._timers = timers
        self._least = settings.least
        self._raises = 0
        self._interval = settings.session_expires
        self._refresher = settings.refresher
        self._on_refresh: Callable[[float], None] = _nothing
        self._on_expiry: Callable[[float], None] = _nothing
        self._running: list[Timer] = []
        self._closed = False

    def attach(self, on_refresh: Callable[[float], None], on_expiry: Callable[[float], None]) -> None:
        """Call ``on_refresh`` when it is for us to refresh, ``on_expiry`` when the call is to end."""
        self._on_refresh = on_refresh
        self._on_expiry = on_expiry

    @property
    def running(self) -> bool:
        return bool(self._running)

    def again(self, when: float) -> None:
        """Have the refresh tried once more at ``when``, unless the session is refreshed before."""
        if self.running:
            self._running.append(self._timers.at(when, self._due))

    def close(self) -> None:
        """The call is over; a 2xx that is late starts nothing any more."""
        self._stop()
        self._closed = True

    def _stop(self) -> None:
        for timer in self._running:
            timer.cancel()
        self._running.clear()

    # --- requests of ours -----------------------------------------------------------------------------------

    def headers(self) -> list[tuple[str, str]]:
        """What an INVITE or UPDATE of ours carries (RFC 4028 7.1, 7.4)."""
        fields: list[tuple[str, str]] = []
        if self._interval is not None:
            refresher = "uac" if self._refresher is Refresher.US else "uas"
            fields.append(("Session-Expires", str(SessionExpires(self._interval, refresher))))
        # RFC 4028 5: 90 s is the least that may be asked for, and needs no Min-SE.
        if self._least > LEAST_SESSION:
            fields.append(("Min-SE", str(self._least)))
        return fields

    def raised(self, response: Response) -> bool:
        """Whether a 422 asks for a longer interval, which the next request will propose (RFC 4028 7.3)."""
        least = _seconds(response.headers.get("Min-SE"))
        # RFC 4028 7.3: the new request has at least the Min-SE that was demanded.
        if response.status != 422 or least is None or self._raises == _MAX_RAISES or self._interval is None:
            return False
        if not self._interval < least <= LONGEST_SESSION:
            return False
        self._raises += 1
        self._least = self._interval = least
        return True

    def agreed(self, response: Response, now: float) -> None:
        """A 2xx to our INVITE or UPDATE (RFC 4028 7.2): it decides."""
        # Also if we asked for none: a proxy may have (RFC 4028 8.1).
        granted = SessionExpires.of(response.headers)
        if granted is None:
            self._interval = None
            self._stop()
        else:
            self._start(granted.seconds, Refresher.THEM if granted.refresher == "uas" else Refresher.US, now)

    # --- requests of theirs ---------------------------------------------------------------------------------

    def too_small(self, request: Request) -> tuple[str, str] | None:
        """The Min-SE of a 422 when an INVITE or UPDATE asks for too short an interval (RFC 4028 9)."""
        asked = SessionExpires.of(request.headers)
        if asked is None or asked.seconds >= self._settings.least or not _supports_timers(request):
            return None
        return "Min-SE", str(self._settings.least)

    def accept(self, request: Request, now: float) -> list[tuple[str, str]]:
        """What our 2xx to an INVITE or UPDATE carries (RFC 4028 9, table 2); the timer starts."""
        supported = _supports_timers(request)
        asked = SessionExpires.of(request.headers)
        if asked is None:
            interval = self._interval_unasked(request)
            asked = None if interval is None else SessionExpires(interval)
        if asked is None:
            self._interval = None
            self._stop()
            return []
        if asked.refresher is not None:
            refresher = Refresher.THEM if asked.refresher == "uac" else Refresher.US
        else:
            # RFC 4028 9, table 2: a caller that does not support timers cannot be the refresher.
            refresher = self._refresher if supported else Refresher.US
        self._start(asked.seconds, refresher, now)
        granted = SessionExpires(asked.seconds, "uac" if refresher is Refresher.THEM else "uas")
        fields = [("Session-Expires", str(granted))]
        if refresher is Refresher.THEM:
            # The refresher must be named (RFC 4028 9).
            fields.append(("Require", "timer"))
        return fields

    def _interval_unasked(self, request: Request) -> int | None:
        """The interval for a request that asks for none.

        One that we refresh goes on, because a far end may leave the header out of everything but its INVITE.
        One that they refresh is over: there is no sign that they will.
        """
        if self.running:
            return self._interval if self._refresher is Refresher.US else None
        if self._settings.session_expires is None:
            return None
        return max(self._settings.session_expires, _seconds(request.headers.get("Min-SE")) or 0)

    # --------------------------------------------------------------------------------------------------------

    def _start(self, interval: int, refresher: Refresher, now: float) -> None:
        self._stop()
        self._interval = interval
        self._refresher = refresher
        if self._closed:
            return
        seconds = max(interval, _SHORTEST)
        # Shortly before the end: a third, at most 32 s (RFC 4028 10).
        self._running.append(self._timers.at(now + seconds - min(32.0, seconds / 3), self._expired))
        if refresher is Refresher.US:
            self._running.append(self._timers.at(now + seconds / 2, self._due))

    def _due(self, now: float) -> None:
        self._on_refresh(now)

    def _expired(self, now: float) -> None:
        self._stop()
        self._on_expiry(now)


def _supports_timers(request: Request) -> bool:
    names = (name for header in ("Supported", "Require") for name in request.headers.get_all(header))
    return any(name.lower() == "timer" for name in names)


def _seconds(text: str | None) -> int | None:
    number = (text or "").partition(";")[0].strip()
    return int(number) if _NUMBER.fullmatch(number) else None


def _nothing(now: float) -> None:
    """What happens to a timer that belongs to no call yet."""

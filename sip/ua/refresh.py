"""Refresh of a session when its timer expires (RFC 4028 10).

An UPDATE without a description does it where the far end takes UPDATE: it touches no media. Elsewhere, and
where UPDATE has failed once, a re-INVITE repeats the description that holds.
"""

from __future__ import annotations

from sip.syntax.message import Request, Response
from sip.transaction.client import Failure
from sip.ua.authentication import AuthenticatedRequest
from sip.ua.offer_answer import OfferAnswer, OfferAnswerUser, is_glare
from sip.values import Hop

_RETRY = 5.0
"""Seconds until a refresh that could not be sent, or was refused, is tried again."""


class SessionRefresh:
    """The refreshes of one call that we send."""

    def __init__(self, party: OfferAnswerUser, offers: OfferAnswer) -> None:
        self._party = party
        self._offers = offers
        self._by_update = True
        self._closed = False

    def close(self) -> None:
        """The call is over: whatever comes back means nothing any more."""
        self._closed = True

    def due(self, now: float) -> None:
        """Refresh now, or as soon as no other offer is pending."""
        if self._by_update and self._party.allows_update:
            self._update(now)
        elif not self._offers.refresh(self._refused, now):
            self._party.session_timer.again(now + _RETRY)

    def _refused(self, status: int, reason: str, now: float) -> None:
        # RFC 3261 12.2.1.2: with these the dialog is over; anything else refuses the request alone.
        if status in (408, 481):
            self._party.lost(f"our refresh of the session got {status} {reason}", now)
        else:
            self._party.session_timer.again(now + _RETRY)

    def _update(self, now: float) -> None:
        party = self._party
        AuthenticatedRequest.within(
            party.dialog,
            party.core,
            party.authenticator,
            self._build,
            self._respond,
            self._lost,
            now,
            party.session_timer.raised,
        )

    def _build(self) -> Request:
        party = self._party
        update = party.dialog.request("UPDATE")
        for name, value in party.session_timer.headers():
            update.headers.add(name, value)
        return party.core.add_headers(update, party.contact, None)

    def _respond(self, response: Response, source: Hop, now: float) -> None:
        if response.status < 200 or self._closed:
            return
        if response.status < 300:
            self._party.dialog.refresh_target(response)
            self._party.learn(response)
            self._party.session_timer.agreed(response, now)
        elif response.status in (408, 481) or is_glare(response):
            self._refused(response.status, response.reason, now)
        else:
            self._fall_back(now)

    def _lost(self, failure: Failure, now: float) -> None:
        # Some firewalls swallow methods that they do not know.
        if not self._closed:
            self._fall_back(now)

    def _fall_back(self, now: float) -> None:
        self._by_update = False
        self.due(now)

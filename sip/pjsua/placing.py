"""The attempts of an outgoing call: its hops, then the targets of 3xx responses.

PJSIP tries one hop of one target. The next attempt is a new call of PJSIP, with a new Call-ID, placed when
the previous one has failed or is being cancelled; so two are never answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sip.line import CallRequest, Failed
from sip.syntax.errors import ParseError
from sip.syntax.message import Headers, Response
from sip.syntax.uri import Uri, parse_uri
from sip.transaction.failed_hops import AVOIDED, FailedHops
from sip.ua.redirection import Redirection
from sip.ua.registration_messages import delta_seconds
from sip.ua.target import Target
from sip.values import Hop

UNAVAILABLE = 503
NO_ANSWER = 408


@dataclass(frozen=True, slots=True)
class Over:
    """All hops and targets have failed."""

    failed: Failed


Step = CallRequest | Target | Over
"""The next step: an attempt at the first hop of a request, a lookup, or the end."""


class Placing:
    """One outgoing call until it is answered. ``attempt`` is the number of the current call of PJSIP, None
    while a target is looked up. The request must have at least one hop. Raises ParseError for a target that
    is not a URI."""

    def __init__(self, call: int, request: CallRequest, failed_hops: FailedHops) -> None:
        target = parse_uri(request.target)
        self.attempt: int | None = None
        self._call = call
        self._request = request
        self._destination = request.destination
        self._failed_hops = failed_hops
        self._first = _target_of(target)
        self._redirection = Redirection(target, request.redirects)
        self._hops = failed_hops.order(request.destination)
        self._failed = Failed(call, NO_ANSWER, "no attempt was made", local=True)
        self._given_up = False

    def first(self) -> CallRequest:
        """The first attempt."""
        return replace(self._request, destination=tuple(self._hops))

    def hang_up(self) -> Failed | None:
        """Stop trying; returns the last event, unless the current attempt still has to fail."""
        self._given_up = True
        return Failed(self._call, 487, "Request Terminated", local=True) if self.attempt is None else None

    def failed(self, failed: Failed, now: float) -> Step:
        """The step after the failure of the current attempt."""
        self.attempt = None
        self._failed = replace(failed, call=self._call)
        if self._given_up:
            return Over(self._failed)
        hop = self._hops.pop(0)
        if failed.status == UNAVAILABLE or (failed.local and failed.status == NO_ANSWER):
            asked = delta_seconds(Headers(failed.headers).get("Retry-After"))
            self._failed_hops.add(hop, now, asked or AVOIDED)
            if self._hops:
                return replace(self._request, destination=tuple(self._hops))
        # A 6xx is for every place where the called party might be (RFC 3261 21.6): no other target is
        # tried.
        if not failed.local and failed.status < 600:
            self._redirection.learn(Response(failed.status, failed.reason, Headers(failed.headers)))
        return self._next_target()

    def located(self, hops: Sequence[Hop]) -> Step:
        """The step after a lookup; ``hops`` is empty if it failed."""
        self._hops = self._failed_hops.order(hops)
        return replace(self._request, destination=tuple(self._hops)) if hops else self._next_target()

    def _next_target(self) -> Step:
        target = self._redirection.next()
        if target is None:
            return Over(self._failed)
        self._request = replace(self._request, target=str(target))
        found = _target_of(target)
        # With a route, or at the host that was looked up already, the hops are known.
        if self._request.routes or found == self._first:
            return self.located(self._destination)
        return self._next_target() if found is None else found


def _target_of(uri: Uri) -> Target | None:
    try:
        return Target.of(uri)
    except ParseError:
        return None

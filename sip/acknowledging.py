"""Acknowledging the reliable provisional responses to an INVITE of ours (RFC 3262 4)."""

from __future__ import annotations

from sip.authentication import Authenticator, Exchange
from sip.client_transaction import Failure
from sip.dialog import Dialog
from sip.endpoint import Endpoint
from sip.line import Hop
from sip.message import Request, Response
from sip.reliable import RAck, sequence
from sip.sdp import SessionDescription

_MAX_RELIABLE = 100
"""Responses to one INVITE that are acknowledged."""


class Acknowledger:
    """Sends a PRACK for each response to one INVITE within ``dialog``; only those in order count."""

    def __init__(self, endpoint: Endpoint, dialog: Dialog, authenticator: Authenticator) -> None:
        self._endpoint = endpoint
        self._dialog = dialog
        self._authenticator = authenticator
        self._last: int | None = None
        self._count = 0

    def next(self, response: Response) -> RAck | None:
        """What the PRACK for a reliable response is to name; None for a copy, and for one out of order."""
        number = sequence(response)
        if number is None or self._count == _MAX_RELIABLE or self._last not in (None, number - 1):
            return None
        self._last = number
        self._count += 1
        return RAck(number, response.cseq)

    def acknowledge(self, rack: RAck, now: float, body: SessionDescription | None = None) -> None:
        """Send the PRACK; ``body`` answers what the response offers."""

        def build() -> Request:
            prack = self._dialog.request("PRACK")
            prack.headers.add("RAck", str(rack))
            return self._endpoint.dress(prack, None, body)

        Exchange.within(
            self._dialog,
            self._endpoint,
            self._authenticator,
            build,
            _ignore_response,
            _ignore_failure,
            now,
        )


def _ignore_response(response: Response, source: Hop, now: float) -> None:
    """The far end stops repeating its response; that is all a PRACK is for."""


def _ignore_failure(failure: Failure, now: float) -> None:
    """The INVITE will come to nothing too, in its own time."""

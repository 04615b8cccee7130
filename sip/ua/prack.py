"""Reliable provisional responses and PRACK (RFC 3262).

Headers of both sides (7), the PRACKs for responses to an INVITE of ours (4), and a response of ours that is
retransmitted until the far end shows that it has it (3), which serves a 2xx as well (RFC 3261 13.3.1.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sip.syntax.errors import ParseError
from sip.syntax.message import CSeq, Headers, Request, Response
from sip.syntax.sdp import SessionDescription
from sip.transaction.client import Failure
from sip.transaction.machines import T1, ServerTransaction
from sip.transaction.timers import Timers
from sip.ua.authentication import AuthenticatedRequest, Authenticator
from sip.ua.core import UaCore
from sip.ua.dialog import Dialog
from sip.values import Hop

OPTION = "100rel"
"""In Supported and Require."""
FIRST_LIMIT = 2**31
"""RSeq begins below this (RFC 3262 3)."""

_NUMBER = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class RAck:
    """The RAck header: the response that a PRACK acknowledges (RFC 3262 7.2)."""

    number: int
    """Its RSeq."""
    cseq: CSeq

    @classmethod
    def parse(cls, text: str) -> RAck:
        """Read the value of the header; raises ParseError."""
        number, _, cseq = text.strip().partition(" ")
        if not _NUMBER.fullmatch(number):
            raise ParseError(f"RAck {text[:40]!r} does not begin with a number")
        return cls(int(number), CSeq.parse(cseq))

    @classmethod
    def of(cls, prack: Request) -> RAck | None:
        """None without one that can be read."""
        try:
            return cls.parse(prack.headers.get("RAck") or "")
        except ParseError:
            return None

    def __str__(self) -> str:
        return f"{self.number} {self.cseq}"


def required(headers: Headers) -> bool:
    return OPTION in (name.lower() for name in headers.get_all("Require"))


def sequence(response: Response) -> int | None:
    """The RSeq of a reliable provisional response; None when it is not reliable (RFC 3262 4)."""
    number = (response.headers.get("RSeq") or "").strip()
    return int(number) if required(response.headers) and _NUMBER.fullmatch(number) else None


_MAX_RELIABLE = 100
"""Responses to one INVITE that are acknowledged."""


class PrackSender:
    """Sends a PRACK for each response to one INVITE within ``dialog``; only those in order count."""

    def __init__(self, core: UaCore, dialog: Dialog, authenticator: Authenticator) -> None:
        self._core = core
        self._dialog = dialog
        self._authenticator = authenticator
        self._last: int | None = None
        self._count = 0

    def next(self, response: Response) -> RAck | None:
        """The RAck of the PRACK for a reliable response; None for a retransmission or one out of order."""
        number = sequence(response)
        # RFC 3262 4: a gap means that one was lost, whose copies are still coming; to acknowledge out of
        # order would end them.
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
            return self._core.add_headers(prack, None, body)

        AuthenticatedRequest.within(
            self._dialog,
            self._core,
            self._authenticator,
            build,
            _ignore_response,
            _ignore_failure,
            now,
        )


def _ignore_response(response: Response, source: Hop, now: float) -> None:
    """No-op: the far end stops retransmitting its response, which is all that a PRACK is for."""


def _ignore_failure(failure: Failure, now: float) -> None:
    """No-op: the INVITE will fail as well, by its own timer."""


class RetransmittedResponse:
    """Sends ``response``, and retransmits it after T1, 2*T1 and so on, at least every ``longest`` seconds.

    After 64*T1 it gives up and calls ``on_timeout`` (RFC 3261 13.3.1.4, RFC 3262 3).
    """

    def __init__(
        self,
        timers: Timers,
        transaction: ServerTransaction,
        response: Response,
        longest: float,
        on_timeout: Callable[[float], None],
        now: float,
    ) -> None:
        self._timers = timers
        self._transaction = transaction
        self._response = response
        self._longest = longest
        self._on_timeout = on_timeout
        self._interval = T1
        self._limit = timers.at(now + 64 * T1, self._give_up)
        self._repeat = timers.at(now + T1, self._send)
        transaction.respond(response, now)

    def stop(self) -> None:
        self._limit.cancel()
        self._repeat.cancel()

    def _send(self, now: float) -> None:
        self._transaction.respond(self._response, now)
        # A 2xx is repeated at most each T2 (RFC 3261 13.3.1.4), a provisional response without such a bound
        # (RFC 3262 3).
        self._interval = min(2 * self._interval, self._longest)
        self._repeat = self._timers.at(now + self._interval, self._send)

    def _give_up(self, now: float) -> None:
        self.stop()
        self._on_timeout(now)

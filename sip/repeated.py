"""A response to INVITE that is repeated until the far end shows that it has it."""

from __future__ import annotations

from collections.abc import Callable

from sip.message import Response
from sip.timers import Timers
from sip.transaction import T1, ServerTransaction


class RepeatedResponse:
    """Sends ``response``, and again after T1, 2*T1 and so on, but at least every ``longest`` seconds.

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
        self._interval = min(2 * self._interval, self._longest)
        self._repeat = self._timers.at(now + self._interval, self._send)

    def _give_up(self, now: float) -> None:
        self.stop()
        self._on_timeout(now)

"""One request, tried at one hop after another until one of them answers (RFC 3263 4.3).

.. code-block:: text

    Trying ── any response but 503 ──> it is the answer
       ├── 503, the network refuses, or time is over ──> Trying the next hop; at the last, it is the answer
       └── PATIENCE without any response, and there is a next hop ──> Given up, and Trying the next

A hop that was given up may still respond. A provisional response from it is followed by CANCEL, and a 2xx is
passed to ``on_late``, which must end that call: two calls are never up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sip.syntax.message import CSeq, Headers, Request, Response
from sip.syntax.reason import reason_header
from sip.transaction.client import ClientTransaction, Failure, FailureUser, ResponseUser
from sip.transaction.failed_hops import AVOIDED
from sip.transaction.machines import T1, State
from sip.ua.authentication import AuthenticatedRequest, Authenticator
from sip.ua.core import UaCore
from sip.ua.registration_messages import delta_seconds
from sip.values import Hop

LateUser = Callable[[Request, Response, Hop, float], None]
"""Takes a 2xx from a hop that was given up: the request it answers, itself, where it came from, ``now``."""


class Failover:
    """``build`` makes the request for a hop, with a new CSeq each time: where two hops lead to one server, it
    would take a twin for a loop (RFC 3261 8.2.2.2). ``revise`` is as in AuthenticatedRequest.
    """

    def __init__(
        self,
        core: UaCore,
        authenticator: Authenticator,
        build: Callable[[Hop], Request],
        hops: Sequence[Hop],
        on_response: ResponseUser,
        on_failure: FailureUser,
        on_late: LateUser,
        now: float,
        revise: Callable[[Response], bool] = lambda response: False,
    ) -> None:
        self.core = core
        self.authenticator = authenticator
        self.build = build
        self.revise = revise
        self.on_response = on_response
        self.on_failure = on_failure
        self.on_late = on_late
        self._hops = core.failed_hops.order(hops)
        self._attempt = _Attempt(self, self._hops.pop(0), now)

    @property
    def transaction(self) -> ClientTransaction:
        """The transaction of the latest attempt."""
        return self._attempt.request.transaction

    @property
    def request(self) -> Request:
        """The request that was sent last."""
        return self.transaction.request

    @property
    def hop(self) -> Hop:
        """The hop that it was sent to."""
        return self._attempt.hop

    def stop(self) -> None:
        """Try no further hop, and answer no further challenge."""
        self._hops.clear()
        self._attempt.request.stop()

    def next(self, now: float) -> bool:
        """Try the next hop; False if there is none."""
        if not self._hops:
            return False
        self._attempt = _Attempt(self, self._hops.pop(0), now)
        return True

    @property
    def last(self) -> bool:
        """Whether no hop is left to try."""
        return not self._hops


class _Attempt:
    """The request at one hop."""

    def __init__(self, owner: Failover, hop: Hop, now: float) -> None:
        self.hop = hop
        self._owner = owner
        self._given_up = False
        self._cancelled = False
        self.request = AuthenticatedRequest(
            owner.core,
            owner.authenticator,
            lambda: owner.build(hop),
            lambda: [hop],
            self._respond,
            self._fail,
            now,
            owner.revise,
        )
        self._first = self.request.transaction
        owner.core.timers.at(self._first.patient_until, self._lose_patience)

    def _respond(self, response: Response, source: Hop, now: float) -> None:
        owner, failed = self._owner, self._owner.core.failed_hops
        if self._given_up:
            self._respond_late(response, source, now)
        elif response.status == 503:
            # RFC 3263 4.3: a 503 means the next hop, and RFC 3261 21.5.4 that this one is left alone for
            # as long as it asks.
            asked = delta_seconds(response.headers.get("Retry-After"))
            failed.add(self.hop, now, asked or AVOIDED)
            if not owner.next(now):
                owner.on_response(response, source, now)
        else:
            failed.remove(self.hop)
            owner.on_response(response, source, now)

    def _fail(self, failure: Failure, now: float) -> None:
        if self._given_up:
            return
        self._owner.core.failed_hops.add(self.hop, now)
        if not self._owner.next(now):
            self._owner.on_failure(failure, now)

    def _lose_patience(self, now: float) -> None:
        transaction = self.request.transaction
        # A challenge that was answered has led to a second transaction: the hop lives.
        heard = transaction is not self._first or transaction.state not in (State.CALLING, State.TRYING)
        if heard or self._owner.last:
            return
        if now < transaction.patient_until:
            # It has gone another way to this hop, which has its turn first.
            self._owner.core.timers.at(transaction.patient_until, self._lose_patience)
            return
        self._given_up = True
        self.request.stop()
        transaction.stop_retransmitting()
        self._owner.core.failed_hops.add(self.hop, now)
        self._owner.next(now)

    def _respond_late(self, response: Response, source: Hop, now: float) -> None:
        transaction = self.request.transaction
        if response.status < 200 and transaction.invite and not self._cancelled:
            self._cancelled = True
            send_cancel(self._owner.core, transaction, "another hop has the call", now)
            # RFC 3261 9.1: a server of RFC 2543 may never send the 487 that a CANCEL leads to.
            self._owner.core.timers.at(now + 64 * T1, transaction.abandon)
        elif 200 <= response.status < 300:
            self._owner.on_late(transaction.request, response, source, now)


def send_cancel(core: UaCore, invite: ClientTransaction, reason: str | None, now: float) -> None:
    """Cancel an INVITE that has a provisional response and no final one (RFC 3261 9.1)."""
    headers = Headers([("Max-Forwards", "70")])
    # RFC 3261 9.1: as in the INVITE, so without the tag of To that a provisional response has brought.
    for name in ("Route", "From", "To", "Call-ID"):
        for value in invite.request.headers.get_all(name):
            headers.add(name, value)
    headers.add("CSeq", str(CSeq(invite.request.cseq.number, "CANCEL")))
    if reason is not None:
        headers.add(*reason_header(reason))
    cancel = core.add_headers(Request("CANCEL", invite.request.uri, headers), None, None)
    core.transactions.cancel(cancel, invite, now)

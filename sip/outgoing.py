"""A call we place, until it is answered or comes to nothing (RFC 3261 9.1, 13.2).

.. code-block:: text

    Calling ── 1xx ──> Proceeding ── 2xx ──> Over (a Session goes on)
       │                   └── 3xx-6xx ──> Over
       └── nothing, or the network refuses ──> Over

A hang-up leaves the state as it is: the CANCEL waits for a provisional response, and a 2xx that crosses it is
acknowledged and followed by BYE. So is the 2xx of every further fork.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from sip.authentication import Authenticator
from sip.dialog import Dialog
from sip.endpoint import ALLOW, METHODS, REASONS, Endpoint
from sip.errors import UnsendableError
from sip.failover import Failover, send_cancel
from sip.line import Answered, Answerer, CallRequest, Failed, Hop, Ringing, SessionTimers, Transport
from sip.message import CSeq, Headers, NameAddress, Request, Response, q850_cause
from sip.negotiation import Negotiation, read_answer
from sip.offers import send_ack
from sip.session import REPORT_LIMIT, Session
from sip.session_timer import SessionTimer
from sip.transaction import T1, Failure, ServerTransaction
from sip.uri import parse_uri

_MAX_FORKS = 16
_OURS = frozenset(
    {"via", "route", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length"}
)
"""Headers that a caller may not set."""


class Phase(Enum):
    CALLING = auto()
    PROCEEDING = auto()
    OVER = auto()


class OutgoingCall:
    """One INVITE and what becomes of it.

    ``on_session`` is called with the Session of an answered call, ``on_over`` when the call is over without
    one. Raises ParseError or UnsendableError for a request that cannot be sent.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        call: int,
        request: CallRequest,
        session_timers: SessionTimers,
        on_session: Callable[[Session], None],
        on_over: Callable[[], None],
        now: float,
    ) -> None:
        self._endpoint = endpoint
        self._call = call
        self._request = request
        self._on_session = on_session
        self._on_over = on_over
        self._answerer = request.answerer
        self._authenticator = Authenticator(request.credentials, endpoint.random)
        self._session_timer = SessionTimer(request.session_timers or session_timers, endpoint.timers)
        self._negotiation = Negotiation(str(endpoint.random.getrandbits(62)), request.media_address)
        self._negotiation.check(request.media)
        self._offer = self._negotiation.describe(request.media)
        target = parse_uri(request.target)
        secure = target.scheme == "sips"
        if secure and any(hop.transport is not Transport.TLS for hop in request.destination):
            raise UnsendableError(f"{request.target} asks for TLS on the way; write sip: for anything else")
        if not request.destination:
            raise UnsendableError("no hop says where the INVITE goes")
        for route in request.routes:
            if "lr" not in parse_uri(NameAddress.parse(route).uri).params:
                raise UnsendableError(f"the route {route} asks for strict routing; add ;lr to its URI")
        caller = NameAddress.parse(request.caller)
        self._user = parse_uri(caller.uri).user
        self._secure = secure
        for name, _ in request.headers:
            if name.lower() in _OURS:
                raise UnsendableError(f"{name} is a header that the user agent sets itself")
        self._target = str(target)
        self._from = str(NameAddress(caller.display_name, caller.uri, {"tag": endpoint.token()}))
        self._to = f"<{target}>"
        self._call_id = f"{endpoint.token()}@{endpoint.local_host(request.destination[0])}"
        self._contact = ""
        self._sequence = 0
        self._phase = Phase.CALLING
        self._early: list[_EarlyDialog] = []
        self._acks: dict[str, tuple[bytes, Hop]] = {}
        self._hang_up_wanted = False
        self._hang_up_reason: str | None = None
        self._cancelled = False
        self._reported = False
        self._exchange = Failover(
            endpoint,
            self._authenticator,
            self._build,
            request.destination,
            self._respond,
            self._lost,
            self._answered_late,
            now,
            self._session_timer.raised,
        )

    def _build(self, hop: Hop) -> Request:
        # Each INVITE needs a provisional response of its own before a CANCEL may follow it.
        self._phase = Phase.CALLING
        self._drop_early()
        self._contact = self._endpoint.contact(hop, self._user, secure=self._secure)
        self._sequence += 1
        headers = Headers(
            [
                *(("Route", route) for route in self._request.routes),
                ("Max-Forwards", "70"),
                ("From", self._from),
                ("To", self._to),
                ("Call-ID", self._call_id),
                ("CSeq", str(CSeq(self._sequence, "INVITE"))),
                *self._session_timer.headers(),
                *self._request.headers,
            ]
        )
        return self._endpoint.dress(Request("INVITE", self._target, headers), self._contact, self._offer)

    # --- verbs ----------------------------------------------------------------------------------------------

    def answer_with(self, answerer: Answerer) -> None:
        self._answerer = answerer

    def hang_up(self, now: float, *, reason: str | None = None) -> None:
        """CANCEL, as soon as there was a provisional response (RFC 3261 9.1)."""
        if self._hang_up_wanted or self._phase is Phase.OVER:
            return
        self._hang_up_wanted = True
        self._hang_up_reason = reason
        self._exchange.stop()
        self._endpoint.timers.at(now + REPORT_LIMIT, lambda late: self._report_own_end())
        if self._phase is Phase.PROCEEDING:
            self._cancel(now)

    def _cancel(self, now: float) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        send_cancel(self._endpoint, self._exchange.transaction, self._hang_up_reason, now)
        # A server of RFC 2543 sends no 487 (RFC 3261 9.1).
        self._endpoint.timers.at(now + 64 * T1, self._give_up)

    def _give_up(self, now: float) -> None:
        self._exchange.transaction.abandon(now)
        if self._exchange.transaction.terminated:
            self._report_own_end()
            self._finish()

    # --- what comes back ------------------------------------------------------------------------------------

    def _respond(self, response: Response, source: Hop, now: float) -> None:
        if response.status < 200:
            self._provisional(response, source, now)
        elif response.status < 300:
            self._success(response, source, now)
        elif self._hang_up_wanted:
            self._report_own_end()
            self._finish()
        else:
            self._report(
                response.status,
                response.reason,
                headers=tuple(response.headers),
                cause=q850_cause(response.headers),
            )
            self._finish()

    def _provisional(self, response: Response, source: Hop, now: float) -> None:
        if self._phase is Phase.CALLING:
            self._phase = Phase.PROCEEDING
        if self._hang_up_wanted:
            self._cancel(now)
        elif response.status > 100:
            self._remember(response, source)
            self._endpoint.emit(Ringing(self._call, response.status, response.reason))

    def _remember(self, response: Response, source: Hop) -> None:
        """Keep the early dialog that a provisional response with a tag makes (RFC 3261 12.1)."""
        tag = response.to.tag
        known = any(early.dialog.id.remote_tag == tag for early in self._early)
        if tag is None or known or len(self._early) == _MAX_FORKS:
            return
        dialog = Dialog.from_response(self._exchange.request, response, source)
        self._early.append(_EarlyDialog(self._endpoint, dialog))

    def _success(self, response: Response, source: Hop, now: float) -> None:
        dialog = self._acknowledge(self._exchange.request, response, source)
        if dialog is None:
            return
        if self._phase is Phase.OVER:
            # Another fork answered too (RFC 3261 13.2.2.4).
            self._surplus(dialog, _nothing).hang_up(now)
            return
        self._close()
        answer = read_answer(response)
        if self._hang_up_wanted:
            self._report_own_end()
        elif answer is None:
            self._report(488, "the answer to our offer cannot be read", local=True)
        else:
            self._negotiation.agree(self._offer, answer)
            session = Session(
                self._endpoint,
                self._call,
                dialog,
                self._contact,
                self._negotiation,
                self._answerer,
                self._authenticator,
                self._session_timer,
                self._on_over,
            )
            session.learn(response)
            self._session_timer.agreed(response, now)
            self._on_session(session)
            self._endpoint.emit(
                Answered(self._call, dialog.id, response.status, response.reason, self._offer, answer)
            )
            return
        self._surplus(dialog, self._on_over).hang_up(now, reason=self._hang_up_reason)

    def _acknowledge(self, request: Request, response: Response, source: Hop) -> Dialog | None:
        """Acknowledge a 2xx; returns the dialog that it makes, or None for a copy of an earlier one."""
        tag = response.to.tag or ""
        if tag in self._acks:
            self._endpoint.transactions.send_octets(*self._acks[tag])
            return None
        if len(self._acks) == _MAX_FORKS:
            return None
        dialog = Dialog.from_response(request, response, source)
        self._acks[tag] = send_ack(self._endpoint, dialog, request)
        return dialog

    def _answered_late(self, request: Request, response: Response, source: Hop, now: float) -> None:
        """A hop that was given up answers after all."""
        dialog = self._acknowledge(request, response, source)
        if dialog is not None:
            self._surplus(dialog, _nothing).hang_up(now, reason="another hop has the call")

    def _surplus(self, dialog: Dialog, on_over: Callable[[], None]) -> Session:
        """The session of a 2xx that nobody wants any more, to be hung up."""
        return Session(
            self._endpoint,
            self._call,
            dialog,
            self._contact,
            self._negotiation,
            self._answerer,
            self._authenticator,
            SessionTimer(SessionTimers(), self._endpoint.timers),
            on_over,
            silent=True,
        )

    def _lost(self, failure: Failure, now: float) -> None:
        if self._hang_up_wanted:
            self._report_own_end()
        elif failure is Failure.UNREACHABLE:
            cause = self._exchange.transaction.cause
            self._report(503, cause or "the network refused the INVITE", local=True)
        else:
            self._report(408, REASONS[408], local=True)
        self._finish()

    # --- the end --------------------------------------------------------------------------------------------

    def _report_own_end(self) -> None:
        self._report(487, REASONS[487], local=True)

    def _report(
        self,
        status: int,
        reason: str,
        *,
        local: bool = False,
        headers: tuple[tuple[str, str], ...] = (),
        cause: int | None = None,
    ) -> None:
        if not self._reported:
            self._reported = True
            self._endpoint.emit(Failed(self._call, status, reason, local, headers, cause))

    def _close(self) -> None:
        self._phase = Phase.OVER
        self._drop_early()

    def _drop_early(self) -> None:
        """A final response ends all early dialogs of its INVITE (RFC 3261 13.2.2.3)."""
        for early in self._early:
            self._endpoint.close_dialog(early)
        self._early.clear()

    def _finish(self) -> None:
        self._close()
        self._on_over()


class _EarlyDialog:
    """A dialog before the 2xx: our offer is open, so the far end can ask for little."""

    def __init__(self, endpoint: Endpoint, dialog: Dialog) -> None:
        self.dialog = dialog
        self._endpoint = endpoint
        endpoint.open_dialog(self)

    def serve(self, transaction: ServerTransaction, source: Hop, now: float) -> None:
        method = transaction.request.method
        headers: list[tuple[str, str]] = []
        if method in ("INFO", "OPTIONS"):
            status = 200
        elif method == "UPDATE":
            status = 491 if transaction.request.body else 200
        elif method in METHODS:
            # Only the caller may end an early dialog so (RFC 3261 15); an INVITE is out of turn.
            status, headers = 500, [("Retry-After", "5")]
        else:
            status, headers = 405, [("Allow", ALLOW)]
        transaction.respond(self._endpoint.response(transaction.request, status, headers), now)

    def acknowledged(self, ack: Request, now: float) -> None:
        """There is nothing to acknowledge yet."""


def _nothing() -> None:
    """The end of a further fork concerns nobody."""

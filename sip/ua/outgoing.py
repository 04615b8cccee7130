"""A call we place, until it is answered or comes to nothing (RFC 3261 9.1, 13.2).

.. code-block:: text

    Calling ── 1xx ──> Proceeding ── 2xx ──> Over (a Session goes on)
       │                   ├── 3xx-5xx, and a redirection names a target ──> Locating ── found ──> Calling
       │                   └── 3xx-6xx ──> Over
       └── nothing, or the network refuses ──> Over

A hang-up leaves the state as it is: the CANCEL waits for a provisional response, and a 2xx that crosses it is
acknowledged and followed by BYE. So is the 2xx of every further fork.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto

from sip.line import Answered, Answerer, CallRequest, Failed, Ringing
from sip.line_settings import SessionTimers
from sip.syntax.errors import ParseError
from sip.syntax.message import Request, Response, q850_cause
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.syntax.uri import Uri, parse_uri
from sip.transaction.client import Failure, SentAck
from sip.transaction.machines import T1
from sip.ua.authentication import Authenticator, why_unanswered
from sip.ua.core import REASONS, UaCore
from sip.ua.dialog import Dialog
from sip.ua.early_dialog import EarlyDialog
from sip.ua.failover import Failover, send_cancel
from sip.ua.invite import Invites
from sip.ua.offer_answer import send_ack
from sip.ua.redirection import Redirection
from sip.ua.session import REPORT_LIMIT, Session
from sip.ua.session_timer import SessionTimer
from sip.ua.target import Target
from sip.values import Hop

_MAX_FORKS = 16


class OutgoingPhase(Enum):
    CALLING = auto()
    PROCEEDING = auto()
    LOCATING = auto()
    OVER = auto()


class OutgoingCall:
    """One INVITE and what becomes of it.

    ``on_session`` is called with the Session of an answered call, ``on_over`` when the call is over without
    one. Raises ParseError or UnsendableError for a request that cannot be sent.
    """

    def __init__(
        self,
        core: UaCore,
        call: int,
        request: CallRequest,
        session_timers: SessionTimers,
        on_session: Callable[[Session], None],
        on_over: Callable[[], None],
        now: float,
    ) -> None:
        self._core = core
        self._call = call
        self._request = request
        self._on_session = on_session
        self._on_over = on_over
        self._answerer = request.answerer
        self._authenticator = Authenticator(request.credentials, core.random)
        self._invites = Invites(core, request, session_timers)
        self.names = self._invites.call_id, self._invites.tag
        """Call-ID and local tag of its dialogs, which are to come."""
        self._phase = OutgoingPhase.CALLING
        self._early: dict[str, EarlyDialog] = {}
        self._acks: dict[tuple[int, str], SentAck] = {}
        """By the CSeq of the INVITE and the tag of the fork."""
        self._hang_up_wanted = False
        self._hang_up_reason: str | None = None
        self._cancelled = False
        self._reported = False
        self._redirection = Redirection(parse_uri(request.target), request.redirects)
        self._exchange = self._send(request.destination, now)

    def _send(self, hops: Sequence[Hop], now: float) -> Failover:
        return Failover(
            self._core,
            self._authenticator,
            self._build,
            hops,
            self._respond,
            self._lost,
            self._answered_late,
            now,
            self._invites.revise,
        )

    def _build(self, hop: Hop) -> Request:
        # A CANCEL may follow an INVITE only after a provisional response to it (RFC 3261 9.1).
        self._phase = OutgoingPhase.CALLING
        self._drop_early()
        return self._invites.write(hop)

    # --- verbs ----------------------------------------------------------------------------------------------

    def answer_with(self, answerer: Answerer) -> None:
        self._answerer = answerer

    def hang_up(self, now: float, *, reason: str | None = None) -> None:
        """CANCEL, as soon as there was a provisional response (RFC 3261 9.1)."""
        if self._hang_up_wanted or self._phase is OutgoingPhase.OVER:
            return
        self._hang_up_wanted = True
        self._hang_up_reason = reason
        self._exchange.stop()
        # The program learns of the end soon even where the far end does not respond; the transaction goes
        # on.
        self._core.timers.at(now + REPORT_LIMIT, lambda late: self._report_own_end())
        if self._phase is OutgoingPhase.PROCEEDING:
            self._cancel(now)
        elif self._phase is OutgoingPhase.LOCATING:
            self._report_own_end()
            self._finish()

    def _cancel(self, now: float) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        send_cancel(self._core, self._exchange.transaction, self._hang_up_reason, now)
        # A server of RFC 2543 sends no 487 (RFC 3261 9.1).
        self._core.timers.at(now + 64 * T1, self._give_up)

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
        elif not self._redirect(response, now):
            self._report_refusal(response)
            self._finish()

    def _provisional(self, response: Response, source: Hop, now: float) -> None:
        if self._phase is OutgoingPhase.CALLING:
            self._phase = OutgoingPhase.PROCEEDING
        # Any proxy sends 100; a status above it comes from a server that tries to reach the callee.
        self._invites.alerted = self._invites.alerted or response.status > 100
        news = response.status > 100 and self._take_provisional(response, source, now)
        if self._hang_up_wanted:
            self._cancel(now)
        elif news:
            self._core.emit(Ringing(self._call, response.status, response.reason))

    def _take_provisional(self, response: Response, source: Hop, now: float) -> bool:
        """Keep the early dialog that a provisional response with a tag makes; False for copies."""
        tag = response.to.tag
        if tag is None:
            return True
        if tag not in self._early:
            # A 2xx of a further fork is still acknowledged; only its provisional responses are not kept.
            if len(self._early) == _MAX_FORKS:
                return True
            self._early[tag] = self._early_dialog(self._exchange.request, response, source)
        return self._early[tag].provisional(response, now)

    def _early_dialog(self, request: Request, response: Response, source: Hop) -> EarlyDialog:
        return EarlyDialog(
            self._core,
            Dialog.from_response(request, response, source),
            self._invites.contact,
            self._invites.negotiation.fork(),
            self._invites.offer,
            self._answer,
            self._authenticator,
        )

    def _answer(self, offer: SessionDescription) -> Sequence[MediaDescription] | None:
        return self._answerer(offer)

    def _success(self, response: Response, source: Hop, now: float) -> None:
        early = self._acknowledge(self._exchange.request, response, source, now)
        if early is None:
            return
        if self._phase is OutgoingPhase.OVER:
            # Another fork answered too (RFC 3261 13.2.2.4).
            self._surplus(early, _nothing).hang_up(now)
            return
        self._close()
        local, remote = early.negotiation.local, early.negotiation.remote
        # A 2xx that crossed the CANCEL has set up the call (RFC 3261 9.1): it is acknowledged, and ended
        # by BYE.
        if self._hang_up_wanted:
            self._report_own_end()
        elif local is None or remote is None:
            self._report(488, "the answer to our offer cannot be read", local=True)
        # Their offer came in the 2xx, and only an ACK can answer it: it has to be acknowledged, and then the
        # call to be ended.
        elif self._invites.offer is None and all(media.rejected for media in local.media):
            self._report(488, "the far end's offer has no acceptable media", local=True)
        else:
            session = Session(
                self._core,
                self._call,
                early.dialog,
                self._invites.contact,
                early.negotiation,
                self._answerer,
                self._authenticator,
                self._invites.session_timer,
                self._on_over,
            )
            session.learn(response)
            self._invites.session_timer.agreed(response, now)
            self._on_session(session)
            self._core.emit(
                Answered(self._call, early.dialog.id, response.status, response.reason, local, remote)
            )
            return
        self._surplus(early, self._on_over).hang_up(now, reason=self._hang_up_reason)

    def _acknowledge(
        self, request: Request, response: Response, source: Hop, now: float
    ) -> EarlyDialog | None:
        """Acknowledge a 2xx; returns the dialog that it makes, or None for a copy of an earlier one."""
        tag = response.to.tag or ""
        # Two hops may lead to one far end, which answers both INVITEs with one tag.
        fork = request.cseq.number, tag
        if fork in self._acks:
            self._acks[fork].repeat()
            return None
        # Each 2xx costs a session that hangs up: a proxy that forks without end must not make these grow.
        if sum(number == fork[0] for number, _ in self._acks) == _MAX_FORKS:
            return None
        early = self._early.get(tag) or self._early_dialog(request, response, source)
        body = early.success(response, source)
        self._acks[fork] = send_ack(self._core, early.dialog, request, now, body)
        return early

    def _answered_late(self, request: Request, response: Response, source: Hop, now: float) -> None:
        """A hop that was given up has accepted the call after all."""
        early = self._acknowledge(request, response, source, now)
        if early is not None:
            self._surplus(early, _nothing).hang_up(now, reason="another hop has the call")

    def _surplus(self, early: EarlyDialog, on_over: Callable[[], None]) -> Session:
        """The session of a 2xx to a call that was given up; to be hung up."""
        return Session(
            self._core,
            self._call,
            early.dialog,
            self._invites.contact,
            early.negotiation,
            self._answerer,
            self._authenticator,
            SessionTimer(SessionTimers(), self._core.timers),
            on_over,
            silent=True,
        )

    # --- 3xx ------------------------------------------------------------------------------------------------

    def _redirect(self, response: Response, now: float) -> bool:
        """Whether another target is to be tried after this refusal (RFC 3261 8.1.3.4)."""
        # 6xx holds for all other targets, too (RFC 3261 21.6).
        if response.status < 600:
            self._redirection.learn(response)
            return self._next_target(lambda: self._report_refusal(response), now)
        return False

    def _next_target(self, report: Callable[[], None], now: float) -> bool:
        """Try the next target, if there is one; ``report`` reports the last failure if there is none."""
        target = self._redirection.next()
        if target is not None:
            self._locate(target, report, now)
        return target is not None

    def _locate(self, target: Uri, report: Callable[[], None], now: float) -> None:
        self._phase = OutgoingPhase.LOCATING
        self._drop_early()

        def located(hops: Sequence[Hop], now: float) -> None:
            if self._phase is not OutgoingPhase.LOCATING:
                return
            if hops:
                self._invites.target = str(target)
                self._exchange = self._send(hops, now)
            elif not self._next_target(report, now):
                report()
                self._finish()

        found, first = _target_of(target), _target_of(parse_uri(self._request.target))
        if self._request.routes or found == first:
            located(self._request.destination, now)
        elif found is None:
            located((), now)
        else:
            self._core.locate(found, located, now)

    def _lost(self, failure: Failure, now: float) -> None:
        if self._hang_up_wanted:
            self._report_own_end()
            self._finish()
            return
        if failure is Failure.UNREACHABLE:
            fault = self._exchange.transaction.fault
            status, reason, advice = 503, fault.what or "the network refused the INVITE", fault.advice
        else:
            status, reason, advice = 408, REASONS[408], None

        def report() -> None:
            self._report(status, reason, local=True, advice=advice)

        if not self._next_target(report, now):
            report()
            self._finish()

    # --- the end --------------------------------------------------------------------------------------------

    def _report_own_end(self) -> None:
        self._report(487, REASONS[487], local=True)

    def _report_refusal(self, response: Response) -> None:
        headers = tuple(response.headers)
        self._report(
            response.status,
            response.reason,
            headers=headers,
            cause=q850_cause(response.headers),
            unanswered=why_unanswered(response.status, response.headers),
        )

    def _report(
        self,
        status: int,
        reason: str,
        *,
        local: bool = False,
        headers: tuple[tuple[str, str], ...] = (),
        cause: int | None = None,
        unanswered: str | None = None,
        advice: str | None = None,
    ) -> None:
        if not self._reported:
            self._reported = True
            call_id = self._invites.call_id
            self._core.emit(
                Failed(self._call, status, reason, local, headers, cause, call_id, advice, unanswered)
            )

    def _close(self) -> None:
        self._phase = OutgoingPhase.OVER
        self._drop_early()

    def _drop_early(self) -> None:
        """A final response ends all early dialogs of its INVITE (RFC 3261 13.2.2.3)."""
        for early in self._early.values():
            self._core.close_dialog(early)
        self._early.clear()

    def _finish(self) -> None:
        self._close()
        self._on_over()


def _target_of(uri: Uri) -> Target | None:
    try:
        return Target.of(uri)
    except ParseError:
        return None


def _nothing() -> None:
    """No-op: a surplus fork has no owner to notify."""

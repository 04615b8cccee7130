"""A call from the 2xx on: the dialog, its end, and what either side asks within it.

.. code-block:: text

    Unconfirmed ── ACK ──> Up ── hang_up ──> Ending ── BYE answered, or not ──> Over
        │                  ├── BYE of theirs ─────────────────────────────────────^
        └── no ACK ──> Ending

The caller's side begins in Up: it has sent the ACK. ``sip.ua.offer_answer`` has the offers within the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto

from sip.frozen import dataclass
from sip.line import Answered, Answerer, Ended
from sip.syntax.message import Request, Response, q850_cause
from sip.syntax.reason import reason_header, reason_text
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.transaction.client import Failure
from sip.transaction.machines import T2, ServerTransaction
from sip.ua.authentication import AuthenticatedRequest, Authenticator
from sip.ua.core import ALLOW, UaCore, refuse_method
from sip.ua.dialog import Dialog
from sip.ua.negotiation import CONTENT_TYPE, Negotiation, read_answer
from sip.ua.offer_answer import OfferAnswer
from sip.ua.prack import RAck, RetransmittedResponse
from sip.ua.refresh import SessionRefresh
from sip.ua.session_timer import SessionTimer
from sip.values import Hop

REPORT_LIMIT = 2.0
"""Seconds from ``hang_up`` to its event, even without a response."""


class SessionPhase(Enum):
    UNCONFIRMED = auto()
    UP = auto()
    ENDING = auto()
    OVER = auto()


class Session:
    """One established call. ``on_over`` is called once, when nothing more is to be done for it.

    A *silent* session emits no events: it ends a call that has no observer any more.
    """

    def __init__(
        self,
        core: UaCore,
        call: int,
        dialog: Dialog,
        contact: str,
        negotiation: Negotiation,
        answerer: Answerer,
        authenticator: Authenticator,
        session_timer: SessionTimer,
        on_over: Callable[[], None],
        *,
        silent: bool = False,
    ) -> None:
        self.core = core
        self.call = call
        self.dialog = dialog
        self.contact = contact
        self.negotiation = negotiation
        self.authenticator = authenticator
        self.session_timer = session_timer
        self.allows_update = False
        self.phase = SessionPhase.UP
        self.offers = OfferAnswer(self, answerer)
        self._refresh = SessionRefresh(self, self.offers)
        session_timer.attach(self._refresh.due, self._expired)
        self._on_over = on_over
        self._reported = silent
        self.awaited_prack: RAck | None = None
        """The RAck of a reliable response that was sent before our 2xx and is not yet acknowledged (RFC 3262
        3)."""
        self._success: _Success | None = None
        self._bye_wanted = False
        self._bye_reason: str | None = None
        core.open_dialog(self)

    def learn(self, message: Request | Response) -> None:
        """Note what the far end can do."""
        if "Allow" in message.headers:
            self.allows_update = "UPDATE" in (each.upper() for each in message.headers.get_all("Allow"))

    # --- our 2xx to their INVITE ----------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether we may send an INVITE: the dialog is up, and no 2xx of ours waits for its ACK."""
        return self.phase is SessionPhase.UP and self._success is None

    @property
    def offer_in_success(self) -> SessionDescription | None:
        """Our offer in a 2xx whose ACK will bring the answer (late offer)."""
        return self._success.offer if self._success else None

    def answer_first(self, transaction: ServerTransaction, local: SessionDescription, now: float) -> None:
        """Accept the INVITE that began the dialog; ``local`` is the answer, or our offer to a late one."""
        self.phase = SessionPhase.UNCONFIRMED
        self.learn(transaction.request)
        late = None if self.negotiation.remote else local
        self.succeed(transaction, local, late, now)

    def succeed(
        self,
        transaction: ServerTransaction,
        local: SessionDescription,
        offer: SessionDescription | None,
        now: float,
    ) -> None:
        """Answer an INVITE with 200, repeated until its ACK (RFC 3261 13.3.1.4)."""
        response = self._response(transaction, 200, now, body=local)
        repeated = RetransmittedResponse(self.core.timers, transaction, response, T2, self._no_ack, now)
        self._success = _Success(transaction.request.cseq.number, offer, repeated)

    def acknowledged(self, ack: Request, now: float) -> None:
        success = self._success
        if success is None or ack.cseq.number != success.sequence:
            return
        self.settle()
        answer = read_answer(ack) if success.offer is not None else None
        if self.phase is SessionPhase.UNCONFIRMED:
            if success.offer is not None:
                if answer is None:
                    self.hang_up(now, reason="the ACK contained no answer to the offer")
                    self._send_bye(now)
                    return
                self.negotiation.agree(success.offer, answer)
            self.confirm(now)
        elif success.offer is not None and answer is not None:
            self.offers.agree(success.offer, answer, ours=True)
        self.offers.proceed(now)

    def settle(self) -> None:
        """The far end has our 2xx: stop repeating it."""
        if self._success is not None:
            self._success.repeated.stop()
            self._success = None

    def confirm(self, now: float) -> None:
        """The far end knows that we answered; does nothing but ``settle`` when that was clear before."""
        self.settle()
        if self.phase is not SessionPhase.UNCONFIRMED:
            return
        if self._bye_wanted:
            self._send_bye(now)
            return
        self.phase = SessionPhase.UP
        local, remote = self.negotiation.local, self.negotiation.remote
        if not self._reported and local is not None and remote is not None:
            self.core.emit(Answered(self.call, self.dialog.id, 200, "OK", local, remote))

    def _no_ack(self, now: float) -> None:
        # RFC 3261 13.3.1.4: without an ACK the dialog is up all the same, and the session is ended by
        # BYE.
        self._success = None
        self._bye_reason = self._bye_reason or "no ACK came"
        self._send_bye(now)

    # --- requests of theirs ---------------------------------------------------------------------------------

    def serve(self, transaction: ServerTransaction, source: Hop, now: float) -> None:
        method = transaction.request.method
        if method == "BYE":
            self._bye_received(transaction, now)
        # As for a dialog that is not known: it is gone as soon as the BYE can be sent.
        elif self._bye_wanted or self.phase in (SessionPhase.ENDING, SessionPhase.OVER):
            self.respond(transaction, 481, now)
        elif method in ("INVITE", "UPDATE"):
            self.offers.serve(transaction, now)
        elif method == "PRACK":
            awaited = self.awaited_prack is not None and RAck.of(transaction.request) == self.awaited_prack
            self.respond(transaction, 200 if awaited else 481, now)
        elif method == "INFO" and transaction.request.body:
            # No use of INFO is known here (RFC 6086 4.2.2); an empty one asks whether we live.
            self.respond(transaction, 415, now, [("Accept", CONTENT_TYPE)])
        elif method in ("INFO", "OPTIONS"):
            self.respond(transaction, 200, now, [("Allow", ALLOW), ("Accept", CONTENT_TYPE)])
        else:
            status, headers = refuse_method(method)
            self.respond(transaction, status, now, headers)

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        headers: Sequence[tuple[str, str]] = (),
        body: SessionDescription | None = None,
    ) -> None:
        """Answer a request within the dialog."""
        transaction.respond(self._response(transaction, status, now, headers, body), now)

    def _response(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        headers: Sequence[tuple[str, str]] = (),
        body: SessionDescription | None = None,
    ) -> Response:
        fields = list(headers)
        if status < 300 and transaction.request.method in ("INVITE", "UPDATE"):
            fields += self.core.dialog_headers(self.contact)
            # RFC 4028 9: each 2xx to an INVITE or UPDATE says anew whether there is a timer, and who
            # refreshes.
            fields += self.session_timer.accept(transaction.request, now)
        tag = self.dialog.id.local_tag
        return self.core.response(transaction.request, status, fields, to_tag=tag, body=body)

    def _bye_received(self, transaction: ServerTransaction, now: float) -> None:
        self.respond(transaction, 200, now)
        # The two BYEs crossed. Ours is answered as well, and that answer ends the session.
        if self.phase is SessionPhase.ENDING:
            return
        headers = transaction.request.headers
        text = reason_text(headers) or ""
        self._report(text or "the far end hung up", remote=True, cause=q850_cause(headers), text=text)
        self._finish()

    # --- our end --------------------------------------------------------------------------------------------

    def offer(self, media: Sequence[MediaDescription], now: float) -> None:
        if self.phase in (SessionPhase.UNCONFIRMED, SessionPhase.UP) and not self._bye_wanted:
            self.offers.offer(media, now)

    def answer_with(self, answerer: Answerer) -> None:
        self.offers.answerer = answerer

    def hang_up(self, now: float, *, reason: str | None = None) -> None:
        """Send BYE, now or as soon as it may be sent (RFC 3261 15); Ended follows within REPORT_LIMIT."""
        if self._bye_wanted or self.phase in (SessionPhase.ENDING, SessionPhase.OVER):
            return
        self._bye_wanted = True
        self._bye_reason = reason
        if not self._reported:
            self.core.timers.at(now + REPORT_LIMIT, lambda late: self._report_own_end())
        # RFC 3261 15: the called side must not send BYE before it has the ACK, or given up on it;
        # ``confirm`` and ``_no_ack`` send it then.
        if self.phase is SessionPhase.UP:
            self._send_bye(now)

    def lost(self, reason: str, now: float) -> None:
        """The far end no longer knows the dialog (RFC 3261 12.2.1.2); a BYE is sent in case something still
        listens."""
        self._report(reason, remote=False)
        self._send_bye(now)

    def _expired(self, now: float) -> None:
        self.lost("the session expired: it was not refreshed in time", now)

    def _send_bye(self, now: float) -> None:
        if self.phase in (SessionPhase.ENDING, SessionPhase.OVER):
            return
        self.phase = SessionPhase.ENDING
        self._close()
        AuthenticatedRequest.within(
            self.dialog,
            self.core,
            self.authenticator,
            self._bye,
            self._bye_answered,
            self._bye_lost,
            now,
        )

    def _bye(self) -> Request:
        request = self.dialog.request("BYE")
        if self._bye_reason is not None:
            request.headers.add(*reason_header(self._bye_reason))
        return self.core.add_headers(request, None, None)

    def _bye_answered(self, response: Response, source: Hop, now: float) -> None:
        if response.status >= 200:
            self._report_own_end()
            self._finish()

    def _bye_lost(self, failure: Failure, now: float) -> None:
        self._report_own_end()
        self._finish()

    def _report_own_end(self) -> None:
        self._report(self._bye_reason or "we hung up", remote=False)

    def _report(self, reason: str, *, remote: bool, cause: int | None = None, text: str = "") -> None:
        if not self._reported:
            self._reported = True
            self.core.emit(Ended(self.call, remote, reason, cause, text))

    def _finish(self) -> None:
        if self.phase is SessionPhase.OVER:
            return
        self.phase = SessionPhase.OVER
        self._close()
        self.core.close_dialog(self)
        self._on_over()

    def _close(self) -> None:
        """Nothing but the BYE matters from now on."""
        self.settle()
        self.offers.close()
        self._refresh.close()
        self.session_timer.close()


@dataclass(frozen=True, slots=True)
class _Success:
    """A 2xx of ours to an INVITE."""

    sequence: int
    """CSeq of the INVITE."""
    offer: SessionDescription | None
    """What it offers, for the ACK to answer."""
    repeated: RetransmittedResponse

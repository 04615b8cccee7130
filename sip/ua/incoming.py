"""An incoming call until it is accepted or has failed (RFC 3261 13.3).

.. code-block:: text

    Waiting ── ring ──> Ringing ── accept ──> Over (a Session goes on)
                           ├── refuse, hang_up ──> Over
                           ├── CANCEL or BYE of theirs: 487 ──> Over
                           └── WAIT_LIMIT passes: 480 ──> Over

Until then a provisional response is sent every minute, because of proxies (RFC 3261 13.3.1.1). A caller that
requires reliable ones (RFC 3262) gets those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum, auto

from sip.line import Answerer, Failed, Incoming
from sip.syntax.errors import ParseError
from sip.syntax.message import NameAddress, Request, Response, q850_cause
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.syntax.uri import parse_uri
from sip.transaction.machines import T1, ServerTransaction
from sip.transaction.timers import Timer
from sip.ua.authentication import Authenticator
from sip.ua.core import METHODS, REASONS, UaCore, refuse_method
from sip.ua.dialog import Dialog
from sip.ua.identity import asserted_identity
from sip.ua.negotiation import Negotiation, directed
from sip.ua.prack import FIRST_LIMIT, OPTION, RAck, RetransmittedResponse, required
from sip.ua.session import Session
from sip.ua.session_timer import SessionTimer
from sip.values import Credentials, Hop

WAIT_LIMIT = 180.0
"""Seconds that a call may wait to be accepted."""
RETRY_AFTER = "5"
"""Retry-After of a 503, in seconds."""
_REMINDER = 60.0
"""Seconds between provisional responses."""


class IncomingPhase(Enum):
    WAITING = auto()
    RINGING = auto()
    OVER = auto()


class IncomingCall:
    """One INVITE of a far end, from ``source``, whose transaction has begun and whose offer was parsed.

    ``credentials`` are for challenges to our requests within the call, if ``accept`` brings none.
    ``stranger`` is as in :class:`~sip.line.Incoming`. ``on_session`` is called with the Session of an
    accepted call, ``on_over`` when the call is over.
    """

    def __init__(
        self,
        core: UaCore,
        call: int,
        transaction: ServerTransaction,
        dialog: Dialog,
        source: Hop,
        offer: SessionDescription | None,
        session_timer: SessionTimer,
        credentials: Credentials | None,
        on_session: Callable[[Session], None],
        on_over: Callable[[], None],
        now: float,
        *,
        stranger: bool = False,
    ) -> None:
        self.dialog = dialog
        self._core = core
        self._call = call
        self._transaction = transaction
        request = transaction.request
        self._contact = core.contact(source, _user_of(request.uri), secure=_is_secure(request))
        self._offer = offer
        self._session_timer = session_timer
        self._credentials = credentials
        self._on_session = on_session
        self._on_over = on_over
        self._phase = IncomingPhase.WAITING
        self._reliable = required(request.headers)
        # RFC 3262 3: from 1 to 2**31 - 1, at random.
        self._number = core.random.randrange(1, FIRST_LIMIT)
        self._unacknowledged: tuple[RAck, RetransmittedResponse] | None = None
        self._reminder: Timer = core.timers.at(now + _REMINDER, self._remind)
        self._limit = core.timers.at(now + WAIT_LIMIT, self._waited_too_long)
        transaction.on_cancel = self._cancelled
        # Resolve the Contact only once accepted: unanswered INVITEs must not trigger DNS queries.
        core.open_dialog(self, look_up=False)
        # RFC 3261 17.2.1: a caller that hears nothing for T1 retransmits; the program that decides may
        # take longer.
        transaction.respond(core.response(request, 100), now)
        self._announce(request, source, stranger)

    def _announce(self, request: Request, source: Hop, stranger: bool) -> None:
        identity = asserted_identity(request.headers)
        self._core.emit(
            Incoming(
                self._call,
                request.uri,
                request.from_.uri,
                request.from_.display_name,
                request.to.uri,
                source,
                self._offer,
                tuple(request.headers),
                None if identity is None else identity.uri,
                "" if identity is None else identity.display_name,
                stranger,
            )
        )

    # --- verbs ----------------------------------------------------------------------------------------------

    def ring(self, now: float) -> None:
        if self._phase is not IncomingPhase.OVER:
            self._phase = IncomingPhase.RINGING
            self._progress(180, now)

    def _progress(self, status: int, now: float) -> None:
        """Send a provisional response; reliably, if it must be, unless one waits for its PRACK already."""
        self._reminder.cancel()
        self._reminder = self._core.timers.at(now + _REMINDER, self._remind)
        headers = self._core.dialog_headers(self._contact)
        if not self._reliable:
            self._respond(status, now, headers)
        # To an INVITE without an offer a reliable response would have to make one (RFC 3262 5).
        elif self._unacknowledged is None and self._offer is not None:
            headers += [("Require", OPTION), ("RSeq", str(self._number))]
            rack = RAck(self._number, self._transaction.request.cseq)
            self._number += 1
            response = self._response(status, headers)
            self._unacknowledged = (
                rack,
                RetransmittedResponse(
                    self._core.timers, self._transaction, response, 64 * T1, self._no_prack, now
                ),
            )

    def _remind(self, now: float) -> None:
        self._progress(180 if self._phase is IncomingPhase.RINGING else 183, now)

    def _no_prack(self, now: float) -> None:
        """RFC 3262 3."""
        self._end(504, now)

    def _waited_too_long(self, now: float) -> None:
        self._end(480, now)

    def _end(self, status: int, now: float) -> None:
        self._respond(status, now)
        self._fail(Failed(self._call, status, REASONS[status], local=True))

    def accept(
        self,
        media: Sequence[MediaDescription],
        media_address: str,
        answerer: Answerer,
        now: float,
        credentials: Credentials | None,
    ) -> None:
        """Raises UnsendableError for media that cannot be written."""
        if self._phase is IncomingPhase.OVER:
            return
        core = self._core
        # RFC 3264 5: the session id has to fit into 64 bits with a sign.
        negotiation = Negotiation(str(core.random.getrandbits(62)), media_address)
        negotiation.check(media)
        local = negotiation.describe(media if self._offer is None else directed(media, self._offer))
        if self._offer is not None:
            negotiation.agree(local, self._offer)
        self._close()
        session = Session(
            core,
            self._call,
            self.dialog,
            self._contact,
            negotiation,
            answerer,
            Authenticator(credentials or self._credentials, core.random),
            self._session_timer,
            self._on_over,
        )
        if self._unacknowledged is not None:
            # RFC 3262 3: a 2xx need not wait for the PRACK of a response that described nothing, which
            # then comes within the session.
            session.awaited_prack = self._unacknowledged[0]
        self._on_session(session)
        session.answer_first(self._transaction, local, now)

    def refuse(self, status: int, now: float) -> None:
        """``status`` is 300..699; anything else raises ValueError."""
        if not 300 <= status <= 699:
            raise ValueError(f"a call cannot be refused with {status}; it must be 300..699")
        if self._phase is not IncomingPhase.OVER:
            refused_offer = status == 488 and self._offer is not None
            hop = self._transaction.destination
            headers = [self._core.warning(hop, 305)] if refused_offer else []
            if status == 503:
                # Without it the caller may take us for broken (RFC 3261 21.5.4).
                headers = [("Retry-After", RETRY_AFTER)]
            self._respond(status, now, headers)
            self._fail(Failed(self._call, status, REASONS.get(status, "Refused"), local=True))

    def hang_up(self, now: float, *, reason: str | None = None) -> None:
        """Respond 480; a reason is not sent."""
        if self._phase is not IncomingPhase.OVER:
            # The caller gets the final response of a call that was not answered; the program, which asked for
            # the end, gets the same status as for a call of its own that it ends.
            self._respond(480, now)
            self._fail(Failed(self._call, 487, REASONS[487], local=True))

    def _close(self) -> None:
        self._phase = IncomingPhase.OVER
        self._reminder.cancel()
        self._limit.cancel()
        if self._unacknowledged is not None:
            self._unacknowledged[1].stop()

    # --- what comes in --------------------------------------------------------------------------------------

    def serve(self, transaction: ServerTransaction, source: Hop, now: float) -> None:
        """A request within the early dialog."""
        request = transaction.request
        headers: list[tuple[str, str]] = []
        if request.method == "PRACK":
            status = self._take_prack(request)
        # RFC 3261 15.1.2: a BYE in an early dialog ends the INVITE with 487.
        elif request.method in ("BYE", "INFO", "OPTIONS"):
            status = 200
        # It offers nothing, so it is no second offer (RFC 3311 5.2); it may have a new Contact.
        elif request.method == "UPDATE" and not request.body:
            self.dialog.refresh_target(request)
            status, headers = 200, self._core.dialog_headers(self._contact)
        elif request.method in METHODS:
            # Their offer is not answered yet (RFC 3261 14.2, RFC 3311 5.2).
            status, headers = 500, [("Retry-After", "5")]
        else:
            status, headers = refuse_method(request.method)
        transaction.respond(
            self._core.response(request, status, headers, to_tag=self.dialog.id.local_tag), now
        )
        if request.method == "BYE":
            self._cancelled(request, now)

    def _take_prack(self, prack: Request) -> int:
        # RFC 3262 3: a PRACK that names no response of ours gets 481.
        if self._unacknowledged is None or RAck.of(prack) != self._unacknowledged[0]:
            return 481
        self._unacknowledged[1].stop()
        self._unacknowledged = None
        return 200

    def acknowledged(self, ack: Request, now: float) -> None:
        """No-op: there is nothing to acknowledge yet."""

    def _cancelled(self, request: Request, now: float) -> None:
        if self._phase is not IncomingPhase.OVER:
            self._respond(487, now)
            self._fail(Failed(self._call, 487, REASONS[487], cause=q850_cause(request.headers)))

    def _respond(self, status: int, now: float, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._transaction.respond(self._response(status, headers), now)

    def _response(self, status: int, headers: Sequence[tuple[str, str]]) -> Response:
        tag = self.dialog.id.local_tag
        return self._core.response(self._transaction.request, status, headers, to_tag=tag)

    def _fail(self, event: Failed) -> None:
        self._close()
        self._core.close_dialog(self)
        self._core.emit(replace(event, call_id=self.dialog.id.call_id))
        self._on_over()


def _is_secure(request: Request) -> bool:
    """Whether our Contact must be a sips URI (RFC 3261 12.1.1)."""
    # Only the topmost: the Contact counts where no proxy has put itself on the route.
    routes = [*request.headers.get_all("Record-Route"), *request.headers.get_all("Contact")][:1]
    uris = [request.uri, *(NameAddress.parse(route).uri for route in routes)]
    return any(uri.lower().startswith("sips:") for uri in uris)


def _user_of(uri: str) -> str | None:
    try:
        return parse_uri(uri).user
    except ParseError:
        return None

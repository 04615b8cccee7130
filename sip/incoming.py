"""A call for us, until it is accepted or comes to nothing (RFC 3261 13.3).

.. code-block:: text

    Waiting ── ring ──> Ringing ── accept ──> Over (a Session goes on)
                           ├── refuse, hang_up ──> Over
                           └── CANCEL or BYE of theirs: 487 ──> Over
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto

from sip.authentication import Authenticator
from sip.dialog import Dialog
from sip.endpoint import ALLOW, METHODS, REASONS, Endpoint
from sip.line import Answerer, Failed, Hop, Incoming
from sip.message import Request, q850_cause
from sip.negotiation import Negotiation
from sip.sdp import MediaDescription, SessionDescription
from sip.session import Session
from sip.session_timer import SessionTimer
from sip.transaction import ServerTransaction


class Phase(Enum):
    WAITING = auto()
    RINGING = auto()
    OVER = auto()


class IncomingCall:
    """One INVITE of theirs, whose transaction has begun and whose offer has been read.

    ``on_session`` is called with the Session of an accepted call, ``on_over`` when the call is over.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        call: int,
        transaction: ServerTransaction,
        dialog: Dialog,
        contact: str,
        offer: SessionDescription | None,
        session_timer: SessionTimer,
        on_session: Callable[[Session], None],
        on_over: Callable[[], None],
        now: float,
    ) -> None:
        self.dialog = dialog
        self._endpoint = endpoint
        self._call = call
        self._transaction = transaction
        self._contact = contact
        self._offer = offer
        self._session_timer = session_timer
        self._on_session = on_session
        self._on_over = on_over
        self._phase = Phase.WAITING
        transaction.on_cancel = self._cancelled
        endpoint.open_dialog(self)
        transaction.respond(endpoint.response(transaction.request, 100), now)

    def announce(self, source: Hop) -> None:
        """Emit Incoming."""
        request = self._transaction.request
        self._endpoint.emit(
            Incoming(
                self._call,
                request.uri,
                request.from_.uri,
                request.from_.display_name,
                request.to.uri,
                source,
                self._offer,
                tuple(request.headers),
            )
        )

    # --- verbs ----------------------------------------------------------------------------------------------

    def ring(self, now: float) -> None:
        if self._phase is not Phase.OVER:
            self._phase = Phase.RINGING
            self._respond(180, now, self._endpoint.dialog_headers(self._contact))

    def accept(
        self, media: Sequence[MediaDescription], media_address: str, answerer: Answerer, now: float
    ) -> None:
        """Raises UnsendableError for media that cannot be written."""
        if self._phase is Phase.OVER:
            return
        endpoint = self._endpoint
        negotiation = Negotiation(str(endpoint.random.getrandbits(62)), media_address)
        negotiation.check(media)
        local = negotiation.describe(media)
        if self._offer is not None:
            negotiation.agree(local, self._offer)
        self._phase = Phase.OVER
        session = Session(
            endpoint,
            self._call,
            self.dialog,
            self._contact,
            negotiation,
            answerer,
            Authenticator(None, endpoint.random),
            self._session_timer,
            self._on_over,
        )
        self._on_session(session)
        session.answer_first(self._transaction, local, now)

    def refuse(self, status: int, now: float) -> None:
        """``status`` is 300..699; anything else raises ValueError."""
        if not 300 <= status <= 699:
            raise ValueError(f"{status} refuses nothing; it must be 300..699")
        if self._phase is not Phase.OVER:
            self._respond(status, now)
            self._fail(Failed(self._call, status, REASONS.get(status, "Refused"), local=True))

    def hang_up(self, now: float, *, reason: str | None = None) -> None:
        """Answer 480; there is nothing to tell a reason in."""
        if self._phase is not Phase.OVER:
            self._respond(480, now)
            self._fail(Failed(self._call, 487, REASONS[487], local=True))

    # --- what comes in --------------------------------------------------------------------------------------

    def serve(self, transaction: ServerTransaction, source: Hop, now: float) -> None:
        """A request within the early dialog."""
        request = transaction.request
        headers: list[tuple[str, str]] = []
        if request.method in ("BYE", "INFO", "OPTIONS"):
            status = 200
        elif request.method in METHODS:
            # Their offer is not answered yet (RFC 3261 14.2, RFC 3311 5.2).
            status, headers = 500, [("Retry-After", "5")]
        else:
            status, headers = 405, [("Allow", ALLOW)]
        transaction.respond(
            self._endpoint.response(request, status, headers, to_tag=self.dialog.id.local_tag), now
        )
        if request.method == "BYE":
            self._cancelled(request, now)

    def acknowledged(self, ack: Request, now: float) -> None:
        """There is nothing to acknowledge yet."""

    def _cancelled(self, request: Request, now: float) -> None:
        if self._phase is not Phase.OVER:
            self._respond(487, now)
            self._fail(Failed(self._call, 487, REASONS[487], cause=q850_cause(request.headers)))

    def _respond(self, status: int, now: float, headers: Sequence[tuple[str, str]] = ()) -> None:
        request = self._transaction.request
        tag = self.dialog.id.local_tag
        self._transaction.respond(self._endpoint.response(request, status, headers, to_tag=tag), now)

    def _fail(self, event: Failed) -> None:
        self._phase = Phase.OVER
        self._endpoint.close_dialog(self)
        self._endpoint.emit(event)
        self._on_over()

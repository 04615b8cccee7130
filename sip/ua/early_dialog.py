"""A dialog before its 2xx, as the caller sees it (RFC 3261 12.1, RFC 3262, RFC 3311).

The answer to our offer comes in the 2xx or before it in a *reliable* provisional response, which is told
from others by its RSeq, acknowledged by PRACK, and counts only in order. What an unreliable one describes is
a preview: it counts when the 2xx brings nothing. When our INVITE made no offer, the first reliable response
makes one, which the PRACK or the ACK answers.
"""

from __future__ import annotations

from sip.line import Answerer
from sip.logs import SELDOM, get_logger
from sip.syntax.errors import ParseError
from sip.syntax.message import Request, Response
from sip.syntax.sdp import SessionDescription
from sip.transaction.machines import ServerTransaction
from sip.ua.authentication import Authenticator
from sip.ua.core import METHODS, UaCore, refuse_method
from sip.ua.dialog import Dialog
from sip.ua.negotiation import Negotiation, read_answer, read_sdp, rejected
from sip.ua.prack import PrackSender, sequence
from sip.values import Hop

_logger = get_logger(__name__)


class EarlyDialog:
    """One branch of an INVITE that may be answered. ``offer`` is what the INVITE offered, if anything."""

    def __init__(
        self,
        core: UaCore,
        dialog: Dialog,
        contact: str,
        negotiation: Negotiation,
        offer: SessionDescription | None,
        answerer: Answerer,
        authenticator: Authenticator,
    ) -> None:
        self.dialog = dialog
        self.negotiation = negotiation
        self._core = core
        self._contact = contact
        self._offer = offer
        self._answerer = answerer
        self._acknowledger = PrackSender(core, dialog, authenticator)
        self._preview: SessionDescription | None = None
        core.open_dialog(self)

    # --- responses to the INVITE ----------------------------------------------------------------------------

    def provisional(self, response: Response, now: float) -> bool:
        """Take a response above 100; False for a copy, and for one that is out of order (RFC 3262 4)."""
        described = read_answer(response)
        if sequence(response) is None:
            if self._offer is not None:
                self._preview = described or self._preview
            return True
        rack = self._acknowledger.next(response)
        if rack is not None:
            self._acknowledger.acknowledge(rack, now, self._agree(described))
        return rack is not None

    def success(self, response: Response, source: Hop) -> SessionDescription | None:
        """Take a 2xx, whose route set is the one that counts; returns what its ACK has to describe."""
        self.dialog.confirm(response, source)
        return self._agree(read_answer(response) or self._preview)

    def _agree(self, theirs: SessionDescription | None) -> SessionDescription | None:
        """Only the first description of theirs counts (RFC 3261 13.2.1); returns our answer to an offer."""
        if theirs is None or self.negotiation.remote is not None:
            return None
        if self._offer is not None:
            self.negotiation.agree(self._offer, theirs)
            return None
        # An offer in a response cannot be refused as a whole, only each of its streams.
        local = self.negotiation.answer(theirs, self._answerer) or self.negotiation.describe(
            rejected(theirs.media)
        )
        self.negotiation.agree(local, theirs)
        return local

    # --- requests of theirs ---------------------------------------------------------------------------------

    def serve(self, transaction: ServerTransaction, source: Hop, now: float) -> None:
        request = transaction.request
        headers: list[tuple[str, str]] = []
        body = None
        if request.method == "UPDATE":
            status, headers, body = self._update(request, source)
        elif request.method in ("INFO", "OPTIONS"):
            status = 200
        elif request.method in METHODS:
            # Only the caller may end an early dialog so (RFC 3261 15); an INVITE is out of turn.
            status, headers = 500, [("Retry-After", "5")]
        else:
            status, headers = refuse_method(request.method)
        transaction.respond(self._core.response(request, status, headers, body=body), now)

    def _update(
        self, request: Request, source: Hop
    ) -> tuple[int, list[tuple[str, str]], SessionDescription | None]:
        """Answer an UPDATE (RFC 3311 5.2): status, headers and description."""
        try:
            offer = read_sdp(request)
        except ParseError as error:
            _logger.info("%s: their offer cannot be read: %s", self.dialog.id.call_id, error, extra=SELDOM)
            return 488, [self._core.warning(source, 307)], None
        local = None
        if offer is not None:
            # RFC 3311 5.2: our own offer is still unanswered.
            if self.negotiation.remote is None:
                return 491, [], None
            local = self.negotiation.answer(offer, self._answerer)
            if local is None:
                return 488, [self._core.warning(source, 305)], None
            self.negotiation.agree(local, offer)
        self.dialog.refresh_target(request)
        return 200, self._core.dialog_headers(self._contact), local

    def acknowledged(self, ack: Request, now: float) -> None:
        """There is nothing to acknowledge yet."""

"""OfferAnswer within an established call, ours and theirs: re-INVITE and UPDATE (RFC 3261 14, RFC 3311).

.. code-block:: text

    Free ── our re-INVITE sent ──> Open ── final response ──> Free
                                     └── glare ──> Backing off ── time ──> our offer once more
                                                      └── theirs answered ──> Free (ours may follow)

Glare is 491, or 500 with a Retry-After: the far end has an offer outstanding, or has not answered
an earlier one yet (RFC 3261 14.2). Ours waits while another is open or a 2xx is not acknowledged. Theirs is
answered at once; while ours is open it is refused with 491. A re-INVITE that only refreshes the session
offers what holds already, octet by octet. A challenge (401, 407) and 422 are answered below, in
``sip.ua.authentication.AuthenticatedRequest`` and ``sip.ua.session_timer``, by the same request once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sip.line import Answerer, MediaChanged, OfferDeclined, OfferRefused
from sip.logs import SELDOM, get_logger
from sip.syntax.errors import ParseError
from sip.syntax.message import Request, Response
from sip.syntax.sdp import Direction, MediaDescription, SessionDescription
from sip.transaction.client import Failure, SentAck
from sip.transaction.machines import T1, ServerTransaction
from sip.transaction.timers import Timer
from sip.ua.authentication import AuthenticatedRequest, Authenticator
from sip.ua.core import REASONS, UaCore
from sip.ua.dialog import Dialog
from sip.ua.negotiation import CONTENT_TYPE, Negotiation, is_known, read_answer, read_sdp, rejected
from sip.ua.prack import PrackSender
from sip.ua.registration_messages import LONGEST_EXPIRY, delta_seconds
from sip.ua.session_timer import SessionTimer
from sip.values import Hop

_logger = get_logger(__name__)

_BACKOFF_STEP = 0.01
"""Seconds; the back-off is chosen in units of this (RFC 3261 14.1)."""
_LONGEST_GLARE = 10
"""Seconds of the Retry-After of a 500 that is glare (RFC 3261 14.2); one that asks for more is a refusal."""
_MOST_GLARES = 8
"""Times that an offer of ours is sent again before glare counts as a refusal."""


RefusalUser = Callable[[int, str, float], None]
"""Takes the status and the reason of a refusal, and ``now``."""


class OfferAnswerUser(Protocol):
    """What the offers of a call ask of the call."""

    core: UaCore
    call: int
    dialog: Dialog
    contact: str
    negotiation: Negotiation
    authenticator: Authenticator
    session_timer: SessionTimer

    @property
    def ready(self) -> bool: ...

    @property
    def allows_update(self) -> bool: ...

    @property
    def offer_in_success(self) -> SessionDescription | None: ...

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        headers: Sequence[tuple[str, str]] = (),
        body: SessionDescription | None = None,
    ) -> None: ...

    def succeed(
        self,
        transaction: ServerTransaction,
        local: SessionDescription,
        offer: SessionDescription | None,
        now: float,
    ) -> None: ...

    def confirm(self, now: float) -> None: ...

    def learn(self, message: Request | Response) -> None: ...

    def lost(self, reason: str, now: float) -> None: ...


class OfferAnswer:
    """The offers of one call."""

    def __init__(self, party: OfferAnswerUser, answerer: Answerer) -> None:
        self._party = party
        self.answerer = answerer
        self._wanted: tuple[MediaDescription, ...] | None = None
        self._open: _Reinvite | None = None
        self._backoff: Timer | None = None
        self._glares = 0
        self._closed = False

    # --- ours -----------------------------------------------------------------------------------------------

    def offer(self, media: Sequence[MediaDescription], now: float) -> None:
        """Send an offer as soon as it may be sent; it takes the place of one that still waits."""
        self._party.negotiation.check(media)
        self._wanted = tuple(media)
        self._glares = 0
        self.proceed(now)

    def proceed(self, now: float) -> None:
        """Send the offer that waits, if nothing holds it back any more."""
        free = self._open is None and self._backoff is None and not self._closed
        if free and self._wanted is not None and self._party.ready:
            media, self._wanted = self._wanted, None
            local = self._party.negotiation.local
            if local is not None:
                # An offer of theirs may have brought further lines, which never go away (RFC 3264 8).
                media += rejected(local.media[len(media) :])
            self._open = _Reinvite(self._party, media, self._answered, self._refused, now)

    def refresh(self, on_refusal: RefusalUser, now: float) -> bool:
        """Send what holds once more; returns whether it could be sent. Only changes are reported to the
        call."""
        local = self._party.negotiation.local
        if self._open is not None or self._closed or local is None or not self._party.ready:
            return False

        def refused(reinvite: _Reinvite, status: int, reason: str, now: float) -> None:
            self._open = None
            if not self._closed:
                on_refusal(status, reason, now)
                self.proceed(now)

        self._open = _Reinvite(self._party, local.media, self._refreshed, refused, now)
        return True

    def close(self) -> None:
        """The call is over: send nothing more, and report nothing."""
        self._closed = True
        self._wanted = None
        self._stop_waiting()
        if self._open is not None:
            self._open.invite.stop()

    def agree(
        self, local: SessionDescription, remote: SessionDescription, *, ours: bool, asked: bool = False
    ) -> None:
        """An offer was answered: report it to the call, unless nothing changed.

        With ``asked`` it is reported in any case: the call waits for the answer to its own offer, also where
        the far end refuses each one alike.
        """
        negotiation = self._party.negotiation
        if asked or (negotiation.local, negotiation.remote) != (local, remote):
            negotiation.agree(local, remote)
            self._party.core.emit(MediaChanged(self._party.call, local, remote, ours))

    def _answered(self, reinvite: _Reinvite, response: Response, now: float) -> None:
        self._open = None
        if self._closed:
            return
        answer = reinvite.answer_in(response)
        if answer is None:
            self._party.lost("the answer to our offer cannot be read", now)
            return
        self.agree(reinvite.offer, answer, ours=True, asked=True)
        self.proceed(now)

    def _refreshed(self, reinvite: _Reinvite, response: Response, now: float) -> None:
        self._open = None
        if self._closed:
            return
        answer = reinvite.answer_in(response)
        # Some far ends answer what they know already with nothing.
        if answer is not None:
            self.agree(reinvite.offer, answer, ours=True)
        self.proceed(now)

    def _refused(self, reinvite: _Reinvite, status: int, reason: str, now: float) -> None:
        self._open = None
        if self._closed:
            return
        if reinvite.refusal is not None and is_glare(reinvite.refusal) and self._glares < _MOST_GLARES:
            self._glares += 1
            # A newer wish takes the place of the one that was refused.
            self._wanted = self._wanted or reinvite.offer.media
            pause = self._backoff_time() if status == 491 else max(_retry_after(reinvite.refusal), T1)
            self._backoff = self._party.core.timers.at(now + pause, self._try_again)
        # RFC 3261 12.2.1.2: the dialog is gone, or the far end is; BYE is all that is left.
        elif status in (408, 481):
            self._party.lost(f"our offer got {status} {reason}", now)
        else:
            self._party.core.emit(OfferRefused(self._party.call, status, reason))
            self.proceed(now)

    def _backoff_time(self) -> float:
        # RFC 3261 14.1: 2.1 to 4 s for the owner of the Call-ID, up to 2 s for the other, so that they do not
        # meet again.
        low, high = (210, 400) if self._party.dialog.caller else (0, 200)
        return _BACKOFF_STEP * self._party.core.random.randint(low, high)

    def _try_again(self, now: float) -> None:
        self._backoff = None
        self.proceed(now)

    def _stop_waiting(self) -> None:
        if self._backoff is not None:
            self._backoff.cancel()
            self._backoff = None

    # --- theirs ---------------------------------------------------------------------------------------------

    def serve(self, transaction: ServerTransaction, now: float) -> None:
        """Answer a re-INVITE or an UPDATE."""
        request = transaction.request
        party = self._party
        party.learn(request)
        too_small = party.session_timer.too_small(request)
        # Checked before the offer: a 422 leaves the session as it is (RFC 4028 9).
        if too_small is not None:
            party.respond(transaction, 422, now, [too_small])
            return
        if not is_known(request):
            party.respond(transaction, 415, now, [("Accept", CONTENT_TYPE)])
            return
        try:
            offer = read_sdp(request)
        except ParseError as error:
            _logger.info("%s: their offer cannot be read: %s", party.dialog.id.call_id, error, extra=SELDOM)
            party.respond(transaction, 488, now, [self._warning(transaction, 307)])
            party.core.emit(OfferDeclined(party.call, None, f"it cannot be read ({error})"))
            return
        # A refresh of the session timer, or of the target (RFC 4028 7.4, RFC 3311 5.1).
        if offer is None and request.method == "UPDATE":
            party.dialog.refresh_target(request)
            party.respond(transaction, 200, now)
            return
        # RFC 3261 14.2 has 500 for a second INVITE before a 2xx to the first; ours is answered at once, so
        # only our own offer can be in the way, which is 491.
        if self._open is not None or party.offer_in_success is not None:
            party.respond(transaction, 491, now)
            return
        if offer is None:
            self._offer_late(transaction, now)
        else:
            self._answer(transaction, offer, now)

    def _offer_late(self, transaction: ServerTransaction, now: float) -> None:
        """Make an offer to a re-INVITE without one (RFC 3261 14.2): what holds already, or more.

        It may want to end a hold, which was theirs and not ours (RFC 6337 5.3).
        """
        negotiation = self._party.negotiation
        if negotiation.local is None:
            self._party.respond(transaction, 500, now, [("Retry-After", "5")])
            return
        both_ways = [media.directed(Direction.SENDRECV) for media in negotiation.local.media]
        local = negotiation.describe(negotiation.offer(both_ways, self.answerer))
        self._accept(transaction, local, local, now)

    def _answer(self, transaction: ServerTransaction, offer: SessionDescription, now: float) -> None:
        party = self._party
        local = party.negotiation.answer(offer, self.answerer)
        if local is None:
            ours = party.negotiation.local.media if party.negotiation.local is not None else ()
            kinds = _live_kinds(ours)
            fits = any(media.kind.lower() in kinds for media in offer.media)
            party.respond(transaction, 488, now, [self._warning(transaction, 305 if fits else 304)])
            party.core.emit(OfferDeclined(party.call, offer))
            return
        if self._backoff is not None:
            # Ours goes on only if it still asks for something else (RFC 3261 14.1 leaves the retry to us).
            self._stop_waiting()
            if _live_kinds(local.media) == _live_kinds(self._wanted or ()):
                self._wanted = None
        self._accept(transaction, local, None, now)
        self.agree(local, offer, ours=False)
        self.proceed(now)

    def _warning(self, transaction: ServerTransaction, code: int) -> tuple[str, str]:
        return self._party.core.warning(transaction.destination, code)

    def _accept(
        self,
        transaction: ServerTransaction,
        local: SessionDescription,
        ours: SessionDescription | None,
        now: float,
    ) -> None:
        party = self._party
        party.dialog.refresh_target(transaction.request)
        if transaction.request.method == "UPDATE":
            party.respond(transaction, 200, now, body=local)
            return
        # A new INVITE implies that our 2xx to the one before arrived (RFC 3261 14.1): only its ACK was lost.
        party.confirm(now)
        party.succeed(transaction, local, ours, now)


class _Reinvite:
    """A re-INVITE of ours, with the ACK that each copy of its 2xx is owed, and PRACKs before."""

    def __init__(
        self,
        party: OfferAnswerUser,
        media: tuple[MediaDescription, ...],
        on_success: Callable[[_Reinvite, Response, float], None],
        on_failure: Callable[[_Reinvite, int, str, float], None],
        now: float,
    ) -> None:
        self._party = party
        self._on_success = on_success
        self._on_failure = on_failure
        self._ack: SentAck | None = None
        self.refusal: Response | None = None
        self.offer = party.negotiation.describe(media)
        self.invite = AuthenticatedRequest.within(
            party.dialog,
            party.core,
            party.authenticator,
            self._build,
            self._respond,
            self._lost,
            now,
            party.session_timer.raised,
        )
        self._limit = party.core.timers.at(now + 64 * T1, self._too_long)

    def _build(self) -> Request:
        party = self._party
        # One per INVITE: RSeq starts again, and responses to a challenged INVITE no longer count.
        self._acknowledger = PrackSender(party.core, party.dialog, party.authenticator)
        self._early_answer: SessionDescription | None = None
        invite = party.dialog.request("INVITE")
        for name, value in party.session_timer.headers():
            invite.headers.add(name, value)
        return party.core.add_headers(invite, party.contact, self.offer)

    def _respond(self, response: Response, source: Hop, now: float) -> None:
        if response.status < 200:
            self._provisional(response, now)
            return
        self._limit.cancel()
        if response.status >= 300:
            self.refusal = response
            self._on_failure(self, response.status, response.reason, now)
        elif self._ack is None:
            # The target first: the ACK goes to the Contact of this very response (RFC 3261 12.2.1.2).
            self._party.dialog.refresh_target(response)
            self._party.learn(response)
            self._party.session_timer.agreed(response, now)
            self._ack = send_ack(self._party.core, self._party.dialog, self.invite.request, now)
            self._on_success(self, response, now)
        else:
            self._ack.repeat()

    def _provisional(self, response: Response, now: float) -> None:
        rack = self._acknowledger.next(response)
        if rack is not None:
            self._early_answer = self._early_answer or read_answer(response)
            self._acknowledger.acknowledge(rack, now)

    def answer_in(self, success: Response) -> SessionDescription | None:
        """The answer to our offer: the first one counts (RFC 3261 13.2.1)."""
        return self._early_answer or read_answer(success)

    def _lost(self, failure: Failure, now: float) -> None:
        self._limit.cancel()
        self._on_failure(self, 408, REASONS[408], now)

    def _too_long(self, now: float) -> None:
        self.invite.transaction.abandon(now)
        self._on_failure(self, 408, REASONS[408], now)


def is_glare(refusal: Response) -> bool:
    """Whether an INVITE or UPDATE was refused because another offer is open (RFC 3261 14.2, RFC 3311 5.2)."""
    return refusal.status == 491 or (refusal.status == 500 and _retry_after(refusal) <= _LONGEST_GLARE)


def _retry_after(response: Response) -> float:
    """Seconds; infinite without a Retry-After."""
    return float(delta_seconds(response.headers.get("Retry-After"), LONGEST_EXPIRY))


def _live_kinds(media: Sequence[MediaDescription]) -> set[str]:
    return {each.kind.lower() for each in media if not each.rejected}


def send_ack(
    core: UaCore, dialog: Dialog, invite: Request, now: float, body: SessionDescription | None = None
) -> SentAck:
    """Acknowledge a 2xx to ``invite``; the ACK is repeated for each copy of the 2xx."""
    ack = core.add_headers(dialog.ack(invite.cseq.number), None, body)
    # With the credentials of the INVITE (RFC 3261 22.1).
    for header in ("Authorization", "Proxy-Authorization"):
        for value in invite.headers.get_all(header):
            ack.headers.add(header, value)
    return core.transactions.acknowledge(ack, lambda: core.hops(dialog), lambda: dialog.flow, now)

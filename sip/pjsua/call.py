"""One call on PJSIP: converts its callbacks to line events. Everything here runs in the thread that owns
PJSIP.

PJSIP does the media itself and does not support T.38. Each SDP that it generates is replaced by ours
(``onCallSdpCreated``). PJSIP would answer a re-INVITE to T.38 alone with 488. There is one moment at which we
can respond 200: set to respond later, PJSIP sends 100, and our response is sent from within that state change
of the transaction; the response of PJSIP itself comes too late to be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol

import pjsua2 as pj

from sip.line import (
    Answered,
    Answerer,
    CallRequest,
    Ended,
    Failed,
    LineEvent,
    MediaChanged,
    OfferDeclined,
    OfferRefused,
    Ringing,
)
from sip.pjsua.boundary import (
    guarded,
    message_of,
    parameters_for,
    parameters_with,
    request_in,
    response_in,
)
from sip.syntax.message import Request, Response, q850_cause
from sip.syntax.reason import reason_header, reason_text
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.transaction.client import PATIENCE
from sip.ua.authentication import why_unanswered
from sip.ua.core import REASONS
from sip.ua.identity import headers_of
from sip.ua.negotiation import Negotiation, read_answer, read_sdp
from sip.values import DialogId, Hop

AUDIO_LINES = 2
"""Media lines that PJSIP prepares for: with fewer, an assertion fails on a T.38 line besides a refused
one."""
_REPORT_LIMIT = 2.0
"""Seconds from ``hang_up`` to its event, even without a response of the far end."""
_CHALLENGES = (401, 407)
_ENDED_STATES = (pj.PJSIP_TSX_STATE_COMPLETED, pj.PJSIP_TSX_STATE_TERMINATED)
_LINGER = 33.0
"""Seconds (a little more than 64 * T1) that PJSIP keeps a call whose CANCEL gets no response."""
_PACE = 0.25
"""Seconds before a call is refused. PJSIP opens sockets for each incoming call, keeps them for half a second
after its end, and has room for 64: refusing a flood at once would abort it."""
_SETTLE = 0.6
"""Seconds after a call until its sockets are closed."""


class CallOwner(Protocol):
    """What a call needs of the stack."""

    random: Random

    def emit(self, event: LineEvent) -> None: ...

    def now(self) -> float: ...

    def why_refused(self, hop: Hop) -> str | None:
        """Why nothing was sent to ``hop``, or None."""

    def mute(self) -> None:
        """Keep PJSIP from sending its own media."""

    def over(self, call: PjsuaCall, free_after: float) -> None:
        """The call is over; it counts as one of the four calls for ``free_after`` more seconds."""


class PjsuaCall(pj.Call):
    """An outgoing call, or the incoming call of ``invite``."""

    def __init__(
        self,
        owner: CallOwner,
        account: pj.Account,
        number: int,
        invite: Request | None = None,
        pj_id: int = -1,
    ) -> None:
        super().__init__(account, pj_id)
        self.number = number
        self.account = account
        self._owner = owner
        self._invite = invite
        self._hop: Hop | None = None
        """Where our INVITE goes."""
        self._offer = None if invite is None else read_sdp(invite)
        self._lines = AUDIO_LINES if invite is None else max(1, len(self._offer.media) if self._offer else 1)
        self._negotiation = Negotiation("0", "0.0.0.0")
        self._answerer: Answerer = _refuse
        self._first: SessionDescription | None = None
        """Our session description in the first INVITE or its response."""
        self._answering: tuple[SessionDescription, SessionDescription] | None = None
        """Their offer and our pending answer."""
        self._at_100: SessionDescription | None = None
        """The answer to send when PJSIP has sent 100."""
        self._offering: SessionDescription | None = None
        """Our pending offer within the call."""
        self._wanted: Sequence[MediaDescription] | None = None
        """An offer to send as soon as possible."""
        self._backing_off = False
        """Our offer collided with one of theirs (491)."""
        self._not_before = 0.0
        self._challenged = False
        self._response: Response | None = None
        self._dialog: DialogId | None = None
        self._responded = False
        self._up = False
        self._patient_until: float | None = None
        self._hung_up: str | None = None
        self._came = owner.now()
        self._refused: int | None = None
        self._refuse_at: float | None = None
        self._report_at: float | None = None
        self._reported = False

    # --- verbs ----------------------------------------------------------------------------------------------

    def place(self, request: CallRequest) -> None:
        """Send the INVITE to the first hop of ``request``; if there are more hops, give up after PATIENCE
        seconds without any response. Raises pj.Error."""
        if len(request.destination) > 1:
            self._patient_until = self._owner.now() + PATIENCE
        self._hop = request.destination[0]
        self._negotiation = self._negotiate(request.media_address_for(self._hop))
        self._answerer = request.answerer
        parameters = parameters_with(headers_of(request))
        parameters.opt.audioCount = AUDIO_LINES
        if request.media:
            self._first = self._negotiation.describe(request.media)
        else:
            parameters.opt.flag |= pj.PJSUA_CALL_NO_SDP_OFFER
        self.makeCall(request.target, parameters)

    @guarded
    def ring(self) -> None:
        self.answer(parameters_for(180))

    @guarded
    def accept(self, media: Sequence[MediaDescription], media_address: str, answerer: Answerer) -> None:
        self._negotiation = self._negotiate(media_address)
        self._answerer = answerer
        self._first = self._negotiation.describe(media)
        parameters = parameters_for(200)
        if self._offer is not None:
            # PJSIP crashes on an SDP here if the INVITE had no offer; onCallSdpCreated sets ours in that
            # case.
            parameters.sdp.wholeSdp = bytes(self._first).decode()
        self.answer(parameters)

    def refuse(self, status: int, *, silent: bool = False) -> None:
        """Refuse the call after a pause; ``silent`` is for a call that was never reported: emit no event."""
        if self._refused is None:
            self._refused, self._refuse_at = status, self._came + _PACE
            self._reported = silent
            self.tick(self._owner.now())

    def answer_with(self, answerer: Answerer) -> None:
        self._answerer = answerer

    def offer(self, media: Sequence[MediaDescription]) -> None:
        """Send a re-INVITE as soon as no other offer is pending."""
        self._wanted = media
        self.tick(self._owner.now())

    @guarded
    def hang_up(self, reason: str | None) -> None:
        if self._hung_up is not None:
            return
        self._hung_up = reason or "we hung up"
        self._report_at = self._owner.now() + _REPORT_LIMIT
        parameters = parameters_with(() if reason is None else (reason_header(reason),))
        if self._invite is not None and not self._up:
            parameters.statusCode = 480
        self.hangup(parameters)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._report_at is not None and now >= self._report_at:
            self._report_end(Ended(self.number, False, self._hung_up or "we hung up"))
        if self._refused is not None and self._refuse_at is not None and now >= self._refuse_at:
            self._refuse_at = None
            self._refuse(self._refused)
        if self._patient_until is not None and now >= self._patient_until:
            self._patient_until = None
            if not self._responded:
                self._report_end(Failed(self.number, 408, REASONS[408], local=True))
                self.hang_up("no response; trying another hop")
        if self._wanted is not None and self._may_offer(now):
            self._send_offer(self._wanted)

    @guarded
    def _refuse(self, status: int) -> None:
        self.answer(parameters_for(status))

    # --- our offers -----------------------------------------------------------------------------------------

    def _may_offer(self, now: float) -> bool:
        free = self._offering is None and self._answering is None
        return self._up and self._hung_up is None and free and now >= self._not_before

    @guarded
    def _send_offer(self, media: Sequence[MediaDescription]) -> None:
        self._not_before = self._owner.now() + 0.1
        self._offering = self._negotiation.describe(media)
        parameters = pj.CallOpParam(True)
        parameters.opt.audioCount = AUDIO_LINES
        parameters.opt.videoCount = 0
        try:
            self.reinvite(parameters)
        except pj.Error:
            # An INVITE of theirs is pending: try again a little later.
            self._offering = None
            raise
        self._lines = AUDIO_LINES
        self._wanted, self._backing_off = None, False

    def _offer_answered(self, status: int, reason: str, response: Response | None) -> None:
        local, self._offering = self._offering, None
        if local is None:
            return
        if status in _CHALLENGES and not self._challenged:
            # PJSIP sends the re-INVITE again with credentials, if it has some.
            self._challenged, self._offering = True, local
        elif status == 491:
            # RFC 3261 14.1: the owner of the Call-ID waits longer.
            owner = self._invite is None
            self._wanted, self._backing_off = local.media, True
            self._not_before = self._owner.now() + self._owner.random.uniform(
                *((2.1, 4) if owner else (0, 2))
            )
        elif status >= 300:
            self._owner.emit(OfferRefused(self.number, status, reason))
        else:
            answer = read_answer(response) if response is not None else None
            if answer is None:
                self.hang_up("the answer to our offer cannot be read")
                return
            # PJSIP never removes a media line: the refused line of the audio precedes ours.
            surplus = max(0, len(answer.media) - len(local.media))
            answer = SessionDescription(
                answer.origin, answer.address, answer.media[surplus:], answer.attributes, answer.name
            )
            self._agree(local, answer, ours=True)

    def _agree(self, local: SessionDescription, remote: SessionDescription, *, ours: bool) -> None:
        """An offer was answered: emit MediaChanged, unless nothing has changed."""
        if (self._negotiation.local, self._negotiation.remote) != (local, remote):
            self._negotiation.agree(local, remote)
            self._owner.emit(MediaChanged(self.number, local, remote, ours))

    # --- callbacks of PJSIP ---------------------------------------------------------------------------------

    @guarded
    def onCallSdpCreated(self, prm: pj.OnCallSdpCreatedParam) -> None:  # noqa: N802
        self._owner.mute()
        answer = None if self._answering is None else self._answering[1]
        ours = answer or self._offering or self._negotiation.local or self._first
        if ours is None and prm.remSdp.wholeSdp:
            # Our INVITE had no offer: their 2xx has it.
            offer = SessionDescription.parse(prm.remSdp.wholeSdp)
            ours = self._first = self._negotiation.answer(offer, self._answerer)
        if ours is not None:
            prm.sdp.wholeSdp = bytes(ours).decode()

    @guarded
    def onCallRxReinvite(self, prm: pj.OnCallRxReinviteParam) -> None:  # noqa: N802
        prm.statusCode = 488
        offer = read_sdp(request_in(prm.rdata.wholeMsg))
        if offer is None:
            # A re-INVITE without an offer: the response repeats our current description.
            prm.statusCode = 200
            return
        answer = self._negotiation.answer(offer, self._answerer)
        if answer is None or len(offer.media) > self._lines:
            why = "" if answer is None else "it has more media lines than PJSIP accepts"
            self._owner.emit(OfferDeclined(self.number, offer, why))
            return
        prm.statusCode = 200
        self._answering = offer, answer
        # With audio PJSIP answers by itself, with the description that onCallSdpCreated replaces; without
        # any it would refuse (see above).
        if not any(media.kind.lower() == "audio" and not media.rejected for media in offer.media):
            prm.isAsync = True
            self._at_100 = answer

    @guarded
    def onCallTsxState(self, prm: pj.OnCallTsxStateParam) -> None:  # noqa: N802
        state = prm.e.body.tsxState
        transaction = state.tsx
        if state.type == pj.PJSIP_EVENT_RX_MSG:
            self._responded = True
        # Before the call is up, onCallState reports what happens to its INVITE.
        if transaction.method != "INVITE" or not self._up:
            return
        if transaction.role == pj.PJSIP_ROLE_UAS:
            if self._at_100 is not None and transaction.state == pj.PJSIP_TSX_STATE_PROCEEDING:
                answer, self._at_100 = self._at_100, None
                parameters = parameters_for(200)
                parameters.sdp.wholeSdp = bytes(answer).decode()
                self.answer(parameters)
            elif transaction.state in _ENDED_STATES:
                self._answered(transaction.statusCode)
        elif transaction.state in _ENDED_STATES and self._offering is not None:
            received = state.type == pj.PJSIP_EVENT_RX_MSG
            response = response_in(state.src.rdata.wholeMsg) if received else None
            self._offer_answered(transaction.statusCode, transaction.statusText, response)

    def _answered(self, status: int) -> None:
        """Our final response to their re-INVITE was sent."""
        answering, self._answering, self._at_100 = self._answering, None, None
        if answering is not None and status < 300:
            offer, answer = answering
            if self._backing_off:
                # Our colliding offer was made for the previous session: drop it.
                self._wanted, self._backing_off = None, False
            self._agree(answer, offer, ours=False)

    @guarded
    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802
        info = self.getInfo()
        message = message_of(prm.e)
        if info.state == pj.PJSIP_INV_STATE_EARLY:
            self._responded = True
            if self._invite is None and isinstance(message, Response):
                self._owner.emit(Ringing(self.number, message.status, message.reason))
        elif info.state == pj.PJSIP_INV_STATE_CONNECTING:
            self._responded = True
            if isinstance(message, Response):
                self._response = message
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self._confirmed(message)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self._disconnected(info, message)

    def _confirmed(self, message: Request | Response | None) -> None:
        response, local = self._response, self._first
        if response is None:
            return
        if local is None:
            self._give_up("the far end's offer has no acceptable media")
            return
        if self._invite is None:
            remote = read_answer(response)
            ours, theirs = response.from_.tag or "", response.to.tag or ""
        else:
            remote = self._offer
            if remote is None and isinstance(message, Request):
                remote = read_sdp(message)
            ours, theirs = response.to.tag or "", response.from_.tag or ""
        if remote is None:
            self._give_up("the answer to our offer cannot be read")
            return
        self._up = True
        self._negotiation.agree(local, remote)
        self._dialog = DialogId(response.call_id, ours, theirs)
        self._owner.emit(Answered(self.number, self._dialog, response.status, response.reason, local, remote))

    def _give_up(self, why: str) -> None:
        """No session is possible: report the failure and hang up."""
        self._report_end(Failed(self.number, 488, why, local=True))
        self.hang_up(why)

    # --- the end --------------------------------------------------------------------------------------------

    def _disconnected(self, info: pj.CallInfo, message: Request | Response | None) -> None:
        headers = () if message is None else tuple(message.headers)
        cause = None if message is None else q850_cause(message.headers)
        if self._hung_up is not None:
            self._report_end(Ended(self.number, False, self._hung_up))
        elif self._up:
            remote = isinstance(message, Request) and message.method == "BYE"
            told = reason_text(message.headers) if message is not None else None
            reason = told or ("the far end hung up" if remote else f"the call was lost ({info.lastReason})")
            self._report_end(Ended(self.number, remote, reason, cause, (told or "") if remote else ""))
        elif self._refused is not None:
            self._report_end(Failed(self.number, self._refused, info.lastReason, local=True))
        elif isinstance(message, Response) and self._invite is None and message.status >= 300:
            why = why_unanswered(message.status, message.headers)
            self._report_end(
                Failed(
                    self.number,
                    message.status,
                    message.reason,
                    headers=headers,
                    cause=cause,
                    unanswered=why,
                )
            )
        else:
            local = self._invite is None
            reason = (self._hop is not None and self._owner.why_refused(self._hop)) or info.lastReason
            self._report_end(Failed(self.number, info.lastStatusCode, reason, local, cause=cause))
        # PJSIP keeps such a call until its CANCEL times out, and with it one of the four places.
        unanswered = self._hung_up is not None and self._invite is None and not self._responded
        self._owner.over(self, _LINGER if unanswered else _SETTLE)

    def _report_end(self, event: Ended | Failed) -> None:
        self._report_at = None
        if self._reported:
            return
        self._reported = True
        if isinstance(event, Ended) and not self._up:
            event = Failed(self.number, 487, "Request Terminated", local=True)
        self._owner.emit(event)

    def _negotiate(self, media_address: str) -> Negotiation:
        return Negotiation(str(self._owner.random.getrandbits(62)), media_address)


def _refuse(offer: SessionDescription) -> None:
    """The answerer of a call that is not yet accepted: refuses every offer."""

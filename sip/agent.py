"""The user agent (RFC 3261 8), sans-IO: messages in, messages and line events out; a ``sip.line.Line``.

What lies outside any dialog and makes none (OPTIONS, unknown methods, refusals of every kind) is answered
without keeping state (``sip.ua.stateless_responses``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from random import Random

from sip.line import Answerer, CallRequest, LineEvent
from sip.line_settings import Limits, SessionTimers
from sip.logs import SELDOM, get_logger
from sip.syntax.errors import ParseError
from sip.syntax.message import MalformedRequestError, Request, Response, parse_message
from sip.syntax.sdp import MediaDescription
from sip.transaction.via import response_address, stamp_via
from sip.ua.admission import AdmissionPolicy, Admit, AdmitAll, Demand, Ignore, RefuseCaller
from sip.ua.core import ALLOW, METHODS, SUPPORTED, DialogUser, UaCore, refuse_method
from sip.ua.dialog import Dialog
from sip.ua.incoming import RETRY_AFTER, IncomingCall
from sip.ua.negotiation import CONTENT_TYPE, is_known, read_sdp
from sip.ua.outgoing import OutgoingCall
from sip.ua.registration import Registrations
from sip.ua.session import Session
from sip.ua.session_timer import SessionTimer
from sip.ua.stateless_responses import RefusedError, StatelessResponder, extensions_refused
from sip.ua.target import Target
from sip.values import NO_REASON, Address, Credentials, DialogId, Hop, NetworkFault

_logger = get_logger(__name__)


class UserAgent:
    """One SIP address, all its calls, and its ``registrations``.

    ``contact_address`` is our address in Via and Contact; ``local_address``, if given, returns
    it for each hop (a socket bound to all addresses has many, and each transport has its own). With ``tcp``,
    requests too large for UDP go by TCP. ``limits`` hold for incoming calls, ``session_timers`` for incoming
    calls, and for placed ones without their own. ``admission`` decides whose requests outside a dialog are
    admitted; without it all are.
    """

    def __init__(
        self,
        *,
        contact_address: Address,
        user_agent: str,
        random: Random,
        local_address: Callable[[Hop], Address] | None = None,
        tcp: bool = False,
        limits: Limits = Limits(),
        session_timers: SessionTimers | None = None,
        admission: AdmissionPolicy | None = None,
    ) -> None:
        self._admission = admission or AdmitAll()
        self._core = UaCore(
            local_address or (lambda peer: contact_address),
            user_agent,
            random,
            tcp=tcp,
            max_transactions=limits.transactions,
        )
        self._refusals = StatelessResponder(self._core)
        self._limits = limits
        self._session_timers = session_timers or SessionTimers()
        self._numbers = count(1)
        self._calls: dict[int, OutgoingCall | IncomingCall | Session] = {}
        self._incoming: dict[int, str] = {}
        self._waiting: set[int] = set()
        self.registrations = Registrations(self._core)

    # --- state ----------------------------------------------------------------------------------------------

    @property
    def calls(self) -> int:
        """Calls that are not over, including those whose BYE has no response yet."""
        return len(self._calls)

    @property
    def dialogs(self) -> int:
        return len(self._core.dialogs)

    @property
    def transactions(self) -> int:
        return len(self._core.transactions)

    @property
    def idle(self) -> bool:
        """Whether nothing is left of any call or registration."""
        return not (self._calls or self._core.dialogs or self.registrations or self.transactions)

    def next_deadline(self) -> float | None:
        return self._core.timers.next_deadline()

    def handle_deadline(self, now: float) -> None:
        self._core.timers.fire(now)

    def take_datagrams(self) -> list[tuple[bytes, Hop]]:
        return self._core.transactions.take_datagrams()

    def take_events(self) -> list[LineEvent]:
        return self._core.take_events()

    def take_lookups(self) -> list[Target]:
        """Targets to look up; pass the result to :meth:`resolved`."""
        return self._core.take_lookups()

    def resolved(self, target: Target, hops: Sequence[Hop]) -> None:
        """``hops`` are the result of looking up ``target``, best first; empty if there is none."""
        self._core.resolved(target, hops)

    # --- verbs ----------------------------------------------------------------------------------------------

    def place(self, request: CallRequest, now: float) -> int:
        """As Line; raises ParseError for a URI and UnsendableError for anything else that cannot be sent."""
        call = next(self._numbers)
        self._calls[call] = OutgoingCall(
            self._core,
            call,
            request,
            self._session_timers,
            self._established(call),
            self._over(call),
            now,
        )
        return call

    def ring(self, call: int, now: float) -> None:
        known = self._calls.get(call)
        if isinstance(known, IncomingCall):
            known.ring(now)

    def accept(
        self,
        call: int,
        media: Sequence[MediaDescription],
        media_address: str,
        answerer: Answerer,
        now: float,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        known = self._calls.get(call)
        if isinstance(known, IncomingCall):
            known.accept(media, media_address, answerer, now, credentials)

    def refuse(self, call: int, status: int, now: float) -> None:
        known = self._calls.get(call)
        if isinstance(known, IncomingCall):
            known.refuse(status, now)

    def answer_with(self, call: int, answerer: Answerer, now: float) -> None:
        known = self._calls.get(call)
        if isinstance(known, OutgoingCall | Session):
            known.answer_with(answerer)

    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None:
        known = self._calls.get(call)
        if isinstance(known, Session):
            known.offer(media, now)

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        known = self._calls.get(call)
        if known is not None:
            known.hang_up(now, reason=reason)

    def hang_up_all(self, now: float) -> None:
        """Hang up every call there is."""
        for call in list(self._calls):
            self.hang_up(call, now)

    def _established(self, call: int) -> Callable[[Session], None]:
        def established(session: Session) -> None:
            self._calls[call] = session
            self._waiting.discard(call)

        return established

    def _over(self, call: int) -> Callable[[], None]:
        def over() -> None:
            self._calls.pop(call, None)
            self._incoming.pop(call, None)
            self._waiting.discard(call)

        return over

    # --- what comes in --------------------------------------------------------------------------------------

    def unreachable(self, hop: Hop, now: float, fault: NetworkFault = NO_REASON) -> None:
        """The network refused what was sent to ``hop``: unanswered INVITEs try the next hop or
        fail at once, and so does every request over a reliable transport."""
        self._core.transactions.refused(hop, now, fault)

    def disconnected(self, hop: Hop, now: float, fault: NetworkFault = NO_REASON) -> None:
        """An established connection was closed; the next message to ``hop`` opens a new one."""
        self._core.transactions.disconnected(hop, now, fault)
        self.registrations.disconnected(hop, now)

    def flows(self) -> set[Hop]:
        """The hops from which messages of calls and registrations come."""
        return {user.dialog.flow for user in self._core.dialogs.values()} | self.registrations.flows()

    def hops_in_use(self) -> set[Hop]:
        """The flows, and the hops of pending transactions: connections with them must be kept."""
        return self.flows() | self._core.transactions.destinations()

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """Take one message from ``source``. What is not SIP is dropped; nothing raises."""
        try:
            message = parse_message(data)
        except MalformedRequestError as error:
            self._receive_malformed(error, source)
            return
        except ParseError as error:
            # Keep-alives are not logged: CRLF (RFC 5626 4.4.1), and the NUL octets of some phones.
            if data.strip(b"\r\n\0"):
                _logger.debug("dropped a message from %s: %s", source, error)
            return
        if isinstance(message, Request):
            self._receive_request(message, source, now)
        else:
            self._receive_response(message, source, now)

    def _receive_response(self, response: Response, source: Hop, now: float) -> None:
        try:
            response.validate()
        except ParseError as error:
            _logger.debug("dropped a response from %s: %s", source, error)
            return
        self._core.transactions.receive_response(response, source, now)

    def _receive_malformed(self, error: MalformedRequestError, source: Hop) -> None:
        if _stamped(error.request, source):
            _logger.debug("refused a request from %s: %s", source, error)
            self._refuse(error.request, source, error.status)

    def _receive_request(self, request: Request, source: Hop, now: float) -> None:
        if not _stamped(request, source):
            return
        try:
            request.validate()
        except ParseError as error:
            _logger.debug("refused a request from %s: %s", source, error)
            self._refuse(request, source, 400)
            return
        try:
            self._dispatch(request, source, now)
        except RefusedError as refused:
            self._refuse(request, source, refused.status, *refused.headers)

    def _refuse(self, request: Request, source: Hop, status: int, *headers: tuple[str, str]) -> None:
        # A scanner must not learn that SIP is spoken here, not even from a refusal.
        if not self._admission.silent(source):
            self._refusals.answer(request, source, status, *headers)

    def _dispatch(self, request: Request, source: Hop, now: float) -> None:
        transactions = self._core.transactions
        if transactions.absorb(request, now):
            return
        tag = request.to.tag
        user = None
        if tag is not None:
            user = self._core.dialogs.get(DialogId(request.call_id, tag, request.from_.tag or ""))
        # An ACK gets no response, whatever is wrong with it (RFC 3261 17).
        if request.method == "ACK":
            if user is not None:
                user.acknowledged(request, now)
        elif request.method == "CANCEL":
            self._cancel(request, source, now)
        elif user is not None:
            self._serve(request, user, source, now)
        elif tag is not None:
            if not self._has_overtaken_answer(request, tag, source):
                raise RefusedError(481)
        else:
            self._serve_stranger(request, source, now)

    def _has_overtaken_answer(self, request: Request, tag: str, source: Hop) -> bool:
        """Whether the response to an INVITE of ours that makes the dialog of ``request`` may still be on its
        way. It is dropped then and comes again, where a 481 would end the call (RFC 3261 12.2.1.2)."""
        if source.transport.reliable or request.method == "BYE":
            # Over TCP nothing is retransmitted. A BYE gets its 481: with it the far end's call is over.
            return False
        calls = (call for call in self._calls.values() if isinstance(call, OutgoingCall))
        return any(call.names == (request.call_id, tag) for call in calls)

    def _cancel(self, request: Request, source: Hop, now: float) -> None:
        invite = self._core.transactions.cancelled(request, source)
        if invite is None:
            raise RefusedError(481)
        # A CANCEL of an INVITE that has its final response changes nothing, and still gets 200 (RFC
        # 3261 9.2).
        self._refusals.answer(request, source, 200)
        if invite.on_cancel is not None:
            invite.on_cancel(request, now)

    def _serve(self, request: Request, user: DialogUser, source: Hop, now: float) -> None:
        merged = self._core.transactions.merged(request)
        transaction = self._core.transactions.serve(request, source)
        refusal = None
        if not user.dialog.check_cseq(request, transaction.destination):
            # RFC 3261 12.2.2: its CSeq is below that of an earlier request.
            refusal = RefusedError(500)
        elif merged:
            # It came by another path, too, and is not to be done twice.
            refusal = RefusedError(482)
        else:
            refusal = extensions_refused(request)
        if refusal is None:
            user.serve(transaction, source, now)
        else:
            transaction.respond(self._core.response(request, refusal.status, refusal.headers), now)

    def _serve_stranger(self, request: Request, source: Hop, now: float) -> None:
        """A request outside any dialog (RFC 3261 8.2, in its order of checks)."""
        if not self._admitted(request, source, now):
            return
        if request.method not in METHODS:
            status, headers = refuse_method(request.method)
            raise RefusedError(status, *headers)
        # The same request by two paths, of which a forking proxy wants one answer (RFC 3261 8.2.2.2).
        if self._core.transactions.merged(request):
            raise RefusedError(482)
        if request.uri.partition(":")[0].lower() not in ("sip", "sips", "tel"):
            raise RefusedError(416)
        refusal = extensions_refused(request)
        if refusal is not None:
            raise refusal
        if request.method == "OPTIONS":
            abilities = ("Allow", ALLOW), ("Accept", CONTENT_TYPE), ("Supported", SUPPORTED)
            self._refusals.answer(request, source, 200, *abilities)
        elif request.method == "INVITE":
            self._invited(request, source, now)
        else:
            raise RefusedError(481)

    def _admitted(self, request: Request, source: Hop, now: float) -> bool:
        """False when nothing is to be answered; raises the answer when there is one (RFC 3261 22.1)."""
        match self._admission.admit(request, source, now):
            case Admit():
                return True
            case Ignore():
                return False
            case RefuseCaller(status=status):
                raise RefusedError(status)
            case Demand(challenges=challenges):
                raise RefusedError(401, *(("WWW-Authenticate", str(each)) for each in challenges))

    def _has_room(self, source: Hop) -> bool:
        limits = self._limits
        per_source = limits.calls if limits.per_source is None else limits.per_source
        return (
            len(self._incoming) < limits.calls
            and len(self._waiting) < limits.waiting
            and sum(host == source.host for host in self._incoming.values()) < per_source
        )

    def _invited(self, request: Request, source: Hop, now: float) -> None:
        # Refused without any state, in the order of RFC 3261 8.2 and, for the timer, RFC 4028 9.
        if not is_known(request):
            raise RefusedError(415, ("Accept", CONTENT_TYPE))
        tag = self._core.token()
        try:
            offer = read_sdp(request)
        except ParseError as error:
            _logger.info("%s: refused an INVITE: %s", request.call_id, error, extra=SELDOM)
            raise RefusedError(488, self._core.warning(source, 307)) from None
        try:
            dialog = Dialog.from_request(request, tag, response_address(request.via, source))
        except ParseError as error:
            _logger.info("%s: refused an INVITE: %s", request.call_id, error, extra=SELDOM)
            raise RefusedError(400) from None
        session_timer = SessionTimer(self._session_timers, self._core.timers)
        too_small = session_timer.too_small(request)
        if too_small is not None:
            raise RefusedError(422, too_small)
        if not self._has_room(source):
            raise RefusedError(486)
        if self._core.transactions.full:
            raise RefusedError(503, ("Retry-After", RETRY_AFTER))
        transaction = self._core.transactions.serve(request, source)
        call = next(self._numbers)
        self._calls[call] = IncomingCall(
            self._core,
            call,
            transaction,
            dialog,
            source,
            offer,
            session_timer,
            self.registrations.credentials_for(source),
            self._established(call),
            self._over(call),
            now,
            stranger=self._admission.stranger(source),
        )
        self._incoming[call] = source.host
        self._waiting.add(call)


def _stamped(request: Request, source: Hop) -> bool:
    """Whether it could be noted in the request where it came from; without that nothing can be answered."""
    try:
        stamp_via(request, source)
    except ParseError as error:
        _logger.debug("dropped a request from %s: %s", source, error)
        return False
    return True

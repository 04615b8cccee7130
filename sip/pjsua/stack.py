"""PJSIP in this process: one thread creates, runs and destroys it, and runs every callback.

PJSIP aborts the process when an assertion fails, which happens in ordinary situations; so it runs only in a
worker (:mod:`sip.pjsua.worker`). To avoid aborts: at most four calls; every ``Call`` object is deleted as
soon as the call is over (a later deletion would hang up another call with the same number); and all objects
are deleted before the library is destroyed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pjsua2 as pj

from sip.ipc.messages import Started
from sip.line import CallRequest, Incoming, LineEvent
from sip.logs import get_logger
from sip.pjsua.accounts import AccountKey, PjsuaAccount, account_config, calling_config
from sip.pjsua.boundary import describe, parse
from sip.pjsua.call import PjsuaCall
from sip.pjsua.registration import PjsuaRegistration
from sip.pjsua.transports import Transports
from sip.pjsua.wire import StackVerb, StartStack
from sip.remote.wire import (
    Accept,
    AnswerWith,
    HangUp,
    Offer,
    Place,
    Redirect,
    Refuse,
    Register,
    Ring,
    Unregister,
)
from sip.syntax.errors import ParseError, UnsupportedError
from sip.syntax.message import Request
from sip.syntax.sdp import SessionDescription
from sip.ua.identity import asserted_identity
from sip.ua.negotiation import read_sdp
from sip.ua.registration_messages import RegistrationState
from sip.values import Hop, Transport

logger = get_logger(__name__)

MOST_CALLS = 4
"""PJSUA_MAX_CALLS in the wheels of ``pjsua2-python``."""
_STEP = 10
"""Milliseconds that PJSIP waits for the network before commands are read."""
_MOST_ACCOUNTS = 8
"""PJSUA_MAX_ACC; a ninth account aborts the process."""
_CODECS = ("PCMU/8000", "PCMA/8000")
_GOODBYE_LIMIT = 2.0
_BUSY = 486


class _Endpoint(pj.Endpoint):
    """``on_transport`` gets state changes of connections."""

    def __init__(self) -> None:
        super().__init__()
        self.on_transport: Callable[[pj.OnTransportStateParam], None] = lambda prm: None

    def onTransportState(self, prm: pj.OnTransportStateParam) -> None:  # noqa: N802
        try:
            self.on_transport(prm)
        except pj.Error as error:
            logger.warning("a connection: %s", describe(error))


class Stack:
    """``on_event`` gets events of calls; ``on_free`` the number of a call that does not count any more;
    ``on_refused`` the number of a call that could not be placed, with the reason; ``on_registration`` changes
    of registrations."""

    def __init__(
        self,
        random: Random,
        on_event: Callable[[LineEvent], None],
        on_free: Callable[[int], None],
        on_refused: Callable[[int, str], None],
        on_registration: Callable[[RegistrationState], None],
    ) -> None:
        self.random = random
        self.emit = on_event
        self.registration_is = on_registration
        self._on_free = on_free
        self._on_refused = on_refused
        self._calls: dict[int, PjsuaCall] = {}
        self._settling: list[tuple[float, int]] = []
        self._accounts: dict[AccountKey, pj.Account] = {}
        self._registrations: dict[int, PjsuaRegistration] = {}
        self._last_incoming = 0
        self._max_incoming = 0

    def start(self, start: StartStack) -> Started:
        """Listen. Raises pj.Error."""
        self._max_incoming = start.max_incoming
        self._endpoint = _Endpoint()
        self._endpoint.libCreate()
        config = pj.EpConfig()
        # No threads: PJSIP runs every callback within libHandleEvents, on the thread that owns the Python
        # objects.
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = MOST_CALLS
        config.uaConfig.userAgent = start.user_agent
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.medConfig.threadCnt = 0
        config.medConfig.hasIoqueue = False
        self._endpoint.libInit(config)
        self.transports = Transports(self._endpoint, start)
        self._endpoint.on_transport = self.transports.state_changed
        port = self.transports.listen(start.port, start.tls_listen)
        self._endpoint.libStart()
        # Without an audio device PJSIP never frees the media objects of a call.
        self._endpoint.audDevManager().setNullDev()
        for codec in self._endpoint.codecEnum2():
            if not codec.codecId.startswith(_CODECS):
                self._endpoint.codecSetPriority(codec.codecId, 0)
        self._listening = PjsuaAccount(self._on_call)
        self._listening.create(account_config(f"sip:fax@{start.host}:{port}"), True)
        tls = None if start.tls_listen is None else (start.tls_listen[0], self.transports.port(Transport.TLS))
        return Started((start.host, port), tls)

    def now(self) -> float:
        return time.monotonic()

    def turn(self) -> None:
        """Run PJSIP for up to 10 ms, and do what is due."""
        self._endpoint.libHandleEvents(_STEP)
        now = self.now()
        for call in list(self._calls.values()):
            call.tick(now)
        for due, number in list(self._settling):
            if due <= now:
                self._settling.remove((due, number))
                self._on_free(number)
        for number, registration in list(self._registrations.items()):
            registration.tick(now)
            if registration.over:
                registration.close()
                del self._registrations[number]

    def close(self) -> None:
        """Hang up, unregister, and destroy PJSIP; takes one or two seconds."""
        self._max_incoming = 0
        for call in list(self._calls.values()):
            call.hang_up(None)
        for registration in self._registrations.values():
            registration.end()
        end = self.now() + _GOODBYE_LIMIT
        while (self._calls or self._registrations) and self.now() < end:
            self.turn()
        self._calls.clear()
        self._accounts.clear()
        self._registrations.clear()
        del self._listening
        # Objects of the bindings that are destroyed after the library abort the process.
        gc.collect()
        self._endpoint.libDestroy()

    # --- verbs ----------------------------------------------------------------------------------------------

    def carry_out(self, verb: StackVerb) -> None:
        """Execute a command of the line; no-op for a call that is over."""
        match verb:
            case Place(number, request):
                self._place(number, request)
            case Register(number, wanted):
                self._registrations[number] = PjsuaRegistration(self, number, wanted, self._on_call)
            case Redirect(number, hops):
                if number in self._registrations:
                    self._registrations[number].redirect(hops)
            case Unregister(number):
                if number in self._registrations:
                    self._registrations[number].end()
            case _:
                call = self._calls.get(verb.call)
                if call is not None:
                    _execute(call, verb)

    def _place(self, number: int, request: CallRequest) -> None:
        try:
            call = PjsuaCall(self, self._account(request), number)
            self._calls[number] = call
            call.place(request)
        except (pj.Error, UnsupportedError) as error:
            self._calls.pop(number, None)
            self._settling.append((self.now(), number))
            self._on_refused(number, f"PJSIP refuses the call: {describe(error)}")

    def _account(self, request: CallRequest) -> pj.Account:
        identity = AccountKey.of(request)
        self.transports.prepare(identity.hop)
        # Put last again below: make_room removes the account that was not used for the longest time.
        account = self._accounts.pop(identity, None)
        if account is None:
            self.make_room()
            account = PjsuaAccount(self._on_call)
            account.create(calling_config(identity))
        self._accounts[identity] = account
        return account

    # --- what calls need ------------------------------------------------------------------------------------

    def why_refused(self, hop: Hop) -> str | None:
        return self.transports.why_refused(hop)

    def over(self, call: PjsuaCall, free_after: float) -> None:
        self._calls.pop(call.number, None)
        self._settling.append((self.now() + free_after, call.number))

    def mute(self) -> None:
        """Keep PJSIP from sending its own media.

        It opens sockets for RTP that are in no session description, and sends silence from them for a second;
        a far end that latches to the source of the first packet would ignore ours. The bindings have no
        setting against it, but a socket that is shut down for writing sends nothing.
        """
        for number in map(int, os.listdir("/proc/self/fd")):
            try:
                if not stat.S_ISSOCK(os.fstat(number).st_mode):
                    continue
            except OSError:
                # The descriptor of the directory listing itself, already closed.
                continue
            with socket.socket(fileno=os.dup(number)) as sock:
                if sock.type == socket.SOCK_DGRAM and not self.transports.owns(sock.getsockname()[1]):
                    # Linux raises ENOTCONN for an unconnected UDP socket, but shuts it down.
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_WR)

    # --- what registrations need ----------------------------------------------------------------------------

    def make_room(self) -> None:
        """Make room for another account by removing one that no call uses. Raises UnsupportedError."""
        registering = sum(each.has_account for each in self._registrations.values())
        if 1 + registering + len(self._accounts) < _MOST_ACCOUNTS:
            return
        needed = [call.account for call in self._calls.values()]
        idle = next((known for known, account in self._accounts.items() if account not in needed), None)
        if idle is None:
            raise UnsupportedError(f"pjsua2 has room for {_MOST_ACCOUNTS} accounts; register fewer")
        self._accounts.pop(idle).shutdown()

    # --- incoming calls -------------------------------------------------------------------------------------

    def _on_call(self, account: pj.Account, prm: pj.OnIncomingCallParam) -> None:
        """PJSIP itself refuses the call if this raises before there is a ``Call`` object."""
        invite = parse(prm.rdata.wholeMsg)
        if not isinstance(invite, Request):
            return
        number = self._last_incoming - 1
        event = _incoming(number, invite, prm.rdata.srcAddress)
        taken = sum(known < 0 for known in self._calls)
        self._last_incoming = number
        self._calls[number] = call = PjsuaCall(self, account, number, invite, prm.callId)
        if taken < self._max_incoming:
            self.emit(event)
        else:
            call.refuse(_BUSY, silent=True)


def _execute(call: PjsuaCall, verb: Ring | Accept | Refuse | AnswerWith | Offer | HangUp) -> None:
    match verb:
        case Ring():
            call.ring()
        case Accept(_, media, media_address, answerer):
            call.accept(media, media_address, answerer)
        case Refuse(_, status):
            call.refuse(status)
        case AnswerWith(_, answerer):
            call.answer_with(answerer)
        case Offer(_, media):
            call.offer(media)
        case HangUp(_, reason):
            call.hang_up(reason)


def _incoming(number: int, invite: Request, source: str) -> Incoming:
    """Raises ParseError."""
    host, _, port = source.rpartition(":")
    transport = invite.via.transport.upper()
    if transport not in Transport.__members__:
        raise ParseError(f"{transport[:20]!r} is not a supported transport")
    offer = read_sdp(invite)
    identity = asserted_identity(invite.headers)
    return Incoming(
        number,
        invite.uri,
        invite.from_.uri,
        invite.from_.display_name,
        invite.to.uri,
        Hop(host, int(port), Transport(transport)),
        None if offer is None else _audio_only(offer),
        tuple(invite.headers),
        None if identity is None else identity.uri,
        "" if identity is None else identity.display_name,
    )


def _audio_only(offer: SessionDescription) -> SessionDescription:
    """The part of an offer in a first INVITE that PJSIP can answer: other media appear refused (port 0)."""
    media = tuple(each if each.kind.lower() == "audio" else replace(each, port=0) for each in offer.media)
    return replace(offer, media=media)

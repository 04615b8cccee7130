"""PJSIP in this process: one thread makes, drives and ends it, and runs every callback.

PJSIP aborts the process when one of its assertions fails, and it does so in ordinary corners; so this runs in
a worker (:mod:`sip.pjsua.worker`) and nowhere else. What keeps it alive: four calls at most, every ``Call``
dropped as soon as it is over (one that outlives its call hangs up another call later), and everything dropped
before the library ends.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import pjsua2 as pj

from sip.errors import ParseError
from sip.identity import ANONYMOUS, asserted_identity, hides
from sip.line import CallRequest, Credentials, Hop, Incoming, LineEvent, SessionTimers, Transport
from sip.message import Request
from sip.negotiation import read_sdp
from sip.pjsua.call import PjsuaCall
from sip.pjsua.values import describe, parse
from sip.remote.wire import Accept, AnswerWith, HangUp, Offer, Place, Refuse, Ring, Verb
from sip.sdp import SessionDescription

logger = logging.getLogger(__name__)

MOST_CALLS = 4
"""What the wheel was built for."""
_STEP = 10
"""Milliseconds that PJSIP waits for the network before commands get their turn."""
_MOST_ACCOUNTS = 6
_TRIES = 16
"""Ports that are tried for one that is free for UDP and for TCP."""
_CODECS = ("PCMU/8000", "PCMA/8000")
_GOODBYE_LIMIT = 2.0
_BUSY = 486


@dataclass(frozen=True, slots=True)
class _Identity:
    """What PJSIP keeps in an account: who calls through which hop, and how."""

    caller: str
    hop: Hop
    routes: tuple[str, ...]
    credentials: Credentials | None
    timers: SessionTimers | None


class _Account(pj.Account):
    def __init__(self, on_call: Callable[[pj.OnIncomingCallParam], None]) -> None:
        super().__init__()
        self._on_call = on_call

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        try:
            self._on_call(prm)
        except (pj.Error, ParseError) as error:
            logger.warning("a call that came in was dropped: %s", describe(error))


class Stack:
    """``on_event`` hears of calls, ``on_free`` that the place of a call is free again, both by its number;
    ``on_refused`` that a call could not be placed, and why."""

    def __init__(
        self,
        random: Random,
        on_event: Callable[[LineEvent], None],
        on_free: Callable[[int], None],
        on_refused: Callable[[int, str], None],
    ) -> None:
        self.random = random
        self.emit = on_event
        self._on_free = on_free
        self._on_refused = on_refused
        self._calls: dict[int, PjsuaCall] = {}
        self._settling: list[tuple[float, int]] = []
        self._accounts: dict[_Identity, pj.Account] = {}
        self._last_incoming = 0
        self._max_incoming = 0

    def start(self, host: str, port: int, user_agent: str, max_incoming: int) -> tuple[str, int]:
        """Listen at UDP and TCP ``host:port``; return the address. Raises pj.Error."""
        self._max_incoming = max_incoming
        self._endpoint = pj.Endpoint()
        self._endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = MOST_CALLS
        config.uaConfig.userAgent = user_agent
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.medConfig.threadCnt = 0
        config.medConfig.hasIoqueue = False
        self._endpoint.libInit(config)
        self._port = self._listen(host, port)
        self._endpoint.libStart()
        # Without a device PJSIP would never free what it makes for the audio of a call.
        self._endpoint.audDevManager().setNullDev()
        for codec in self._endpoint.codecEnum2():
            if not codec.codecId.startswith(_CODECS):
                self._endpoint.codecSetPriority(codec.codecId, 0)
        self._listening = _Account(self._on_call)
        self._listening.create(_account_config(f"sip:fax@{host}:{self._port}"), True)
        return host, self._port

    def _listen(self, host: str, port: int) -> int:
        """Listen on UDP and TCP; with port 0 on any that is free for both. Returns it."""
        transport = pj.TransportConfig()
        transport.boundAddress = "" if host == "0.0.0.0" else host
        for attempt in range(_TRIES):
            transport.port = port
            udp = self._endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
            address = self._endpoint.transportGetInfo(udp).localAddress
            transport.port = int(address.rpartition(":")[2])
            try:
                self._endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, transport)
            except pj.Error:
                self._endpoint.transportClose(udp)
                if port or attempt == _TRIES - 1:
                    raise
            else:
                break
        return int(transport.port)

    def now(self) -> float:
        return time.monotonic()

    def turn(self) -> None:
        """Let PJSIP work for a moment, and do what is due."""
        self._endpoint.libHandleEvents(_STEP)
        now = self.now()
        for call in list(self._calls.values()):
            call.tick(now)
        for due, number in list(self._settling):
            if due <= now:
                self._settling.remove((due, number))
                self._on_free(number)

    def close(self) -> None:
        """Hang up, and end PJSIP; it takes a second or two."""
        self._max_incoming = 0
        for call in list(self._calls.values()):
            call.hang_up(None)
        end = self.now() + _GOODBYE_LIMIT
        while self._calls and self.now() < end:
            self.turn()
        self._calls.clear()
        self._accounts.clear()
        del self._listening
        gc.collect()
        self._endpoint.libDestroy()

    # --- verbs ----------------------------------------------------------------------------------------------

    def carry_out(self, verb: Verb) -> None:
        """Do what a line was asked for. A call that is over is left alone."""
        if isinstance(verb, Place):
            self._place(verb.call, verb.request)
            return
        call = self._calls.get(verb.call)
        match verb:
            case _ if call is None:
                pass
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

    def _place(self, number: int, request: CallRequest) -> None:
        call = None
        try:
            call = PjsuaCall(self, self._account(request), number)
            self._calls[number] = call
            call.place(request)
        except pj.Error as error:
            self._calls.pop(number, None)
            self._settling.append((self.now(), number))
            self._on_refused(number, f"PJSIP refuses the call: {describe(error)}")

    def _account(self, request: CallRequest) -> pj.Account:
        caller = ANONYMOUS if hides(request.identity) else request.caller
        hop = request.destination[0]
        identity = _Identity(caller, hop, request.routes, request.credentials, request.session_timers)
        account = self._accounts.pop(identity, None)
        if account is None:
            if len(self._accounts) == _MOST_ACCOUNTS:
                self._accounts.pop(next(iter(self._accounts))).shutdown()
            account = _Account(self._on_call)
            account.create(_config_of(identity))
        self._accounts[identity] = account
        return account

    # --- what calls need ------------------------------------------------------------------------------------

    def over(self, call: PjsuaCall, free_after: float) -> None:
        self._calls.pop(call.number, None)
        self._settling.append((self.now() + free_after, call.number))

    def mute(self) -> None:
        """Keep PJSIP from sending media of its own.

        It opens sockets for RTP that are in nobody's description, and plays silence from them for a second;
        a far end that latches on to the first packet would never hear ours. Nothing in the bindings turns it
        off, but a socket that is shut down for writing sends nothing.
        """
        for name in os.listdir("/proc/self/fd"):
            try:
                sock = socket.socket(fileno=os.dup(int(name)))
            except OSError:
                continue
            with sock:
                if sock.type == socket.SOCK_DGRAM and sock.getsockname()[1] != self._port:
                    # It says that the socket is not connected, and shuts it down all the same.
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_WR)

    # --- calls that come in ---------------------------------------------------------------------------------

    def _on_call(self, prm: pj.OnIncomingCallParam) -> None:
        """PJSIP refuses the call itself when this raises before there is an object for it."""
        invite = parse(prm.rdata.wholeMsg)
        if not isinstance(invite, Request):
            return
        number = self._last_incoming - 1
        event = _incoming(number, invite, prm.rdata.srcAddress)
        taken = sum(known < 0 for known in self._calls)
        self._last_incoming = number
        self._calls[number] = call = PjsuaCall(self, self._listening, number, invite, prm.callId)
        if taken < self._max_incoming:
            self.emit(event)
        else:
            call.refuse(_BUSY, silent=True)


def _incoming(number: int, invite: Request, source: str) -> Incoming:
    """Raises ParseError."""
    host, _, port = source.rpartition(":")
    offer = read_sdp(invite)
    identity = asserted_identity(invite.headers)
    return Incoming(
        number,
        invite.uri,
        invite.from_.uri,
        invite.from_.display_name,
        invite.to.uri,
        Hop(host, int(port), Transport(invite.via.transport.upper())),
        None if offer is None else _audio_only(offer),
        tuple(invite.headers),
        None if identity is None else identity.uri,
        "" if identity is None else identity.display_name,
    )


def _audio_only(offer: SessionDescription) -> SessionDescription:
    """The offer as far as PJSIP can answer it in a first INVITE: T.38 in it looks refused already."""
    media = tuple(each if each.kind.lower() == "audio" else replace(each, port=0) for each in offer.media)
    return replace(offer, media=media)


def _account_config(identity: str) -> pj.AccountConfig:
    config = pj.AccountConfig()
    config.idUri = identity
    config.mediaConfig.lockCodecEnabled = False
    config.mediaConfig.transportConfig.port = 0
    config.natConfig.iceEnabled = False
    config.natConfig.contactRewriteUse = 0
    config.natConfig.viaRewriteUse = 0
    config.natConfig.sipOutboundUse = 0
    config.natConfig.udpKaIntervalSec = 0
    return config


def _config_of(identity: _Identity) -> pj.AccountConfig:
    config = _account_config(identity.caller)
    hop = identity.hop
    # "hide" keeps the route out of the message: it is where to send, and nobody's business further on.
    route = f"<sip:{hop.host}:{hop.port};transport={hop.transport.value.lower()};lr;hide>"
    for each in (route, *identity.routes):
        config.sipConfig.proxies.append(each)
    if identity.credentials is not None:
        known = identity.credentials
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", known.username, 0, known.password))
    timers = identity.timers
    if timers is not None:
        config.callConfig.timerMinSESec = timers.least
        if timers.expires is not None:
            config.callConfig.timerSessExpiresSec = timers.expires
    return config

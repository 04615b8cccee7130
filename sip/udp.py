"""A user agent on a UDP socket: the asyncio shell around ``sip.agent``."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random, SystemRandom

from sip.agent import UserAgent
from sip.dialog import DEFAULT_PORT
from sip.errors import SipError
from sip.line import Address, Answerer, CallRequest, Hop, LineEvent, SessionTimers
from sip.place import Place
from sip.registrar import RegistrationRequest, RegistrationState
from sip.resolver import ResolveError, resolve_host
from sip.sdp import MediaDescription

_logger = logging.getLogger(__name__)

_MAX_DATAGRAM = 65535
_MAX_BURST = 64
"""Datagrams read before the loop gets its turn."""

# Linux tells which destination refused a datagram, but only through the error queue (ip(7), ipv6(7)), whose
# numbers Python does not name.
_HAS_ERROR_QUEUE = sys.platform == "linux"
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_BIND_ERRORS = {
    errno.EADDRNOTAVAIL: "it is no address of this machine; choose one that is, or 0.0.0.0 for all of them",
    errno.EACCES: "the port is for privileged users; choose one from 1024 on",
}
_REFUSALS = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


class ListenError(SipError):
    """The address to listen at cannot be had; the text names it and says why."""


class UdpLine:
    """A ``sip.line.Line`` at HOST:PORT (port 0 takes any free one); ``start`` comes before all else.

    ``on_event`` gets each event in a callback of its own on the loop, never from within a verb;
    ``on_registration`` each change of a registration. The times that the verbs take are those of the loop.
    ``agent`` and ``address`` exist once it has started.
    """

    agent: UserAgent
    address: Address

    def __init__(
        self,
        on_event: Callable[[LineEvent], None],
        *,
        user_agent: str,
        host: str = "0.0.0.0",
        port: int = DEFAULT_PORT,
        random: Random | None = None,
        max_incoming: int = 64,
        session_timers: SessionTimers | None = None,
        on_registration: Callable[[RegistrationState], None] | None = None,
    ) -> None:
        self._on_event = on_event
        self._on_registration = on_registration
        self._user_agent = user_agent
        self._host = host
        self._port = port
        self._random = random or SystemRandom()
        self._max_incoming = max_incoming
        self._session_timers = session_timers
        self._timer: asyncio.TimerHandle | None = None
        self._lookups: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()

    async def start(self) -> None:
        """Bind the socket; raises ListenError when the address cannot be had."""
        self._loop = asyncio.get_running_loop()
        self._socket = await _bind(self._host, self._port)
        self.address = self._socket.getsockname()[:2]
        self._address_for = _address_seen_by(self._socket)
        self.agent = UserAgent(
            contact_address=self.address,
            user_agent=self._user_agent,
            random=self._random,
            local_address=self._address_for,
            max_incoming=self._max_incoming,
            session_timers=self._session_timers,
        )
        self._loop.add_reader(self._socket, self._readable)

    async def close(self, limit: float = 5.0) -> None:
        """Hang up every call, unregister, wait at most ``limit`` seconds until the far ends know it, and
        unbind."""
        self.agent.hang_up_all(self._loop.time())
        self.agent.registrations.end_all(self._loop.time())
        self._flush()
        try:
            async with asyncio.timeout(limit):
                await self._settled.wait()
        except TimeoutError:
            _logger.warning(
                "closed while the end of %d calls and %d registrations was not confirmed",
                self.agent.calls,
                len(self.agent.registrations),
            )
        self._loop.remove_reader(self._socket)
        if self._timer is not None:
            self._timer.cancel()
        for lookup in self._lookups:
            lookup.cancel()
        self._socket.close()

    # --- verbs ----------------------------------------------------------------------------------------------

    def place(self, request: CallRequest, now: float) -> int:
        call = self.agent.place(request, now)
        self._flush()
        return call

    def ring(self, call: int, now: float) -> None:
        self.agent.ring(call, now)
        self._flush()

    def accept(
        self, call: int, media: Sequence[MediaDescription], media_address: str, answerer: Answerer, now: float
    ) -> None:
        self.agent.accept(call, media, media_address, answerer, now)
        self._flush()

    def refuse(self, call: int, status: int, now: float) -> None:
        self.agent.refuse(call, status, now)
        self._flush()

    def answer_with(self, call: int, answerer: Answerer, now: float) -> None:
        self.agent.answer_with(call, answerer, now)

    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None:
        self.agent.offer(call, media, now)
        self._flush()

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        self.agent.hang_up(call, now, reason=reason)
        self._flush()

    def register(self, request: RegistrationRequest, now: float) -> int:
        """As ``Registrations.begin``."""
        registration = self.agent.registrations.begin(request, now)
        self._flush()
        return registration

    def unregister(self, registration: int, now: float) -> None:
        self.agent.registrations.end(registration, now)
        self._flush()

    def redirect(self, registration: int, hops: Sequence[Hop]) -> None:
        """As ``Registrations.redirect``."""
        self.agent.registrations.redirect(registration, hops)

    def local_host(self, peer: Hop) -> str:
        """The IP address of ours that ``peer`` sees; media descriptions for it should say the same."""
        return self._address_for(peer)[0]

    # --- the socket -----------------------------------------------------------------------------------------

    def _readable(self) -> None:
        for count in range(_MAX_BURST):
            try:
                data, source = self._socket.recvfrom(_MAX_DATAGRAM)
            except OSError as error:
                # Nothing to read at all: then it is the error queue that woke us.
                if count == 0 or not isinstance(error, BlockingIOError):
                    self._read_errors()
                break
            self.agent.receive(data, Hop(*source[:2]), self._loop.time())
        self._flush()

    def _flush(self) -> None:
        """Pass on what the agent has to say to the network, to the user, and to the loop."""
        while datagrams := self.agent.take_datagrams():
            for data, destination in datagrams:
                self._send(data, destination)
        for event in self.agent.take_events():
            self._loop.call_soon(self._on_event, event)
        for state in self.agent.registrations.take_events():
            if self._on_registration is not None:
                self._loop.call_soon(self._on_registration, state)
        for place in self.agent.take_lookups():
            lookup = self._loop.create_task(self._look_up(place))
            self._lookups.add(lookup)
            lookup.add_done_callback(self._lookups.discard)
        if not (self.agent.calls or self.agent.dialogs or self.agent.registrations):
            self._settled.set()
        else:
            self._settled.clear()
        deadline = self.agent.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        self.agent.handle_deadline(self._loop.time())
        self._flush()

    def _send(self, data: bytes, destination: Hop) -> None:
        for _ in range(2):
            try:
                self._socket.sendto(data, destination.address)
            except BlockingIOError:
                # The buffer is full: as good as lost on the way, and repeated like that.
                return
            except OSError as error:
                # It may be about an earlier datagram that was refused; then this one has not gone out yet.
                if not self._read_errors():
                    _logger.info("cannot send to %s: %s", destination, error)
                    self.agent.unreachable(destination, self._loop.time())
                    return
            else:
                return

    def _read_errors(self) -> bool:
        """Tell the agent which destinations refuse datagrams; returns whether any do."""
        found = False
        while _HAS_ERROR_QUEUE:
            try:
                _, ancillary, _, destination = self._socket.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:
                break
            for _, _, error in ancillary:
                if len(error) >= 4 and struct.unpack_from("=I", error)[0] in _REFUSALS:
                    found = True
                    self.agent.unreachable(Hop(*destination[:2]), self._loop.time())
        return found

    async def _look_up(self, place: Place) -> None:
        try:
            hop = await resolve_host(place.host, place.port or DEFAULT_PORT, family=self._socket.family)
        except ResolveError as error:
            _logger.warning("%s; going on with the address its messages come from", error)
            return
        self.agent.resolved(place, [hop])
        self._flush()


async def _bind(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(
            f"cannot listen at {host}:{port}: no such host ({error}); choose an address of this machine"
        ) from error
    family, _, _, _, address = found[0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind(address)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise ListenError(f"port {port} of {host} is in use; stop its owner or choose another") from error
        why = _BIND_ERRORS.get(error.errno or 0, error.strerror)
        raise ListenError(f"cannot listen at {host}:{port}: {why}") from error
    if _HAS_ERROR_QUEUE and family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    elif _HAS_ERROR_QUEUE:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    return sock


def _address_seen_by(sock: socket.socket) -> Callable[[Hop], Address]:
    """The address of a socket that a peer sees. Bound to all addresses, it has one for each route."""
    host, port = sock.getsockname()[:2]
    if host not in ("0.0.0.0", "::"):
        return lambda peer: (host, port)
    family = sock.family

    @lru_cache(maxsize=256)
    def seen_by(peer: str) -> str:
        # Connecting a UDP socket sends nothing, but chooses the route.
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((peer, 9))
            except OSError:
                return "127.0.0.1" if family == socket.AF_INET else "::1"
            return str(probe.getsockname()[0])

    return lambda peer: (seen_by(peer.host), port)

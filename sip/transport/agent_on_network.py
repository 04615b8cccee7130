"""A user agent on the network: the asyncio shell around ``sip.agent``."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from random import Random, SystemRandom
from typing import TypeVar

from sip.agent import UserAgent
from sip.line import Answerer, CallRequest, LineEvent
from sip.line_settings import Limits, SessionTimers, TlsSettings
from sip.logs import contained, get_logger
from sip.syntax.errors import told
from sip.syntax.sdp import MediaDescription
from sip.syntax.stream import PING
from sip.transport.listening import ListenError, Listening, family_of
from sip.transport.resolver import ResolveError, Resolver
from sip.transport.tcp import Connections
from sip.transport.udp import UdpPort
from sip.ua.admission import AdmissionPolicy
from sip.ua.registration_messages import RegistrationRequest, RegistrationState
from sip.ua.target import Target
from sip.values import NO_REASON, Address, Credentials, Hop, NetworkFault, Transport

_logger = get_logger(__name__)

KEEP_ALIVE = 25.0
"""Seconds between keep-alives over UDP: many NATs forget a mapping that is idle for 30 s, so RFC 5626 4.4.2
asks for 24 to 29 s."""

_Event = TypeVar("_Event")

EVERYWHERE = (Hop("0.0.0.0", 5060), Hop("0.0.0.0", 5060, Transport.TCP))


class AgentLine:
    """A ``sip.line.Line`` that listens at the addresses of ``listen``; call ``start`` first.

    Port 0 takes any free port, the same one for UDP and TCP of one host. Connections over TCP and TLS are
    opened whether or not we listen for them. ``advertised`` are the addresses that far ends see in place of
    ours, at most one of IPv4 and one of IPv6, with the same ports: those of the router in front of us.

    ``on_event`` gets each event in a separate callback on the loop, never from within a method;
    ``on_registration`` each change of a registration. ``now`` is always the loop's time.
    ``agent`` and ``addresses`` (where it listens) exist once it has started.
    """

    agent: UserAgent
    addresses: Sequence[Hop]

    def __init__(
        self,
        on_event: Callable[[LineEvent], None],
        *,
        user_agent: str,
        listen: Sequence[Hop] = EVERYWHERE,
        tls: TlsSettings | None = None,
        advertised: Sequence[str] = (),
        random: Random | None = None,
        resolver: Resolver | None = None,
        limits: Limits = Limits(),
        session_timers: SessionTimers | None = None,
        on_registration: Callable[[RegistrationState], None] | None = None,
        admission: AdmissionPolicy | None = None,
    ) -> None:
        self._admission = admission
        self._on_event = on_event
        self._on_registration = on_registration
        self._user_agent = user_agent
        self._listen = listen
        self._tls = tls or TlsSettings()
        self._advertised = advertised
        self._random = random or SystemRandom()
        self._resolver = resolver or Resolver(self._random)
        self._limits = limits
        self._session_timers = session_timers
        self._timer: asyncio.Handle | None = None
        self._timer_due = 0.0
        """When the timer fires. A handle of uvloop has no ``when()``."""
        self._keep_alive: asyncio.TimerHandle | None = None
        self._lookups: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._udp: dict[socket.AddressFamily, UdpPort] = {}
        self._undo = AsyncExitStack()

    async def start(self) -> None:
        """Bind the sockets. Raises ListenError or TlsError; then nothing is left open."""
        self._loop = asyncio.get_running_loop()
        try:
            async with AsyncExitStack() as undo:
                await self._start(undo)
                self._undo = undo.pop_all()
        except OSError as error:
            raise ListenError(f"cannot listen: {told(error)}") from error

    async def _start(self, undo: AsyncExitStack) -> None:
        self._listening = await Listening.bind(self._listen, self._advertised)
        undo.callback(self._listening.close)
        self.addresses = [listener.hop for listener in self._listening.listeners]
        self._connections = Connections(
            on_message=self._received,
            on_refused=self._refused,
            on_closed=self._closed,
            in_use=lambda: self.agent.hops_in_use(),
            source=self._listening.connect_from,
            tls=self._tls,
        )
        undo.push_async_callback(self._connections.close)
        self.agent = UserAgent(
            contact_address=self.address,
            user_agent=self._user_agent,
            random=self._random,
            local_address=self._listening.seen_by,
            # A request near the MTU goes over TCP although its URI says UDP (RFC 3261 18.1.1).
            tcp=True,
            limits=self._limits,
            session_timers=self._session_timers,
            admission=self._admission,
        )
        undo.callback(self._stop)
        for listener in self._listening.listeners:
            if listener.hop.transport.reliable:
                self._connections.listen(listener.sock, listener.hop.transport)
            else:
                port = UdpPort(listener.sock, self._datagram, self._flush, self._refused)
                undo.callback(port.close)
                self._udp[listener.sock.family] = port
        self._keep_alive = self._loop.call_later(KEEP_ALIVE, self._send_keep_alives)

    def _stop(self) -> None:
        """Cancel the timers and lookups."""
        for timer in (self._timer, self._keep_alive):
            if timer is not None:
                timer.cancel()
        for lookup in self._lookups:
            lookup.cancel()

    @property
    def address(self) -> Address:
        """The first address that we listen at."""
        return self.addresses[0].address

    async def close(self, limit: float = 5.0) -> None:
        """Hang up every call, unregister, wait at most ``limit`` seconds for confirmation, and close the
        sockets."""
        async with self._undo:
            # Calls and registrations end side by side: each needs a response of a far end.
            self.agent.hang_up_all(self._loop.time())
            self.agent.registrations.end_all(self._loop.time())
            self._flush()
            await self._wait_for_the_end(limit)

    async def _wait_for_the_end(self, limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await self._settled.wait()
        except TimeoutError:
            left = [(self.agent.calls, "call"), (len(self.agent.registrations), "registration")]
            _logger.warning(
                "closed while the end of %s was not confirmed",
                " and ".join(f"{n} {what}{'s' if n > 1 else ''}" for n, what in left if n),
            )

    # --- verbs ----------------------------------------------------------------------------------------------

    def place(self, request: CallRequest, now: float) -> int:
        call = self.agent.place(request, now)
        self._flush()
        return call

    def ring(self, call: int, now: float) -> None:
        self.agent.ring(call, now)
        self._flush()

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
        self.agent.accept(call, media, media_address, answerer, now, credentials=credentials)
        self._flush()

    def refuse(self, call: int, status: int, now: float) -> None:
        self.agent.refuse(call, status, now)
        self._flush()

    def answer_with(self, call: int, answerer: Answerer, now: float) -> None:
        # Nothing to flush: the answerer is used at the next offer.
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

    def redirect(self, registration: int, hops: Sequence[Hop]) -> None:
        """As ``Registrations.redirect``."""
        self.agent.registrations.redirect(registration, hops)

    def unregister(self, registration: int, now: float) -> None:
        self.agent.registrations.end(registration, now)
        self._flush()

    # --- addresses ------------------------------------------------------------------------------------------

    @property
    def families(self) -> Sequence[socket.AddressFamily]:
        """The address families that we listen in."""
        return self._listening.families

    def local_host(self, peer: Hop) -> str:
        """Our IP address as ``peer`` sees it; session descriptions for it should contain the same."""
        return self._listening.seen_by(peer)[0]

    def interface(self, peer: Hop) -> str:
        """The local IP address on the route to ``peer``; media should be bound to it."""
        return self._listening.source(peer)[0]

    # --- the network ----------------------------------------------------------------------------------------

    # Always flush, even when the agent raised: messages and events of other calls must still go out.

    def _datagram(self, data: bytes, source: Hop) -> None:
        """``UdpPort`` calls ``_flush`` at the end of the burst."""
        self.agent.receive(data, source, self._loop.time())

    def _received(self, data: bytes, source: Hop) -> None:
        try:
            self.agent.receive(data, source, self._loop.time())
        finally:
            self._flush()

    def _refused(self, hop: Hop, fault: NetworkFault = NO_REASON) -> None:
        with contained(_logger, "an unreachable destination was ignored after an internal error"):
            self.agent.unreachable(hop, self._loop.time(), fault)
        # This may be called from within ``_send``, and thereby from within ``_flush``.
        self._loop.call_soon(self._flush)

    def _closed(self, hop: Hop, fault: NetworkFault) -> None:
        with contained(_logger, "a closed connection was ignored after an internal error"):
            self.agent.disconnected(hop, self._loop.time(), fault)
        self._flush()

    def _flush(self) -> None:
        """Send the agent's messages, deliver its events, start its lookups, and arm the timer."""
        unsent = deque(self.agent.take_datagrams())
        while unsent:
            with contained(_logger, "a message was not sent after an internal error"):
                self._send(*unsent.popleft())
            # A failed send makes the agent try the next hop (RFC 3263 4.3), which queues another message.
            unsent += self.agent.take_datagrams()
        for event in self.agent.take_events():
            self._loop.call_soon(self._call_back, self._on_event, event)
        for state in self.agent.registrations.take_events():
            if self._on_registration is not None:
                self._loop.call_soon(self._call_back, self._on_registration, state)
        for target in self.agent.take_lookups():
            lookup = self._loop.create_task(self._look_up(target))
            self._lookups.add(lookup)
            lookup.add_done_callback(self._lookups.discard)
        if not (self.agent.calls or self.agent.dialogs or self.agent.registrations):
            self._settled.set()
        else:
            self._settled.clear()
        self._arm(self.agent.next_deadline())

    def _call_back(self, callback: Callable[[_Event], None], event: _Event) -> None:
        with contained(_logger, "a callback failed on an event"):
            callback(event)

    def _arm(self, deadline: float | None) -> None:
        # Most messages only postpone the deadline: an early wake-up costs less than moving the timer each
        # time.
        if self._timer is not None and (deadline is None or deadline < self._timer_due):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and deadline is not None:
            self._timer = self._loop.call_at(deadline, self._due)
            self._timer_due = deadline

    def _due(self) -> None:
        self._timer = None
        with contained(_logger, "a timer failed with an internal error"):
            self.agent.handle_deadline(self._loop.time())
        # Also arms the timer for the remaining deadlines.
        self._flush()

    def _send_keep_alives(self) -> None:
        """Send a keep-alive over UDP to every far end that may send us requests."""
        with contained(_logger, "a keep-alive was not sent after an internal error"):
            for hop in self.agent.flows():
                port = self._udp.get(family_of(hop.host))
                if port is not None and not hop.transport.reliable:
                    # RFC 5626 4.4.2 asks for STUN here, which the far end has to support. Any datagram keeps
                    # the mapping of a NAT, and two empty lines are not taken for a message.
                    port.send(PING, hop)
        self._keep_alive = self._loop.call_later(KEEP_ALIVE, self._send_keep_alives)

    def _send(self, data: bytes, hop: Hop) -> None:
        if hop.transport.reliable:
            self._connections.send(data, hop)
        elif (port := self._udp.get(family_of(hop.host))) is not None:
            port.send(data, hop)
        else:
            fault = NetworkFault(f"there is no socket for {hop}", "listen at an address of its family")
            self._refused(hop, fault)

    async def _look_up(self, target: Target) -> None:
        hops: Sequence[Hop] = ()
        with contained(_logger, "a name was not looked up after an internal error"):
            try:
                hops = await self._resolver.locate(target, self._listening.families)
            except ResolveError as error:
                _logger.warning("%s", error)
        with contained(_logger, "the result of a lookup was ignored after an internal error"):
            self.agent.resolved(target, hops)
        self._flush()

"""The virtual gateway on real sockets, on an asyncio loop: SIP over UDP and TCP, T.38 over UDP.

Line faults act on the datagrams of T.38 and RTP, in both directions, not on SIP. Pages are coded and stored
on the loop, which delays all its calls meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from random import Random

from sip.line import Incoming, LineEvent
from sip.logs import contained, get_logger
from sip.syntax.uri import Uri, parse_uri
from sip.transport.agent_on_network import AgentLine
from sip.transport.resolver import Resolver
from sip.ua.target import Target
from sip.values import Address, Hop, Transport
from t38fsp.audio.rtp import looks_like_rtp
from t38fsp.engine.media import MediaPort
from t38fsp.events import FaxEvent
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t38.udptl import Datagram, UdptlError
from t38fsp.virtual.documents import DocumentFile
from t38fsp.virtual.fax_machine import PageStore
from t38fsp.virtual.gateway import VirtualGateway
from t38fsp.virtual.gateway_call import GatewayCall
from t38fsp.virtual.hooks import Quirk
from t38fsp.virtual.network import Faults, Path

_logger = get_logger(__name__)

NO_FAULTS = Faults(delay=0.0)
_CLOSE_LIMIT = 3.0
"""Seconds in which aborted calls may end properly."""
_UNBIND_LIMIT = 2.0
"""Seconds to wait for responses to BYE and to unregistering."""


class SocketGateway:
    """A gateway with these quirks at ``listen`` (port 0 takes a free port), on a line with these faults.

    Call every method on the thread of the loop. ``random`` is used for all random choices.
    """

    def __init__(
        self,
        listen: Address = ("127.0.0.1", 0),
        quirks: Sequence[Quirk] = (),
        faults: Faults = NO_FAULTS,
        *,
        random: Random,
    ) -> None:
        self._quirks = tuple(quirks)
        self._faults = faults
        self._random = random
        self.on_event: Callable[[GatewayCall, FaxEvent], None] = lambda call, event: None
        """Called with the events of each call; the last one is Finished."""
        self._line = AgentLine(
            self._on_line_event,
            user_agent="t38fsp virtual gateway",
            listen=[Hop(*listen), Hop(*listen, Transport.TCP)],
            random=random,
        )
        self._gateway = VirtualGateway(self._line, self._open_media, random, media_closed=self._close_media)
        self._media: dict[Address, _FaultyPort] = {}
        self._timer: asyncio.Handle | None = None
        self._rings = 0.0
        """When the timer fires. A handle of uvloop has no ``when()``."""
        self._none_left = asyncio.Event()

    async def start(self) -> Address:
        """Bind the SIP address; returns it. Raises SipError if it cannot be bound."""
        self._loop = asyncio.get_running_loop()
        await self._line.start()
        return self._line.address

    async def close(self) -> None:
        """End every call, within five seconds, and unbind."""
        # Run from the last to the first: SIP is closed, then the media ports, whatever fails.
        async with AsyncExitStack() as undo:
            undo.callback(self._stop)
            undo.push_async_callback(self._line.close, _UNBIND_LIMIT)
            self._gateway.abort(self._loop.time())
            self._settle()
            if not self._gateway.idle:
                self._none_left.clear()
                with suppress(TimeoutError):  # a far end that does not answer BYE
                    async with asyncio.timeout(_CLOSE_LIMIT):
                        await self._none_left.wait()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for port in self._media.values():
            port.close()

    def answer_calls(
        self, store_for: Callable[[Incoming], PageStore], machine: ReceiveOptions | None = None
    ) -> None:
        """Take every call from now on; ``store_for`` returns for each where its pages are stored.

        An OSError of ``store_for`` refuses the call.
        """
        self._gateway.answer_calls(store_for, self._quirks, machine)

    async def call(
        self,
        target: str,
        document: DocumentFile,
        machine: TransmitOptions | None = None,
        *,
        via: str | None = None,
    ) -> GatewayCall:
        """Send the document to ``target``, a SIP URI, through ``via`` (``HOST[:PORT]``) if given.

        Returns when the INVITE has been sent. Raises SipError if the name cannot be resolved, and OSError if
        no media port is free.
        """
        resolver = Resolver(self._random)
        first = target if via is None else f"sip:{via}"
        hops = await resolver.locate(Target.of(parse_uri(first)), self._line.families)
        caller = str(Uri("sip", "machine", self._line.local_host(hops[0])))
        call = self._gateway.call(
            target, hops, caller, document, document.formats, self._loop.time(), self._quirks, machine
        )
        self._settle()
        return call

    # --- joining it to the loop -----------------------------------------------------------------------------

    def _on_line_event(self, event: LineEvent) -> None:
        with contained(_logger, "an event of the line failed with an internal error"):
            self._gateway.line_event(event, self._loop.time())
        self._settle()

    def _on_media(self, at: Address, data: bytes) -> None:
        with contained(_logger, "a media datagram was dropped after an internal error"):
            self._gateway.receive(data, at, self._loop.time())
        self._settle()

    def _on_deadline(self) -> None:
        self._timer = None
        self._gateway.handle_deadline(self._loop.time())
        self._settle()

    def _settle(self) -> None:
        """Send the datagrams of the gateway, report its events, and arm the timer."""
        for datagram in self._gateway.take_datagrams():
            self._media[datagram.source].send(datagram.data, datagram.destination)
        for call, event in self._gateway.take_events():
            self.on_event(call, event)
        if self._gateway.idle:
            self._none_left.set()
        deadline = self._gateway.next_deadline()
        # Most settles leave the deadline as it was, and a timer costs more than the comparison.
        if self._timer is not None and deadline != self._rings:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_deadline)
            self._rings = deadline

    def _open_media(self, peer: Hop) -> Address:
        port = _FaultyPort(self._line.interface(peer), self._faults, self._random, self._on_media)
        self._media[port.address] = port
        return port.address

    def _close_media(self, address: Address) -> None:
        self._media.pop(address).close()


class _FaultyPort:
    """A media port at the end of a line with faults in both directions."""

    def __init__(
        self, host: str, faults: Faults, random: Random, on_datagram: Callable[[Address, bytes], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._out, self._in = Path(faults, random), Path(faults, random)
        self._port = MediaPort.open(host, self._received)
        self._on_datagram = on_datagram
        self._closed = False
        self.address = self._port.address

    def send(self, data: bytes, destination: Address) -> None:
        self._port.set_remote(destination)
        for arrival in self._out.arrivals(self._loop.time(), len(data)):
            self._at(arrival, partial(self._port.send, data))

    def close(self) -> None:
        self._closed = True
        self._port.close()

    def _received(self, data: bytes, source: Address) -> bool:
        for arrival in self._in.arrivals(self._loop.time(), len(data)):
            self._at(arrival, partial(self._on_datagram, self.address, data))
        # True has the port take the source as the far end's address, behind a NAT too.
        return looks_like_rtp(data) or _is_udptl(data)

    def _at(self, when: float, action: Callable[[], None]) -> None:
        if when <= self._loop.time():
            # At once without faults: call_at would add a turn of the loop to each datagram.
            action()
        else:
            self._loop.call_at(when, self._unless_closed, action)

    def _unless_closed(self, action: Callable[[], None]) -> None:
        if not self._closed:
            action()


def _is_udptl(data: bytes) -> bool:
    try:
        Datagram.parse(data)
    except UdptlError:
        return False
    return True

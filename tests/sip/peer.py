"""A line on the loopback interface, and the events it had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import TypeVar

from sip.line import Incoming, LineEvent
from sip.line_settings import Limits, TlsSettings
from sip.transport.agent_on_network import AgentLine
from sip.transport.resolver import Resolver
from sip.ua.registration_messages import Registering, RegistrationState
from sip.values import Hop, Transport
from tests.sip.link import call_request, mirror

Event = TypeVar("Event")
LIMIT = 60.0
"""Seconds after which a test is stuck; nothing is measured against it."""


def at(host: str, *transports: Transport) -> list[Hop]:
    """Any free port of ``host`` for each transport; UDP and TCP share theirs."""
    return [Hop(host, 0, transport) for transport in transports]


class Peer:
    """A line and the events it had; it listens on UDP and TCP of 127.0.0.1 unless ``listen`` says more."""

    def __init__(
        self,
        *listen: Hop,
        tls: TlsSettings | None = None,
        advertised: Sequence[str] = (),
        resolver: Resolver | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self.line = AgentLine(
            self._on_event,
            user_agent="test",
            listen=listen or at("127.0.0.1", Transport.UDP, Transport.TCP),
            tls=tls,
            advertised=advertised,
            resolver=resolver,
            limits=limits,
            on_registration=self._on_registration,
        )
        self._states: asyncio.Queue[RegistrationState] = asyncio.Queue()
        self.events: list[LineEvent] = []
        self.react: Callable[[LineEvent], None] = lambda event: None
        self._came = asyncio.Event()

    def hop(self, transport: Transport = Transport.UDP, server_name: str | None = None) -> Hop:
        """Where this line listens."""
        found = next(hop for hop in self.line.addresses if hop.transport is transport)
        return replace(found, server_name=server_name)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def _on_event(self, event: LineEvent) -> None:
        self.events.append(event)
        self._came.set()
        self.react(event)

    def _on_registration(self, state: RegistrationState) -> None:
        self._states.put_nowait(state)

    async def registered(self) -> RegistrationState:
        """Wait for what comes of a registration."""
        async with asyncio.timeout(LIMIT):
            while isinstance(state := await self._states.get(), Registering):
                pass
        return state

    async def expect(self, kind: type[Event]) -> Event:
        """Wait for an event of this kind."""
        return (await self.expect_several(kind, 1))[0]

    async def expect_more(self, number: int) -> None:
        """Wait until there are more events than so many."""
        async with asyncio.timeout(LIMIT):
            while len(self.events) <= number:
                self._came.clear()
                await self._came.wait()

    async def expect_several(self, kind: type[Event], number: int) -> list[Event]:
        """Wait for so many events of this kind."""
        async with asyncio.timeout(LIMIT):
            while len(found := [event for event in self.events if isinstance(event, kind)]) < number:
                self._came.clear()
                await self._came.wait()
        return found

    def accept(self, event: LineEvent) -> None:
        if isinstance(event, Incoming) and event.offer is not None:
            host = self.line.local_host(event.source)
            self.line.accept(event.call, mirror(event.offer), host, mirror, self.now)

    def call(self, *hops: Hop, **changes: object) -> int:
        """Place a call to the first of these hops that answers."""
        host = self.line.local_host(hops[0])
        return self.line.place(call_request(destination=hops, media_address=host, **changes), self.now)


@asynccontextmanager
async def running(*peers: Peer) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for peer in peers:
            await peer.line.start()
            stack.push_async_callback(peer.line.close)
        yield


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until it holds."""
    async with asyncio.timeout(LIMIT):
        for _ in count():
            if condition():
                return
            await asyncio.sleep(0)

"""The asyncio shell on the loopback interface."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import pytest

from sip.line import Address, Answered, CallRequest, Ended, Failed, Hop, Incoming, LineEvent, MediaChanged
from sip.resolver import ResolveError, resolve
from sip.udp import ListenError, UdpLine
from tests.sip.link import IMAGE, call_request, mirror

Event = TypeVar("Event")
LIMIT = 20.0
"""Seconds after which a test is stuck; nothing is measured against it."""


class Peer:
    """A line and the events it had."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, max_incoming: int = 64) -> None:
        self.line = UdpLine(
            self._on_event, user_agent="test", host=host, port=port, max_incoming=max_incoming
        )
        self.events: list[LineEvent] = []
        self.react: Callable[[LineEvent], None] = lambda event: None
        self._came = asyncio.Event()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def _on_event(self, event: LineEvent) -> None:
        self.events.append(event)
        self._came.set()
        self.react(event)

    async def expect(self, kind: type[Event]) -> Event:
        """Wait for an event of this kind."""
        async with asyncio.timeout(LIMIT):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                self._came.clear()
                await self._came.wait()

    def accept(self, event: LineEvent) -> None:
        if isinstance(event, Incoming) and event.offer is not None:
            self.line.accept(event.call, mirror(event.offer), "127.0.0.1", mirror, self.now)


@asynccontextmanager
async def running(*peers: Peer) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for peer in peers:
            await peer.line.start()
            stack.push_async_callback(peer.line.close)
        yield


def call_to(destination: Address) -> CallRequest:
    return call_request(destination=[Hop(*destination)], media_address="127.0.0.1")


async def test_a_call_over_real_sockets() -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    async with running(alice, bob):
        call = alice.line.place(call_to(bob.line.address), alice.now)
        answered = await alice.expect(Answered)
        assert answered.call == call
        theirs = await bob.expect(Answered)
        assert theirs.dialog.call_id == answered.dialog.call_id
        assert (theirs.dialog.local_tag, theirs.dialog.remote_tag) == (
            answered.dialog.remote_tag,
            answered.dialog.local_tag,
        )
        bob.line.offer(theirs.call, [IMAGE], bob.now)
        assert (await alice.expect(MediaChanged)).remote.media == (IMAGE,)
        await bob.expect(MediaChanged)
        alice.line.hang_up(call, alice.now)
        assert (await bob.expect(Ended)).remote
        assert not (await alice.expect(Ended)).remote
        assert alice.line.agent.calls == bob.line.agent.calls == 0


async def test_closing_a_line_ends_its_calls() -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    async with running(bob):
        async with running(alice):
            alice.line.place(call_to(bob.line.address), alice.now)
            await alice.expect(Answered)
        assert alice.line.agent.calls == 0
        assert (await bob.expect(Ended)).remote


async def test_a_port_where_nobody_listens_fails_the_call_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as vacant:
        vacant.bind(("127.0.0.1", 0))
        nobody = vacant.getsockname()
    alice = Peer()
    async with running(alice):
        alice.line.place(call_to(nobody), alice.now)
        failed = await alice.expect(Failed)
        assert (failed.status, failed.local) == (503, True)


async def test_a_port_in_use_is_named() -> None:
    first = Peer()
    async with running(first):
        second = Peer(port=first.line.address[1])
        with pytest.raises(ListenError, match=f"port {first.line.address[1]} of 127.0.0.1 is in use"):
            await second.line.start()


async def test_bound_to_all_addresses_we_name_the_one_that_the_peer_sees() -> None:
    alice, bob = Peer(host="0.0.0.0"), Peer()
    async with running(alice, bob):
        assert alice.line.local_host(Hop(*bob.line.address)) == "127.0.0.1"
        bob.react = bob.accept
        alice.line.place(call_to(bob.line.address), alice.now)
        incoming = await bob.expect(Incoming)
        contact = dict(incoming.headers)["Contact"]
        assert contact == f"<sip:alice@127.0.0.1:{alice.line.address[1]}>"
        await alice.expect(Answered)


async def test_a_name_is_resolved() -> None:
    assert await resolve("sip:someone@localhost:5070", family=socket.AF_INET) == Hop("127.0.0.1", 5070)


async def test_a_host_without_address_is_named() -> None:
    with pytest.raises(ResolveError, match=r"no-such-host\.invalid"):
        await resolve("sip:1@no-such-host.invalid")


async def test_a_number_without_host_is_refused() -> None:
    with pytest.raises(ResolveError, match="names no host"):
        await resolve("tel:+15550100")

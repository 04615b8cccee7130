"""Connections that are given up before they stand, limits of those that we make, and faults in sending."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sip.line import Answered, Failed
from sip.transaction.client import PATIENCE
from sip.values import Hop, Transport
from tests.sip.certificates import Authority
from tests.sip.link import call_request
from tests.sip.peer import LIMIT, Peer, at, running


async def test_a_connection_given_up_during_its_handshake_is_not_served_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gave way to a newer one, so nothing counts it any more: served, such ones would have no limit."""
    monkeypatch.setattr("sip.transport.tcp.MAX_INCOMING", 1)
    trunk = Authority(tmp_path / "ca").issue("trunk", "DNS:trunk.example")
    bob = Peer(*at("127.0.0.1", Transport.TLS), tls=trunk)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with running(bob), asyncio.timeout(LIMIT):
        address = bob.hop(Transport.TLS).address
        with socket.create_connection(address) as first, socket.create_connection(address) as second:
            # Connections are taken in order, and the second is served only when it has its place.
            answered = await _ask(second, context)
            assert answered.startswith(b"SIP/2.0 200")
            assert await _ask(first, context) == b""


class Deaf:
    """Takes no connections, as its backlog is full: whoever connects has to wait."""

    def __enter__(self) -> Hop:
        self._sockets = [socket.socket() for _ in range(3)]
        listener, *others = self._sockets
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for each in others:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        return Hop(*listener.getsockname(), Transport.TCP)

    def __exit__(self, *exc: object) -> None:
        for each in self._sockets:
            each.close()


async def test_what_waits_for_a_connection_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sip.transport.connection.MAX_WAITING", 2000)
    alice = Peer()
    with Deaf() as hop:
        async with running(alice):
            for _ in range(4):
                alice.call(hop)
            failed = await alice.expect_several(Failed, 4)
    assert {(each.status, each.local) for each in failed} == {(503, True)}
    assert all(str(hop) in each.reason for each in failed)


async def test_only_so_many_connections_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sip.transport.tcp.MAX_OPENING", 1)
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    with Deaf() as first, Deaf() as second:
        async with running(alice, bob):
            alice.call(first)
            alice.call(second)
            failed, then = await alice.expect_several(Failed, 2)
            assert failed.reason == "1 other connections are being opened"
            assert failed.advice == "try again later"
            assert then.reason == f"{first} did not accept a connection within 3 s"
            # And when that one is over there is room again.
            alice.call(bob.hop(Transport.TCP))
            await alice.expect(Answered)


async def test_a_fault_in_sending_costs_neither_other_messages_nor_timers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    send, faults = alice.line._send, 0

    def faulty(data: bytes, hop: Hop) -> None:
        nonlocal faults
        if hop.port == 9:
            faults += 1
            raise RuntimeError("a fault")
        send(data, hop)

    monkeypatch.setattr(alice.line, "_send", faulty)
    async with running(alice, bob):
        # Both calls are placed before either INVITE goes out.
        alice.line.agent.place(call_request(destination=[Hop("127.0.0.1", 9), bob.hop()]), alice.now)
        alice.line.agent.place(call_request(destination=[bob.hop()]), alice.now)
        alice.line._flush()
        await alice.expect_several(Answered, 2)
    assert faults > 1  # it was repeated in time, until the next hop had its turn


@pytest.mark.parametrize("name", ["a..b", "x" * 70 + ".example"])
async def test_a_name_that_tls_cannot_ask_for_is_refused_at_once(name: str) -> None:
    alice, bob = Peer(), Peer()
    async with running(alice, bob):
        alice.call(replace(bob.hop(Transport.TCP), transport=Transport.TLS, server_name=name))
        failed = await alice.expect(Failed)
        assert (failed.status, "cannot be reached" in failed.reason) == (503, True)
        assert len(alice.line._connections) == 0


async def test_a_fault_at_one_deadline_does_not_keep_the_others_from_coming(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept

    def strike(now: float) -> None:
        raise RuntimeError("a fault")

    async with running(alice, bob):
        alice.line.agent._core.timers.at(alice.now + PATIENCE / 2, strike)
        # Nobody hears the first hop, so it is for a timer to have the second tried.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            alice.call(Hop(*silent.getsockname()), bob.hop())
            await alice.expect(Answered)
    (fault,) = (record for record in caplog.records if record.exc_info)
    assert (fault.getMessage(), str(fault.exc_info[1])) == (
        "a timer failed with an internal error",
        "a fault",
    )


async def _ask(sock: socket.socket, context: ssl.SSLContext) -> bytes:
    """The answer to OPTIONS after a handshake on ``sock``; empty when the far end closes."""
    with suppress(ConnectionError, ssl.SSLError):
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=context, server_hostname="trunk.example"
        )
        writer.write(
            b"OPTIONS sip:bob@trunk.example SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK1\r\n"
            b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        return await reader.read(1024)
    return b""

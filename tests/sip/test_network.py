"""The line on sockets of the loopback interface."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from random import Random

import pytest

from sip.line import Answered, Ended, Failed, Incoming, MediaChanged
from sip.line_settings import TlsSettings
from sip.syntax.sdp import Attribute, MediaDescription
from sip.transport.listening import BoundSocket, ListenError, Listening
from sip.transport.tcp import MAX_FROM_ONE
from sip.transport.tls import server_context
from sip.values import Hop, Transport
from tests.peers.programs import vacant
from tests.peers.realtime import udp_socket
from tests.sip.certificates import Authority
from tests.sip.link import AUDIO, IMAGE
from tests.sip.peer import LIMIT, Peer, at, running

HOSTS = ["127.0.0.1", "::1"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("transport", Transport)
async def test_a_call_by_each_transport(host: str, transport: Transport, trunk: TlsSettings) -> None:
    alice = Peer(*at(host, transport), tls=trunk)
    bob = Peer(*at(host, transport), tls=trunk)
    bob.react = bob.accept
    async with running(alice, bob):
        call = alice.call(bob.hop(transport, "trunk.example"))
        answered = await alice.expect(Answered)
        assert answered.call == call
        assert answered.remote.address == host
        theirs = await bob.expect(Answered)
        assert theirs.dialog.call_id == answered.dialog.call_id
        assert (theirs.dialog.local_tag, theirs.dialog.remote_tag) == (
            answered.dialog.remote_tag,
            answered.dialog.local_tag,
        )
        incoming = await bob.expect(Incoming)
        assert (incoming.source.host, incoming.source.transport) == (host, transport)
        if transport is not Transport.TLS:
            # Over TLS Alice would have to know Bob by a name.
            bob.line.offer(theirs.call, [IMAGE], bob.now)
            assert (await alice.expect(MediaChanged)).remote.media == (IMAGE,)
            await bob.expect(MediaChanged)
        alice.line.hang_up(call, alice.now)
        assert (await bob.expect(Ended)).remote
        assert not (await alice.expect(Ended)).remote
        assert alice.line.agent.calls == bob.line.agent.calls == 0


async def test_what_a_closed_line_left_open_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with udp_socket() as silent:
        alice = Peer()
        await alice.line.start()
        alice.call(Hop(*silent.getsockname()))
        await alice.line.close(0)
    assert "closed while the end of 1 call was not confirmed" in caplog.text


async def test_closing_a_line_ends_its_calls() -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    async with running(bob):
        async with running(alice):
            alice.call(bob.hop())
            await alice.expect(Answered)
        assert alice.line.agent.calls == 0
        assert (await bob.expect(Ended)).remote


@pytest.mark.parametrize("transport", Transport)
async def test_a_port_where_nobody_listens_fails_the_call_at_once(transport: Transport) -> None:
    alice = Peer()
    with vacant(socket.SOCK_STREAM if transport.reliable else socket.SOCK_DGRAM) as (host, port):
        async with running(alice):
            alice.call(Hop(host, port, transport))
            failed = await alice.expect(Failed)
            assert (failed.status, failed.local) == (503, True)
            if transport.reliable:
                assert failed.reason == f"nothing listens at {host}:{port} over {transport.value}"


async def test_the_next_hop_takes_a_call_that_the_first_refuses() -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    with vacant(socket.SOCK_STREAM) as nobody:
        async with running(alice, bob):
            alice.call(Hop(*nobody, Transport.TCP), bob.hop(Transport.TCP))
            await alice.expect(Answered)


async def test_an_address_of_a_kind_that_we_do_not_have_fails_with_a_sentence() -> None:
    alice = Peer()
    async with running(alice):
        alice.call(Hop("::1", 5060))
        assert "no socket for [::1]:5060" in (await alice.expect(Failed)).reason


# --- listening ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_port_in_use_is_named(transport: Transport) -> None:
    first = Peer()
    async with running(first):
        port = first.line.address[1]
        second = Peer(Hop("127.0.0.1", port, transport))
        with pytest.raises(
            ListenError, match=f"{transport.value} port {port} of 127.0.0.1 is in use; stop the process"
        ):
            await second.line.start()


async def test_udp_and_tcp_share_a_port() -> None:
    alice = Peer()
    async with running(alice):
        udp, tcp = alice.line.addresses
        assert (udp.transport, tcp.transport) == (Transport.UDP, Transport.TCP)
        assert udp.port == tcp.port


async def test_both_families_at_once() -> None:
    udp = [*at("127.0.0.1", Transport.UDP), *at("::1", Transport.UDP)]
    alice, bob = Peer(*udp), Peer(*udp)
    async with running(alice, bob):
        four, six = bob.line.addresses
        for hop in (four, six):
            alice.call(hop)
        calls = await bob.expect_several(Incoming, 2)
        assert {call.source.host for call in calls} == {"127.0.0.1", "::1"}


async def test_bound_to_all_addresses_we_name_the_one_that_the_peer_sees() -> None:
    alice, bob = Peer(*at("0.0.0.0", Transport.UDP)), Peer()
    async with running(alice, bob):
        assert alice.line.local_host(bob.hop()) == "127.0.0.1"
        bob.react = bob.accept
        alice.call(bob.hop())
        incoming = await bob.expect(Incoming)
        contact = dict(incoming.headers)["Contact"]
        assert contact == f"<sip:alice@127.0.0.1:{alice.line.address[1]}>"
        await alice.expect(Answered)


def test_the_zone_of_our_address_is_not_told() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        listening = Listening([BoundSocket(sock, Hop("fe80::1%eth0", 5060))])
        assert listening.seen_by(Hop("fe80::2%eth0", 5062)) == ("fe80::1", 5060)
        assert listening.source(Hop("fe80::2%eth0", 5062)) == ("fe80::1%eth0", 5060)


async def test_an_advertised_address_stands_in_via_contact_and_descriptions() -> None:
    alice = Peer(*at("127.0.0.1", Transport.UDP), advertised=["203.0.113.7", "2001:db8::7"])
    bob = Peer()
    async with running(alice, bob):
        assert alice.line.local_host(bob.hop()) == "203.0.113.7"
        assert alice.line.local_host(Hop("::1", 5060)) == "2001:db8::7"
        assert alice.line.interface(bob.hop()) == "127.0.0.1"
        alice.call(bob.hop())
        incoming = await bob.expect(Incoming)
        headers = dict(incoming.headers)
        port = alice.line.address[1]
        assert headers["Contact"] == f"<sip:alice@203.0.113.7:{port}>"
        assert headers["Via"].startswith(f"SIP/2.0/UDP 203.0.113.7:{port};")
        # The way back is found all the same (RFC 3581).
        assert f"rport={port};received=127.0.0.1" in headers["Via"]
        assert incoming.offer is not None
        assert incoming.offer.address == "203.0.113.7"
        bob.accept(incoming)
        await alice.expect(Answered)


async def test_a_contact_for_connections_names_the_port_that_they_come_from() -> None:
    alice, bob = Peer(*at("127.0.0.1", Transport.UDP)), Peer()
    bob.react = bob.accept
    async with running(alice, bob):
        alice.call(bob.hop(Transport.TCP))
        incoming = await bob.expect(Incoming)
        contact = dict(incoming.headers)["Contact"]
        assert contact == f"<sip:alice@127.0.0.1:{incoming.source.port};transport=tcp>"
        theirs = await bob.expect(Answered)
        bob.line.offer(theirs.call, [IMAGE], bob.now)
        await alice.expect(MediaChanged)


# --- connections --------------------------------------------------------------------------------------------


async def test_one_connection_serves_several_calls() -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    async with running(alice, bob):
        for _ in range(3):
            alice.call(bob.hop(Transport.TCP))
        calls = await bob.expect_several(Incoming, 3)
        await bob.expect_several(Answered, 3)
        assert len({call.source for call in calls}) == 1


LARGE = MediaDescription(
    AUDIO.kind, AUDIO.port, AUDIO.protocol, AUDIO.formats, tuple(Attribute("x", "y" * 100) for _ in range(12))
)


async def test_a_large_request_goes_by_tcp() -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    async with running(alice, bob):
        alice.call(bob.hop(), media=[LARGE])
        await alice.expect(Answered)
        assert (await bob.expect(Incoming)).source.transport is Transport.TCP


async def test_a_large_request_goes_by_udp_where_tcp_is_refused() -> None:
    alice, bob = Peer(), Peer(*at("127.0.0.1", Transport.UDP))
    bob.react = bob.accept
    async with running(alice, bob):
        alice.call(bob.hop(), media=[LARGE])
        await alice.expect(Answered)
        assert (await bob.expect(Incoming)).source.transport is Transport.UDP


async def test_a_stranger_that_speaks_no_sip_is_cut_off() -> None:
    alice = Peer()
    async with running(alice):
        reader, writer = await asyncio.open_connection(*alice.hop(Transport.TCP).address)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(LIMIT):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


async def test_malformed_requests_are_answered_before_the_connection_ends() -> None:
    alice = Peer()
    async with running(alice), asyncio.timeout(LIMIT):
        reader, writer = await asyncio.open_connection(*alice.hop(Transport.TCP).address)
        request = (
            "OPTIONS sip:b@h SIP/{0}\r\nVia: SIP/{0}/TCP 127.0.0.1;branch=z9hG4bK1\r\n"
            "From: <sip:a@x>;tag=1\r\nTo: <sip:b@y>\r\nCall-ID: e\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: {1}\r\n\r\n"
        )
        writer.write((request.format("7.0", 0) + request.format("2.0", -1)).encode())
        heard = await reader.read()
        assert [line for line in heard.split(b"\r\n") if line.startswith(b"SIP/2.0 ")] == [
            b"SIP/2.0 505 Version Not Supported",
            b"SIP/2.0 400 Bad Request",
        ]
        writer.close()


async def test_a_ping_is_answered() -> None:
    alice = Peer()
    async with running(alice):
        reader, writer = await asyncio.open_connection(*alice.hop(Transport.TCP).address)
        writer.write(b"\r\n\r\n")
        async with asyncio.timeout(LIMIT):
            assert await reader.readexactly(2) == b"\r\n"
        writer.close()


async def test_one_address_has_only_so_many_connections() -> None:
    alice = Peer()
    async with running(alice):
        streams = [
            await asyncio.open_connection(*alice.hop(Transport.TCP).address) for _ in range(MAX_FROM_ONE + 1)
        ]
        # Connections are taken in order, so the last is one too many.
        async with asyncio.timeout(LIMIT):
            assert await streams[-1][0].read() == b""
        assert len(alice.line._connections) == MAX_FROM_ONE
        for _, writer in streams:
            writer.close()


async def test_a_peer_that_stops_within_a_message_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sip.syntax.stream.MESSAGE_LIMIT", 0.1)
    alice = Peer()
    async with running(alice), asyncio.timeout(LIMIT):
        streams = []
        for said in (b"", b"\r\n", b"OPTIONS sip:a@b SIP/2.0\r\n"):
            streams.append(await asyncio.open_connection(*alice.hop(Transport.TCP).address))
            streams[-1][1].write(said)
        for reader, writer in streams:
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()


async def test_idle_connections_are_closed_and_those_of_calls_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sip.transport.tcp.IDLE_LIMIT", 0.1)
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    async with running(alice, bob), asyncio.timeout(LIMIT):
        call = alice.call(bob.hop(Transport.TCP))
        await alice.expect(Answered)
        for _ in range(2):
            # Closed by the second look at all connections, at which that of the call is kept.
            reader, writer = await asyncio.open_connection(*bob.hop(Transport.TCP).address)
            writer.write(b"\r\n\r\n")
            assert await reader.readexactly(2) == b"\r\n"
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        alice.line.offer(call, [IMAGE], alice.now)
        assert (await alice.expect(MediaChanged)).ours
        (incoming,) = (event for event in bob.events if isinstance(event, Incoming))
        assert bob.line.agent.flows() == {incoming.source}


async def test_a_flood_of_garbage_leaves_nothing() -> None:
    """Each connection says something else that is no SIP, or no end of it."""
    alice, bob = Peer(), Peer()
    random = Random(1)
    async with running(alice, bob), asyncio.timeout(LIMIT):
        place = alice.hop(Transport.TCP).address
        for _ in range(10):
            streams = [await asyncio.open_connection(*place) for _ in range(100)]
            for _, writer in streams:
                good = b"OPTIONS sip:a@b SIP/2.0\r\n" * random.randint(0, 1)
                writer.write(good + random.randbytes(random.randint(1, 3000)))
            for _, writer in streams:
                writer.close()
        bob.react = bob.accept
        alice.call(bob.hop(Transport.TCP))
        await alice.expect(Answered)
        while len(alice.line._connections) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert alice.line.agent.transactions <= 1


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
async def test_records_of_tls_are_joined(trunk: TlsSettings, version: ssl.TLSVersion) -> None:
    """Two records that are read at once, as a proxy sends them after a pause."""
    bob = Peer(*at("127.0.0.1", Transport.TLS), tls=trunk)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    options = (
        "OPTIONS sip:bob@trunk.example SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK{}\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: {} OPTIONS\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    async with running(bob), asyncio.timeout(LIMIT):
        reader, writer = await asyncio.open_connection(*bob.hop(Transport.TLS).address, ssl=context)
        for number in range(1, 6):
            writer.write(options.format(number, number).encode())
        for number in range(1, 6):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"SIP/2.0 200")
            assert f"CSeq: {number} OPTIONS".encode() in head
        writer.close()


@VERSIONS
async def test_a_server_that_knows_one_version_of_tls(
    authority: Authority, trunk: TlsSettings, version: ssl.TLSVersion
) -> None:
    seen: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("ssl_object").version())
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        kept = [line for line in lines if line.startswith((b"Via", b"From", b"To", b"Call-ID", b"CSeq"))]
        writer.write(b"\r\n".join([b"SIP/2.0 486 Busy Here", *kept, b"Content-Length: 0", b"", b""]))
        await reader.read()
        writer.close()

    context = server_context(trunk)
    context.minimum_version = context.maximum_version = version
    alice = Peer(tls=authority.trusted)
    async with await asyncio.start_server(refuse, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        async with running(alice):
            alice.call(Hop("127.0.0.1", port, Transport.TLS, "trunk.example"))
            assert (await alice.expect(Failed)).status == 486
    assert seen == [version.name.replace("_", ".")]

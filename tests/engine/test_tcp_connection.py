"""The TCP connection of a call, on the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sip.syntax.sdp import SessionDescription
from sip.values import Address
from t38fsp.engine.tcp_connection import MediaStream
from t38fsp.events import SwitchedToT38
from t38fsp.t38.attributes import Setup
from tests.engine.party import HOST, LIMIT, Party
from tests.peers.realtime import udp_socket


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


class Heard:
    """What came over a stream."""

    def __init__(self) -> None:
        self.octets = b""
        self.longest = 0
        self._came = asyncio.Event()

    def __call__(self, data: bytes) -> None:
        self.octets += data
        self.longest = max(self.longest, len(data))
        self._came.set()

    async def until(self, octets: bytes) -> None:
        async with asyncio.timeout(LIMIT):
            while self.octets != octets:
                self._came.clear()
                await self._came.wait()


async def test_two_streams() -> None:
    """One waits, the other connects; what was sent before is not lost."""
    passive_address: Address = (HOST, free_port())
    one, other = Heard(), Heard()
    passive, active = MediaStream(passive_address, one), MediaStream((HOST, 0), other)
    passive.send(b"early")
    passive.open((HOST, 9), Setup.PASSIVE)
    await asyncio.sleep(0)
    active.send(b"first")
    active.send(b" second")
    await listening(passive_address)
    active.open(passive_address, Setup.ACTIVE)
    await one.until(b"first second")
    await other.until(b"early")
    active.send(b" third")
    await one.until(b"first second third")
    active.send(b" fourth" * 5000)
    await one.until(b"first second third" + b" fourth" * 5000)
    assert one.longest <= 4096  # whatever comes at once, other calls have their turn in between
    passive.send(b" late")
    passive.close()
    await other.until(b"early late")
    active.close()
    active.close()
    active.send(b"nothing")


async def listening(address: Address) -> None:
    """Wait until a socket is bound to ``address``, without connecting to it."""
    async with asyncio.timeout(LIMIT):
        while True:
            with socket.socket() as sock:
                try:
                    sock.bind(address)
                except OSError:
                    return
            await asyncio.sleep(0)


async def test_a_stranger_is_dropped() -> None:
    address: Address = (HOST, free_port())
    heard = Heard()
    stream = MediaStream(address, heard)
    stream.open(("192.0.2.1", 9), Setup.PASSIVE)
    await listening(address)
    async with asyncio.timeout(LIMIT):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"hello")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
    assert heard.octets == b""
    stream.close()


async def test_a_far_end_that_is_gone_is_not_written_to(caplog: pytest.LogCaptureFixture) -> None:
    """The call goes on until T.30 gives up, and asyncio warns of every packet."""
    gone = asyncio.Event()

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(leave, HOST, 0)
    stream = MediaStream((HOST, 0), Heard())
    stream.send(b"hello")
    stream.open(server.sockets[0].getsockname(), Setup.ACTIVE)
    async with asyncio.timeout(LIMIT):
        await gone.wait()
    for _ in range(20):
        await asyncio.sleep(0)
        stream.send(b"anybody there?")
    stream.close()
    server.close()
    assert [record.name for record in caplog.records] == ["t38fsp.engine.tcp_connection"]


async def test_nobody_listens() -> None:
    stream = MediaStream((HOST, 0), Heard())
    stream.open((HOST, free_port()), Setup.ACTIVE)
    for _ in range(3):
        stream.send(bytes(40_000))
        await asyncio.sleep(0)
    stream.close()


# --- a call -------------------------------------------------------------------------------------------------

OFFER = """v=0\r
o=- 1 1 IN IP4 {host}\r
s=-\r
c=IN IP4 {host}\r
t=0 0\r
m=image {port} TCP t38\r
a=setup:passive\r
a=T38FaxVersion:0\r
a=T38FaxRateManagement:transferredTCF\r
"""
INVITE = """INVITE sip:+15550199@{host} SIP/2.0\r
Via: SIP/2.0/UDP {host}:{via};branch=z9hG4bKtcp;rport\r
Max-Forwards: 70\r
From: <sip:caller@{host}>;tag=caller\r
To: <sip:+15550199@{host}>\r
Call-ID: over-tcp\r
CSeq: 1 INVITE\r
Contact: <sip:caller@{host}:{via}>\r
Content-Type: application/sdp\r
Content-Length: {length}\r
\r
{body}"""


async def test_the_engine_connects_where_the_offer_says(tmp_path: Path) -> None:
    """T.38 over TCP in the INVITE: we connect, and the first packet is there at once."""
    loop = asyncio.get_running_loop()
    party = Party(accept_calls=True)
    party.address = await party.engine.start()
    first: asyncio.Future[bytes] = loop.create_future()
    server = await asyncio.start_server(reads_a_packet(first), HOST, 0)
    body = OFFER.format(host=HOST, port=server.sockets[0].getsockname()[1])
    with udp_socket() as sock:
        sock.setblocking(False)
        via = sock.getsockname()[1]
        invite = INVITE.format(host=HOST, via=via, length=len(body), body=body)
        await loop.sock_sendto(sock, invite.encode(), party.address)
        job = await party.take(tmp_path / "received.tif")
        async with asyncio.timeout(LIMIT):
            while not (answer := (await loop.sock_recv(sock, 4096)).decode()).startswith("SIP/2.0 200"):
                pass
        media = SessionDescription.parse(answer.partition("\r\n\r\n")[2]).media[0]
        assert (media.port, media.protocol, media.get("setup")) == (9, "tcp", "active")
        to = next(line for line in answer.split("\r\n") if line.startswith("To:"))
        ack = invite.partition("Content-Type")[0].replace("INVITE", "ACK") + "Content-Length: 0\r\n\r\n"
        ack = ack.replace("z9hG4bKtcp", "z9hG4bKack").replace(f"To: <sip:+15550199@{HOST}>", to)
        await loop.sock_sendto(sock, ack.encode(), party.address)
        await party.expect(job, SwitchedToT38)
        async with asyncio.timeout(LIMIT):
            assert await first == bytes.fromhex("0300000500")
        party.engine.abort(job)
        result = await party.result(job)
        assert not result.completed
        await party.close()
    server.close()


def reads_a_packet(
    first: asyncio.Future[bytes],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first.set_result(await reader.readexactly(5))
        while await reader.read(4096):
            pass
        writer.close()

    return read

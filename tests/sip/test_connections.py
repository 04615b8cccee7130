"""Connections that are given up before they stand."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from sip.line import Transport
from tests.sip.certificates import Authority
from tests.sip.peer import LIMIT, Peer, at, running


async def test_a_connection_given_up_during_its_handshake_is_not_served_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gave way to a newer one, so nothing counts it any more: served, such ones would have no limit."""
    monkeypatch.setattr("sip.tcp.MAX_INCOMING", 1)
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

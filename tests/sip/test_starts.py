"""A line whose start fails, at whichever step, leaves nothing behind, and raises an error of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from sip import listening, network, tcp, udp
from sip.errors import SipError
from sip.line import Hop, TlsSettings, Transport
from sip.listening import ListenError
from sip.network import SipLine
from sip.tls import TlsError
from tests.sip.certificates import Authority
from tests.sip.peer import LIMIT, until
from tests.starts import CANCELLED, FAULT, NO_DESCRIPTORS, Belongings, fails_at_each_step, nothing_left

HOST = "127.0.0.1"
ERRORS = pytest.mark.parametrize(
    ("error", "expected"),
    [(NO_DESCRIPTORS, SipError), (FAULT, RuntimeError), (CANCELLED, asyncio.CancelledError)],
    ids=["descriptors", "fault", "cancelled"],
)


@ERRORS
async def test_a_line_that_cannot_start(
    error: BaseException, expected: type[BaseException], authority: Authority
) -> None:
    own = authority.issue("listener")
    tls = TlsSettings(certificate=own.certificate, key=own.key)
    listen = [Hop(HOST, 0), Hop(HOST, 0, Transport.TCP), Hop(HOST, 0, Transport.TLS)]

    async def start() -> Callable[[], Awaitable[object]]:
        line = SipLine(lambda event: None, user_agent="test", listen=listen, tls=tls)
        await line.start()
        return line.close

    await fails_at_each_step(start, SipLine.start, [network, listening, tcp, udp], error, expected, least=50)


@pytest.mark.parametrize("missing", [TlsSettings(), TlsSettings(certificate="/none.pem", key="/none.pem")])
async def test_tls_that_cannot_be_listened_for_leaves_no_listener(missing: TlsSettings) -> None:
    """TCP's accept task stood already, and logged ten times a second for ever."""
    before = await Belongings.settled()
    line = SipLine(
        lambda event: None,
        user_agent="test",
        listen=[Hop(HOST, 0, transport) for transport in Transport],
        tls=missing,
    )
    with pytest.raises(TlsError):
        await line.start()
    await nothing_left(before)


async def test_a_taken_port_leaves_the_others_free() -> None:
    first = SipLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0, Transport.TCP)])
    await first.start()
    before = await Belongings.settled()
    (taken,) = first.addresses
    second = SipLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0), taken])
    with pytest.raises(ListenError):
        await second.start()
    await nothing_left(before)
    await first.close()


async def test_a_closed_listener_ends_its_task(caplog: pytest.LogCaptureFixture) -> None:
    line = SipLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0)])
    await line.start()
    with socket.socket() as closed:
        pass
    line._connections.listen(closed, Transport.TCP)
    (accepting,) = line._connections._tasks
    async with asyncio.timeout(LIMIT):
        await asyncio.wait([accepting])
    assert caplog.text == ""
    await line.close()


async def test_no_descriptors_for_connections_are_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = count()

    async def fails(listener: socket.socket) -> None:
        next(tries)
        raise NO_DESCRIPTORS

    monkeypatch.setattr(tcp, "_RETRY_ACCEPT", 0.0)
    line = SipLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0, Transport.TCP)])
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", fails)
    await line.start()
    await until(lambda: next(tries) > 20)
    await line.close()
    assert caplog.text.count("cannot take a connection") == 1

"""A line whose start fails, at whichever step, leaves nothing behind, and raises an error of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path

import pytest

from sip.ipc import async_child, unix_socket
from sip.line_settings import TlsSettings
from sip.pjsua import line as pjsua_line
from sip.pjsua import process
from sip.remote import line, server, signalling
from sip.remote.line import RemoteLine
from sip.remote.server import LineServer
from sip.syntax.errors import SipError
from sip.transport import agent_on_network, listening, tcp, udp
from sip.transport.agent_on_network import AgentLine
from sip.transport.listening import ListenError
from sip.transport.tls import TlsError
from sip.values import Hop, Transport
from tests.sip.certificates import Authority
from tests.sip.link import ANSWERERS
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
        line = AgentLine(lambda event: None, user_agent="test", listen=listen, tls=tls)
        await line.start()
        return line.close

    await fails_at_each_step(
        start, AgentLine.start, [agent_on_network, listening, tcp, udp], error, expected, least=50
    )


@pytest.mark.parametrize("missing", [TlsSettings(), TlsSettings(certificate="/none.pem", key="/none.pem")])
async def test_tls_that_cannot_be_listened_for_leaves_no_listener(missing: TlsSettings) -> None:
    """TCP's accept task stood already, and logged ten times a second for ever."""
    before = await Belongings.settled()
    line = AgentLine(
        lambda event: None,
        user_agent="test",
        listen=[Hop(HOST, 0, transport) for transport in Transport],
        tls=missing,
    )
    with pytest.raises(TlsError):
        await line.start()
    await nothing_left(before)


async def test_a_taken_port_leaves_the_others_free() -> None:
    first = AgentLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0, Transport.TCP)])
    await first.start()
    before = await Belongings.settled()
    (taken,) = first.addresses
    second = AgentLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0), taken])
    with pytest.raises(ListenError):
        await second.start()
    await nothing_left(before)
    await first.close()


async def test_a_process_without_threads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = await Belongings.settled()
    line = AgentLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0)])
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(ListenError, match=r"cannot listen at .*: can't start new thread"):
        await line.start()
    monkeypatch.undo()
    await nothing_left(before)


async def test_a_closed_listener_ends_its_task(caplog: pytest.LogCaptureFixture) -> None:
    line = AgentLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0)])
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
    line = AgentLine(lambda event: None, user_agent="test", listen=[Hop(HOST, 0, Transport.TCP)])
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", fails)
    await line.start()
    await until(lambda: next(tries) > 20)
    await line.close()
    assert caplog.text.count("cannot accept a connection") == 1


async def served(path: Path) -> LineServer:
    server = LineServer(
        str(path),
        lambda on_event, on_registration: AgentLine(on_event, user_agent="test", listen=[Hop(HOST, 0)]),
        answerers=ANSWERERS,
    )
    await server.start()
    return server


@ERRORS
async def test_a_server_of_a_line_that_cannot_start(
    error: BaseException, expected: type[BaseException], tmp_path: Path
) -> None:
    async def start() -> Callable[[], Awaitable[object]]:
        assert not os.listdir(tmp_path)
        return (await served(tmp_path / "line")).close

    await fails_at_each_step(start, LineServer.start, [server, unix_socket], error, expected)
    assert not os.listdir(tmp_path)


@ERRORS
async def test_a_line_elsewhere_that_cannot_be_reached(
    error: BaseException, expected: type[BaseException], tmp_path: Path
) -> None:
    there = await served(tmp_path / "line")

    async def start() -> Callable[[], Awaitable[object]]:
        remote = RemoteLine(lambda event: None, path=str(tmp_path / "line"), name="engine", max_incoming=64)
        await remote.start()

        async def close() -> None:
            await remote.close()
            while there._connections:
                await asyncio.wait(there._connections)

        return close

    await fails_at_each_step(start, RemoteLine.start, [line], error, expected, least=3)
    await there.close()


@ERRORS
async def test_a_signalling_process_that_cannot_start(
    error: BaseException, expected: type[BaseException], tmp_path: Path
) -> None:
    settings = signalling.Signalling(str(tmp_path / "line"), ANSWERERS, [Hop(HOST, 0)])

    async def start() -> Callable[[], Awaitable[object]]:
        ready = asyncio.Event()
        serving = asyncio.ensure_future(signalling.serve(settings, lambda addresses: ready.set()))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            waiting.cancel()
            serving.result()

        async def close() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            await serving

        return close

    errors = (expected, type(error))  # before there is anything, one from the system may be
    await fails_at_each_step(start, signalling.serve, [signalling], error, errors, least=8)
    assert not os.listdir(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.full
@pytest.mark.parametrize("error", [NO_DESCRIPTORS, FAULT, CANCELLED], ids=repr)
async def test_a_line_over_pjsip_that_cannot_start(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_START_LIMIT", 5.0)
    pytest.importorskip("pjsua2", reason="the extra pjsua2 is not installed", exc_type=ImportError)

    async def start() -> Callable[[], Awaitable[object]]:
        over_pjsip = pjsua_line.PjsuaLine(
            lambda event: None,
            answerers=ANSWERERS,
            user_agent="test",
            host=HOST,
            port=0,
            max_incoming=4,
            max_calls=64,
        )
        await over_pjsip.start()
        return over_pjsip.close

    errors = (type(error), SipError)
    roots = (pjsua_line.PjsuaLine.start, process.Worker._run)
    await fails_at_each_step(start, roots, [pjsua_line, process, async_child], error, errors, least=10)


async def test_a_signalling_process_that_cannot_say_where_it_is(tmp_path: Path) -> None:
    """Standard output is closed, say."""
    before = await Belongings.settled()

    def closed(addresses: Sequence[Hop]) -> None:
        raise BrokenPipeError

    settings = signalling.Signalling(str(tmp_path / "line"), ANSWERERS, [Hop(HOST, 0)])
    with pytest.raises(BrokenPipeError):
        await signalling.serve(settings, closed)
    await nothing_left(before)
    assert not os.listdir(tmp_path)


async def test_a_fault_in_reaching_a_line_elsewhere_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = await served(tmp_path / "line")
    before = await Belongings.settled()

    def broken(self: RemoteLine, message: object) -> None:
        raise FAULT

    monkeypatch.setattr(RemoteLine, "_write", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await RemoteLine(
            lambda event: None, path=str(tmp_path / "line"), name="engine", max_incoming=64
        ).start()
    await nothing_left(before)
    await there.close()


async def test_a_signalling_process_that_does_not_answer_leaves_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_START_LIMIT", 0.05)
    silent = await asyncio.start_unix_server(lambda reader, writer: None, tmp_path / "line")
    before = await Belongings.settled()
    with pytest.raises(line.SignallingError, match="does not respond"):
        await RemoteLine(
            lambda event: None, path=str(tmp_path / "line"), name="engine", max_incoming=64
        ).start()
    silent.close()
    assert [task for task in asyncio.all_tasks() if "RemoteLine" in str(task)] == []
    assert not [thing for thing in (await Belongings.settled()).since(before) if thing.startswith("task")]

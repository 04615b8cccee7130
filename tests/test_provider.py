"""The asyncio API, from one provider to another on the loopback interface, in real time."""

from __future__ import annotations

import asyncio
import filecmp
import itertools
import logging
import os
import random
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from sip.values import DialogId
from t38fsp.call_settings import CallSettings
from t38fsp.events import (
    Connected,
    Dialing,
    FaxEvent,
    Finished,
    PageStarted,
    Ringing,
    SwitchedToT38,
    Trained,
)
from t38fsp.image.compare import differing_pages
from t38fsp.image.document import inspect
from t38fsp.jobs import EngineError, EngineSettings
from t38fsp.provider import FaxProvider, IncomingFax
from t38fsp.results import FaxResult
from t38fsp.settings.address import AddressError
from t38fsp.status import FaxStatus
from tests.peers.realtime import udp_socket

pytestmark = pytest.mark.usefixtures("page_threads")

HOST = "127.0.0.1"
PATIENCE = 120.0
"""Seconds after which a test is stuck."""
GOODBYE = 20.0
"""Seconds that tell an end in good order (3 by contract: tests/call/test_abort.py) from one by Timer B."""
UNPACED = CallSettings(internet_aware=True)
"""Where both ends say so, pages do not take the time of a modem."""


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A SIP peer that hears and says nothing."""
    with udp_socket() as sock:
        sock.setblocking(False)
        yield sock


class FarEnd:
    """A provider that takes every call."""

    def __init__(self, provider: FaxProvider, directory: Path) -> None:
        self._provider = provider
        self._directory = directory
        self.results: dict[str, FaxResult] = {}
        """By the user part that was called."""

    def uri(self, user: str = "fax") -> str:
        return "sip:{}@{}:{}".format(user, *self._provider.address)

    def file(self, user: str = "fax") -> Path:
        return self._directory / f"{user}.tif"

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as faxes:
            async for call in self._provider.calls():
                faxes.create_task(self._take(call))

    async def _take(self, call: IncomingFax) -> None:
        user = call.called.removeprefix("sip:").partition("@")[0]
        self.results[user] = await call.receive(self.file(user), settings=UNPACED)


@asynccontextmanager
async def far_end(directory: Path) -> AsyncIterator[FarEnd]:
    async with asyncio.timeout(PATIENCE):
        async with FaxProvider((HOST, 0), accept_calls=True) as provider:
            far = FarEnd(provider, directory)
            serving = asyncio.create_task(far.serve())
            yield far
        await serving


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """What begins in here also ends in here: tasks, sockets, worker processes."""
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    yield
    assert asyncio.all_tasks() == tasks
    # asyncio closes the pipes of a process that has ended in its next rounds.
    for _ in range(10):
        await asyncio.sleep(0)
    assert open_sockets() == sockets


def open_sockets() -> set[str]:
    """Inodes of the sockets that this process has."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:"):
            found.add(target.removeprefix("socket:[").removesuffix("]"))
    return found


def our_udp_ports() -> list[int]:
    """Every UDP port of 127.0.0.1 that this process has: SIP and media alike."""
    ours = open_sockets()
    rows = [row.split() for row in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return [int(row[1].partition(":")[2], 16) for row in rows if row[9] in ours]


@contextmanager
def hears_nothing(sock: socket.socket) -> Iterator[None]:
    yield
    with pytest.raises(BlockingIOError):
        sock.recv(1)


# --- before a call ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "options", "told"),
    [
        ("+15550100", {}, "needs a SIP peer"),
        ("letter.tif", {"via": "{peer}"}, "neither a number nor a SIP URI"),
        ("+15550100", {"via": "http://{peer}"}, "not a SIP peer"),
        ("sip:fax@{peer};transport=sctp", {}, "write udp, tcp or tls"),
        ("sip:fax@{peer}", {"caller": "me"}, "not a caller"),
    ],
)
async def test_what_cannot_be_called_is_refused_before_anything_is_sent(
    letter: Path, silent: socket.socket, to: str, options: dict[str, str], told: str
) -> None:
    peer = "{}:{}".format(*silent.getsockname())
    filled = {name: value.format(peer=peer) for name, value in options.items()}
    with hears_nothing(silent):
        async with FaxProvider((HOST, 0)) as provider:
            with pytest.raises(AddressError, match=told):
                await provider.send(letter, to.format(peer=peer), **filled)


async def test_a_document_that_is_no_fax_is_refused_before_anything_is_sent(
    tmp_path: Path, silent: socket.socket
) -> None:
    (tmp_path / "letter.tif").write_bytes(b"%PDF-1.7")
    seen: list[FaxEvent] = []
    with hears_nothing(silent):
        async with FaxProvider((HOST, 0)) as provider:
            to = "sip:fax@{}:{}".format(*silent.getsockname())
            result = await provider.send(tmp_path / "letter.tif", to, on_event=seen.append)
    assert (result.status, result.retry) == (FaxStatus.BAD_DOCUMENT, False)
    assert "cannot be read" in result.reason
    assert seen == [Finished(result)]


@pytest.mark.parametrize(
    ("error", "status"),
    [(socket.EAI_NONAME, FaxStatus.BAD_ADDRESS), (socket.EAI_AGAIN, FaxStatus.LINE_UNAVAILABLE)],
)
async def test_a_host_without_an_address_is_final_and_a_silent_name_server_is_not(
    letter: Path, monkeypatch: pytest.MonkeyPatch, error: int, status: FaxStatus
) -> None:
    def getaddrinfo(*_: object, **__: object) -> object:
        raise socket.gaierror(error, "as the name server says")

    async with FaxProvider((HOST, 0)) as provider:
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        result = await provider.send(letter, "sip:fax@trunk.example")
        monkeypatch.undo()
    assert (result.status, result.retry) == (status, status is FaxStatus.LINE_UNAVAILABLE)
    assert "'trunk.example' has no address" in result.reason


async def test_an_address_of_the_other_family_is_refused_with_what_to_listen_at(letter: Path) -> None:
    async with FaxProvider((HOST, 0)) as provider:
        result = await provider.send(letter, "sip:fax@[::1]:5060")
    assert result.status is FaxStatus.BAD_ADDRESS
    assert "listen at [::]:0" in result.reason
    assert (result.retry, "listen" in result.retry_reason) == (False, True)


async def test_a_port_in_use_is_named() -> None:
    async with FaxProvider((HOST, 0)) as first:
        with pytest.raises(EngineError, match=f"port {first.address[1]} of 127.0.0.1 is in use"):
            async with FaxProvider(first.address):
                pass


async def test_a_provider_has_to_be_entered(letter: Path) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await FaxProvider((HOST, 0)).send(letter, "sip:fax@127.0.0.1")


# --- the log ------------------------------------------------------------------------------------------------


async def test_each_end_of_a_call_is_logged_with_its_dialog(
    tmp_path: Path, letter: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "t38fsp")
    async with far_end(tmp_path) as far, FaxProvider((HOST, 0)) as provider:
        sent = await provider.send(letter, far.uri(), settings=UNPACED)
        await provider.send(tmp_path / "none.tif", far.uri("nobody"))
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("t38fsp.engine")]
    for result in (sent, far.results["fax"]):
        (up,) = [line for line in lines if line.endswith(f", {result.dialog}: the call is up")]
        assert up.startswith("fax 1 ")
        (end,) = [line for line in lines if f", {result.dialog}: the call ended after " in line]
        assert end.endswith(f" s, pages confirmed: 1; COMPLETED: {result.reason}")
    assert [
        line
        for line in lines
        if line.startswith("fax 2 to nobody, none.tif: ended before its call: BAD_DOCUMENT: ")
    ]


# --- cancelling ---------------------------------------------------------------------------------------------


async def test_cancelled_before_dialling(letter: Path, silent: socket.socket) -> None:
    async with nothing_left():
        with hears_nothing(silent):
            async with FaxProvider((HOST, 0)) as provider:
                to = "sip:fax@{}:{}".format(*silent.getsockname())
                sending = asyncio.create_task(provider.send(letter, to))
                await asyncio.sleep(0)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending


async def test_cancelled_at_every_moment_of_a_call(tmp_path: Path, letter: Path) -> None:
    """All at once, so that one wait serves for all: a page begins some ten seconds after the answer."""
    moments = (Dialing, Ringing, Connected, SwitchedToT38, Trained, PageStarted)
    async with nothing_left(), far_end(tmp_path) as far, FaxProvider((HOST, 0)) as provider:
        await asyncio.gather(
            *(cancelled_at(moment, provider, letter, far.uri(moment.__name__.lower())) for moment in moments)
        )
    assert not any(result.completed for result in far.results.values())
    assert not any(result.pages_confirmed for result in far.results.values())
    assert {"connected", "switchedtot38", "trained", "pagestarted"} <= far.results.keys()


async def cancelled_at(moment: type[FaxEvent], provider: FaxProvider, letter: Path, to: str) -> None:
    """Send, cancel at the first event of this kind, and see that the call ends with a result."""
    loop = asyncio.get_running_loop()
    cancelled: list[float] = []
    seen: list[FaxEvent] = []

    def on_event(event: FaxEvent) -> None:
        seen.append(event)
        if isinstance(event, moment) and not cancelled:
            cancelled.append(loop.time())
            sending.cancel()

    sending = asyncio.create_task(provider.send(letter, to, on_event=on_event))
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert loop.time() - cancelled[0] < GOODBYE
    last = seen[-1]
    assert isinstance(last, Finished)
    assert last.result.status is FaxStatus.USER_ABORT
    assert not last.result.retry


async def test_cancelled_while_it_rings(letter: Path) -> None:
    async with (
        nothing_left(),
        asyncio.timeout(PATIENCE),
        FaxProvider((HOST, 0), accept_calls=True) as far,
        FaxProvider((HOST, 0)) as provider,
    ):
        calls = far.calls()
        taking = asyncio.ensure_future(anext(calls))
        await cancelled_at(Ringing, provider, letter, "sip:fax@{}:{}".format(*far.address))
        late = await (await taking).receive("never-made.tif")
    assert late.status is FaxStatus.NO_ANSWER
    assert "hung up before the call was accepted" in late.reason


async def test_a_file_that_exists_takes_no_other_fax_unless_it_is_appended(
    tmp_path: Path, letter: Path
) -> None:
    """A program that counts its files anew at each start does not put two faxes into one."""
    file, other = tmp_path / "fax-1.tif", tmp_path / "fax-2.tif"
    shutil.copy(letter, file)
    async with (
        asyncio.timeout(PATIENCE),
        FaxProvider((HOST, 0), accept_calls=True) as far,
        FaxProvider((HOST, 0)) as provider,
    ):
        target = "sip:fax@{}:{}".format(*far.address)
        calls = far.calls()
        sending = asyncio.create_task(provider.send(letter, target, settings=UNPACED))
        call = await anext(calls)
        with pytest.raises(FileExistsError, match="name a new file, or append"):
            await call.receive(file)
        with pytest.raises(FileExistsError, match="name a new file, or append"):
            await provider.poll(target, file)
        assert filecmp.cmp(letter, file, shallow=False)
        # The call still waits.
        received = await call.receive(other, settings=UNPACED)
        assert ((await sending).completed, received.file) == (True, str(other))
        assert differing_pages(letter, other) == []

        sending = asyncio.create_task(provider.send(letter, target, settings=UNPACED))
        received = await (await anext(calls)).receive(file, settings=UNPACED, append=True)
        assert ((await sending).completed, received.file) == (True, str(file))
    assert len(inspect(file)) == 2 * len(inspect(letter))


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_provider_that_was_left_sends_nothing_more(letter: Path, workers: int) -> None:
    async with FaxProvider((HOST, 0), settings=EngineSettings(workers=workers)) as provider:
        pass
    async with asyncio.timeout(PATIENCE):
        result = await provider.send(letter, "sip:fax@127.0.0.1:9")
    assert (result.status, result.reason) == (FaxStatus.LINE_UNAVAILABLE, "the engine is shutting down")


async def test_leaving_the_provider_ends_its_calls(tmp_path: Path, letter: Path) -> None:
    connected = asyncio.Event()
    async with nothing_left(), far_end(tmp_path) as far:
        async with FaxProvider((HOST, 0)) as provider:
            sending = asyncio.create_task(
                provider.send(letter, far.uri(), on_connected=lambda _: not connected.set())
            )
            await connected.wait()
        assert (await sending).status is FaxStatus.USER_ABORT
        late = await provider.send(letter, far.uri())
    assert late.status is FaxStatus.LINE_UNAVAILABLE
    assert [call async for call in provider.calls()] == []
    assert not far.results["fax"].completed


# --- callbacks ----------------------------------------------------------------------------------------------


async def no(_: DialogId) -> bool:
    return False


@pytest.mark.parametrize("answer", [lambda _: False, no], ids=["function", "coroutine"])
async def test_a_callback_that_says_no_ends_the_call(tmp_path: Path, letter: Path, answer) -> None:
    async with nothing_left(), far_end(tmp_path) as far, FaxProvider((HOST, 0)) as provider:
        result = await provider.send(letter, far.uri(), on_connected=answer)
    assert (result.status, result.retry) == (FaxStatus.USER_ABORT, False)
    assert result.dialog is not None
    assert not far.results["fax"].completed


class BadDayError(Exception):
    pass


@pytest.mark.parametrize("moment", [Dialing, Connected, SwitchedToT38])
async def test_an_exception_in_on_event_ends_the_call_and_is_raised(
    tmp_path: Path, letter: Path, moment: type[FaxEvent]
) -> None:
    seen: list[FaxEvent] = []

    def on_event(event: FaxEvent) -> None:
        seen.append(event)
        if isinstance(event, moment):
            raise BadDayError

    async with nothing_left(), far_end(tmp_path) as far, FaxProvider((HOST, 0)) as provider:
        with pytest.raises(BadDayError):
            await provider.send(letter, far.uri(), on_event=on_event)
    assert isinstance(seen[-1], moment), "it was asked again"
    assert not any(result.completed for result in far.results.values())


async def test_an_exception_in_on_connected_ends_the_call_and_is_raised(tmp_path: Path, letter: Path) -> None:
    def on_connected(_: DialogId) -> bool:
        raise BadDayError

    async with nothing_left(), far_end(tmp_path) as far, FaxProvider((HOST, 0)) as provider:
        with pytest.raises(BadDayError):
            await provider.send(letter, far.uri(), on_connected=on_connected)
    assert not far.results["fax"].completed


async def test_an_exception_while_a_cancelled_call_ends_is_raised_when_it_has_ended(
    tmp_path: Path, letter: Path
) -> None:
    def on_event(event: FaxEvent) -> None:
        if isinstance(event, Connected):
            sending.cancel()
        elif sending.cancelling():
            raise BadDayError

    async with nothing_left(), far_end(tmp_path) as far, FaxProvider((HOST, 0)) as provider:
        sending = asyncio.create_task(provider.send(letter, far.uri(), on_event=on_event))
        with pytest.raises(BadDayError):
            await sending
    assert not far.results["fax"].completed


# --- incoming calls -----------------------------------------------------------------------------------------


async def test_a_call_that_is_refused_is_busy(letter: Path) -> None:
    async with (
        nothing_left(),
        asyncio.timeout(PATIENCE),
        FaxProvider((HOST, 0), accept_calls=True) as far,
        FaxProvider((HOST, 0)) as provider,
    ):
        to = "sip:+15550100@{}:{}".format(*far.address)
        sending = asyncio.create_task(
            provider.send(letter, to, caller="Accounts <sip:+15550199@trunk.example>")
        )
        call = await anext(far.calls())
        call.refuse()
        result = await sending
    assert (call.caller, call.caller_name) == ("sip:+15550199@trunk.example", "Accounts")
    assert call.called == to
    assert (result.status, result.sip_status, result.retry) == (FaxStatus.BUSY, 486, True)


async def test_a_call_that_is_not_taken_in_time_has_no_answer(letter: Path) -> None:
    impatient = EngineSettings(take_limit=0.1)
    async with (
        nothing_left(),
        asyncio.timeout(PATIENCE),
        FaxProvider((HOST, 0), accept_calls=True, settings=impatient) as far,
        FaxProvider((HOST, 0)) as provider,
    ):
        result = await provider.send(letter, "sip:fax@{}:{}".format(*far.address))
    assert (result.status, result.sip_status, result.retry) == (FaxStatus.NO_ANSWER, 480, True)


async def test_a_call_whose_caller_has_hung_up_is_not_given_out(letter: Path) -> None:
    async with (
        nothing_left(),
        asyncio.timeout(PATIENCE),
        FaxProvider((HOST, 0), accept_calls=True) as far,
        FaxProvider((HOST, 0)) as provider,
    ):
        rings = asyncio.Event()
        first = asyncio.create_task(
            provider.send(
                letter,
                "sip:first@{}:{}".format(*far.address),
                on_event=lambda event: rings.set() if isinstance(event, Ringing) else None,
            )
        )
        await rings.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(provider.send(letter, "sip:second@{}:{}".format(*far.address)))
        call = await anext(far.calls())
        assert call.called.startswith("sip:second@")
        call.refuse()
        assert (await second).status is FaxStatus.BUSY


async def test_everybody_who_waits_for_calls_gets_one_and_the_end(letter: Path) -> None:
    async def answer(far: FaxProvider) -> list[str]:
        taken = []
        async for call in far.calls():
            taken.append(call.called)
            call.refuse()
        return taken

    async with asyncio.timeout(PATIENCE):
        async with FaxProvider((HOST, 0), accept_calls=True) as far, FaxProvider((HOST, 0)) as provider:
            desks = [asyncio.create_task(answer(far)) for _ in range(3)]
            targets = ["sip:{}@{}:{}".format(user, *far.address) for user in range(6)]
            results = await asyncio.gather(*(provider.send(letter, target) for target in targets))
        assert [result.status for result in results] == [FaxStatus.BUSY] * 6
        assert sorted(itertools.chain(*await asyncio.gather(*desks))) == targets


async def test_a_provider_that_does_not_accept_calls_refuses_them(letter: Path) -> None:
    async with FaxProvider((HOST, 0)) as far, FaxProvider((HOST, 0)) as provider:
        result = await provider.send(letter, "sip:fax@{}:{}".format(*far.address))
    assert result.sip_status == 480


# --- whole calls --------------------------------------------------------------------------------------------


def garbage() -> list[bytes]:
    chance = random.Random(38)
    return [
        b"",
        b"\0",
        b"\r\n\r\n",
        b"\xff" * 2000,
        b"INVITE sip:fax@127.0.0.1 SIP/2.0\r\n\r\n",
        b"BYE sip:fax@127.0.0.1 SIP/2.0\r\nVia: \xff\r\nContent-Length: 99999999999\r\n\r\n",
        b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n",
        b"\0\0\x06\xc0\x01\x80\0\0\xff",
        bytes(60000),
        *(chance.randbytes(size) for size in (3, 12, 48, 172, 1400)),
    ]


async def test_two_providers_send_at_once_and_garbage_on_every_port_changes_nothing(
    tmp_path: Path, letter: Path
) -> None:
    with udp_socket() as stranger:

        def disturb(_: FaxEvent) -> None:
            for port in our_udp_ports():
                for datagram in garbage():
                    stranger.sendto(datagram, (HOST, port))

        async with (
            nothing_left(),
            far_end(tmp_path) as far,
            FaxProvider((HOST, 0)) as one,
            FaxProvider((HOST, 0)) as other,
        ):
            results = await asyncio.gather(
                one.send(letter, far.uri("one"), on_event=disturb), other.send(letter, far.uri("other"))
            )
    for result in results:
        assert result.completed, result.reason
        assert [page.confirmed for page in result.pages] == [True]
    for user in ("one", "other"):
        assert far.results[user].completed
        assert far.results[user].file == str(far.file(user))
        assert differing_pages(letter, far.file(user)) == []

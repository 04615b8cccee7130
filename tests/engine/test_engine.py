"""The engine in this process: two of them on the loopback interface, or one and a peer that says nothing."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from sip.line import Address
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call.sending import SendingCall
from t38fsp.engine.engine import FaxEngine
from t38fsp.events import Connected, Dialing, FaxEvent, Finished, Identified, PageDone, PageStarted, Ringing
from t38fsp.header import Header
from t38fsp.image.header import band_rows
from t38fsp.jobs import Backend, CallSettings, EngineSettings, IncomingCall, ReceiveJob, SendJob
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.vocabulary import Resolution
from tests.peers import libtiff
from tests.peers.pages import text_page, write_document
from tests.peers.realtime import udp_socket

HOST = "127.0.0.1"
LIMIT = 60.0
"""Seconds after which a test is stuck."""

Event = TypeVar("Event")


class Party:
    """An engine and what it told."""

    def __init__(self, **settings: object) -> None:
        self.calls: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self.gone: asyncio.Queue[int] = asyncio.Queue()
        self.events: dict[int, list[FaxEvent]] = {}
        self.engine = FaxEngine(
            EngineSettings(listen=(HOST, 0), **settings), self.calls.put_nowait, self.gone.put_nowait
        )
        self.address: Address = (HOST, 0)
        self._happened = asyncio.Condition()
        self._jobs = itertools.count(1)
        self._open = True

    async def close(self, drain: float = 0.0) -> None:
        if self._open:
            self._open = False
            await self.engine.close(drain)

    def send(
        self,
        document: Path,
        to: Address,
        backend: Backend | None = None,
        header: Header | None = None,
        **settings: object,
    ) -> int:
        job = next(self._jobs)
        target = f"sip:+15550199@{to[0]}:{to[1]}"
        what = SendJob(
            str(document), target, settings=CallSettings(**settings), backend=backend, header=header
        )
        self.engine.send(job, what, self._observer(job))
        return job

    async def take(self, file: Path, **settings: object) -> int:
        """Receive the next call, as the answering machine +15550199."""
        async with asyncio.timeout(LIMIT):
            return self.receive((await self.calls.get()).call, file, **settings)

    def receive(self, call: int, file: Path, **settings: object) -> int:
        job = next(self._jobs)
        what = ReceiveJob(call, str(file), CallSettings(station_id="+15550199", **settings))
        self.engine.receive(job, what, self._observer(job))
        return job

    async def expect(self, job: int, kind: type[Event]) -> Event:
        """The first event of this kind, when it comes."""
        async with asyncio.timeout(LIMIT), self._happened:
            while True:
                for event in self.events[job]:
                    if isinstance(event, kind):
                        return event
                await self._happened.wait()

    async def result(self, job: int) -> FaxResult:
        return (await self.expect(job, Finished)).result

    def _observer(self, job: int) -> Callable[[FaxEvent], None]:
        seen = self.events[job] = []

        def observe(event: FaxEvent) -> None:
            assert not any(isinstance(earlier, Finished) for earlier in seen), "there is life after Finished"
            seen.append(event)
            waking.add(task := asyncio.ensure_future(self._wake()))
            task.add_done_callback(waking.discard)

        waking: set[asyncio.Future[None]] = set()
        return observe

    async def _wake(self) -> None:
        async with self._happened:
            self._happened.notify_all()


Start = Callable[..., "asyncio.Future[Party]"]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts engines, which end with the test; each job must then have had its one Finished."""
    parties: list[Party] = []

    async def start(**settings: object) -> Party:
        party = Party(**settings)
        party.address = await party.engine.start()
        parties.append(party)
        return party

    yield start
    for party in parties:
        await party.close()
        assert [type(events[-1]) for events in party.events.values()] == [Finished] * len(party.events)


@pytest.fixture
async def silent() -> AsyncIterator[socket.socket]:
    """A peer that hears and says nothing."""
    with udp_socket() as sock:
        sock.setblocking(False)
        yield sock


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = text_page(rows=120, noise_rows=0)
    return write_document(tmp_path_factory.mktemp("engine") / "sent.tif", [page])


async def hear(sock: socket.socket) -> str:
    async with asyncio.timeout(LIMIT):
        return (await asyncio.get_running_loop().sock_recv(sock, 4096)).decode()


def bound(port: int) -> bool:
    """Somebody has this UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((HOST, port))
        except OSError:
            return True
        return False


# --- load ---------------------------------------------------------------------------------------------------


async def test_no_more_faxes_than_lines(start: Start, document: Path, silent: socket.socket) -> None:
    party = await start(max_calls=1, accept_calls=True)
    first = party.send(document, silent.getsockname())
    await hear(silent)
    refused = await party.result(party.send(document, silent.getsockname()))
    assert (refused.status, refused.retry) == (FaxStatus.LINE_UNAVAILABLE, True)
    assert refused.reason == "all 1 lines are taken; try later"

    caller = await start()
    busy = await caller.result(caller.send(document, party.address))
    assert (busy.status, busy.sip_status) == (FaxStatus.BUSY, 486)

    party.engine.abort(first)
    assert (await party.result(first)).status is FaxStatus.USER_ABORT
    again = party.send(document, silent.getsockname())
    await party.expect(again, Dialing)


async def test_media_stays_in_its_range_of_ports(start: Start, document: Path, silent: socket.socket) -> None:
    with udp_socket() as sock:
        free = sock.getsockname()[1] & ~1
    party = await start(media_ports=(free, free + 1))
    party.send(document, silent.getsockname())
    assert re.search(rf"^m=audio {free} ", await hear(silent), re.M)
    none_left = await party.result(party.send(document, silent.getsockname()))
    assert none_left.status is FaxStatus.LINE_UNAVAILABLE
    assert f"no even UDP port from {free} to {free + 1} could be bound" in none_left.reason


async def test_a_call_that_waits_has_a_line(start: Start, document: Path, silent: socket.socket) -> None:
    called, caller = await start(max_calls=1, accept_calls=True), await start()
    job = caller.send(document, called.address)
    await called.calls.get()
    sent = await called.result(called.send(document, silent.getsockname()))
    assert sent.status is FaxStatus.LINE_UNAVAILABLE
    await caller.expect(job, Ringing)


async def test_calls_are_not_accepted_by_default(start: Start, document: Path) -> None:
    called, caller = await start(), await start()
    result = await caller.result(caller.send(document, called.address))
    assert (result.status, result.sip_status) == (FaxStatus.NO_ANSWER, 480)
    assert called.calls.empty()


# --- the end ------------------------------------------------------------------------------------------------


async def test_close_lets_calls_come_to_their_end(start: Start, document: Path) -> None:
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address)
    call = await called.calls.get()
    closing = asyncio.create_task(caller.close(drain=LIMIT))
    await asyncio.sleep(0)
    late = await caller.result(caller.send(document, called.address))
    assert (late.status, late.reason) == (FaxStatus.LINE_UNAVAILABLE, "the engine is shutting down")
    called.engine.refuse(call.call)
    async with asyncio.timeout(LIMIT / 2):
        await closing
    assert (await caller.result(job)).status is FaxStatus.BUSY


async def test_close_ends_what_does_not_end(
    start: Start, document: Path, silent: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """A peer that never answered cannot even be told; that takes 32 s and is not waited for."""
    party = await start()
    job = party.send(document, silent.getsockname())
    await hear(silent)
    loop = asyncio.get_running_loop()
    before = loop.time()
    await party.close(drain=0.1)
    assert loop.time() - before < 5.0
    assert (await party.result(job)).status is FaxStatus.USER_ABORT
    assert "1 calls still run after 0.1 seconds" in caplog.text


async def test_close_refuses_calls_that_wait(start: Start, document: Path) -> None:
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address)
    await called.calls.get()
    await called.close()
    assert (await caller.result(job)).status is FaxStatus.BUSY


async def test_closing_twice(start: Start, document: Path, silent: socket.socket) -> None:
    party = await start()
    job = party.send(document, silent.getsockname())
    await party.expect(job, Dialing)
    await asyncio.gather(party.engine.close(), party.engine.close())
    assert (await party.result(job)).status is FaxStatus.USER_ABORT
    await party.engine.close()


async def test_aborted_twice_before_dialling(start: Start, document: Path, silent: socket.socket) -> None:
    party = await start()
    job = party.send(document, silent.getsockname())
    party.engine.abort(job)
    party.engine.abort(job)
    result = await party.result(job)
    assert (result.status, result.retry) == (FaxStatus.USER_ABORT, False)
    assert result.reason == "the fax was cancelled before dialling"
    await party.close()
    with pytest.raises(BlockingIOError):
        silent.recv(4096)


async def test_the_media_port_is_given_back(start: Start, document: Path, silent: socket.socket) -> None:
    party = await start()
    job = party.send(document, silent.getsockname())
    port = int(re.search(r"^m=audio (\d+)", await hear(silent), re.M)[1])
    assert bound(port)
    party.engine.abort(job)
    await party.result(job)
    assert not bound(port)


async def test_a_job_that_is_over_can_be_aborted_and_answered(start: Start, document: Path) -> None:
    party = await start()
    called = await start()
    job = party.send(document, called.address)
    await party.result(job)
    party.engine.abort(job)
    party.engine.proceed(job, True)


# --- calls that are not taken -------------------------------------------------------------------------------


async def test_the_caller_hangs_up_before_the_call_is_taken(
    start: Start, document: Path, tmp_path: Path
) -> None:
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address)
    call = await called.calls.get()
    await caller.expect(job, Ringing)
    caller.engine.abort(job)
    assert await called.gone.get() == call.call
    result = await called.result(called.receive(call.call, tmp_path / "none.tif"))
    assert result.status is FaxStatus.NO_ANSWER
    assert result.reason == "the caller hung up before the call was taken"
    assert not (tmp_path / "none.tif").exists()


async def test_a_call_is_not_taken_in_time(start: Start, document: Path, tmp_path: Path) -> None:
    called, caller = await start(accept_calls=True, take_limit=0.1), await start()
    job = caller.send(document, called.address)
    call = await called.calls.get()
    assert await called.gone.get() == call.call
    result = await caller.result(job)
    assert (result.status, result.sip_status) == (FaxStatus.NO_ANSWER, 480)
    missed = await called.result(called.receive(call.call, tmp_path / "none.tif"))
    assert missed.status is FaxStatus.NO_ANSWER


async def test_a_refused_call_was_not_lost(start: Start, document: Path) -> None:
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address)
    called.engine.refuse((await called.calls.get()).call)
    assert (await caller.result(job)).sip_status == 486
    assert called.gone.empty()


# --- the header line ----------------------------------------------------------------------------------------


async def test_a_header_line_above_each_page(start: Start, document: Path, tmp_path: Path) -> None:
    called, caller = await start(accept_calls=True), await start()
    file = tmp_path / "received.tif"
    job = caller.send(document, called.address, header=Header(name="Accounts"), station_id="+15550100")
    taken = await called.take(file)
    await caller.expect(job, Connected)
    caller.engine.proceed(job, True)
    assert (await caller.result(job)).completed
    assert (await called.result(taken)).completed
    (sent,), (received,) = libtiff.pages(document), libtiff.pages(file)
    lines = received.height - sent.height
    assert lines in (0, band_rows(Resolution.R8_FINE))
    below = (0, band_rows(Resolution.R8_FINE), 1728, received.height)
    assert received.crop(below).tobytes() == sent.crop((0, below[1] - lines, 1728, sent.height)).tobytes()
    assert received.tobytes() != sent.tobytes()


# --- faults of ours -----------------------------------------------------------------------------------------


def broken(*arguments: object) -> None:
    raise RuntimeError("a fault of ours")


async def test_a_fault_ends_its_call_and_no_other(
    start: Start,
    document: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Wherever it strikes: at a verdict, a timer, a datagram, or a packet that is due."""
    called, caller = await start(accept_calls=True), await start()
    struck, taken = {}, {}
    for method in ("proceed", "handle_deadline", "datagram_received", "release"):
        struck[method] = caller.send(document, called.address)
        taken[method] = await called.take(tmp_path / f"{method}.tif")
    other = caller.send(document, called.address)
    await called.take(tmp_path / "other.tif")
    for job in (*struck.values(), other):
        await caller.expect(job, Connected)
    for method, job in struck.items():
        monkeypatch.setattr(caller.engine._running[job].call, method, broken)
    for job in (*struck.values(), other):
        caller.engine.proceed(job, True)

    for method, job in struck.items():
        result = await caller.result(job)
        assert (method, result.status, result.retry) == (method, FaxStatus.FATAL_ERROR, True)
        assert result.reason == "an internal error ended the call; its trace is in the log"
        # What was known of the call is told all the same.
        assert (result.sip_status, [page.confirmed for page in result.pages]) == (200, [False])
        assert result.dialog == (await caller.expect(job, Connected)).dialog
        # Without a BYE it would wait until T1 and call it no fax.
        assert (await called.result(taken[method])).status is FaxStatus.DISCONNECTED
    assert caplog.text.count("RuntimeError: a fault of ours") >= len(struck)
    assert (await caller.expect(other, Identified)).station_id == "+15550199"
    caller.engine.abort(other)
    assert (await caller.result(other)).status is FaxStatus.USER_ABORT


async def test_a_fault_in_the_image_work_ends_the_call(
    start: Start, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken_later(*arguments: object) -> bytes:
        raise RuntimeError("a fault of ours")

    called, caller = await start(accept_calls=True), await start()
    monkeypatch.setattr(caller.engine._images, "encode_page", broken_later)
    job = caller.send(document, called.address)
    taken = await called.take(tmp_path / "received.tif")
    await caller.expect(job, Connected)
    caller.engine.proceed(job, True)
    assert (await caller.result(job)).status is FaxStatus.FATAL_ERROR
    assert not any(isinstance(event, PageStarted) for event in caller.events[job])
    assert (await called.result(taken)).status is FaxStatus.DISCONNECTED


async def test_a_fault_in_counting_the_pages_takes_none_away(
    start: Start, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken_later(*arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    called, caller = await start(accept_calls=True), await start()
    monkeypatch.setattr(called.engine._images, "finish", broken_later)
    job = caller.send(document, called.address)
    taken = await called.take(tmp_path / "received.tif")
    await caller.expect(job, Connected)
    caller.engine.proceed(job, True)
    result = await called.result(taken)
    assert (result.status, result.pages_confirmed) == (FaxStatus.COMPLETED, 1)
    assert (await caller.result(job)).completed


async def test_a_fault_after_a_page_was_stored(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is in the file, and counts; the page count of the file is right."""
    pages = [text_page(rows=120, noise_rows=0)] * 2
    document = write_document(tmp_path / "sent.tif", pages)
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address)
    file = tmp_path / "received.tif"
    taken = await called.take(file)
    await caller.expect(job, Connected)
    caller.engine.proceed(job, True)
    await called.expect(taken, PageDone)
    monkeypatch.setattr(called.engine._running[taken].call, "datagram_received", broken)
    result = await called.result(taken)
    assert (result.status, result.pages_confirmed) == (FaxStatus.FATAL_ERROR, 1)
    assert (result.dialog, result.sip_status) == ((await called.expect(taken, Connected)).dialog, 200)
    assert len(list(libtiff.pages(file))) == 1
    caller.engine.abort(job)


async def test_a_fault_in_the_account_of_a_call_leaves_a_result(
    start: Start, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address)
    await called.take(tmp_path / "received.tif")
    await caller.expect(job, Connected)
    call = caller.engine._running[job].call
    monkeypatch.setattr(call, "proceed", broken)
    monkeypatch.setattr(call, "break_off", broken)
    caller.engine.proceed(job, True)
    result = await caller.result(job)
    assert result.reason == "an internal error ended the call; its trace is in the log"


async def test_a_fault_before_dialling(
    start: Start, document: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    party = await start()
    monkeypatch.setattr(SendingCall, "start", broken)
    result = await party.result(party.send(document, silent.getsockname()))
    assert (result.status, result.retry) == (FaxStatus.FATAL_ERROR, True)


async def test_a_fault_in_answering_turns_the_caller_away(
    start: Start, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, caller = await start(accept_calls=True), await start()
    monkeypatch.setattr(ReceivingCall, "start", broken)
    job = caller.send(document, called.address)
    taken = await called.take(tmp_path / "received.tif")
    assert (await called.result(taken)).status is FaxStatus.FATAL_ERROR
    assert (await caller.result(job)).status is FaxStatus.NO_ANSWER

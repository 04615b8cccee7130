"""What a fax meets when pages, workers or documents fail it, and when many want pages at once."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from t38fsp.engine import set_up
from t38fsp.engine.engine import FaxEngine
from t38fsp.events import Connected, Delayed, Dialing, PageStarted
from t38fsp.header import Header
from t38fsp.image.document import structure
from t38fsp.image.pool import ImagePool
from t38fsp.image.workers import Workers
from t38fsp.jobs import EngineError, EngineSettings
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure
from tests.engine.party import LIMIT, Start
from tests.image.processes import worker_pids
from tests.peers import libtiff
from tests.peers.pages import text_page, write_document

hasty = pytest.mark.usefixtures("hasty")


@pytest.fixture
def three_pages(tmp_path: Path) -> Path:
    return write_document(tmp_path / "three.tif", [text_page(rows=120, noise_rows=0)] * 3)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the jobs that all engines give to their workers."""
    done: list[str] = []
    run = ImagePool._run

    async def noted(pool: ImagePool, job, request, expected):  # type: ignore[no-untyped-def]
        done.append(request.job)
        return await run(pool, job, request, expected)

    monkeypatch.setattr(ImagePool, "_run", noted)
    return done


def damage(document: Path, number: int) -> None:
    """Make the image data of a page such that no decoder reads on."""
    octets = bytearray(document.read_bytes())
    for strip in structure(document)[1][number - 1].strips:
        octets[strip.offset : strip.offset + strip.length] = b"\x01" * strip.length
    document.write_bytes(octets)


def kill_the_workers() -> None:
    for pid in worker_pids():
        os.kill(pid, signal.SIGKILL)


# --- one fax ------------------------------------------------------------------------------------------------


@hasty
@pytest.mark.parametrize("ecm", [True, False])
async def test_a_document_that_is_deleted_is_no_fax_that_is_complete(
    start: Start, three_pages: Path, tmp_path: Path, ecm: bool
) -> None:
    """The first page is at hand when the call is placed; the far end learns that there was to be a second."""
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(three_pages, called.address, ecm=ecm)
    file = tmp_path / "received.tif"
    taken = await called.take(file, ecm=ecm)
    await caller.expect(job, Connected)
    os.unlink(three_pages)
    caller.engine.proceed(job, True)
    sent, received = await caller.result(job), await called.result(taken)
    assert (sent.t30_error, sent.pages_confirmed) == (T30Failure.PAGE_UNAVAILABLE, 1)
    assert "no such file" in sent.reason
    assert not sent.retry
    assert (received.status, received.pages_confirmed) == (FaxStatus.DISCONNECTED, 1)
    assert len(list(libtiff.pages(file))) == 1


@pytest.mark.full
@hasty
async def test_a_document_that_is_changed_in_mid_call_may_be_sent_again(
    start: Start, three_pages: Path, tmp_path: Path
) -> None:
    """Its pages before are at the far end: the call ends, and says to send the document as it is now."""
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(three_pages, called.address)
    taken = await called.take(tmp_path / "received.tif")
    await caller.expect(job, Connected)
    os.utime(three_pages, ns=(0, 0))
    caller.engine.proceed(job, True)
    sent, received = await caller.result(job), await called.result(taken)
    assert (sent.t30_error, sent.pages_confirmed) == (T30Failure.PAGE_UNAVAILABLE, 1)
    assert "changed" in sent.reason
    assert sent.retry
    assert received.pages_confirmed == 1


async def test_a_document_that_is_changed_before_the_call_may_be_sent_again(
    start: Start, three_pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await start()
    inspect = caller.engine._images.inspect

    async def then_changed(*arguments: object) -> object:
        document = await inspect(*arguments)
        os.utime(three_pages, ns=(0, 0))
        return document

    monkeypatch.setattr(caller.engine._images, "inspect", then_changed)
    sent = await caller.result(caller.send(three_pages, caller.address))
    assert sent.status is FaxStatus.BAD_DOCUMENT
    assert "changed" in sent.reason
    assert sent.retry


async def test_a_damaged_page_is_found_when_it_is_its_turn(
    start: Start, three_pages: Path, tmp_path: Path
) -> None:
    """Only the first page is decoded before the call is placed. The fax ends before one that is damaged."""
    damage(three_pages, 2)
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(three_pages, called.address)
    file = tmp_path / "received.tif"
    taken = await called.take(file)
    await caller.expect(job, Connected)
    caller.engine.proceed(job, True)
    sent, received = await caller.result(job), await called.result(taken)
    assert (sent.t30_error, sent.pages_confirmed) == (T30Failure.PAGE_UNAVAILABLE, 1)
    assert "page 2" in sent.reason
    assert not sent.retry
    assert (received.status, received.pages_confirmed) == (FaxStatus.DISCONNECTED, 1)
    assert len(list(libtiff.pages(file))) == 1


async def test_a_document_whose_first_page_is_damaged_is_not_dialled(start: Start, three_pages: Path) -> None:
    damage(three_pages, 1)
    party = await start()
    job = party.send(three_pages, party.address)
    result = await party.result(job)
    assert result.status is FaxStatus.BAD_DOCUMENT
    assert "page 1" in result.reason
    assert not any(isinstance(event, Dialing) for event in party.events[job])


async def test_a_page_whose_worker_dies_and_dies_may_be_coded_another_time(
    start: Start, three_pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(three_pages, called.address)
    taken = await called.take(tmp_path / "received.tif")
    await caller.expect(job, Connected)

    async def ask(*_: object) -> None:
        raise EOFError

    for worker in caller.engine._images._workers._for_calls:
        monkeypatch.setattr(worker, "ask", ask)
    caller.engine.proceed(job, True)
    sent = await caller.result(job)
    await called.result(taken)
    assert (sent.t30_error, sent.pages_confirmed) == (T30Failure.PAGE_UNAVAILABLE, 1)
    assert "image worker" in sent.reason
    assert sent.retry


@hasty
async def test_workers_that_are_killed_cost_no_page(start: Start, three_pages: Path, tmp_path: Path) -> None:
    """Those of both ends, each time that a page begins."""
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(three_pages, called.address)
    file = tmp_path / "received.tif"
    taken = await called.take(file)
    await caller.expect(job, Connected)
    kill_the_workers()
    caller.engine.proceed(job, True)
    await caller.expect(job, PageStarted)
    kill_the_workers()
    assert (await caller.result(job)).completed
    assert (await called.result(taken)).completed
    assert libtiff.assert_same_pages(three_pages, file) == 3


# --- before dialling ----------------------------------------------------------------------------------------


async def test_no_call_is_placed_while_pages_of_calls_wait_for_workers(
    start: Start, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and the call is placed as soon as there is a worker to spare."""
    monkeypatch.setattr(set_up, "TOLD_AFTER", 0.01)
    called, caller = await start(accept_calls=True), await start()
    spare = asyncio.Event()
    turn = Workers.turn

    async def late(workers, job):  # type: ignore[no-untyped-def]
        await spare.wait()
        await turn(workers, job)

    monkeypatch.setattr(Workers, "turn", late)
    job = caller.send(document, called.address)
    delayed = await caller.expect(job, Delayed)
    assert caller.events[job] == [delayed]
    assert called.calls.empty()
    spare.set()
    await caller.expect(job, Dialing)
    taken = await called.take(tmp_path / "received.tif")
    await caller.expect(job, Connected)
    caller.engine.abort(job)
    assert (await caller.result(job)).status is FaxStatus.USER_ABORT
    await called.result(taken)


async def test_a_call_that_is_placed_at_once_is_not_told_of(
    start: Start, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_up, "TOLD_AFTER", LIMIT)
    party = await start()
    job = party.send(document, party.address)
    await party.result(job)
    assert not any(isinstance(event, Delayed) for event in party.events[job])


async def test_a_fax_that_waits_can_be_cancelled(
    start: Start, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(workers, job):  # type: ignore[no-untyped-def]
        await asyncio.Event().wait()

    monkeypatch.setattr(Workers, "turn", never)
    monkeypatch.setattr(set_up, "TOLD_AFTER", 0.01)
    party = await start()
    job = party.send(document, party.address)
    await party.expect(job, Delayed)
    party.engine.abort(job)
    assert (await party.result(job)).status is FaxStatus.USER_ABORT


@pytest.mark.full
@hasty
async def test_a_header_line_is_on_the_page_that_is_at_hand(
    start: Start, document: Path, tmp_path: Path, jobs: list[str]
) -> None:
    """It is coded once: before the call."""
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address, header=Header("{to}"))
    taken = await called.take(tmp_path / "received.tif")
    await caller.expect(job, Connected)
    caller.engine.proceed(job, True)
    assert (await caller.result(job)).completed
    await called.result(taken)
    assert jobs.count("encode") == 1


# --- many faxes ---------------------------------------------------------------------------------------------


async def test_one_document_to_many(start: Start, three_pages: Path, tmp_path: Path, jobs: list[str]) -> None:
    """It is inspected once, each page is coded once, and all arrive."""
    called, caller = await start(accept_calls=True), await start()
    sent = [caller.send(three_pages, called.address, internet_aware=True) for _ in range(10)]
    files = [tmp_path / f"received-{number}.tif" for number in range(len(sent))]
    taken = [await called.take(file, internet_aware=True) for file in files]
    for job in sent:
        await caller.expect(job, Connected)
        caller.engine.proceed(job, True)
    for job in sent:
        result = await caller.result(job)
        assert result.completed, result.reason
    for job in taken:
        assert (await called.result(job)).completed
    for file in files:
        assert libtiff.assert_same_pages(three_pages, file) == 3
    assert (jobs.count("inspect"), jobs.count("encode")) == (1, 3)
    assert jobs.count("store") == 3 * len(sent)


async def test_an_engine_without_workers_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImagePool.__init__, "__defaults__", (None, 60.0, 1 << 24))
    engine = FaxEngine(EngineSettings(listen=("127.0.0.1", 0)), lambda call: None)
    with pytest.raises(EngineError, match="an image worker cannot start"):
        await engine.start()

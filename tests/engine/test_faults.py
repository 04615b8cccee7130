"""A fault of ours ends one call, with a result, and no other."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from t38fsp.call.faxcall import FaxCall
from t38fsp.call.placing import SendingCall
from t38fsp.call.receiving import ReceivingCall
from t38fsp.events import Connected, Finished, Identified, PageDone, PageStarted, Ringing
from t38fsp.outcome import Outcome
from t38fsp.status import FaxStatus
from tests.engine.party import Start
from tests.peers import libtiff
from tests.peers.pages import text_page, write_document

pytestmark = pytest.mark.usefixtures("page_threads", "hasty")


def broken(*arguments: object) -> None:
    raise RuntimeError("a fault of ours")


async def broken_later(*arguments: object) -> None:
    broken()


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
    for method in ("proceed", "handle_deadline", "datagram_received", "send"):
        struck[method] = caller.send(document, called.address)
        taken[method] = await called.take(tmp_path / f"{method}.tif")
    other = caller.send(document, called.address)
    await called.take(tmp_path / "other.tif")
    for job in (*struck.values(), other):
        await caller.expect(job, Connected)
    for method, job in struck.items():
        running = caller.engine._running[job]
        monkeypatch.setattr(running._media if method == "send" else running.call, method, broken)
    for job in (*struck.values(), other):
        caller.engine.proceed(job, True)

    for method, job in struck.items():
        result = await caller.result(job)
        assert (method, result.status, result.retry) == (method, FaxStatus.FATAL_ERROR, True)
        assert result.outcome is Outcome.FAULT
        # What was known of the call is told all the same.
        assert (result.sip_status, [page.confirmed for page in result.pages]) == (200, [False])
        assert result.dialog == (await caller.expect(job, Connected)).dialog
        # Without a BYE it would wait until T1 and call it no fax.
        assert (await called.result(taken[method])).status is FaxStatus.DISCONNECTED
    assert caplog.text.count("RuntimeError: a fault of ours") >= len(struck)
    assert (await caller.expect(other, Identified)).station_id == "+15550199"
    caller.engine.abort(other)
    assert (await caller.result(other)).status is FaxStatus.USER_ABORT


async def test_a_call_that_cannot_be_hung_up_has_a_result_too(
    start: Start, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address)
    await caller.expect(job, Ringing)
    with monkeypatch.context() as faulty:
        faulty.setattr(caller.engine._line, "hang_up", broken)
        faulty.setattr(caller.engine._running[job].call, "abort", broken)
        caller.engine.abort(job)
        assert (await caller.result(job)).status is FaxStatus.FATAL_ERROR


async def test_a_fault_in_the_image_work_ends_the_call(
    start: Start, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    called, caller = await start(accept_calls=True), await start()
    monkeypatch.setattr(called.engine._images, "finish", broken_later)
    job = caller.send(document, called.address, internet_aware=True)
    taken = await called.take(tmp_path / "received.tif", internet_aware=True)
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
    assert result.outcome is Outcome.FAULT


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


async def test_calls_that_outlast_their_goodbye_have_results(
    start: Start, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keeps a call from ending: the engine that has it ends, and its job before that."""
    called, caller = await start(accept_calls=True), await start()
    sends = caller.send(document, called.address)
    taken = await called.take(tmp_path / "received.tif")
    await caller.expect(sends, Connected)
    monkeypatch.setattr(FaxCall, "abort", lambda self, now: None)
    monkeypatch.setattr(FaxCall, "line_event", lambda self, event, now: None)
    for party, job in ((caller, sends), (called, taken)):
        await party.close()
        finished = party.events[job][-1]
        assert isinstance(finished, Finished)
        assert finished.result.status in (FaxStatus.USER_ABORT, FaxStatus.DISCONNECTED)

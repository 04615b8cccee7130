"""The engine in this process: two of them on the loopback interface, or one and a peer that says nothing."""

from __future__ import annotations

import asyncio
import re
import socket
from math import inf
from pathlib import Path

import pytest

from sip.line_settings import Limits
from t38fsp.engine import watch
from t38fsp.engine.capacity import Second
from t38fsp.events import Connected, Dialing, Finished, Ringing
from t38fsp.header import Header
from t38fsp.image.header import band_rows
from t38fsp.jobs import PollOffer
from t38fsp.outcome import Outcome
from t38fsp.status import FaxStatus
from t38fsp.t30.vocabulary import Resolution
from tests.engine.party import LIMIT, Start, bound, hear
from tests.peers import libtiff
from tests.peers.realtime import udp_socket

pytestmark = pytest.mark.usefixtures("page_threads")

# --- load ---------------------------------------------------------------------------------------------------


async def test_no_more_faxes_than_lines(start: Start, document: Path, silent: socket.socket) -> None:
    party = await start(limits=Limits(calls=1), accept_calls=True)
    first = party.send(document, silent.getsockname())
    await hear(silent)
    refused = await party.result(party.send(document, silent.getsockname()))
    assert (refused.status, refused.retry) == (FaxStatus.LINE_UNAVAILABLE, True)
    assert refused.reason == "all 1 lines are in use; try again later"

    caller = await start()
    busy = await caller.result(caller.send(document, party.address))
    assert (busy.status, busy.sip_status) == (FaxStatus.BUSY, 486)

    party.engine.abort(first)
    assert (await party.result(first)).status is FaxStatus.USER_ABORT
    again = party.send(document, silent.getsockname())
    await party.expect(again, Dialing)


BAD = Second(100, 0.08, 0.95, 0.0)


async def test_an_engine_that_has_too_much_to_do_takes_no_calls(
    start: Start, document: Path, silent: socket.socket
) -> None:
    """Neither ours nor those of others, until it has less to do; what is up goes on."""
    party, caller = await start(accept_calls=True), await start()
    going_on = party.send(document, silent.getsockname())
    await hear(silent)
    for _ in range(3):
        party.engine._capacity.note(BAD)

    refused = await party.result(party.send(document, silent.getsockname()))
    assert (refused.status, refused.outcome) == (FaxStatus.LINE_UNAVAILABLE, Outcome.OVERLOADED)
    assert refused.retry
    assert refused.reason.startswith("this engine is overloaded with 100 calls")
    turned_away = await caller.result(caller.send(document, party.address))
    assert (turned_away.sip_status, turned_away.retry_after) == (503, 5.0)
    assert party.calls.empty()

    party.engine._capacity.rest()
    await caller.expect(caller.send(document, party.address), Ringing)
    assert not any(isinstance(event, Finished) for event in party.events[going_on])


async def test_a_call_that_waits_for_its_turn_is_not_placed_into_an_overload(
    start: Start, document: Path, silent: socket.socket
) -> None:
    party = await start()
    async with party.engine._turns:
        job = party.send(document, silent.getsockname())
        for _ in range(3):
            party.engine._capacity.note(BAD)
    assert (await party.result(job)).outcome is Outcome.OVERLOADED


async def test_the_seconds_of_an_engine_are_measured_while_calls_are_up(
    start: Start, document: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_SECOND", 0.01)
    party = await start()
    seconds: asyncio.Queue[Second] = asyncio.Queue()
    monkeypatch.setattr(party.engine._capacity, "note", seconds.put_nowait)
    job = party.send(document, silent.getsockname())
    async with asyncio.timeout(LIMIT):
        assert (await seconds.get()).calls == 1
        party.engine.abort(job)
        while (await seconds.get()).calls:
            pass
    assert party.engine._watch._timer is None


async def test_media_stays_in_its_range_of_ports(start: Start, document: Path, silent: socket.socket) -> None:
    with udp_socket() as sock:
        free = sock.getsockname()[1] & ~1
    party = await start(media_ports=(free, free + 1))
    party.send(document, silent.getsockname())
    assert re.search(rf"^m=audio {free} ", await hear(silent), re.M)
    none_left = await party.result(party.send(document, silent.getsockname()))
    assert none_left.status is FaxStatus.LINE_UNAVAILABLE
    assert f"no even UDP port from {free} to {free + 1} is free" in none_left.reason


async def test_a_call_that_waits_has_a_line(start: Start, document: Path, silent: socket.socket) -> None:
    called, caller = await start(limits=Limits(calls=1), accept_calls=True), await start()
    job = caller.send(document, called.address)
    await called.calls.get()
    sent = await called.result(called.send(document, silent.getsockname()))
    assert sent.status is FaxStatus.LINE_UNAVAILABLE
    await caller.expect(job, Ringing)


async def test_a_call_with_an_offer_counts_once(
    start: Start, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its document is looked at it is a job, and no longer a call that waits."""
    called, caller = await start(limits=Limits(calls=2), accept_calls=True), await start()
    inspected = asyncio.Event()
    inspect = called.engine._images.inspect

    async def slowly(*arguments: object) -> object:
        await inspected.wait()
        return await inspect(*arguments)

    monkeypatch.setattr(called.engine._images, "inspect", slowly)
    first = caller.send(document, called.address)
    async with asyncio.timeout(LIMIT):
        call = await called.calls.get()
        called.receive(call.call, tmp_path / "one.tif", PollOffer(str(document)))
        second = caller.send(document, called.address)
        other = await called.calls.get()
        # A third is one too many, with the first of them looked at or not.
        for _ in range(2):
            result = await caller.result(caller.send(document, called.address))
            assert result.sip_status == 486
            inspected.set()
            await caller.expect(first, Connected)
        called.engine.refuse(other.call)
        await caller.result(second)
        third = caller.send(document, called.address)
        await called.calls.get()
    for job in (first, third):
        caller.engine.abort(job)


async def test_calls_are_not_accepted_by_default(start: Start, document: Path) -> None:
    called, caller = await start(), await start()
    result = await caller.result(caller.send(document, called.address))
    assert (result.status, result.sip_status) == (FaxStatus.NO_ANSWER, 480)
    assert called.calls.empty()


# --- the end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "limit"), [(-1.0, 0.5), (1.0, 1.0), (3.0, 2.0), (inf, 2.0)])
async def test_far_ends_that_answer_nothing_have_one_time_for_all(
    start: Start, monkeypatch: pytest.MonkeyPatch, left: float, limit: float
) -> None:
    """What aborted calls took of it is not there again for the line."""
    party = await start()
    limits: list[float] = []

    async def closing(limit: float) -> None:
        limits.append(limit)

    with monkeypatch.context() as patch:
        patch.setattr(party.engine._lines, "close", closing)
        party.engine._goodbye_ends = asyncio.get_running_loop().time() + left
        await party.engine._close_lines()
    assert limits == [pytest.approx(limit, abs=0.2)]


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
    assert loop.time() - before < 20.0
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
    assert result.reason == "the caller hung up before the call was accepted"
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


async def test_a_job_with_an_offer_is_aborted_at_once(start: Start, document: Path, tmp_path: Path) -> None:
    """The offer is not looked at any more, and the caller need not wait until nobody takes the call."""
    called, caller = await start(accept_calls=True), await start()
    job = caller.send(document, called.address)
    call = (await called.calls.get()).call
    taking = called.receive(call, tmp_path / "received.tif", offer=PollOffer(str(document)))
    called.engine.abort(taking)
    assert (await called.result(taking)).status is FaxStatus.USER_ABORT
    assert (await caller.result(job)).status is FaxStatus.BUSY


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
    header = Header(name="Accounts")
    job = caller.send(document, called.address, header=header, station_id="+15550100", internet_aware=True)
    taken = await called.take(file, internet_aware=True)
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

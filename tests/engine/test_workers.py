"""Several engine processes behind one SIP address, as one engine to the program."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sip.remote.line import GONE
from sip.values import Address
from t38fsp.engine.capacity import Second
from t38fsp.engine.channels import all_taken
from t38fsp.engine.remote import EngineProcess
from t38fsp.engine.remote_job import RemoteJob
from t38fsp.engine.sip_lines import ANSWERERS
from t38fsp.events import Connected, PageStarted, Ringing
from t38fsp.jobs import EngineRoute, EngineSettings, ReceiveJob, SendJob, WaitingCall
from t38fsp.status import FaxStatus
from tests.engine.party import HOST, LIMIT, Party
from tests.engine.remote_jobs import expect, result_of, sent
from tests.peers.libtiff import assert_same_pages
from tests.sip.signalling import signalling


class Service:
    """An engine of two processes; what it announces waits in ``calls``."""

    def __init__(self, **settings: object) -> None:
        self.calls: queue.SimpleQueue[WaitingCall] = queue.SimpleQueue()
        self.gone: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.engine = EngineProcess(
            EngineSettings(listen=(HOST, 0), accept_calls=True, workers=2, **settings),
            self.calls.put,
            self.gone.put,
            restart_pause=0.0,
        )
        self.address: Address = ("", 0)

    def send(self, document: Path, to: Address, route: str | None = None) -> RemoteJob:
        return self.engine.send(SendJob((str(document),), f"sip:+15550199@{to[0]}:{to[1]}", route=route))

    async def call(self) -> WaitingCall:
        return await asyncio.to_thread(self.calls.get, timeout=LIMIT)


@asynccontextmanager
async def service(**settings: object) -> AsyncIterator[Service]:
    service = Service(**settings)
    try:
        service.address = await asyncio.to_thread(service.engine.start)
        yield service
    finally:
        await asyncio.to_thread(service.engine.close)


@pytest.fixture
async def far_end() -> AsyncIterator[Party]:
    party = Party(accept_calls=True)
    party.address = await party.engine.start()
    yield party
    await party.close()


@pytest.mark.libtiff
async def test_each_sends_one_and_receives_one(document: Path, tmp_path: Path, far_end: Party) -> None:
    """All at once, and all from and to one SIP address."""
    async with service() as ours:
        assert len(set(ours.engine.pids)) == 2
        going = [ours.send(document, far_end.address) for _ in range(2)]
        # Only with these calls up does the signalling process know of one in each engine.
        taken = [await far_end.take(tmp_path / f"far-{number}.tif") for number in range(2)]
        coming = [far_end.send(document, ours.address) for _ in range(2)]
        files = [tmp_path / f"ours-{number}.tif" for number in range(2)]
        calls = [await ours.call() for _ in files]
        assert len({call.call >> 40 for call in calls}) == 2
        jobs = [
            ours.engine.receive(ReceiveJob(call.call, str(file)))
            for call, file in zip(calls, files, strict=True)
        ]
        for job in coming:
            await far_end.expect(job, Connected)
            far_end.engine.proceed(job, True)
        results = await asyncio.gather(
            *map(sent, going), *map(far_end.result, [*coming, *taken]), *map(result_of, jobs)
        )
    assert [result.status for result in results] == [FaxStatus.COMPLETED] * 8
    for file in (*files, tmp_path / "far-0.tif", tmp_path / "far-1.tif"):
        assert_same_pages(document, file)


@pytest.mark.libtiff
async def test_a_process_that_dies_takes_the_calls_it_has_and_the_next_come_to_its_successor(
    document: Path, tmp_path: Path, far_end: Party
) -> None:
    async with service() as ours:
        coming = [far_end.send(document, ours.address) for _ in range(2)]
        calls = [await ours.call() for _ in coming]
        jobs = [
            ours.engine.receive(ReceiveJob(call.call, str(tmp_path / f"{number}.tif")))
            for number, call in enumerate(calls)
        ]
        for job in coming:
            await far_end.expect(job, Connected)
            far_end.engine.proceed(job, True)
        await expect(jobs[0], PageStarted)
        victim = jobs[0]._engine.pid
        waiting = far_end.send(document, ours.address)
        # A third call waits at one of them; its caller is told if it was that one.
        third = await ours.call()
        os.kill(victim, signal.SIGKILL)
        lost = await result_of(jobs[0])
        assert (lost.status, lost.reason) == (FaxStatus.FATAL_ERROR, "the engine process died (SIGKILL)")
        if third.call >> 40 == jobs[0]._engine.generation:
            assert await asyncio.to_thread(ours.gone.get, timeout=LIMIT) == third.call
        else:
            ours.engine.refuse(third.call)
        await far_end.result(waiting)
        assert (await result_of(jobs[1])).completed

        assert await asyncio.to_thread(ours.engine.start) == ours.address
        assert victim not in ours.engine.pids
        later = [far_end.send(document, ours.address) for _ in range(2)]
        both = [await ours.call() for _ in later]
        assert {call.call >> 40 for call in both} == {child.generation for child in ours.engine._live}
        assert len({call.call >> 40 for call in both}) == 2
        for job in later:
            far_end.engine.abort(job)
    assert_same_pages(document, tmp_path / "1.tif")


async def test_calls_in_both_directions_share_the_channels_of_a_route(document: Path, far_end: Party) -> None:
    """Two channels and two processes: it does not matter which of them has the calls."""
    host, port = far_end.address
    async with service(routes=(EngineRoute("office", f"{host}:{port}", channels=2),)) as ours:
        first = ours.send(document, far_end.address, "office")
        await expect(first, Ringing)
        arrived = far_end.send(document, ours.address)
        call = await ours.call()
        assert call.route == "office"
        full = await result_of(ours.send(document, far_end.address, "office"))
        assert full.reason == all_taken("office")
        busy = await far_end.result(far_end.send(document, ours.address))
        assert (busy.status, busy.sip_status) == (FaxStatus.BUSY, 486)

        ours.engine.refuse(call.call)
        assert (await far_end.result(arrived)).sip_status == 486
        second = ours.send(document, far_end.address, "office")
        await expect(second, Ringing)
        for job in (first, second):
            job.abort()
            assert (await result_of(job)).status is FaxStatus.USER_ABORT


@pytest.mark.full
@pytest.mark.libtiff
async def test_a_drain_lets_the_calls_of_all_end(document: Path, tmp_path: Path, far_end: Party) -> None:
    async with service() as ours:
        jobs = [ours.send(document, far_end.address) for _ in range(2)]
        files = [tmp_path / f"{number}.tif" for number in range(2)]
        taken = [await far_end.take(file) for file in files]
        for job in jobs:
            await expect(job, Connected)
            job.proceed(True)
        closing = asyncio.create_task(asyncio.to_thread(ours.engine.close, LIMIT))
        assert [(await result_of(job)).status for job in jobs] == [FaxStatus.COMPLETED] * 2
        for job in taken:
            await far_end.result(job)
        assert await closing
    for file in files:
        assert_same_pages(document, file)


async def test_with_the_signalling_process_end_all_calls_and_the_next_ones_are_made(
    document: Path, far_end: Party
) -> None:
    async with service() as ours:
        jobs = [ours.send(document, far_end.address) for _ in range(2)]
        for job in jobs:
            await expect(job, Ringing)
        signalling = ours.engine.signalling_pid
        assert signalling is not None
        os.kill(signalling, signal.SIGKILL)
        for job in jobs:
            lost = await result_of(job)
            assert (lost.status, lost.retry) == (FaxStatus.LINE_UNAVAILABLE, True)
            assert GONE in lost.reason
        # The engines look for it each second.
        for _ in range(200):
            job = ours.send(document, far_end.address)
            if isinstance(await expect(job, Ringing), Ringing):
                break
            await asyncio.sleep(0.2)
        assert ours.engine.signalling_pid not in (None, signalling)
        assert await asyncio.to_thread(ours.engine.start) == ours.address
        job.abort()
        assert (await result_of(job)).status is FaxStatus.USER_ABORT


async def test_a_call_goes_to_an_engine_that_has_not_too_much_to_do(
    document: Path, tmp_path: Path, far_end: Party
) -> None:
    """Engines tell the signalling process; when all have too much to do, callers are to come again."""

    def overload(party: Party) -> None:
        for _ in range(3):
            party.engine._capacity.note(Second(100, 0.2, 0.9, 0.0))
        party.engine._watch._tell()

    async with signalling(tmp_path, ANSWERERS) as process:
        one, two = (Party(accept_calls=True, signalling=process.path, name=name) for name in ("one", "two"))
        try:
            for party in (one, two):
                assert await party.engine.start() == process.address
            overload(one)
            jobs = [far_end.send(document, process.address) for _ in range(2)]
            async with asyncio.timeout(LIMIT):
                calls = [await two.calls.get() for _ in jobs]
            assert one.calls.empty()
            overload(two)
            refused = await far_end.result(far_end.send(document, process.address))
            assert (refused.sip_status, refused.retry_after) == (503, 5.0)
            one.engine._capacity.rest()
            one.engine._watch._tell()
            taken = asyncio.ensure_future(one.calls.get())
            while not taken.done():
                # The signalling process is told of the limit a moment later, and refuses calls until then.
                job = far_end.send(document, process.address)
                result = asyncio.ensure_future(far_end.result(job))
                async with asyncio.timeout(LIMIT):
                    await asyncio.wait({taken, result}, return_when=asyncio.FIRST_COMPLETED)
            one.engine.refuse(taken.result().call)
            assert (await result).sip_status == 486
            for call in calls:
                two.engine.refuse(call.call)
            assert [(await far_end.result(job)).sip_status for job in jobs] == [486] * 2
        finally:
            await asyncio.gather(one.close(), two.close())

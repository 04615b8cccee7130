"""Several engine processes behind one SIP address, which a signalling process owns."""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sip.values import Address
from t38fsp.engine.remote import EngineProcess
from t38fsp.engine.remote_job import RemoteJob
from t38fsp.engine.sip_lines import ANSWERERS
from t38fsp.events import Connected, Finished, PageStarted, Ringing
from t38fsp.jobs import EngineSettings, ReceiveJob, SendJob, WaitingCall
from t38fsp.status import FaxStatus
from tests.engine.party import LIMIT, Party
from tests.engine.remote_jobs import expect, result_of, sent
from tests.peers.libtiff import assert_same_pages
from tests.sip.signalling import Signalling, signalling


class Process:
    """An engine process behind the signalling process; it takes each call into a file of its own."""

    def __init__(self, name: str, socket: str, directory: Path) -> None:
        self.name = name
        self.received: queue.SimpleQueue[tuple[RemoteJob, Path]] = queue.SimpleQueue()
        self._directory = directory
        self._numbers = itertools.count(1)
        self._calls: queue.SimpleQueue[WaitingCall] = queue.SimpleQueue()
        settings = EngineSettings(accept_calls=True, signalling=socket, name=name)
        self.engine = EngineProcess(settings, self._calls.put)

    async def start(self) -> Address:
        return await asyncio.to_thread(self.engine.start)

    async def send(self, document: Path, to: Address) -> RemoteJob:
        job = SendJob((str(document),), f"sip:+15550199@{to[0]}:{to[1]}")
        return await asyncio.to_thread(self.engine.send, job)

    async def take(self) -> tuple[RemoteJob, Path]:
        """The next call, as it is received, and the file that it goes to."""
        call = await asyncio.to_thread(self._calls.get, timeout=LIMIT)
        file = self._directory / f"{self.name}-{next(self._numbers)}.tif"
        return await asyncio.to_thread(self.engine.receive, ReceiveJob(call.call, str(file))), file

    async def close(self) -> None:
        await asyncio.to_thread(self.engine.close)


@asynccontextmanager
async def engines(process: Signalling, directory: Path) -> AsyncIterator[tuple[Process, Process]]:
    pair = Process("one", process.path, directory), Process("two", process.path, directory)
    try:
        assert [await each.start() for each in pair] == [process.address] * 2
        yield pair
    finally:
        await asyncio.gather(*(each.close() for each in pair))


@pytest.fixture
async def far_end() -> AsyncIterator[Party]:
    party = Party(accept_calls=True)
    party.address = await party.engine.start()
    yield party
    await party.close()


@pytest.mark.full
@pytest.mark.libtiff
async def test_faxes_in_both_directions_at_the_same_time(
    document: Path, tmp_path: Path, far_end: Party
) -> None:
    """Each engine sends one and receives one, all at once, and all from and to one SIP address."""
    async with (
        signalling(tmp_path, ANSWERERS) as process,
        engines(process, tmp_path) as (one, two),
    ):
        going = [await each.send(document, far_end.address) for each in (one, two)]
        coming = [far_end.send(document, process.address) for _ in range(2)]
        taken = [await far_end.take(tmp_path / f"far-{number}.tif") for number in range(2)]
        # One for each: the rule sends a call to the engine that has fewer.
        (job_of_one, file_of_one), (job_of_two, file_of_two) = await one.take(), await two.take()
        for job in coming:
            await far_end.expect(job, Connected)
            far_end.engine.proceed(job, True)
        results = await asyncio.gather(
            *map(sent, going),
            *map(far_end.result, coming),
            *map(far_end.result, taken),
            *map(result_of, (job_of_one, job_of_two)),
        )
        assert [result.status for result in results] == [FaxStatus.COMPLETED] * 8
        for file in (tmp_path / "far-0.tif", tmp_path / "far-1.tif", file_of_one, file_of_two):
            assert assert_same_pages(document, file) == 1


@pytest.mark.full
@pytest.mark.libtiff
async def test_an_engine_that_dies_takes_its_calls_along_and_no_others(
    document: Path, tmp_path: Path, far_end: Party
) -> None:
    async with (
        signalling(tmp_path, ANSWERERS) as process,
        engines(process, tmp_path) as (one, two),
    ):
        lost = await one.send(document, far_end.address)
        lost_there = await far_end.take(tmp_path / "lost.tif")
        kept = await two.send(document, far_end.address)
        kept_there = await far_end.take(tmp_path / "kept.tif")
        for job in (lost, kept):
            await expect(job, Connected)
            job.proceed(True)
        for job in (lost, kept):
            await expect(job, PageStarted)
        assert one.engine.pid is not None
        os.kill(one.engine.pid, signal.SIGKILL)
        assert (await result_of(lost)).reason == "the engine process died (SIGKILL)"
        there = await far_end.result(lost_there)
        assert (there.status, there.pages_confirmed) == (FaxStatus.DISCONNECTED, 0)
        assert (await result_of(kept)).status is FaxStatus.COMPLETED
        assert (await far_end.result(kept_there)).status is FaxStatus.COMPLETED
        assert assert_same_pages(document, tmp_path / "kept.tif") == 1


@pytest.mark.libtiff
async def test_a_signalling_process_that_dies_ends_its_calls_and_can_be_followed_by_another(
    document: Path, tmp_path: Path, far_end: Party
) -> None:
    async with signalling(tmp_path, ANSWERERS) as first, engines(first, tmp_path) as (one, two):
        jobs = [await each.send(document, far_end.address) for each in (one, two)]
        for number in range(2):
            await far_end.take(tmp_path / f"lost-{number}.tif")
        for job in jobs:
            await expect(job, Connected)
            job.proceed(True)
        for job in jobs:
            await expect(job, PageStarted)
        first.process.kill()
        for job in jobs:
            result = await result_of(job)
            assert result.status is FaxStatus.DISCONNECTED
            why = (
                "the call was lost (the connection to the signalling process is lost) before the fax was over"
            )
            assert result.reason.startswith(why)
            assert result.reason.endswith("page 1 of 1")
        call = document, far_end.address
        failed = await result_of(await one.send(*call))
        assert (failed.status, failed.retry) == (FaxStatus.LINE_UNAVAILABLE, True)
        assert "the connection to the signalling process is lost" in failed.reason

        async with signalling(tmp_path, ANSWERERS):
            # It is looked for once a second; until it is found, calls fail.
            async with asyncio.timeout(LIMIT):
                while isinstance(event := await expect(job := await one.send(*call), Ringing), Finished):
                    assert event.result.status is FaxStatus.LINE_UNAVAILABLE
            job.abort()
            assert (await result_of(job)).status is FaxStatus.USER_ABORT

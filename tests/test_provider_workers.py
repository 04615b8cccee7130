"""The asyncio API with engines in processes of their own: the same to the program as one on its loop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest

from t38fsp.events import Connected, Dialing, FaxEvent, PageStarted
from t38fsp.jobs import EngineError, EngineSettings
from t38fsp.outcome import Outcome
from t38fsp.provider import FaxProvider, IncomingFax
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from tests.engine.party import HOST, LIMIT
from tests.peers.libtiff import assert_same_pages
from tests.peers.pages import text_page, write_document
from tests.starts import Belongings, nothing_left

SETTINGS = EngineSettings(workers=2)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = text_page(rows=120, noise_rows=0)
    return write_document(tmp_path_factory.mktemp("workers") / "sent.tif", [page])


async def take(provider: FaxProvider) -> IncomingFax:
    async with asyncio.timeout(LIMIT):
        return await anext(provider.calls())


@pytest.mark.libtiff
async def test_faxes_between_two_services(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two faxes, and in the middle of them one process of each service is killed."""
    monkeypatch.chdir(tmp_path)
    async with (
        FaxProvider((HOST, 0), settings=SETTINGS) as sender,
        FaxProvider((HOST, 0), settings=SETTINGS, accept_calls=True) as receiver,
    ):
        # Names of files are those of the program, which may have gone elsewhere since.
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        events: list[list[FaxEvent]] = [[], []]
        to = f"sip:+15550199@{receiver.address[0]}:{receiver.address[1]}"
        asked: list[object] = []

        def on_connected(dialog: object) -> bool:
            asked.append(dialog)
            return True

        sending = [
            asyncio.create_task(sender.send(document, to, on_event=each.append, on_connected=on_connected))
            for each in events
        ]
        calls = [await take(receiver) for _ in sending]
        receiving = [
            asyncio.create_task(call.receive(f"fax-{number}.tif")) for number, call in enumerate(calls)
        ]
        results: list[FaxResult] = await asyncio.gather(*sending, *receiving)
    assert [result.outcome for result in results] == [Outcome.COMPLETED] * 4
    assert len(asked) == 2
    for number, result in enumerate(results[2:]):
        assert result.file == f"fax-{number}.tif"
        assert_same_pages(document, tmp_path / "here" / f"fax-{number}.tif")
    assert [result.documents for result in results[:2]] == [(str(document),)] * 2
    for each in events:
        assert [type(event) for event in each if isinstance(event, Dialing | Connected | PageStarted)] == [
            Dialing,
            Connected,
            PageStarted,
        ]


@pytest.mark.full
@pytest.mark.libtiff
async def test_a_process_that_is_killed_takes_its_calls_and_no_others(document: Path, tmp_path: Path) -> None:
    async with (
        FaxProvider((HOST, 0), settings=SETTINGS) as sender,
        FaxProvider((HOST, 0), accept_calls=True) as receiver,
    ):
        to = f"sip:+15550199@{receiver.address[0]}:{receiver.address[1]}"
        paging = [asyncio.Event(), asyncio.Event()]

        def follow(number: int) -> asyncio.Task[FaxResult]:
            def on_event(event: FaxEvent) -> None:
                if isinstance(event, PageStarted):
                    paging[number].set()

            return asyncio.create_task(sender.send(document, to, on_event=on_event))

        sending = [follow(number) for number in range(2)]
        receiving = [
            asyncio.create_task((await take(receiver)).receive(tmp_path / f"{number}.tif"))
            for number in range(2)
        ]
        async with asyncio.timeout(LIMIT):
            await paging[0].wait()
        # Jobs go to the first process first.
        os.kill(sender._engine._process.pids[0], signal.SIGKILL)
        lost, delivered, *_ = await asyncio.gather(*sending, *receiving)
        assert (lost.status, lost.outcome, lost.retry) == (FaxStatus.FATAL_ERROR, Outcome.FAULT, True)
        assert lost.reason == "the engine process died (SIGKILL)"
        assert lost.dialog is not None
        assert delivered.outcome is Outcome.COMPLETED
        again = asyncio.create_task(sender.send(document, to))
        await (await take(receiver)).receive(tmp_path / "again.tif")
        assert (await again).outcome is Outcome.COMPLETED
    whole = sorted(os.listdir(tmp_path))
    assert len(whole) == 2
    assert "again.tif" in whole
    for name in whole:
        assert_same_pages(document, tmp_path / name)


@pytest.mark.full
async def test_cancelling_ends_the_call(document: Path) -> None:
    async with (
        FaxProvider((HOST, 0), settings=SETTINGS) as sender,
        FaxProvider((HOST, 0), settings=SETTINGS, accept_calls=True) as receiver,
    ):
        seen: list[FaxEvent] = []
        to = f"sip:+15550199@{receiver.address[0]}:{receiver.address[1]}"
        sending = asyncio.create_task(sender.send(document, to, on_event=seen.append))
        (await take(receiver)).refuse()
        assert (await sending).status is FaxStatus.BUSY
        sending = asyncio.create_task(sender.send(document, to, on_event=seen.append))
        await take(receiver)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert seen[-1].result.outcome is Outcome.CANCELLED


async def test_a_service_that_may_have_no_threads_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = await Belongings.settled()
    with monkeypatch.context() as none:
        none.setattr(threading.Thread, "start", refused)
        with pytest.raises(EngineError, match="cannot be used: can't start new thread"):
            async with FaxProvider((HOST, 0), settings=SETTINGS):
                pass
    await nothing_left(before)


async def test_a_service_that_cannot_start_says_why() -> None:
    async with FaxProvider((HOST, 0)) as provider:
        with pytest.raises(EngineError, match="in use"):
            async with FaxProvider(provider.address, settings=SETTINGS):
                pass

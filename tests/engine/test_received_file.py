"""What a received fax leaves on disk, and what it is called, whatever happens to the file on the way."""

from __future__ import annotations

import asyncio
import filecmp
import os
import shutil
from pathlib import Path

import pytest

from sip.line_settings import Limits
from t38fsp.events import Connected, PageDone
from t38fsp.image.document import inspect
from t38fsp.image.errors import ImageWorkerError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from tests.engine.party import Party, Start
from tests.peers import libtiff
from tests.peers.libtiff import tiffinfo
from tests.peers.pages import text_page, write_document

pytestmark = pytest.mark.usefixtures("page_threads", "hasty")

PAGES = 3


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pages = [text_page(rows=400 + 10 * number, noise_rows=0) for number in range(PAGES)]
    return write_document(tmp_path_factory.mktemp("received") / "sent.tif", pages)


@pytest.fixture
def faxes(tmp_path: Path) -> Path:
    (tmp_path / "faxes").mkdir()
    return tmp_path / "faxes"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


class Call:
    """A fax from one engine to another."""

    def __init__(self, start: Start, document: Path) -> None:
        self._start = start
        self._document = document

    async def begin(self, file: Path, *, append: bool = False, **receiver: object) -> None:
        self.called: Party = await self._start(accept_calls=True, **receiver)
        self.caller: Party = await self._start()
        self.job = self.caller.send(self._document, self.called.address)
        self.taken = await self.called.take(file, append=append)
        await self.caller.expect(self.job, Connected)
        self.caller.engine.proceed(self.job, True)

    async def pages(self, count: int) -> None:
        """Until so many are confirmed."""
        await self.called.expect_some(self.taken, PageDone, count)

    async def end(self) -> tuple[FaxResult, FaxResult]:
        return await self.caller.result(self.job), await self.called.result(self.taken)


@pytest.fixture
def call(start: Start, document: Path) -> Call:
    return Call(start, document)


async def test_a_fax_that_comes_in_has_another_name_until_it_is_whole(
    call: Call, faxes: Path, document: Path
) -> None:
    await call.begin(faxes / "fax.tif")
    assert names(faxes) == []
    for page in range(1, PAGES):
        await call.pages(page)
        assert names(faxes) == ["fax.tif.part"]
        assert tiffinfo(faxes / "fax.tif.part").count("Image Width") >= page
    sent, received = await call.end()
    assert names(faxes) == ["fax.tif"]
    assert (sent.completed, received.completed, received.file) == (True, True, str(faxes / "fax.tif"))
    assert libtiff.assert_same_pages(document, faxes / "fax.tif") == PAGES
    assert "Page Number: 2-3" in tiffinfo(faxes / "fax.tif")


async def test_a_file_that_is_moved_away_takes_no_further_page(call: Call, faxes: Path) -> None:
    await call.begin(faxes / "fax.tif")
    await call.pages(1)
    os.rename(faxes / "fax.tif.part", faxes / "taken.tif")
    sent, received = await call.end()
    assert names(faxes) == ["taken.tif"]
    assert not sent.completed
    assert sent.pages_confirmed == received.pages_confirmed == len(inspect(faxes / "taken.tif")) < PAGES
    assert received.file is None
    (warning,) = (text for text in received.warnings if "fax.tif.part" in text)
    assert warning.endswith("was moved away or replaced while the fax was being received")


@pytest.mark.full
async def test_another_file_in_its_place_stays_as_it_is(call: Call, faxes: Path, document: Path) -> None:
    await call.begin(faxes / "fax.tif")
    await call.pages(1)
    os.rename(faxes / "fax.tif.part", faxes / "taken.tif")
    shutil.copy(document, faxes / "fax.tif.part")
    sent, received = await call.end()
    assert names(faxes) == ["fax.tif.part", "taken.tif"]
    assert filecmp.cmp(document, faxes / "fax.tif.part", shallow=False)
    assert not sent.completed
    assert received.file is None


async def test_nobody_s_file_is_written_over(call: Call, faxes: Path, document: Path) -> None:
    await call.begin(faxes / "fax.tif")
    await call.pages(1)
    (faxes / "fax.tif").write_bytes(b"somebody's")
    _, received = await call.end()
    assert names(faxes) == ["fax-2.tif", "fax.tif"]
    assert received.file == str(faxes / "fax-2.tif")
    assert (faxes / "fax.tif").read_bytes() == b"somebody's"
    assert libtiff.assert_same_pages(document, faxes / "fax-2.tif") == PAGES


async def test_a_file_that_is_appended_to_grows_in_its_place(call: Call, faxes: Path, document: Path) -> None:
    shutil.copy(document, faxes / "fax.tif")
    await call.begin(faxes / "fax.tif", append=True)
    await call.pages(1)
    assert names(faxes) == ["fax.tif"]
    _, received = await call.end()
    assert received.file == str(faxes / "fax.tif")
    assert len(inspect(faxes / "fax.tif")) == 2 * PAGES


async def test_a_call_that_is_cut_off_leaves_its_confirmed_pages(call: Call, faxes: Path) -> None:
    await call.begin(faxes / "fax.tif")
    await call.pages(1)
    call.caller.engine.abort(call.job)
    _, received = await call.end()
    assert names(faxes) == ["fax.tif"]
    assert received.file == str(faxes / "fax.tif")
    assert 1 <= received.pages_confirmed <= len(inspect(faxes / "fax.tif"))


async def test_a_call_without_a_page_leaves_nothing(call: Call, faxes: Path) -> None:
    await call.begin(faxes / "fax.tif")
    call.caller.engine.abort(call.job)
    _, received = await call.end()
    assert (names(faxes), received.pages_confirmed, received.file) == ([], 0, None)


@pytest.mark.full
async def test_a_first_page_that_cannot_be_stored_leaves_nothing(
    call: Call, faxes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await call.begin(faxes / "fax.tif")

    async def store_page(*arguments: object) -> None:
        assert names(faxes) == ["fax.tif.part"]
        raise ImageWorkerError("the worker died")

    monkeypatch.setattr(call.called.engine._images, "store_page", store_page)
    _, received = await call.end()
    assert (names(faxes), received.pages_confirmed, received.file) == ([], 0, None)


async def test_a_disk_that_hangs_keeps_no_result_waiting(
    call: Call, faxes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await call.begin(faxes / "fax.tif")
    hanging = asyncio.Event()

    async def store_page(*arguments: object) -> None:
        hanging.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(call.called.engine._images, "store_page", store_page)
    await hanging.wait()
    call.called.engine.abort(call.taken)
    _, received = await call.end()
    assert (names(faxes), received.status, received.file) == ([], FaxStatus.USER_ABORT, None)


@pytest.mark.full
async def test_a_name_that_cannot_be_given_is_told(
    call: Call, faxes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await call.begin(faxes / "fax.tif")

    async def complete(*arguments: object) -> None:
        raise ImageWorkerError("the worker died")

    monkeypatch.setattr(call.called.engine._images, "complete", complete)
    _, received = await call.end()
    assert received.completed
    assert received.file == str(faxes / "fax.tif.part")
    assert len(inspect(received.file)) == PAGES


async def test_calls_that_cannot_be_stored_are_refused_until_they_can(
    start: Start, document: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    called, caller = await start(accept_calls=True), await start()
    faxes = tmp_path / "missing"
    for _ in range(2):
        job = caller.send(document, called.address)
        taken = await called.take(faxes / "fax.tif")
        received, sent = await called.result(taken), await caller.result(job)
        assert sent.sip_status == 480
        assert (received.status, received.pages) == (FaxStatus.FATAL_ERROR, ())
        assert received.outcome is Outcome.NOT_STORED
        assert received.reason == f"nothing can be stored in {faxes}: No such file or directory"
    faxes.mkdir()
    job = caller.send(document, called.address)
    taken = await called.take(faxes / "fax.tif")
    await caller.expect(job, Connected)
    caller.engine.abort(job)
    await called.result(taken)
    told = [record.getMessage() for record in caplog.records if "be stored" in record.getMessage()]
    told = [text for text in told if not text.startswith("fax ")]
    assert [("calls are refused" in text, "again" in text) for text in told] == [(True, False), (False, True)]


async def test_a_call_that_is_being_taken_counts_once(start: Start, document: Path, tmp_path: Path) -> None:
    called, caller = await start(accept_calls=True, limits=Limits(calls=2)), await start()
    one, other = (caller.send(document, called.address) for _ in range(2))
    taken = [await called.take(tmp_path / f"{number}.tif") for number in range(2)]
    for job in (one, other):
        await caller.expect(job, Connected)
        caller.engine.abort(job)
        assert (await caller.result(job)).status is FaxStatus.USER_ABORT
    for job in taken:
        await called.result(job)

"""What a pool does once for all who want it, and in what pieces; and what it has ready before a call."""

import asyncio
import os
import struct
from dataclasses import replace

import pytest

from t38fsp.image.document import encode_page
from t38fsp.image.errors import DocumentError
from t38fsp.image.pool import ImagePool
from t38fsp.image.wire import Inspected, Structure, Structured
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, Resolution
from tests.image.processes import Counted, begun, stopped
from tests.pages import make_document

FINE = Resolution.R8_FINE
MMR = PageMode(Coding.MMR, 1728, FINE, True, 14400)
MH = PageMode(Coding.MH, 1728, FINE, False, 9600, 0.02)


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 100, "text"), (1728, FINE, 200, "lines")], strips=2)
    return path


# --- inspecting ---------------------------------------------------------------------------------------------


async def test_a_document_is_inspected_once(document):
    async with Counted() as pool:
        await asyncio.gather(*(pool.inspect(document) for _ in range(60)))
        first = await pool.inspect(str(document))
        assert pool.jobs == ["structure", "inspect"]
        os.utime(document, (1, 1))
        again = await pool.inspect(document)
        assert pool.jobs == ["structure", "inspect"] * 2
        assert (again.pages, again.identity != first.identity) == (first.pages, True)


async def test_a_document_by_another_name_is_another_one(document, tmp_path):
    """Its path is told in what is said of it."""
    other = tmp_path / "other.tif"
    other.hardlink_to(document)
    async with ImagePool() as pool:
        assert (await pool.inspect(document)).path == str(document)
        assert (await pool.inspect(other)).path == str(other)


async def test_the_program_may_go_to_another_folder(document, monkeypatch):
    async with ImagePool() as pool:
        monkeypatch.chdir(document.parent)
        assert len((await pool.inspect(document.name)).pages) == 2


async def test_what_went_wrong_is_not_remembered(document):
    async with ImagePool() as pool:
        octets = document.read_bytes()
        document.write_bytes(octets[:-200])
        os.utime(document, (1, 1))
        with pytest.raises(DocumentError):
            await pool.inspect(document)
        document.write_bytes(octets)
        os.utime(document, (1, 1))
        assert len((await pool.inspect(document)).pages) == 2


async def test_an_inspection_goes_on_for_those_who_still_want_it(document, no_threads):
    async with Counted() as pool:
        with stopped():
            first, second = await begun(pool.inspect(document)), await begun(pool.inspect(document))
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
        assert len((await second).pages) == 2
        assert pool.jobs == ["structure", "inspect"]


async def test_an_inspection_that_nobody_waits_for_any_more_is_begun_anew(document, no_threads):
    async with ImagePool() as pool:
        with stopped():
            first = await begun(pool.inspect(document))
            first.cancel()
            second = asyncio.create_task(pool.inspect(document))
            with pytest.raises(asyncio.CancelledError):
                await first
        assert len((await second).pages) == 2


async def test_a_long_document_is_inspected_in_turns(tmp_path):
    path = tmp_path / "long.tif"
    make_document(path, [(1728, FINE, 20 + number, "text") for number in range(150)])
    async with Counted() as pool:
        inspected = await pool.inspect(path)
        assert [page.rows for page in inspected.pages] == [20 + number for number in range(150)]
        assert pool.jobs.count("inspect") >= 3


def sharing_directories(octets: bytes, directories: int) -> bytes:
    """A file of which each page is the first one of ``octets``, by a directory of its own."""
    (place,) = struct.unpack_from("<I", octets, 4)
    (entries,) = struct.unpack_from("<H", octets, place)
    directory = octets[place : place + 2 + 12 * entries]
    file = bytearray(octets)
    link = 4
    for _ in range(directories):
        file += bytes(len(file) % 2)
        struct.pack_into("<I", file, link, len(file))
        link = len(file) + len(directory)
        file += directory + bytes(4)
    return bytes(file)


async def test_directories_that_share_their_image_data_are_read_once(document, tmp_path):
    shared = tmp_path / "shared.tif"
    shared.write_bytes(sharing_directories(document.read_bytes(), 2000))
    async with Counted() as pool:
        inspected = await pool.inspect(shared)
        assert inspected.pages == (PageFormat(1728, 100, FINE),) * 2000
        assert pool.jobs == ["structure", "inspect"]
        for index in (0, 1999):
            assert await pool.encode_page(inspected, index, MMR) == encode_page(document, 0, MMR)


async def test_a_document_that_takes_too_long_is_refused(document, monkeypatch):
    monkeypatch.setattr("t38fsp.image.pool._PATIENCE_FOR_ALL", 0.0)
    monkeypatch.setattr("t38fsp.image.pool._PATIENCE_FOR_EACH", 0.0)
    async with ImagePool() as pool:
        with pytest.raises(DocumentError, match="takes too long to read; give simpler pages"):
            await pool.inspect(document)


class SlowWorkers:
    """In place of processes: each turn reads one page, in ``seconds``, and of a document there are 2000."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.turns = 0

    async def run(self, job, request, *, limit):
        assert (job.due, limit) == (None, 60.0)
        if isinstance(request, Structure):
            return Structured(
                (1, 2, 3, 4), tuple((1728, 2200, FINE, 8 + index, index) for index in range(2000))
            )
        assert request.pages[0] == (self.turns + 1, 8 + self.turns)
        self.turns += 1
        job.share.seconds += self.seconds
        return Inspected((3,))


@pytest.mark.parametrize(("seconds", "taken"), [(0.03, True), (0.9, True), (1.1, False), (50.0, False)])
async def test_as_many_pages_as_are_promised_are_taken_on_a_slow_machine_too(document, seconds, taken):
    """Their time counts in turns, each with its own limit: neither waiting nor the size of the file does."""
    pool = ImagePool()
    pool._workers = SlowWorkers(seconds)
    if taken:
        assert len((await pool.inspect(document)).pages) == pool._workers.turns == 2000
    else:
        with pytest.raises(DocumentError, match="takes too long to read"):
            await pool.inspect(document)
        assert pool._workers.turns * seconds < 2200


async def test_what_is_known_of_documents_is_bounded(document, monkeypatch):
    monkeypatch.setattr("t38fsp.image.pool._DOCUMENTS_KEPT", 1)
    async with Counted() as pool:
        await pool.inspect(document)
        other = document.with_name("other.tif")
        make_document(other, [(1728, FINE, 10, "text")])
        await pool.inspect(other)
        await pool.inspect(other)
        await pool.inspect(document)
        assert pool.jobs.count("structure") == 3


# --- coding -------------------------------------------------------------------------------------------------


async def test_a_page_is_coded_once_for_all_calls_that_want_it_so(document):
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        pages = await asyncio.gather(*(pool.encode_page(inspected, 0, MMR) for _ in range(60)))
        pages.append(await pool.encode_page(inspected, 0, replace(MMR, bit_rate=9600)))
        assert pool.jobs.count("encode") == 1
        assert set(pages) == {encode_page(document, 0, MMR)}


async def test_fill_depends_on_the_rate(document):
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        for rate in (9600, 4800):
            mode = replace(MH, bit_rate=rate)
            assert await pool.encode_page(inspected, 0, mode) == encode_page(document, 0, mode)
        assert pool.jobs.count("encode") == 2


async def test_a_header_line_is_of_its_call(document):
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        for number in ("1", "2"):
            header = ("", number, "")
            page = await pool.encode_page(inspected, 0, MMR, header)
            assert page == encode_page(document, 0, MMR, header)


async def test_coded_pages_are_kept_within_bounds(document, monkeypatch):
    monkeypatch.setattr("t38fsp.image.pool._OCTETS_KEPT", 1)
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        for _ in range(2):
            await pool.encode_page(inspected, 0, MMR)
        assert pool.jobs.count("encode") == 2


async def test_a_page_of_a_document_that_changed_is_refused(document):
    """Pages before it may be at the far end already."""
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        make_document(document, [(1728, FINE, 110, "lines"), (1728, FINE, 200, "text")])
        with pytest.raises(DocumentError, match="was changed after it was inspected; send it again"):
            await pool.encode_page(inspected, 1, MMR)
        assert await pool.encode_page(await pool.inspect(document), 1, MMR) == encode_page(document, 1, MMR)


# --- before dialling ----------------------------------------------------------------------------------------


async def test_a_prepared_page_is_at_hand(document):
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        await pool.prepare(inspected, 0, MMR, None)
        with stopped():
            page = await pool.encode_page(inspected, 0, replace(MMR, bit_rate=9600))
        assert page == encode_page(document, 0, MMR)


async def test_a_page_that_is_being_prepared_comes_first_when_a_call_wants_it(document, no_threads):
    """All that inspect are busy; those that serve calls are free."""
    others = [document.with_name(f"other-{number}.tif") for number in range(2)]
    for other in others:
        make_document(other, [(1728, FINE, 10, "text")])
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        for worker in pool._workers._to_inspect:
            await worker.start()
        with stopped():
            inspecting = [await begun(pool.inspect(other)) for other in others]
            preparing = await begun(pool.prepare(inspected, 0, MMR, None))
            assert await pool.encode_page(inspected, 0, MMR) == encode_page(document, 0, MMR)
            assert not preparing.done()  # there is no worker to spare for this call
        await preparing
        await asyncio.gather(*inspecting)
        assert pool.jobs.count("encode") == 1

"""What a pool does once for all who want it, and in what pieces; and what it has ready before a call."""

import asyncio
import os
import struct
from dataclasses import replace

import pytest

from t38fsp.image.document import Facts, encode_page, structure
from t38fsp.image.errors import DocumentError
from t38fsp.image.pool import ImagePool
from t38fsp.image.wire import Encode
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


@pytest.mark.usefixtures("page_threads")
async def test_a_document_is_inspected_once(document):
    async with Counted() as pool:
        await asyncio.gather(*(pool.inspect(document) for _ in range(60)))
        first = await pool.inspect(str(document))
        assert pool.jobs == ["inspect"]
        os.utime(document, (1, 1))
        again = await pool.inspect(document)
        assert pool.jobs == ["inspect"] * 2
        assert (again.pages, again.identity != first.identity) == (first.pages, True)


@pytest.mark.usefixtures("page_threads")
async def test_a_document_by_another_name_is_another_one(document, tmp_path):
    """Its path is told in what is said of it."""
    other = tmp_path / "other.tif"
    other.hardlink_to(document)
    async with ImagePool() as pool:
        assert (await pool.inspect(document)).path == str(document)
        assert (await pool.inspect(other)).path == str(other)


@pytest.mark.usefixtures("page_threads")
async def test_the_program_may_go_to_another_folder(document, monkeypatch):
    async with ImagePool() as pool:
        monkeypatch.chdir(document.parent)
        assert len((await pool.inspect(document.name)).pages) == 2


@pytest.mark.usefixtures("page_threads")
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
        assert pool.jobs == ["inspect"]


async def test_an_inspection_that_nobody_waits_for_any_more_is_begun_anew(document, no_threads):
    async with ImagePool() as pool:
        with stopped():
            first = await begun(pool.inspect(document))
            first.cancel()
            second = asyncio.create_task(pool.inspect(document))
            with pytest.raises(asyncio.CancelledError):
                await first
        assert len((await second).pages) == 2


@pytest.mark.usefixtures("page_threads")
async def test_a_document_is_inspected_without_decoding_a_page(document, monkeypatch):
    """Damage to the image data shows when the page is coded."""
    octets = bytearray(document.read_bytes())
    for strip in structure(document)[1][0].strips:
        octets[strip.offset : strip.offset + strip.length] = b"\x01" * strip.length
    document.write_bytes(octets)
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        assert [page.rows for page in inspected.pages] == [100, 200]
        with pytest.raises(DocumentError, match="page 1 cannot be faxed: its image data are damaged"):
            await pool.prepare(inspected, 0, MMR, None)
        assert (await pool.encode_page(inspected, 1, MMR)).octets == encode_page(document, 1, MMR)
        assert pool.jobs == ["inspect", "encode", "encode"]


async def test_as_many_pages_as_are_promised_are_inspected_at_once(document, tmp_path):
    """Here, directories that share their image data."""
    shared = tmp_path / "shared.tif"
    shared.write_bytes(sharing_directories(document.read_bytes(), 2000))
    async with Counted() as pool:
        inspected = await pool.inspect(shared)
        assert inspected.pages == (PageFormat(1728, 100, FINE),) * 2000
        assert pool.jobs == ["inspect"]
        for index in (0, 1999):
            assert (await pool.encode_page(inspected, index, MMR)).octets == encode_page(document, 0, MMR)


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


@pytest.mark.usefixtures("page_threads")
async def test_what_is_known_of_documents_is_bounded(document, monkeypatch):
    monkeypatch.setattr("t38fsp.image.pool._DOCUMENTS_KEPT", 1)
    async with Counted() as pool:
        await pool.inspect(document)
        other = document.with_name("other.tif")
        make_document(other, [(1728, FINE, 10, "text")])
        await pool.inspect(other)
        await pool.inspect(other)
        await pool.inspect(document)
        assert pool.jobs.count("inspect") == 3


# --- coding -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("page_threads")
async def test_a_page_is_coded_once_for_all_calls_that_want_it_so(document):
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        pages = await asyncio.gather(*(pool.encode_page(inspected, 0, MMR) for _ in range(60)))
        pages.append(await pool.encode_page(inspected, 0, replace(MMR, bit_rate=9600)))
        assert pool.jobs.count("encode") == 1
        assert {page.octets for page in pages} == {encode_page(document, 0, MMR)}


@pytest.mark.usefixtures("page_threads")
async def test_fill_depends_on_the_rate(document):
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        for rate in (9600, 4800):
            mode = replace(MH, bit_rate=rate)
            assert (await pool.encode_page(inspected, 0, mode)).octets == encode_page(document, 0, mode)
        assert pool.jobs.count("encode") == 2


@pytest.mark.usefixtures("page_threads")
async def test_a_header_line_is_of_its_call(document):
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        for number in ("1", "2"):
            header = ("", number, "", "")
            page = await pool.encode_page(inspected, 0, MMR, header)
            assert page.octets == encode_page(document, 0, MMR, header)


@pytest.mark.usefixtures("page_threads")
async def test_coded_pages_are_kept_within_bounds(document, monkeypatch):
    monkeypatch.setattr("t38fsp.image.pool._OCTETS_KEPT", 1)
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        for _ in range(2):
            await pool.encode_page(inspected, 0, MMR)
        assert pool.jobs.count("encode") == 2


@pytest.mark.usefixtures("page_threads")
async def test_a_page_is_examined_once_whatever_form_it_is_wanted_in(document, monkeypatch):
    known = []
    run = ImagePool._run

    async def noted(pool, job, request, expected):
        if isinstance(request, Encode):
            known.append((request.number, Facts(request.facts)))
        return await run(pool, job, request, expected)

    monkeypatch.setattr(ImagePool, "_run", noted)
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        for mode in (MMR, MH):
            for index in (0, 1):
                assert (await pool.encode_page(inspected, index, mode)).octets == encode_page(
                    document, index, mode
                )
        again = await pool.inspect(document)
        await pool.encode_page(again, 0, replace(MH, bit_rate=4800))
    assert known == [(1, Facts.NONE), (2, Facts.NONE), (1, Facts.EXACT), (2, Facts.EXACT), (1, Facts.EXACT)]


@pytest.mark.usefixtures("page_threads")
async def test_coded_pages_are_kept_by_their_octets_and_the_last_ones_longest(document, monkeypatch):
    """A document to many: what all its calls hold is one copy of a page."""
    async with Counted() as pool:
        inspected = await pool.inspect(document)
        pages = [await pool.encode_page(inspected, index, MMR) for index in (0, 1)]
        for _ in range(200):
            assert await pool.encode_page(inspected, 0, MMR) is pages[0]
        monkeypatch.setattr("t38fsp.image.pool._OCTETS_KEPT", sum(len(page.octets) for page in pages))
        await pool.encode_page(inspected, 0, replace(MH, bit_rate=2400))  # more than both of them
        kept = sum(len(page.octets) for page in pool._coded.values())
        assert kept == pool._octets <= sum(len(page.octets) for page in pages)
        assert pool.jobs.count("encode") == 3


@pytest.mark.usefixtures("page_threads")
async def test_a_page_of_a_document_that_changed_is_refused(document):
    """Pages before it may be at the far end already."""
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        make_document(document, [(1728, FINE, 110, "lines"), (1728, FINE, 200, "text")])
        with pytest.raises(DocumentError, match="was changed after it was inspected; send it again"):
            await pool.encode_page(inspected, 1, MMR)
        assert (await pool.encode_page(await pool.inspect(document), 1, MMR)).octets == encode_page(
            document, 1, MMR
        )


# --- before dialling ----------------------------------------------------------------------------------------


async def test_a_prepared_page_is_at_hand(document):
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        await pool.prepare(inspected, 0, MMR, None)
        with stopped():
            page = await pool.encode_page(inspected, 0, replace(MMR, bit_rate=9600))
        assert page.octets == encode_page(document, 0, MMR)


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
            assert (await pool.encode_page(inspected, 0, MMR)).octets == encode_page(document, 0, MMR)
            assert not preparing.done()  # there is no worker to spare for this call
        await preparing
        await asyncio.gather(*inspecting)
        assert pool.jobs.count("encode") == 1

"""Worker processes: their jobs, and that whatever happens to one of them, the next job works."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest

from sip.ipc.async_child import log_errors
from sip.ipc.codec import LENGTH_OCTETS
from t38fsp.documents.cover_markup import CoverMarkupError
from t38fsp.image.compare import differing_pages
from t38fsp.image.document import encode_page, inspect, structure
from t38fsp.image.errors import DocumentError, EncryptedError, ImageWorkerError, StoreError
from t38fsp.image.overrun import fault_of, over_limit
from t38fsp.image.pool import ImagePool
from t38fsp.image.process import WorkerProcess, logger
from t38fsp.image.wire import CODEC, Done, Draw, Encode, Inspect, Store
from t38fsp.image.worker import _kind_of
from t38fsp.page_settings import USUAL
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, PageQuality, Resolution
from tests.image.processes import Started, begun, hurried, stopped, worker_pids
from tests.pages import make_document

FINE = Resolution.R8_FINE
MMR = PageMode(Coding.MMR, 1728, FINE, True, 14400)
MH = PageMode(Coding.MH, 1728, FINE, False, 9600, 0.02)


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 100, "text"), (1728, FINE, 200, "lines")], strips=2)
    return path


async def test_all_jobs(document, tmp_path):
    received = tmp_path / "received.tif"
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        assert inspected.pages == tuple(PageFormat(1728, rows, FINE) for rows in (100, 200))
        for index, mode in enumerate((MMR, MH)):
            data = (await pool.encode_page(inspected, index, mode)).octets
            assert data == encode_page(document, index, mode)
            quality = await pool.store_page(received, data, mode)
            assert quality == PageQuality(100 * (index + 1))
        await pool.finish(received, 2)
        assert differing_pages(document, received) == []
    assert worker_pids() == []


async def test_errors_arrive_as_what_they_are(document, tmp_path):
    async with ImagePool() as pool:
        with pytest.raises(DocumentError, match="no such file"):
            await pool.inspect(tmp_path / "missing.tif")
        with pytest.raises(DocumentError, match="no page 8"):
            await pool.encode_page(await pool.inspect(document), 7, MMR)
        with pytest.raises(StoreError, match="no readable line"):
            await pool.store_page(tmp_path / "received.tif", b"", MH)
        assert len((await pool.inspect(document)).pages) == 2


async def test_jobs_wait_for_a_free_worker(document):
    async with ImagePool(workers=2) as pool:
        inspected = await pool.inspect(document)
        modes = [replace(MH, bit_rate=rate) for rate in (2400, 4800, 7200, 9600, 12000, 14400)]
        results = await asyncio.gather(
            *(pool.encode_page(inspected, index, mode) for mode in modes for index in (0, 1))
        )
        assert len(worker_pids()) == 2 + 1
    coded = [page.octets for page in results]
    assert coded == [encode_page(document, index, mode) for mode in modes for index in (0, 1)]


async def test_a_job_over_its_time_is_killed_and_the_next_one_works(document):
    async with Started() as pool:
        inspected = await pool.inspect(document)
        slow = pytest.raises(ImageWorkerError, match=r"\(encode\) took longer than 0\.5 s")
        with hurried(pool, 0.5), stopped() as pids, slow:
            await pool.encode_page(inspected, 0, MMR)
        (left,) = worker_pids()
        assert left in pids
        await pool.start()
        assert len(worker_pids()) == 2
        assert (await pool.encode_page(inspected, 0, MMR)).octets == encode_page(document, 0, MMR)


async def test_a_slow_disk_is_not_blamed_on_the_pages(document, tmp_path):
    """A worker that waits uses no CPU. Of a stored page the far end made the picture, and not the user."""
    async with Started() as pool:
        inspected = await pool.inspect(document)
        with (
            hurried(pool, 0.5),
            stopped(),
            pytest.raises(ImageWorkerError, match="the disk is slow") as error,
        ):
            await pool.encode_page(inspected, 0, MMR)
        assert "simpler" not in str(error.value)
        await pool.start()
        with (
            hurried(pool, 0.5),
            stopped(),
            pytest.raises(ImageWorkerError, match="the disk is slow") as error,
        ):
            await pool.store_page(tmp_path / "received.tif", b"", MMR)
        assert "simpler" not in str(error.value)


DRAW = Draw("letter.pdf", (), 7, Resolution.R8_FINE, MMR, None, USUAL)
INSPECT = Inspect("letter.pdf", USUAL, None)
STORE = Store("received.tif", b"", MMR, None, None, None)


@pytest.mark.parametrize(
    ("request_", "used", "kind"),
    [
        (DRAW, 50.0, DocumentError),
        (DRAW, 11.0, DocumentError),  # on a machine with other work; 12 s would have ended the process
        (DRAW, 1.0, ImageWorkerError),
        (DRAW, None, ImageWorkerError),
        (INSPECT, 50.0, DocumentError),
        (STORE, 50.0, ImageWorkerError),
        (STORE, None, ImageWorkerError),
    ],
)
def test_who_is_at_fault_for_a_job_over_its_limit(request_, used, kind):
    error = over_limit(request_, 60.0, used)
    assert type(error) is kind
    assert "60 s" in str(error)
    assert ("page 7" in str(error)) is (kind is DocumentError and request_ is DRAW)


@pytest.mark.parametrize(
    ("request_", "signal_", "is_last", "limit"),
    [
        (DRAW, signal.SIGPROF, False, "12 s"),
        (DRAW, signal.SIGSEGV, False, "64 MiB"),
        (DRAW, signal.SIGKILL, False, None),
        (DRAW, signal.SIGKILL, True, "64 MiB"),
        (INSPECT, signal.SIGKILL, True, "64 MiB"),
        (STORE, signal.SIGSEGV, True, None),
    ],
)
def test_who_is_at_fault_for_the_end_of_a_process(request_, signal_, is_last, limit):
    fault = fault_of(request_, -signal_, is_last, 64 << 20)
    assert (fault is not None) is (limit is not None)
    assert limit is None or limit in str(fault)
    assert fault is None or request_ is not DRAW or "page 7" in str(fault)


async def killed(pool, job):
    """The result of ``job``, of which the first process is killed when it has begun."""
    await pool.start()
    with stopped() as pids:
        task = await begun(job)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return await task


async def test_a_worker_that_dies_costs_nothing_where_there_is_time(document, tmp_path, no_threads):
    """Whatever it was about, another process does it."""
    received = tmp_path / "received.tif"
    async with Started() as pool:
        inspected = await killed(pool, pool.inspect(document))
        assert len(inspected.pages) == 2
        data = (await killed(pool, pool.encode_page(inspected, 0, MMR))).octets
        assert data == encode_page(document, 0, MMR)
        assert await killed(pool, pool.store_page(received, data, MMR)) == PageQuality(100)
        await killed(pool, pool.finish(received, 1))
    assert len(inspect(received)) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_the_group_ends_no_worker(document, number):
    """Calls that are up may have pages to come."""
    async with ImagePool() as pool:
        pids = worker_pids()
        os.kill(*pids, number)
        assert len((await pool.inspect(document)).pages) == 2
        assert worker_pids() == pids


async def test_a_job_that_kills_two_workers_fails(document, monkeypatch):
    asked = []

    async def ask(self, request, note):
        asked.append(request.job)
        await self.end()
        raise EOFError

    async with ImagePool() as pool:
        with monkeypatch.context() as patched:
            patched.setattr(WorkerProcess, "ask", ask)
            with pytest.raises(ImageWorkerError, match="ended in the middle"):
                await pool.inspect(document)
        assert asked == ["inspect"] * 2
        assert len((await pool.inspect(document)).pages) == 2


def niceness(pid):
    return os.getpriority(os.PRIO_PROCESS, pid)


async def test_pages_of_calls_have_the_priority_of_the_program(document):
    """And documents one below: packets of calls are not to wait for them."""
    async with ImagePool() as pool:
        inspected = await pool.inspect(document)
        (inspecting,) = worker_pids()
        await pool.encode_page(inspected, 0, MMR)
        (coding,) = set(worker_pids()) - {inspecting}
        assert niceness(coding) == niceness(os.getpid())
        assert niceness(inspecting) == min(niceness(coding) + 5, 19)


async def test_a_process_that_cannot_be_started_leaves_its_work_to_the_others(document, monkeypatch):
    """All files are open, say, since the first one was started."""
    async with Started() as pool:
        inspected = await pool.inspect(document)

        async def start(self):
            if not self.running:
                raise ImageWorkerError("no file can be opened")

        monkeypatch.setattr(WorkerProcess, "start", start)
        modes = [replace(MH, bit_rate=rate) for rate in (2400, 4800, 7200, 9600, 12000, 14400)]
        results = await asyncio.gather(*(pool.encode_page(inspected, 0, mode) for mode in modes))
        coded = [page.octets for page in results]
        assert coded == [encode_page(document, 0, mode) for mode in modes]


async def test_a_pool_that_has_no_process_says_why(document, monkeypatch):
    async def start(self):
        raise ImageWorkerError("no file can be opened")

    monkeypatch.setattr(WorkerProcess, "start", start)
    pool = ImagePool()
    for _ in range(5):
        with pytest.raises(ImageWorkerError, match="no file can be opened"):
            await pool.inspect(document)
    await pool.close()


async def test_a_cancelled_job_does_not_answer_the_next_one(document, no_threads):
    async with Started() as pool:
        inspected = await pool.inspect(document)
        with stopped():
            job = await begun(pool.encode_page(inspected, 0, MMR))
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
        assert (await pool.encode_page(inspected, 1, MMR)).octets == encode_page(document, 1, MMR)


async def test_a_job_that_waits_for_a_worker_can_be_cancelled(document, no_threads):
    async with Started(workers=1) as pool:
        inspected = await pool.inspect(document)
        with stopped():
            first = await begun(pool.encode_page(inspected, 0, MMR))
            second = await begun(pool.encode_page(inspected, 1, MMR))
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
        assert (await first).octets == encode_page(document, 0, MMR)
        assert (await pool.encode_page(inspected, 1, MMR)).octets == encode_page(document, 1, MMR)


async def test_closing_ends_the_job_under_way_and_refuses_those_that_wait(document, no_threads):
    pool = Started(workers=1)
    await pool.start()
    inspected = await pool.inspect(document)
    with stopped():
        first = await begun(pool.encode_page(inspected, 0, MMR))
        second = await begun(pool.encode_page(inspected, 1, MMR))
        await pool.close()
    with pytest.raises(ImageWorkerError, match="ended in the middle"):
        await first
    with pytest.raises(ImageWorkerError, match="are closed"):
        await second
    with pytest.raises(ImageWorkerError, match="are closed"):
        await pool.encode_page(inspected, 1, MH)
    assert worker_pids() == []


@pytest.mark.parametrize("turns", [1, 2, 3, 5])
async def test_closing_while_the_workers_start(document, turns):
    pool = ImagePool(2)
    starting = asyncio.create_task(pool.start())
    job = asyncio.create_task(pool.inspect(document))
    for _ in range(turns):
        await asyncio.sleep(0)
    await pool.close()
    with pytest.raises(ImageWorkerError):
        await starting
    with suppress(ImageWorkerError):  # it may have been faster
        await job
    assert worker_pids() == []


async def test_a_worker_may_say_a_lot_in_one_line(caplog):
    """More than a StreamReader takes for a line."""
    caplog.set_level("DEBUG")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; sys.stderr.write('x' * 200_000)", stderr=asyncio.subprocess.PIPE
    )
    await log_errors(process, "worker", logger)
    assert await process.wait() == 0
    assert sum(record.getMessage().count("x") for record in caplog.records) == 200_000


async def test_memory_is_limited(document, tmp_path):
    async with ImagePool(memory=96 * 1024 * 1024) as pool:
        assert len((await pool.inspect(document)).pages) == 2
        with pytest.raises(ImageWorkerError):
            await pool.store_page(tmp_path / "received.tif", bytes(96 * 1024 * 1024), MMR)
        os.utime(document, (1, 1))
        assert len((await pool.inspect(document)).pages) == 2


async def test_jobs_for_one_file_never_meet(document, tmp_path):
    """Up to four pages of a call may be on their way to the disk."""
    received = tmp_path / "received.tif"
    async with ImagePool(workers=4) as pool:
        inspected = await pool.inspect(document)
        data = [(await pool.encode_page(inspected, index, MMR)).octets for index in (0, 1)]
        stored = [pool.store_page(received, data[number % 2], MMR) for number in range(12)]
        *qualities, _ = await asyncio.gather(*stored, pool.finish(received, 12))
    assert [quality.rows for quality in qualities] == [100, 200] * 6
    assert [page.rows for page in inspect(received)] == [100, 200] * 6


def test_a_worker_ends_with_its_parent(document):
    worker = subprocess.Popen(
        [sys.executable, "-m", "t38fsp.image.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(CODEC.encode(Inspect(str(document))))
    worker.stdin.flush()
    length = int.from_bytes(worker.stdout.read(LENGTH_OCTETS), "big")
    assert b"R8_FINE" in worker.stdout.read(length)
    worker.stdin.close()
    assert worker.wait(timeout=60) == 0
    worker.stdout.close()


def test_libtiff_is_not_heard_when_a_page_is_damaged(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 200, "text")])
    burst = encode_page(path, 0, MMR)
    octets = path.read_bytes()
    middle = octets.index(burst) + len(burst) // 2
    path.write_bytes(octets[:middle] + b"\x55\x55" + octets[middle + 2 :])
    identity, (page,) = structure(path)
    request = Encode(str(path), identity, page.number, page.place, (), 0, MMR, None)
    done = subprocess.run(
        [sys.executable, "-m", "t38fsp.image.worker"],
        input=CODEC.encode(request),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert b"damaged or cut short" in done.stdout
    assert done.stderr == b""


def test_a_worker_that_fails_says_why():
    done = subprocess.run(
        [sys.executable, "-m", "t38fsp.image.worker"],
        input=CODEC.encode(Done()),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode != 0
    assert b"WireError: a Done is not a request" in done.stderr


def test_an_error_of_another_room_arrives_as_the_kind_that_the_program_knows():
    assert _kind_of(CoverMarkupError("the template is wrong", 3, ())) is DocumentError
    assert _kind_of(EncryptedError("")) is EncryptedError

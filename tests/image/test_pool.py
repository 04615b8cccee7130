"""Worker processes: their jobs, and that whatever happens to one of them, the next job works."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from t38fsp.image.compare import differing_pages
from t38fsp.image.document import encode_page
from t38fsp.image.errors import DocumentError, ImageWorkerError, StoreError
from t38fsp.image.pool import ImagePool, _log
from t38fsp.image.wire import LENGTHS, pack
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, PageQuality, Resolution
from tests.pages import make_document

FINE = Resolution.R8_FINE
MMR = PageMode(Coding.MMR, 1728, FINE, True, 14400)
MH = PageMode(Coding.MH, 1728, FINE, False, 9600, 0.02)


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 100, "text"), (1728, FINE, 200, "lines")], strips=2)
    return path


def worker_pids() -> list[int]:
    """The worker processes of this process."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"t38fsp.image.worker" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


@contextmanager
def stopped():
    """The one worker does not go on: whatever it is asked hangs."""
    (pid,) = worker_pids()
    os.kill(pid, signal.SIGSTOP)
    yield pid
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


async def begun(job):
    """A task for the job, which has been handed to the worker as far as it goes."""
    task = asyncio.create_task(job)
    for _ in range(10):
        await asyncio.sleep(0)
    return task


async def test_all_jobs(document, tmp_path):
    received = tmp_path / "received.tif"
    async with ImagePool() as pool:
        assert await pool.inspect(document) == [PageFormat(1728, rows, FINE) for rows in (100, 200)]
        for index, mode in enumerate((MMR, MH)):
            data = await pool.encode_page(document, index, mode)
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
            await pool.encode_page(document, 7, MMR)
        with pytest.raises(StoreError, match="no readable line"):
            await pool.store_page(tmp_path / "received.tif", b"", MH)
        assert len(await pool.inspect(document)) == 2


async def test_jobs_wait_for_a_free_worker(document):
    async with ImagePool(workers=2) as pool:
        results = await asyncio.gather(*(pool.encode_page(document, n % 2, MMR) for n in range(12)))
        assert len(worker_pids()) == 2
    assert results == [encode_page(document, n % 2, MMR) for n in range(12)]


async def test_a_job_over_its_time_is_killed_and_the_next_one_works(document):
    async with ImagePool(timeout=0.5) as pool:
        with stopped() as pid, pytest.raises(ImageWorkerError, match=r"\(encode\) took longer than 0\.5 s"):
            await pool.encode_page(document, 0, MMR)
        assert pid not in worker_pids()
        await pool.start()
        assert pid not in worker_pids()
        assert len(worker_pids()) == 1


async def test_a_worker_that_dies_costs_its_own_job_only(document):
    async with ImagePool() as pool:
        with stopped() as pid:
            job = await begun(pool.inspect(document))
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(ImageWorkerError, match="ended in the middle of its job"):
                await job
        assert len(await pool.inspect(document)) == 2


async def test_a_cancelled_job_does_not_answer_the_next_one(document):
    async with ImagePool() as pool:
        with stopped():
            job = await begun(pool.encode_page(document, 0, MMR))
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
        assert [page.rows for page in await pool.inspect(document)] == [100, 200]


async def test_a_job_that_waits_for_a_worker_can_be_cancelled(document):
    async with ImagePool() as pool:
        with stopped():
            first, second = await begun(pool.inspect(document)), await begun(pool.inspect(document))
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
        assert len(await first) == 2
        assert len(await pool.inspect(document)) == 2


async def test_closing_ends_the_job_under_way_and_refuses_those_that_wait(document):
    pool = ImagePool()
    await pool.start()
    with stopped():
        first, second = await begun(pool.inspect(document)), await begun(pool.inspect(document))
        await pool.close()
    with pytest.raises(ImageWorkerError, match="ended in the middle"):
        await first
    with pytest.raises(ImageWorkerError, match="are closed"):
        await second
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
    await _log(process)
    assert await process.wait() == 0
    assert sum(record.getMessage().count("x") for record in caplog.records) == 200_000


async def test_memory_is_limited(document, tmp_path):
    async with ImagePool(memory=256 * 1024 * 1024) as pool:
        assert len(await pool.inspect(document)) == 2
        with pytest.raises(ImageWorkerError):
            await pool.store_page(tmp_path / "received.tif", bytes(256 * 1024 * 1024), MMR)
        assert len(await pool.inspect(document)) == 2


def test_a_worker_ends_with_its_parent(document):
    worker = subprocess.Popen(
        [sys.executable, "-m", "t38fsp.image.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(pack({"job": "inspect", "path": str(document)}))
    worker.stdin.flush()
    header, data = LENGTHS.unpack(worker.stdout.read(LENGTHS.size))
    assert b"R8_FINE" in worker.stdout.read(header + data)
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
    done = subprocess.run(
        [sys.executable, "-m", "t38fsp.image.worker"],
        input=pack({"job": "inspect", "path": str(path)}),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert b"damaged or cut short" in done.stdout
    assert done.stderr == b""


def test_a_worker_that_fails_says_why():
    done = subprocess.run(
        [sys.executable, "-m", "t38fsp.image.worker"],
        input=pack({}),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode != 0
    assert b"KeyError" in done.stderr

"""A worker process at its start: it shows that it can work, and knows nothing that it need not."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from t38fsp.image.errors import ImageWorkerError
from t38fsp.image.pool import ImagePool
from t38fsp.t30.vocabulary import Resolution
from tests.image.processes import worker_pids
from tests.pages import make_document


async def test_a_worker_that_cannot_work_says_so_at_the_start():
    pool = ImagePool(memory=16 * 1024 * 1024)
    with pytest.raises(ImageWorkerError, match=r"cannot start \(.+\); check the limits"):
        await pool.start()
    await pool.close()
    assert worker_pids() == []


async def test_too_little_memory_for_a_page():
    """The interpreter starts, but the first page would be too much."""
    pool = ImagePool(memory=38 * 1024 * 1024)
    with pytest.raises(ImageWorkerError, match="too little memory for an ordinary page"):
        await pool.start()
    await pool.close()


async def test_a_limit_of_the_system_below_ours_does_no_harm(tmp_path):
    """``ulimit -v``: our own limit cannot be set any more, but what is left is enough."""
    make_document(tmp_path / "document.tif", [(1728, Resolution.R8_FINE, 2200, "text")])
    said = await in_another_process(
        """
import asyncio, resource, sys
from t38fsp.image.pool import ImagePool
async def main():
    async with ImagePool() as pool:
        print(len((await pool.inspect(sys.argv[1])).pages))
resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
asyncio.run(main())
""",
        tmp_path / "document.tif",
    )
    assert said == "1"


async def test_too_few_open_files():
    said = await in_another_process("""
import asyncio, resource
from t38fsp.image.errors import ImageWorkerError
from t38fsp.image.pool import ImagePool
async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))
    try:
        await ImagePool().start()
    except ImageWorkerError as error:
        print(error)
asyncio.run(main())
""")
    assert "an image worker cannot start" in said
    assert "open files" in said


async def in_another_process(script, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode().strip()


@pytest.mark.parametrize("name", ["T38FSP_PASSWORD", "AWS_SECRET_ACCESS_KEY"])
async def test_a_worker_inherits_no_secret(monkeypatch, name):
    monkeypatch.setenv(name, "secret")
    async with ImagePool():
        assert "secret" not in environment_of(*worker_pids())


def environment_of(pid):
    return Path(f"/proc/{pid}/environ").read_text()

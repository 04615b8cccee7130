"""The worker processes of a pool under test: found, stopped, killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from t38fsp.image.pool import ImagePool, ReplyT
from t38fsp.image.schedule import Job
from t38fsp.image.wire import Request

T = TypeVar("T")


class Started(ImagePool):
    """Has a process of each kind from the start: one for calls, and one that inspects."""

    async def start(self) -> None:
        await super().start()
        await self._workers._for_calls[0].start()


class Counted(ImagePool):
    """Notes the jobs that go to the workers."""

    def __init__(self, workers: int | None = None) -> None:
        super().__init__(workers)
        self.jobs: list[str] = []

    async def _run(self, job: Job, request: Request, expected: type[ReplyT]) -> ReplyT:
        self.jobs.append(request.job)
        return await super()._run(job, request, expected)


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
def stopped() -> Iterator[list[int]]:
    """The workers that there are do not go on: whatever they are asked hangs."""
    pids = worker_pids()
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def hurried(pool: ImagePool, seconds: float) -> Iterator[None]:
    """Jobs that begin here may take so long; others have as long as ever."""
    timeout, pool._timeout = pool._timeout, seconds
    yield
    pool._timeout = timeout


async def begun(job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task for the job, which has been handed to the worker as far as it goes (with ``no_threads``)."""
    task = asyncio.create_task(job)
    for _ in range(10):
        await asyncio.sleep(0)
    return task

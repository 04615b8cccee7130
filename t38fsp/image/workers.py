"""The worker processes and their queue, on asyncio: one job per process at a time, each with limits in time
and memory.

Processes are started by ``exec``, not forked, so the caller's loop, threads and locks do no harm; and they
can be killed when they exceed their time, which threads and executors cannot.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from sip.ipc.system import usable_cores
from sip.logs import get_logger
from t38fsp.image.errors import (
    DocumentChangedError,
    DocumentError,
    EncryptedError,
    ImageError,
    ImageWorkerError,
    StoreError,
)
from t38fsp.image.overrun import fault_of, over_limit
from t38fsp.image.process import PATIENCE, WorkerProcess, closed
from t38fsp.image.schedule import Job, Schedule
from t38fsp.image.wire import Done, Grows, Refused, Reply, Request, Store

logger = get_logger(__name__)

_ERRORS: dict[str, type[ImageError]] = {
    kind.__name__: kind for kind in (DocumentChangedError, DocumentError, EncryptedError, StoreError)
}

_TRIES = 2
"""Attempts at a job: a process that dies was mostly killed from outside, or briefly lacked memory."""

_REST = 30.0
"""Seconds until the next attempt to start a process that could not start while others work."""


_NICENESS = 5
"""Niceness of processes for the work before dialling, which may wait, unlike packets and pages of calls."""


def usual_number() -> int:
    """Default number of processes for calls: one for each usable core, at least two, as one may wait for a
    disk."""
    return max(2, usable_cores())


class Workers:
    """``number`` processes for calls, and half as many, at least two, for the work before dialling, so that
    one document with slow pages does not delay the others.

    A job that exceeds its time limit fails with :class:`ImageWorkerError`, and so does one whose process dies
    twice; the next job gets a fresh process. Cancelling a job also ends its process.
    """

    def __init__(self, number: int, memory: int) -> None:
        number = max(number, 1)
        spare = max(number // 2, 2)
        self._memory = memory
        self._schedule = Schedule(number, spare)
        self._for_calls = [WorkerProcess(memory) for _ in range(number)]
        self._to_inspect = [WorkerProcess(memory, _NICENESS) for _ in range(spare)]
        self._workers = [*self._for_calls, *self._to_inspect]
        self._idle = list(self._workers)
        self._returned = asyncio.Event()
        """Set when a worker returns to ``_idle``."""
        self._pending: dict[Job, tuple[Request | None, float, asyncio.Future[Reply]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> None:
        """Start one process; the others start when there is work for them. Raises ImageWorkerError."""
        await self._to_inspect[0].start()

    async def close(self) -> None:
        """End the processes. Jobs in progress have a second to end; they then fail, and queued ones at once,
        with ImageWorkerError."""
        self._closed = True
        for job, (_, _, future) in list(self._pending.items()):
            # Those in progress end with their processes, below.
            if self._schedule.drop(job) and not future.done():
                future.set_exception(closed())
        await asyncio.gather(*(worker.close() for worker in self._workers))
        if self._tasks:
            await asyncio.wait(self._tasks)
        logger.debug("a page of a call waited %.2f s for a worker, at most", self.longest_wait)

    @property
    def longest_wait(self) -> float:
        """Longest time that a job of a call has waited for a worker, seconds."""
        return self._schedule.longest_wait

    @property
    def wait(self) -> float:
        """Longest time that a queued job of a call has waited so far, seconds."""
        return self._schedule.wait(asyncio.get_running_loop().time())

    def hasten(self, job: Job, due: float) -> None:
        """A far end waits for this job from now on, until ``due``."""
        self._schedule.hasten(job, due)
        self._dispatch()

    async def turn(self, job: Job) -> None:
        """Wait until a spare worker is free, without using it."""
        await self._queued(job, None, 0.0)

    async def run(self, job: Job, request: Request, *, limit: float) -> Reply:
        """Have ``request`` done in its turn, within ``limit`` seconds once begun. Raises ImageError."""
        reply = await self._queued(job, request, limit)
        if isinstance(reply, Refused):
            raise _ERRORS.get(reply.error, ImageError)(reply.message)
        return reply

    async def _queued(self, job: Job, request: Request | None, limit: float) -> Reply:
        if self._closed:
            raise closed()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        self._pending[job] = request, limit, future
        self._schedule.add(job, loop.time())
        self._dispatch()
        try:
            return await future
        finally:
            # Also when the caller was cancelled; a job in progress ends itself (_cancel_with).
            if self._schedule.drop(job):
                self._dispatch()
            self._pending.pop(job, None)

    def _dispatch(self) -> None:
        """Give queued jobs to free workers."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        while (job := self._schedule.take(loop.time())) is not None:
            request, limit, future = self._pending[job]
            if request is None:
                self._schedule.done(job)
                if not future.done():
                    future.set_result(Done())
                continue
            task = loop.create_task(self._perform(job, request, limit, future))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            future.add_done_callback(partial(_cancel_with, task))

    async def _perform(self, job: Job, request: Request, limit: float, future: asyncio.Future[Reply]) -> None:
        worker: WorkerProcess | None = None
        try:
            worker = await self._worker(self._to_inspect if job.due is None else self._for_calls)
            reply = await self._on(worker, request, limit)
        except asyncio.CancelledError:
            future.cancel()
            raise
        except Exception as error:
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(reply)
        finally:
            if worker is not None:
                self._give_back(worker)
            self._schedule.done(job)
            self._dispatch()

    async def _worker(self, team: list[WorkerProcess]) -> WorkerProcess:
        """An idle worker of ``team``, preferably one that runs. Raises ImageWorkerError if none can start."""
        while True:
            while not (idle := [worker for worker in team if worker in self._idle]):
                self._returned.clear()
                await self._returned.wait()
            # One that runs: to start a process takes a quarter of a second of a core.
            worker = next((worker for worker in idle if worker.running), idle[0])
            self._idle.remove(worker)
            try:
                await worker.start()
            except ImageWorkerError as error:
                if self._closed or not any(other.running for other in team):
                    self._give_back(worker)
                    raise
                logger.warning("%s; the other workers do its work", error)
                # Not given back now: it would be chosen again, and fail again, for each job.
                asyncio.get_running_loop().call_later(_REST, self._give_back, worker)
            except BaseException:
                self._give_back(worker)
                raise
            else:
                return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        self._idle.append(worker)
        self._returned.set()

    async def _on(self, worker: WorkerProcess, request: Request, limit: float) -> Reply:
        def note(grows: Grows) -> None:
            nonlocal request
            if isinstance(request, Store):
                request = replace(request, since=grows.since)

        for attempt in range(1, _TRIES + 1):
            before = worker.cpu_seconds()
            try:
                async with asyncio.timeout(limit):
                    return await worker.ask(request, note)
            except TimeoutError:
                used = _difference(before, worker.cpu_seconds())
                await worker.end()
                raise over_limit(request, limit, used) from None
            except (OSError, EOFError) as error:
                status = await worker.end(PATIENCE)
                fault = fault_of(request, status, attempt == _TRIES, self._memory)
                if fault is not None and not self._closed:
                    raise fault from error
                if attempt == _TRIES or self._closed:
                    raise ImageWorkerError(
                        f"the image worker ended in the middle of its job ({request.job}); try again"
                    ) from error
                logger.warning("an image worker ended in the middle of its job (%s)", request.job)
            except ImageWorkerError:
                raise
            except BaseException:
                # Mostly a cancellation. A late reply would be taken for that of the next job.
                await worker.end()
                raise
        raise AssertionError("the last attempt returns or raises")


def _cancel_with(task: asyncio.Task[None], future: asyncio.Future[Reply]) -> None:
    """Cancel the task if the caller that waits for it was cancelled."""
    if future.cancelled():
        task.cancel()


def _difference(before: float | None, after: float | None) -> float | None:
    if after is None:
        return None
    return after - (before or 0.0)

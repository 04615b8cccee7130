"""Image workers that are threads of the test's process, for tests of engines that are about something else.

A process takes a tenth of a second of processor time to start, and a fax needs two to four of them, whose
jobs take a few milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from t38fsp.image.errors import ImageError
from t38fsp.image.process import WorkerProcess, closed
from t38fsp.image.wire import Grows, Refused, Reply, Request
from t38fsp.image.worker import perform


class WorkerThread(WorkerProcess):
    """Does its jobs one at a time, as a process does, on a thread of the loop's executor."""

    def __init__(self, memory: int, niceness: int = 0) -> None:
        self._runs = False
        self._closed = False

    @property
    def running(self) -> bool:
        return self._runs

    async def start(self) -> None:
        if self._closed:
            raise closed()
        self._runs = True

    async def ask(self, request: Request, note: Callable[[Grows], None]) -> Reply:
        await self.start()
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.to_thread(
                perform, request, lambda grows: loop.call_soon_threadsafe(note, grows)
            )
        except ImageError as error:
            return Refused(type(error).__name__, str(error))

    def cpu_seconds(self) -> float | None:
        return None

    async def close(self) -> None:
        self._closed = True
        await self.end()

    async def end(self, patience: float = 0.0) -> None:
        self._runs = False

"""The far end in C (``c/far_end.c``): libspandsp's terminals in real time behind SIP, or a sink."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness.build import program
from tests.benchmarks.harness.processes import Child, Pinned, Usage, child, followed

_START = 30.0
_ANSWER = 120.0
"""Seconds for an answer of a process that may share its core with a busy neighbour."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Since ``begin``: seconds, CPU seconds, datagrams; for a sink how late those of pages were."""

    seconds: float
    cpu: float
    received: int
    sent: int
    missing: int
    disorder: int
    half: float
    p99: float
    latest: float
    in_page: int


@dataclass(frozen=True, slots=True)
class FarFax:
    """``code`` is the library's, 0 for good; ``last_v21`` by the monotonic clock."""

    number: int
    code: int
    last_v21: float


class FarEnd:
    def __init__(self, process: Child, port: int) -> None:
        self.process = process
        self.to = f"sip:far@127.0.0.1:{port}"
        self.over: list[FarFax] = []
        self._answers: asyncio.Queue[list[str]] = asyncio.Queue()
        self._news = asyncio.Event()

    def usage(self) -> Usage:
        return self.process.usage()

    @property
    def good(self) -> list[FarFax]:
        return [fax for fax in self.over if fax.code == 0]

    async def count(self) -> tuple[int, int]:
        """Calls that are up, and those of them in a page (sink only)."""
        up, in_page = await self._ask("count")
        return int(up), int(in_page)

    def begin(self) -> None:
        self.process.tell("begin")

    async def figures(self) -> Figures:
        said = await self._ask("end")
        received, sent, missing, disorder = (int(each) for each in said[2:6])
        seconds, cpu, half, p99, latest = (float(each) for each in (*said[:2], *said[6:9]))
        return Figures(seconds, cpu, received, sent, missing, disorder, half, p99, latest, int(said[9]))

    async def all_over(self, count: int, limit: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while len(self.over) < count:
                    self._news.clear()
                    await self._news.wait()
        return len(self.over) >= count

    async def follow(self) -> None:
        while (line := await self.process.line()) is not None:
            word, *rest = line.split()
            if word == "fax":
                self.over.append(FarFax(int(rest[0]), int(rest[1]), float(rest[2])))
                self._news.set()
            else:
                self._answers.put_nowait(rest)

    async def _ask(self, command: str) -> list[str]:
        self.process.tell(command)
        async with asyncio.timeout(_ANSWER):
            return await self._answers.get()


@asynccontextmanager
async def far_end(*arguments: str | Path | int | float, cores: Pinned = None) -> AsyncIterator[FarEnd]:
    """``answer FOLDER``, ``sink FOLDER``, or ``call PORT COUNT RATE DOCUMENT``, until this is left."""
    words = map(str, arguments)
    async with child(program("far_end"), *words, cores=cores, name="the far end in C") as process:
        (port,) = await process.expect("port", _START)
        running = FarEnd(process, int(port))
        async with followed(running.follow):
            yield running

"""An end of ours in its own process (:mod:`.party`), as the measures see it."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.harness.processes import Child, Pinned, Usage, child, followed, python

_START = 60.0
_END = 60.0
_LATE = re.compile(r"99 of 100 left at most ([\d.]+) ms late, all at most ([\d.]+)")
_WAITED = re.compile(r"a page of a call waited ([\d.]+) s for a worker")


@dataclass(frozen=True, slots=True)
class Over:
    """A fax that is over; ``waited`` are the seconds from the request to the result."""

    number: int
    completed: bool
    status: str
    reason: str
    sip_status: int | None
    pages: int
    seconds: float
    waited: float
    document: str | None
    line: float


class Ours:
    """Follow it with :meth:`until`; the figures of its log are there once it has ended."""

    def __init__(self, process: Child, port: int, log: Path) -> None:
        self.process = process
        self.to = f"sip:fax@127.0.0.1:{port}"
        self.port = port
        self._log = log
        self._connected: set[int] = set()
        self.over: list[Over] = []
        self._news = asyncio.Event()
        self._gone = False

    @property
    def up(self) -> int:
        """Calls that are up."""
        return len(self._connected - {fax.number for fax in self.over})

    @property
    def completed(self) -> list[Over]:
        return [fax for fax in self.over if fax.completed]

    def usage(self) -> Usage:
        return self.process.usage()

    def send(
        self, documents: Sequence[Path], to: str, count: int, *, rate: float = 0.0, **settings: object
    ) -> None:
        what = {
            "documents": [str(path) for path in documents],
            "to": to,
            "count": count,
            "rate": rate,
            "settings": settings,
        }
        self.process.tell(f"send {json.dumps(what)}")

    def abort(self) -> None:
        self.process.tell("abort {}")

    async def until(self, reached: Callable[[Ours], bool], limit: float) -> bool:
        """Wait for news until this holds; False when it does not after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while not reached(self) and not self._gone:
                    self._news.clear()
                    await self._news.wait()
        return reached(self)

    async def all_over(self, count: int, limit: float) -> bool:
        return await self.until(lambda ours: len(ours.over) >= count, limit)

    async def follow(self) -> None:
        while (line := await self.process.line()) is not None:
            word, _, rest = line.partition(" ")
            said: Any = json.loads(rest)
            if word == "connected":
                self._connected.add(said)
            elif word == "over":
                self.over.append(Over(**said))
            self._news.set()
        self._gone = True
        self._news.set()

    def failures(self) -> list[str]:
        """Why faxes failed, the commonest first."""
        reasons = Counter(f"{fax.status}: {fax.reason}" for fax in self.over if not fax.completed)
        return [f"{number} × {reason}" for reason, number in reasons.most_common(4)]

    @property
    def late(self) -> tuple[float, float] | None:
        """Seconds that 99 of 100 packets left late at most, and the latest one, as the engine itself says."""
        found = _LATE.findall(self._log.read_text("utf-8", "replace"))
        if not found:
            return None
        return max(float(p99) for p99, _ in found) / 1000, max(float(most) for _, most in found) / 1000

    @property
    def page_wait(self) -> float | None:
        """Seconds that a page of a call waited for an image worker, at most."""
        found = _WAITED.findall(self._log.read_text("utf-8", "replace"))
        return max(map(float, found)) if found else None


def _log_in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "log.txt"


@asynccontextmanager
async def ours(
    folder: Path,
    *,
    accept: bool = False,
    cores: Pinned = None,
    settings: object = None,
    max_calls: int | None = None,
) -> AsyncIterator[Ours]:
    """A process of ours that is up; with ``accept`` it takes calls, into ``folder``.

    ``max_calls`` None is the default of the product."""
    log = _log_in(folder)
    engine = {} if max_calls is None else {"max_calls": max_calls}
    given = {"accept": accept, "folder": str(folder), "settings": settings or {}, "engine": engine}
    command = python("-m", "tests.benchmarks.harness.party", json.dumps(given))
    async with child(*command, cores=cores, log=log, name="our end", grace=_END) as process:
        try:
            (port,) = await process.expect("port", _START)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {log.read_text('utf-8', 'replace')[-2000:]}") from None
        running = Ours(process, int(port), log)
        async with followed(running.follow):
            yield running

"""Processes of a measure: started, pinned, watched from outside through /proc, and ended whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(1000000))"
_GOODBYE = 20.0
"""Seconds that a process gets to end once its input has ended."""

Pinned = frozenset[int] | None
"""Cores that a process may use; None for all."""


@asynccontextmanager
async def followed(follow: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """``follow`` reads what a process says, until this is left."""
    follower = asyncio.create_task(follow())
    try:
        yield
    finally:
        follower.cancel()
        with suppress(asyncio.CancelledError):
            await follower


def two_cores() -> tuple[Pinned, Pinned]:
    """One core each for two that are not to disturb each other; no choice where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None, None
    return frozenset(cores[:1]), frozenset(cores[1:2])


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and those that it started have used."""

    engine: float = 0.0
    """CPU seconds of the process and of all that is no image worker."""
    workers: float = 0.0
    """CPU seconds of the image workers."""
    resident: int = 0
    """Octets, all processes together."""
    descriptors: int = 0
    processes: int = 0

    @property
    def cpu(self) -> float:
        return self.engine + self.workers

    def __sub__(self, before: Usage) -> Usage:
        """The CPU since then; the rest is as it is now."""
        return Usage(
            self.engine - before.engine,
            self.workers - before.workers,
            self.resident,
            self.descriptors,
            self.processes,
        )


def usage_of(pid: int) -> Usage:
    """Of the process and all its descendants, those that have ended included."""
    children: dict[int, list[int]] = {}
    stats: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                stats[int(entry.name)] = fields
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    engine = workers = 0.0
    resident = descriptors = processes = 0
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        waiting += children.get(each, [])
        if each not in stats:
            continue
        with suppress(OSError):
            command = Path(f"/proc/{each}/cmdline").read_bytes()
            ticks = [int(field) for field in stats[each][11:15]]
            # A worker that has ended is counted with its parent.
            own, ended = sum(ticks[:2]) / _TICK, sum(ticks[2:]) / _TICK
            if b"t38fsp.image" in command:
                workers += own + ended
            else:
                engine += own
                workers += ended
            resident += int(stats[each][21]) * _PAGE
            descriptors += len(os.listdir(f"/proc/{each}/fd"))
            processes += 1
    return Usage(engine, workers, resident, descriptors, processes)


class Child:
    """A process that says lines and is told lines. Its standard error is ours unless ``log`` takes it."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name

    @property
    def pid(self) -> int:
        return self._process.pid

    def usage(self) -> Usage:
        return usage_of(self.pid)

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def line(self) -> str | None:
        """The next line, without its end; None when the process says no more."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return line.decode().rstrip("\n") if line else None

    async def expect(self, word: str, limit: float) -> list[str]:
        """The rest of the next line, which has to begin with ``word``. Raises RuntimeError."""
        try:
            async with asyncio.timeout(limit):
                line = await self.line()
        except TimeoutError:
            raise RuntimeError(f"{self._name} did not say {word!r} within {limit:.0f} s") from None
        said = (line or "").split()
        if said[:1] != [word]:
            raise RuntimeError(f"{self._name} said {line!r} where {word!r} was expected")
        return said[1:]

    async def wait(self) -> None:
        """Until it has ended by itself; what it says is dropped."""
        while await self.line() is not None:
            pass
        await self._process.wait()

    async def end(self, limit: float = _GOODBYE) -> None:
        """End its input, and wait; kill it and its descendants when it goes on."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        if self._process.returncode is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self.wait()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def child(
    *command: str | Path,
    cores: Pinned = None,
    log: Path | None = None,
    name: str = "",
    grace: float = _GOODBYE,
) -> AsyncIterator[Child]:
    """A program, in a process group of its own, so that nothing of it is left when this is left."""
    with (log or Path(os.devnull)).open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors if log else None,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            limit=1 << 20,
        )
    if cores is not None:
        os.sched_setaffinity(process.pid, cores)
    running = Child(process, name or Path(command[0]).name)
    try:
        yield running
    except BaseException:
        grace = 0.0
        raise
    finally:
        await asyncio.shield(running.end(grace))


def python(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, *arguments]


def neighbour(cores: Pinned) -> AbstractAsyncContextManager[Child]:
    """A process beside that keeps its core busy, for as long as we live."""
    return child(*python("-c", _BUSY), cores=cores, name="the neighbour", grace=0.0)


async def output_of(*command: str | Path, limit: float, cores: Pinned = None) -> list[str]:
    """The words that a program prints; raises RuntimeError when it fails."""
    async with child(*command, cores=cores, grace=limit) as running:
        said: list[str] = []
        async with asyncio.timeout(limit):
            while (line := await running.line()) is not None:
                said += line.split()
    if not said:
        raise RuntimeError(f"{Path(command[0]).name} failed")
    return said


def together(usages: Sequence[Usage]) -> Usage:
    return Usage(
        sum(each.engine for each in usages),
        sum(each.workers for each in usages),
        sum(each.resident for each in usages),
        sum(each.descriptors for each in usages),
        sum(each.processes for each in usages),
    )

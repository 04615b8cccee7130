"""Many calls at once with SIPp, in one process: how fast they are set up, and what each costs.

    python -m tests.benchmarks.signalling [CALLS [RATE]]

Our line calls SIPp, and then SIPp calls our line: CALLS calls, RATE new ones in a second, all up at the same
time; then our line hangs them up at the same rate. That three times, in one process for each side. There is
no media. CPU is that of this process from the first INVITE to the last answer to a BYE. Memory is what the
process holds (RSS) more than before the first round, with all calls up, and when the last transaction is
forgotten. What Python itself holds (tracemalloc; objects of the garbage collector) is measured apart, because
that is slow.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sip.line import Answered, Failed, Incoming, LineEvent
from sip.line_settings import Limits
from sip.transport.agent_on_network import AgentLine
from sip.values import Hop, Transport
from tests.peers.sipp import running_sipp
from tests.sip.link import AUDIO, call_request, mirror
from tests.sip.play import HOST, LINGER
from tests.sip.test_sipp import SCENARIOS

LIMIT = 60.0
"""Seconds after which a run is stuck."""
SIPP_LIMIT = 4 * LIMIT
"""Seconds after which SIPp ends by itself, even if nobody is left to end it."""
WARM_UP = 50
"""Calls before anything is measured."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What this process holds."""

    resident: int
    """Octets."""
    traced: int
    """Octets of Python's; 0 unless tracemalloc runs."""
    objects: int
    """Those that the garbage collector knows."""

    @classmethod
    def now(cls) -> Memory:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE"), tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        )

    def __sub__(self, other: Memory) -> Memory:
        return Memory(
            self.resident - other.resident, self.traced - other.traced, self.objects - other.objects
        )


@dataclass(frozen=True, slots=True)
class Load:
    """What so many calls at once came to."""

    calls: int
    failures: int
    most: int
    """Calls that were up at the same time."""
    seconds: float
    """From the first INVITE until the last call was up."""
    cpu: float
    """Seconds for all calls, from INVITE to BYE."""
    held: Memory
    """More than before, with all calls up."""
    kept: Memory
    """More than before, when all is over."""

    @property
    def rate(self) -> float:
        """Calls set up per second."""
        return self.calls / self.seconds


class Caller:
    """Our line, which takes every call, and counts."""

    def __init__(self, calls: int) -> None:
        self.line = AgentLine(
            self._on_event,
            user_agent="load",
            listen=[Hop(HOST, 0, Transport.UDP)],
            limits=Limits(calls=calls),
        )
        self.up: list[int] = []
        self.failed = 0
        self._news = asyncio.Event()

    def _on_event(self, event: LineEvent) -> None:
        if isinstance(event, Incoming):
            self.line.accept(event.call, [AUDIO], HOST, mirror, asyncio.get_running_loop().time())
        elif isinstance(event, Answered):
            self.up.append(event.call)
        elif isinstance(event, Failed):
            self.failed += 1
        self._news.set()

    async def settled(self, count: int) -> None:
        """Wait until so many calls are up or have failed."""
        async with asyncio.timeout(LIMIT):
            while len(self.up) + self.failed < count:
                self._news.clear()
                await self._news.wait()

    async def ended(self) -> None:
        """Wait until all are over."""
        async with asyncio.timeout(LIMIT):
            while self.line.agent.calls:
                self._news.clear()
                await self._news.wait()


async def load(calls: int, rate: float, directory: Path, *, placed: bool, rounds: int = 1) -> list[Load]:
    """Have so many calls at once, ``placed`` by us or by SIPp, again and again."""
    _end_with_our_parent()
    ours = Caller(calls)
    await ours.line.start()
    await _calls(ours, min(WARM_UP, calls), rate, directory, placed)
    _forget(ours)
    before = Memory.now()
    results = []
    for _ in range(rounds):
        cpu = time.process_time()
        seconds, most, held = await _calls(ours, calls, rate, directory, placed)
        cpu = time.process_time() - cpu
        _forget(ours)
        kept = Memory.now() - before
        results.append(Load(calls, ours.failed, most, seconds, cpu, held - before, kept))
    await ours.line.close()
    return results


def _end_with_our_parent() -> None:
    """Cancel the task that runs, and so end SIPp, too, when the process that began us is gone."""
    parent, task, loop = multiprocessing.parent_process(), asyncio.current_task(), asyncio.get_running_loop()

    def gone() -> None:
        if parent is not None and task is not None:
            loop.remove_reader(parent.sentinel)
            task.cancel()

    if parent is not None:
        loop.add_reader(parent.sentinel, gone)


async def _calls(
    ours: Caller, calls: int, rate: float, directory: Path, placed: bool
) -> tuple[float, int, Memory]:
    """Seconds until all were up, how many were, and what was held then."""
    loop = asyncio.get_running_loop()
    ours.up.clear()
    ours.failed = 0
    arguments = ["-m", str(calls), "-l", str(calls), "-timeout", f"{SIPP_LIMIT:g}s"]
    if not placed:
        arguments += ["-r", f"{rate:g}", f"{HOST}:{ours.line.address[1]}"]
    scenario = SCENARIOS / ("answers.xml" if placed else "calls.xml")
    async with running_sipp(scenario, *arguments, directory=directory) as (process, address):
        hop = Hop(*address)
        began = loop.time()
        if placed:
            target = f"sip:fax@{hop.host}:{hop.port}"
            request = call_request(target=target, destination=[hop], media_address=HOST)
            for number in range(calls):
                await asyncio.sleep(began + number / rate - loop.time())
                ours.line.place(request, loop.time())
        await ours.settled(calls)
        seconds = loop.time() - began
        most, held = ours.line.agent.dialogs, Memory.now()
        began = loop.time()
        for number, call in enumerate(list(ours.up)):
            await asyncio.sleep(began + number / rate - loop.time())
            ours.line.hang_up(call, loop.time())
        await ours.ended()
        async with asyncio.timeout(LIMIT):
            status = await process.wait()
        ours.failed += status != 0
    return seconds, most, held


def _forget(ours: Caller) -> None:
    """Let the time pass in which transactions wait for copies."""
    agent = ours.line.agent
    agent.handle_deadline(asyncio.get_running_loop().time() + LINGER)
    assert agent.take_datagrams() == []
    assert agent.idle


def measure(calls: int, rate: float, placed: bool, rounds: int, traced: bool) -> list[Load]:
    if traced:
        tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(load(calls, rate, Path(folder), placed=placed, rounds=rounds))


def measure_apart(calls: int, rate: float, *, placed: bool, rounds: int, traced: bool) -> list[Load]:
    """In a process that has done nothing else."""
    spawn = multiprocessing.get_context("spawn")
    results, theirs = spawn.Pipe(duplex=False)
    worker = spawn.Process(target=_report, args=(theirs, calls, rate, placed, rounds, traced), daemon=True)
    worker.start()
    theirs.close()
    try:
        loads: list[Load] = results.recv()
    except EOFError:
        raise RuntimeError("the process that measures has failed; see what it wrote") from None
    finally:
        worker.join()
    return loads


def _report(results: Connection, calls: int, rate: float, placed: bool, rounds: int, traced: bool) -> None:
    results.send(measure(calls, rate, placed, rounds, traced))


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 100.0
    print(
        "| | round | calls at once | failed | set up per s | CPU, ms per call "
        "| RSS, KiB per call with all up | RSS afterwards, KiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    traces = []
    for placed, name in ((True, "we call"), (False, "SIPp calls")):
        for number, each in enumerate(measure_apart(calls, rate, placed=placed, rounds=3, traced=False), 1):
            print(
                f"| {name} | {number} | {each.most} | {each.failures} | {each.rate:.0f} "
                f"| {1000 * each.cpu / calls:.2f} | {each.held.resident / 1024 / calls:.1f} "
                f"| {each.kept.resident / 1024:.0f} |"
            )
        (each,) = measure_apart(calls, rate, placed=placed, rounds=1, traced=True)
        traces.append(
            f"{name}: {each.held.traced / 1024 / calls:.1f} KiB of Python's per call with all up; "
            f"{each.kept.traced / 1024:.1f} KiB and {each.kept.objects} objects in all afterwards"
        )
    print(*traces, sep="\n")


if __name__ == "__main__":
    main()

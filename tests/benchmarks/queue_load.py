"""A program that sends many faxes through the queue with a caller that only waits, and says what it saw.

    python -m tests.benchmarks.queue_load URL FAXES NUMBERS CHANNELS SECONDS

Two routes with CHANNELS each; calls last SECONDS, a tenth more or less by chance. Prints names and figures.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from statistics import mean

from sip.values import DialogId
from t38fsp.events import Connected, Finished, PageDone, PageStarted
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, PageRecord
from t38fsp.service import jobs
from t38fsp.service.caller import CallOrder, OnConnected, OnEvent
from t38fsp.service.database import Database
from t38fsp.service.service import FaxService
from t38fsp.service.submission import Submission
from t38fsp.service.values import FaxState, Receiver

PAGES = 2


class Waits:
    """Calls that take their time, and nothing else."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._chance = random.Random(1)
        self.up: dict[str, str] = {}
        """Number by fax."""
        self.doubled = 0
        self.begun: list[str] = []

    async def call(self, order: CallOrder, on_event: OnEvent, on_connected: OnConnected) -> FaxResult:
        self.doubled += order.fax.number in self.up.values()
        self.up[order.fax.id] = order.fax.number
        self.begun.append(order.fax.id)
        dialog = DialogId(f"call-{len(self.begun)}", "ours", "theirs")
        page_seconds = self._seconds * self._chance.uniform(0.9, 1.1) / PAGES
        records = []
        try:
            on_event(Connected(dialog))
            await on_connected(dialog)
            for page in range(1, PAGES + 1):
                on_event(PageStarted(page, PAGES))
                await asyncio.sleep(page_seconds)
                records.append(PageRecord(page, True, "MCF"))
                on_event(PageDone(records[-1]))
        finally:
            del self.up[order.fax.id]
        completed = Outcome.COMPLETED
        result = FaxResult(completed.status, completed.value, pages=tuple(records), outcome=completed)
        on_event(Finished(result))
        return result


def resident() -> float:
    """MiB of memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


async def measure(url: str, faxes: int, numbers: int, channels: int, seconds: float) -> dict[str, float]:
    database = Database(url)
    caller = Waits(seconds)
    total = 2 * channels
    memory: list[float] = []
    busy: list[int] = []
    async with FaxService(database, caller, {"one": channels, "two": channels}) as service:
        began, used = time.monotonic(), time.process_time()
        each = [Receiver(f"+1555{at % numbers:07}") for at in range(faxes)]
        for first in range(0, faxes, 100):
            some = tuple(each[first : first + 100])
            job = await service.submit(Submission((("letter.pdf", b"content"),), some))
        enqueued = time.monotonic() - began
        await asyncio.sleep(2 * seconds)
        # To a number that has another fax waiting, which this one has to overtake.
        last = (await database.read(lambda connection: jobs.faxes_of(connection, job.id)))[-1]
        urgent = await service.submit(
            Submission((("letter.pdf", b"content"),), (Receiver(last.number),), priority=1)
        )
        since, cpu = time.monotonic(), time.process_time()
        while len(caller.begun) < faxes + 1 - total:
            await asyncio.sleep(0.25)
            busy.append(len(caller.up))
            memory.append(resident())
        whole, cpu = time.monotonic() - since, time.process_time() - cpu
        async with service.subscribe() as news:
            while (await database.read(jobs.count_by_state)).get(FaxState.DELIVERED, 0) <= faxes:
                await news.wait()
                news.clear()
        used = time.process_time() - used
    await database.close()
    overtook = caller.begun.index(f"{urgent.id}-1") < caller.begun.index(last.id)
    third = max(len(memory) // 3, 1)
    return {
        "delivered": float(faxes + 1),
        "enqueued": enqueued,
        "busy": mean(busy) / total,
        "core": cpu / whole,
        "a_fax": 1000 * used / faxes,
        "memory": memory[-1],
        "growth": mean(memory[-third:]) - mean(memory[third : 2 * third]),
        "urgent": float(overtook),
        "doubled": float(caller.doubled),
    }


if __name__ == "__main__":
    url, *figures, seconds = sys.argv[1:]
    for name, figure in asyncio.run(measure(url, *map(int, figures), float(seconds))).items():
        print(name, figure)

"""P12: short calls at 80 % of what the machine bears (P4a, or ``--capacity``), for an hour or ``--minutes``.

Memory and descriptors of all processes are sampled each minute; faxes are compared as they arrive. Growth is
the most of the last quarter less the most of the second: the first is what a service needs to get warm.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.benchmarks.harness.compare import identical
from tests.benchmarks.harness.faxes import MANY
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.ours import Ours, ours
from tests.benchmarks.harness.pages import Kind, document
from tests.benchmarks.harness.processes import Usage, together, two_cores

_SHARE = 0.8
_FAX = 18.0
"""Seconds of a fax of one page of 300 rows at the pace of V.17, about."""
_MIB = 1 << 20


async def measure(plan: Plan, folder: Path) -> Outcome:
    seconds = 60 * plan.of(plan.minutes, min(plan.minutes, 1.0), 0.05)
    up = _SHARE * plan.of(plan.capacity, 40, 3)
    rate = up / _FAX
    count = max(2, round(rate * seconds))
    every = plan.of(60.0, 5.0, 0.5)
    rows_of_page = plan.of(300, 300, 100)
    documents = [
        document(folder / f"{number}.tif", Kind.LIGHT, 1, rows=rows_of_page, first=number)
        for number in range(4)
    ]
    here, there = two_cores()
    samples: list[Usage] = []
    same = seen = 0
    async with (
        ours(folder / "receiver", accept=True, cores=there, settings=plan.pace, max_calls=MANY) as far,
        ours(folder / "sender", cores=here, max_calls=MANY) as near,
    ):
        near.send(documents, far.to, count, rate=rate, **plan.pace)
        deadline = time.monotonic() + seconds + 120.0
        while len(near.over) < count and time.monotonic() < deadline:
            await near.all_over(count, every)
            samples.append(together([near.usage(), far.usage()]))
            arrived, seen = _arrived(far, seen)
            # Beside, so that what the processes say is read all the time.
            same += await asyncio.to_thread(identical, arrived, documents)
            await asyncio.to_thread(_remove, arrived)
        await far.until(lambda end: len(end.over) >= len(near.completed), 30.0)
        arrived, seen = _arrived(far, seen)
        same += identical(arrived, documents)
    quarter = max(1, len(samples) // 4)
    second, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    memory = (max(s.resident for s in last) - max(s.resident for s in second)) / _MIB
    descriptors = max(s.descriptors for s in last) - max(s.descriptors for s in second)
    rows = [
        Row("lost or not identical", count - same, f"of {count}", good=same == count),
        Row(
            "RSS of all processes, growth",
            memory,
            "MiB",
            0.05 * max(s.resident for s in second) / _MIB,
            note=f"{max(s.resident for s in last) / _MIB:.0f} MiB at the end",
        ),
        Row(
            "descriptors, growth",
            descriptors,
            "",
            0.05 * max(s.descriptors for s in second),
            note=f"{max(s.descriptors for s in last)} at the end",
        ),
    ]
    notes = [f"{seconds / 60:.1f} minutes, {rate:.1f} calls a second", *near.failures()]
    notes += [
        f"after {(number + 1) * every / 60:.1f} min: {sample.resident / _MIB:.0f} MiB, "
        f"{sample.descriptors} descriptors, {sample.processes} processes"
        for number, sample in enumerate(samples)
        if number % max(1, len(samples) // 12) == 0
    ]
    for end, running in (("sender", near), ("receiver", far)):
        if running.late:
            notes.append(f"{end}: p99 {1000 * running.late[0]:.1f} ms late")
    return Outcome(rows, notes=notes, faxes=count, wrong=count - same)


def _arrived(far: Ours, seen: int) -> tuple[list[Path], int]:
    """Faxes that arrived behind the first ``seen`` results, and how many results there are now."""
    over = far.over[seen:]
    return [Path(fax.document) for fax in over if fax.completed and fax.document], seen + len(over)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)

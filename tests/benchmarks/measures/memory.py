"""P9: memory of the whole service, all its processes, with no call and with many in mid-page.

Ours sends to the sink of P4b. RSS counts pages that processes share in each of them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.benchmarks.harness.far_end import far_end
from tests.benchmarks.harness.faxes import MANY, folder_in, in_mid_page
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.ours import ours
from tests.benchmarks.harness.pages import Kind, document
from tests.benchmarks.harness.processes import Usage, two_cores

_MIB = 1 << 20
_PROCESS, _WORKER, _CALL = 54.0, 22.0, 0.13
"""MiB of the service when these goals were set."""


async def measure(plan: Plan, folder: Path) -> Outcome:
    sent = document(folder / "dense.tif", Kind.DENSE, 1)
    here, there = two_cores()
    rows: list[Row] = []
    notes: list[str] = []
    for calls in plan.of((0, 100, 500), (0, 100), (0, 2)):
        pages = folder_in(folder, f"pages-{calls}")
        async with (
            far_end("sink", pages, cores=there) as sink,
            ours(folder / f"ours-{calls}", cores=here, max_calls=MANY) as near,
        ):
            if calls:
                seen = await in_mid_page(near, sink, sent, calls, rate=40.0, seconds=1.0, limit=60.0)
                rows.append(_row(seen.figures.in_page, seen.usage))
                notes += seen.refused
            else:
                await asyncio.sleep(2.0)
                rows.append(_row(0, near.usage()))
    return Outcome(rows, notes=notes)


def _row(calls: int, used: Usage) -> Row:
    workers = used.processes - 1
    return Row(
        f"RSS with {calls} calls in mid-page",
        used.resident / _MIB,
        "MiB",
        _PROCESS + _WORKER * workers + _CALL * calls,
        note=f"{used.processes} processes, {used.descriptors} descriptors",
    )

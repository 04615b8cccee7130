"""P4b: calls in mid-page to a sink, while a neighbour keeps the other core busy.

Ours on one core places whole SIP calls; the far end in C (``c/far_end.c sink``) is libspandsp's terminal
until the page begins, from then on it only receives. It shares the other core with a process that computes
all the time. More and more calls, until 1 of 100 datagrams leaves later than 20 ms: as the kernel saw them on
the loopback interface, against their place on the line, so without what the engine says of itself. Each step
has a new process of ours, whose limit of calls is out of the way.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.harness.far_end import far_end
from tests.benchmarks.harness.faxes import MANY, InPage, folder_in, in_mid_page
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.ours import ours
from tests.benchmarks.harness.pages import Kind, document
from tests.benchmarks.harness.processes import neighbour, two_cores

LATE = 0.020


async def measure(plan: Plan, folder: Path) -> Outcome:
    steps = plan.of((200, 400, 600, 800, 900, 1000), (50, 100, 200, 400, 800), (3,))
    sent = document(folder / "dense.tif", Kind.DENSE, 1)
    notes, carried, last = [], 0, None
    for calls in steps:
        seen, late = await step(calls, sent, folder / str(calls), plan)
        figures = seen.figures
        p99, latest = 1000 * figures.p99, 1000 * figures.latest
        core = 100 * seen.usage.engine / figures.seconds
        cost = 1e6 * seen.usage.engine / max(figures.received, 1)
        notes.append(
            f"{calls} calls asked for, {figures.in_page} in a page: 99 of 100 at most {p99:.1f} ms late, the "
            f"latest {latest:.0f} ms; {figures.received / figures.seconds:,.0f} datagrams a second, "
            f"{figures.missing} missing; {core:.0f} % of a core, {cost:.0f} µs a datagram"
        )
        if late:
            notes.append(f"of all packets of these calls the engine says: 99 of 100 {1000 * late[0]:.1f} ms")
        notes += seen.refused
        last = seen
        if figures.p99 > LATE or figures.in_page < 0.98 * calls:
            break
        carried = figures.in_page
    assert last is not None
    rows = [
        Row("calls in mid-page, p99 at most 20 ms, beside a busy neighbour", carried, "calls", 800, more=True)
    ]
    anchor = "none; lateness by the kernel's receive timestamps at the sink"
    return Outcome(rows, anchor, notes)


async def step(calls: int, sent: Path, folder: Path, plan: Plan) -> tuple[InPage, tuple[float, float] | None]:
    """What the sink saw, and how late packets left as the engine says itself."""
    here, there = two_cores()
    pages = folder_in(folder, "pages")
    async with (
        far_end("sink", pages, cores=there) as sink,
        ours(folder, cores=here, max_calls=MANY) as near,
        neighbour(there),
    ):
        seen = await in_mid_page(
            near,
            sink,
            sent,
            calls,
            rate=plan.of(80.0, 80.0, 20.0),
            seconds=plan.of(10.0, 5.0, 1.0),
            limit=plan.of(40.0, 40.0, 60.0),
        )
    return seen, near.late

"""P2: CPU of a fax of two light pages, engine and image workers, over that of libspandsp's terminal.

Ours sends to, and receives from, libspandsp's terminals in C (``c/far_end.c``), each stepped every 20 ms by a
timer of its own, over UDPTL sockets: both sides of one call are measured at the same time. Calls begin with
T.38 in the INVITE, so there is no audio in either.

The goals are of terminals that are a process each, as fax engines have a thread or a channel for each call.
One process for all terminals, which takes several packets and steps at each wake-up, is told beside them.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.harness.faxes import WARM, receive_faxes, send_faxes
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.pages import ROWS, Kind, document


async def measure(plan: Plan, folder: Path) -> Outcome:
    fax = document(folder / "light.tif", Kind.LIGHT, plan.of(2, 2, 1), rows=plan.of(ROWS, ROWS, 100))
    rows: list[Row] = []
    notes: list[str] = []
    faxes = wrong = 0
    runs: list[tuple[int, float | None]] = plan.of(
        [(10, 1.5), (100, 1.0), (10, None)], [(10, 1.5)], [(2, 1.5)]
    )
    for calls, goal in runs:
        apart = goal is not None
        beside = "a process each" if apart else "one process"
        for what, run in (("sending", send_faxes), ("receiving", receive_faxes)):
            done = await run(
                fax,
                calls,
                folder / f"{what}-{calls}-{apart}",
                rate=10.0,
                limit=300.0,
                warm=plan.of(WARM, WARM, 0),
                apart=apart,
            )
            engine, workers = (1000 * spent / calls for spent in (done.ours.engine, done.ours.workers))
            shares = f"engine {engine:.0f}, workers {workers:.0f}"
            label = f"CPU a fax, {calls} at once, {what}; the terminals {beside}"
            rows.append(Row(label, engine + workers, "ms", goal, 1000 * done.theirs / calls, note=shares))
            faxes += calls
            wrong += calls - done.identical
            notes += [f"{calls} {what}: {reason}" for reason in done.failures]
    anchor = (
        "libspandsp's terminals at the other end of the same calls, driven from C, each with its own timer "
        "of 20 ms; their UDPTL, their sockets and as much of SIP as it takes"
    )
    return Outcome(rows, anchor, notes, faxes, wrong)

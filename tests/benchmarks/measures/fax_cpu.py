"""P2: CPU of a fax of two light pages, engine and image workers, over that of libspandsp's terminal.

Ours sends to, and receives from, a process in C (``c/far_end.c``) with a terminal of libspandsp for each
call, stepped every 20 ms by a timer of its own, over UDPTL sockets: both sides of one call are measured at
the same time. Calls begin with T.38 in the INVITE, so there is no audio in either.
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
    for calls, goal in plan.of(((10, 1.5), (100, 1.0)), ((10, 1.5),), ((2, 1.5),)):
        for what, run in (("sending", send_faxes), ("receiving", receive_faxes)):
            done = await run(
                fax,
                calls,
                folder / f"{what}-{calls}",
                rate=10.0,
                limit=300.0,
                warm=plan.of(WARM, WARM, 0),
            )
            engine, workers = (1000 * spent / calls for spent in (done.ours.engine, done.ours.workers))
            own, theirs = engine + workers, 1000 * done.theirs / calls
            shares = f"engine {engine:.0f}, workers {workers:.0f}"
            rows.append(Row(f"CPU a fax, {calls} at once, {what}", own, "ms", goal, theirs, note=shares))
            faxes += calls
            wrong += calls - done.identical
            notes += [f"{calls} {what}: {reason}" for reason in done.failures]
    anchor = (
        "the process of libspandsp's terminals at the other end of the same calls, driven from C, "
        "one for all calls, each with its own timer of 20 ms, its SIP and its sockets"
    )
    return Outcome(rows, anchor, notes, faxes, wrong)

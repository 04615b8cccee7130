"""P4a: whole calls up at once, our sender on one core and our receiver on the other, more and more of them.

A step counts when every fax arrived as it was sent, and 99 of 100 packets of the sender left at most 20 ms
late, as its engine says. All calls of a step are up at the same time: they are placed within a third of
a fax.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.harness.between_ours import between_ours
from tests.benchmarks.harness.faxes import MANY
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.pages import ROWS, Kind, document

LATE = 0.020


async def measure(plan: Plan, folder: Path) -> Outcome:
    sent = document(folder / "light.tif", Kind.LIGHT, plan.of(2, 2, 1), rows=plan.of(ROWS, ROWS, 100))
    notes: list[str] = []
    carried = faxes = wrong = 0
    for calls in plan.of((200, 300, 400, 500), (50, 100), (2,)):
        seen = await between_ours(
            [sent], calls, folder / str(calls), rate=calls / plan.of(12.0, 12.0, 1.0), settings=plan.pace,
            limit=plan.of(240.0, 180.0, 120.0), max_calls=MANY,
        )  # fmt: skip
        notes += [f"{calls} calls: {line}" for line in seen.told()]
        good = seen.identical == calls and seen.late is not None and seen.late[0] <= LATE
        if good or not carried:
            faxes, wrong = faxes + calls, wrong + calls - seen.identical
        if not good:
            break
        carried = seen.most_up
    return Outcome(
        [Row("whole calls up at once, p99 at most 20 ms", carried, "calls", 400, more=True)],
        "none; lateness as the engine of the sender says",
        notes,
        faxes,
        wrong,
    )

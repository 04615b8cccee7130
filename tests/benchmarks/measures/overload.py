"""P7: twice the calls that this machine bears with both ends on it (P4a, or ``--capacity``), offered at once.

Those that are taken keep their time and are delivered, the others are told so within a second: by our own
engine (LINE_UNAVAILABLE), or by the far end (503, 486).
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.harness.between_ours import AGAIN, between_ours
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.pages import ROWS, Kind, document


async def measure(plan: Plan, folder: Path) -> Outcome:
    sent = document(folder / "light.tif", Kind.LIGHT, plan.of(2, 2, 1), rows=plan.of(ROWS, ROWS, 100))
    offered = 2 * plan.of(plan.capacity, 60, 2)
    seen = await between_ours(
        [sent],
        offered,
        folder / "faxes",
        rate=0.0,
        settings=plan.pace,
        limit=240.0,
        max_calls=plan.of(None, 40, 2),
    )
    refused = [fax for fax in seen.over if fax.status in AGAIN and fax.pages == 0]
    taken = offered - len(refused)
    rows = [
        Row("taken and delivered identical", seen.identical, f"of {taken} taken", taken, more=True),
        Row(
            "refused, the longest wait for it",
            max((fax.waited for fax in refused), default=0.0),
            "s",
            1.0,
            note=f"{len(refused)} refused",
        ),
    ]
    for end, late in (("sender", seen.late), ("receiver", seen.late_receiver)):
        if late is not None:
            rows.append(Row(f"p99 late of those taken, {end}", 1000 * late[0], "ms", 50.0))
    return Outcome(rows, notes=list(seen.told()), faxes=taken, wrong=taken - seen.identical)

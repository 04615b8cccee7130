"""P6: three new calls a second for ten minutes, documents of one to eight light pages: about 220 calls up.

Sender and receiver are engine processes of their own, each on a core, with the limits of the defaults.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.harness.between_ours import between_ours
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.pages import ROWS, Kind, document

_RATE = 3.0


async def measure(plan: Plan, folder: Path) -> Outcome:
    seconds = plan.of(600.0, 30.0, 1.0)
    longest = plan.of(8, 2, 1)
    documents = [
        document(folder / f"{pages}.tif", Kind.LIGHT, pages, rows=plan.of(ROWS, ROWS, 100), first=10 * pages)
        for pages in range(1, longest + 1)
    ]
    count = round(_RATE * seconds)
    seen = await between_ours(
        documents,
        count,
        folder / "faxes",
        rate=_RATE,
        settings=plan.pace,
        limit=seconds + plan.of(300, 180, 120),
    )
    rows = [Row("delivered identical", seen.identical, f"of {count}", count, more=True)]
    for end, wait in zip(("sender", "receiver"), seen.page_waits, strict=True):
        if wait is not None:
            rows.append(Row(f"longest wait of a page for a worker, {end}", wait, "s", 1.0))
    return Outcome(rows, notes=list(seen.told()), faxes=count, wrong=count - seen.identical)

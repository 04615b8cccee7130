"""P8: one ten-page document to two hundred, as fast as capacity allows: who is refused is called again.

What the sender's image workers take is compared with what they take for one such fax.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.harness.between_ours import between_ours
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.pages import ROWS, Kind, document


async def measure(plan: Plan, folder: Path) -> Outcome:
    pages = plan.of(10, 2, 1)
    count = plan.of(200, 30, 3)
    sent = document(folder / "light.tif", Kind.LIGHT, pages, rows=plan.of(ROWS, ROWS, 100))
    # Its pages are coded the same way; only the line is quicker.
    one = await between_ours(
        [sent], 1, folder / "one", rate=0.0, settings={"internet_aware": True}, limit=120.0
    )
    seen = await between_ours(
        [sent],
        count,
        folder / "all",
        rate=0.0,
        settings=plan.pace,
        limit=plan.of(600.0, 180.0, 120.0),
        again=True,
    )
    rows = [
        Row("delivered identical", seen.identical, f"of {count}", count, more=True),
        Row(
            "CPU of the sender's image workers",
            seen.sender.workers,
            "s",
            1.5,
            max(one.sender.workers, 0.01),
            note="their start included",
        ),
    ]
    return Outcome(
        rows,
        "of the CPU: the same document sent once",
        list(seen.told()),
        count + 1,
        count + 1 - seen.identical - one.identical,
    )

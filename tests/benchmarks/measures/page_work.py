"""P3: CPU of the image workers for a page, both ends together, over libtiff's own decode and encode of it.

One of ours sends documents to another in the internet-aware mode: one that only warms the workers of both,
one of few pages, and one of many. The difference of the last two is that of so many pages, and has neither
the start of a worker nor that of a call in it. All that the workers do is counted, also the checks before the
dial and writing to the disk.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.harness.build import program
from tests.benchmarks.harness.compare import faxes_in, identical
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.ours import ours
from tests.benchmarks.harness.pages import ROWS, Kind, document
from tests.benchmarks.harness.processes import output_of

ROUNDS = 15


async def measure(plan: Plan, folder: Path) -> Outcome:
    few, many = plan.of((5, 45), (3, 13), (1, 2))
    rows_of_page = plan.of(ROWS, ROWS, 200)
    rows: list[Row] = []
    notes: list[str] = []
    wrong = 0
    for kind in plan.of(tuple(Kind), tuple(Kind), (Kind.LIGHT,)):
        warm, short, long = (
            document(folder / f"{kind.label}-{first}.tif", kind, count, rows=rows_of_page, first=first)
            for first, count in ((900, many), (0, few), (100, many))
        )
        libtiff = [await _libtiff(short)]
        spent, same, failures = await _workers([warm, short, long], folder / kind.label)
        wrong += 3 - same
        notes += failures
        libtiff.append(await _libtiff(short))
        page = [1000 * (after - before) / (many - few) for before, after in zip(*spent[1:], strict=True)]
        rows.append(
            Row(
                f"worker CPU, a {kind.label} page, both ends",
                sum(page),
                "ms",
                2.0,
                1000 * min(libtiff),
                note=f"sending {page[0]:.1f}, receiving {page[1]:.1f}",
            )
        )
    anchor = (
        f"libtiff in C (c/page.c), from memory to memory: the TIFF decoded, and coded again; the median of "
        f"{ROUNDS} rounds, before ours or after, whichever is less"
    )
    return Outcome(rows, anchor, notes, 3 * len(rows), wrong)


async def _libtiff(path: Path) -> float:
    _, decoding, coding = await output_of(program("page"), path, str(ROUNDS), limit=120)
    return float(decoding) + float(coding)


async def _workers(documents: list[Path], folder: Path) -> tuple[list[tuple[float, float]], int, list[str]]:
    """For each document the CPU seconds of the workers of either end; how many arrived; what went wrong."""
    aware = {"internet_aware": True}
    spent = []
    async with ours(folder / "far", accept=True, settings=aware) as far, ours(folder / "near") as near:
        for number, sent in enumerate(documents, 1):
            before = near.usage(), far.usage()
            near.send([sent], far.to, 1, **aware)
            await near.all_over(number, 300.0)
            await far.all_over(number, 60.0)
            used = near.usage() - before[0], far.usage() - before[1]
            spent.append((used[0].workers, used[1].workers))
    return spent, identical(faxes_in(folder / "far"), documents), near.failures()

"""P3: CPU of the image workers for a page, both ends together, over libtiff's own decode and encode of it.

Two of ours send documents to each other in the internet-aware mode, one of few pages and one of many: the
difference is that of so many pages, and has neither the start of the workers nor of the call in it. All that
the workers do is counted, also the checks before the dial and writing to the disk.
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
        documents = [
            document(folder / f"{kind.label}-{count}.tif", kind, count, rows=rows_of_page)
            for count in (few, many)
        ]
        libtiff = [await _libtiff(documents[0])]
        spent = []
        for number, sent in enumerate(documents):
            cpu, same, failures = await _workers(sent, folder / f"{kind.label}-{number}")
            spent.append(cpu)
            wrong += 1 - same
            notes += failures
            libtiff.append(await _libtiff(documents[0]))
        page = [1000 * (after - before) / (many - few) for before, after in zip(*spent, strict=True)]
        rows.append(
            Row(
                f"worker CPU, a {kind.label} page, both ends",
                sum(page),
                "ms",
                2.0,
                1000 * sorted(libtiff)[1],
                note=f"sending {page[0]:.1f}, receiving {page[1]:.1f}",
            )
        )
    anchor = (
        f"libtiff in C (c/page.c), from memory to memory: TIFF decoded and coded again, median of {ROUNDS}"
    )
    return Outcome(rows, anchor, notes, 2 * len(rows), wrong)


async def _libtiff(path: Path) -> float:
    _, decoding, coding = await output_of(program("page"), path, str(ROUNDS), limit=120)
    return float(decoding) + float(coding)


async def _workers(sent: Path, folder: Path) -> tuple[tuple[float, float], int, list[str]]:
    """CPU seconds of the workers of either end; whether the fax arrived as it was; what went wrong."""
    aware = {"internet_aware": True}
    async with ours(folder / "far", accept=True, settings=aware) as far, ours(folder / "near") as near:
        near.send([sent], far.to, 1, **aware)
        await near.all_over(1, 300.0)
        await far.all_over(1, 60.0)
        used = near.usage().workers, far.usage().workers
    return used, identical(faxes_in(folder / "far"), [sent]), near.failures()

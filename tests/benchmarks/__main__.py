"""The measures of docs/measurements.md, each with its anchor in the same run.

    python -m tests.benchmarks P5 P3               full size, into ./measurements
    python -m tests.benchmarks all --quick         a look at everything, in some minutes
    python -m tests.benchmarks --help              what each measures, and how long it takes

Figures are only worth something on a machine that does nothing else; the load is told with each. The
folder keeps the last result of each measure (results.json), and the report is written anew from all:
report.md, and report.svg with each figure beside its goal. It needs what ``.ci/peers`` installs. The status
is 1 when a fax did not arrive, or not as it was sent; a goal that is not reached is told, and no failure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.benchmarks.harness.figures import Entry, Outcome, Scale
from tests.benchmarks.harness.load import load
from tests.benchmarks.harness.report import keep, table
from tests.benchmarks.measures import fax_cpu, mid_page, packets, page_work

MEASURES = {
    entry.id: entry
    for entry in (
        Entry("P2", "CPU of a fax over libspandsp's terminal in C", 6, fax_cpu.measure),
        Entry("P3", "page CPU in the workers over libtiff's decode and encode", 1.5, page_work.measure),
        Entry("P4b", "calls in mid-page to a sink beside a busy neighbour", 5, mid_page.measure),
        Entry("P5", "CPU of a datagram over send() and recv() in C", 3.5, packets.measure),
    )
}


def run(entry: Entry, scale: Scale, folder: Path) -> Outcome:
    """Measure, print the table, and keep it in ``folder``."""
    before, began = load(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"t38fsp-{entry.id}-") as name:
        outcome = asyncio.run(entry.run(scale, Path(name)))
    after, seconds = load(), time.monotonic() - began
    keep(folder, entry.id, entry.what, outcome, before, after, seconds, scale)
    print(
        f"\n{entry.id}: {entry.what} ({scale.value}, {seconds:.0f} s; {before}; "
        f"load afterwards {after.average:.1f})\n"
    )
    print("\n".join(table(outcome)))
    if outcome.faxes:
        print(f"\n{outcome.faxes - outcome.wrong} of {outcome.faxes} faxes arrived, dot by dot as sent")
    for note in outcome.notes:
        print(f"  {note}")
    sys.stdout.flush()
    return outcome


def main(arguments: list[str] | None = None) -> int:
    lines = [f"  {entry.id:4} {entry.what} (about {entry.minutes:g} min)" for entry in MEASURES.values()]
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog="measures:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ids", nargs="+", metavar="ID", help="measures, or all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick",
        action="store_const",
        const=Scale.QUICK,
        dest="scale",
        help="short; not the sizes of the goals",
    )
    size.add_argument(
        "--toy",
        action="store_const",
        const=Scale.TOY,
        dest="scale",
        help="so small that only the harness is tried",
    )
    parser.add_argument(
        "--into",
        type=Path,
        default=Path("measurements"),
        metavar="FOLDER",
        help="for the report (default: %(default)s)",
    )
    parser.set_defaults(scale=Scale.FULL)
    given = parser.parse_args(arguments)
    wanted = list(MEASURES) if "all" in given.ids else given.ids
    if unknown := [each for each in wanted if each not in MEASURES]:
        parser.error(f"there is no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    failed = 0
    for each in wanted:
        try:
            failed += run(MEASURES[each], given.scale, given.into).wrong > 0
        except Exception:
            # The others are worth having all the same.
            traceback.print_exc()
            failed += 1
    print(f"\nthe report is {given.into / 'report.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

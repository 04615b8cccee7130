"""The measures of docs/measurements.md, each with its anchor in the same run.

    python -m tests.benchmarks P5 P3               full size, into ./measurements
    python -m tests.benchmarks all --quick         a look at everything, in a quarter of an hour
    python -m tests.benchmarks --help              what each measures, and how long it takes

Figures are only worth something on a machine that does nothing else; the load is told with each. The
folder keeps the last result of each measure (results.json), and the report is written anew from all:
report.md, and report.svg with each figure beside its goal. It needs what ``.ci/peers`` installs. The status
is 1 when a fax did not arrive, or not as it was sent; a goal that is not reached is told, and no failure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.benchmarks.harness.figures import Entry, Outcome, Plan, Scale
from tests.benchmarks.harness.load import load
from tests.benchmarks.harness.report import keep, kept_figure, table
from tests.benchmarks.measures import (
    audio,
    broadcast,
    churn,
    fax_cpu,
    internet_aware,
    line_time,
    memory,
    mid_page,
    overload,
    packets,
    page_work,
    queue,
    service_load,
    soak,
    start,
    whole_calls,
)

MEASURES = {
    entry.id: entry
    for entry in (
        Entry("P1", "seconds on the line, over spandsp's", 2, line_time.measure),
        Entry("P2", "CPU of a fax, over libspandsp's terminal in C", 8, fax_cpu.measure),
        Entry("P3", "page CPU in the workers, over libtiff's decode and encode", 1.5, page_work.measure),
        Entry("P4a", "whole calls up at once, sender and receiver on a core each", 4.5, whole_calls.measure),
        Entry("P4b", "calls in mid-page to a sink, beside a busy neighbour", 4, mid_page.measure),
        Entry("P5", "CPU of a datagram, over send() and recv() in C", 3, packets.measure),
        Entry("P6", "three new calls a second for ten minutes", 13, churn.measure),
        Entry("P7", "twice the calls that the machine bears, at once", 1.5, overload.measure),
        Entry("P8", "one document of ten pages to two hundred", 4, broadcast.measure),
        Entry("P9", "memory of the service with calls in mid-page", 1.5, memory.measure),
        Entry("P10", "exec to INVITE, and the end of a fax to exit", 1.5, start.measure),
        Entry("P11", "ten pages in the internet-aware mode", 1, internet_aware.measure),
        Entry("P12", "a soak of short calls (--minutes)", 62, soak.measure),
        Entry("P13", "faxes in audio at once, over libspandsp's fax machines in C", 14, audio.measure),
        Entry("P14", "two thousand faxes through the queue of the service", 7, queue.measure),
        Entry("P15", "mixed load on the service (--minutes)", 61, service_load.measure),
    )
}
LONG = frozenset({"P12"})
"""Not among ``all`` at full size."""


def run(entry: Entry, plan: Plan, folder: Path) -> Outcome:
    """Measure, print the table, and keep it in ``folder``."""
    before, began = load(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"t38fsp-{entry.id}-") as name:
        outcome = asyncio.run(entry.run(plan, Path(name)))
    after, seconds = load(), time.monotonic() - began
    keep(folder, entry.id, entry.what, outcome, before, after, seconds, plan.scale)
    print(
        f"\n{entry.id}: {entry.what} ({plan.scale.value}, {seconds:.0f} s; {before}; "
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
    parser = _parser()
    given = parser.parse_args(arguments)
    wanted = given.ids
    if not wanted:
        parser.print_help()
        return 2
    if "all" in wanted:
        wanted = [each for each in MEASURES if each not in LONG or given.scale is not Scale.FULL]
    if unknown := [each for each in wanted if each not in MEASURES]:
        parser.error(f"there is no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    # Byte code is kept, as after an installation: compiling would count as the start of each process.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    failed = 0
    for each in wanted:
        capacity = given.capacity or kept_figure(given.into, "P4a") or Plan(given.scale).capacity
        try:
            outcome = run(MEASURES[each], Plan(given.scale, round(capacity), given.minutes), given.into)
            failed += outcome.wrong > 0
        except Exception:
            # The others are worth having all the same.
            traceback.print_exc()
            failed += 1
    print(f"\nthe report is {given.into / 'report.md'}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    lines = [f"  {entry.id:4} {entry.what} (about {entry.minutes:g} min)" for entry in MEASURES.values()]
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog="measures, each told in the docstring of its file in tests/benchmarks/measures:\n"
        + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="measures; or all, which leaves P12 out")
    size = parser.add_mutually_exclusive_group()
    for scale, what in (
        (Scale.QUICK, "short; not the sizes of the goals"),
        (Scale.TOY, "so small that only the harness is tried"),
    ):
        size.add_argument(f"--{scale.value}", action="store_const", const=scale, dest="scale", help=what)
    into = "for the report (default: %(default)s)"
    capacity = "for P7 and P12: what the machine bears (default: the last P4a, or 300)"
    parser.add_argument("--into", type=Path, default=Path("measurements"), metavar="FOLDER", help=into)
    parser.add_argument("--capacity", type=int, metavar="CALLS", help=capacity)
    parser.add_argument("--minutes", type=float, default=60.0, help="of P12 (default: %(default)g)")
    parser.set_defaults(scale=Scale.FULL)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""P1: seconds on the line of ten pages, ours to libspandsp, over libspandsp to libspandsp.

In simulated time, 20 ms each way, ECM, V.17 at 14400 bit/s, from the first packet of T.38 to the last. What
receives is libspandsp's terminal, or its gateway with an audio fax machine behind it, modems and all. Ours is
the product's call from the switch to T.38 on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from t38fsp import CallSettings, Switch
from t38fsp.t38.attributes import T38Parameters
from tests.benchmarks.harness.build import program
from tests.benchmarks.harness.compare import identical
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.pages import ROWS, Kind, document
from tests.benchmarks.harness.processes import output_of
from tests.benchmarks.parties import OurSender
from tests.peers.endpoint import SpandspEndpoint
from tests.peers.gateway import SpandspGateway
from tests.peers.machine import Role
from tests.peers.simulated import run
from tests.peers.terminal import IfpPeer, SpandspTerminal

_GOALS = {Kind.LIGHT: 0.975, Kind.DENSE: 0.995}
"""What rounds to no more than the 0.97 and 0.99 of the time when these goals were set."""
_PEERS: dict[str, Callable[..., IfpPeer]] = {"terminal": SpandspTerminal, "gateway": SpandspGateway}
_LIMIT = 1200.0


async def measure(plan: Plan, folder: Path) -> Outcome:
    pages = plan.of(10, 2, 1)
    rows: list[Row] = []
    faxes = right = 0
    for kind in Kind:
        sent = document(folder / f"{kind.label}.tif", kind, pages, rows=plan.of(ROWS, ROWS, 100))
        for name in _PEERS:
            from_ours, from_theirs = (folder / f"{kind.label}-{name}-{end}.tif" for end in ("ours", "theirs"))
            said = await output_of(program("terminals"), name, sent, from_theirs, limit=_LIMIT)
            seconds = _line_of_ours(name, sent, from_ours)
            rows.append(
                Row(
                    f"line, {pages} {kind.label} pages to libspandsp's {name}",
                    seconds,
                    "s",
                    _GOALS[kind],
                    float(said[0]),
                    note=f"libspandsp's own ends took {float(said[1]):.2f} s of CPU",
                )
            )
            faxes += 2
            right += identical([from_ours, from_theirs], [sent])
    anchor = "libspandsp's terminal sending to the same, driven from C (c/terminals.c), in steps of 20 ms"
    return Outcome(rows, anchor, [], faxes, faxes - right)


def _line_of_ours(name: str, sent: Path, received: Path) -> float:
    theirs = SpandspEndpoint(_PEERS[name](Role.ANSWERING, rx_file=received))
    ours = OurSender(sent, CallSettings(switch=Switch.FIRST), T38Parameters())
    call = run(theirs, ours, delay=0.02, limit=7200)
    times = [when for when, _, _ in call.datagrams]
    theirs.hang_up()
    return max(times) - min(times)

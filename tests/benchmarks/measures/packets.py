"""P5: what a datagram costs ours in complete calls, over what it costs a loop in C.

Ours on one core sends faxes to libspandsp's terminals in C on the other, and then receives from them: whole
calls with SIP, T.30 and pages, INVITE to BYE. Its CPU, without the image workers, is divided by all datagrams
of the far end, both ways. The loops in C (``c/datagrams.c``) are run before, between and after.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

from tests.benchmarks.harness.build import program
from tests.benchmarks.harness.faxes import WARM, receive_faxes, send_faxes
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.pages import ROWS, Kind, document
from tests.benchmarks.harness.processes import output_of

RATE = 40
"""Datagrams a second in a call, about those of a page."""
OCTETS = 220
"""Of a datagram with three copies."""


async def measure(plan: Plan, folder: Path) -> Outcome:
    calls = plan.of(300, 30, 2)
    seconds = plan.of(6.0, 3.0, 0.5)
    fax = document(folder / "light.tif", Kind.LIGHT, plan.of(2, 1, 1), rows=plan.of(ROWS, ROWS, 100))
    loops = [await _loop(calls, seconds)]
    warm = plan.of(WARM, WARM, 0)
    rate, limit = plan.of(30.0, 10.0, 10.0), plan.of(300.0, 180.0, 120.0)
    sent = await send_faxes(fax, calls, folder / "sending", rate=rate, limit=limit, warm=warm)
    loops.append(await _loop(calls, seconds))
    received = await receive_faxes(fax, calls, folder / "receiving", rate=rate, limit=limit, warm=warm)
    loops.append(await _loop(calls, seconds))
    rows = []
    for what, faxes, goal, place in (("sending", sent, 4.0, 0), ("receiving", received, 4.5, 1)):
        cost = 1e6 * faxes.ours.engine / max(faxes.datagrams, 1)
        anchor = median(loop[place] for loop in loops)
        late = f"99 of 100 at most {1000 * faxes.late[0]:.0f} ms late" if faxes.late else ""
        rows.append(Row(f"CPU a datagram, {calls} calls, {what}", cost, "µs", goal, anchor, note=late))
    notes = [f"{what}: {reason}" for what, faxes in (("sending", sent), ("receiving", received))
             for reason in faxes.failures]  # fmt: skip
    return Outcome(
        rows,
        f"a process in C that only calls send(), and one that only calls epoll_wait() and recv(), on {calls} "
        f"sockets with {RATE} datagrams a second of {OCTETS} octets on each; three runs, the median",
        notes,
        2 * calls,
        2 * calls - sent.identical - received.identical,
    )


async def _loop(sockets: int, seconds: float) -> tuple[float, float]:
    """CPU microseconds of a send() and of a recv()."""
    said = await output_of(
        program("datagrams"), str(sockets), str(RATE), str(seconds), str(OCTETS), limit=seconds + 60
    )
    return float(said[1]), float(said[3])

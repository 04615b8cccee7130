"""P13: faxes in audio, more and more of them at once in one engine process, and what they cost.

Our sender on one core, our receiver on the other, both with ``audio = "only"``: RTP both ways, 50 packets a
second from each end of each call. Beside them, before and after each step, libspandsp's whole fax machines in
C (``c/audio_fax.c``), a thread with a timer and a socket each, as fax engines have a thread or a channel for
each call.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

from tests.benchmarks.harness.between_ours import between_ours
from tests.benchmarks.harness.build import program
from tests.benchmarks.harness.faxes import MANY, folder_in
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.pages import ROWS, Kind, document
from tests.benchmarks.harness.processes import output_of

LATE = 20.0
"""Milliseconds."""
GOAL = 60
"""Calls."""


async def measure(plan: Plan, folder: Path) -> Outcome:
    sent = document(folder / "light.tif", Kind.LIGHT, plan.of(2, 1, 1), rows=plan.of(ROWS, ROWS, 100))
    pairs = plan.of(60, 20, 2)
    machines = [await _machines(sent, pairs, folder_in(folder, "first"))]
    rows: list[Row] = []
    notes: list[str] = []
    faxes = wrong = 0
    for calls in plan.of((1, 10, 60, 120), (1, 10, 60), (2,)):
        seen = await between_ours(
            [sent], calls, folder / str(calls), rate=max(calls / plan.of(20.0, 10.0, 1.0), 1.0),
            settings={"audio": "only"}, limit=300.0, max_calls=MANY,
        )  # fmt: skip
        machines.append(await _machines(sent, pairs, folder_in(folder, f"after-{calls}")))
        faxes, wrong = faxes + calls, wrong + calls - seen.identical
        notes += [f"{calls} calls: {line}" for line in seen.told()]
        rows.append(Row(f"{calls} at once, delivered", seen.identical, "faxes", calls, more=True))
        goal = LATE if calls <= GOAL else None
        for end, late in (("sender", seen.late), ("receiver", seen.late_receiver)):
            if late is not None:
                note = f"at most {1000 * late[1]:.0f}"
                rows.append(Row(f"{calls} at once, p99 late, {end}", 1000 * late[0], "ms", goal, note=note))
        seconds = sum(fax.seconds for fax in seen.over) or 1.0
        for end, used, place in (("sending", seen.sender, 0), ("receiving", seen.receiver, 1)):
            anchor = median(each[place] for each in machines)
            cost = 1000 * used.engine / seconds
            goal = 3.0 if calls == GOAL else None
            rows.append(Row(f"{calls} at once, CPU a second of audio, {end}", cost, "ms", goal, anchor))
    anchor = (
        f"{pairs} pairs of libspandsp's fax machines in real time, a thread, a timer of 20 ms and a socket "
        "for each machine, no SIP; the median of the runs so far"
    )
    return Outcome(rows, anchor, notes, faxes, wrong)


async def _machines(sent: Path, pairs: int, folder: Path) -> tuple[float, float]:
    """Milliseconds of CPU for a second of audio, of one that sends and of one that receives."""
    said = await output_of(program("audio_fax"), str(sent), str(folder), str(pairs), limit=600.0)
    seconds, sending, receiving = (float(each) for each in said[:3])
    if int(said[3]) != pairs:
        raise RuntimeError(f"{said[3]} of {pairs} faxes between libspandsp's own machines arrived")
    return 1000 * sending / seconds, 1000 * receiving / seconds

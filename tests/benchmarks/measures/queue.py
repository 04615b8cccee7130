"""P14: two thousand faxes to a thousand numbers through the queue of the service, with SQLite.

Two routes of 30 channels, and a caller whose calls last 9 to 11 s and do nothing but wait, so that all CPU is
that of the queue. Beside it empty workflows of DBOS, the durable engine below the queue, one for each fax.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.processes import output_of

ANCHOR = """
import sys, time
from dbos import DBOS

@DBOS.workflow()
def nothing(number):
    return number

DBOS(config={"name": "anchor", "system_database_url": sys.argv[1], "log_level": "ERROR"})
DBOS.launch()
DBOS.register_queue("all", global_concurrency=60, polling_interval_sec=0.1)
number = int(sys.argv[2])
began = time.process_time()
handles = [DBOS.enqueue_workflow("all", nothing, each) for each in range(number)]
while DBOS.list_queued_workflows(load_input=False, limit=1):
    time.sleep(0.5)
print(1000 * (time.process_time() - began) / number)
DBOS.destroy()
"""


async def measure(plan: Plan, folder: Path) -> Outcome:
    faxes, numbers, channels = plan.of((2000, 1000, 30), (400, 200, 30), (12, 6, 2))
    seconds = plan.of(10.0, 10.0, 0.5)
    anchor = float(
        (
            await output_of(
                *(sys.executable, "-c", ANCHOR, f"sqlite:///{folder / 'anchor.db'}", str(min(faxes, 400))),
                limit=300.0,
            )
        )[-1]
    )
    said = await output_of(
        *(sys.executable, "-m", "tests.benchmarks.queue_load", f"sqlite:///{folder / 'faxes.db'}"),
        *(str(faxes), str(numbers), str(channels), str(seconds)),
        limit=1800.0,
    )
    seen = {name: float(figure) for name, figure in zip(said[::2], said[1::2], strict=True)}
    rows = [
        Row(f"{faxes} faxes enqueued", seen["enqueued"], "s", 60.0),
        Row("channels busy", 100 * seen["busy"], "%", plan.of(95.0, 95.0, None), more=True),
        Row("CPU of the queue", seen["core"], "cores", 0.25),
        Row("CPU of a fax in the queue", seen["a_fax"], "ms", None, anchor),
        Row("growth of memory in a third of the time", seen["growth"], "MiB", 5.0),
        Row("the urgent fax is the next to its number", seen["urgent"], "", 1.0, more=True),
        Row("two calls to a number", seen["doubled"], "", 0.0),
    ]
    return Outcome(
        rows,
        "an empty workflow of DBOS, enqueued and run, with SQLite",
        [f"{seen['memory']:.0f} MiB at the end"],
        faxes + 1,
        faxes + 1 - int(seen["delivered"]),
    )

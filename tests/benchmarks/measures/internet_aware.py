"""P11: ten light pages between two of ours in the internet-aware mode, from INVITE to BYE.

On the loopback interface it is two processes in real time, coding and storing included. With 50 ms each way
it is simulated time, in which pages cost nothing: a relay between them would change the addresses of the
media, and with them void the mark by which two of ours know each other.
"""

from __future__ import annotations

from pathlib import Path

from t38fsp.virtual.network import Faults
from tests.benchmarks.harness.compare import faxes_in, identical
from tests.benchmarks.harness.faxes import folder_in
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.ours import ours
from tests.benchmarks.harness.pages import ROWS, Kind, document
from tests.call.harness import Scene, Sender

_AWARE = {"internet_aware": True}
_DELAY = 0.05


async def measure(plan: Plan, folder: Path) -> Outcome:
    pages = plan.of(10, 10, 2)
    sent = document(folder / "light.tif", Kind.LIGHT, pages, rows=plan.of(ROWS, ROWS, 100))
    async with (
        ours(folder / "far", accept=True, settings=_AWARE) as far,
        ours(folder / "near") as near,
    ):
        near.send([sent], far.to, 1, **_AWARE)
        await near.all_over(1, 120.0)
        await far.all_over(1, 30.0)
    rows = [
        Row(f"{pages} light pages on loopback", fax.seconds, "s", 2.5, note=f"pages {fax.line:.2f} s")
        for fax in near.completed
    ]
    scene = Scene(folder_in(folder, "scene"), faults_for=lambda source, destination: Faults(delay=_DELAY))
    scene.document = sent
    scene.answer(**_AWARE)
    scene.send_document(Sender(sent), internet_aware=True)
    scene.run()
    line = sum(page.seconds for page in scene.sent.pages)
    what = f"{pages} light pages, 50 ms each way, simulated"
    rows.append(Row(what, scene.sent.seconds, "s", 4.0, note=f"pages {line:.2f} s"))
    same = identical([*faxes_in(folder / "far"), scene.output], [sent])
    return Outcome(rows, notes=near.failures(), faxes=2, wrong=2 - same)

"""Pages that arrive on a bad line: ``python -m tests.benchmarks.delivery [CALLS]`` writes docs/delivery.md.

Each figure is of ``CALLS`` calls (100) of one page, all with other losses; the seeds are fixed. What is done
is kept in a file of the system's temporary directory, so that a run that was stopped goes on there.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from itertools import product
from pathlib import Path

from PIL import UnidentifiedImageError

from t38fsp.call_settings import CallSettings
from t38fsp.choices import Switch
from t38fsp.t30.vocabulary import Resolution
from t38fsp.t38.attributes import ErrorCorrection, T38Parameters
from t38fsp.virtual.network import Faults, GilbertElliott
from t38fsp.virtual.network import Path as Direction
from tests.benchmarks.parties import OurReceiver, OurSender
from tests.pages import make_document
from tests.peers import libtiff
from tests.peers.endpoint import SpandspEndpoint
from tests.peers.machine import Role
from tests.peers.simulated import Carrier, Party, run
from tests.peers.terminal import SpandspTerminal

AUDIO = "\n## In audio\n"
REPORT = Path(__file__).parents[2] / "docs" / "delivery.md"
ROWS = 200
"""6.6 KB of MMR: 4 s, or 125 packets, at 14400 bit/s."""
DATAGRAM = 400
_MEMORY = Path("/dev/shm")
"""Received pages are written through to the disk, which would take half of the time."""
FEC = (3, 3)
"""Strings, and packets in each: what Asterisk does by default."""


class Pair(Enum):
    OURS = "ours to ours"
    MIXED = "ours and spandsp, each sending in half of the calls"
    SPANDSP = "spandsp to spandsp"


CORRECTIONS = ("none", "1", "2", "3", "4", "5", "FEC")
LINES: dict[str, Faults] = {
    **{f"{loss} %": Faults(loss=loss / 100) for loss in (0, 1, 2, 5, 10, 20, 30)},
    **{
        f"{loss} % in bursts of {length}": Faults(bursts=GilbertElliott.of(loss / 100, length))
        for loss, length in ((1, 4), (5, 4), (1, 12), (5, 12))
    },
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of the tables, by its labels."""

    pair: str
    ecm: bool
    correction: str
    line: str


@dataclass(slots=True)
class Figure:
    delivered: int = 0
    """The sender got the confirmation of the page, and the received document is identical, pixel by pixel."""
    damaged: int = 0
    """The sender was told so, but it is not the same."""


# --- one call -----------------------------------------------------------------------------------------------


def line(faults: Faults, seed: int) -> Carrier:
    """20 to 25 ms each way, in order, and the losses of ``faults``."""
    directions: dict[Party, Direction] = {}

    def carry(sender: Party, now: float) -> list[float]:
        if sender not in directions:
            even = Faults(delay=0.02, jitter=0.005, in_order=True, loss=faults.loss, bursts=faults.bursts)
            directions[sender] = Direction(even, random.Random(f"{seed} {len(directions)}"))
        return directions[sender].arrivals(now)

    return carry


def _settings(cell: Cell) -> tuple[CallSettings, T38Parameters]:
    by_parity = cell.correction == "FEC"
    copies = int(cell.correction) if cell.correction.isdigit() else 0
    corrections = {"none": ErrorCorrection.NONE, "FEC": ErrorCorrection.FEC}
    settings = CallSettings(
        switch=Switch.FIRST,
        ecm=cell.ecm,
        redundancy=copies,
        parity=FEC[0] if by_parity else 0,
        parity_span=FEC[1],
    )
    correction = corrections.get(cell.correction, ErrorCorrection.REDUNDANCY)
    return settings, T38Parameters(error_correction=correction, max_datagram=DATAGRAM)


def _spandsp(cell: Cell, role: Role, document: Path | None, received: Path | None) -> SpandspEndpoint:
    return SpandspEndpoint(
        SpandspTerminal(role, tx_file=document, rx_file=received, ecm=cell.ecm),
        redundancy=int(cell.correction) if cell.correction.isdigit() else 0,
        parity=FEC if cell.correction == "FEC" else None,
    )


def call(cell: Cell, seed: int, document: Path, received: Path) -> bool:
    """Whether the sender calls the fax a success."""
    settings, theirs = _settings(cell)
    ours_sends = cell.pair == Pair.OURS.value or (cell.pair == Pair.MIXED.value and seed % 2 == 0)
    ours_receives = cell.pair == Pair.OURS.value or (cell.pair == Pair.MIXED.value and seed % 2 == 1)
    sender: OurSender | SpandspEndpoint
    receiver: OurReceiver | SpandspEndpoint
    if ours_sends:
        sender = OurSender(document, settings, theirs)
    else:
        sender = _spandsp(cell, Role.CALLING, document, None)
    if ours_receives:
        receiver = OurReceiver(received, settings, theirs)
    else:
        receiver = _spandsp(cell, Role.ANSWERING, None, received)
    seconds = run(receiver, sender, carry=line(LINES[cell.line], seed), limit=3600).seconds
    for party in (sender, receiver):
        # BYE, for whoever is not through by now.
        if isinstance(party, SpandspEndpoint):
            party.hang_up()
        else:
            party.hang_up(seconds)
    if isinstance(sender, OurSender):
        return sender.result.completed
    completion = sender.machine.completion
    return completion is not None and completion.ok


# --- figures ------------------------------------------------------------------------------------------------


def _dots(path: Path) -> list[bytes]:
    try:
        return [page.tobytes() for page in libtiff.pages(path)]
    except (FileNotFoundError, UnidentifiedImageError):
        return []


def measure(arguments: tuple[Cell, int]) -> tuple[Cell, Figure]:
    """``calls`` calls of one kind."""
    cell, calls = arguments
    figure = Figure()
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        document, received = Path(name) / "document.tif", Path(name) / "received.tif"
        make_document(document, [(1728, Resolution.R8_FINE, ROWS, "text")])
        dots = _dots(document)
        for seed in range(calls):
            received.unlink(missing_ok=True)
            told = call(cell, seed, document, received)
            same = _dots(received) == dots
            figure.delivered += told and same
            figure.damaged += told and not same
    return cell, figure


def cells() -> Iterator[Cell]:
    for pair, ecm, name, correction in product(Pair, (True, False), LINES, CORRECTIONS):
        yield Cell(pair.value, ecm, correction, name)


PREFACE = """\
# Delivery on a bad line

Made by `python -m tests.benchmarks.delivery {calls}`: pages delivered out of {calls} calls of one page, in
simulated time. A page counts as delivered if its sender got the confirmation and the receiver has stored it
identically, pixel by pixel. In brackets: calls in which the sender got the confirmation although the page is
damaged.

* **The page**: {rows} rows of text at 204 x 196, about 125 packets at 14400 bit/s.
* **The line**: 20 to 25 ms each way, in order; every datagram is lost with the same probability, or in bursts
  (Gilbert-Elliott) of the average length given, in both directions. The seeds are fixed and the same for all.
* **The columns**: no correction (t38UDPNoEC); 1 to 5 copies of earlier packets in each datagram; parity FEC,
  {strings} strings over {span} packets each. Where there are copies, ours sends control data with at least 5
  of them; without correction it sends each packet of V.21, as each indicator, three times. Datagrams have at
  most {datagram} octets.
* **The parties**: ours is the product's call from the switch to T.38 on; spandsp is the T.38 terminal of
  libspandsp 0.0.6 with the UDPTL of the tests (the library has none), which shares no code with ours.
"""


def report(figures: dict[Cell, Figure], calls: int) -> Iterator[str]:
    yield PREFACE.format(calls=calls, rows=ROWS, strings=FEC[0], span=FEC[1], datagram=DATAGRAM)
    for pair, ecm in product(Pair, (True, False)):
        yield f"## {pair.value[0].upper()}{pair.value[1:]}, {'with' if ecm else 'without'} ECM\n"
        yield "| loss | " + " | ".join(CORRECTIONS) + " |"
        yield "|---" * (1 + len(CORRECTIONS)) + "|"
        for name in LINES:
            row = [figures[Cell(pair.value, ecm, correction, name)] for correction in CORRECTIONS]
            yield f"| {name} | " + " | ".join(map(_text, row)) + " |"
        yield ""


def _text(figure: Figure) -> str:
    return f"{figure.delivered} ({figure.damaged})" if figure.damaged else str(figure.delivered)


def main(calls: int = 100) -> None:
    kept = Path(tempfile.gettempdir()) / f"t38fsp-delivery-{calls}.jsonl"
    figures: dict[Cell, Figure] = {}
    if kept.exists():
        for entry in map(json.loads, kept.read_text(encoding="utf-8").splitlines()):
            figures[Cell(**entry["cell"])] = Figure(**entry["figure"])
    wanted = [(cell, calls) for cell in cells() if cell not in figures]
    with (
        kept.open("a", encoding="utf-8") as file,
        multiprocessing.Pool(os.cpu_count(), initializer=os.nice, initargs=(15,)) as pool,
    ):
        for done, (cell, figure) in enumerate(pool.imap_unordered(measure, wanted), 1):
            figures[cell] = figure
            print(json.dumps({"cell": asdict(cell), "figure": asdict(figure)}), file=file, flush=True)
            print(f"\r{done} of {len(wanted)}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    # The tables of faxes in audio follow; they are made by tests.audio.tables.
    _, marker, audio = REPORT.read_text(encoding="utf-8").partition(AUDIO)
    REPORT.write_text("\n".join(report(figures, calls)) + marker + audio, encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

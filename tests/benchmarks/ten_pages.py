"""Seconds and CPU per page of a ten-page call: ours to ours beside spandsp to spandsp.

    python -m tests.benchmarks.ten_pages [PAGES [RUNS]]

spandsp is driven from Python here, packet by packet, so its CPU is in part that of the harness; how ours
compares with spandsp driven from C is in the measures of ``python -m tests.benchmarks`` (P1 to P3).

Both calls run in simulated time, with ECM, MMR and 14400 bit/s, 20 ms each way, in turn, RUNS times. Ours are
whole calls of the product, SIP included; spandsp's are two of its terminals and the UDPTL of the tests.
``line`` is the time on the simulated clock from the first T.38 packet to the last; ``CPU`` is that of both
ends and the network, coding and storing included. The pages are compared after each run.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from t38fsp.events import SwitchedToT38
from tests.call.harness import Receiver, Scene, Sender
from tests.peers.endpoint import SpandspEndpoint
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.simulated import run
from tests.peers.terminal import SpandspTerminal

Call = Callable[[Path, Path], float]


def ours(document: Path, received: Path) -> float:
    scene = Scene(received.parent)
    scene.taps = []
    scene.output = received
    scene.receiver = Receiver(received)
    scene.answer()
    switched = 0.0

    def on_t38() -> bool:
        nonlocal switched
        if not switched and any(isinstance(event, SwitchedToT38) for event in scene.call.events):
            switched = scene.simulator.now
        return scene.call.call.result is not None

    scene.send_document(Sender(document))
    scene.run(until=on_t38)
    return scene.simulator.now - switched


def spandsp(document: Path, received: Path) -> float:
    near = SpandspEndpoint(SpandspTerminal(Role.CALLING, tx_file=document))
    far = SpandspEndpoint(SpandspTerminal(Role.ANSWERING, rx_file=received))
    return run(far, near).seconds


def measure(call: Call, document: Path, folder: Path, pages: int) -> tuple[float, float]:
    """(line seconds, CPU seconds) for each page."""
    received = folder / "received.tif"
    received.unlink(missing_ok=True)
    started = time.process_time()
    seconds = call(document, received)
    spent = time.process_time() - started
    assert_same_pages(document, received)
    return seconds / pages, spent / pages


def main(pages: int = 10, runs: int = 5) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        document = write_document(folder / "sent.tif", [text_page(seed=seed) for seed in range(pages)])
        taken: dict[str, list[tuple[float, float]]] = {"ours": [], "spandsp": []}
        for _ in range(runs):
            for label, call in (("ours", ours), ("spandsp", spandsp)):
                taken[label].append(measure(call, document, folder, pages))
    print(f"{pages} pages of {document.name}, {runs} runs of each, per page (spandsp driven from Python):")
    for label, figures in taken.items():
        line, cpu = zip(*figures, strict=True)
        print(
            f"{label:8} line {statistics.median(line):6.2f} s   CPU {statistics.median(cpu) * 1000:6.1f} ms"
        )
    ratios = [a[1] / b[1] for a, b in zip(taken["ours"], taken["spandsp"], strict=True)]
    print(
        f"CPU ratio ours/spandsp, run by run: median {statistics.median(ratios):.2f}, "
        f"{min(ratios):.2f} to {max(ratios):.2f}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

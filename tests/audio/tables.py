"""The tables of faxes in audio in docs/delivery.md: lost packets, levels and noise, beside spandsp's own fax.

    python -m tests.audio.tables [SEEDS [levels | loss]]

prints them. Each fax comes from spandsp: to our T.30 with its gain, gate and filling of holes, or to a second
one of spandsp on the same line with the same seeds. There a lost packet is silence, as in a gateway without
concealment, or the packet before it, as with the simplest one.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from t38fsp.audio.g711 import Law
from tests.audio.telephone import FRAME, Line, Way, receive
from tests.peers import audio_fax, machine
from tests.peers.pages import text_page, write_document

LOSSES = [
    (0.03, 1),
    (0.01, 1),
    (0.005, 1),
    (0.01, 3),
    (0.02, 1),
    (0.01, 10),
    (0.002, 1),
    (0.001, 1),
    (0.0, 1),
]
"""Share of packets lost, and how many in a row."""
LEVELS: list[tuple[float, float | None]] = [
    (9.5, None),
    (-12.0, None),
    (-16.0, None),
    (-20.0, None),
    (-30.0, None),
    (0.0, 35.0),
    (0.0, 30.0),
    (0.0, 27.0),
    (0.0, 22.0),
    (-20.0, 35.0),
    (-20.0, 22.0),
    (-20.0, 18.0),
]
"""Gain in dB, and the ratio of signal to noise in dB."""

_LIMIT = 400.0


def ours(document: Path, folder: Path, line: Line, seed: int, *, ecm: bool = True) -> float | None:
    """Seconds of a fax to us; None if it did not arrive."""
    telephone = receive(
        document, folder / "ours.tif", ecm=ecm, there=line, back=Line(), seed=seed, limit=_LIMIT
    )
    return telephone.seconds if telephone.completed else None


def theirs(document: Path, folder: Path, line: Line, seed: int, *, repeat: bool = False) -> float | None:
    """The same between two faxes of spandsp."""
    received = folder / "theirs.tif"
    received.unlink(missing_ok=True)
    caller = audio_fax.AudioFax(machine.Role.CALLING, tx_file=document)
    called = audio_fax.AudioFax(machine.Role.ANSWERING, rx_file=received)
    chance = random.Random(seed)
    there = Way(line, Law.PCMA, random.Random(chance.random()))
    back = Way(Line(), Law.PCMA, random.Random(chance.random()))
    silence = bytes([Law.PCMA.silence]) * 160
    last = said = silence
    number = 0
    while number * FRAME < _LIMIT and not (caller.completed and called.completed):
        spoken, answer = caller.speak(160), called.speak(160)
        coming = there.carry(spoken, said)
        last = coming if coming is not None else last if repeat else silence
        called.hear(last)
        heard = back.carry(answer, spoken)
        caller.hear(silence if heard is None else heard)
        said = answer
        number += 1
    completion = caller.machine.completion
    arrived = caller.completed and called.completed and completion is not None and completion.ok
    for fax in (caller, called):
        if not fax.completed:
            fax.machine.terminate()
        fax.close()
    return number * FRAME if arrived else None


def counted(fax: Callable[..., float | None], seeds: int, *arguments: object, **more: object) -> str:
    """How many arrived of a call for each seed, and their mean time."""
    times = [fax(*arguments, seed, **more) for seed in range(seeds)]
    arrived = [seconds for seconds in times if seconds is not None]
    mean = f", {sum(arrived) / len(arrived):.0f} s" if arrived else ""
    return f"{len(arrived)}{mean}"


def loss_rows(seeds: int, folder: Path) -> Iterator[str]:
    document = write_document(folder / "two.tif", [text_page(seed=seed) for seed in (1, 2)])
    yield f"| loss, of {seeds} | ours | spandsp, silence in the hole | spandsp, last packet repeated |"
    yield "|---|---|---|---|"
    for loss, burst in LOSSES:
        given = document, folder, Line(loss=loss, burst=burst)
        cells = [
            counted(ours, seeds, *given),
            counted(theirs, seeds, *given),
            counted(theirs, seeds, *given, repeat=True),
        ]
        name = f"{100 * loss:g} %" + (f" in bursts of {burst}" if burst > 1 else "")
        yield f"| {name} | {' | '.join(cells)} |"


def level_rows(seeds: int, folder: Path) -> Iterator[str]:
    document = write_document(folder / "one.tif", [text_page(seed=1, rows=400)])
    yield f"| line, of {seeds} | ours | spandsp |"
    yield "|---|---|---|"
    totals = [0, 0]
    for gain, noise in LEVELS:
        given = document, folder, Line(gain=gain, noise=noise)
        cells = [counted(ours, seeds, *given), counted(theirs, seeds, *given)]
        totals = [total + int(cell.split(",")[0]) for total, cell in zip(totals, cells, strict=True)]
        level = f"{gain:+g} dB" if gain else ""
        under = "" if noise is None else f"noise {noise:g} dB under the signal"
        yield f"| {', '.join(filter(None, (level, under)))} | {' | '.join(cells)} |"
    yield f"| all {seeds * len(LEVELS)} | {totals[0]} | {totals[1]} |"


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    kinds = sys.argv[2:] or ["levels", "loss"]
    with tempfile.TemporaryDirectory() as folder:
        if "levels" in kinds:
            for row in level_rows(max(seeds // 2, 1), Path(folder)):
                print(row, flush=True)
        if "loss" in kinds:
            for row in loss_rows(seeds, Path(folder)):
                print(row, flush=True)


if __name__ == "__main__":
    main()

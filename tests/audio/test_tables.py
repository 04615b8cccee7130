"""What docs/delivery.md says of faxes in audio, tried again; and what they cost beside spandsp's own fax."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audio import telephone
from tests.audio.tables import LEVELS, ours, theirs
from tests.audio.telephone import Line, OurFax
from tests.peers.audio_fax import AudioFax
from tests.peers.pages import text_page, write_document

pytestmark = [pytest.mark.spandsp, pytest.mark.long]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("loss", "least"), [(0.01, 20), (0.02, 19)])
def test_lost_packets_lose_few_faxes(tmp_path: Path, loss: float, least: int) -> None:
    document = write_document(tmp_path / "two.tif", [text_page(seed=seed) for seed in (1, 2)])
    arrived = [ours(document, tmp_path, Line(loss=loss), seed) is not None for seed in range(20)]
    assert sum(arrived) >= least


@pytest.mark.timeout(3600)
def test_levels_and_noise(tmp_path: Path) -> None:
    """Four times what spandsp's own fax brings over the same lines with the same seeds."""
    document = write_document(tmp_path / "one.tif", [text_page(seed=1, rows=400)])
    counts = [0, 0]
    for gain, noise in LEVELS:
        for seed in range(10):
            line = Line(gain=gain, noise=noise)
            counts[0] += ours(document, tmp_path, line, seed) is not None
            counts[1] += theirs(document, tmp_path, line, seed) is not None
    assert counts[0] >= 115
    assert counts[0] >= 4 * counts[1]


def test_the_cost_beside_a_fax_in_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time for a second of audio, in one run; pages are coded and stored by workers elsewhere."""
    spent = {"ours": 0.0, "spandsp": 0.0, "pages": 0.0}

    def measure(owner: Any, name: str, account: str) -> None:
        method: Callable[..., object] = getattr(owner, name)

        def measured(*arguments: Any) -> object:
            began = time.thread_time()
            try:
                return method(*arguments)
            finally:
                spent[account] += time.thread_time() - began

        monkeypatch.setattr(owner, name, measured)

    for owner, name, account in (
        (OurFax, "turn", "ours"),
        (OurFax, "receive", "ours"),
        (AudioFax, "speak", "spandsp"),
        (AudioFax, "hear", "spandsp"),
        (telephone, "encode_page", "pages"),
        (telephone, "append_page", "pages"),
    ):
        measure(owner, name, account)
    document = write_document(tmp_path / "two.tif", [text_page(seed=seed) for seed in (1, 2)])
    cost = {}
    for way in (telephone.send, telephone.receive):
        spent.update(ours=0.0, spandsp=0.0, pages=0.0)
        fax = way(document, tmp_path / "received.tif")
        assert fax.completed
        cost[way.__name__] = (spent["ours"] - spent["pages"]) / fax.seconds, spent["spandsp"] / fax.seconds
    # While we send spandsp receives, and the other way round.
    assert cost["send"][0] <= 3.0 * cost["receive"][1]
    assert cost["receive"][0] <= 3.0 * cost["send"][1]

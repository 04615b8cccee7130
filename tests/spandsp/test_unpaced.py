"""A libspandsp terminal without the pace of a modem, as of fax servers, on a line that loses and slows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.peers.endpoint import SpandspEndpoint
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.simulated import Party, run
from tests.peers.terminal import SpandspTerminal
from tests.spandsp.harness import OurReceiver

pytestmark = pytest.mark.spandsp

FRAMES = 501
"""Of the page, in blocks of 256 and 245 of them."""
LOST = range(214, 283)
"""Datagrams of the sender: the last frames of the first block, and its PPS up to the end."""


class Slows:
    """Loses the datagrams of ``LOST``, a few more or fewer, and then takes longer than before."""

    def __init__(self, sender: Party, seed: int) -> None:
        self._sender = sender
        self._chance = chance = random.Random(seed)
        self._lost = range(LOST.start + (chance.randint(-6, 6) if seed % 2 else 0), LOST.stop)
        self._later = chance.choice([0.25, 0.25, 0.25, 0.2, 0.5, 0.75, 1.0, 1.5, 2.0])
        self._there, self._back = chance.choice([0.001, 0.02, 0.1]), chance.choice([0.001, 0.02, 0.1])
        self._jitter = chance.choice([0.0, 0.005, 0.05])
        self._loss = chance.choice([0.0, 0.0, 0.0, 0.05, 0.15])
        self._number = -1
        self._latest = 0.0

    def __call__(self, sender: Party, now: float) -> list[float]:
        if sender is not self._sender:
            return [now + self._back]
        self._number += 1
        slow = self._number >= self._lost.stop
        if self._number in self._lost or (slow and self._chance.random() < self._loss):
            return []
        delay = self._there + self._chance.uniform(0, self._jitter) + slow * self._later
        self._latest = max(self._latest, now + delay)
        return [self._latest]


@pytest.fixture(scope="module")
def two_blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = text_page(rows=2200, noise_rows=238)
    return write_document(tmp_path_factory.mktemp("document") / "sent.tif", [page])


@pytest.mark.parametrize(
    "seeds",
    [pytest.param(range(8), id="8"), pytest.param(range(8, 200), id="200", marks=pytest.mark.full)],
)
def test_the_end_of_a_block_is_lost_and_the_line_slows_down(
    two_blocks: Path, received: Path, seeds: range
) -> None:
    """Every page arrives, not an octet too many, and each frame that came twice is counted."""
    for seed in seeds:
        received.unlink(missing_ok=True)
        peer = SpandspTerminal(Role.CALLING, paced=False, tx_file=two_blocks)
        far = SpandspEndpoint(peer, start=random.Random(seed).uniform(0, 0.02))
        near = OurReceiver(received)
        call = run(far, near, carry=Slows(far, seed))
        far.hang_up()
        near.hang_up(call.seconds)
        assert near.result is not None, seed
        assert near.result.error is None, (seed, near.result)
        assert assert_same_pages(two_blocks, received) == 1, seed
        (page,) = near.outcomes
        assert (page.confirmed, page.octets) == (True, FRAMES * 256), seed
        assert page.repeats >= 256 - (LOST.start + 6 - 20), seed

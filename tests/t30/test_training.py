"""The training check: what proves a modem, and what does not."""

from __future__ import annotations

import random

import pytest

from t38fsp.t30.training import TrainingJudge, training_check
from t38fsp.t30.vocabulary import Modem
from tests.sweep import sweep

CHUNK = 54
"""Octets of a packet: 30 ms at 14400 bit/s."""


def judged(octets: bytes, lost: set[int]) -> bool:
    """The verdict on a training check of which these packets are missing."""
    judge = TrainingJudge(Modem.V17_14400)
    for number, start in enumerate(range(0, len(octets), CHUNK)):
        if number not in lost:
            judge.feed(octets[start : start + CHUNK])
    assert judge.has_heard
    return judge.passed


@pytest.mark.parametrize("modem", Modem)
def test_it_takes_a_second_and_a_half(modem: Modem) -> None:
    burst = training_check(modem)
    assert not burst.data.strip(b"\0")
    assert len(burst.data) * 8 / modem.rate == pytest.approx(1.5, abs=0.03)


@sweep(push=5, seed=range(20))
def test_lost_packets_prove_nothing_against_a_modem(seed: int) -> None:
    zeros = training_check(Modem.V17_14400).data
    assert judged(zeros, set(random.Random(seed).sample(range(50), 15)))


def test_less_than_a_second_proves_nothing() -> None:
    zeros = training_check(Modem.V17_14400).data
    assert not judged(zeros, set(range(10, 30)))


@pytest.mark.parametrize(
    ("at", "passes"), [(100, True), (880, True), (1350, False), (1820, True), (2600, True)]
)
def test_one_wrong_octet_leaves_the_longer_side(at: int, passes: bool) -> None:
    octets = bytearray(training_check(Modem.V17_14400).data)
    octets[at] = 0x40
    assert judged(bytes(octets), set()) is passes

"""A hundred and twenty pages in one call, on a line with every fault that leaves a call possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.values import Address
from t38fsp.choices import Switch
from t38fsp.t30.vocabulary import Resolution
from t38fsp.virtual.network import Faults, GilbertElliott
from tests.call.harness import CALLER, SIP_PORT, FaultsFor, Scene
from tests.pages import PageSpec

PAGES = 120
KINDS = ("text", "lines", "white", "halftone", "black", "noise")


def pages() -> list[PageSpec]:
    """Short ones of every kind, the dense ones shortest."""
    return [
        (1728, Resolution.R8_FINE, 60 if kind in ("noise", "halftone") else 250, kind)
        for kind in (KINDS[number % len(KINDS)] for number in range(PAGES))
    ]


def faults_for(*, bursts: bool) -> FaultsFor:
    """Of the media: 2 % lost, and more in ``bursts``; copies, late ones, jitter, and a clock 100 ppm slow."""

    def chosen(source: Address, destination: Address) -> Faults:
        if SIP_PORT in (source[1], destination[1]):
            return Faults()
        return Faults(
            delay=0.04,
            jitter=0.01,
            loss=0.02,
            bursts=GilbertElliott.of(0.01, 2) if bursts else None,
            duplication=0.01,
            reordering=0.005,
            held_back=0.06,
            drift=0.0001 if source[0] == CALLER else 0.0,
        )

    return chosen


@pytest.mark.full
@pytest.mark.parametrize("ecm", [True, False])
def test_every_page_is_the_same(tmp_path: Path, ecm: bool) -> None:
    # Redundancy 3 bears no four losses in a row; ECM makes them good.
    scene = Scene(tmp_path, seed=120, faults_for=faults_for(bursts=ecm))
    scene.answer(ecm=ecm)
    scene.send(pages(), ecm=ecm, switch=Switch.CALLEE)
    scene.run()
    scene.assert_delivered(PAGES)
    scene.assert_truthful()
    for result in (scene.sent, scene.received):
        assert result.counters["recovered"] > 0
        assert result.counters["duplicates"] > 0
        assert 0 < result.counters["jitter"] < 60
    assert scene.received.counters["longest_burst"] > 1
    scene.run_out()

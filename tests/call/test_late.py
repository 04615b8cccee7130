"""A BYE by the quick way of signalling overtakes the last T.38, which comes by the slow one of media."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp.call_settings import CallSettings
from t38fsp.virtual.network import Faults
from t38fsp.virtual.quirks import parse_quirks
from t38fsp.virtual.scenario import Scenario
from tests.call.harness import make_pages
from tests.pages import make_document
from tests.peers import libtiff


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("delay", [0.1, 0.3, 0.45])
def test_the_last_confirmation_comes_behind_the_bye(tmp_path: Path, delay: float, ecm: bool) -> None:
    letter = tmp_path / "letter.tif"
    make_document(letter, make_pages(2, rows=100))
    scenario = Scenario(tmp_path, parse_quirks("early-hang-up"), Faults(delay=delay))
    outcome = scenario.send(letter, CallSettings(ecm=ecm))
    assert outcome.shown["early-hang-up"] == 1
    assert outcome.result.completed, outcome.result.reason
    assert libtiff.assert_same_pages(letter, outcome.file) == 2


def test_what_comes_later_does_not_count(tmp_path: Path) -> None:
    letter = tmp_path / "letter.tif"
    make_document(letter, make_pages(2, rows=100))
    result = Scenario(tmp_path, parse_quirks("early-hang-up"), Faults(delay=0.8)).send(letter).result
    assert [page.confirmed for page in result.pages] == [True, False]
    assert "the far end hung up" in result.reason

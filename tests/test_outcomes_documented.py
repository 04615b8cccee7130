"""docs/outcomes.md, which queues are written by, says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from t38fsp.call.verdict import result_of, verdict
from t38fsp.cli.exits import exit_for
from t38fsp.outcome import Outcome

PAGE = Path(__file__).parent.parent / "docs" / "outcomes.md"
ROWS = {
    name: (status, exit_status, retry)
    for name, status, exit_status, retry in re.findall(
        r"^\| ([A-Z_0-9]+) \| ([A-Z_]+) \| (\d+) \| (yes|no|mostly) \|", PAGE.read_text(), re.M
    )
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_row(outcome: Outcome) -> None:
    result = result_of(verdict(outcome, ""))
    status, exit_status, retry = ROWS[outcome.name]
    assert (status, int(exit_status)) == (result.status.name, exit_for(result))
    assert result.retry is (retry != "no")


def test_there_are_no_others() -> None:
    assert set(ROWS) == {outcome.name for outcome in Outcome}

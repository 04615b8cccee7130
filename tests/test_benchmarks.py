"""Every measure of ``python -m tests.benchmarks``, so small that it only tries the harness."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import MEASURES, main, run
from tests.benchmarks.harness.figures import Outcome, Plan, Row, Scale
from tests.benchmarks.harness.report import table

pytestmark = pytest.mark.full

DELIVERING = sorted(set(MEASURES) - {"P4b", "P9"})
"""Those whose calls come to their end."""


def measured(name: str, folder: Path) -> Outcome:
    outcome = run(MEASURES[name], Plan(Scale.TOY), folder)
    report = (folder / "report.md").read_text("utf-8")
    assert outcome.rows
    for line in table(outcome):
        assert line in report
    assert (folder / "report.svg").read_text("utf-8").endswith("</svg>")
    return outcome


@pytest.mark.spandsp
@pytest.mark.parametrize("name", DELIVERING)
def test_what_is_sent_arrives(name: str, tmp_path: Path) -> None:
    outcome = measured(name, tmp_path)
    assert outcome.faxes > 0
    assert outcome.wrong == 0, outcome.notes


@pytest.mark.spandsp
def test_calls_come_to_their_page(tmp_path: Path) -> None:
    outcome = measured("P4b", tmp_path)
    assert outcome.notes[0].startswith("3 calls asked for, 3 in a page"), outcome.notes


@pytest.mark.spandsp
def test_memory_is_told_without_calls_and_with(tmp_path: Path) -> None:
    outcome = measured("P9", tmp_path)
    assert [row.what for row in outcome.rows] == [
        "RSS with 0 calls in mid-page",
        "RSS with 2 calls in mid-page",
    ]


def test_goals_are_of_the_ratio_where_there_is_an_anchor() -> None:
    assert Row("", 3.0, "s", goal=2.0, anchor=2.0).reached
    assert not Row("", 3.0, "s", goal=2.0).reached
    assert Row("", 3.0, "s", goal=2.0, more=True).reached
    assert Row("", 3.0, "s").reached is None


def test_help_tells_every_measure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for entry in MEASURES.values():
        assert f"{entry.id:4} {entry.what}" in said


def test_an_unknown_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["P99", "--into", str(tmp_path)])

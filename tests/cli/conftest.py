"""The command line within the process of the test."""

from __future__ import annotations

import pytest

from tests.cli.commands import Run, invoke


@pytest.fixture
def run(empty_directory: None, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in a directory of the test's; its lines are not wrapped."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return invoke

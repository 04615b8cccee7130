"""Many calls at once, with SIPp, on one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.signalling import load

pytestmark = pytest.mark.sipp


@pytest.mark.parametrize("calls", [150, pytest.param(500, marks=pytest.mark.full)])
@pytest.mark.parametrize("placed", [True, False], ids=["we call", "SIPp calls"])
async def test_none_fails_and_nothing_is_left(tmp_path: Path, calls: int, placed: bool) -> None:
    (result,) = await load(calls, 100.0, tmp_path, placed=placed)
    assert (result.most, result.failures) == (calls, 0)
    # Not even one object for each call.
    assert result.kept.objects < calls

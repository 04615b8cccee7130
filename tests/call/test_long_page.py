"""A page that is longer than what is kept of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp.status import FaxStatus
from tests.call.harness import Scene, make_pages


@pytest.mark.parametrize("ecm", [True, False])
def test_a_page_that_is_too_long_is_not_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ecm: bool
) -> None:
    """Its first lines are good lines, but they are not the page."""
    monkeypatch.setattr("t38fsp.call.receiving._PAGE_LIMIT", 1500)
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm)
    scene.send(make_pages(1))
    scene.run()
    sent, taken = scene.call.call.result, scene.taken.call.result
    assert sent is not None
    assert taken is not None
    assert not sent.completed
    assert taken.status is FaxStatus.FATAL_ERROR
    assert "larger than the limit for one page, 1500 octets" in taken.reason
    assert not any(page.confirmed for page in (*sent.pages, *taken.pages))
    assert not scene.output.exists()

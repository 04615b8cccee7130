"""Calls that do not come about: what the product says of them, and that a later call comes through."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp.audio.leg import Role
from t38fsp.status import FaxStatus
from t38fsp.virtual.quirks import QuirkError, parse_quirks
from tests.call.harness import make_pages
from tests.virtual.harness import GatewayScene


def call(scene: GatewayScene, **settings: object) -> FaxStatus:
    """Send a page, as another call to the same gateway."""
    scene.gateway.calls.clear()
    return scene.transfer(Role.ANSWERING, make_pages(1), **settings).status


@pytest.mark.parametrize(
    ("status", "expected", "retry"),
    [
        (404, FaxStatus.BAD_ADDRESS, False),
        (480, FaxStatus.NO_ANSWER, True),
        (486, FaxStatus.BUSY, True),
        (503, FaxStatus.LINE_UNAVAILABLE, True),
        (600, FaxStatus.BUSY, True),
    ],
)
def test_a_call_is_refused(tmp_path: Path, status: int, expected: FaxStatus, retry: bool) -> None:
    scene = GatewayScene(tmp_path, f"refuses-call={status}")
    assert call(scene) is expected
    result = scene.outcome.result
    assert (result.sip_status, result.retry, result.dialog) == (status, retry, None)
    assert scene.outcome.shown == {"refuses-call": 1}
    assert scene.outcome.gateway.sip_status == status
    assert not scene.outcome.gateway.completed
    assert not scene.received_file.exists()


def test_nobody_answers(tmp_path: Path) -> None:
    scene = GatewayScene(tmp_path, "no-answer")
    assert call(scene, ring_limit=40.0) is FaxStatus.NO_ANSWER
    assert 40 <= scene.outcome.seconds < 80
    assert scene.outcome.shown == {"no-answer": 1}


def test_nobody_answers_and_the_caller_rings_for_ever(tmp_path: Path) -> None:
    scene = GatewayScene(tmp_path, "no-answer")
    assert call(scene, ring_limit=600.0) is FaxStatus.NO_ANSWER
    assert scene.outcome.result.sip_status == 480


def test_a_caller_who_gives_up_before_the_answer(tmp_path: Path) -> None:
    scene = GatewayScene(tmp_path, "rings=60")
    assert call(scene, ring_limit=20.0) is FaxStatus.NO_ANSWER
    assert scene.outcome.gateway.seconds < 25


def test_an_answered_call_is_dropped(tmp_path: Path) -> None:
    scene = GatewayScene(tmp_path, "drops-call=0.5")
    assert call(scene) is not FaxStatus.COMPLETED
    result = scene.outcome.result
    assert result.dialog is not None
    assert result.pages_confirmed == 0
    assert scene.outcome.shown == {"drops-call": 1}


@pytest.mark.parametrize(
    "quirks", ["refuses-call=486:2", "refuses-call=503:2,rings=3", "no-answer=2", "drops-call=1:2"]
)
def test_what_is_tried_again_comes_through(tmp_path: Path, quirks: str) -> None:
    scene = GatewayScene(tmp_path, quirks)
    for _ in range(2):
        assert call(scene, ring_limit=20.0) is not FaxStatus.COMPLETED
    assert call(scene, ring_limit=20.0) is FaxStatus.COMPLETED
    scene.assert_delivered(1)
    assert call(scene, ring_limit=20.0) is FaxStatus.COMPLETED


@pytest.mark.parametrize(
    "quirks",
    [
        "refuses-call=200",
        "refuses-call=486:-1",
        "rings=-1",
        "rings=121",
        "drops-call=31",
        "no-answer,rings=3",
    ],
)
def test_values_out_of_range(quirks: str) -> None:
    with pytest.raises(QuirkError):
        parse_quirks(quirks)

"""A fax where there is no T.38: the call goes on in audio, at both ends, in simulated time."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp import events
from t38fsp.audio.modem.library import modem_library
from t38fsp.choices import Audio, Switch
from t38fsp.results import FaxResult, Medium
from tests.call.harness import Scene, make_pages

pytestmark = pytest.mark.spandsp


class AudioScene(Scene):
    """Both ends may use audio, if their settings say so."""

    def __init__(self, folder: Path, **options: object) -> None:
        super().__init__(folder, **options)  # type: ignore[arg-type]
        self.caller.modems = self.callee.modems = modem_library

    @property
    def results(self) -> list[FaxResult]:
        found = [call.call.result for call in self.calls]
        assert None not in found
        return found  # type: ignore[return-value]


def began(scene: AudioScene) -> list[bool]:
    return [any(isinstance(event, events.BeganInAudio) for event in call.events) for call in scene.calls]


@pytest.mark.parametrize("ecm", [True, False])
def test_only_audio(tmp_path: Path, ecm: bool) -> None:
    scene = AudioScene(tmp_path)
    scene.answer(audio=Audio.ONLY, ecm=ecm)
    scene.send(make_pages(2), audio=Audio.ONLY, ecm=ecm)
    scene.run()
    scene.assert_delivered(2)
    assert [result.medium for result in scene.results] == [Medium.AUDIO] * 2
    assert [result.modem for result in scene.results] == ["V.17"] * 2


def test_nobody_switches(tmp_path: Path) -> None:
    """The called end answers as a fax machine after 10 s, and refuses T.38 once it has spoken."""
    scene = AudioScene(tmp_path)
    scene.answer(audio=Audio.FALLBACK, switch=Switch.CALLER)
    scene.send(make_pages(1), audio=Audio.FALLBACK, switch=Switch.CALLEE)
    scene.run()
    scene.assert_delivered(1)
    assert began(scene) == [True, True]

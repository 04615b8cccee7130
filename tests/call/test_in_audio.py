"""A fax where there is no T.38: the call goes on in audio, at both ends, in simulated time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sip.line import OfferRefused
from sip.line_settings import SessionTimers
from sip.syntax.sdp import MediaDescription
from t38fsp import events
from t38fsp.audio.modem.library import ModemLibrary, ModemLibraryError, modem_library
from t38fsp.audio.offer import audio_media
from t38fsp.choices import Audio, Switch
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, Medium
from t38fsp.t38.attributes import T38Parameters
from tests.call.harness import CALLER, Scene, lossy, make_pages
from tests.call.phone import MEDIA_PORT, PHONE, Phone, audio_only
from tests.call.test_refresh import KeptAlive

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


NO_IMAGE = MediaDescription("image", 0, "udptl", ("t38",))


@pytest.mark.parametrize("refusal", [None, (NO_IMAGE,)], ids=["488", "port 0"])
def test_t38_is_refused(tmp_path: Path, refusal: tuple[MediaDescription, ...] | None) -> None:
    """The calling end begins in audio 12 s after the answer; without any media it offers audio again."""
    scene = AudioScene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(lambda offer: refusal)
    scene.send(make_pages(1), to=PHONE, switch=Switch.CALLER, audio=Audio.FALLBACK)
    scene.run(seconds=11.9)
    assert began(scene) == [False]
    scene.run(seconds=0.5)
    assert began(scene) == [True]
    scene.run()
    assert scene.results[0].outcome is Outcome.NO_PACKETS
    offers = [
        data for _, source, _, data in scene.tapped if source[0] == CALLER and data.startswith(b"INVITE")
    ]
    assert [b"m=audio 0" not in data and b"m=audio" in data for data in offers] == (
        [True, False] if refusal is None else [True, False, True]
    )


def test_t38_is_taken_until_t30_has_spoken(tmp_path: Path) -> None:
    scene = AudioScene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(audio_only)
    scene.send(make_pages(1), to=PHONE, audio=Audio.FALLBACK)
    scene.run(seconds=13.0)
    assert began(scene) == [True]
    phone.offer(T38Parameters().to_media(MEDIA_PORT))
    scene.run(seconds=1.0)
    assert any(isinstance(event, events.SwitchedToT38) for event in scene.call.events)
    scene.run()
    assert scene.results[0].medium is Medium.T38


def test_t38_is_refused_once_t30_has_spoken(tmp_path: Path) -> None:
    scene = AudioScene(tmp_path)
    scene.answer(audio=Audio.FALLBACK, switch=Switch.CALLER)
    phone = Phone(scene)
    phone.dial([audio_media(MEDIA_PORT, (0,))])
    scene.run(seconds=12.0)
    phone.offer(T38Parameters().to_media(MEDIA_PORT))
    scene.run(seconds=1.0)
    assert [event.status for event in phone.events if isinstance(event, OfferRefused)] == [488]


def test_without_the_library_the_verdict_names_it(tmp_path: Path) -> None:
    def missing() -> ModemLibrary:
        raise ModemLibraryError("there is no library of modems")

    scene = AudioScene(tmp_path)
    scene.caller.modems = missing
    scene.answer(audio=Audio.FALLBACK, switch=Switch.CALLER)
    scene.send(make_pages(1), audio=Audio.FALLBACK, switch=Switch.CALLEE)
    scene.run()
    sent, _ = scene.results
    assert sent.outcome is Outcome.NO_T38
    assert "there is no library of modems" in sent.reason


def test_encrypted_audio_alone_is_refused(tmp_path: Path) -> None:
    scene = AudioScene(tmp_path)
    scene.answer(audio=Audio.ONLY)
    phone = Phone(scene)
    phone.dial([replace(audio_media(MEDIA_PORT, (0,)), protocol="RTP/SAVP")])
    scene.run()
    assert scene.results[0].outcome is Outcome.NO_T38
    assert "RTP/SAVP" in scene.results[0].reason


def test_a_page_without_ecm_comes_again_if_packets_of_it_were_lost(tmp_path: Path) -> None:
    scene = AudioScene(tmp_path, seed=5, faults_for=lossy(0.004))
    scene.answer(audio=Audio.ONLY, ecm=False)
    scene.send(make_pages(1), audio=Audio.ONLY, ecm=False)
    scene.run()
    scene.assert_truthful()
    for result in scene.results:
        assert result.completed, result.reason
        assert [page.repeats for page in result.pages] == [1]
    assert scene.received.counters["filled"] > 0


@pytest.mark.full
def test_a_long_fax_over_a_session_refresh(tmp_path: Path) -> None:
    KeptAlive.timers = SessionTimers(session_expires=90)
    scene = KeptAlive(tmp_path)
    scene.caller.modems = scene.callee.modems = modem_library
    scene.answer(audio=Audio.ONLY)
    scene.send(make_pages(30), audio=Audio.ONLY)
    scene.run()
    scene.assert_delivered(30)

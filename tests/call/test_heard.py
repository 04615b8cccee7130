"""What the audio before the switch tells, and what is made of it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import pi, sin
from pathlib import Path

import pytest

from sip.line import Answered, Incoming, MediaChanged, OfferDeclined
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.values import Address
from t38fsp import events
from t38fsp.audio.g711 import Law, encode
from t38fsp.audio.offer import audio_media
from t38fsp.audio.rtp import FRAME_SAMPLES, RtpSender
from t38fsp.audio.tones import CED_HERTZ, CNG_HERTZ
from t38fsp.choices import Switch
from t38fsp.outcome import Outcome
from t38fsp.t38.attributes import T38Parameters
from t38fsp.virtual.network import Faults
from tests.audio.spandsp_audio import v21
from tests.call.harness import CALLEE, CALLER, Scene, make_pages
from tests.call.phone import MEDIA_PORT, PHONE, Phone, t38_too

GIVEN_UP = 35.0
"""Seconds after which a call that stays in audio is over."""
FLAGS = v21([0, 1, 1, 1, 1, 1, 1, 0], 1.0)
"""A second of the preamble of a fax machine."""
CED = "CED"


def sine(hertz: int, seconds: float) -> array[int]:
    return array("h", (round(8000 * sin(2 * pi * hertz * n / 8000)) for n in range(round(8000 * seconds))))


def play(scene: Scene, phone: Phone, samples: array[int], to: Address | None = None) -> None:
    """Have the phone send ``samples`` to the caller, or ``to`` an address, at the pace of audio."""
    if to is None:
        (incoming,) = phone.heard(Incoming)
        assert incoming.offer is not None
        to = (CALLER, incoming.offer.media[0].port)
    rtp = RtpSender(0, ssrc=7, sequence=0, timestamp=0)
    for start in range(0, len(samples) - FRAME_SAMPLES, FRAME_SAMPLES):
        packet = rtp.packet(encode(samples[start : start + FRAME_SAMPLES], Law.PCMU))
        scene.network.send((PHONE, MEDIA_PORT), to, packet)
        scene.run(seconds=FRAME_SAMPLES / 8000)


@pytest.mark.spandsp
def test_v21_heard_makes_either_ask_at_once(tmp_path: Path) -> None:
    """A fax machine that is talking in audio already would be lost by waiting."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(t38_too)
    scene.send(make_pages(1), to=PHONE, switch=Switch.EITHER, switch_wait=30.0)
    scene.run(seconds=2.0)
    assert not phone.heard(MediaChanged)
    play(scene, phone, FLAGS)
    (change,) = phone.heard(MediaChanged)
    assert not change.ours
    assert change.remote.media[0].kind == "image"
    assert [event.ours for event in scene.call.events if isinstance(event, events.SwitchedToT38)] == [True]


@pytest.mark.spandsp
@pytest.mark.parametrize("switch", [Switch.CALLEE, Switch.CALLER, Switch.EITHER])
def test_v21_has_us_ask_whatever_the_policy(tmp_path: Path, switch: Switch) -> None:
    """Also where the far end refused before it heard the fax itself; once, however long the machine talks."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    asked: list[float] = []

    def refuse_once(offer: SessionDescription) -> Sequence[MediaDescription] | None:
        asked.append(scene.simulator.now)
        return t38_too(offer) if talking else None

    talking = False
    phone.on_incoming = lambda incoming: phone.accept(refuse_once)
    scene.send(make_pages(1), to=PHONE, switch=switch, switch_wait=30.0)
    scene.run(seconds=2.0)
    talking = True
    play(scene, phone, FLAGS)
    assert [event.ours for event in scene.call.events if isinstance(event, events.SwitchedToT38)] == [True]
    assert 2.0 < asked[-1] < (2.5 if switch is Switch.EITHER else 3.0)


@pytest.mark.spandsp
def test_a_gateway_that_hears_the_fax_itself_is_not_got_in_the_way_of(tmp_path: Path) -> None:
    """It is its turn: an offer of ours at the same moment would cost both a refusal and some seconds."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(t38_too)
    scene.send(make_pages(1), to=PHONE, switch=Switch.CALLEE)
    scene.run(seconds=2.0)
    play(scene, phone, FLAGS[:2400])
    phone.offer(T38Parameters().to_media(MEDIA_PORT))
    scene.run(seconds=5.0)
    assert [event.ours for event in scene.call.events if isinstance(event, events.SwitchedToT38)] == [False]
    assert not any(data.startswith(b"SIP/2.0 491 ") for _, _, _, data in scene.tapped)
    invites = [
        data for _, source, _, data in scene.tapped if data.startswith(b"INVITE ") and source[0] == CALLER
    ]
    assert len(invites) == 1


@pytest.mark.spandsp
@pytest.mark.parametrize("switch", [Switch.CALLEE, Switch.CALLER])
def test_v21_that_comes_again_has_us_ask_no_more(tmp_path: Path, switch: Switch) -> None:
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept()
    scene.send(make_pages(1), to=PHONE, switch=switch)
    scene.run(seconds=2.0)
    play(scene, phone, FLAGS)
    refused = len(phone.heard(OfferDeclined))
    assert refused == (2 if switch is Switch.CALLER else 1)
    scene.run(seconds=2.0)
    play(scene, phone, FLAGS)
    assert len(phone.heard(OfferDeclined)) == refused
    scene.run()
    assert "the far end refused T.38 (SIP 488" in scene.sent.reason
    assert "a fax machine was heard in the audio (V.21)" in scene.sent.reason
    assert (scene.sent.outcome, scene.sent.retry) == (Outcome.NO_T38, False)


@pytest.mark.spandsp
def test_v21_just_before_the_call_is_given_up(tmp_path: Path) -> None:
    """An offer that is on its way is not hung up upon."""
    scene = Scene(tmp_path, faults_for=lambda source, to: Faults(delay=0.3))
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(t38_too)
    scene.send(make_pages(1), to=PHONE, switch=Switch.CALLEE)
    scene.run(seconds=GIVEN_UP - 0.2)
    play(scene, phone, FLAGS)
    scene.run(seconds=1.0)
    assert [event.ours for event in scene.call.events if isinstance(event, events.SwitchedToT38)] == [True]


@pytest.mark.spandsp
@pytest.mark.parametrize(
    ("tone", "seconds", "outcome"),
    [
        (CED, 5.0, Outcome.DISCONNECTED),
        (CED, 12.0, Outcome.NO_T38),
        ("V.21", 5.0, Outcome.NO_T38),
        ("nothing", 12.0, Outcome.DISCONNECTED),
    ],
)
def test_the_far_end_hangs_up_before_any_switch(
    tmp_path: Path, tone: str, seconds: float, outcome: Outcome
) -> None:
    """A fax machine that talked and got no answer hangs up each time; what did not yet talk, perhaps not."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept()
    scene.send(make_pages(1), to=PHONE)
    scene.run(seconds=1.0)
    if tone == "V.21":
        play(scene, phone, FLAGS)
    elif tone == CED:
        play(scene, phone, sine(CED_HERTZ, 1.0))
    scene.run(seconds=seconds - 2.0)
    phone.hang_up()
    scene.run()
    assert scene.sent.outcome is outcome
    assert scene.sent.retry is (outcome is Outcome.DISCONNECTED)
    assert "hung up before the switch to T.38" in scene.sent.reason


@pytest.mark.parametrize(("tone", "outcome"), [(CED, Outcome.NO_T38), ("nothing", Outcome.DISCONNECTED)])
def test_the_far_end_refuses_our_switch_and_hangs_up(tmp_path: Path, tone: str, outcome: Outcome) -> None:
    """The result says that T.38 was refused, which the hang-up alone would hide."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept()
    scene.send(make_pages(1), to=PHONE, switch=Switch.CALLER)
    scene.run(seconds=1.0)
    if tone == CED:
        play(scene, phone, sine(CED_HERTZ, 1.0))
    scene.run(seconds=1.0)
    phone.hang_up()
    scene.run()
    assert scene.sent.outcome is outcome
    assert "which it had refused (SIP 488" in scene.sent.reason


def test_our_own_cng_that_comes_back_is_no_fax_machine(tmp_path: Path) -> None:
    """A line with an echo, or a telephone that was never hung up."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept()
    scene.send(make_pages(1), to=PHONE)
    scene.run(seconds=1.0)
    play(scene, phone, sine(CNG_HERTZ, 1.0))
    scene.run()
    assert scene.sent.reason.endswith("; no fax tone was heard in the audio")
    assert scene.sent.outcome is Outcome.NO_FAX


def test_our_own_ced_that_comes_back_is_no_fax_machine(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer(switch=Switch.CALLER)
    phone = Phone(scene)
    phone.dial([audio_media(MEDIA_PORT, (0,))])
    scene.run(seconds=1.0)
    play(scene, phone, sine(CED_HERTZ, 1.0), to=(CALLEE, phone.heard(Answered)[0].remote.media[0].port))
    scene.run()
    assert "no fax tone was heard" in scene.received.reason
    assert scene.received.outcome is Outcome.NO_FAX

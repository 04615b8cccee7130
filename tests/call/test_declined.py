"""T.38 that the far end offers and we do not take: the result says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.syntax.sdp import MediaDescription
from t38fsp import events
from t38fsp.audio.offer import audio_media
from t38fsp.outcome import Outcome
from t38fsp.t38.attributes import RateManagement, T38Parameters
from tests.call.harness import Scene, make_pages
from tests.call.phone import MEDIA_PORT, PHONE, Phone


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([T38Parameters(rate_management=RateManagement.LOCAL_TCF).to_media(MEDIA_PORT)], "localTCF"),
        (
            [MediaDescription("image", MEDIA_PORT, "RTP/AVP", ("t38",))],
            "'image RTP/AVP t38' is not a form of T.38",
        ),
        (
            [MediaDescription("audio", MEDIA_PORT, "RTP/AVP", ("98", "t38"))],
            "is not a form of T.38 that is supported",
        ),
        ([T38Parameters().to_media(161)], "media port 161 is below 1024"),
        ([T38Parameters().to_media(MEDIA_PORT, address="224.0.0.251")], "224.0.0.251 is a multicast address"),
        # with audio beside it, which holds then
        (
            [
                audio_media(MEDIA_PORT, (0,)),
                T38Parameters(rate_management=RateManagement.LOCAL_TCF).to_media(MEDIA_PORT),
            ],
            "localTCF",
        ),
    ],
)
def test_the_far_end_offers_t38_that_we_do_not_take(
    tmp_path: Path, lines: list[MediaDescription], why: str
) -> None:
    """The sentence says what was wrong with it, and not that it was never offered."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept()
    scene.send(make_pages(1), to=PHONE)
    scene.run(seconds=3.0)
    phone.offer(*lines)
    scene.run(seconds=3.0)
    phone.hang_up()
    scene.run()
    assert "offered T.38" in scene.sent.reason
    assert why in scene.sent.reason
    assert (scene.sent.outcome, scene.sent.retry) == (Outcome.NO_T38, False)


def test_audio_that_we_do_not_take(tmp_path: Path) -> None:
    """The answer to our own INVITE names a port of DNS."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(media=(audio_media(53, (0,)),))
    scene.send(make_pages(1), to=PHONE)
    scene.run()
    assert "media port 53" in scene.sent.reason
    assert not [to for _, _, to, _ in scene.tapped if to == (PHONE, 53)]


def test_a_better_offer_after_one_that_we_did_not_take(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept()
    scene.send(make_pages(1), to=PHONE)
    scene.run(seconds=3.0)
    phone.offer(T38Parameters(rate_management=RateManagement.LOCAL_TCF).to_media(MEDIA_PORT))
    scene.run(seconds=1.0)
    phone.offer(T38Parameters().to_media(MEDIA_PORT))
    scene.run(seconds=1.0)
    assert any(isinstance(event, events.SwitchedToT38) for event in scene.call.events)


def test_a_call_that_begins_with_t38_that_we_do_not_take(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    phone = Phone(scene)
    phone.dial([T38Parameters(rate_management=RateManagement.LOCAL_TCF).to_media(MEDIA_PORT)])
    scene.run()
    assert "T38FaxRateManagement:localTCF" in scene.received.reason
    assert (scene.received.outcome, scene.received.retry) == (Outcome.NO_T38, False)

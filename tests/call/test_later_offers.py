"""Offers later in a call: theirs may change the audio, and ours leave no line out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.line import MediaChanged
from sip.syntax.sdp import MediaDescription, SessionDescription
from t38fsp import events
from t38fsp.audio.offer import audio_media
from t38fsp.choices import Switch
from t38fsp.t38.attributes import T38Parameters
from tests.call.harness import CALLEE, Scene
from tests.call.phone import MEDIA_PORT, PHONE, Phone

AUDIO = audio_media(MEDIA_PORT, (0,))
VIDEO = MediaDescription("video", MEDIA_PORT + 2, "RTP/AVP", ("96",))
NO_IMAGE = MediaDescription("image", 0, "udptl", ("t38",))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_audio_that_changes_its_law_is_followed(scene: Scene) -> None:
    """A gateway goes over to the other law before a fax; it need not understand the one before."""
    phone = Phone(scene)
    scene.answer(switch=Switch.CALLER)
    phone.dial([AUDIO])
    scene.run(seconds=1.0)
    phone.offer(audio_media(MEDIA_PORT, (8,)))
    scene.run(seconds=0.1)
    scene.run(seconds=1.0)
    types = [
        data[1] & 0x7F
        for _, source, destination, data in scene.tapped
        if source[0] == CALLEE and destination == (PHONE, MEDIA_PORT)
    ]
    assert set(types) == {0, 8}
    assert types == sorted(types)


def take_image(offer: SessionDescription) -> list[MediaDescription]:
    """Answer with T.38 alone."""
    return [
        T38Parameters().to_media(MEDIA_PORT)
        if each.kind == "image"
        else MediaDescription(each.kind, 0, each.protocol, each.formats)
        for each in offer.media
    ]


def test_a_far_end_may_switch_by_leaving_the_offer_to_us(scene: Scene) -> None:
    phone = Phone(scene)
    scene.answer(switch=Switch.CALLER)
    phone.dial([AUDIO])
    scene.run(seconds=1.0)
    phone.ask_for_offer(take_image)
    scene.run(seconds=1.0)
    (offer,) = phone.offered
    assert [(media.kind, media.rejected) for media in offer.media] == [("audio", False), ("image", False)]
    assert any(isinstance(event, events.SwitchedToT38) for event in scene.taken.events)
    # From now on it is T.38 alone, also where the offer is left to us once more.
    phone.ask_for_offer(take_image)
    scene.run(seconds=1.0)
    assert [(media.kind, media.rejected) for media in phone.offered[1].media] == [
        ("audio", True),
        ("image", False),
    ]
    assert phone.offered[1].media[1] == offer.media[1]


def test_a_far_end_that_refreshes_so_keeps_its_audio(scene: Scene) -> None:
    """It refuses the image line; our own switch later takes the place of that line."""
    phone = Phone(scene)
    scene.answer(switch=Switch.EITHER, switch_wait=5.0)
    seen: list[SessionDescription] = []

    def take(offer: SessionDescription) -> list[MediaDescription]:
        seen.append(offer)
        return take_image(offer)

    phone.dial([AUDIO], answerer=take)
    scene.run(seconds=1.0)
    for _ in range(2):
        phone.ask_for_offer(lambda offer: [AUDIO, NO_IMAGE])
        scene.run(seconds=1.0)
    assert phone.offered[0].media == phone.offered[1].media
    scene.run(until=lambda: bool(phone.heard(MediaChanged)))
    (offer,) = seen
    assert [(media.kind, media.rejected) for media in offer.media] == [("audio", True), ("image", False)]


@pytest.mark.parametrize(
    ("dialled", "offered"),
    [
        ([AUDIO], [("image", True)]),
        ([AUDIO, VIDEO], [("image", True), ("video", False)]),
        ([VIDEO, AUDIO], [("video", False), ("image", True)]),
        ([AUDIO, NO_IMAGE], [("audio", False), ("image", True)]),
        ([NO_IMAGE, VIDEO, AUDIO], [("image", True), ("video", False), ("audio", False)]),
    ],
)
def test_our_offer_of_t38_has_a_line_for_each_before(
    scene: Scene, dialled: list[MediaDescription], offered: list[tuple[str, bool]]
) -> None:
    """RFC 3264 8: a stream that is not wanted any more keeps its line, with port 0."""
    seen: list[SessionDescription] = []

    def take(offer: SessionDescription) -> list[MediaDescription]:
        seen.append(offer)
        return [
            MediaDescription(each.kind, 0, each.protocol, each.formats)
            if each.rejected
            else T38Parameters().to_media(MEDIA_PORT)
            for each in offer.media
        ]

    phone = Phone(scene)
    scene.answer(switch=Switch.CALLEE)
    phone.dial(dialled, answerer=take)
    scene.run(until=lambda: bool(phone.heard(MediaChanged)))
    (offer,) = seen
    assert [(media.kind, not media.rejected) for media in offer.media] == offered

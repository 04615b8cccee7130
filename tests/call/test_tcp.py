"""T.38 over TCP: how an offer of it is answered, and what is then agreed on."""

from __future__ import annotations

import pytest

from t38fsp.call.media import HoldImage, ImageMedia, MediaCapabilities, agreed_media, answer_offer, hold_image
from t38fsp.t38.attributes import T38Parameters
from t38fsp.t38.connection import Setup
from tests.call.test_media import AUDIO, IMAGE, PORT, ours, sdp

TCP = MediaCapabilities(PORT, T38Parameters(), tcp=True)
STREAM = "m=image 5004 TCP t38"
LOCAL_TCF = "a=T38FaxRateManagement:localTCF"


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([STREAM, "a=setup:actpass"], [("image", 9, "tcp")]),
        ([STREAM, "a=setup:passive"], [("image", 9, "tcp")]),
        ([STREAM, "a=setup:active"], [("image", PORT, "tcp")]),
        ([STREAM], [("image", PORT, "tcp")]),
        (["m=image 9 tcp T38", "a=setup:Active "], [("image", PORT, "tcp")]),
        # UDPTL goes first, and audio last.
        ([STREAM, IMAGE], [("image", 0, "TCP"), ("image", PORT, "udptl")]),
        ([AUDIO, STREAM], [("audio", 0, "RTP/AVP"), ("image", PORT, "tcp")]),
        ([AUDIO, STREAM, "a=setup:holdconn"], [("audio", PORT, "RTP/AVP"), ("image", 0, "TCP")]),
        (
            [AUDIO, STREAM, "a=T38FaxRateManagement:localTCF"],
            [("audio", PORT, "RTP/AVP"), ("image", 0, "TCP")],
        ),
    ],
)
def test_offers_over_tcp(lines: list[str], answer: list[tuple[str, int, str]]) -> None:
    found = answer_offer(TCP, sdp(*lines))
    assert [(media.kind, media.port, media.protocol) for media in found or ()] == answer


@pytest.mark.parametrize("lines", [[STREAM, "a=setup:holdconn"], [STREAM, LOCAL_TCF]])
def test_offers_that_are_refused(lines: list[str]) -> None:
    assert answer_offer(TCP, sdp(*lines)) is None


@pytest.mark.parametrize(("theirs", "setup"), [("passive", Setup.ACTIVE), ("active", Setup.PASSIVE)])
def test_what_is_agreed_on(theirs: str, setup: Setup) -> None:
    offer = sdp(STREAM, f"a=setup:{theirs}", "a=T38FaxVersion:2", "a=T38FaxMaxBuffer:200")
    answer = answer_offer(MediaCapabilities(PORT, T38Parameters(version=3), tcp=True), offer)
    assert answer is not None
    assert [str(attribute) for attribute in answer[0].attributes] == [
        "T38FaxVersion:2",
        "T38MaxBitRate:14400",
        "T38FaxRateManagement:transferredTCF",
        "T38FaxMaxBuffer:2000",
        f"setup:{setup.value}",
        "connection:new",
    ]
    media = agreed_media(ours(*answer), offer)
    assert isinstance(media, ImageMedia)
    assert (media.remote, media.setup, media.version) == (("198.51.100.7", 5004), setup, 2)
    assert media.theirs.max_buffer == 200


def test_a_refresh_gets_the_same_answer() -> None:
    offer = sdp(STREAM, "a=setup:passive")
    answer = answer_offer(TCP, offer)
    assert answer is not None
    held = hold_image(ours(*answer), offer)
    assert isinstance(held, HoldImage)
    assert held(sdp(STREAM, "a=setup:passive", version=2)) == list(answer)
    assert held(sdp(IMAGE, version=2)) is None

"""Messages of a line in another process, above all the functions in them."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.ipc.codec import LENGTH_OCTETS, Codec, WireError
from sip.line import Offerer
from sip.remote.wire import AnswerWith, HangUp, Message, Place, Redirect, Refuse, Ring, codec
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.values import Hop, Transport
from t38fsp.call.media import (
    AnswerOffers,
    HoldAudio,
    HoldImage,
    MediaCapabilities,
    answer_offer,
    hold_image,
    image_offer,
)
from t38fsp.choices import Audio
from t38fsp.engine.sip_lines import ANSWERERS
from t38fsp.t38.attributes import T38Parameters
from tests.sip.link import IMAGE, call_request, mirror

ANSWER_OFFER = "t38fsp.call.media:answer_offer"
HOLD_IMAGE = "t38fsp.call.media:HoldImage"
FAX = codec((*ANSWERERS, ANSWER_OFFER))
NOBODY = codec()
OFFER = SessionDescription.parse(
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 0 RTP/AVP 0\r\nm=image 4000 udptl t38\r\na=T38MaxBitRate:9600\r\n"
)


def crossed(message: Message, reader: Codec[Message] = FAX) -> Message:
    (read,) = reader.decoder().feed(NOBODY.encode(message))
    return read


def test_a_call_crosses_with_its_answerer() -> None:
    answerer = partial(answer_offer, MediaCapabilities(5000, T38Parameters(max_bit_rate=9600)))
    request = call_request(answerer=answerer, destination=(Hop("192.0.2.1", 5060, Transport.TCP),))
    read = crossed(Place(7, request))
    assert isinstance(read, Place)
    assert read.request.destination == request.destination
    assert read.request.answerer(OFFER) == answerer(OFFER) is not None


def test_an_object_that_answers_crosses() -> None:
    ours = SessionDescription(
        OFFER.origin, "192.0.2.2", (MediaDescription("audio", 0, "RTP/AVP", ("0",)), IMAGE)
    )
    answerer = hold_image(ours, OFFER)
    assert isinstance(answerer, HoldImage)
    assert crossed(AnswerWith(7, answerer)) == AnswerWith(7, answerer)
    held = HoldAudio(MediaCapabilities(5000, T38Parameters(), audio=Audio.ONLY), 8)
    assert crossed(AnswerWith(7, held)) == AnswerWith(7, held)
    offerer = AnswerOffers(MediaCapabilities(5000, T38Parameters(max_bit_rate=9600)))
    read = crossed(AnswerWith(7, offerer))
    assert read == AnswerWith(7, offerer)
    assert isinstance(read, AnswerWith)
    assert isinstance(read.answerer, Offerer)


def test_a_function_that_is_not_allowed_is_not_read() -> None:
    with pytest.raises(WireError, match=r"tests\.sip\.link:mirror' is not allowed here"):
        crossed(AnswerWith(7, mirror))
    with pytest.raises(WireError, match=r"answer_offer' is not allowed here"):
        crossed(AnswerWith(7, partial(answer_offer, MediaCapabilities(5000, T38Parameters()))), NOBODY)


class Method:
    def answer(self, offer: SessionDescription) -> None: ...


@pytest.mark.parametrize(
    ("answerer", "why"),
    [
        (lambda offer: None, "use a function of a module"),
        (Method().answer, "use a function of a module"),
        (partial(answer_offer, capabilities=MediaCapabilities(5000, T38Parameters())), "keyword arguments"),
    ],
)
def test_what_cannot_cross_is_named_by_its_writer(answerer: object, why: str) -> None:
    with pytest.raises(WireError, match=why):
        NOBODY.encode(AnswerWith(7, answerer))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answerer",
    [
        None,
        [],
        7,
        "t38fsp.call.media:answer_offer",
        [["t38fsp.call.media:answer_offer"]],
        ["os:system", "true"],
        [ANSWER_OFFER, "capabilities"],
        [ANSWER_OFFER, ["MediaCapabilities", 5000]],
        [ANSWER_OFFER, ["T38Parameters", 5000]],
        [ANSWER_OFFER, *[["MediaCapabilities", 5000]] * 9],
        [HOLD_IMAGE],
        [HOLD_IMAGE, 7, 7],
    ],
)
def test_what_is_no_answerer_is_refused(answerer: object) -> None:
    with pytest.raises(WireError):
        FAX.decode(json.dumps(["AnswerWith", 7, answerer]).encode())


@pytest.mark.parametrize(
    "name", ["nowhere:answer", "t38fsp.call.media:nothing", "t38fsp.call.media", "sip.line:LEAST_SESSION", ""]
)
def test_a_list_that_names_no_function_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(WireError):
        codec([name])


def test_a_frame_that_is_too_long_is_not_written() -> None:
    with pytest.raises(WireError, match="longer than"):
        NOBODY.encode(HangUp(7, "x" * NOBODY.max_frame))


SOME = st.sampled_from(
    [
        Place(1, call_request(answerer=answer_offer)),
        Ring(-1),
        Refuse(-1, 486),
        HangUp(3, "done"),
        AnswerWith(1, partial(answer_offer, MediaCapabilities(5000, T38Parameters()))),
        Redirect(1, (Hop("192.0.2.1", 5060),)),
    ]
)


@settings(max_examples=200, deadline=None)
@given(SOME, st.data())
def test_damage_raises_one_error_and_makes_nothing_else(message: Message, data: st.DataObject) -> None:
    """An octet of a frame changes: it is another message, or a WireError."""
    body = bytearray(NOBODY.encode(message)[LENGTH_OCTETS:])
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    try:
        read = FAX.decode(bytes(body))
    except WireError:
        return
    assert NOBODY.encode(read)


def test_answers_of_a_crossed_answerer_are_those_of_the_original() -> None:
    capabilities = MediaCapabilities(5000, T38Parameters())
    read = crossed(AnswerWith(7, partial(answer_offer, capabilities)))
    assert isinstance(read, AnswerWith)
    offer = SessionDescription(OFFER.origin, "192.0.2.1", image_offer(capabilities))
    assert read.answerer(offer) == answer_offer(capabilities, offer)

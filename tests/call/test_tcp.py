"""T.38 over TCP: how an offer of it is answered, what is then agreed on, and what is heard from then on."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace

import pytest

from sip.agent import UserAgent
from sip.line import Answered, Incoming, MediaChanged
from sip.syntax.sdp import SessionDescription
from sip.values import Address, DialogId, Hop
from t38fsp.audio.leg import RtpStart
from t38fsp.audio.rtp import RtpSender
from t38fsp.call.driver import CallContext
from t38fsp.call.media import (
    HoldImage,
    ImageMedia,
    MediaCapabilities,
    agreed_media,
    answer_offer,
    hold_image,
    refused_here,
)
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call.verdict import verdict
from t38fsp.call_settings import CallSettings
from t38fsp.outcome import Outcome
from t38fsp.t38.attributes import Setup, T38Parameters
from t38fsp.t38.tpkt import wrap
from tests.call.test_media import AUDIO, IMAGE, PORT, ours, sdp

FAR: Address = ("198.51.100.7", 5000)
TCP = MediaCapabilities(PORT, T38Parameters(), tcp=True, connects_to=("198.51.100.0/24",))
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


ELSEWHERE = replace(TCP, connects_to=("203.0.113.9", "192.0.2.0/24", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("setup", "answer"), [("passive", None), ("actpass", "passive"), ("active", "passive"), ("", "passive")]
)
def test_we_connect_only_to_known_hosts(setup: str, answer: str | None) -> None:
    """To others only the far end may connect: an SDP must not make us knock anywhere."""
    offer = sdp(STREAM, *([f"a=setup:{setup}"] if setup else []))
    found = answer_offer(ELSEWHERE, offer)
    assert (found and found[0].get("setup")) == answer
    refused = "neither the source of the call nor an address that is allowed to call" in refused_here(
        ELSEWHERE, offer
    )
    assert refused is (answer is None)


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("IP4 203.0.113.9", True),
        ("IP4 192.0.2.77", True),
        ("IP6 2001:db8::9", True),
        ("IP4 203.0.113.10", False),
    ],
)
def test_hosts_that_are_known(address: str, known: bool) -> None:
    found = answer_offer(ELSEWHERE, sdp(STREAM, "a=setup:passive", address=address))
    assert (found is not None) is known


@pytest.mark.parametrize("setup", ["passive", "actpass"])
def test_we_connect_to_no_low_port(setup: str) -> None:
    assert answer_offer(TCP, sdp("m=image 25 TCP t38", f"a=setup:{setup}")) is None


@pytest.mark.parametrize(("theirs", "setup"), [("passive", Setup.ACTIVE), ("active", Setup.PASSIVE)])
def test_what_is_agreed_on(theirs: str, setup: Setup) -> None:
    offer = sdp(STREAM, f"a=setup:{theirs}", "a=T38FaxVersion:2", "a=T38FaxMaxBuffer:200")
    answer = answer_offer(replace(TCP, t38=T38Parameters(version=3)), offer)
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


def test_udp_beside_the_connection_is_not_heard() -> None:
    """A keep-alive before the switch and audio behind it would be read as a stream without TPKT."""
    audio, image = sdp(AUDIO), sdp(STREAM, "a=setup:passive", version=2)
    line = UserAgent(contact_address=("192.0.2.1", 5060), user_agent="", random=random.Random(1))
    incoming = Incoming(1, "sip:fax", "sip:gateway", "", "sip:fax", Hop(*FAR), audio)
    context = CallContext("192.0.2.1", PORT, RtpStart(1, 1, 1), tcp=True)
    call = ReceivingCall(line, incoming, CallSettings(), context)
    call.start(0.0)
    rtp = RtpSender(0, 7, 7, 7)
    call.line_event(answered(audio), 0.1)
    assert call.datagram_received(rtp.packet(bytes(160)), FAR, 0.2)
    assert not call.datagram_received(b"\r\n\r\n", FAR, 0.3)
    call.line_event(MediaChanged(1, answer_to(image), image, ours=False), 1.0)
    assert not call.datagram_received(rtp.packet(bytes(160)), FAR, 1.1)
    call.stream_received(wrap(b"\x06")[:3], 1.2)
    call.stream_received(wrap(b"\x06")[3:], 1.2)
    lane = call.take_lane()
    assert lane is not None
    written: list[bytes] = []
    lane.send = written.append
    lane.leave(1.2, deque())
    assert wrap(b"\0") in written
    counters = call.break_off(verdict(Outcome.FAULT, ""), 2.0).counters
    assert (counters["received"], counters["malformed"]) == (1, 0)


def test_a_connection_that_brings_no_t38() -> None:
    """That the connection stands is proved: the sentence suspects the far end, and no firewall."""
    audio, image = sdp(AUDIO), sdp(STREAM, "a=setup:passive", version=2)
    line = UserAgent(contact_address=("192.0.2.1", 5060), user_agent="", random=random.Random(1))
    incoming = Incoming(1, "sip:fax", "sip:gateway", "", "sip:fax", Hop(*FAR), audio)
    context = CallContext("192.0.2.1", PORT, RtpStart(1, 1, 1), tcp=True)
    call = ReceivingCall(line, incoming, CallSettings(), context)
    call.start(0.0)
    call.line_event(answered(audio), 0.1)
    call.line_event(MediaChanged(1, answer_to(image), image, ours=False), 1.0)
    call.stream_received(b"\x03\x00\x00\x02SSH-2.0", 4.0)
    while call.result is None and (due := call.next_deadline()) is not None:
        call.handle_deadline(due)
    assert call.result is not None
    assert call.result.outcome is Outcome.WRONG_PACKETS
    assert "firewall" not in call.result.reason


def answered(offer: SessionDescription) -> Answered:
    return Answered(1, DialogId("a", "b", "c"), 200, "OK", answer_to(offer), offer)


def answer_to(offer: SessionDescription) -> SessionDescription:
    answer = answer_offer(TCP, offer)
    assert answer is not None
    return ours(*answer)

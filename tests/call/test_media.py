"""What we answer to an offer, and what an exchange has settled: pure functions of the descriptions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.syntax.sdp import MediaDescription, SessionDescription
from t38fsp.audio.g711 import Law
from t38fsp.call.media import (
    AudioMedia,
    ImageMedia,
    MediaCapabilities,
    agreed_media,
    answer_offer,
    audio_offer,
    image_offer,
    refused_here,
)
from t38fsp.t38.attributes import ErrorCorrection, RateManagement, T38Parameters

PORT = 4000
OURS = MediaCapabilities(PORT, T38Parameters())
NEWEST = MediaCapabilities(PORT, T38Parameters(version=3))

T38_LINES = ("a=T38FaxVersion:0", "a=T38FaxRateManagement:transferredTCF", "a=T38FaxUdpEC:t38UDPRedundancy")


def sdp(*lines: str, address: str = "IP4 198.51.100.7", version: int = 1) -> SessionDescription:
    """A body of a far end."""
    head = ["v=0", f"o=- 1 {version} IN {address}", "s=-", f"c=IN {address}", "t=0 0"]
    return SessionDescription.parse("\r\n".join([*head, *lines, ""]))


def ours(*media: MediaDescription) -> SessionDescription:
    body = sdp(address="IP4 192.0.2.1")
    return SessionDescription(body.origin, body.address, media)


def answered(*lines: str, capabilities: MediaCapabilities = OURS) -> list[tuple[str, int, str]]:
    """Kind, port and protocol of each line of our answer; empty when we refuse."""
    answer = answer_offer(capabilities, sdp(*lines))
    return [(media.kind, media.port, media.protocol) for media in answer or ()]


# --- answers ------------------------------------------------------------------------------------------------

AUDIO, IMAGE = "m=audio 5000 RTP/AVP 0 8 101", "m=image 5002 udptl t38"


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        # the shapes in which a switch comes
        ([IMAGE, *T38_LINES], [("image", PORT, "udptl")]),
        (["m=audio 0 RTP/AVP 0", IMAGE, *T38_LINES], [("audio", 0, "RTP/AVP"), ("image", PORT, "udptl")]),
        ([AUDIO, IMAGE, *T38_LINES], [("audio", 0, "RTP/AVP"), ("image", PORT, "udptl")]),
        ([IMAGE, *T38_LINES, AUDIO], [("image", PORT, "udptl"), ("audio", 0, "RTP/AVP")]),
        (
            ["m=video 6000 RTP/AVP 96", AUDIO, IMAGE],
            [("video", 0, "RTP/AVP"), ("audio", 0, "RTP/AVP"), ("image", PORT, "udptl")],
        ),
        (["m=image 5002 UDPTL T38"], [("image", PORT, "udptl")]),
        ([IMAGE, "m=image 5004 udptl t38"], [("image", PORT, "udptl"), ("image", 0, "udptl")]),
        # audio, also after a refused switch
        ([AUDIO], [("audio", PORT, "RTP/AVP")]),
        ([AUDIO, "m=image 0 udptl t38"], [("audio", PORT, "RTP/AVP"), ("image", 0, "udptl")]),
        ([AUDIO, "m=audio 5010 RTP/AVP 0"], [("audio", PORT, "RTP/AVP"), ("audio", 0, "RTP/AVP")]),
        (
            ["m=audio 5000 RTP/AVP 18", "m=audio 5010 RTP/AVP 8"],
            [("audio", 0, "RTP/AVP"), ("audio", PORT, "RTP/AVP")],
        ),
        # an answer has the protocol of its offer (RFC 3264 6.1)
        (["m=audio 5000 RTP/AVPF 8"], [("audio", PORT, "RTP/AVPF")]),
        # T.38 in a form that is not ours, but audio beside it
        ([AUDIO, "m=image 5002 TCP t38"], [("audio", PORT, "RTP/AVP"), ("image", 0, "TCP")]),
        (
            [AUDIO, IMAGE, "a=T38FaxRateManagement:localTCF"],
            [("audio", PORT, "RTP/AVP"), ("image", 0, "udptl")],
        ),
    ],
)
def test_every_line_is_answered_in_order(lines: list[str], answer: list[tuple[str, int, str]]) -> None:
    assert answered(*lines) == answer


@pytest.mark.parametrize(
    "lines",
    [
        ["m=image 5002 RTP/AVP t38"],  # rewritten by a session border controller
        ["m=audio 5002 RTP/AVP 98", "a=rtpmap:98 t38/8000"],
        ["m=image 5002 TCP t38"],
        ["m=image 0 udptl t38"],
        ["m=image 5002 udptl jpeg"],
        ["m=audio 0 RTP/AVP 0"],
        ["m=audio 5000 RTP/AVP 18"],
        ["m=audio 5000 RTP/SAVP 0"],
        ["m=video 5000 RTP/AVP 96"],
        [IMAGE, "a=T38FaxRateManagement:localTCF"],
        [],
    ],
)
def test_nothing_suits(lines: list[str]) -> None:
    """That is a 488, and the call goes on as it was."""
    assert answer_offer(OURS, sdp(*lines)) is None


def test_refused_lines_keep_what_they_were() -> None:
    """Some peers take an answer for malformed otherwise."""
    answer = answer_offer(OURS, sdp("m=audio 0 RTP/AVP 18 101", "a=rtpmap:18 G729/8000", IMAGE))
    assert answer is not None
    assert answer[0] == MediaDescription("audio", 0, "RTP/AVP", ("18", "101"))


def test_one_of_their_payload_types_is_answered() -> None:
    answer = answer_offer(OURS, sdp("m=audio 5000 RTP/AVP 18 8 0 101"))
    assert answer is not None
    assert answer[0].formats == ("8",)


def test_booleans_with_a_value_get_one() -> None:
    """``:0`` is false, and whoever writes it so wants it so; what they have not, we have not."""
    answer = answer_offer(
        OURS, sdp(IMAGE, "a=T38FaxFillBitRemoval:0", "a=T38FaxTranscodingMMR:0", "a=T38FaxTranscodingJBIG:0")
    )
    assert answer is not None
    assert [str(attribute) for attribute in answer[0].attributes if ":0" in str(attribute)] == [
        "T38FaxVersion:0",
        "T38FaxFillBitRemoval:0",
        "T38FaxTranscodingMMR:0",
        "T38FaxTranscodingJBIG:0",
    ]


def test_booleans_that_are_not_offered_are_not_answered() -> None:
    answer = answer_offer(OURS, sdp(IMAGE, *T38_LINES))
    assert answer is not None
    names = {attribute.name for attribute in answer[0].attributes}
    assert names.isdisjoint({"T38FaxFillBitRemoval", "T38FaxTranscodingMMR", "T38FaxTranscodingJBIG"})


@pytest.mark.parametrize(
    ("theirs", "mine", "version"), [(0, 3, 0), (3, 0, 0), (3, 3, 3), (2, 3, 2), (1, 3, 0)]
)
def test_the_lower_version_is_answered(theirs: int, mine: int, version: int) -> None:
    capabilities = MediaCapabilities(PORT, T38Parameters(version=mine))
    answer = answer_offer(capabilities, sdp(IMAGE, f"a=T38FaxVersion:{theirs}"))
    assert answer is not None
    assert answer[0].get("T38FaxVersion") == str(version)


def test_no_attributes_at_all() -> None:
    """Defaults of T.38 annex D: version 0, transferredTCF, and redundancy may be answered."""
    answer = answer_offer(NEWEST, sdp(IMAGE))
    assert answer is not None
    parameters = T38Parameters.from_media(answer[0])
    assert parameters.version == 0
    assert parameters.rate_management is RateManagement.TRANSFERRED_TCF
    assert parameters.error_correction is ErrorCorrection.REDUNDANCY


def test_a_refresh_gets_the_same_answer() -> None:
    """Fact 20: a second T.38 re-INVITE, even one with other parameters, is no reason to decline."""
    offer = sdp(IMAGE, *T38_LINES)
    again = sdp(IMAGE, *T38_LINES, version=2)
    assert answer_offer(OURS, offer) == answer_offer(OURS, again)
    changed = answer_offer(OURS, sdp(IMAGE, *T38_LINES, "a=T38MaxBitRate:9600"))
    assert changed is not None
    assert changed[0].port == PORT


def test_our_own_offers_are_answered() -> None:
    for offer, kind in ((audio_offer(OURS), "audio"), (image_offer(OURS), "image")):
        answer = answer_offer(OURS, ours(*offer))
        assert answer is not None
        assert [media.kind for media in answer] == [kind]


MEDIA_LINES = st.lists(
    st.tuples(
        st.sampled_from(["audio", "image", "video", "IMAGE", "application"]),
        st.sampled_from([0, 5000, 65535]),
        st.sampled_from(["RTP/AVP", "udptl", "UDPTL", "TCP", "RTP/SAVP"]),
        st.lists(st.sampled_from(["0", "8", "18", "t38", "T38", "*"]), min_size=1, max_size=3),
    ),
    max_size=5,
)


@given(MEDIA_LINES)
def test_answers_always_fit_their_offers(lines: list[tuple[str, int, str, list[str]]]) -> None:
    """RFC 3264 6: as many lines, of the same kinds, in the same order; at most one of them is taken."""
    offer = sdp(*(f"m={kind} {port} {protocol} {' '.join(names)}" for kind, port, protocol, names in lines))
    answer = answer_offer(OURS, offer)
    if answer is None:
        assert agreed_media(ours(*offer.media), offer) is None or not offer.media
        return
    assert [media.kind.lower() for media in answer] == [media.kind.lower() for media in offer.media]
    assert [media.port for media in answer if media.port] == [PORT]
    assert all(not ours.port for ours, theirs in zip(answer, offer.media, strict=True) if theirs.rejected)
    assert agreed_media(ours(*answer), offer) is not None


# --- where no media goes ------------------------------------------------------------------------------------

UNWANTED = [
    ("IP4 224.0.0.251", 5000),
    ("IP4 239.255.255.250", 5000),
    ("IP4 255.255.255.255", 5000),
    ("IP6 ff02::fb", 5000),
    ("IP6 ::ffff:224.0.0.251", 5000),
    ("IP4 198.51.100.7", 53),
    ("IP4 198.51.100.7", 161),
    ("IP4 198.51.100.7", 1023),
]


@pytest.mark.parametrize(("address", "port"), UNWANTED)
@pytest.mark.parametrize("line", ["audio {} RTP/AVP 0", "image {} udptl t38"])
def test_an_offer_that_would_send_media_to_whom_did_not_ask(address: str, port: int, line: str) -> None:
    """Multicast, broadcast, and the ports of DNS, SNMP and their kind: neither answered nor agreed on."""
    offer = sdp(f"m={line.format(port)}", address=address)
    assert answer_offer(OURS, offer) is None
    assert "which was refused here" in refused_here(OURS, offer)
    local = ours(*(audio_offer(OURS) if line.startswith("audio") else image_offer(OURS)))
    assert agreed_media(local, offer) is None


@pytest.mark.parametrize(("address", "port"), UNWANTED)
def test_the_line_beside_it_is_taken(address: str, port: int) -> None:
    offer = sdp(f"m=image {port} udptl t38", f"c=IN {address}", "m=audio 5000 RTP/AVP 0")
    answer = answer_offer(OURS, offer)
    assert answer is not None
    assert [media.port for media in answer] == [0, PORT]


@pytest.mark.parametrize(
    "address", ["IP4 198.51.100.7", "IP4 10.0.0.1", "IP4 127.0.0.1", "IP6 fe80::1%eth0", "IP6 2001:db8::1"]
)
def test_places_that_media_goes_to(address: str) -> None:
    offer = sdp("m=audio 1024 RTP/AVP 0", address=address)
    assert answer_offer(OURS, offer) is not None
    assert refused_here(OURS, offer) == ""


@pytest.mark.parametrize("address", ["IP4 0.0.0.0", "IP6 ::"])
def test_the_old_way_to_put_a_call_on_hold_is_no_fault(address: str) -> None:
    """RFC 3264 8.4; a media port sends nothing there."""
    assert answer_offer(OURS, sdp("m=audio 5000 RTP/AVP 0", address=address)) is not None


# --- what was agreed on -------------------------------------------------------------------------------------


def test_image_only() -> None:
    media = agreed_media(ours(*image_offer(OURS)), sdp(IMAGE, *T38_LINES))
    assert isinstance(media, ImageMedia)
    assert (media.remote, media.version) == (("198.51.100.7", 5002), 0)
    assert media.theirs.max_datagram == 400


@pytest.mark.parametrize("audio", ["m=audio 0 RTP/AVP 0", AUDIO])
def test_image_behind_audio_that_we_refused(audio: str) -> None:
    offer = sdp(audio, IMAGE, *T38_LINES)
    answer = answer_offer(OURS, offer)
    assert answer is not None
    assert isinstance(agreed_media(ours(*answer), offer), ImageMedia)


def test_address_and_port_of_the_media_line() -> None:
    """Fact 19: T.38 may come from elsewhere than the audio did; the line's own address wins."""
    media = agreed_media(ours(*image_offer(OURS)), sdp("m=image 6002 udptl t38", "c=IN IP4 203.0.113.9"))
    assert media is not None
    assert media.remote == ("203.0.113.9", 6002)


@pytest.mark.parametrize("address", ["2001:db8::7", "2001:DB8:0:0::0007"])
def test_ipv6(address: str) -> None:
    """An address has one spelling from here on: datagrams from it come under that."""
    offer = sdp(IMAGE, *T38_LINES, address=f"IP6 {address}")
    assert answer_offer(OURS, offer) is not None
    media = agreed_media(ours(*image_offer(OURS)), offer)
    assert media is not None
    assert media.remote == ("2001:db8::7", 5002)


@pytest.mark.parametrize(("theirs", "mine", "version"), [(0, 3, 0), (3, 0, 0), (2, 3, 2)])
def test_the_lower_version_counts(theirs: int, mine: int, version: int) -> None:
    """Also when a peer answers with a version above the one we offered."""
    local = ours(T38Parameters(version=mine).to_media(PORT))
    media = agreed_media(local, sdp(IMAGE, f"a=T38FaxVersion:{theirs}"))
    assert isinstance(media, ImageMedia)
    assert media.version == version


def test_audio() -> None:
    local = ours(*audio_offer(OURS))
    assert agreed_media(local, sdp("m=audio 5000 RTP/AVP 8 0")) == AudioMedia(
        ("198.51.100.7", 5000), 8, Law.PCMA
    )


@pytest.mark.parametrize(
    "answer",
    [
        "m=image 0 udptl t38",  # a 200 that is a refusal, fact 17
        "m=audio 5000 RTP/AVP 0",  # audio in answer to T.38
        "m=image 5002 RTP/AVP t38",
    ],
)
def test_an_answer_that_does_not_take_our_t38(answer: str) -> None:
    assert not isinstance(agreed_media(ours(*image_offer(OURS)), sdp(answer)), ImageMedia)


LIVE, NONE = "m=image 30002 udptl t38", "m=audio 0 RTP/AVP 8"


@pytest.mark.parametrize(
    "answer",
    [
        [NONE, LIVE],
        [LIVE, NONE],
        [NONE, "m=video 0 RTP/AVP 96", LIVE],
        ["m=image 0 udptl t38", NONE, LIVE],
        [AUDIO, LIVE],
    ],
)
def test_the_one_live_image_line_of_an_answer_counts_wherever_it_stands(answer: list[str]) -> None:
    media = agreed_media(ours(*image_offer(OURS)), sdp(*answer))
    assert isinstance(media, ImageMedia)
    assert media.remote == ("198.51.100.7", 30002)


def test_an_answer_that_leaves_the_refused_line_out() -> None:
    """Asked within a call, we refuse the audio in front of the image; so do they, by leaving it out."""
    before = audio_offer(OURS)[0], MediaDescription("image", 0, "udptl", ("t38",))
    local = ours(*image_offer(OURS, before))
    assert [media.port for media in local.media] == [0, PORT]
    assert isinstance(agreed_media(local, sdp(LIVE)), ImageMedia)


def test_audio_behind_a_line_that_nobody_offered() -> None:
    media = agreed_media(ours(*audio_offer(OURS)), sdp("m=image 0 udptl t38", "m=audio 5000 RTP/AVP 8"))
    assert isinstance(media, AudioMedia)
    assert media.remote == ("198.51.100.7", 5000)


def test_two_image_lines_in_other_places_are_no_answer() -> None:
    assert agreed_media(ours(*image_offer(OURS)), sdp(NONE, LIVE, LIVE)) is None


def test_an_answer_with_too_few_lines() -> None:
    local = ours(*audio_offer(OURS), *image_offer(OURS))
    assert isinstance(agreed_media(local, sdp(AUDIO)), AudioMedia)
    assert agreed_media(local, sdp()) is None


def test_the_version_of_the_origin_does_not_matter() -> None:
    """Fact 18: some peers do not raise it."""
    local = ours(*image_offer(OURS))
    assert agreed_media(local, sdp(IMAGE, version=1)) == agreed_media(local, sdp(IMAGE, version=9))

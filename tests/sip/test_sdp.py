"""Session descriptions: RFC 8866's example, recorded T.38 offers, deviations from the field, random bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.sdp import Attribute, Direction, MediaDescription, Origin, SessionDescription

RFC_8866_EXAMPLE = b"""\
v=0
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1
s=Call to John Smith
i=SDP Offer #1
u=http://www.jdoe.example.com/home.html
e=Jane Doe <jane@jdoe.example.com>
p=+1 617 555-6011
c=IN IP4 198.51.100.1
t=0 0
m=audio 49170 RTP/AVP 0
m=audio 49180 RTP/AVP 0
m=video 51372 RTP/AVP 99
c=IN IP6 2001:db8::2
a=rtpmap:99 h263-1998/90000
""".replace(b"\n", b"\r\n")

# Recorded: Asterisk switches a call to T.38 with parity FEC.
T38_OFFER = b"""\
v=0
o=- 821236074 821236077 IN IP4 127.0.0.1
s=Asterisk
c=IN IP4 127.0.0.1
t=0 0
m=image 21322 udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxRateManagement:transferredTCF
a=T38FaxMaxDatagram:849
a=T38FaxUdpEC:t38UDPFEC
""".replace(b"\n", b"\r\n")

# Recorded: the audio offer that the same call began with.
AUDIO_OFFER = b"""\
v=0
o=- 821236074 821236074 IN IP4 127.0.0.1
s=Asterisk
c=IN IP4 127.0.0.1
t=0 0
m=audio 22760 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=maxptime:140
a=sendrecv
""".replace(b"\n", b"\r\n")


def test_the_example_of_rfc_8866() -> None:
    session = SessionDescription.parse(RFC_8866_EXAMPLE)
    assert session.origin == Origin("jdoe", "3724394400", 3724394405, "198.51.100.1")
    assert session.name == "Call to John Smith"
    first, _, video = session.media
    assert first == MediaDescription("audio", 49170, "RTP/AVP", ("0",))
    assert session.address_of(first) == "198.51.100.1"
    assert session.address_of(video) == "2001:db8::2"
    assert video.get("rtpmap") == "99 h263-1998/90000"


@pytest.mark.parametrize("recorded", [T38_OFFER, AUDIO_OFFER])
def test_a_recorded_offer_is_written_as_it_was_read(recorded: bytes) -> None:
    assert bytes(SessionDescription.parse(recorded)) == recorded


def test_a_recorded_t38_offer_taken_apart() -> None:
    (image,) = SessionDescription.parse(T38_OFFER).media
    assert (image.kind, image.port, image.protocol, image.formats) == ("image", 21322, "udptl", ("t38",))
    assert image.get("t38faxmaxdatagram") == "849"
    assert image.get("T38FaxMaxBuffer") is None
    assert image.has("T38FAXUDPEC")
    assert not image.has("T38FaxFillBitRemoval")


def test_deviations_from_the_field_are_read() -> None:
    """LF only, blanks at line ends, other cases, two kinds of booleans, two UdpEC lines, a NUL at the end."""
    session = SessionDescription.parse(
        b"v=0 \nm=audio 0 RTP/AVP\nm=image 4000/1  UDPTL t38 \nX-what is this\n\na=T38FaxFillBitRemoval\n"
        b"a=T38FaxTranscodingMMR: 0 \na=t38maxbitrate:9600\na=T38FaxUdpEC:t38UDPRedundancy\n"
        b"a=T38FaxUdpEC:t38UDPFEC\na=\na=:7\nb=AS:64\nk=prompt\nc=IN IP4 192.0.2.9/127\n"
        b"c=IN IP4 192.0.2.10\nz\n\0\0"
    )
    audio, image = session.media
    assert audio == MediaDescription("audio", 0, "RTP/AVP", ("*",))
    assert audio.rejected
    assert image == MediaDescription(
        "image",
        4000,
        "UDPTL",
        ("t38",),
        (
            Attribute("T38FaxFillBitRemoval"),
            Attribute("T38FaxTranscodingMMR", "0"),
            Attribute("t38maxbitrate", "9600"),
            Attribute("T38FaxUdpEC", "t38UDPRedundancy"),
            Attribute("T38FaxUdpEC", "t38UDPFEC"),
        ),
        "192.0.2.9",
    )
    assert not image.rejected
    assert session.address is None
    assert session.address_of(image) == "192.0.2.9"
    assert session.address_of(audio) == session.origin.address == "0.0.0.0"
    assert SessionDescription.parse(bytes(session)) == session


def test_text_is_read_like_octets() -> None:
    assert SessionDescription.parse(T38_OFFER.decode()) == SessionDescription.parse(T38_OFFER)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (b"o=x 1 2 IN IP4 192.0.2.1", Origin("x", "1", 2, "192.0.2.1")),
        (b"o=x one two IN IP4 gw", Origin("x", "one", 0, "gw")),
        (b"o=x 1 " + b"9" * 5000 + b" IN IP4 gw", Origin("x", "1", 0, "gw")),
        (b"o=x 1 2", Origin("-", "0", 0, "0.0.0.0")),
        (b"o=", Origin("-", "0", 0, "0.0.0.0")),
    ],
)
def test_a_damaged_origin_does_not_matter(origin: bytes, expected: Origin) -> None:
    assert SessionDescription.parse(b"v=0\n" + origin + b"\ns=\n").origin == expected


@pytest.mark.parametrize(
    ("media", "session", "expected"),
    [
        ("", "", Direction.SENDRECV),
        ("a=sendonly\n", "", Direction.SENDONLY),
        ("", "a=inactive\n", Direction.INACTIVE),
        ("a=RecvOnly\n", "a=inactive\n", Direction.RECVONLY),
    ],
)
def test_the_direction_of_the_media_wins_over_that_of_the_session(
    media: str, session: str, expected: Direction
) -> None:
    description = SessionDescription.parse(f"v=0\nc=IN IP4 h\n{session}m=audio 4 RTP/AVP 0\n{media}")
    assert description.direction_of(description.media[0]) is expected


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "neither a v= nor an m= line"),
        (b"\x00\x01\x02binary\xff", "NUL"),
        (b"hello\r\n", "neither a v= nor an m= line"),
        (b"v=1\r\n", "only v=0"),
        (b"v=0\nc=IN IP4 h\nm=image 65536 udptl t38\n", "0..65535"),
        (b"v=0\nc=IN IP4 h\nm=image -1 udptl t38\n", "0..65535"),
        (b"v=0\nc=IN IP4 h\nm=image x udptl t38\n", "0..65535"),
        (b"v=0\nc=IN IP4 h\nm=image " + b"1" * 5000 + b" udptl t38\n", "0..65535"),
        (b"v=0\nc=IN IP4 h\nm=image 4000\n", "media port protocol"),
        (b"v=0\nm=image 4000 udptl t38\n", "no c= line"),
        (b"v=0\nc=IN IP4\n", "IN IP4 address"),
        (b"v=0\nc=IN IP4 /127\n", "no address"),
        (b"v=0\nc=ATM NSAP 47\n", "IN IP4 address"),
        (b"v=0\n" + b"a=x\n" * 257, "more than 256 attributes"),
        (b"v=0\n" + b"m=image 0 udptl t38\n" * 33, "more than 32 m= lines"),
        (b"v=0\ns=" + b"x" * 16384, "at most 16384"),
    ],
)
def test_what_cannot_be_used_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(ParseError) as refusal:
        SessionDescription.parse(body)
    assert complaint in str(refusal.value)


def test_a_session_of_our_own() -> None:
    image = MediaDescription("image", 4002, "udptl", ("t38",), (Attribute("T38FaxVersion", "0"),))
    refused = MediaDescription("audio", 0, "RTP/AVP", ())
    own = SessionDescription(Origin("-", "17", 2, "2001:db8::1"), "2001:db8::1", (refused, image))
    assert bytes(own) == (
        b"v=0\r\no=- 17 2 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n"
        b"m=audio 0 RTP/AVP *\r\nm=image 4002 udptl t38\r\na=T38FaxVersion:0\r\n"
    )


_ORIGIN = Origin("-", "1", 1, "192.0.2.1")


@pytest.mark.parametrize(
    "session",
    [
        SessionDescription(_ORIGIN, "192.0.2.1\r\na=x", ()),
        SessionDescription(_ORIGIN, None, (), (Attribute("x", "1\nm=audio 9 RTP/AVP 0"),)),
        SessionDescription(_ORIGIN, None, (), name="a\rb"),
        SessionDescription(_ORIGIN, "h", (MediaDescription("im age", 4, "udptl", ("t38",)),)),
        SessionDescription(_ORIGIN, "h", (MediaDescription("image", 4, "udptl", ("",)),)),
        SessionDescription(_ORIGIN, "h", (MediaDescription("image", 65536, "udptl", ("t38",)),)),
        SessionDescription(_ORIGIN, None, (MediaDescription("image", 4, "udptl", ("t38",)),)),
    ],
)
def test_what_would_break_the_description_is_not_sent(session: SessionDescription) -> None:
    with pytest.raises(UnsendableError):
        bytes(session)


def _read(data: bytes) -> None:
    """Reads, or raises ParseError; what was read can be written and read again without a change."""
    try:
        session = SessionDescription.parse(data)
    except ParseError:
        return
    for media in session.media:
        assert session.address_of(media)
        assert session.direction_of(media) in Direction
    assert SessionDescription.parse(bytes(session)) == session


@given(st.binary(max_size=200) | st.binary(max_size=200).map(b"v=0\r\n".__add__))
def test_random_octets_are_a_description_or_a_parse_error(data: bytes) -> None:
    _read(data)


@given(
    st.sampled_from([RFC_8866_EXAMPLE, T38_OFFER, AUDIO_OFFER]),
    st.lists(
        st.tuples(
            st.integers(0, 400), st.integers(0, 8), st.binary(max_size=6) | st.sampled_from([b"\r", b"\nm="])
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_damaged_descriptions_are_read_or_a_parse_error(
    data: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    for at, length, octets in edits:
        data = data[:at] + octets + data[at + length :]
    _read(data)

"""SIP URIs: round trips, the examples of RFC 3261 19.1 and RFC 4475, and random text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.uri import Uri, is_host, parse_host_port, parse_uri


@pytest.mark.parametrize(
    "text",
    [
        # RFC 3261 19.1.3
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        # RFC 4475 3.1.1.2, 3.1.1.4, 3.1.1.9
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(it)@example.com",
        "sip:null-%00-null@example.com",
        "sip:user;par=u%40example.net@example.com",
        "sip:[2001:db8::10]:5070;lr",
        "sip:caller@h;unknown-no-value",
        "tel:+1-201-555-0123;phone-context=example.com",
    ],
)
def test_the_text_survives_a_round_trip(text: str) -> None:
    assert str(parse_uri(text)) == text


def test_parts_are_unescaped() -> None:
    uri = parse_uri(
        "SIP:sips%3Auser%40example.com@Example.NET:5061;Transport=%74cp;lr?Subject=next%20meeting"
    )
    assert uri == Uri(
        scheme="sip",
        user="sips:user@example.com",
        host="Example.NET",
        port=5061,
        params={"transport": "tcp", "lr": None},
        headers=(("Subject", "next meeting"),),
    )


def test_what_is_special_in_a_user_part_is_escaped() -> None:
    assert str(Uri("sip", "a b@c:d%", "h")) == "sip:a%20b%40c%3Ad%25@h"


def test_the_number_of_a_tel_uri_is_its_user() -> None:
    assert parse_uri("tel:+49301234") == Uri("tel", "+49301234", "")


def test_octets_that_are_not_utf8_are_kept() -> None:
    assert str(parse_uri("sip:m%FCller@h")) == "sip:m%FCller@h"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("+15550100", "write it as sip:number@host"),
        ("http://example.com", "write it as sip:number@host"),
        ("", "write it as sip:number@host"),
        ("sip:", "not a host"),
        ("sip:+15550100@", "not a host"),
        ("sip:@example.com", "nothing before the '@'"),
        ("sip:a b@example.com", "has a blank"),
        ("<sip:a@example.com>", "write it as"),
        ("sip:a@example.com>", "has a blank, quote"),
        ("sip:john@doe@example.com", "not a host"),
        ("sip:a@example.com:0", "1..65535"),
        ("sip:a@example.com:65536", "1..65535"),
        ("sip:a@example.com:", "1..65535"),
        ("sip:a@2001:db8::1", "1..65535"),
        ("sip:a@[2001:db8::1", "[IPv6]"),
        ("sip:a@[192.0.2.1]", "[IPv6]"),
        ("sip:a@[fe80::1%25eth0]", "[IPv6]"),
        ("sip:100%@example.com", "percent sign"),
        ("sip:a@h;lr;lr", "comes twice"),
        ("sip:a@h;=x", "has no name"),
        ("sip:a@h?=x", "has no name"),
        ("tel:call-me", "telephone number"),
        ("tel:", "telephone number"),
        ("sip:" + "a" * 5000 + "@h", "at most 4096"),
        ("sip:\ud800@h", "other character"),
    ],
)
def test_bad_text_is_refused_with_a_sentence_that_says_why(text: str, complaint: str) -> None:
    with pytest.raises(ParseError) as refusal:
        parse_uri(text)
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    "uri",
    [
        Uri("http", "a", "h"),
        Uri("sip", "a", "not a host"),
        Uri("sip", "a", "h>\r\nX: y"),
        Uri("sip", "a", "h", 70000),
        Uri("sip", "\ud800", "h"),
        Uri("tel", None, ""),
    ],
)
def test_a_uri_that_cannot_be_written_is_refused(uri: Uri) -> None:
    with pytest.raises(UnsendableError):
        str(uri)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
    ],
)
def test_equivalent_uris_of_rfc_3261_19_1_4(one: str, other: str) -> None:
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ],
)
def test_different_uris_of_rfc_3261_19_1_4(one: str, other: str) -> None:
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))


def test_host_and_port() -> None:
    assert parse_host_port("[2001:db8::1]:5060") == ("2001:db8::1", 5060)
    assert parse_host_port("[2001:db8::1]") == ("2001:db8::1", None)
    assert parse_host_port("gateway:5062") == ("gateway", 5062)
    assert not is_host("")
    assert not is_host("a" * 254)


_names = st.text(min_size=1, max_size=8)
_values = st.none() | st.text(max_size=8)


@given(
    st.builds(
        Uri,
        scheme=st.sampled_from(["sip", "sips"]),
        user=st.text(min_size=1, max_size=12),
        host=st.sampled_from(["example.com", "192.0.2.1", "2001:db8::1", "a_b.local."]),
        port=st.none() | st.integers(1, 65535),
        params=st.dictionaries(
            _names.map(str.lower).filter(lambda name: name == name.lower()), _values, max_size=3
        ),
        headers=st.lists(st.tuples(_names, st.text(max_size=8)), max_size=3).map(tuple),
        password=st.none() | st.text(max_size=5),
    )
)
def test_every_uri_survives_a_round_trip(uri: Uri) -> None:
    assert parse_uri(str(uri)) == uri


@given(st.text(max_size=60) | st.text(alphabet='sip:tel@[]%;?&=.a1 <"', max_size=40).map("sip:".__add__))
@example("sip:a@h;%00=%ff")
def test_random_text_is_a_uri_or_a_parse_error(text: str) -> None:
    try:
        uri = parse_uri(text)
    except ParseError:
        return
    assert parse_uri(str(uri)) == uri

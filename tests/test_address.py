"""From what a person dials to the URIs of the INVITE."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.syntax.uri import parse_uri
from t38fsp.settings.address import AddressError, caller_address, peer_address, target_uri

VIA = "trunk.example:5070"


@pytest.mark.parametrize(
    ("dialled", "uri"),
    [
        ("+1 (555) 01-00", "sip:+15550100@trunk.example:5070"),
        ("0211/55 01.00", "sip:0211550100@trunk.example:5070"),
        ("T 5550100", "sip:5550100@trunk.example:5070"),
        ("P+15550100", "sip:+15550100@trunk.example:5070"),
        ("tel:+1-555-0100", "sip:+15550100@trunk.example:5070"),
        ("*99#", "sip:*99%23@trunk.example:5070"),
        ("sip:fax@other.example", "sip:fax@other.example"),
        ("sip:fax@other.example;transport=UDP", "sip:fax@other.example;transport=UDP"),
        ("sips:fax@other.example", "sips:fax@other.example"),
        ("sip:fax@other.example;transport=tls", "sip:fax@other.example;transport=tls"),
        ("fax@other.example:5080", "sip:fax@other.example:5080"),
        ("sip:100@[2001:db8::1]:5062", "sip:100@[2001:db8::1]:5062"),
        ("reception", "sip:reception@trunk.example:5070"),
        ("Fax_2-east", "sip:Fax_2-east@trunk.example:5070"),
        ("pa", "sip:pa@trunk.example:5070"),
    ],
)
def test_numbers_go_through_the_peer_and_uris_where_they_point(dialled: str, uri: str) -> None:
    assert target_uri(dialled, VIA) == uri


@pytest.mark.parametrize(
    ("dialled", "told"),
    [
        ("", "neither a number nor a SIP URI"),
        ("letter.tif", "neither a number nor a SIP URI"),
        ("1-800-FLOWERS", "neither a number nor a SIP URI"),
        ("1" * 33, "neither a number nor a SIP URI"),
        ("http://other.example", "neither a number nor a SIP URI"),
        ("tel:nobody", "not a telephone number"),
        ("sip:", "not a host"),
        ("sip:@other.example", "nothing before the '@'"),
        ("sip:fax@other.example:99999", "not a port"),
        ("sip:fax machine@other.example", "leave it out"),
        ("sip:fax@other.example\r\nVia: x", "leave it out"),
        ("sip:fax@other.example;transport=sctp", "write udp, tcp or tls"),
        ("sips:fax@other.example;transport=udp", "leave one of them out"),
        ("sip:fax@other.example?Subject=x", "headers after a '\\?'; leave them out"),
        ("sip:fax@other.example;method=BYE", "names a method; leave it out"),
        ("sip:100", "extension as sip:100@HOST"),
        ("sip:100;transport=tcp", "extension as sip:100@HOST"),
        ("100@127.1", "neither a host name nor a whole IP address"),
        ("100@0x7f000001", "neither a host name nor a whole IP address"),
        ("100@192.168.001.050", "neither a host name nor a whole IP address"),
        ("100@pbx.example;maddr=100", "neither a host name nor a whole IP address"),
        ("fax room", "neither a number nor a SIP URI"),
        ("\udc80@other.example", "leave it out"),
    ],
)
def test_what_cannot_be_called_is_refused_with_a_sentence(dialled: str, told: str) -> None:
    with pytest.raises(AddressError, match=told):
        target_uri(dialled, VIA)


def test_a_number_alone_needs_a_peer() -> None:
    with pytest.raises(AddressError, match=r"\+15550100 needs a SIP peer .* name one as via, or write sip:"):
        target_uri("+1 555 0100", None)


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("trunk.example", "trunk.example"),
        ("sip:trunk.example:5070", "trunk.example:5070"),
        ("SIP:192.0.2.1;lr", "192.0.2.1"),
        (" sip:account@trunk.example ", "trunk.example"),
        ("[2001:db8::1]:5060", "[2001:db8::1]:5060"),
        ("sip:[2001:db8::1]", "[2001:db8::1]"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("sip:trunk.example:5070;transport=TCP", "trunk.example:5070;transport=tcp"),
        ("trunk.example;transport=tls", "trunk.example;transport=tls"),
        ("sips:trunk.example", "trunk.example;transport=tls"),
    ],
)
def test_a_peer_is_written_as_a_uri_or_a_host(text: str, peer: str) -> None:
    assert peer_address(text) == peer


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a host"),
        ("http://trunk.example", "is not a SIP peer"),
        ("trunk.example:0", "is not a port"),
        ("2001:db8::1::2", "is not a SIP peer"),
        ("sip:trunk.example;transport=sctp", "write udp, tcp or tls"),
    ],
)
def test_what_is_no_peer_is_refused_with_a_sentence(text: str, told: str) -> None:
    with pytest.raises(AddressError, match=told):
        peer_address(text)


@pytest.mark.parametrize(
    ("text", "caller"),
    [
        ("sip:+15550199@trunk.example", "sip:+15550199@trunk.example"),
        ("tel:+15550199", "tel:+15550199"),
        ("Accounts <sip:fax@trunk.example>", '"Accounts" <sip:fax@trunk.example>'),
        ('"Büro, 2. Stock" <sip:fax@trunk.example>', '"Büro, 2. Stock" <sip:fax@trunk.example>'),
        ("<sip:fax@trunk.example>", "sip:fax@trunk.example"),
    ],
)
def test_a_caller_is_a_uri_with_or_without_a_name(text: str, caller: str) -> None:
    assert caller_address(text) == caller


@pytest.mark.parametrize(
    "text", ["", "+15550199", "mailto:fax@trunk.example", "Fax <fax", "A\r\nX: y <sip:a@b>", "sip:a@b?X=y"]
)
def test_what_is_no_caller_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(AddressError, match=r"is not a caller: .*write it like sip:"):
        caller_address(text)


@given(st.text(max_size=60) | st.from_regex(r"(sips?:|tel:)?[-+0-9a-z@.:;?=\[\]<>\" ]{0,30}"))
def test_anything_is_a_sip_uri_afterwards_or_refused(text: str) -> None:
    with suppress(AddressError):
        assert parse_uri(target_uri(text, VIA)).scheme in ("sip", "sips")


@given(st.text(max_size=60) | st.from_regex(r"(sip:)?[-0-9a-z@.:;?=\[\]]{0,30}"))
def test_any_peer_is_a_host_afterwards_or_refused(text: str) -> None:
    with suppress(AddressError):
        assert peer_address(peer_address(text)) == peer_address(text)


def test_the_transport_of_a_peer_is_not_in_the_uri_of_a_number() -> None:
    assert target_uri("100", "trunk.example:5070;transport=tcp") == "sip:100@trunk.example:5070"

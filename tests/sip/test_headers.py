"""Header fields and their values."""

import pytest

from sip.syntax.errors import ParseError
from sip.syntax.message import Headers, NameAddress, Via, parse_params, q850_cause


def test_headers_are_an_ordered_multi_map_without_regard_to_case_and_form() -> None:
    headers = Headers([("v", "SIP/2.0/UDP a, SIP/2.0/UDP b"), ("X-Date", "a, b"), ("VIA", "SIP/2.0/UDP c")])
    assert headers.get("via") == "SIP/2.0/UDP a, SIP/2.0/UDP b"
    assert headers.get_all("Via") == ["SIP/2.0/UDP a", "SIP/2.0/UDP b", "SIP/2.0/UDP c"]
    assert headers.get_all("x-date") == ["a, b"]
    assert headers.get("To") is None
    assert "V" in headers
    assert headers.count("Via") == 2
    assert next(iter(headers)) == ("Via", "SIP/2.0/UDP a, SIP/2.0/UDP b")


def test_headers_are_changed_in_place() -> None:
    headers = Headers([("To", "1"), ("Route", "a"), ("From", "2"), ("Route", "b")])
    twin = headers.copy()
    headers.set("route", "c")
    headers.set("Call-ID", "3")
    headers.insert_first("Via", "v")
    headers.remove("from")
    headers.add("k", "timer")
    assert list(headers) == [
        ("Via", "v"),
        ("To", "1"),
        ("route", "c"),
        ("Call-ID", "3"),
        ("Supported", "timer"),
    ]
    assert list(twin) == [("To", "1"), ("Route", "a"), ("From", "2"), ("Route", "b")]
    assert len(twin) == 4
    assert twin != headers


def test_commas_in_quotes_and_brackets_do_not_separate() -> None:
    headers = Headers([("m", '"Bell, \\"A, B\\"" <sip:a,b@h>;x="1,2" , <sip:c@h?x=1,2>, *')])
    assert headers.get_all("Contact") == ['"Bell, \\"A, B\\"" <sip:a,b@h>;x="1,2"', "<sip:c@h?x=1,2>", "*"]


@pytest.mark.parametrize("text", ['a, "b, c\\", d', "a, <b, c", 'a, "b\\'])
def test_what_is_never_closed_goes_on_to_the_end(text: str) -> None:
    assert Headers([("m", text)]).get_all("Contact") == ["a", text[3:]]


@pytest.mark.parametrize("name", ["WWW-Authenticate", "Proxy-Authenticate", "Authorization", "Date"])
def test_headers_that_are_no_lists_are_not_taken_apart(name: str) -> None:
    assert Headers([(name, "a=1, b=2"), (name, "c")]).get_all(name) == ["a=1, b=2", "c"]


@pytest.mark.parametrize(
    ("reasons", "cause"),
    [
        (['Q.850;cause=16;text="Normal call clearing"'], 16),
        (['SIP;cause=487;text="a, b", q.850 ; Cause=17'], 17),
        (["SIP;cause=200", "Q.850;cause=34"], 34),
        (["Q.850;cause=0"], None),
        (["Q.850;cause=128"], None),
        (["Q.850;cause=1x", "Q.850"], None),
        (['Q.850;cause="', "Q.850;c d=1"], None),
        ([], None),
    ],
)
def test_the_q850_cause_of_a_reason_header(reasons: list[str], cause: int | None) -> None:
    assert q850_cause(Headers([("Reason", each) for each in reasons])) == cause


@pytest.mark.parametrize(
    "text",
    [
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
        "SIP/2.0/TLS [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
        "SIP/2.0/UDP h;received=2001:db8::9;rport=5062;branch=z9",
    ],
)
def test_a_via_survives_a_round_trip(text: str) -> None:
    assert str(Via.parse(text)) == text


def test_ipv6_in_via_is_given_without_brackets() -> None:
    """RFC 5118 4.5: received with and without brackets."""
    via = Via.parse("SIP/2.0/UDP [2001:db8::1]:5061;received=[2001:db8::2];rport=70000")
    assert (via.host, via.port, via.received, via.rport) == ("2001:db8::1", 5061, "2001:db8::2", None)
    assert Via.parse("SIP/2.0/UDP h;received=2001:db8::2").received == "2001:db8::2"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sip:a@h;tag=1", "<sip:a@h>;tag=1"),
        ("<sip:a@h;lr>;tag=1", "<sip:a@h;lr>;tag=1"),
        ('A. G. Bell <sip:agb@h> ;tag=1;tag=2;"', None),
        ('"A \\"x\\" \\\\" <sip:a@h>', '"A \\"x\\" \\\\" <sip:a@h>'),
        ('<sip:a@h>;+sip.instance="<urn:uuid:1>"', '<sip:a@h>;+sip.instance="<urn:uuid:1>"'),
    ],
)
def test_name_addresses_are_written_with_brackets(text: str, written: str | None) -> None:
    if written is None:
        with pytest.raises(ParseError):
            NameAddress.parse(text)
    else:
        assert str(NameAddress.parse(text)) == written


def test_of_a_parameter_that_comes_twice_the_first_counts() -> None:
    assert parse_params(';a=1;A=2 ; b ; c=;d="x;\\"y"') == {"a": "1", "b": None, "c": "", "d": 'x;"y'}

"""SIP messages: round trips, shapes of the torture tests (RFC 4475), recorded messages, random damage."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.message import CSeq, Headers, NameAddress, Request, Response, Via, parse_message, q850_cause
from sip.syntax.sdp import SessionDescription


def wire(text: str) -> bytes:
    """The text with CRLF line ends."""
    return text.replace("\n", "\r\n").encode()


# Recorded: Asterisk re-INVITEs to T.38.
T38_REINVITE = wire(
    """\
INVITE sip:fecuser@127.0.0.1:25060 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:15060;rport;branch=z9hG4bKPj5ac88b54-796b-43b9-8056-b6be9b184f30
From: <sip:recvfax_v29_9600@127.0.0.1>;tag=36afd3db-ca30-4bda-a4c3-1d89d9c8828b
To: "Anonymous" <sip:fecuser@anonymous.invalid>;tag=4cbf0869-9e1a-4729-8826-19ef48bda0db
Contact: <sip:127.0.0.1:15060>
Call-ID: 64c2c58c-e0f8-4bd8-8acc-f9b36334f4d5
CSeq: 17580 INVITE
Allow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, REFER
Supported: 100rel, timer, replaces, norefersub, histinfo
Session-Expires: 1800;refresher=uas
Min-SE: 90
Max-Forwards: 70
User-Agent: lab-a asterisk
Content-Type: application/sdp
Content-Length:   242

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
"""
)

# Recorded: Asterisk refuses a re-INVITE that crosses its own.
GLARE = wire(
    """\
SIP/2.0 491 Another INVITE transaction in progress
Via: SIP/2.0/UDP 127.0.0.1:12060;rport=12060;received=127.0.0.1;branch=z9hG4bKa2c182f9c19a
Call-ID: 1e9ba8c9@127.0.0.1
From: <sip:caller@127.0.0.1>;tag=d8f81f8b
To: <sip:recvfax@127.0.0.1>;tag=5a1cbe51
CSeq: 2 INVITE
Server: lab-a asterisk
Content-Length:  0

"""
)

# RFC 4475 3.1.1.1 without its body: folding, blanks, compact forms, odd cases, quoted pairs.
TORTUOUS = wire(
    """\
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 0
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

"""
)


def request(*changes: tuple[str, str | None], start: str = "INVITE sip:b@h SIP/2.0") -> bytes:
    """A small valid request with headers changed, added or (None) left out."""
    headers = {
        "Via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
        "From": "<sip:a@h>;tag=1",
        "To": "<sip:b@h>",
        "Call-ID": "c1@h",
        "CSeq": "1 INVITE",
        "Max-Forwards": "70",
    }
    extra = ""
    for name, value in changes:
        if value is None:
            del headers[name]
        elif name in headers:
            headers[name] = value
        else:
            extra += f"{name}: {value}\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{start}\r\n{lines}{extra}\r\n".encode("utf-8", "surrogateescape")


def parse_valid(data: bytes) -> Request | Response:
    message = parse_message(data)
    message.validate()
    return message


# --- whole messages -------------------------------------------------------------------------------


def test_a_recorded_request_taken_apart() -> None:
    message = parse_valid(T38_REINVITE)
    assert isinstance(message, Request)
    assert (message.method, message.uri) == ("INVITE", "sip:fecuser@127.0.0.1:25060")
    assert message.call_id == "64c2c58c-e0f8-4bd8-8acc-f9b36334f4d5"
    assert message.cseq == CSeq(17580, "INVITE")
    assert message.from_.tag == "36afd3db-ca30-4bda-a4c3-1d89d9c8828b"
    assert (message.to.display_name, message.to.uri) == ("Anonymous", "sip:fecuser@anonymous.invalid")
    assert message.contact == NameAddress("", "sip:127.0.0.1:15060")
    assert message.via.branch == "z9hG4bKPj5ac88b54-796b-43b9-8056-b6be9b184f30"
    assert message.via.rport is None
    assert "rport" in message.via.params
    assert "timer" in message.headers.get_all("Supported")
    assert SessionDescription.parse(message.body).media[0].kind == "image"


def test_a_recorded_response_taken_apart() -> None:
    message = parse_valid(GLARE)
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (491, "Another INVITE transaction in progress")
    assert (message.via.received, message.via.rport) == ("127.0.0.1", 12060)
    assert message.body == b""


@pytest.mark.parametrize("data", [T38_REINVITE, GLARE, TORTUOUS, request()])
def test_a_message_survives_a_round_trip(data: bytes) -> None:
    message = parse_message(data)
    assert parse_message(bytes(message)) == message


def test_a_request_of_our_own() -> None:
    ack = Request("ACK", "sip:b@h", Headers([("Call-ID", "1"), ("Content-Length", "99")]), b"body")
    assert bytes(ack) == b"ACK sip:b@h SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\nbody"


def test_a_response_of_our_own() -> None:
    assert bytes(Response(200, "", Headers())) == b"SIP/2.0 200 \r\nContent-Length: 0\r\n\r\n"


def test_lf_line_ends_and_empty_lines_before_the_message_are_read() -> None:
    head, _, body = T38_REINVITE.partition(b"\r\n\r\n")
    loose = b"\r\n\n" + head.replace(b"\r\n", b"\n") + b"\n\n" + body
    assert parse_message(loose) == parse_message(T38_REINVITE)


def test_a_shorter_content_length_cuts_the_body() -> None:
    assert parse_message(request(("l", "3")) + b"bodyINVITE sip:other@h SIP/2.0\r\n").body == b"bod"


def test_without_content_length_the_body_is_the_rest() -> None:
    assert parse_message(request() + b"body").body == b"body"


def test_octets_that_are_not_utf8_are_echoed_and_shown_as_replacement() -> None:
    data = request(("From", "M\udcfcller <sip:a@h>;tag=1"))
    message = parse_valid(data)
    assert message.from_.display_name == "M\N{REPLACEMENT CHARACTER}ller"
    assert b"M\xfcller" in bytes(message)


# --- valid shapes of RFC 4475 3.1.1 ---------------------------------------------------------------


def test_a_short_tortuous_invite() -> None:
    """3.1.1.1."""
    message = parse_valid(TORTUOUS)
    assert message.to == NameAddress("", "sip:vivekg@chair-dnrc.example.com", {"tag": "1918181833n"})
    assert message.from_ == NameAddress('J Rosenberg \\"', "sip:jdrosen@example.com", {"tag": "98asjd8"})
    assert message.cseq == CSeq(9, "INVITE")
    assert [Via.parse(each) for each in message.headers.get_all("Via")] == [
        Via("UDP", "192.0.2.2", None, {"branch": "390skdjuw"}),
        Via("TCP", "spindle.example.com", None, {"branch": "z9hG4bK9ikj8"}),
        Via("UDP", "192.168.255.111", None, {"branch": "z9hG4bK30239"}),
    ]
    assert message.headers.get("Subject") == ""
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.contact == NameAddress(
        'Quoted string ""',
        "sip:jdrosen@example.com",
        {"newparam": "newvalue", "secondparam": None, "q": "0.33"},
    )


def test_wide_range_of_valid_characters() -> None:
    """3.1.1.2."""
    method = "!interesting-Method0123456789_*+`.%indeed'~"
    uri = (
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(it)@example.com"
    )
    message = parse_valid(
        request(
            ("CSeq", f"139122385 {method}"),
            ("To", '"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)@example.com>'),
            (
                "From",
                "token1~` token2'+_ token3*%!.- <sip:mundane@h>;fromParam''~+*_!.-%=\"x;y\";tag=_token~1",
            ),
            ("extensionHeader-!.%*+_`'~", "大停電"),
            start=f"{method} {uri} SIP/2.0",
        )
    )
    assert isinstance(message, Request)
    assert (message.method, message.uri) == (method, uri)
    assert message.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.params == {"fromparam''~+*_!.-%": "x;y", "tag": "_token~1"}
    assert message.headers.get("EXTENSIONheader-!.%*+_`'~") == "大停電"


@pytest.mark.parametrize(
    "changed",
    [
        ("From", "caller<sip:caller@example.com>;tag=323"),  # 3.1.1.6, no blank before "<"
        ("From", '"caller" <sips:caller@example.com;x=%3E>;tag=' + "l" * 2000),  # 3.1.1.7, long values
        ("To", "isbn:2983792873"),  # 3.3.2, a scheme that we do not know
        ("Via", "SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bK2"),  # 3.1.1.10
        ("From", "sip:a@h"),  # a peer of RFC 2543 sends no tag
        ("Contact", '"Joe" <sip:joe@example.org>;;;;'),  # of 3.1.2.1
        ("To", '"Watson, Thomas" < sip:t.watson@example.org >'),  # 3.1.2.14, may be accepted
        ("From", "Bell, Alexander <sip:a.g.bell@example.com>;tag=43"),  # 3.1.2.15, may be accepted
        ("Expires", "0 0l@sdf"),  # not needed, not read
        ("Date", "Fri, 01 Jan 2010 16:00:00 EST"),  # 3.1.2.12, not needed
        ("not a header", "ignored"),  # RFC 3261 8.2.2
    ],
)
def test_odd_but_usable_headers_are_accepted(changed: tuple[str, str]) -> None:
    parse_valid(request(changed))


def test_an_unusual_reason_phrase() -> None:
    """3.1.1.12 and 3.1.1.13."""
    head, _, rest = GLARE.partition(b"\r\n")
    assert head.startswith(b"SIP/2.0 491")
    reason = "= 2**3 * 5**2 но сто девяносто девять - простое"
    message = parse_valid(f"SIP/2.0 200 {reason}\r\n".encode() + rest)
    assert isinstance(message, Response)
    assert message.reason == reason
    for start in (b"SIP/2.0 100 \r\n", b"SIP/2.0 100\r\n", b"sip/2.0 100 \r\n"):
        assert parse_valid(start + rest) == replace(message, status=100, reason="")


def test_a_reason_phrase_is_printable() -> None:
    message = parse_valid(GLARE.replace(b"Another", b"\x1b]0;owned\x07\xc2\x9b\xff"))
    assert isinstance(message, Response)
    assert message.reason == "\\x1b]0;owned\\x07\\x9b\\udcff INVITE transaction in progress"
    assert parse_message(bytes(message)) == message


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no empty line"),
        (b"\r\n\r\n", "no empty line"),  # a keep-alive
        (b"\x00\x00\x00\x00", "no empty line"),
        (b"GET / HTTP/1.1\r\n\r\n", "neither a SIP request line"),
        (b"OPTIONS sip:b@h SIP/2.0\r\nVia: x\r\n", "no empty line"),
        (request(("l", "9999")), "Content-Length is 9999"),  # 3.1.2.2
        (request(("l", "-999")), "not one number"),  # 3.1.2.3
        (request(("l", "0"), ("Content-Length", "1")) + b"x", "not one number"),  # 3.3.9
        (request(("CSeq", "36893488147419103232 INVITE")), "below 2**32"),  # 3.1.2.4
        (GLARE.replace(b"2 INVITE", b"9292394834772304023312 INVITE"), "below 2**32"),  # 3.1.2.5
        (request(("To", '"Mr. J. User <sip:j.user@example.com>')), "never closed"),  # 3.1.2.6
        (request(start="INVITE <sip:b@h> SIP/2.0"), "is not 'method URI"),  # 3.1.2.7
        (request(start="INVITE sip:b@h; lr SIP/2.0"), "is not 'method URI"),  # 3.1.2.8
        (request(start="INVITE  sip:b@h  SIP/2.0"), "is not 'method URI"),  # 3.1.2.9
        (request(start="INVITE sip:b@h SIP/2.0 "), "is not 'method URI"),  # 3.1.2.10
        (request(start="INVITE sip:b@h SIP/7.0"), "SIP/7.0 is not SIP/2.0"),  # 3.1.2.16
        (request(("CSeq", "1 OPTIONS")), "CSeq names OPTIONS"),  # 3.1.2.17
        (GLARE.replace(b"491", b"4294967301"), "neither"),  # 3.1.2.19
        (request(("Via", "SIP/2.0/UDP 192.0.2.15;;,;,,")), "Via ';' is not"),  # 3.1.2.1
        (request(("Call-ID", None)), "no Call-ID"),  # 3.3.1
        (request(("From", None)), "no From"),
        (request(("To", None)), "no To"),
        (request(("CSeq", None)), "no CSeq"),
        (request(("Via", None)), "Via"),
        (request(("i", "other")), "Call-ID more than once"),  # 3.3.8
        (request(("Call-ID", "two words")), "blank"),
        (request(("To", "<sip:b@h")), "is not 'name <uri>"),
        (request(("To", "<sip:b@h>tag=1")), "is not 'name <uri>"),
        (request(("To", '"b" sip:b@h')), "no '<' follows"),
        (request(("To", "<>")), "no URI"),
        (request(("To", "<sip:b@h>;tag")), "a tag without a value"),
        (request(("To", "<sip:b@h>;tag=;x")), "a tag without a value"),
        (request(("From", "<sip:\x1b[2J@h>;tag=1")), "no URI"),
        (request(("To", "sip:b\x9b@h")), "no URI"),
        (request(start="INVITE sip:\x1b[2J@h SIP/2.0"), "is not 'method URI"),
        (request(("To", "<sip:b@h>;ta g=1")), "not the name of a parameter"),
        (request(("To", '<sip:b@h>;x="y"z')), "text follows"),
        (request(("Via", "SIP/2.0/UDP h:0;branch=z9hG4bK1")), "1..65535"),
        (request(("Via", "SIP/2/UDP h;branch=z9hG4bK1")), "is not 'SIP/2.0/transport"),
        (request(("Contact", "nonsense")), "no URI"),
        (request(("Contact", "*")), "no URI"),  # only REGISTER has that
        (request(("Record-Route", "<sip:p1;lr>, <")), "is not 'name <uri>"),
        (request(("X", "a\rb")), "CR without LF"),
        (request(("X", "y" * 8192)), "longer than 8192"),
        (request(*[(f"X{i}", "y") for i in range(251)]), "more than 256 header lines"),
        (request(("Via", ",".join(["SIP/2.0/UDP h"] * 101))), "Via has 101 elements"),
        (request(*[("Record-Route", "<sip:p;lr>," * 50)] * 3), "Record-Route has 150 elements"),
        (request(("Contact", "sip:b@h," * 101)), "Contact has 101 elements"),
        (request(*[(f"no header {i}", "y") for i in range(251)]), "more than 256 header lines"),
        (request(("Via", "SIP/2.0/UDP h" + ";x" * 65)), "at most 64"),
        (request(("To", "<sip:b@h>" + ";x" * 64)), "at most 64"),
        (request(("To", f"<sip:b@h>;tag={'x' * 7930}")), "no room for the tag"),
        (request(("Via", "SIP/2.0/UDP h;x=<")), "never closed"),
        (request(("Via", 'SIP/2.0/UDP h;x=a"b')), "never closed"),
        (request(("To", "<sip:b@h>;x=<")), "never closed"),
        (request(*[("Record-Route", f"<sip:{'p' * 7000}>")] * 5), "longer than 32768"),
        (request(*[("Record-Route", f"<sip:{'p' * 7700}>")] * 4), "would repeat"),
        (request(*[("v", "")] * 100), "Via has 101 elements"),
        (request(start=f"INVITE sip:{'b' * 8200} SIP/2.0"), "start line is longer"),
        (request() + b"x" * 65536, "at most 65536"),
        (b"OPTIONS sip:b@h SIP/2.0\r\n To: x\r\n\r\n", "begins with a blank"),
    ],
)
def test_what_a_user_agent_cannot_use_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ParseError) as refusal:
        parse_valid(data)
    assert complaint in str(refusal.value)


def test_the_contact_of_a_request_that_needs_none_does_not_matter() -> None:
    """RFC 3261 8.2.2."""
    parse_valid(request(("Contact", "nonsense"), ("CSeq", "2 BYE"), start="BYE sip:h SIP/2.0"))


def test_a_register_may_take_out_all_its_contacts() -> None:
    """RFC 3261 10.2.2."""
    parse_valid(request(("Contact", "*"), ("CSeq", "1 REGISTER"), start="REGISTER sip:h SIP/2.0"))


def test_a_message_without_contact_has_none() -> None:
    with pytest.raises(ParseError, match="no Contact"):
        _ = parse_valid(request()).contact


@pytest.mark.parametrize(
    "build",
    [
        lambda: Headers([("Subject", "x\r\nRoute: <sip:evil>")]),
        lambda: Headers().add("Subject", "x\ny"),
        lambda: Headers().set("Subject", "x\ry"),
        lambda: Headers().insert_first("Bad name", "x"),
        lambda: Headers().add("Subject:", "x"),
        lambda: Headers().add("Subject", "\ud800"),
        lambda: bytes(Request("IN VITE", "sip:b@h", Headers())),
        lambda: bytes(Request("INVITE", "sip:b@h SIP/2.0\r\nX:", Headers())),
        lambda: bytes(Request("INVITE", "", Headers())),
        lambda: bytes(Request("INVITE", "sip:\ud800", Headers())),
        lambda: bytes(Response(99, "", Headers())),
        lambda: bytes(Response(200, "OK\r\nX: y", Headers())),
        lambda: str(NameAddress("a", "sip:b@h>;tag=forged<x")),
        lambda: str(NameAddress("a", "sip:b@h", {"a;b": None})),
    ],
)
def test_no_header_can_be_smuggled_into_a_message(build: Callable[[], object]) -> None:
    with pytest.raises(UnsendableError):
        build()


# --- random octets and damage ---------------------------------------------------------------------


def read_everything(data: bytes) -> None:
    """Read as a user agent does; what was read can be sent, and is read again without a change."""
    try:
        message = parse_message(data)
    except ParseError:
        return
    assert parse_message(bytes(message)) == message
    q850_cause(message.headers)
    try:
        message.validate()
    except ParseError:
        return
    # From here on nothing may raise.
    assert message.call_id
    for address in (message.from_, message.to):
        assert NameAddress.parse(str(address)) == address
    assert Via.parse(str(message.via)) == message.via
    assert CSeq.parse(str(message.cseq)) == message.cseq
    assert isinstance(message.via.rport, int | None)
    if "Contact" in message.headers and message.cseq.method != "REGISTER":
        assert message.contact.uri


@given(st.binary(max_size=120) | st.binary(max_size=120).map(b"SIP/2.0 200 OK\r\n\r\n".__add__))
def test_random_octets_are_a_message_or_a_parse_error(data: bytes) -> None:
    read_everything(data)


_snippets = st.binary(max_size=4) | st.sampled_from(
    [
        b"\r\n",
        b"\n ",
        b"\r",
        b'"',
        b"<",
        b">",
        b";",
        b",",
        b"=",
        b":",
        b"\\",
        b"\xff",
        b"\x00",
        b"Contact: *\r\n",
        b"%",
    ]
)
_edits = st.lists(
    st.tuples(st.integers(0, 700), st.integers(0, 6), _snippets),
    min_size=1,
    max_size=6,
)


@given(st.sampled_from([T38_REINVITE, GLARE, TORTUOUS, request()]), _edits)
def test_damaged_messages_are_read_or_a_parse_error(data: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    for at, length, octets in edits:
        data = data[:at] + octets + data[at + length :]
    read_everything(data)


@given(st.text(alphabet=' \t"<>;=,:\\@*sipa/2.0UDP[]', max_size=40))
def test_random_header_values_are_values_or_parse_errors(text: str) -> None:
    for parse in (NameAddress.parse, Via.parse, CSeq.parse):
        try:
            value = parse(text)
        except ParseError:
            continue
        assert parse(str(value)) == value

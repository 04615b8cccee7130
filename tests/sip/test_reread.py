"""What we make of a message that could be read, stamped and answered, can be read again; nothing raises."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sip.agent import UserAgent
from sip.syntax.errors import ParseError, SipError
from sip.syntax.message import (
    MAX_ELEMENTS,
    MAX_HEAD,
    MAX_HEADERS,
    MAX_LINE,
    MAX_OCTETS,
    MalformedRequestError,
    Request,
    Response,
    Via,
    parse_message,
)
from sip.transaction.via import stamp_via
from sip.values import Hop
from tests.sip.besieged import Besieged, mutate
from tests.sip.link import ALICE, BOB
from tests.sip.rfc4475 import MESSAGES as TORTURE
from tests.sip.solo import Solo
from tests.sip.test_hostile import MESSAGES as CALL
from tests.sweep import Share, examples, sweep

FAR = Hop("192.0.2.77", 5062)
ADDED = (("Allow", "INVITE, ACK"), ("Contact", "<sip:fax@192.0.2.1:5060>"), ("Require", "100rel"))


def corpus() -> list[bytes]:
    besieged = Besieged(1)
    besieged.begin()
    return [*TORTURE.values(), *besieged.expected, *CALL]


CORPUS = corpus()


def endpoint() -> UserAgent:
    return UserAgent(contact_address=ALICE.address, user_agent="alice/1", random=Random(1))


def walk(data: bytes, source: Hop = FAR) -> str:
    """Parse, stamp, answer, and parse again; returns how far it came.

    Only ParseError, for what came from outside, may be raised on the way, and nothing once it is stamped.
    """
    malformed = False
    try:
        message = parse_message(data)
    except MalformedRequestError as error:
        message, malformed = error.request, True
    except ParseError:
        return "dropped"
    if isinstance(message, Response):
        with suppress(ParseError):
            message.validate()
            again = parse_message(bytes(message))
            again.validate()
            assert again == message
        return "response"
    lines = message.headers.count("Via")
    try:
        stamp_via(message, source)
    except ParseError:
        return "dropped"
    assert message.headers.count("Via") == lines
    assert_stamped(message.via, source)
    try:
        message.validate()
    except ParseError:
        malformed = True
    if not malformed:
        assert_rereadable(message)
    return "malformed" if malformed else "served"


def assert_stamped(via: Via, source: Hop) -> None:
    if "rport" in via.params:
        assert (via.received, via.rport) == source.address
    else:
        assert source.host in (via.received, via.host)


def assert_rereadable(request: Request) -> None:
    for status in (100, 183, 200, 400):
        octets = bytes(endpoint()._core.response(request, status, ADDED, to_tag="f" * 20))
        response = parse_message(octets)
        assert isinstance(response, Response)
        response.validate()
        assert response.to.tag == (request.to.tag or "f" * 20)
        assert response.headers.lines("Via") == request.headers.lines("Via")
        assert response.via == request.via
        assert (response.from_, response.call_id, response.cseq) == (
            request.from_,
            request.call_id,
            request.cseq,
        )


def heard(data: bytes, source: Hop = FAR) -> list[int]:
    """What a user agent answers; whatever it sends can be parsed."""
    solo = Solo()
    solo.hear(data, source)
    statuses = [each.status for each in solo.sent() if isinstance(each, Response)]
    solo.agent.hang_up_all(solo.now)
    solo.wait(200)
    solo.sent()
    assert solo.agent.idle
    return statuses


@pytest.mark.parametrize("data", CORPUS)
def test_the_corpora_can_be_reread(data: bytes) -> None:
    walk(data)
    heard(data)


@given(st.integers(0, 2**32))
@settings(max_examples=400)
def test_the_mutated_corpora_can_be_reread(seed: int) -> None:
    random = Random(seed)
    data = mutate(random.choice(CORPUS), CORPUS, random)
    walk(data)
    heard(data)


FRAGMENTS = ["<", ">", '"', "\\", ";", ",", "=", " ", "\t", "\r\n ", "a", "x=y", "rport", "received=1.2.3.4"]
FRAGMENTS += ["SIP/2.0/UDP h", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", "<sip:a@b>", ";tag=1", "é", "\udcff"]
VALUES = st.lists(st.sampled_from(FRAGMENTS), max_size=9).map("".join)
TOP = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1"


def options(*vias: str, to: str = "<sip:b@y>", routes: tuple[str, ...] = (), start: str = "") -> bytes:
    lines = [start or "OPTIONS sip:b@127.0.0.1 SIP/2.0", *(f"Via: {via}" for via in vias)]
    lines += [f"Record-Route: {route}" for route in routes]
    lines += ["From: <sip:a@x>;tag=1", f"To: {to}", "Call-ID: e", "CSeq: 1 OPTIONS"]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode("utf-8", "surrogateescape")


@given(st.lists(VALUES, min_size=1, max_size=4), VALUES, st.lists(VALUES, max_size=2))
@example([";x=<", "SIP/2.0/UDP h;y=>;a b=c"], "", [])
@example([";x=<", "SIP/2.0/UDP h"], "", [])
@example(['x="', "SIP/2.0/UDP h"], "", [])
@example([",SIP/2.0/UDP h;y=\\", ""], ";x=<", ["<sip:a@b>;x=<", ">"])
@examples(push=166, full=500)
def test_odd_lists_can_be_reread(vias: list[str], to: str, routes: list[str]) -> None:
    for first in (TOP, f"{TOP};rport", ""):
        data = options(first + vias[0], *vias[1:], to="<sip:b@y>" + to, routes=tuple(routes))
        walk(data)
        heard(data)


@pytest.mark.parametrize(
    ("vias", "statuses"),
    [
        ((TOP + ";x=<", "SIP/2.0/UDP h;y=>;a b=c"), []),
        ((TOP + ';x=a"', "SIP/2.0/UDP h"), []),
        ((TOP, "SIP/2.0/UDP h;y=<"), [400]),
        ((TOP, "SIP/2.0/UDP h, SIP/2.0/UDP i;x=\",\"", "SIP/2.0/UDP j"), [200]),
        ((TOP + ", SIP/2.0/UDP h", "SIP/2.0/UDP i"), [200]),
    ],
)  # fmt: skip
def test_several_vias_stay_several_lines(vias: tuple[str, ...], statuses: list[int]) -> None:
    solo = Solo()
    solo.hear(options(*vias), FAR)
    answers = [each for each in solo.sent() if isinstance(each, Response)]
    assert [each.status for each in answers] == statuses
    for each in answers:
        first, *others = each.headers.lines("Via")
        assert others == list(vias[1:])
        assert first.partition(",")[0] == f"{TOP};received={FAR.host}"
        assert first.partition(",")[2] == vias[0].partition(",")[2]


# --- the bounds, from both sides ----------------------------------------------------------------------------

HEAD = len(options(TOP))


def padded(octets: int) -> bytes:
    """A request whose head has so many octets, in lines that are not too long."""
    lines: list[str] = []
    left = octets - HEAD
    while left > 0:
        # What is left for the last line must be enough for one.
        length = left if left < 8000 else min(7000, left - 100)
        lines.append(f"X: {'y' * (length - 5)}")
        left -= length
    data = options(TOP)
    start, _, rest = data.partition(b"\r\n")
    made = b"\r\n".join([start, *(line.encode() for line in lines), rest])
    assert len(made) == octets
    return made


def lines(count: int, text: str) -> bytes:
    """A request of so many header lines, five of them needed, the others ``text``."""
    start, _, rest = options(TOP).partition(b"\r\n")
    return b"\r\n".join([start, rest.removesuffix(b"\r\n") + f"{text}\r\n".encode() * (count - 5) + b"\r\n"])


@pytest.mark.parametrize(
    ("good", "bad", "status"),
    [
        # The address that it came from is one more.
        (options(TOP + ";x" * 62), options(TOP + ";x" * 63), None),
        (options(TOP + ";x" * 61 + ";rport"), options(TOP + ";x" * 62 + ";rport"), None),
        (options(TOP, "SIP/2.0/UDP h" + ";x" * 64), options(TOP, "SIP/2.0/UDP h" + ";x" * 65), 400),
        (options(TOP, to="<sip:b@y>" + ";x" * 63), options(TOP, to="<sip:b@y>" + ";x" * 64), 400),
        (
            options(*[TOP] * MAX_ELEMENTS),
            options(*[TOP] * (MAX_ELEMENTS + 1)),
            400,
        ),
        (
            options(TOP, ",".join([TOP] * (MAX_ELEMENTS - 1))),
            options(TOP, ",".join([TOP] * MAX_ELEMENTS)),
            400,
        ),
        (
            options(TOP, routes=("<sip:p;lr>",) * MAX_ELEMENTS),
            options(TOP, routes=("<sip:p;lr>",) * (MAX_ELEMENTS + 1)),
            400,
        ),
        (lines(MAX_HEADERS, "X: y"), lines(MAX_HEADERS + 1, "X: y"), 400),
        (lines(MAX_HEADERS, "no colon"), lines(MAX_HEADERS + 1, "no colon"), 400),
        (lines(MAX_HEADERS, ": no name"), lines(MAX_HEADERS + 1, ": no name"), 400),
        (
            lines(6, "X: " + "y" * (MAX_LINE - 3)),
            lines(6, "X: " + "y" * (MAX_LINE - 2)),
            400,
        ),
        (
            lines(6, "X:\r\n " + "y" * (MAX_LINE - 3)),
            lines(6, "X:\r\n " + "y" * (MAX_LINE - 2)),
            400,
        ),
        (
            options(TOP, start=f"OPTIONS sip:{'b' * (MAX_LINE - 20)} SIP/2.0"),
            options(TOP, start=f"OPTIONS sip:{'b' * (MAX_LINE - 19)} SIP/2.0"),
            None,
        ),
        (padded(MAX_HEAD), padded(MAX_HEAD + 1), None),
        (
            options(TOP) + b"x" * (MAX_OCTETS - HEAD),
            options(TOP) + b"x" * (MAX_OCTETS - HEAD + 1),
            None,
        ),
    ],
    ids=[
        "parameters of the topmost Via",
        "parameters of the topmost Via with rport",
        "parameters of another Via",
        "parameters of To",
        "lines of Via",
        "elements of Via",
        "Record-Route",
        "header lines",
        "lines without a colon",
        "lines without a name",
        "characters of a line",
        "characters of a folded line",
        "characters of the start line",
        "octets of the head",
        "octets",
    ],
)
def test_a_bound_from_both_sides(good: bytes, bad: bytes, status: int | None) -> None:
    """At the bound a request is served; beyond it is refused, or dropped where no answer can be built."""
    assert walk(good) == "served"
    assert heard(good) == [200]
    assert walk(bad) in ("dropped", "malformed")
    assert heard(bad) == ([] if status is None else [status])


@sweep(
    push=Share.ALL,
    name=["Via", "To", "From", "Call-ID", "Record-Route", "Contact", "CSeq"],
    filler=[";x=y", ",", "<", '"', "\\", " ", "x", "a,", ";"],
)
def test_a_header_of_any_length_raises_nothing(name: str, filler: str) -> None:
    for length in (MAX_LINE - 300, MAX_LINE - 20, MAX_LINE, 3 * MAX_LINE):
        value = (filler * length)[:length]
        data = options(TOP, start=f"OPTIONS sip:b@h SIP/2.0\r\n{name}: {value}")
        walk(data)
        heard(data)


@given(st.integers(1, 24), st.integers(7000, MAX_LINE))
@settings(max_examples=30)
def test_answers_to_long_lists_stay_within_the_bounds(vias: int, length: int) -> None:
    via = f"{TOP};x={'y' * (length - 60)}"
    solo = Solo()
    solo.hear(options(TOP, *[via] * vias, routes=(f"<sip:{'p' * 3000};lr>",) * 2))
    for octets, _ in solo.agent.take_datagrams():
        assert len(octets) <= MAX_HEAD
        with suppress(SipError):
            parse_message(octets).validate()


def test_the_example_of_a_datagram_that_stopped_a_receiver() -> None:
    solo = Solo()
    solo.hear(
        b"OPTIONS sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1;x=<\r\n"
        b"Via: SIP/2.0/UDP h;y=>;a b=c\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@y>\r\nCall-ID: e\r\n"
        b"CSeq: 1 OPTIONS\r\n\r\n",
        BOB,
    )
    assert solo.statuses() == []

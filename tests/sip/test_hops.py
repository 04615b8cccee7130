"""Which way messages take: transports, connections, names, and hops that were refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip.line import Answered, Failed, Ringing
from sip.line_settings import RegistrationSettings
from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.message import Request, Response, parse_message
from sip.syntax.uri import parse_uri
from sip.transaction.failed_hops import FailedHops
from sip.transaction.timers import Timers
from sip.ua.registration_messages import RegistrationRequest
from sip.ua.target import Target
from sip.values import Hop, NetworkFault, Transport
from tests.sip.alice import FROM_BOB, LARGE, TCP, TLS, Alice
from tests.sip.link import ALICE, AUDIO, BOB, IMAGE, call_request, mirror
from tests.sip.solo import Solo, sdp


def call(alice: Alice, *hops: Hop, **changes: object) -> Request:
    return alice.place(call_request(destination=hops, **changes))


@pytest.mark.parametrize(
    ("hop", "via", "contact"),
    [
        (BOB, "SIP/2.0/UDP 192.0.2.1:5060;", "<sip:alice@192.0.2.1:5060>"),
        (TCP, "SIP/2.0/TCP 192.0.2.1:5062;", "<sip:alice@192.0.2.1:5062;transport=tcp>"),
        (TLS, "SIP/2.0/TLS 192.0.2.1:5061;", "<sip:alice@192.0.2.1:5061;transport=tls>"),
    ],
)
def test_via_and_contact_name_the_transport(hop: Hop, via: str, contact: str) -> None:
    invite = call(Alice(), hop)
    assert str(invite.via).startswith(via)
    assert invite.headers.get("Contact") == contact


def test_a_sips_uri_needs_tls_and_gets_a_sips_contact() -> None:
    alice = Alice()
    with pytest.raises(UnsendableError, match="TLS"):
        call(alice, TLS, TCP, target="sips:1@bob.example")
    invite = call(alice, TLS, target="sips:1@bob.example")
    assert invite.headers.get("Contact") == "<sips:alice@192.0.2.1:5061>"


def test_a_call_without_a_hop_is_refused() -> None:
    with pytest.raises(UnsendableError, match="no destination"):
        call(Alice())


# --- responses (RFC 3261 18.2.2) ----------------------------------------------------------------------------


def ask(alice: Alice, method: str, source: Hop, number: int = 1, *, body: bytes = b"") -> Request:
    transport = source.transport.value
    return alice.ask(
        method,
        number=number,
        source=source,
        body=body,
        via=f"SIP/2.0/{transport} {BOB.host}:5066;branch=z9hG4bK-{number}",
        contact=f"<sip:bob@{BOB.host}:5066;transport={transport.lower()}>",
    )


def test_responses_go_back_on_the_connection() -> None:
    alice = Alice()
    ask(alice, "OPTIONS", FROM_BOB)
    assert alice.went() == [("200", FROM_BOB)]
    ask(alice, "INVITE", FROM_BOB, 2, body=sdp())
    assert alice.went() == [("100", FROM_BOB)]


def test_responses_make_a_new_connection_when_theirs_is_gone() -> None:
    alice = Alice()
    ask(alice, "INVITE", FROM_BOB, body=sdp())
    alice.went()
    alice.agent.disconnected(FROM_BOB, alice.now)
    alice.agent.refuse(1, 486, alice.now)
    assert alice.went() == [("486", replace(FROM_BOB, port=5066))]


def test_an_answer_over_tcp_is_repeated_until_its_ack() -> None:
    alice = Alice()
    ask(alice, "INVITE", FROM_BOB, body=sdp())
    alice.agent.accept(1, [AUDIO], ALICE.host, mirror, alice.now)
    alice.wait(2)
    assert alice.went() == [(status, FROM_BOB) for status in ("100", "200", "200", "200")]


def test_the_called_side_answers_a_sips_call_with_a_sips_contact() -> None:
    alice = Alice()
    source = replace(FROM_BOB, transport=Transport.TLS)
    alice.ask("INVITE", source=source, body=sdp(), contact="<sips:bob@bob.example>")
    alice.agent.ring(1, alice.now)
    (_, ringing) = alice.sent()
    assert ringing.headers.get("Contact") == "<sips:alice@192.0.2.1:5061>"


# --- requests within a dialog -------------------------------------------------------------------------------


def answer(alice: Alice, invite: Request, contact: str, source: Hop, *fields: tuple[str, str]) -> Response:
    return alice.reply(invite, 200, body=sdp(), contact=contact, source=source, fields=fields)


@pytest.mark.parametrize(
    ("contact", "source", "way"),
    [
        ("<sip:b@192.0.2.7:5070;transport=tcp>", TCP, Hop("192.0.2.7", 5070, Transport.TCP)),
        ("<sip:b@192.0.2.7;transport=TLS>", TCP, Hop("192.0.2.7", 5061, Transport.TLS)),
        ("<sip:b@192.0.2.7>", TCP, Hop("192.0.2.7", 5060)),
        ("<sips:b@192.0.2.7>", TCP, Hop("192.0.2.7", 5061, Transport.TLS)),
        # What we are connected to already, and which only forgot to say so.
        (f"<sip:b@{BOB.host}:5060>", TCP, TCP),
        ("<sip:b@192.0.2.7;transport=sctp>", TCP, TCP),
        ("<sip:b@[2001:db8::7]>", BOB, Hop("2001:db8::7", 5060)),
    ],
)
def test_requests_within_a_call_follow_its_target(contact: str, source: Hop, way: Hop) -> None:
    alice = Alice()
    answer(alice, call(alice, source), contact, source)
    assert alice.went() == [("ACK", way)]
    alice.agent.hang_up(1, alice.now)
    assert alice.went() == [("BYE", way)]


def test_requests_within_a_call_follow_its_routes() -> None:
    alice = Alice()
    route = ("Record-Route", "<sip:192.0.2.20:5080;transport=tcp;lr>")
    answer(alice, call(alice, BOB), "<sip:b@192.0.2.7>", BOB, route)
    assert alice.went() == [("ACK", Hop("192.0.2.20", 5080, Transport.TCP))]


def test_a_target_that_cannot_be_connected_to_is_reached_where_it_came_from() -> None:
    alice = Alice()
    invite = ask(alice, "INVITE", FROM_BOB, body=sdp())
    alice.agent.accept(1, [AUDIO], ALICE.host, mirror, alice.now)
    alice.ask("ACK", source=FROM_BOB, to=to_of(alice), call_id=invite.call_id)
    alice.went()
    alice.agent.offer(1, [IMAGE], alice.now)
    target = replace(FROM_BOB, port=5066)
    assert alice.went() == [("INVITE", target)]
    alice.agent.unreachable(target, alice.now)
    assert alice.went() == [("INVITE", FROM_BOB)]
    alice.agent.hang_up(1, alice.now)
    assert alice.went() == [("BYE", FROM_BOB)]


def to_of(alice: Alice) -> str:
    responses = [each for each in alice.sent() if isinstance(each, Response) and each.status == 200]
    return responses[-1].headers.get("To") or ""


def test_a_name_within_a_call_may_have_several_hops() -> None:
    alice = Alice()
    answer(alice, call(alice, TLS), "<sip:b@gw.example;transport=tls>", TLS)
    assert alice.went() == [("ACK", TLS)]
    place = Target("gw.example", None, Transport.TLS)
    assert alice.agent.take_lookups() == [place]
    one, two = (Hop(host, 5061, Transport.TLS, "gw.example") for host in ("192.0.2.8", "192.0.2.9"))
    alice.agent.resolved(place, [one, two])
    alice.agent.hang_up(1, alice.now)
    alice.agent.unreachable(one, alice.now)
    alice.agent.unreachable(two, alice.now)
    assert alice.went() == [("BYE", one), ("BYE", two), ("BYE", TLS)]


# --- large requests (RFC 3261 18.1.1) -----------------------------------------------------------------------


def test_a_large_request_goes_by_tcp() -> None:
    alice = Alice()
    alice.agent.place(call_request(media=[LARGE]), alice.now)
    ((data, hop),) = alice.agent.take_datagrams()
    assert len(data) > 1300
    assert hop == TCP
    assert b"Via: SIP/2.0/TCP 192.0.2.1:5062;" in data


def test_a_large_request_goes_by_udp_when_tcp_is_refused_and_the_next_one_at_once() -> None:
    alice = Alice()
    call(alice, BOB, media=[LARGE])
    alice.agent.unreachable(TCP, alice.now)
    ((data, hop),) = alice.agent.take_datagrams()
    assert hop == BOB
    assert b"Via: SIP/2.0/UDP 192.0.2.1:5060;" in data
    answer(alice, parsed(data), f"<sip:b@{BOB.host}>", BOB)
    assert [type(event) for event in alice.events] == [Answered]
    alice.went()
    alice.agent.place(call_request(media=[LARGE]), alice.now)
    assert alice.went() == [("INVITE", BOB)]


def parsed(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def test_a_cancel_follows_its_invite() -> None:
    alice = Alice()
    invite = call(alice, BOB, media=[LARGE])
    alice.reply(invite, 180, source=TCP)
    alice.agent.hang_up(1, alice.now)
    ((data, hop),) = alice.agent.take_datagrams()
    assert hop == TCP
    assert parsed(data).via == invite.via


def test_without_tcp_a_large_request_goes_by_udp() -> None:
    solo = Solo()
    solo.agent.place(call_request(media=[LARGE]), solo.now)
    ((_, hop),) = solo.agent.take_datagrams()
    assert hop == BOB


# --- broken connections -------------------------------------------------------------------------------------


def test_a_connection_that_cannot_be_made_fails_the_call_at_once() -> None:
    alice = Alice()
    call(alice, TCP)
    alice.agent.unreachable(TCP, alice.now)
    assert alice.agent.take_events() == [Failed(1, 503, "the network refused the INVITE", True)]
    alice.wait(100)
    assert alice.agent.idle


def test_a_request_whose_connection_breaks_goes_by_a_new_one_once() -> None:
    """What we send crosses the end of a connection that was idle for too long."""
    alice = Alice()
    alice.agent.place(call_request(destination=[TCP]), alice.now)
    first = alice.agent.take_datagrams()
    alice.agent.disconnected(TCP, alice.now)
    assert alice.agent.take_datagrams() == first
    alice.agent.disconnected(TCP, alice.now, NetworkFault("the far end closed the connection"))
    assert alice.agent.take_datagrams() == []
    assert alice.agent.take_events() == [Failed(1, 503, "the far end closed the connection", True)]


def test_a_call_that_rings_outlives_its_connection() -> None:
    alice = Alice()
    invite = call(alice, TCP)
    alice.reply(invite, 180, source=TCP)
    alice.agent.disconnected(TCP, alice.now)
    assert alice.agent.take_datagrams() == []
    alice.reply(invite, 200, source=FROM_BOB, body=sdp())
    assert [type(event) for event in alice.events] == [Ringing, Answered]


def test_a_stranger_cannot_choose_what_we_avoid() -> None:
    alice = Alice()
    ask(alice, "OPTIONS", BOB)
    assert alice.went() == [("200", replace(BOB, port=5066))]
    alice.agent.unreachable(replace(BOB, port=5066), alice.now)
    assert call(alice, replace(BOB, port=5066), TLS).via.transport == "UDP"


def test_a_registration_is_made_again_when_its_connection_breaks() -> None:
    alice = Alice()
    request = RegistrationRequest(RegistrationSettings("sip:bob.example", "sip:alice@bob.example"), [TLS])
    alice.agent.registrations.begin(request, alice.now)
    alice.reply(alice.request("REGISTER"), 200, source=TLS, fields=(("Expires", "3600"),))
    assert alice.agent.flows() == {TLS}
    alice.agent.disconnected(TCP, alice.now)
    alice.wait(6)
    assert alice.went() == []
    alice.agent.disconnected(TLS, alice.now)
    assert alice.agent.flows() == set()
    alice.wait(6)
    assert alice.went() == [("REGISTER", TLS)]


def test_calls_keep_their_flow_and_it_follows_the_far_end() -> None:
    alice = Alice()
    invite = ask(alice, "INVITE", FROM_BOB, body=sdp())
    alice.agent.accept(1, [AUDIO], ALICE.host, mirror, alice.now)
    to = to_of(alice)
    alice.ask("ACK", source=FROM_BOB, to=to, call_id=invite.call_id)
    assert alice.agent.flows() == {FROM_BOB}
    moved = replace(FROM_BOB, port=43999)
    alice.ask("INFO", number=2, source=moved, to=to, call_id=invite.call_id)
    assert alice.agent.flows() == {moved}


# --- the parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("sip:a@Trunk.example", Target("trunk.example")),
        ("sip:a@trunk.example:5070;transport=TCP", Target("trunk.example", 5070, Transport.TCP)),
        ("sips:a@trunk.example;transport=tcp", Target("trunk.example", None, Transport.TLS)),
        ("sip:a@trunk.example;maddr=192.0.2.3", Target("192.0.2.3")),
        ("sip:a@[2001:db8::1]:5070", Target("2001:db8::1", 5070)),
        ("sip:a@3cx", Target("3cx")),
        ("sip:a@1.2.3.4.example", Target("1.2.3.4.example")),
    ],
)
def test_a_uri_says_where_it_leads(uri: str, place: Target) -> None:
    assert Target.of(parse_uri(uri)) == place


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("tel:+15550100", "names no host"),
        ("sip:a@b;transport=sctp", "'sctp' is not a supported transport"),
        ("sip:a@b;transport=", "not a supported transport"),
        ("sips:a@b;transport=udp", "for TLS and for UDP"),
        ("sip:100", "an extension as sip:100@HOST"),
        ("sips:a@127.1:5061", "write all four numbers"),
        ("sip:a@0X7f.1", "neither a host name nor a whole IP address"),
        ("sip:a@b;maddr=1.2.3", "neither a host name nor a whole IP address"),
    ],
)
def test_a_uri_that_leads_nowhere_says_why(uri: str, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        Target.of(parse_uri(uri))


def test_dead_hops_come_last_and_are_forgotten() -> None:
    timers = Timers()
    failed = FailedHops(timers)
    failed.add(BOB, 0.0)
    failed.add(TCP, 0.0, 1e9)
    assert failed.order([BOB, TLS, TCP]) == [TLS, BOB, TCP]
    timers.fire(29.9)
    assert BOB in failed
    timers.fire(30.0)
    assert BOB not in failed
    timers.fire(3600.0)
    assert len(failed) == 0
    assert timers.next_deadline() is None


def test_the_list_of_dead_hops_is_bounded() -> None:
    timers = Timers()
    failed = FailedHops(timers)
    for port in range(1, 5000):
        failed.add(replace(BOB, port=port), 0.0)
    assert len(failed) == len(timers) == 1024
    assert replace(BOB, port=4999) in failed


@pytest.mark.parametrize(
    ("hop", "text"),
    [(BOB, "192.0.2.2:5060 over UDP"), (Hop("::1", 5061, Transport.TLS), "[::1]:5061 over TLS")],
)
def test_a_hop_as_text(hop: Hop, text: str) -> None:
    assert str(hop) == text

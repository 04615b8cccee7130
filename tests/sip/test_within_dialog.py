"""Requests within a call: routes of either kind, in both roles, and a target that moves (RFC 3261 12)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sip.line import Answered, MediaChanged
from sip.line_settings import Refresher, SessionTimers
from sip.syntax.message import Request, Response
from sip.values import Hop, Transport
from tests.sip.link import ALICE, AUDIO, BOB, CREDENTIALS, IMAGE, mirror
from tests.sip.solo import Solo, sdp
from tests.sip.test_early import reliable

NEAR, FAR = "192.0.2.91", "192.0.2.92"
"""The proxy next to us, and the one next to Bob."""
LOOSE = (f"<sip:{NEAR};lr>", f"<sip:{FAR};lr>")
STRICT = (f"<sip:{NEAR}>", f"<sip:{FAR};lr>")
BOBS_CONTACT = "sip:bob@192.0.2.2:5060"
TIMERS = SessionTimers(session_expires=1800, refresher=Refresher.US)


def recorded(routes: Sequence[str], *, as_caller: bool) -> tuple[tuple[str, str], ...]:
    """Record-Route of the message that we get: each proxy puts itself before the others."""
    return tuple(("Record-Route", route) for route in (reversed(routes) if as_caller else routes))


def assert_way(solo: Solo, method: str, routes: Sequence[str], target: str) -> Request:
    """The one request that we sent goes to the near proxy, and says the way from there."""
    ((request, hop),) = solo.sent_to()
    assert isinstance(request, Request)
    assert request.method == method
    assert hop == Hop(NEAR, 5060)
    if routes == STRICT:
        assert request.uri == f"sip:{NEAR}"
        assert request.headers.get_all("Route") == [f"<sip:{FAR};lr>", f"<{target}>"]
    else:
        assert request.uri == target
        assert request.headers.get_all("Route") == list(routes)
    return request


@pytest.mark.parametrize("routes", [LOOSE, STRICT])
def test_the_caller_keeps_to_the_route_and_follows_the_target(routes: Sequence[str]) -> None:
    solo = Solo(session_timers=TIMERS)
    invite = solo.place()
    way = recorded(routes, as_caller=True)
    solo.reply(invite, 183, fields=(*way, *reliable(1)))
    solo.reply(assert_way(solo, "PRACK", routes, BOBS_CONTACT), 200)
    granted = (("Session-Expires", "1800;refresher=uac"), ("Allow", "UPDATE"))
    solo.reply(invite, 200, body=sdp(), fields=(*way, *granted))
    assert_way(solo, "ACK", routes, BOBS_CONTACT)
    solo.wait(900)
    solo.reply(assert_way(solo, "UPDATE", routes, BOBS_CONTACT), 200, fields=granted)
    solo.agent.offer(1, [IMAGE], solo.now)
    offer = assert_way(solo, "INVITE", routes, BOBS_CONTACT)
    moved = "sip:bob@192.0.2.66"
    # The route set of a dialog is never changed again.
    other = ("Record-Route", "<sip:192.0.2.99;lr>")
    solo.reply(offer, 200, body=sdp(IMAGE), contact=f"<{moved}>", fields=(other, *granted))
    assert_way(solo, "ACK", routes, moved)
    solo.agent.hang_up(1, solo.now)
    assert_way(solo, "BYE", routes, moved)


@pytest.mark.parametrize("routes", [LOOSE, STRICT])
def test_the_called_side_does_so_too(routes: Sequence[str]) -> None:
    solo = Solo()
    way = recorded(routes, as_caller=False)
    solo.ask("INVITE", body=sdp(), fields=way)
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    ok = solo.sent()[-1]
    assert isinstance(ok, Response)
    assert ok.headers.get_all("Record-Route") == list(routes)
    to = ok.headers.get("To") or ""
    solo.ask("ACK", to=to)
    solo.agent.offer(1, [IMAGE], solo.now)
    offer = assert_way(solo, "INVITE", routes, BOBS_CONTACT)
    solo.reply(offer, 200, body=sdp(IMAGE))
    assert_way(solo, "ACK", routes, BOBS_CONTACT)
    # An UPDATE of theirs moves the target.
    solo.ask("UPDATE", number=2, to=to, contact="<sip:bob@192.0.2.66>")
    assert solo.statuses() == [200]
    solo.agent.hang_up(1, solo.now)
    assert_way(solo, "BYE", routes, "sip:bob@192.0.2.66")


@pytest.mark.parametrize("contact", ["<sip:bob@192.0.2.66", "<>", "*"])
def test_without_a_contact_that_can_be_read_the_first_target_stays(contact: str) -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 200, body=sdp(), contact=contact)
    assert solo.request("ACK").uri == invite.uri
    assert [type(event) for event in solo.events] == [Answered]


@pytest.mark.parametrize(
    "contact",
    ["<sip:bob@192.0.2.66?Subject=x&Priority=urgent>", "<sip:bob@192.0.2.66;method=INVITE?Replaces=1>"],
)
def test_of_a_contact_only_what_a_request_uri_may_have_is_kept(contact: str) -> None:
    solo = Solo()
    solo.reply(solo.place(), 200, body=sdp(), contact=contact)
    assert solo.request("ACK").uri == "sip:bob@192.0.2.66"


def test_a_contact_that_is_a_number_is_no_place_to_send_to() -> None:
    solo = Solo()
    solo.reply(solo.place(), 200, body=sdp(), contact="<sip:100>")
    ((ack, hop),) = solo.sent_to()
    assert (ack.cseq.method, hop) == ("ACK", BOB)


def test_a_refused_offer_of_theirs_moves_nothing() -> None:
    solo = Solo()
    _, ok = solo.answered(answerer=lambda offer: None)
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE), contact="<sip:bob@192.0.2.66>")
    assert solo.statuses() == [488]
    solo.agent.hang_up(1, solo.now)
    assert solo.request("BYE").uri == BOBS_CONTACT


def test_an_offer_may_be_challenged_and_then_refused_for_now() -> None:
    """401, then 491: the offer is sent once more, each time with credentials and the same description."""
    solo = Solo()
    solo.answered(credentials=CREDENTIALS)
    solo.agent.offer(1, [IMAGE], solo.now)
    first = solo.request("INVITE")
    solo.reply(first, 401, fields=(("WWW-Authenticate", 'Digest realm="r", nonce="n1"'),))
    ack, second = solo.sent()
    assert isinstance(second, Request)
    assert ack.cseq.number == first.cseq.number
    assert "Authorization" in second.headers
    solo.reply(second, 491)
    solo.request("ACK")
    solo.wait(4)
    third = solo.sent()[0]
    assert isinstance(third, Request)
    assert "Authorization" in third.headers
    assert third.body == second.body == first.body


# --- far ends behind a NAT ----------------------------------------------------------------------------------

NAT = Hop("203.0.113.7", 40001)


def destination(solo: Solo, method: str) -> tuple[str, Hop]:
    """Request-URI and destination of the one request that we sent."""
    ((request, hop),) = solo.sent_to()
    assert isinstance(request, Request)
    assert request.method == method
    return request.uri, hop


@pytest.mark.parametrize(
    "host", ["10.0.0.5", "192.168.1.9:5066", "172.31.0.1", "100.64.3.2", "127.0.0.1", "0.0.0.0"]
)
def test_a_called_far_end_that_names_a_private_address_is_reached_where_it_answers_from(host: str) -> None:
    """The Request-URI is what it asks for (RFC 3261 12.2.1.1); where that leads only its NAT knows."""
    solo = Solo()
    invite = solo.place()
    contact = f"sip:bob@{host}"
    solo.reply(invite, 200, body=sdp(), contact=f"<{contact}>", source=NAT)
    assert destination(solo, "ACK") == (contact, NAT)
    solo.agent.offer(1, [IMAGE], solo.now)
    assert destination(solo, "INVITE") == (contact, NAT)


def test_a_calling_one_is_reached_where_its_last_request_came_from() -> None:
    solo = Solo()
    contact = "<sip:bob@192.168.1.9:5066>"
    solo.ask("INVITE", body=sdp(), contact=contact, source=NAT)
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    to = solo.sent()[-1].headers.get("To") or ""
    solo.ask("ACK", to=to, contact=contact, source=NAT)
    solo.agent.offer(1, [IMAGE], solo.now)
    assert destination(solo, "INVITE") == ("sip:bob@192.168.1.9:5066", NAT)
    # Its NAT has forgotten the port, and takes another.
    moved = Hop(NAT.host, 40002)
    solo.ask("INFO", number=2, to=to, source=moved)
    assert solo.statuses() == [200]
    solo.agent.hang_up(1, solo.now)
    assert destination(solo, "BYE") == ("sip:bob@192.168.1.9:5066", moved)


def test_a_far_end_that_sends_from_any_port_is_reached_where_it_listens() -> None:
    """Gateways that send from a new port each time do not ask for rport (RFC 3581), so that their answers go
    to the port in Via (RFC 3261 18.2.2)."""
    solo = Solo()
    contact = "<sip:bob@10.0.0.5>"
    high, listening = Hop(BOB.host, 53111), Hop(BOB.host, BOB.port)
    solo.reply(solo.place(), 200, body=sdp(), contact=contact, source=high)
    assert destination(solo, "ACK") == ("sip:bob@10.0.0.5", listening)
    via = "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK-{}"
    solo.ask("INVITE", body=sdp(), contact=contact, source=high, via=via.format(1))
    solo.agent.accept(2, [AUDIO], ALICE.host, mirror, solo.now)
    to = solo.sent()[-1].headers.get("To") or ""
    solo.ask("ACK", to=to, contact=contact, source=high, via=via.format(2))
    solo.agent.offer(2, [IMAGE], solo.now)
    assert destination(solo, "INVITE") == ("sip:bob@10.0.0.5", listening)


def test_a_proxy_that_records_a_private_address_is_reached_where_it_sends_from() -> None:
    """One in a cloud, for one, that was not told its public address."""
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 200, body=sdp(), fields=(("Record-Route", "<sip:172.31.0.4;lr>"),), source=NAT)
    assert destination(solo, "ACK") == (BOBS_CONTACT, NAT)


@pytest.mark.parametrize(
    ("contact", "source"),
    [
        ("10.0.0.5", Hop("10.0.0.1", 5060)),
        ("10.0.0.5", Hop("127.0.0.1", 5060)),
        ("127.0.0.1", Hop("127.0.0.2", 5070)),
        ("192.0.2.66", NAT),
        ("192.0.2.66", Hop("10.0.0.1", 5060)),
        ("[2001:db8::66]", Hop("fe80::1%eth0", 5060)),
        ("[fd00::66]", Hop("fd00::1", 5060)),
    ],
)
def test_any_other_contact_is_followed(contact: str, source: Hop) -> None:
    solo = Solo()
    solo.reply(solo.place(), 200, body=sdp(), contact=f"<sip:bob@{contact}>", source=source)
    assert destination(solo, "ACK") == (f"sip:bob@{contact}", Hop(contact.strip("[]"), 5060))


# --- requests that come before their dialog -----------------------------------------------------------------


def test_an_offer_that_overtakes_the_answer_to_our_invite_waits_for_it() -> None:
    """The 200 was lost and comes again, and so does the offer; a 481 would have ended the call."""
    solo = Solo()
    invite = solo.place()
    ok = solo.reply(invite, 100)
    ok.headers.set("To", f"{ok.headers.get('To')};tag=bob")
    offer = solo.ask_within(ok, "INVITE", 1, sdp(IMAGE, version=2))
    assert solo.sent() == []
    solo.reply(invite, 200, body=sdp())
    solo.request("ACK")
    solo.say(offer)
    assert solo.statuses() == [200]
    assert [type(event) for event in solo.events] == [Answered, MediaChanged]


@pytest.mark.parametrize(
    ("method", "source", "to"),
    [
        ("BYE", BOB, None),
        ("UPDATE", Hop(BOB.host, BOB.port, Transport.TCP), None),
        ("UPDATE", BOB, "<sip:alice@a.example>;tag=guess"),
    ],
)
def test_what_cannot_have_overtaken_it_gets_481(method: str, source: Hop, to: str | None) -> None:
    """A connection keeps the order; and whoever says BYE has nothing more to say."""
    solo = Solo()
    invite = solo.place()
    far = f"{invite.headers.get('To')};tag=bob"
    near = to or invite.headers.get("From") or ""
    solo.ask(method, call_id=invite.call_id, from_=far, to=near, source=source)
    assert solo.statuses() == [481]

"""A far end whose Contact leads nowhere is reached where its messages come from, whatever we have to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sip.line import Answered, Ended, Failed, MediaChanged
from sip.syntax.message import Request, Response
from sip.ua.target import Target
from sip.values import Hop, Transport
from tests.sip.alice import FROM_BOB, LARGE, TCP, Alice
from tests.sip.link import ALICE, AUDIO, BOB, IMAGE, call_request, mirror
from tests.sip.solo import sdp

DEAD = {
    "udp": Hop("192.0.2.9", 5060),
    "tcp": Hop("192.0.2.9", 5070, Transport.TCP),
    "tls": Hop("192.0.2.9", 5061, Transport.TLS),
    "the same address, but over TCP": replace(BOB, transport=Transport.TCP),
}
FLOWS = {"udp": BOB, "tcp": TCP, "a connection of theirs": FROM_BOB}

WAYS = {
    f"{contact} from {source}": (dead, flow)
    for contact, dead in DEAD.items()
    for source, flow in FLOWS.items()
    if dead != flow
}

contacts = pytest.mark.parametrize("dead", DEAD.values(), ids=DEAD)
ways = pytest.mark.parametrize(("dead", "flow"), WAYS.values(), ids=WAYS)


def contact(hop: Hop) -> str:
    return f"<sip:bob@{hop.host}:{hop.port};transport={hop.transport.value.lower()}>"


def place(alice: Alice, flow: Hop) -> Request:
    return alice.place(call_request(destination=[replace(flow, port=5060)]))


def answer(alice: Alice, invite: Request, dead: Hop, flow: Hop, *fields: tuple[str, str]) -> Response:
    return alice.reply(invite, 200, body=sdp(), contact=contact(dead), source=flow, fields=fields)


def in_call(dead: Hop, flow: Hop, *fields: tuple[str, str]) -> tuple[Alice, Response]:
    """A call whose ACK went to a Contact that does not respond."""
    alice = Alice()
    ok = answer(alice, place(alice, flow), dead, flow, *fields)
    alice.went()
    return alice, ok


# --- the ACK of a 2xx ---------------------------------------------------------------------------------------


@ways
def test_an_ack_that_the_network_refuses_goes_where_the_answer_came_from(dead: Hop, flow: Hop) -> None:
    alice = Alice()
    invite = place(alice, flow)
    answer(alice, invite, dead, flow)
    assert alice.went() == [("ACK", dead)]
    alice.agent.unreachable(dead, alice.now)
    assert alice.went() == [("ACK", flow)]
    # Lost on the way, and the far end says 200 again.
    answer(alice, invite, dead, flow)
    assert ("ACK", flow) in alice.went()


@ways
def test_a_repeated_answer_shows_that_the_ack_was_lost(dead: Hop, flow: Hop) -> None:
    alice = Alice()
    invite = place(alice, flow)
    answer(alice, invite, dead, flow)
    assert alice.went() == [("ACK", dead)]
    alice.wait(0.5)
    answer(alice, invite, dead, flow)
    sent = alice.sent_to()
    assert [hop for _, hop in sent] == [dead, flow]
    first, again = (ack for ack, _ in sent)
    assert isinstance(first, Request)
    assert isinstance(again, Request)
    assert again.via.transport == flow.transport.value
    assert (again.via.branch, again.uri, again.cseq) == (first.via.branch, first.uri, first.cseq)


@contacts
def test_the_ack_of_an_offer_of_ours_takes_the_same_ways(dead: Hop) -> None:
    alice = Alice()
    alice.reply(place(alice, BOB), 200, body=sdp())
    alice.went()
    alice.agent.offer(1, [IMAGE], alice.now)
    reinvite = alice.request("INVITE")
    answer(alice, reinvite, dead, BOB)
    assert alice.went() == [("ACK", dead)]
    answer(alice, reinvite, dead, BOB)
    assert alice.went() == [("ACK", dead), ("ACK", BOB)]
    alice.agent.unreachable(dead, alice.now)
    assert alice.went() == []
    assert [type(event) for event in alice.events] == [Answered, MediaChanged]


def test_an_ack_that_is_refused_everywhere_waits_for_the_next_copy() -> None:
    alice = Alice()
    invite = place(alice, BOB)
    answer(alice, invite, DEAD["udp"], BOB)
    alice.went()
    alice.agent.unreachable(DEAD["udp"], alice.now)
    alice.agent.unreachable(BOB, alice.now)
    assert alice.went() == [("ACK", BOB)]
    answer(alice, invite, DEAD["udp"], BOB)
    assert ("ACK", BOB) in alice.went()


def test_the_ack_of_an_answer_by_another_hop_falls_back_to_that_hop() -> None:
    alice = Alice()
    one, two = Hop("192.0.2.11", 5060), Hop("192.0.2.12", 5060)
    alice.agent.place(call_request(destination=[one, two]), alice.now)
    (invite,) = alice.sent()
    assert isinstance(invite, Request)
    alice.reply(invite, 503, source=one)
    second = alice.sent()[-1]
    assert isinstance(second, Request)
    answer(alice, second, DEAD["tcp"], two)
    alice.agent.unreachable(DEAD["tcp"], alice.now)
    assert alice.went() == [("ACK", DEAD["tcp"]), ("ACK", two)]


def test_an_ack_keeps_its_place_before_the_bye() -> None:
    alice, _ = in_call(DEAD["tcp"], BOB)
    alice.agent.hang_up(1, alice.now)
    alice.went()
    alice.agent.unreachable(DEAD["tcp"], alice.now)
    assert alice.went() == [("ACK", BOB), ("BYE", BOB)]


def test_acks_are_forgotten() -> None:
    alice, _ = in_call(DEAD["tcp"], BOB)
    alice.agent.hang_up(1, alice.now)
    alice.wait(100)
    alice.went()
    alice.agent.unreachable(DEAD["tcp"], alice.now)
    assert alice.went() == []
    assert alice.agent.idle


# --- all other requests within a call -----------------------------------------------------------------------


Ask = Callable[[Alice], str]
"""Have a request sent; returns its method."""


def bye(alice: Alice) -> str:
    alice.agent.hang_up(1, alice.now)
    return "BYE"


def reinvite(alice: Alice) -> str:
    alice.agent.offer(1, [IMAGE], alice.now)
    return "INVITE"


def update(alice: Alice) -> str:
    alice.wait(150)
    return "UPDATE"


REFRESHED = (("Session-Expires", "300;refresher=uac"), ("Allow", "INVITE, ACK, BYE, UPDATE"))


@ways
@pytest.mark.parametrize("ask", [bye, reinvite, update])
def test_a_request_that_is_refused_goes_there_at_once(dead: Hop, flow: Hop, ask: Ask) -> None:
    alice, _ = in_call(dead, flow, *REFRESHED)
    method = ask(alice)
    assert alice.went() == [(method, dead)]
    alice.agent.unreachable(dead, alice.now)
    assert (method, flow) in alice.went()


@ways
@pytest.mark.parametrize("ask", [bye, reinvite, update])
def test_a_request_without_a_response_goes_there_in_time(dead: Hop, flow: Hop, ask: Ask) -> None:
    alice, _ = in_call(dead, flow, *REFRESHED)
    method = ask(alice)
    alice.wait(3.9)
    assert set(alice.went()) == {(method, dead)}
    alice.wait(0.2)
    ((request, hop),) = alice.sent_to()
    assert isinstance(request, Request)
    assert (request.method, hop) == (method, flow)
    alice.reply(request, 200, source=flow, contact=contact(dead), body=sdp() if method == "INVITE" else b"")
    alice.wait(1)
    assert method not in [name for name, _ in alice.went()]


def test_a_prack_takes_the_same_ways() -> None:
    alice = Alice()
    invite = place(alice, BOB)
    reliable = (("Require", "100rel"), ("RSeq", "1"))
    alice.reply(invite, 183, body=sdp(), fields=reliable, contact=contact(DEAD["tcp"]))
    assert alice.went() == [("PRACK", DEAD["tcp"])]
    alice.agent.unreachable(DEAD["tcp"], alice.now)
    assert alice.went() == [("PRACK", BOB)]


@contacts
def test_where_a_far_end_was_reached_it_is_asked_first_from_then_on(dead: Hop) -> None:
    alice, _ = in_call(dead, BOB)
    alice.agent.offer(1, [IMAGE], alice.now)
    alice.wait(4.1)
    request, hop = alice.sent_to()[-1]
    assert isinstance(request, Request)
    assert hop == BOB
    alice.reply(request, 200, contact=contact(dead), body=sdp())
    assert alice.went() == [("ACK", BOB)]
    alice.agent.offer(1, [AUDIO], alice.now)
    (request,) = alice.sent()
    assert isinstance(request, Request)
    # A Contact that is new may be a good one.
    alice.reply(request, 200, contact="<sip:bob@192.0.2.8>", body=sdp())
    assert alice.went() == [("ACK", Hop("192.0.2.8", 5060))]


def test_only_some_hops_of_a_name_are_tried() -> None:
    """The far end chooses the name, and so whom a request that is not answered goes to."""
    alice = Alice()
    place_ = Target("many.example")
    alice.reply(place(alice, BOB), 200, body=sdp(), contact="<sip:bob@many.example>")
    alice.agent.resolved(place_, [Hop(f"192.0.2.{number}", 5060) for number in range(100, 116)])
    alice.went()
    alice.agent.hang_up(1, alice.now)
    alice.wait(32)
    assert {hop.host for _, hop in alice.went()} == {*(f"192.0.2.{n}" for n in range(100, 104)), BOB.host}


def test_the_called_side_falls_back_too() -> None:
    alice = Alice()
    dead = DEAD["udp"]
    invite = alice.ask("INVITE", body=sdp(), contact=contact(dead))
    alice.agent.accept(1, [AUDIO], ALICE.host, mirror, alice.now)
    to = alice.sent()[-1].headers.get("To") or ""
    alice.ask("ACK", to=to, call_id=invite.call_id)
    alice.agent.hang_up(1, alice.now)
    alice.wait(4.1)
    assert set(alice.went()) == {("BYE", dead), ("BYE", BOB)}


# --- a far end that accepts connections and never responds --------------------------------------------------


def test_a_large_invite_without_a_response_over_tcp_goes_by_udp() -> None:
    alice = Alice()
    alice.agent.place(call_request(media=[LARGE]), alice.now)
    assert alice.went() == [("INVITE", TCP)]
    alice.wait(4.1)
    (request,) = alice.sent()
    assert isinstance(request, Request)
    assert request.via.transport == "UDP"
    alice.reply(request, 200, body=sdp())
    assert [type(event) for event in alice.events] == [Answered]
    alice.went()
    # For a while the next one does not wait.
    alice.agent.place(call_request(media=[LARGE]), alice.now)
    assert alice.went() == [("INVITE", BOB)]


def test_udp_has_its_turn_before_the_next_hop() -> None:
    alice = Alice()
    other = Hop("192.0.2.3", 5060)
    alice.agent.place(call_request(media=[LARGE], destination=[BOB, other]), alice.now)
    alice.wait(4.1)
    assert alice.went() == [("INVITE", TCP), ("INVITE", BOB)]
    alice.wait(3.8)
    assert set(alice.went()) == {("INVITE", BOB)}
    alice.wait(0.2)
    assert alice.went() == [("INVITE", replace(other, transport=Transport.TCP))]


def test_no_response_by_any_way_still_fails_after_32_seconds() -> None:
    alice = Alice()
    alice.agent.place(call_request(media=[LARGE]), alice.now)
    alice.wait(31.9)
    assert alice.events == []
    alice.wait(0.2)
    assert [type(event) for event in alice.events] == [Failed]


def by_both_ways() -> tuple[Alice, Request, Request]:
    """The INVITE as it went by TCP, and by UDP."""
    alice = Alice()
    by_tcp = alice.place(call_request(media=[LARGE]))
    alice.wait(4.1)
    by_udp = alice.request("INVITE")
    return alice, by_tcp, by_udp


def test_the_way_that_answers_is_the_way() -> None:
    alice, by_tcp, _ = by_both_ways()
    alice.reply(by_tcp, 180, source=TCP)
    alice.agent.hang_up(1, alice.now)
    ((cancel, hop),) = alice.sent_to()
    assert isinstance(cancel, Request)
    assert (cancel.method, hop, cancel.via) == ("CANCEL", TCP, by_tcp.via)
    alice.reply(by_tcp, 487, source=TCP)
    assert alice.went() == [("ACK", TCP)]


def test_the_twin_of_an_invite_is_no_loop() -> None:
    alice, by_tcp, by_udp = by_both_ways()
    alice.reply(by_tcp, 180, source=TCP)
    alice.reply(by_udp, 482)
    assert alice.went() == [("ACK", BOB)]
    alice.reply(by_tcp, 200, source=TCP, body=sdp())
    assert isinstance(alice.events[-1], Answered)


def test_a_call_that_is_given_up_takes_no_other_way() -> None:
    alice = Alice()
    alice.agent.place(call_request(media=[LARGE]), alice.now)
    alice.went()
    alice.agent.hang_up(1, alice.now)
    alice.wait(40)
    assert alice.went() == []
    assert alice.agent.idle


def test_a_bye_without_a_response_ends_the_call_all_the_same() -> None:
    alice, _ = in_call(DEAD["udp"], BOB)
    alice.agent.hang_up(1, alice.now)
    alice.wait(100)
    assert [type(event) for event in alice.events] == [Answered, Ended]
    assert alice.agent.idle

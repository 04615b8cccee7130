"""A call with several hops: the next one is tried in time, and never are two calls up."""

from __future__ import annotations

import pytest

from sip.line import Answered, Ended, Failed, Ringing
from sip.syntax.errors import UnsendableError
from sip.syntax.message import Request, Response
from sip.syntax.sdp import SessionDescription
from sip.values import Hop, NetworkFault, Transport
from tests.sip.link import IMAGE, call_request
from tests.sip.solo import Solo, sdp

ONE = Hop("192.0.2.11", 5060)
TWO = Hop("192.0.2.12", 5060)
SIX = Hop("2001:db8::11", 5060)
THREE = Hop("192.0.2.13", 5061, Transport.TLS, "trunk.example")


class Caller(Solo):
    """Alice, and what she sends to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[Hop, Request] = {}
        """The INVITE that each hop got last."""

    def call(self, *hops: Hop, **changes: object) -> None:
        self.agent.place(call_request(destination=hops, **changes), self.now)

    def went(self) -> list[tuple[str, Hop]]:
        """What was sent since the last look, copies left out."""
        found: list[tuple[str, Hop]] = []
        for message, hop in self.sent_to():
            assert isinstance(message, Request)
            if message.method == "INVITE":
                self.last[hop] = message
            if (message.method, hop) not in found:
                found.append((message.method, hop))
        return found

    def hear_from(self, hop: Hop, status: int, fields: tuple[tuple[str, str], ...] = ()) -> Response:
        """The hop answers the INVITE that it got last."""
        body = sdp() if status == 200 else b""
        contact = f"<sip:bob@{hop.host}:{hop.port}>"
        return self.reply(
            self.last[hop], status, tag=hop.host, body=body, contact=contact, source=hop, fields=fields
        )


def settles(caller: Caller) -> None:
    caller.wait(200)
    assert caller.agent.idle


def test_a_refused_connection_leads_to_the_next_hop_at_once() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    assert caller.went() == [("INVITE", ONE)]
    caller.agent.unreachable(ONE, caller.now)
    assert caller.went() == [("INVITE", TWO)]
    caller.hear_from(TWO, 200)
    assert caller.went() == [("ACK", TWO)]
    assert [type(event) for event in caller.events] == [Answered]


def test_a_hop_that_is_not_available_leads_to_the_next() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.went()
    caller.hear_from(ONE, 503)
    assert caller.went() == [("ACK", ONE), ("INVITE", TWO)]
    caller.hear_from(TWO, 200)
    assert [type(event) for event in caller.events] == [Answered]


@pytest.mark.parametrize("status", [380, 404, 486, 500, 603])
def test_any_other_refusal_is_the_answer(status: int) -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.went()
    caller.hear_from(ONE, status)
    assert caller.went() == [("ACK", ONE)]
    (failed,) = caller.events
    assert isinstance(failed, Failed)
    assert failed.status == status
    settles(caller)


def test_a_silent_hop_leads_to_the_next_after_4_seconds() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.wait(3.9)
    assert caller.went() == [("INVITE", ONE)]
    caller.wait(0.2)
    assert caller.went() == [("INVITE", TWO)]
    caller.wait(30)
    assert caller.went() == [("INVITE", TWO)]


def test_the_only_hop_gets_its_32_seconds() -> None:
    caller = Caller()
    caller.call(ONE)
    caller.wait(31.9)
    assert caller.events == []
    caller.wait(0.2)
    assert caller.events == [Failed(1, 408, "Request Timeout", True)]
    settles(caller)


def test_a_hop_that_answered_anything_is_not_given_up() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.went()
    caller.hear_from(ONE, 100)
    caller.wait(60)
    assert caller.went() == []


def test_a_late_provisional_response_is_cancelled() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.wait(4.1)
    caller.went()
    caller.hear_from(TWO, 180)
    caller.hear_from(ONE, 180)
    assert caller.went() == [("CANCEL", ONE)]
    caller.hear_from(ONE, 487)
    assert caller.went() == [("ACK", ONE)]
    caller.hear_from(TWO, 200)
    assert [type(event) for event in caller.events] == [Ringing, Answered]
    caller.wait(60)
    assert caller.agent.calls == 1


def test_a_late_answer_is_acknowledged_and_hung_up() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.wait(4.1)
    caller.went()
    late = caller.hear_from(ONE, 200)
    assert caller.went() == [("ACK", ONE), ("BYE", ONE)]
    caller.say(late, ONE)
    assert caller.went() == [("ACK", ONE)]
    caller.hear_from(TWO, 200)
    assert caller.went() == [("ACK", TWO)]
    (answered,) = caller.events
    assert isinstance(answered, Answered)
    assert answered.dialog.remote_tag == TWO.host


def test_two_hops_may_lead_to_one_far_end_that_answers_both_with_one_tag() -> None:
    """The second 2xx is no copy of the first: its INVITE has another CSeq, and is owed its own ACK."""
    caller = Caller()
    caller.call(ONE, TWO)
    caller.wait(4.1)
    caller.went()
    for hop, number in ((ONE, 1), (TWO, 2)):
        caller.reply(caller.last[hop], 200, body=sdp(), source=hop)
        ack = caller.sent()[0]
        assert isinstance(ack, Request)
        assert str(ack.cseq) == f"{number} ACK"
    (answered,) = caller.events
    assert isinstance(answered, Answered)
    caller.agent.hang_up(answered.call, caller.now)
    settles(caller)


def test_a_late_answer_after_the_end_is_hung_up_too() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.wait(4.1)
    caller.went()
    caller.hear_from(TWO, 486)
    caller.hear_from(ONE, 200)
    assert caller.went() == [("ACK", TWO), ("ACK", ONE), ("BYE", ONE)]
    assert [type(event) for event in caller.events] == [Failed]
    settles(caller)


def test_a_late_refusal_changes_nothing() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.wait(4.1)
    caller.went()
    caller.hear_from(ONE, 503)
    assert caller.went() == [("ACK", ONE)]
    assert caller.events == []


def test_the_last_cause_is_named() -> None:
    caller = Caller()
    caller.call(ONE, TWO, THREE)
    caller.went()
    caller.hear_from(ONE, 503)
    caller.wait(4.1)
    caller.agent.unreachable(THREE, caller.now, NetworkFault("its certificate has expired", "renew it"))
    settles(caller)
    assert caller.events == [Failed(1, 503, "its certificate has expired", True, advice="renew it")]


def test_a_hang_up_ends_the_search() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.agent.hang_up(1, caller.now)
    caller.wait(40)
    assert caller.went() == [("INVITE", ONE)]
    assert caller.events == [Failed(1, 487, "Request Terminated", True)]
    settles(caller)


def test_a_hang_up_after_the_search_cancels_both() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.wait(4.1)
    caller.went()
    caller.agent.hang_up(1, caller.now)
    caller.hear_from(ONE, 180)
    caller.hear_from(TWO, 180)
    assert caller.went() == [("CANCEL", ONE), ("CANCEL", TWO)]
    settles(caller)


def test_a_dead_hop_is_avoided_for_30_seconds_by_all_calls() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.agent.unreachable(ONE, caller.now)
    caller.went()
    caller.wait(29)
    caller.went()
    caller.call(ONE, TWO)
    assert caller.went() == [("INVITE", TWO)]
    caller.wait(2)
    caller.went()
    caller.call(ONE, TWO)
    assert caller.went() == [("INVITE", ONE)]


def test_a_hop_says_itself_how_long_to_avoid_it() -> None:
    caller = Caller()
    caller.call(ONE, TWO)
    caller.went()
    caller.hear_from(ONE, 503, fields=(("Retry-After", "120 (maintenance)"),))
    caller.went()
    caller.wait(119)
    caller.went()
    caller.call(ONE, TWO)
    assert caller.went()[0] == ("INVITE", TWO)
    caller.wait(2)
    caller.went()
    caller.call(ONE, TWO)
    assert caller.went()[0] == ("INVITE", ONE)


def test_a_hop_that_answers_is_dead_no_more() -> None:
    caller = Caller()
    caller.call(ONE)
    caller.agent.unreachable(ONE, caller.now)
    caller.call(ONE)
    caller.went()
    caller.hear_from(ONE, 486)
    caller.went()
    caller.call(ONE, TWO)
    assert caller.went() == [("INVITE", ONE)]


def test_each_hop_has_the_contact_and_a_number_of_its_own() -> None:
    caller = Caller()
    caller.call(ONE, THREE)
    caller.agent.unreachable(ONE, caller.now)
    caller.went()
    first, second = caller.last[ONE], caller.last[THREE]
    assert first.call_id == second.call_id
    assert first.from_.tag == second.from_.tag
    assert (first.cseq.number, second.cseq.number) == (1, 2)
    assert first.via.branch != second.via.branch
    assert second.headers.get("Contact") == "<sip:alice@192.0.2.1:5060;transport=tls>"


def test_each_hop_is_offered_media_in_its_own_address_family() -> None:
    caller = Caller()
    caller.call(SIX, ONE, media_address="2001:db8::1", other_media_address="192.0.2.1")
    caller.agent.unreachable(SIX, caller.now)
    caller.went()
    described = [SessionDescription.parse(caller.last[hop].body) for hop in (SIX, ONE)]
    assert [each.address for each in described] == ["2001:db8::1", "192.0.2.1"]
    assert described[0].media == described[1].media
    caller.hear_from(ONE, 200)
    answered = caller.events[-1]
    assert isinstance(answered, Answered)
    assert answered.local == described[1]
    # What is offered within the call goes on from there.
    caller.went()
    caller.agent.offer(1, [IMAGE], caller.now)
    offer = SessionDescription.parse(caller.request("INVITE").body)
    assert (offer.address, offer.origin.version) == ("192.0.2.1", 2)


def test_with_one_media_address_all_hops_are_offered_that() -> None:
    caller = Caller()
    caller.call(SIX, ONE, media_address="192.0.2.1")
    caller.agent.unreachable(SIX, caller.now)
    caller.went()
    assert {SessionDescription.parse(caller.last[hop].body).address for hop in (SIX, ONE)} == {"192.0.2.1"}


@pytest.mark.parametrize("name", ["media_address", "other_media_address"])
def test_a_media_address_that_cannot_be_written_is_refused(name: str) -> None:
    with pytest.raises(UnsendableError, match="cannot be part of an SDP line"):
        Caller().call(ONE, **{name: "two words"})


# --- an outbound proxy --------------------------------------------------------------------------------------


def test_the_routes_of_a_call_are_in_its_invite_and_its_cancel() -> None:
    caller = Caller()
    routes = ("<sip:proxy.example;lr>", "<sip:inner.example;lr>")
    caller.call(ONE, routes=routes)
    caller.went()
    invite = caller.last[ONE]
    assert invite.headers.get_all("Route") == list(routes)
    assert invite.uri == "sip:+15550100@bob.example"
    caller.hear_from(ONE, 180)
    caller.agent.hang_up(1, caller.now)
    ((cancel, hop),) = caller.sent_to()
    assert (cancel.headers.get_all("Route"), hop) == (list(routes), ONE)


def test_within_the_call_the_record_counts_and_not_the_first_routes() -> None:
    caller = Caller()
    caller.call(ONE, routes=("<sip:proxy.example;lr>",))
    caller.went()
    caller.hear_from(ONE, 200, fields=(("Record-Route", "<sip:192.0.2.20;lr>"),))
    ((ack, hop),) = caller.sent_to()
    assert ack.headers.get_all("Route") == ["<sip:192.0.2.20;lr>"]
    assert hop == Hop("192.0.2.20", 5060)
    caller.agent.hang_up(1, caller.now)
    assert caller.went() == [("BYE", Hop("192.0.2.20", 5060))]
    assert not any(isinstance(event, Ended) for event in caller.events)


def test_a_strict_route_is_refused() -> None:
    with pytest.raises(UnsendableError, match="add ;lr"):
        Caller().call(ONE, routes=("<sip:proxy.example>",))

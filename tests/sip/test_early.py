"""Dialogs before their 2xx: reliable provisional responses, early answers and offers (RFC 3262, RFC 3311)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.line import Answered, Ended, Failed, Incoming
from sip.syntax.errors import ParseError
from sip.syntax.message import CSeq, Request, Response
from sip.syntax.sdp import SessionDescription
from sip.ua.prack import RAck
from tests.sip.link import ALICE, AUDIO, BOB, IMAGE, Link, call_request, mirror
from tests.sip.solo import Solo, sdp
from tests.sip.test_agent import answering, kinds

RELIABLE = ("Require", "100rel")


def reliable(number: int) -> tuple[tuple[str, str], ...]:
    return RELIABLE, ("RSeq", str(number))


def answered(solo: Solo) -> Answered:
    found = solo.events[-1]
    assert isinstance(found, Answered)
    return found


# --- RAck ---------------------------------------------------------------------------------------------------


def test_reading_rack() -> None:
    assert RAck.parse(" 776656   1 INVITE ") == RAck(776656, CSeq(1, "INVITE"))
    assert str(RAck(7, CSeq(2, "INVITE"))) == "7 2 INVITE"


@given(st.text(max_size=30))
def test_any_other_rack_is_an_error_of_one_kind(text: str) -> None:
    try:
        read = RAck.parse(text)
    except ParseError:
        return
    assert RAck.parse(str(read)) == read


# --- as the caller ------------------------------------------------------------------------------------------


def test_a_reliable_response_is_acknowledged_once_and_in_order() -> None:
    solo = Solo()
    invite = solo.place()
    assert "100rel" in invite.headers.get_all("Supported")
    solo.reply(invite, 180, fields=reliable(5))
    prack = solo.request("PRACK")
    assert prack.headers.get("RAck") == "5 1 INVITE"
    assert (prack.cseq.number, prack.to.tag, prack.uri) == (2, "bob", "sip:bob@192.0.2.2:5060")
    solo.reply(prack, 200)
    # A copy, one from before, and one after a gap are passed over.
    for number in (5, 4, 7):
        solo.reply(invite, 183, fields=reliable(number))
    assert solo.sent() == []
    solo.reply(invite, 183, fields=reliable(6))
    assert solo.request("PRACK").headers.get("RAck") == "6 1 INVITE"
    assert kinds(solo.events) == ["Ringing", "Ringing"]
    # The dialog goes on from the number of the last PRACK.
    solo.reply(invite, 200, body=sdp())
    solo.request("ACK")
    solo.agent.hang_up(1, solo.now)
    assert solo.request("BYE").cseq.number == 4


@pytest.mark.parametrize("fields", [(), (RELIABLE,), (("RSeq", "1"),), (RELIABLE, ("RSeq", "one"))])
def test_what_is_not_reliable_is_not_acknowledged(fields: tuple[tuple[str, str], ...]) -> None:
    solo = Solo()
    solo.reply(solo.place(), 180, fields=fields)
    assert solo.sent() == []
    assert kinds(solo.events) == ["Ringing"]


def test_a_prack_is_repeated_and_may_be_challenged() -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 180, fields=reliable(1))
    solo.wait(3.5)
    assert [each.cseq.method for each in solo.sent()] == ["PRACK"] * 4
    solo.wait(60)
    solo.sent()
    solo.reply(invite, 200, body=sdp())
    assert kinds(solo.events) == ["Ringing", "Answered"]


def test_reliable_responses_without_end_are_not_followed() -> None:
    solo = Solo()
    invite = solo.place()
    for number in range(1, 300):
        solo.reply(invite, 183, fields=reliable(number))
    assert solo.agent.transactions <= 101


def test_an_answer_in_a_reliable_response_counts() -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 183, body=sdp(AUDIO, version=1), fields=reliable(1))
    solo.request("PRACK")
    # RFC 3261 13.2.1: what comes later is no answer any more.
    solo.reply(invite, 200, body=sdp(IMAGE, version=2))
    assert answered(solo).remote.media == (AUDIO,)


def test_an_answer_in_an_unreliable_response_counts_only_when_none_follows() -> None:
    for body, media in ((sdp(IMAGE, version=2), IMAGE), (b"", AUDIO)):
        solo = Solo()
        invite = solo.place()
        solo.reply(invite, 183, body=sdp(AUDIO))
        solo.reply(invite, 180)
        solo.reply(invite, 200, body=body)
        assert answered(solo).remote.media == (media,)


def test_the_answer_of_one_fork_is_not_that_of_another() -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 183, tag="one", body=sdp(IMAGE), fields=reliable(1))
    solo.reply(invite, 183, tag="two", body=sdp(AUDIO), fields=reliable(1))
    assert [each.to.tag for each in solo.sent()] == ["one", "two"]
    solo.reply(invite, 200, tag="two")
    assert answered(solo).remote.media == (AUDIO,)
    assert answered(solo).dialog.remote_tag == "two"
    solo.request("ACK")
    solo.reply(invite, 200, tag="one")
    assert [each.cseq.method for each in solo.sent()] == ["ACK", "BYE"]


def test_the_routes_of_the_2xx_replace_those_of_the_early_dialog() -> None:
    solo = Solo()
    invite = solo.place()
    early = (("Record-Route", "<sip:192.0.2.91;lr>"), ("Record-Route", "<sip:192.0.2.92;lr>"))
    solo.reply(invite, 180, fields=(*early, *reliable(1)))
    assert solo.request("PRACK").headers.get_all("Route") == ["<sip:192.0.2.92;lr>", "<sip:192.0.2.91;lr>"]
    solo.reply(
        invite, 200, body=sdp(), fields=(("Record-Route", "<sip:192.0.2.93;lr>"),), contact="<sip:b@b>"
    )
    ack = solo.request("ACK")
    assert (ack.uri, ack.headers.get_all("Route")) == ("sip:b@b", ["<sip:192.0.2.93;lr>"])


def test_a_cancelled_call_still_acknowledges_reliable_responses() -> None:
    solo = Solo()
    invite = solo.place()
    solo.agent.hang_up(1, solo.now)
    solo.reply(invite, 180, fields=reliable(1))
    assert [each.cseq.method for each in solo.sent()] == ["PRACK", "CANCEL"]
    assert kinds(solo.events) == []


def test_an_update_in_an_early_dialog_is_answered_once_the_offer_is() -> None:
    solo = Solo()
    invite = solo.place()
    early = solo.reply(invite, 183)
    solo.ask_within(early, "UPDATE", 1, sdp(IMAGE))
    solo.ask_within(early, "UPDATE", 2)
    assert solo.statuses() == [491, 200]
    solo.reply(invite, 183, body=sdp(AUDIO), fields=reliable(1))
    solo.request("PRACK")
    solo.ask_within(early, "UPDATE", 3, sdp(IMAGE, version=2))
    answer = solo.response()
    assert (answer.status, answer.headers.get("Contact")) == (200, "<sip:alice@192.0.2.1:5060>")
    solo.ask_within(early, "UPDATE", 4, b"v=1\r\n")
    assert solo.statuses() == [488]
    solo.reply(invite, 200)
    # Their last description holds, and so does our answer to it.
    assert answered(solo).remote.media == (IMAGE,)
    assert answered(solo).local == SessionDescription.parse(answer.body)


def test_an_update_that_the_call_does_not_answer_is_refused() -> None:
    solo = Solo()
    invite = solo.place(call_request(answerer=lambda offer: None))
    early = solo.reply(invite, 183, body=sdp(AUDIO), fields=reliable(1))
    solo.request("PRACK")
    solo.ask_within(early, "UPDATE", 1, sdp(IMAGE, version=2))
    assert solo.statuses() == [488]
    solo.reply(invite, 200)
    assert answered(solo).remote.media == (AUDIO,)


def test_an_early_dialog_answers_what_else_it_is_asked() -> None:
    solo = Solo()
    early = solo.reply(solo.place(), 180)
    for number, method in enumerate(("INFO", "OPTIONS", "PRACK", "INVITE", "MESSAGE"), 1):
        solo.ask_within(early, method, number)
    assert solo.statuses() == [200, 200, 500, 500, 405]


# --- as the caller, with a late offer -----------------------------------------------------------------------


def test_an_offer_in_the_200_is_answered_in_the_ack() -> None:
    solo = Solo()
    invite = solo.place(call_request(media=()))
    assert invite.body == b""
    solo.reply(invite, 200, body=sdp(IMAGE))
    ack = solo.request("ACK")
    local = SessionDescription.parse(ack.body)
    assert ack.headers.get("Content-Type") == "application/sdp"
    assert (local.media, answered(solo).local, answered(solo).remote.media) == (
        mirror(answered(solo).remote),
        local,
        (IMAGE,),
    )
    # The far end did not hear it: the same again.
    solo.reply(invite, 200, body=sdp(IMAGE))
    assert solo.request("ACK") == ack


def test_an_offer_in_a_reliable_response_is_answered_in_the_prack() -> None:
    solo = Solo()
    invite = solo.place(call_request(media=()))
    # An unreliable one can offer nothing.
    solo.reply(invite, 183, body=sdp(AUDIO))
    solo.reply(invite, 183, body=sdp(IMAGE), fields=reliable(1))
    prack = solo.request("PRACK")
    assert b"m=image 5000 " in prack.body
    solo.reply(invite, 200)
    assert solo.request("ACK").body == b""
    assert answered(solo).local == SessionDescription.parse(prack.body)
    # After it, ours takes the next version.
    solo.agent.offer(1, [AUDIO], solo.now)
    assert SessionDescription.parse(solo.request("INVITE").body).origin.version == 2


@pytest.mark.parametrize("reliably", [True, False])
def test_a_late_offer_that_suits_nobody_ends_the_call(reliably: bool) -> None:
    solo = Solo()
    invite = solo.place(call_request(media=(), answerer=lambda offer: None))
    if reliably:
        solo.reply(invite, 183, body=sdp(IMAGE), fields=reliable(1))
        assert b"m=image 0 udptl t38" in solo.request("PRACK").body
        solo.reply(invite, 200)
    else:
        solo.reply(invite, 200, body=sdp(IMAGE))
    ack, bye = solo.sent()
    assert isinstance(ack, Request)
    assert isinstance(bye, Request)
    assert (b"m=image 0 udptl t38" in ack.body) != reliably
    assert bye.method == "BYE"
    failed = solo.events[-1]
    assert isinstance(failed, Failed)
    assert (failed.status, failed.local) == (488, True)


def test_a_200_without_any_offer_ends_the_call() -> None:
    solo = Solo()
    solo.reply(solo.place(call_request(media=())), 200)
    assert [each.cseq.method for each in solo.sent()] == ["ACK", "BYE"]
    assert kinds(solo.events) == ["Failed"]


@pytest.mark.parametrize("lost", range(8))
def test_late_offers_between_two_agents(lost: int) -> None:
    link = Link(lose=lambda number, data: number == lost)

    def on_event(event: object) -> None:
        if isinstance(event, Incoming):
            assert event.offer is None
            link.bob.accept(event.call, [IMAGE], BOB.host, mirror, link.now)

    link.on_event[BOB] = on_event
    call = link.alice.place(call_request(media=()), link.now)
    link.run(40)
    for side in (ALICE, BOB):
        up = [event for event in link.events[side] if isinstance(event, Answered)]
        assert [event.remote.media[0].kind for event in up] == ["image"]
    link.alice.hang_up(call, link.now)
    link.run()
    assert link.idle


# --- as the called ------------------------------------------------------------------------------------------


def ringing(solo: Solo, body: bytes = b"") -> tuple[Request, Response]:
    """Bob calls and requires reliable responses; we ring."""
    invite = solo.ask("INVITE", body=body or sdp(), fields=(RELIABLE,))
    assert solo.statuses() == [100]
    solo.agent.ring(1, solo.now)
    return invite, solo.response()


def prack(solo: Solo, early: Response, number: int, *, rack: str = "") -> None:
    rseq = early.headers.get("RSeq")
    solo.ask(
        "PRACK",
        number=number,
        to=early.headers.get("To") or "",
        fields=(("RAck", rack or f"{rseq} 1 INVITE"),),
    )


def test_a_caller_that_requires_reliable_responses_gets_them() -> None:
    solo = Solo()
    _, early = ringing(solo)
    assert early.status == 180
    assert early.headers.get("Require") == "100rel"
    assert 0 < int(early.headers.get("RSeq") or "") < 2**31
    solo.wait(3.5)
    assert solo.statuses() == [180, 180, 180]
    prack(solo, early, 2, rack="1 1 INVITE")
    prack(solo, early, 3, rack="nonsense")
    assert solo.statuses() == [481, 481]
    prack(solo, early, 4)
    prack(solo, early, 5)
    assert solo.statuses() == [200, 481]
    solo.wait(20)
    assert solo.statuses() == []
    # The next one has the next number.
    solo.agent.ring(1, solo.now)
    assert int(solo.response().headers.get("RSeq") or "") == int(early.headers.get("RSeq") or "") + 1


def test_a_reliable_response_that_is_never_acknowledged_ends_the_call() -> None:
    solo = Solo()
    ringing(solo)
    solo.wait(32)
    assert solo.statuses()[-1] == 504
    assert solo.events[-1] == Failed(1, 504, "Server Time-out", local=True)
    solo.wait(64)
    assert solo.agent.idle


def test_accepting_does_not_wait_for_a_prack_which_may_come_later() -> None:
    solo = Solo()
    _, early = ringing(solo)
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    ok = solo.response()
    assert ok.status == 200
    prack(solo, early, 2)
    prack(solo, early, 3, rack="9 1 INVITE")
    assert solo.statuses() == [200, 481]
    solo.ask("ACK", to=ok.headers.get("To") or "")
    solo.wait(40)
    assert solo.statuses() == []
    assert kinds(solo.events) == ["Incoming", "Answered"]


def test_an_invite_without_an_offer_is_not_rung_reliably() -> None:
    """The first reliable response would have to make the offer, which accept brings."""
    solo = Solo()
    solo.ask("INVITE", fields=(RELIABLE,))
    solo.agent.ring(1, solo.now)
    assert solo.statuses() == [100]


def test_an_early_update_without_an_offer_is_taken() -> None:
    solo = Solo()
    _, early = ringing(solo)
    prack(solo, early, 2)
    solo.ask("UPDATE", number=3, to=early.headers.get("To") or "")
    assert solo.statuses() == [200, 200]


@pytest.mark.parametrize("lost", range(12))
def test_reliable_ringing_between_two_agents(lost: int) -> None:
    link = Link(lose=lambda number, data: number == lost)

    def on_event(event: object) -> None:
        if isinstance(event, Incoming):
            link.bob.ring(event.call, link.now)

    link.on_event[BOB] = on_event
    call = link.alice.place(call_request(headers=(RELIABLE,)), link.now)
    link.run(20)
    assert link.said(ALICE).count("PRACK") >= 1
    link.bob.accept(1, [AUDIO], BOB.host, mirror, link.now)
    link.run(20)
    link.alice.hang_up(call, link.now)
    link.run()
    assert kinds(link.events[ALICE]) == ["Ringing", "Answered", "Ended"]
    assert kinds(link.events[BOB]) == ["Incoming", "Answered", "Ended"]
    assert link.idle


def test_a_whole_call_with_timers_and_reliable_responses() -> None:
    link = Link()
    answering(link)
    call = link.alice.place(call_request(headers=(RELIABLE,)), link.now)
    link.run(5)
    link.alice.hang_up(call, link.now, reason="done")
    link.run()
    ended = link.events[BOB][-1]
    assert isinstance(ended, Ended)
    assert ended.reason == "done"
    assert link.idle

"""The end of calls of ours: CANCEL, BYE, and what crosses them."""

from __future__ import annotations

from sip.line import Failed
from sip.syntax.message import Request
from sip.ua.target import Target
from sip.values import Hop
from tests.sip.link import ALICE, AUDIO, BOB, IMAGE, Link, call_request, mirror
from tests.sip.solo import Solo, sdp
from tests.sip.test_agent import answering, kinds


def test_a_cancel_waits_for_a_provisional_response() -> None:
    solo = Solo()
    invite = solo.place()
    solo.agent.hang_up(1, solo.now, reason="no time")
    assert solo.sent() == []
    solo.reply(invite, 100)
    cancel = solo.request("CANCEL")
    assert cancel.headers.get_all("Via") == invite.headers.get_all("Via")
    assert (cancel.uri, cancel.cseq.number) == (invite.uri, invite.cseq.number)
    assert cancel.headers.get("Reason") == 'Q.850;cause=16;text="no time"'
    solo.reply(cancel, 200)
    solo.reply(invite, 487)
    solo.request("ACK")
    assert solo.events == [Failed(1, 487, "Request Terminated", local=True)]
    solo.wait(64)
    assert solo.agent.idle


def test_a_cancel_that_crosses_an_answer_ends_in_ack_and_bye() -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 180)
    solo.agent.hang_up(1, solo.now)
    solo.request("CANCEL")
    solo.reply(invite, 200, body=sdp())
    _, bye = solo.sent()
    assert isinstance(bye, Request)
    assert bye.method == "BYE"
    assert kinds(solo.events) == ["Ringing", "Failed"]
    solo.reply(bye, 200)
    assert solo.agent.calls == 0
    solo.wait(64)
    assert solo.agent.idle


def test_a_far_end_that_ignores_the_cancel_holds_nothing() -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 180)
    solo.agent.hang_up(1, solo.now)
    solo.wait(2)
    assert kinds(solo.events) == ["Ringing", "Failed"]
    solo.wait(62)
    assert solo.agent.idle


def test_a_hang_up_that_meets_silence_is_reported_within_two_seconds() -> None:
    solo = Solo()
    solo.place()
    solo.agent.hang_up(1, solo.now)
    solo.wait(2)
    assert solo.events == [Failed(1, 487, "Request Terminated", local=True)]
    solo.wait(32)
    assert solo.agent.idle


def test_cancelling_between_two_agents() -> None:
    link = Link()
    call = link.alice.place(call_request(), link.now)
    link.run(1)
    link.alice.hang_up(call, link.now)
    link.run()
    assert kinds(link.events[ALICE]) == ["Failed"]
    assert kinds(link.events[BOB]) == ["Incoming", "Failed"]
    assert link.said(BOB) == ["100 INVITE", "200 CANCEL", "487 INVITE"]
    assert link.idle


# --- BYE ----------------------------------------------------------------------------------------------------


def test_a_bye_that_nobody_answers_ends_the_call_all_the_same() -> None:
    solo = Solo()
    solo.answered()
    solo.agent.hang_up(1, solo.now)
    solo.wait(2)
    assert kinds(solo.events) == ["Answered", "Ended"]
    assert solo.agent.calls == 1
    solo.wait(30)
    assert solo.agent.calls == 0


def test_both_sides_hang_up_at_once() -> None:
    link = Link()
    answering(link)
    call = link.alice.place(call_request(), link.now)
    link.run(1)
    link.alice.hang_up(call, link.now)
    link.bob.hang_up(1, link.now)
    link.run()
    assert kinds(link.events[ALICE])[-1] == kinds(link.events[BOB])[-1] == "Ended"
    assert link.idle


def test_verbs_on_a_call_that_is_over_do_nothing() -> None:
    solo = Solo()
    _, ok = solo.answered()
    solo.ask_within(ok, "BYE", 1)
    assert solo.statuses() == [200]
    for call in (1, 99):
        solo.agent.hang_up(call, solo.now)
        solo.agent.offer(call, [IMAGE], solo.now)
        solo.agent.ring(call, solo.now)
        solo.agent.refuse(call, 486, solo.now)
        solo.agent.accept(call, [AUDIO], ALICE.host, mirror, solo.now)
    assert solo.sent() == []
    assert kinds(solo.events) == ["Answered", "Ended"]


def test_a_contact_that_is_a_name_is_asked_for_and_then_used() -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 200, body=sdp(), contact="<sip:bob@gw.example:5070>")
    ((_, destination),) = solo.agent.take_datagrams()
    assert destination == BOB
    assert solo.agent.take_lookups() == [Target("gw.example", 5070)]
    solo.agent.resolved(Target("gw.example", 5070), [Hop("192.0.2.77", 5070)])
    solo.agent.hang_up(1, solo.now)
    ((_, destination),) = solo.agent.take_datagrams()
    assert destination == Hop("192.0.2.77", 5070)

"""Calls that come to us, and requests that belong to no call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip.line import Answered, Ended, Failed, Incoming
from sip.syntax.message import Request, Response
from sip.syntax.sdp import Attribute, SessionDescription
from sip.ua.target import Target
from sip.values import Hop
from tests.sip.link import ALICE, AUDIO, BOB, IMAGE, mirror
from tests.sip.solo import Solo, sdp
from tests.sip.test_agent import kinds


def accepted(solo: Solo, body: bytes = b"") -> Response:
    """Have Bob call, accept; returns the 200."""
    solo.ask("INVITE", body=body or sdp())
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    trying, ok = solo.sent()
    assert isinstance(trying, Response)
    assert isinstance(ok, Response)
    assert (trying.status, ok.status) == (100, 200)
    return ok


def ask_back(solo: Solo, ok: Response, method: str, number: int = 1, body: bytes = b"") -> Request:
    """A request of Bob within the dialog that ``ok`` made."""
    return solo.ask(method, number=number, to=ok.headers.get("To") or "", body=body)


def test_ringing_and_accepting() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    assert solo.statuses() == [100]
    solo.agent.ring(1, solo.now)
    (ringing,) = solo.sent()
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    (ok,) = solo.sent()
    assert isinstance(ringing, Response)
    assert isinstance(ok, Response)
    assert (ringing.status, ok.status) == (180, 200)
    assert ringing.to.tag == ok.to.tag is not None
    assert ok.headers.get("Contact") == "<sip:alice@192.0.2.1:5060>"
    assert kinds(solo.events) == ["Incoming"]
    ask_back(solo, ok, "ACK")
    answered = solo.events[-1]
    assert isinstance(answered, Answered)
    assert str(answered.dialog) == f"call-of-bob;local-tag={ok.to.tag};remote-tag=bob"
    assert answered.remote.media == (AUDIO,)


def test_the_time_at_which_an_invite_was_sent_goes_back_in_the_100() -> None:
    """RFC 3261 8.2.6.1; the sender measures the way with it."""
    solo = Solo()
    solo.ask("INVITE", body=sdp(), fields=(("Timestamp", "54.21"),))
    trying = solo.response()
    assert (trying.status, trying.headers.get_all("Timestamp")) == (100, ["54.21"])
    solo.agent.ring(1, solo.now)
    assert "Timestamp" not in solo.response().headers


def test_a_call_that_begins_on_hold_is_answered_as_such() -> None:
    solo = Solo()
    ok = accepted(solo, sdp(replace(AUDIO, attributes=(Attribute("sendonly"),))))
    assert SessionDescription.parse(ok.body).media == (replace(AUDIO, attributes=(Attribute("recvonly"),)),)


def test_the_name_in_a_contact_is_looked_up_when_the_call_is_taken() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp(), contact="<sip:bob@bob.example>")
    assert solo.agent.take_lookups() == []
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    assert solo.agent.take_lookups() == [Target("bob.example")]


def test_responses_say_where_the_request_came_from() -> None:
    solo = Solo()
    solo.ask("OPTIONS", source=Hop("198.51.100.9", 4444))
    ((data, destination),) = solo.agent.take_datagrams()
    assert destination == Hop("198.51.100.9", 4444)
    assert b";rport=4444;received=198.51.100.9\r\n" in data


@pytest.mark.parametrize(
    ("via", "stamped"),
    [
        (
            'SIP/2.0/UDP a.example;branch=z9hG4bK/x{1}=@;RPort ;received=192.0.2.9;x="y"',
            'SIP/2.0/UDP a.example;branch=z9hG4bK/x{1}=@;x="y";rport=5060;received=192.0.2.2',
        ),
        ("SIP / 2.0 / UDP 192.0.2.2 ; branch = z9hG4bKy", "SIP / 2.0 / UDP 192.0.2.2;branch = z9hG4bKy"),
    ],
)
def test_the_via_comes_back_as_it_was_spelt(via: str, stamped: str) -> None:
    solo = Solo()
    solo.ask("OPTIONS", via=via)
    assert solo.response().headers.get("Via") == stamped


def test_the_zone_of_an_address_stays_here() -> None:
    solo = Solo()
    solo.ask("OPTIONS", source=Hop("fe80::2%eth0", 5060))
    assert solo.response().via.received == "fe80::2"


def test_an_ack_with_the_branch_of_its_invite_is_one() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp(), branch="z9hG4bK-same")
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    ok = solo.sent()[-1]
    solo.ask("ACK", to=ok.headers.get("To") or "", branch="z9hG4bK-same")
    assert kinds(solo.events) == ["Incoming", "Answered"]
    solo.wait(60)
    assert solo.sent() == []


def test_an_answer_is_repeated_until_its_ack() -> None:
    solo = Solo()
    ok = accepted(solo)
    solo.wait(8)
    assert solo.statuses() == [200] * 4
    ask_back(solo, ok, "ACK")
    ask_back(solo, ok, "ACK")
    solo.wait(60)
    assert solo.statuses() == []
    assert kinds(solo.events) == ["Incoming", "Answered"]


def test_an_answer_that_nobody_acknowledges_is_taken_back() -> None:
    solo = Solo()
    accepted(solo)
    solo.wait(32)
    bye = solo.sent()[-1]
    assert isinstance(bye, Request)
    assert bye.method == "BYE"
    solo.reply(bye, 481)
    (_, ended) = solo.events
    assert ended == Ended(1, False, "no ACK came")
    solo.wait(64)
    assert solo.agent.idle


def test_hanging_up_waits_for_the_ack() -> None:
    solo = Solo()
    ok = accepted(solo)
    solo.agent.hang_up(1, solo.now)
    assert solo.sent() == []
    ask_back(solo, ok, "ACK")
    solo.reply(solo.request("BYE"), 200)
    assert kinds(solo.events) == ["Incoming", "Ended"]
    assert solo.agent.calls == 0


def test_a_bye_that_overtakes_the_ack_ends_the_call() -> None:
    solo = Solo()
    ok = accepted(solo)
    ask_back(solo, ok, "BYE", 2)
    assert solo.statuses() == [200]
    assert kinds(solo.events) == ["Incoming", "Ended"]
    solo.wait(64)
    assert solo.statuses() == []
    assert solo.agent.idle


def test_a_caller_who_is_sent_away_for_now_is_told_how_long() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    solo.agent.refuse(1, 503, solo.now)
    assert [(each.status, each.headers.get("Retry-After")) for each in solo.sent()] == [
        (100, None),
        (503, "5"),
    ]


@pytest.mark.parametrize(("status", "reason"), [(486, "Busy Here"), (603, "Decline"), (499, "Refused")])
def test_refusing(status: int, reason: str) -> None:
    solo = Solo()
    invite = solo.ask("INVITE", body=sdp())
    solo.agent.refuse(1, status, solo.now)
    assert solo.statuses() == [100, status]
    solo.wait(1)
    assert solo.statuses() == [status]
    solo.ask("ACK", branch=invite.via.branch, to=f"{invite.headers.get('To')};tag=any")
    solo.wait(5)
    assert solo.statuses() == []
    assert solo.events[1:] == [Failed(1, status, reason, local=True)]
    assert solo.agent.idle


def test_a_refusal_must_be_one() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    with pytest.raises(ValueError, match="200"):
        solo.agent.refuse(1, 200, solo.now)


def test_hanging_up_before_accepting_answers_480() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    solo.agent.hang_up(1, solo.now)
    assert solo.statuses() == [100, 480]
    assert solo.agent.take_events() == [Failed(1, 487, "Request Terminated", local=True)]


def test_a_cancel_is_answered_and_ends_the_invite() -> None:
    solo = Solo()
    invite = solo.ask("INVITE", body=sdp())
    solo.ask("CANCEL", branch=invite.via.branch, fields=(("Reason", "Q.850;cause=102"),))
    assert solo.statuses() == [100, 200, 487]
    assert solo.events[1:] == [Failed(1, 487, "Request Terminated", cause=102)]
    solo.ask("CANCEL", branch=invite.via.branch)
    assert solo.statuses() == [200]
    solo.ask("CANCEL", branch="z9hG4bK-other")
    assert solo.statuses() == [481]


@pytest.mark.parametrize("stranger", [Hop("192.0.2.66", BOB.port), Hop("2001:db8::66", 5060)])
def test_a_cancel_from_elsewhere_finds_no_invite(stranger: Hop) -> None:
    solo = Solo()
    invite = solo.ask("INVITE", body=sdp())
    solo.ask("CANCEL", branch=invite.via.branch, source=stranger)
    assert solo.statuses() == [100, 481]
    assert kinds(solo.events) == ["Incoming"]
    # Some send from any port.
    solo.ask("CANCEL", branch=invite.via.branch, source=replace(BOB, port=40000))
    assert solo.statuses() == [200, 487]


def test_a_cancel_after_the_answer_changes_nothing() -> None:
    solo = Solo()
    invite = solo.ask("INVITE", body=sdp())
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    solo.ask("CANCEL", branch=invite.via.branch)
    assert solo.statuses() == [100, 200, 200]
    assert solo.agent.calls == 1


def test_a_bye_in_the_early_dialog_ends_the_invite() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    solo.agent.ring(1, solo.now)
    ringing = solo.sent()[-1]
    assert isinstance(ringing, Response)
    ask_back(solo, ringing, "UPDATE", 2, sdp())
    ask_back(solo, ringing, "BYE", 3)
    assert solo.statuses() == [500, 200, 487]
    assert kinds(solo.events) == ["Incoming", "Failed"]


# --- late offer ---------------------------------------------------------------------------------------------


def test_a_late_offer_is_answered_in_the_ack() -> None:
    solo = Solo()
    solo.ask("INVITE")
    (incoming,) = solo.events
    assert isinstance(incoming, Incoming)
    assert incoming.offer is None
    solo.agent.accept(1, [IMAGE], ALICE.host, mirror, solo.now)
    ok = solo.sent()[-1]
    assert isinstance(ok, Response)
    assert b"m=image" in ok.body
    ask_back(solo, ok, "ACK", body=sdp(IMAGE))
    answered = solo.events[-1]
    assert isinstance(answered, Answered)
    assert answered.local.media == answered.remote.media == (IMAGE,)


@pytest.mark.parametrize("body", [b"", b"v=0\r\nm=image x\r\n"])
def test_an_ack_without_the_answer_ends_the_call(body: bytes) -> None:
    solo = Solo()
    solo.ask("INVITE")
    solo.agent.accept(1, [IMAGE], ALICE.host, mirror, solo.now)
    ok = solo.sent()[-1]
    assert isinstance(ok, Response)
    ask_back(solo, ok, "ACK", body=body)
    solo.reply(solo.request("BYE"), 200)
    ended = solo.events[-1]
    assert isinstance(ended, Ended)
    assert (ended.call, ended.remote) == (1, False)
    assert ended.reason

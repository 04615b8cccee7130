"""Calls between two user agents in simulated time, and what a single one says to a scripted far end."""

from __future__ import annotations

from random import Random

import pytest

from sip.line import Answered, Ended, Failed, Incoming, LineEvent, MediaChanged, Ringing
from sip.syntax.message import Request
from sip.syntax.sdp import SessionDescription
from sip.values import Credentials, Identity
from tests.sip.link import ALICE, AUDIO, BOB, IMAGE, Link, call_request, mirror
from tests.sip.solo import Solo, sdp
from tests.sweep import sweep


def kinds(events: list[LineEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def answering(link: Link) -> None:
    """Have Bob ring and accept what comes."""

    def on_event(event: LineEvent) -> None:
        if isinstance(event, Incoming):
            link.bob.ring(event.call, link.now)
            assert event.offer is not None
            link.bob.accept(event.call, mirror(event.offer), BOB.host, mirror, link.now)

    link.on_event[BOB] = on_event


def whole_call(link: Link, **changes: object) -> None:
    """Set up, switch to image by Bob, hang up by Alice; time enough between for every repeat."""
    answering(link)
    call = link.alice.place(call_request(**changes), link.now)
    link.run(20)
    link.bob.offer(1, [IMAGE], link.now)
    link.run(20)
    link.alice.hang_up(call, link.now, reason="done")
    link.run()


WHOLE_CALL = {
    ALICE: ["Answered", "MediaChanged", "Ended"],
    BOB: ["Incoming", "Answered", "MediaChanged", "Ended"],
}


def test_a_call_from_invite_to_bye() -> None:
    link = Link()
    whole_call(link)
    assert link.said(ALICE) == ["INVITE", "ACK", "200 INVITE", "BYE"]
    assert link.said(BOB) == ["100 INVITE", "180 INVITE", "200 INVITE", "INVITE", "ACK", "200 BYE"]
    ringing, answered, changed, ended = link.events[ALICE]
    assert isinstance(ringing, Ringing)
    assert isinstance(answered, Answered)
    assert answered.local.media == (AUDIO,)
    assert isinstance(changed, MediaChanged)
    assert changed.remote.media == (IMAGE,)
    assert not changed.ours
    assert isinstance(ended, Ended)
    assert not ended.remote
    incoming, theirs, changed, ended = link.events[BOB]
    assert isinstance(incoming, Incoming)
    assert (incoming.caller, incoming.caller_name) == ("sip:alice@a.example", "Alice")
    assert (incoming.called, incoming.source) == ("sip:+15550100@bob.example", ALICE)
    assert isinstance(theirs, Answered)
    assert theirs.remote.media == (AUDIO,)
    assert theirs.dialog.local_tag == answered.dialog.remote_tag
    assert isinstance(changed, MediaChanged)
    assert changed.ours
    assert isinstance(ended, Ended)
    assert (ended.remote, ended.reason, ended.cause, ended.text) == (True, "done", 16, "done")
    assert link.idle


@pytest.mark.parametrize("lost", range(10))
def test_each_message_of_a_call_may_be_lost_once(lost: int) -> None:
    link = Link(lose=lambda number, data: number == lost)
    whole_call(link)
    for side, expected in WHOLE_CALL.items():
        assert [kind for kind in kinds(link.events[side]) if kind != "Ringing"] == expected
    assert link.idle


@sweep(push=7, seed=range(30))
def test_a_call_survives_the_loss_of_every_fifth_message(seed: int) -> None:
    dice = Random(seed)
    link = Link(lose=lambda number, data: dice.random() < 0.2, seed=seed)
    whole_call(link)
    for side, expected in WHOLE_CALL.items():
        assert [kind for kind in kinds(link.events[side]) if kind != "Ringing"] == expected
    assert link.idle


def test_messages_carry_the_headers_that_peers_expect() -> None:
    solo = Solo()
    invite = solo.place()
    via = invite.via
    assert (via.transport, via.host, via.port) == ("UDP", *ALICE.address)
    assert (via.branch or "").startswith("z9hG4bK")
    assert "rport" in via.params
    assert invite.headers.get("Max-Forwards") == "70"
    assert invite.headers.get("Contact") == "<sip:alice@192.0.2.1:5060>"
    assert "UPDATE" in (invite.headers.get("Allow") or "")
    assert invite.headers.get("User-Agent") == "alice/1"
    assert invite.headers.get("Content-Type") == "application/sdp"
    assert invite.to.tag is None
    assert invite.from_.tag is not None


# --- calls that come to nothing -----------------------------------------------------------------------------


def test_a_call_that_nobody_answers_fails_after_32_seconds() -> None:
    solo = Solo()
    solo.place()
    solo.wait(31.9)
    assert solo.events == []
    solo.wait(0.1)
    assert solo.events == [Failed(1, 408, "Request Timeout", local=True)]
    assert solo.agent.idle


@pytest.mark.parametrize(
    ("status", "reason", "cause"),
    [
        (486, 'Q.850;cause=17;text="User busy"', 17),
        (404, "Q.850;cause=1", 1),
        (480, "SIP;cause=480", None),
        (603, "Q.850;cause=many", None),
    ],
)
def test_a_refusal_is_reported_with_what_the_far_end_said(
    status: int, reason: str, cause: int | None
) -> None:
    solo = Solo()
    solo.reply(solo.place(), status, fields=(("Reason", reason),))
    (failed,) = solo.events
    assert isinstance(failed, Failed)
    assert (failed.status, failed.reason, failed.cause, failed.local) == (status, "Because", cause, False)
    assert ("Reason", reason) in failed.headers
    assert solo.request("ACK").uri == "sip:+15550100@bob.example"
    solo.wait(32)
    assert solo.agent.idle


def test_a_refused_datagram_fails_the_call_at_once() -> None:
    solo = Solo()
    solo.place()
    solo.agent.unreachable(BOB, solo.now)
    (failed,) = solo.agent.take_events()
    assert isinstance(failed, Failed)
    assert (failed.status, failed.local) == (503, True)
    assert solo.agent.idle


@pytest.mark.parametrize("body", [b"", b"hello", b"v=0\r\n"])
def test_an_answer_that_cannot_be_read_ends_the_call(body: bytes) -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 200, body=body)
    assert [each.method for each in solo.sent() if isinstance(each, Request)] == ["ACK", "BYE"]
    assert kinds(solo.events) == ["Failed"]
    solo.wait(64)
    assert solo.agent.idle


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"target": "bob"}, "is not a SIP URI"),
        ({"target": "sips:bob@b.example"}, "TLS"),
        ({"target": "sip:bob@b.example?Subject=x"}, "headers after a '\\?'; leave them out"),
        ({"target": "sip:bob@b.example;method=BYE"}, "names a method"),
        ({"caller": "<sip:alice@a.example?Subject=x>"}, "headers after a '\\?'"),
        ({"caller": "Alice"}, "no URI"),
        ({"headers": (("Call-ID", "mine"),)}, "sets itself"),
        ({"headers": (("X-Job", "1\r\nEvil: 1"),)}, "CR or LF"),
        ({"media_address": "two words"}, "cannot be part of an SDP line"),
        ({"credentials": Credentials("alice\r\n", "x")}, "control characters"),
    ],
)
def test_a_call_that_cannot_be_placed_is_refused_with_a_reason(
    changes: dict[str, object], complaint: str
) -> None:
    solo = Solo()
    with pytest.raises(ValueError, match=complaint):
        solo.agent.place(call_request(**changes), solo.now)
    assert solo.sent() == []
    assert solo.agent.idle


def test_headers_of_the_caller_stand_in_the_invite() -> None:
    solo = Solo()
    invite = solo.place(call_request(headers=(("P-Asserted-Identity", "<sip:1@a.example>"),)))
    assert invite.headers.get("P-Asserted-Identity") == "<sip:1@a.example>"


@pytest.mark.parametrize(
    "name", ["User-Agent", "Allow", "supported", "Content-Type", "c", "F", "Session-Expires", "x", "Min-SE"]
)
def test_headers_of_the_user_agent_are_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="sets itself"):
        Solo().place(call_request(headers=((name, "1"),)))


# --- other media --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [415, 488, 606])
def test_media_that_are_not_taken_have_others_offered_in_a_second_invite(status: int) -> None:
    solo = Solo()
    first = solo.place(call_request(media=[IMAGE], other_media=[AUDIO]))
    solo.reply(first, 100)
    solo.reply(first, status)
    _, second = solo.sent()
    assert isinstance(second, Request)
    assert SessionDescription.parse(second.body).media == (AUDIO,)
    assert (second.call_id, second.cseq.number) == (first.call_id, 2)
    assert solo.events == []
    solo.reply(second, 200, body=sdp())
    (answered,) = solo.events
    assert isinstance(answered, Answered)
    assert answered.local.media == (AUDIO,)


def test_media_are_changed_once() -> None:
    solo = Solo()
    solo.reply(solo.place(call_request(media=[IMAGE], other_media=[AUDIO])), 488)
    second = solo.sent()[-1]
    assert isinstance(second, Request)
    solo.reply(second, 488)
    assert kinds(solo.events) == ["Failed"]
    assert solo.request("ACK")


@pytest.mark.parametrize("status", [180, 183])
def test_nothing_rings_twice_for_other_media(status: int) -> None:
    solo = Solo()
    invite = solo.place(call_request(media=[IMAGE], other_media=[AUDIO]))
    solo.reply(invite, status)
    solo.reply(invite, 488)
    assert kinds(solo.events) == ["Ringing", "Failed"]


@pytest.mark.parametrize("status", [404, 486, 503])
def test_another_refusal_has_nothing_to_do_with_the_media(status: int) -> None:
    solo = Solo()
    solo.reply(solo.place(call_request(media=[IMAGE], other_media=[AUDIO])), status)
    assert kinds(solo.events) == ["Failed"]


def test_a_call_that_was_hung_up_offers_nothing_else() -> None:
    solo = Solo()
    invite = solo.place(call_request(media=[IMAGE], other_media=[AUDIO]))
    solo.agent.hang_up(1, solo.now)
    solo.reply(invite, 488)
    solo.request("ACK")
    assert kinds(solo.events) == ["Failed"]


# --- who calls ----------------------------------------------------------------------------------------------


def test_an_identity_is_told() -> None:
    identity = Identity(
        ('"Fax" <sip:1@a.example>', "tel:+15550101"), "<sip:2@a.example>", ("header", "critical")
    )
    invite = Solo().place(call_request(identity=identity, headers=(("X-Job", "7"), ("X-Job", "8"))))
    assert invite.headers.get_all("P-Asserted-Identity") == ['"Fax" <sip:1@a.example>', "<tel:+15550101>"]
    assert invite.headers.get("P-Preferred-Identity") == "<sip:2@a.example>"
    assert invite.headers.get("Privacy") == "header;critical"
    assert invite.headers.get_all("X-Job") == ["7", "8"]
    assert invite.from_.display_name == "Alice"


@pytest.mark.parametrize("privacy", [("id",), ("user", "critical")])
def test_a_private_caller_names_himself_only_to_the_proxy(privacy: tuple[str, ...]) -> None:
    invite = Solo().place(call_request(identity=Identity(preferred="sip:alice@a.example", privacy=privacy)))
    from_ = invite.from_
    assert (from_.display_name, from_.uri) == ("Anonymous", "sip:anonymous@anonymous.invalid")
    assert invite.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert invite.headers.get("P-Preferred-Identity") == "<sip:alice@a.example>"


@pytest.mark.parametrize(
    ("identity", "complaint"),
    [
        (Identity(("Alice",)), "no URI"),
        (Identity(("http://a.example",)), "not a SIP URI"),
        (Identity(("sip:1@a.example", "sips:2@a.example")), "one of each"),
        (Identity(("tel:+1", "tel:+2")), "one of each"),
        (Identity(preferred="sip:1@a.example>\r\nEvil: 1"), "URI"),
        (Identity(privacy=("id", "full")), "not a privacy value"),
    ],
)
def test_an_identity_that_cannot_be_told_is_refused(identity: Identity, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Solo().place(call_request(identity=identity))


def test_an_identity_is_not_told_twice() -> None:
    headers = (("P-Asserted-Identity", "<sip:1@a.example>"),)
    with pytest.raises(ValueError, match="sets itself"):
        Solo().place(call_request(identity=Identity(("sip:2@a.example",)), headers=headers))


# --- forks --------------------------------------------------------------------------------------------------


def test_the_second_fork_that_answers_is_acknowledged_and_ended() -> None:
    solo = Solo()
    invite, _ = solo.answered()
    solo.reply(invite, 200, tag="fork", body=sdp())
    ack, bye = solo.sent()
    assert isinstance(ack, Request)
    assert isinstance(bye, Request)
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert ack.to.tag == bye.to.tag == "fork"
    solo.reply(bye, 200)
    assert kinds(solo.events) == ["Answered"]
    assert solo.agent.dialogs == 1


def test_each_copy_of_a_success_is_acknowledged_alike() -> None:
    solo = Solo()
    invite = solo.place()
    solo.reply(invite, 200, body=sdp())
    first = solo.request("ACK")
    for _ in range(3):
        solo.reply(invite, 200, body=sdp())
        assert solo.request("ACK") == first
    assert kinds(solo.events) == ["Answered"]


def test_forks_without_end_make_nothing_grow() -> None:
    solo = Solo()
    invite, _ = solo.answered()
    for number in range(1000):
        solo.reply(invite, 183, tag=f"early{number}")
        solo.reply(invite, 200, tag=f"fork{number}", body=sdp())
    assert solo.agent.dialogs <= 17


def test_an_early_dialog_answers_what_it_is_asked() -> None:
    solo = Solo()
    ringing = solo.reply(solo.place(), 180)
    solo.ask_within(ringing, "INFO", 1)
    solo.ask_within(ringing, "UPDATE", 2, body=sdp())
    solo.ask_within(ringing, "BYE", 3)
    solo.ask_within(ringing, "REFER", 4)
    assert solo.statuses() == [200, 491, 500, 603]

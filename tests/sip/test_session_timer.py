"""Session timers (RFC 4028): who refreshes, how, and what becomes of a call that nobody refreshes."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sip.line import Ended, LineEvent, MediaChanged
from sip.line_settings import Refresher, SessionTimers
from sip.syntax.errors import ParseError
from sip.syntax.message import Request, Response
from sip.syntax.sdp import SessionDescription
from sip.ua.session_timer import SessionExpires
from tests.sip.link import ALICE, AUDIO, BOB, IMAGE, Link, call_request, mirror
from tests.sip.solo import Solo, sdp
from tests.sip.test_agent import answering, kinds

ALLOW_ALL = ("Allow", "INVITE, ACK, CANCEL, BYE, UPDATE")
WE_REFRESH = ("Session-Expires", "1800;refresher=uac")
THEY_REFRESH = ("Session-Expires", "1800;refresher=uas")
BY_US = SessionTimers(session_expires=1800, refresher=Refresher.US)
BY_THEM = SessionTimers(session_expires=1800, refresher=Refresher.THEM)
TIMER = ("Supported", "timer")


def ended(events: list[LineEvent]) -> Ended:
    assert isinstance(events[-1], Ended)
    return events[-1]


# --- the header ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1800", SessionExpires(1800)),
        ("1800;refresher=uac", SessionExpires(1800, "uac")),
        (" 90 ; refresher=UAS;x=1", SessionExpires(90, "uas")),
        ("3600;refresher=proxy", SessionExpires(3600)),
        ("9999999999", SessionExpires(7 * 86400)),
    ],
)
def test_reading_session_expires(text: str, expected: SessionExpires) -> None:
    assert SessionExpires.parse(text) == expected
    assert SessionExpires.parse(str(expected)) == expected


@given(st.text(max_size=40))
@example("0\x1f")  # white space to str.strip, not to int
def test_anything_else_is_an_error_of_one_kind(text: str) -> None:
    try:
        read = SessionExpires.parse(text)
    except ParseError:
        return
    assert SessionExpires.parse(str(read)) == read


@pytest.mark.parametrize(("expires", "least"), [(None, 30), (60, 90), (10**7, 90), (100, 120)])
def test_times_that_cannot_be_asked_for(expires: int | None, least: int) -> None:
    with pytest.raises(ValueError, match=r"is too (small|large)"):
        SessionTimers(expires, least)


# --- who refreshes ------------------------------------------------------------------------------------------


def test_by_default_none_is_asked_for_but_taken() -> None:
    invite, _ = Solo().answered()
    assert invite.headers.get("Session-Expires") is None
    assert invite.headers.get_all("Supported") == ["100rel", "timer"]


@pytest.mark.parametrize(("timers", "refresher"), [(BY_US, "uac"), (BY_THEM, "uas")])
def test_what_we_ask_for(timers: SessionTimers, refresher: str) -> None:
    invite, _ = Solo(session_timers=timers).answered()
    assert invite.headers.get("Session-Expires") == f"1800;refresher={refresher}"
    # A call may have timers of its own.
    invite, _ = Solo(session_timers=timers).answered(session_timers=SessionTimers(session_expires=7200))
    assert invite.headers.get("Session-Expires") == "7200;refresher=uas"


@pytest.mark.parametrize(
    ("timers", "fields", "granted", "required"),
    [
        (None, [("Session-Expires", "600;refresher=uac"), TIMER], "600;refresher=uac", True),
        (None, [("Session-Expires", "600;refresher=uas"), TIMER], "600;refresher=uas", False),
        # The choice is ours when they leave it open, unless they cannot refresh.
        (None, [("Session-Expires", "600"), ("k", "timer")], "600;refresher=uac", True),
        (BY_US, [("x", "600"), TIMER], "600;refresher=uas", False),
        (None, [("Session-Expires", "600")], "600;refresher=uas", False),
        # What nobody asked for is only put in when it is a setting.
        (None, [TIMER], None, False),
        (BY_THEM, [TIMER, ("Min-SE", "2400")], "2400;refresher=uac", True),
        (BY_THEM, [], "1800;refresher=uas", False),
        (None, [("Session-Expires", "soon"), TIMER], None, False),
    ],
)
def test_what_we_grant(
    timers: SessionTimers | None, fields: list[tuple[str, str]], granted: str | None, required: bool
) -> None:
    solo = Solo(session_timers=timers)
    solo.ask("INVITE", body=sdp(), fields=tuple(fields))
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    ok = solo.sent()[-1]
    assert ok.headers.get("Session-Expires") == granted
    assert (ok.headers.get("Require") == "timer") == required


@pytest.mark.parametrize("supported", [True, False])
def test_an_interval_too_small_is_refused_to_who_understands(supported: bool) -> None:
    solo = Solo()
    fields = (("Session-Expires", "60"), *([TIMER] if supported else []))
    solo.ask("INVITE", body=sdp(), fields=fields)
    answer = solo.response()
    assert (answer.status, answer.headers.get("Min-SE")) == ((422, "90") if supported else (100, None))
    # Within a call too.
    solo = Solo()
    _, ok = solo.answered()
    solo.ask_within(ok, "UPDATE", 1, fields=fields)
    assert solo.response().status == (422 if supported else 200)


# --- 422 ----------------------------------------------------------------------------------------------------


def test_a_call_is_placed_again_with_the_interval_that_they_want() -> None:
    solo = Solo(session_timers=SessionTimers(session_expires=120))
    invite = solo.place()
    assert invite.headers.get("Min-SE") is None
    for least in (300, 900):
        solo.reply(invite, 422, fields=(("Min-SE", str(least)),))
        ack, again = solo.sent()
        assert isinstance(ack, Request)
        assert isinstance(again, Request)
        assert (ack.method, again.method) == ("ACK", "INVITE")
        assert again.headers.get("Session-Expires") == f"{least};refresher=uas"
        assert again.headers.get("Min-SE") == str(least)
        assert (again.call_id, again.headers.get("From")) == (invite.call_id, invite.headers.get("From"))
        assert again.cseq.number == invite.cseq.number + 1
        invite = again
    solo.reply(invite, 200, body=sdp())
    assert kinds(solo.events) == ["Answered"]


@pytest.mark.parametrize("least", ["120", "60", "never", "99999999", None])
def test_a_refusal_with_422_that_helps_nobody_is_final(least: str | None) -> None:
    solo = Solo(session_timers=SessionTimers(session_expires=120))
    solo.reply(solo.place(), 422, fields=() if least is None else (("Min-SE", least),))
    assert kinds(solo.events) == ["Failed"]


def test_refusals_with_422_without_end_are_not_followed() -> None:
    solo = Solo(session_timers=SessionTimers(session_expires=120))
    invite = solo.place()
    for least in range(121, 125):
        solo.reply(invite, 422, fields=(("Min-SE", str(least)),))
        again = solo.sent()[-1]
        assert isinstance(again, Request)
        invite = again
    solo.reply(invite, 422, fields=(("Min-SE", "130"),))
    assert kinds(solo.events) == ["Failed"]


def test_an_offer_of_ours_may_get_422_too() -> None:
    solo = Solo()
    solo.answered(WE_REFRESH)
    solo.agent.offer(1, [IMAGE], solo.now)
    invite = solo.request("INVITE")
    assert invite.headers.get("Session-Expires") == "1800;refresher=uac"
    solo.reply(invite, 422, fields=(("Min-SE", "3600"),))
    again = solo.sent()[-1]
    assert isinstance(again, Request)
    assert again.headers.get("Session-Expires") == "3600;refresher=uac"
    assert again.body == invite.body


# --- our refreshes ------------------------------------------------------------------------------------------


def test_we_refresh_by_update_without_a_description() -> None:
    solo = Solo()
    solo.answered(WE_REFRESH, ALLOW_ALL)
    solo.wait(899.9)
    assert solo.sent() == []
    solo.wait(0.1)
    for _ in range(3):
        update = solo.request("UPDATE")
        assert update.body == b""
        assert update.headers.get("Session-Expires") == "1800;refresher=uac"
        solo.reply(update, 200, fields=(WE_REFRESH,))
        solo.wait(900)
    assert kinds(solo.events) == ["Answered"]


def test_we_refresh_by_the_same_offer_where_update_is_unknown() -> None:
    solo = Solo()
    solo.answered(WE_REFRESH)
    solo.agent.offer(1, [IMAGE], solo.now)
    switch = solo.request("INVITE")
    solo.reply(switch, 200, body=sdp(IMAGE), fields=(WE_REFRESH,))
    solo.request("ACK")
    for answer in (sdp(IMAGE), b"", b"nonsense"):
        solo.wait(900)
        refresh = solo.request("INVITE")
        assert refresh.body == switch.body
        solo.reply(refresh, 200, body=answer, fields=(WE_REFRESH,))
        solo.request("ACK")
    assert kinds(solo.events) == ["Answered", "MediaChanged"]


def test_a_refresh_that_brings_a_new_address_is_told() -> None:
    solo = Solo()
    solo.answered(WE_REFRESH)
    solo.wait(900)
    moved = sdp(AUDIO, version=2).replace(b"c=IN IP4 192.0.2.2", b"c=IN IP4 192.0.2.77")
    solo.reply(solo.request("INVITE"), 200, body=moved, fields=(WE_REFRESH,))
    changed = solo.events[-1]
    assert isinstance(changed, MediaChanged)
    assert changed.ours
    assert changed.remote.address == "192.0.2.77"


@pytest.mark.parametrize("status", [405, 488, 501])
def test_a_refused_update_is_followed_by_an_invite_and_not_tried_again(status: int) -> None:
    solo = Solo()
    solo.answered(WE_REFRESH, ALLOW_ALL)
    solo.wait(900)
    solo.reply(solo.request("UPDATE"), status)
    solo.reply(solo.request("INVITE"), 200, body=sdp(), fields=(WE_REFRESH, ALLOW_ALL))
    solo.request("ACK")
    solo.wait(900)
    solo.request("INVITE")
    assert kinds(solo.events) == ["Answered"]


@pytest.mark.parametrize(("status", "fields"), [(491, ()), (500, (("Retry-After", "3"),))])
def test_glare_says_nothing_against_update(status: int, fields: tuple[tuple[str, str], ...]) -> None:
    solo = Solo()
    solo.answered(WE_REFRESH, ALLOW_ALL)
    solo.wait(900)
    solo.reply(solo.request("UPDATE"), status, fields=fields)
    solo.wait(5)
    solo.reply(solo.request("UPDATE"), 200, fields=(WE_REFRESH, ALLOW_ALL))
    assert kinds(solo.events) == ["Answered"]


def test_an_update_that_is_swallowed_is_followed_by_an_invite() -> None:
    solo = Solo()
    solo.answered(WE_REFRESH, ALLOW_ALL)
    solo.wait(900)
    solo.request("UPDATE")
    solo.wait(32)
    invite = solo.sent()[-1]
    assert isinstance(invite, Request)
    assert invite.method == "INVITE"


@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_at_a_far_end_that_forgot_the_call_ends_it(status: int) -> None:
    solo = Solo()
    solo.answered(WE_REFRESH, ALLOW_ALL)
    solo.wait(900)
    solo.reply(solo.request("UPDATE"), status)
    assert solo.request("BYE")
    assert str(status) in ended(solo.events).reason


def test_refused_refreshes_are_repeated_until_the_session_expires() -> None:
    solo = Solo()
    solo.answered(("Session-Expires", "120;refresher=uac"))
    solo.wait(60)
    for _ in range(6):
        solo.reply(solo.request("INVITE"), 500)
        solo.request("ACK")
        solo.wait(5 if solo.now < 1085 else 3)
    # 88 s: shortly before the end of the 120.
    solo.request("BYE")
    assert "expired" in ended(solo.events).reason


def test_a_refresh_waits_for_an_offer_of_ours() -> None:
    solo = Solo()
    solo.answered(WE_REFRESH)
    solo.wait(898)
    solo.agent.offer(1, [IMAGE], solo.now)
    invite = solo.request("INVITE")
    solo.reply(invite, 100)
    solo.wait(3)
    assert solo.sent() == []
    # Its 2xx refreshes as well.
    solo.reply(invite, 200, body=sdp(IMAGE), fields=(WE_REFRESH,))
    solo.request("ACK")
    solo.wait(899)
    assert solo.sent() == []
    solo.wait(1)
    solo.request("INVITE")


# --- theirs -------------------------------------------------------------------------------------------------


def test_a_session_that_they_do_not_refresh_is_ended_shortly_before_it_expires() -> None:
    solo = Solo()
    solo.answered(THEY_REFRESH)
    solo.wait(1767)
    assert solo.sent() == []
    solo.wait(1)
    bye = solo.request("BYE")
    assert "expired" in ended(solo.events).reason
    solo.reply(bye, 200)
    solo.wait(64)
    assert solo.agent.idle


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("body", [sdp(AUDIO), b""])
def test_their_refresh_changes_nothing(method: str, body: bytes) -> None:
    solo = Solo()
    invite, ok = solo.answered(THEY_REFRESH)
    for number in range(1, 4):
        solo.wait(900)
        solo.ask_within(ok, method, number, body, fields=(WE_REFRESH, TIMER))
        answer = solo.response()
        assert (answer.status, answer.headers.get("Session-Expires")) == (200, "1800;refresher=uac")
        if method == "INVITE" and not body:
            assert answer.body == invite.body
        solo.ask_within(ok, "ACK", number, b"" if body else sdp(AUDIO))
    described = [event for event in solo.events if isinstance(event, MediaChanged)]
    # The first answer of ours has another port than our offer had; after it nothing changes.
    assert len(described) == (1 if body else 0)


def test_an_invite_without_the_header_ends_their_refreshing_but_not_ours() -> None:
    solo = Solo()
    _, ok = solo.answered(THEY_REFRESH)
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE))
    assert solo.response().headers.get("Session-Expires") is None
    solo.ask_within(ok, "ACK", 1)
    solo.wait(3600)
    assert solo.sent() == []
    solo = Solo()
    _, ok = solo.answered(WE_REFRESH, ALLOW_ALL)
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE), fields=(ALLOW_ALL,))
    assert solo.response().headers.get("Session-Expires") == "1800;refresher=uas"
    solo.ask_within(ok, "ACK", 1)
    solo.wait(900)
    solo.request("UPDATE")


def test_an_answer_without_the_header_ends_the_timer() -> None:
    solo = Solo(session_timers=BY_US)
    solo.answered()
    solo.wait(4000)
    assert solo.sent() == []


# --- both of ours -------------------------------------------------------------------------------------------


def long_call(link: Link, seconds: float) -> None:
    answering(link)
    call = link.alice.place(call_request(), link.now)
    link.run(5)
    link.bob.offer(1, [IMAGE], link.now)
    link.run(seconds)
    link.alice.hang_up(call, link.now)
    link.run()


@pytest.mark.parametrize("timers", [BY_US, BY_THEM])
@pytest.mark.parametrize("of_bob", [False, True])
def test_two_agents_keep_a_call_for_hours(timers: SessionTimers, of_bob: bool) -> None:
    link = Link(bobs_timers=timers) if of_bob else Link(alices_timers=timers)
    long_call(link, 6 * 3600)
    updates = [link.said(side).count("UPDATE") for side in (ALICE, BOB)]
    assert sorted(updates) == [0, 23]
    assert updates.index(23) == int(of_bob == (timers is BY_US))
    assert kinds(link.events[ALICE]) == ["Ringing", "Answered", "MediaChanged", "Ended"]
    assert link.idle


def test_a_call_whose_line_has_died_is_over_on_both_sides() -> None:
    link = Link(alices_timers=BY_US)
    answering(link)
    link.alice.place(call_request(), link.now)
    link.run(5)
    link.lose = lambda number, data: True
    link.run(4000)
    assert "408" in ended(link.events[ALICE]).reason
    assert "expired" in ended(link.events[BOB]).reason
    assert link.idle


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("timers", [BY_US, BY_THEM])
def test_refreshes_survive_the_loss_of_every_fifth_message(timers: SessionTimers, seed: int) -> None:
    dice = Random(seed)
    link = Link(lose=lambda number, data: dice.random() < 0.2, seed=seed, alices_timers=timers)
    long_call(link, 6 * 3600)
    assert [kind for kind in kinds(link.events[ALICE]) if kind != "Ringing"] == [
        "Answered",
        "MediaChanged",
        "Ended",
    ]
    assert isinstance(ending := link.events[BOB][-1], Ended)
    assert ending.remote
    assert link.idle


def test_the_answer_to_a_refresh_repeats_the_description_with_its_version() -> None:
    solo = Solo()
    _, ok = solo.answered(THEY_REFRESH)
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE))
    first = solo.response()
    solo.ask_within(ok, "ACK", 1)
    for number, method in ((2, "INVITE"), (3, "UPDATE")):
        solo.ask_within(ok, method, number, sdp(IMAGE, version=number))
        again = solo.response()
        assert isinstance(again, Response)
        assert again.body == first.body
        assert SessionDescription.parse(again.body).origin.version == 2


def test_a_late_answer_to_our_offer_keeps_no_timer_running_for_a_call_that_is_over() -> None:
    """Nor sends a refresh within a dialog that both have forgotten."""
    solo = Solo(session_timers=BY_US)
    solo.answered(ALLOW_ALL, WE_REFRESH)
    solo.agent.offer(1, [IMAGE], solo.now)
    offer = solo.request("INVITE")
    solo.agent.hang_up(1, solo.now)
    solo.reply(solo.request("BYE"), 200)
    solo.reply(offer, 200, body=sdp(IMAGE), fields=(ALLOW_ALL, WE_REFRESH))
    assert solo.request("ACK").cseq.number == offer.cseq.number
    solo.wait(900)
    assert solo.sent() == []
    assert solo.agent.idle
    assert solo.agent.next_deadline() is None

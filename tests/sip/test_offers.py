"""OfferAnswer within a call: re-INVITE and UPDATE, both ways, and when they meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sip.line import Answerer, Ended, Incoming, LineEvent, MediaChanged, OfferDeclined, OfferRefused
from sip.syntax.message import Request, Response
from sip.syntax.sdp import Attribute, MediaDescription, SessionDescription
from sip.values import Hop
from tests.sip.link import ALICE, AUDIO, BOB, CREDENTIALS, IMAGE, Link, call_request, mirror
from tests.sip.solo import Solo, sdp
from tests.sip.test_agent import answering, kinds
from tests.sip.test_early import reliable
from tests.sweep import sweep


def version_of(message: Request | Response) -> int:
    return SessionDescription.parse(message.body).origin.version


def in_call(answerer: Answerer = mirror) -> tuple[Solo, Response]:
    """A call of the agent's that is up; returns the 200 that made it so."""
    solo = Solo()
    invite = solo.place(call_request(answerer=answerer))
    ok = solo.reply(invite, 200, body=sdp())
    solo.request("ACK")
    solo.events.clear()
    return solo, ok


def the_response(solo: Solo) -> Response:
    (found,) = solo.sent()
    assert isinstance(found, Response)
    return found


# --- theirs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_of_theirs_is_answered_at_once(method: str) -> None:
    solo, ok = in_call()
    solo.ask_within(ok, method, 1, sdp(IMAGE, version=2))
    answer = the_response(solo)
    assert answer.status == 200
    assert answer.headers.get("Contact") == "<sip:alice@192.0.2.1:5060>"
    assert version_of(answer) == 2
    (changed,) = solo.events
    assert isinstance(changed, MediaChanged)
    assert changed.remote.media == (IMAGE,)
    assert changed.local == SessionDescription.parse(answer.body)
    assert not changed.ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive"), ("SendRecv", None)],
)
def test_a_hold_is_answered_as_such_and_ends_with_them(theirs: str, ours: str | None) -> None:
    """RFC 3264 6.1."""
    solo, ok = in_call()
    held = replace(IMAGE, attributes=(*IMAGE.attributes, Attribute(theirs)))
    solo.agent.answer_with(1, lambda offer: [IMAGE], solo.now)
    solo.ask_within(ok, "INVITE", 1, sdp(held))
    (media,) = SessionDescription.parse(the_response(solo).body).media
    assert media == (replace(IMAGE, attributes=(*IMAGE.attributes, Attribute(ours))) if ours else IMAGE)
    solo.ask_within(ok, "ACK", 1)
    solo.ask_within(ok, "INVITE", 2)
    assert SessionDescription.parse(the_response(solo).body).media == (IMAGE,)
    solo.ask_within(ok, "ACK", 2, sdp())


def test_a_stream_that_we_refuse_has_no_direction() -> None:
    solo, ok = in_call()
    solo.agent.answer_with(1, lambda offer: [IMAGE, replace(AUDIO, port=0)], solo.now)
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE, replace(AUDIO, attributes=(Attribute("inactive"),))))
    assert SessionDescription.parse(the_response(solo).body).media == (IMAGE, replace(AUDIO, port=0))


def test_a_refresh_with_the_same_offer_leaves_our_version() -> None:
    solo, ok = in_call()
    versions = []
    for number in range(1, 4):
        solo.ask_within(ok, "INVITE", number, sdp(IMAGE))
        versions.append(version_of(the_response(solo)))
        solo.ask_within(ok, "ACK", number)
    assert versions == [2, 2, 2]


def test_a_refresh_without_offer_is_offered_what_holds() -> None:
    solo, ok = in_call()
    solo.ask_within(ok, "UPDATE", 1)
    assert the_response(solo).body == b""
    solo.ask_within(ok, "INVITE", 2)
    offer = the_response(solo)
    assert SessionDescription.parse(offer.body).media == (AUDIO,)
    assert version_of(offer) == 1
    # While our offer is open, theirs has to wait.
    solo.ask_within(ok, "INVITE", 3, sdp(IMAGE))
    assert the_response(solo).status == 491
    solo.ask_within(ok, "ACK", 2, sdp(AUDIO, version=2))
    (changed,) = solo.events
    assert isinstance(changed, MediaChanged)
    assert changed.ours
    assert changed.remote.origin.version == 2
    assert solo.sent() == []


class Both:
    """An answerer that offers T.38 beside the audio that holds, where it may."""

    def __init__(self, *more: MediaDescription) -> None:
        self._more = more

    def __call__(self, offer: SessionDescription) -> tuple[MediaDescription, ...]:
        return mirror(offer)

    def offer(self, held: Sequence[MediaDescription]) -> tuple[MediaDescription, ...]:
        return (*held, *self._more)


def test_a_far_end_that_leaves_the_offer_to_us_gets_what_the_call_would_have() -> None:
    solo, ok = in_call(Both(IMAGE))
    solo.ask_within(ok, "INVITE", 1)
    offer = the_response(solo)
    assert SessionDescription.parse(offer.body).media == (AUDIO, IMAGE)
    assert version_of(offer) == 2
    refused = replace(AUDIO, port=0)
    solo.ask_within(ok, "ACK", 1, sdp(refused, IMAGE, version=2))
    (changed,) = solo.events
    assert isinstance(changed, MediaChanged)
    assert (changed.local.media, changed.remote.media) == ((AUDIO, IMAGE), (refused, IMAGE))


class TooShort(Both):
    def offer(self, held: Sequence[MediaDescription]) -> tuple[MediaDescription, ...]:
        return ()


class Faulty(Both):
    def offer(self, held: Sequence[MediaDescription]) -> tuple[MediaDescription, ...]:
        raise RuntimeError("a mistake of the caller")


@pytest.mark.parametrize(
    "answerer", [TooShort(), Faulty(), Both(replace(IMAGE, attributes=(Attribute("x", "a\r\nb"),)))]
)
def test_an_offer_that_cannot_be_made_so_is_what_holds(answerer: Answerer) -> None:
    solo, ok = in_call(answerer)
    solo.ask_within(ok, "INVITE", 1)
    assert SessionDescription.parse(the_response(solo).body).media == (AUDIO,)


def refusing(offer: SessionDescription) -> None:
    """An answerer that takes nothing."""


def failing(offer: SessionDescription) -> tuple[MediaDescription, ...]:
    raise RuntimeError("a mistake of the caller")


def short(offer: SessionDescription) -> tuple[MediaDescription, ...]:
    return ()


def unwritable(offer: SessionDescription) -> tuple[MediaDescription, ...]:
    return (MediaDescription("audio\r\nm=evil", 1, "RTP/AVP", ("0",)),)


@pytest.mark.parametrize("answerer", [refusing, failing, short, unwritable])
def test_an_offer_that_the_call_does_not_answer_is_refused_and_the_call_goes_on(answerer: Answerer) -> None:
    solo, ok = in_call(answerer)
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE))
    assert the_response(solo).status == 488
    assert [type(event) for event in solo.events] == [OfferDeclined]
    solo.ask_within(ok, "INVITE", 2)
    offer = the_response(solo)
    assert SessionDescription.parse(offer.body).media == (AUDIO,)
    assert version_of(offer) == 1


def test_an_offer_that_cannot_be_read_is_refused() -> None:
    solo, ok = in_call()
    solo.ask_within(ok, "INVITE", 1, b"v=1\r\n")
    solo.ask_within(ok, "INVITE", 2, b"...", fields=(("Content-Type", "text/plain"),))
    bad, unknown = solo.sent()
    assert isinstance(bad, Response)
    assert isinstance(unknown, Response)
    assert (bad.status, unknown.status) == (488, 415)
    assert bad.headers.get("Warning") == '307 192.0.2.1 "Session description parameter not understood"'


@pytest.mark.parametrize(("media", "code"), [(IMAGE, "304"), (AUDIO, "305")])
def test_a_refusal_says_what_did_not_suit(media: MediaDescription, code: str) -> None:
    """No audio could be taken; of an image there never was any."""
    solo, ok = in_call(refusing)
    solo.ask_within(ok, "UPDATE", 1, sdp(media, version=2))
    refusal = the_response(solo)
    assert (refusal.status, (refusal.headers.get("Warning") or "")[:3]) == (488, code)


def test_a_new_offer_shows_that_the_last_answer_arrived() -> None:
    solo, ok = in_call()
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE))
    solo.ask_within(ok, "INVITE", 2, sdp(AUDIO))
    assert solo.statuses() == [200, 200]
    solo.ask_within(ok, "ACK", 2)
    solo.wait(40)
    assert solo.sent() == []
    assert solo.agent.calls == 1


def test_an_offer_that_overtakes_the_ack_of_the_call_is_answered() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    ok = solo.sent()[-1]
    solo.ask("INVITE", number=2, to=ok.headers.get("To") or "", body=sdp(IMAGE))
    assert solo.statuses() == [200]
    assert kinds(solo.events) == ["Incoming", "Answered", "MediaChanged"]


def test_an_answer_to_an_offer_that_nobody_acknowledges_ends_the_call() -> None:
    solo, ok = in_call()
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE))
    solo.wait(32)
    bye = solo.sent()[-1]
    assert isinstance(bye, Request)
    assert bye.method == "BYE"


# --- ours ---------------------------------------------------------------------------------------------------


def test_our_offer_is_acknowledged_and_reported() -> None:
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    invite = solo.request("INVITE")
    assert version_of(invite) == 2
    assert invite.to.tag == "bob"
    solo.reply(invite, 100)
    answer = solo.reply(invite, 200, body=sdp(IMAGE), contact="<sip:moved@192.0.2.2:5099>")
    ((_, destination),) = solo.agent.take_datagrams()
    assert destination == Hop("192.0.2.2", 5099)
    (changed,) = solo.events
    assert isinstance(changed, MediaChanged)
    assert changed.ours
    # A copy of the 2xx is acknowledged at the Contact and where it came from, and that is all.
    solo.say(answer)
    acks = solo.sent_to()
    assert [hop for _, hop in acks] == [destination, BOB]
    assert all(isinstance(ack, Request) and ack.uri == "sip:moved@192.0.2.2:5099" for ack, _ in acks)
    assert len(solo.events) == 1


def test_an_offer_waits_for_the_ack_of_the_call() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    ok = solo.sent()[-1]
    solo.agent.offer(1, [IMAGE], solo.now)
    assert solo.sent() == []
    solo.ask("ACK", to=ok.headers.get("To") or "")
    assert b"m=image" in solo.request("INVITE").body


def test_an_offer_waits_for_the_one_before() -> None:
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    solo.agent.offer(1, [AUDIO], solo.now)
    first = solo.request("INVITE")
    solo.reply(first, 200, body=sdp(IMAGE))
    ack, second = solo.sent()
    assert isinstance(ack, Request)
    assert isinstance(second, Request)
    assert (ack.method, second.method) == ("ACK", "INVITE")
    assert [version_of(each) for each in (first, second)] == [2, 3]


@pytest.mark.parametrize("status", [400, 415, 488, 500, 606])
def test_a_refused_offer_leaves_the_call(status: int) -> None:
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    solo.reply(solo.request("INVITE"), status)
    assert solo.events == [OfferRefused(1, status, "Because")]
    solo.request("ACK")
    solo.agent.offer(1, [AUDIO], solo.now)
    assert version_of(solo.request("INVITE")) == 1
    assert solo.agent.calls == 1


@pytest.mark.parametrize("status", [408, 481])
def test_an_offer_to_a_far_end_that_forgot_the_call_ends_it(status: int) -> None:
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    solo.reply(solo.request("INVITE"), status)
    (ended,) = solo.events
    assert isinstance(ended, Ended)
    assert not ended.remote
    assert str(status) in ended.reason
    _, bye = solo.sent()
    assert isinstance(bye, Request)
    solo.reply(bye, 481)
    solo.wait(64)
    assert solo.agent.idle


@pytest.mark.parametrize("provisional", [True, False])
def test_an_offer_that_is_never_answered_ends_the_call(provisional: bool) -> None:
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    if provisional:
        solo.reply(solo.request("INVITE"), 100)
    solo.wait(32)
    assert kinds(solo.events) == ["Ended"]
    solo.wait(64)
    assert solo.agent.idle


def test_an_unreadable_answer_to_our_offer_ends_the_call() -> None:
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    solo.reply(solo.request("INVITE"), 200, body=b"nonsense")
    assert kinds(solo.events) == ["Ended"]


def test_an_offer_is_forgotten_when_the_call_ends() -> None:
    solo, ok = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    invite = solo.request("INVITE")
    solo.ask_within(ok, "BYE", 1)
    assert solo.statuses() == [200]
    solo.reply(invite, 487)
    solo.request("ACK")
    assert kinds(solo.events) == ["Ended"]
    solo.wait(64)
    assert solo.agent.idle


def test_media_that_cannot_be_written_are_refused_before_they_are_sent() -> None:
    solo, _ = in_call()
    with pytest.raises(ValueError, match="cannot be part of an SDP line"):
        solo.agent.offer(1, unwritable(SessionDescription.parse(sdp())), solo.now)
    assert solo.sent() == []


@pytest.mark.parametrize("seconds", [0, 3, 10])
def test_a_500_with_retry_after_is_glare(seconds: int) -> None:
    """RFC 3261 14.2: the far end has not answered an earlier INVITE yet."""
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    solo.reply(solo.request("INVITE"), 500, fields=(("Retry-After", f"{seconds} (glare)"),))
    solo.request("ACK")
    solo.wait(max(seconds, 0.5) - 0.01)
    assert solo.sent() == []
    solo.wait(0.02)
    solo.reply(solo.request("INVITE"), 200, body=sdp(IMAGE))
    assert kinds(solo.events) == ["MediaChanged"]


@pytest.mark.parametrize("retry_after", [None, "11", "3600", "soon"])
def test_any_other_500_is_a_refusal(retry_after: str | None) -> None:
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    fields = () if retry_after is None else (("Retry-After", retry_after),)
    solo.reply(solo.request("INVITE"), 500, fields=fields)
    assert solo.events == [OfferRefused(1, 500, "Because")]


@pytest.mark.parametrize("status", [491, 500])
def test_glare_without_end_is_a_refusal_at_last(status: int) -> None:
    solo, _ = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    offers = 0
    while not solo.events:
        invites = [each for each in solo.sent() if isinstance(each, Request) and each.method == "INVITE"]
        for invite in invites:
            offers += 1
            solo.reply(invite, status, fields=(("Retry-After", "1"),))
        solo.wait(0.1)
    assert solo.events == [OfferRefused(1, status, "Because")]
    assert offers == 9


def test_an_offer_of_theirs_that_asks_for_something_else_leaves_ours() -> None:
    """A trunk that moves its audio while we ask for T.38: ours follows, with a line for each of theirs."""
    solo, ok = in_call()
    solo.agent.offer(1, [IMAGE], solo.now)
    solo.reply(solo.request("INVITE"), 491)
    solo.request("ACK")
    moved = replace(AUDIO, port=4002)
    solo.ask_within(ok, "INVITE", 1, sdp(moved, AUDIO, version=2))
    assert solo.statuses() == [200]
    solo.ask_within(ok, "ACK", 1)
    invite = solo.request("INVITE")
    first, second = SessionDescription.parse(invite.body).media
    assert (first, second.kind, second.port) == (IMAGE, "audio", 0)


# --- both at once -------------------------------------------------------------------------------------------


def offering_both(seed: int) -> Link:
    link = Link(seed=seed)
    answering(link)
    link.alice.place(call_request(), link.now)
    link.run(1)
    link.alice.offer(1, [IMAGE], link.now)
    link.bob.offer(1, [IMAGE], link.now)
    link.run(20)
    return link


@sweep(push=4, seed=range(10))
def test_offers_that_cross_are_refused_and_one_is_sent_again(seed: int) -> None:
    link = offering_both(seed)
    assert link.said(ALICE).count("491 INVITE") == link.said(BOB).count("491 INVITE") == 1
    # Bob does not own the Call-ID, so he is the first to try again; Alice then drops hers.
    assert (link.said(ALICE).count("INVITE"), link.said(BOB).count("INVITE")) == (2, 2)
    theirs, ours = link.events[ALICE][-1], link.events[BOB][-1]
    assert isinstance(theirs, MediaChanged)
    assert isinstance(ours, MediaChanged)
    assert (theirs.ours, ours.ours) == (False, True)
    assert kinds(link.events[ALICE]).count("MediaChanged") == 1


def test_the_back_off_depends_on_who_began_the_call() -> None:
    times: dict[Hop, list[float]] = {ALICE: [], BOB: []}
    for seed in range(40):
        for side in (ALICE, BOB):
            solo = Solo(seed=seed)
            if side == ALICE:
                solo.answered()
            else:
                solo.ask("INVITE", body=sdp())
                solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
                ok = solo.sent()[-1]
                solo.ask("ACK", to=ok.headers.get("To") or "")
            solo.agent.offer(1, [IMAGE], solo.now)
            solo.reply(solo.request("INVITE"), 491)
            solo.sent()
            begin = solo.now
            while not (sent := solo.sent()):
                solo.wait(0.01)
            assert isinstance(sent[0], Request)
            times[side].append(round(solo.now - begin, 2))
    assert min(times[ALICE]) >= 2.1
    assert max(times[ALICE]) <= 4.01
    assert max(times[BOB]) <= 2.01
    assert len(set(times[ALICE])) > 20


def test_two_calls_at_once_do_not_mix() -> None:
    link = Link()
    answers: list[LineEvent] = []

    def on_event(event: LineEvent) -> None:
        if isinstance(event, Incoming):
            media = [AUDIO] if event.call == 1 else [IMAGE]
            link.bob.accept(event.call, media, BOB.host, mirror, link.now)

    link.on_event[BOB] = on_event
    link.on_event[ALICE] = answers.append
    first = link.alice.place(call_request(), link.now)
    second = link.alice.place(call_request(media=[IMAGE]), link.now)
    link.run(1)
    link.alice.hang_up(first, link.now)
    link.run(10)
    assert [(type(each).__name__, each.call) for each in answers] == [
        ("Answered", first),
        ("Answered", second),
        ("Ended", first),
    ]
    link.alice.hang_up(second, link.now)
    link.run()
    assert link.idle


# --- reliable provisional responses to our re-INVITE --------------------------------------------------------


def test_a_reliable_response_to_a_reinvite_is_acknowledged_and_may_bring_the_answer() -> None:
    """RFC 3262 4, 5: every INVITE may have some. Without a PRACK the far end would give up after 32 s."""
    solo = Solo()
    solo.answered()
    solo.agent.offer(1, [IMAGE], solo.now)
    offer = solo.request("INVITE")
    solo.reply(offer, 183, body=sdp(IMAGE), fields=reliable(9))
    prack = solo.request("PRACK")
    assert prack.headers.get("RAck") == f"9 {offer.cseq}"
    solo.reply(offer, 183, body=sdp(IMAGE), fields=reliable(9))
    assert solo.sent() == []
    solo.reply(prack, 200)
    solo.reply(offer, 200)
    assert solo.request("ACK").cseq.number == offer.cseq.number
    changed = solo.events[-1]
    assert isinstance(changed, MediaChanged)
    assert changed.remote.media == (IMAGE,)
    assert solo.agent.calls == 1


def test_the_numbers_of_reliable_responses_begin_anew_with_each_invite() -> None:
    solo = Solo()
    solo.answered(credentials=CREDENTIALS)
    solo.agent.offer(1, [IMAGE], solo.now)
    offer = solo.request("INVITE")
    solo.reply(offer, 183, fields=reliable(9))
    solo.request("PRACK")
    solo.reply(offer, 401, fields=(("WWW-Authenticate", 'Digest realm="r", nonce="n1"'),))
    again = solo.sent()[-1]
    assert isinstance(again, Request)
    solo.reply(again, 183, fields=reliable(1))
    assert solo.request("PRACK").headers.get("RAck") == f"1 {again.cseq}"
    solo.reply(again, 200, body=sdp(IMAGE))
    solo.request("ACK")
    assert isinstance(solo.events[-1], MediaChanged)

"""Challenges: answered once, with the right count, in every request of a call."""

from __future__ import annotations

import pytest

from sip.line import CallRequest, Ended, Failed, OfferRefused
from sip.syntax.digest import Challenge, make_challenge, verify
from sip.syntax.message import Request
from tests.sip.link import CREDENTIALS, IMAGE, call_request
from tests.sip.solo import Solo, sdp
from tests.sip.test_agent import kinds
from tests.sip.test_digest import needs_sha_512_256

ASK = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}
ANSWER = {401: "Authorization", 407: "Proxy-Authorization"}


def with_credentials() -> CallRequest:
    return call_request(credentials=CREDENTIALS)


def challenge(solo: Solo, request: Request, status: int, what: Challenge) -> Request:
    """Challenge a request; returns its second attempt."""
    solo.reply(request, status, fields=((ASK[status], str(what)),))
    found = [each for each in solo.sent() if isinstance(each, Request) and each.method != "ACK"]
    assert [each.method for each in found] == [request.method]
    return found[0]


def good(request: Request, status: int, what: Challenge, *, used: int = 0) -> bool:
    return verify(
        request.headers.get(ANSWER[status]) or "",
        what,
        username="alice",
        password="secret",
        method=request.method,
        uri=request.uri,
        body=request.body,
        last_nonce_count=used,
    )


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize(
    "algorithm", ["MD5", "SHA-256", None, pytest.param("SHA-512-256", marks=needs_sha_512_256)]
)
def test_a_challenged_invite_is_sent_again_with_the_answer(status: int, algorithm: str | None) -> None:
    solo = Solo()
    first = solo.place(with_credentials())
    what = make_challenge("trunk", "n1", algorithm)
    second = challenge(solo, first, status, what)
    assert good(second, status, what)
    assert (second.call_id, second.headers.get("From"), second.headers.get("To")) == (
        first.call_id,
        first.headers.get("From"),
        first.headers.get("To"),
    )
    assert second.cseq.number == first.cseq.number + 1
    assert second.via.branch != first.via.branch
    assert second.body == first.body
    solo.reply(second, 200, body=sdp())
    ack = solo.request("ACK")
    assert ack.headers.get(ANSWER[status]) == second.headers.get(ANSWER[status])
    assert ack.cseq.number == second.cseq.number
    assert kinds(solo.events) == ["Answered"]


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_that_cannot_be_answered_is_reported(status: int) -> None:
    solo = Solo()
    solo.reply(
        solo.place(with_credentials()),
        status,
        fields=((ASK[status], str(make_challenge("t", "n", "SHA-3"))),),
    )
    (failed,) = solo.events
    assert isinstance(failed, Failed)
    assert "the digest algorithm SHA-3" in (failed.unanswered or "")


def test_each_realm_must_be_answerable() -> None:
    solo = Solo()
    known, unknown = make_challenge("one", "n1"), make_challenge("other", "n2", "SHA-3")
    solo.reply(solo.place(with_credentials()), 407, fields=((ASK[407], f"{known}, {unknown}"),))
    (failed,) = solo.events
    assert isinstance(failed, Failed)
    assert "the digest algorithm SHA-3" in (failed.unanswered or "")


def test_without_credentials_a_challenge_is_a_failure() -> None:
    solo = Solo()
    solo.reply(solo.place(), 407, fields=((ASK[407], str(make_challenge("trunk", "n1"))),))
    (failed,) = solo.events
    assert isinstance(failed, Failed)
    assert failed.status == 407


@pytest.mark.parametrize("nonce", ["n1", "n2"])
def test_wrong_credentials_are_tried_once(nonce: str) -> None:
    solo = Solo()
    second = challenge(solo, solo.place(with_credentials()), 407, make_challenge("trunk", "n1"))
    solo.reply(second, 407, fields=((ASK[407], str(make_challenge("trunk", nonce))),))
    solo.request("ACK")
    assert kinds(solo.events) == ["Failed"]


def test_a_stale_nonce_is_answered_anew_but_not_for_ever() -> None:
    solo = Solo()
    request = challenge(solo, solo.place(with_credentials()), 407, make_challenge("trunk", "n0"))
    for number in range(1, 8):
        what = make_challenge("trunk", f"n{number}", stale=True)
        request = challenge(solo, request, 407, what)
        assert good(request, 407, what)
    solo.reply(request, 407, fields=((ASK[407], str(make_challenge("trunk", "n8", stale=True))),))
    assert kinds(solo.events) == ["Failed"]


def test_a_proxy_and_the_server_behind_it_may_both_ask() -> None:
    solo = Solo()
    outer, inner = make_challenge("proxy", "p1"), make_challenge("server", "s1", "SHA-256")
    second = challenge(solo, solo.place(with_credentials()), 407, outer)
    third = challenge(solo, second, 401, inner)
    assert good(third, 407, outer, used=1)
    assert good(third, 401, inner)


@pytest.mark.parametrize("in_one_field", [False, True])
def test_of_several_algorithms_the_strongest_known_is_chosen(in_one_field: bool) -> None:
    """RFC 3261 22.1, RFC 8760 2.4; some put all challenges into one field, as HTTP allows."""
    solo = Solo()
    known = make_challenge("trunk", "n2", "SHA-256")
    offers = [
        str(make_challenge("trunk", "n1", "SHA-3")),
        'Basic realm="trunk"',
        str(make_challenge("trunk", "n3")),
        str(known),
    ]
    values = [", ".join(offers)] if in_one_field else offers
    solo.reply(solo.place(with_credentials()), 401, fields=tuple((ASK[401], value) for value in values))
    second = solo.sent()[-1]
    assert isinstance(second, Request)
    assert good(second, 401, known)


def test_one_field_may_hold_the_challenges_of_two_proxies() -> None:
    """RFC 3261 22.3: a proxy that forked gathers the challenges of all branches."""
    solo = Solo()
    one, other = make_challenge("one", "n1"), make_challenge("other", "n2", "SHA-256")
    solo.reply(solo.place(with_credentials()), 407, fields=((ASK[407], f"{one}, {other}"),))
    second = solo.sent()[-1]
    assert isinstance(second, Request)
    answers = second.headers.get_all(ANSWER[407])
    assert [Challenge.parse(answer).realm for answer in answers] == ["one", "other"]


@pytest.mark.parametrize(
    "weaker", [make_challenge("trunk", "n2", stale=True), Challenge("trunk", "n2", "SHA-256", stale=True)]
)
def test_nobody_talks_us_down_to_a_weaker_answer(weaker: Challenge) -> None:
    solo = Solo()
    strong = make_challenge("trunk", "n1", "SHA-256")
    second = challenge(solo, solo.place(with_credentials()), 401, strong)
    assert good(second, 401, strong)
    solo.reply(second, 401, fields=((ASK[401], str(weaker)),))
    solo.request("ACK")
    assert kinds(solo.events) == ["Failed"]


@pytest.mark.parametrize(
    "value", ["Basic realm=x", "Digest realm=x", "Digest", 'Digest realm="x", nonce="y", algorithm=FOO']
)
def test_a_challenge_that_we_cannot_answer_is_a_failure(value: str) -> None:
    solo = Solo()
    solo.reply(solo.place(with_credentials()), 401, fields=((ASK[401], value),))
    assert kinds(solo.events) == ["Failed"]


def test_later_requests_of_the_call_are_signed_unasked_and_may_be_challenged_again() -> None:
    solo = Solo()
    what = make_challenge("trunk", "n1")
    second = challenge(solo, solo.place(with_credentials()), 407, what)
    solo.reply(second, 200, body=sdp())
    solo.sent()
    solo.agent.offer(1, [IMAGE], solo.now)
    reinvite = solo.request("INVITE")
    assert good(reinvite, 407, what, used=1)
    fresh = make_challenge("trunk", "n2")
    again = challenge(solo, reinvite, 407, fresh)
    assert good(again, 407, fresh)
    solo.reply(again, 200, body=sdp(IMAGE))
    solo.sent()
    solo.agent.hang_up(1, solo.now)
    bye = solo.request("BYE")
    assert good(bye, 407, fresh, used=1)
    last = make_challenge("trunk", "n3", stale=True)
    assert good(challenge(solo, bye, 407, last), 407, last)
    assert kinds(solo.events) == ["Answered", "MediaChanged"]
    assert solo.agent.calls == 1


def test_an_offer_that_is_challenged_in_vain_is_refused() -> None:
    solo = Solo()
    solo.answered()
    solo.agent.offer(1, [IMAGE], solo.now)
    solo.reply(solo.request("INVITE"), 407, fields=((ASK[407], str(make_challenge("trunk", "n1"))),))
    assert solo.events[1:] == [OfferRefused(1, 407, "Because")]


def test_a_bye_that_is_challenged_in_vain_ends_the_call_all_the_same() -> None:
    solo = Solo()
    solo.answered()
    solo.agent.hang_up(1, solo.now, reason="enough")
    solo.reply(solo.request("BYE"), 401, fields=((ASK[401], str(make_challenge("trunk", "n1"))),))
    assert solo.events[1:] == [Ended(1, False, "enough")]


def test_after_a_hang_up_no_challenge_is_answered() -> None:
    solo = Solo()
    invite = solo.place(with_credentials())
    solo.agent.hang_up(1, solo.now)
    solo.reply(invite, 407, fields=((ASK[407], str(make_challenge("trunk", "n1"))),))
    solo.request("ACK")
    assert solo.events == [Failed(1, 487, "Request Terminated", local=True)]


def test_the_cancel_of_a_repeated_invite_waits_for_its_own_provisional_response() -> None:
    solo = Solo()
    first = solo.place(with_credentials())
    solo.reply(first, 100)
    second = challenge(solo, first, 407, make_challenge("trunk", "n1"))
    solo.agent.hang_up(1, solo.now)
    assert solo.sent() == []
    solo.reply(second, 100)
    assert solo.request("CANCEL").cseq.number == second.cseq.number

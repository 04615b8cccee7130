"""Calls that come in through a registration."""

from __future__ import annotations

import pytest

from sip.line import Incoming, MediaChanged, OfferRefused
from sip.syntax.message import Response
from sip.values import Credentials, Hop
from tests.sip.besieged import CHALLENGE
from tests.sip.link import ALICE, AUDIO, BOB, CREDENTIALS, IMAGE, mirror
from tests.sip.solo import sdp
from tests.sip.test_registration import CONTACT, RegisteringSolo


def taken(solo: RegisteringSolo, source: Hop, credentials: Credentials | None = None) -> Response:
    """Take a call from there; returns our 200."""
    solo.ask("INVITE", to="<sip:fax@trunk.example>", body=sdp(), source=source)
    incoming = solo.events.pop()
    assert isinstance(incoming, Incoming)
    assert incoming.called == "sip:fax@trunk.example"
    solo.agent.accept(incoming.call, [AUDIO], ALICE.host, mirror, solo.now, credentials=credentials)
    ok = solo.sent()[-1]
    assert isinstance(ok, Response)
    solo.ask("ACK", to=ok.headers.get("To") or "", source=source)
    solo.events.clear()
    solo.agent.offer(incoming.call, [IMAGE], solo.now)
    return ok


def test_a_call_through_the_registration_is_taken() -> None:
    solo = RegisteringSolo()
    assert solo.bound().contact == CONTACT
    taken(solo, BOB)
    assert solo.request("INVITE").uri == f"sip:bob@{BOB.host}:{BOB.port}"


@pytest.mark.parametrize("port", [BOB.port, 5080])
def test_our_offer_is_challenged_where_we_are_registered(port: int) -> None:
    solo = RegisteringSolo()
    solo.bound()
    taken(solo, Hop(BOB.host, port))
    solo.reply(solo.request("INVITE"), 401, fields=(CHALLENGE,))
    _, again = solo.sent()
    assert 'username="alice"' in (again.headers.get("Authorization") or "")
    solo.reply(again, 200, body=sdp(IMAGE, version=2))
    assert [type(event) for event in solo.events] == [MediaChanged]


def test_our_offer_is_challenged_where_we_have_credentials_without_registration() -> None:
    solo = RegisteringSolo()
    taken(solo, BOB, CREDENTIALS)
    solo.reply(solo.request("INVITE"), 401, fields=(CHALLENGE,))
    _, again = solo.sent()
    assert 'username="alice"' in (again.headers.get("Authorization") or "")


def test_strangers_who_challenge_us_learn_nothing() -> None:
    solo = RegisteringSolo()
    solo.bound()
    taken(solo, Hop("192.0.2.99", 5060))
    solo.reply(solo.request("INVITE"), 401, fields=(CHALLENGE,))
    solo.request("ACK")
    (refused,) = solo.events
    assert isinstance(refused, OfferRefused)
    assert refused.status == 401

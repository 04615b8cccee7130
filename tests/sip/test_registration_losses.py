"""A registrar that is far away, and a network that loses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.syntax.digest import make_challenge
from sip.syntax.errors import UnsendableError
from sip.syntax.message import Headers, Request, Response, parse_message
from sip.syntax.uri import parse_uri
from sip.ua.registration_messages import Registered, Registering, RegistrationFailed, delta_seconds, granted
from tests.sip.test_registration import CONTACT, RegisteringSolo, contact_of


class Registrar:
    """Answers REGISTER with a challenge, then 200, as RFC 3261 10.3 has it; each datagram may be lost."""

    def __init__(self, solo: RegisteringSolo, lose: Callable[[int], bool]) -> None:
        self.solo = solo
        self.bindings: dict[str, float] = {}
        self._lose = lose
        self._carried = 0
        self._known: dict[str, bytes] = {}

    def run(self, seconds: float) -> None:
        end = self.solo.now + seconds
        while True:
            for data, _ in self.solo.agent.take_datagrams():
                if self._carry():
                    answer = self._answer(data)
                    if self._carry():
                        self.solo.hear(answer)
            when = self.solo.agent.next_deadline()
            if when is None or when > end:
                break
            self.solo.wait(max(when - self.solo.now, 0.0))
        self.solo.now = end

    def _carry(self) -> bool:
        self._carried += 1
        return not self._lose(self._carried - 1)

    def _answer(self, data: bytes) -> bytes:
        request = parse_message(data)
        assert isinstance(request, Request)
        key = str(request.via.branch)
        if key not in self._known:
            self._known[key] = bytes(self._respond(request))
        return self._known[key]

    def _respond(self, request: Request) -> Response:
        headers = Headers(
            (name, request.headers.get(name) or "") for name in ("Via", "From", "To", "Call-ID", "CSeq")
        )
        challenge = make_challenge("trunk", "n1")
        if "Authorization" not in request.headers:
            headers.add("WWW-Authenticate", str(challenge))
            return Response(401, "Unauthorized", headers)
        expires = int(contact_of(request).params["expires"] or "")
        self.bindings = {contact_of(request).uri: self.solo.now + expires} if expires else {}
        headers.add("Contact", request.headers.get("Contact") or "")
        return Response(200, "OK", headers)


@pytest.mark.parametrize("lost", range(8))
def test_any_message_may_be_lost_once(lost: int) -> None:
    solo = RegisteringSolo(expires=120)
    registrar = Registrar(solo, lambda number: number == lost)
    registrar.run(1000)
    assert registrar.bindings[CONTACT] > solo.now
    state = solo.agent.registrations.state(1)
    assert isinstance(state, Registered)
    assert state.until > solo.now
    assert not any(isinstance(each, RegistrationFailed) for each in solo.told())
    solo.agent.registrations.end(1, solo.now)
    registrar.run(40)
    assert registrar.bindings == {}
    assert solo.agent.idle


def test_a_registrar_that_is_away_for_ten_minutes_is_found_again() -> None:
    solo = RegisteringSolo(expires=120)
    registrar = Registrar(solo, lambda number: 300 < solo.now - 1000 < 900)
    registrar.run(890)
    assert isinstance(solo.agent.registrations.state(1), RegistrationFailed | Registering)
    registrar.run(1810)
    assert isinstance(solo.agent.registrations.state(1), Registered)
    assert registrar.bindings[CONTACT] > solo.now


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["Contact", "Expires", "Min-Expires", "Retry-After"]), st.text())),
    st.sampled_from([200, 299, 300, 401, 423, 503, 699]),
)
def test_whatever_a_registrar_answers_the_registration_lives_on(
    fields: list[tuple[str, str]], status: int
) -> None:
    solo = RegisteringSolo()
    request = solo.request("REGISTER")
    try:
        solo.reply(request, status, fields=tuple(fields))
    except UnsendableError:
        return
    state = solo.agent.registrations.state(1)
    if isinstance(state, Registering):
        # A 423 that asked for more, or an answer that was no SIP.
        assert status == 423 or not solo.told()[1:]
    assert solo.agent.next_deadline() is not None


@given(st.text())
def test_numbers_in_headers_are_read_or_not(text: str) -> None:
    assert 0 <= delta_seconds(text, 5) < 2**32


def test_the_only_contact_of_an_answer_is_taken_for_ours() -> None:
    response = Response(200, "OK", Headers([("Contact", "<sip:192.0.2.1>;expires=9")]))
    assert granted(response, parse_uri("sip:192.0.2.1:5060"), 60) == 9
    assert granted(response, parse_uri("sip:fax@192.0.2.2:5060"), 60) == 9  # the only one
    assert granted(response, parse_uri("sip:192.0.2.1:5061"), 60) == 9

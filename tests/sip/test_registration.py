"""Registration in simulated time: what is sent, when it is sent again, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from sip.line_settings import RegistrationSettings
from sip.syntax.digest import make_challenge, verify
from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.message import NameAddress, Request
from sip.ua.registration_messages import (
    Registered,
    Registering,
    RegistrationFailed,
    RegistrationRequest,
    RegistrationState,
    Unregistered,
)
from sip.values import Hop
from tests.sip.link import BOB, CREDENTIALS
from tests.sip.solo import Solo

CONTACT = "sip:fax@192.0.2.1:5060"
REQUEST = RegistrationRequest(
    RegistrationSettings("sip:trunk.example", "sip:fax@trunk.example", CREDENTIALS, 600), [BOB]
)
OTHER = Hop("192.0.2.3", 5060)


def changed(**changes: object) -> RegistrationRequest:
    """The request with other fields, of its own or of its settings."""
    of_settings = {name: changes.pop(name) for name in tuple(changes) if hasattr(REQUEST.settings, name)}
    settings = replace(REQUEST.settings, **of_settings)  # type: ignore[arg-type]
    return replace(REQUEST, settings=settings, **changes)  # type: ignore[arg-type]


class RegisteringSolo(Solo):
    """A user agent that registers with BOB, who is the test."""

    def __init__(self, **changes: object) -> None:
        super().__init__()
        self.states: list[RegistrationState] = []
        self.number = self.agent.registrations.begin(changed(**changes), self.now)

    def told(self) -> list[RegistrationState]:
        """Changes of state since the last look."""
        return self.agent.registrations.take_events()

    def accept(self, request: Request, *contacts: str, **fields: str) -> None:
        values = contacts or (request.headers.get("Contact") or "",)
        self.reply(
            request,
            200,
            fields=(
                *(("Contact", value) for value in values),
                *((name.replace("_", "-"), value) for name, value in fields.items()),
            ),
        )

    def bound(self) -> Registered:
        """Answer the first REGISTER with 200; returns the state."""
        self.accept(self.request("REGISTER"))
        state = self.told()[-1]
        assert isinstance(state, Registered)
        return state

    def wait_for_request(self) -> tuple[float, Request]:
        """Let time pass until the next REGISTER; returns how long that was, too."""
        begin = self.now
        when = self.agent.next_deadline()
        while when is not None:
            self.wait(when - self.now)
            sent = self.sent()
            if sent:
                (request,) = sent
                assert isinstance(request, Request)
                return self.now - begin, request
            when = self.agent.next_deadline()
        raise AssertionError("no request came")


def contact_of(request: Request) -> NameAddress:
    return request.contact


def test_a_register_says_who_and_where_and_for_how_long() -> None:
    solo = RegisteringSolo(features=(("+sip.fax", "t38"),))
    request = solo.request("REGISTER")
    assert request.uri == "sip:trunk.example"
    assert request.to == NameAddress("", "sip:fax@trunk.example")
    assert request.from_.uri == "sip:fax@trunk.example"
    assert request.from_.tag
    assert request.cseq.number == 1
    assert request.headers.get("Expires") == "600"
    # The value of a feature is quoted (RFC 3840 9), also where a token would do.
    assert request.headers.get("Contact") == f'<{CONTACT}>;+sip.fax="t38";expires=600'
    assert solo.told() == [Registering(1)]
    solo.accept(request, Service_Route="<sip:p1.example;lr>", Path="<sip:p2.example;lr>")
    assert solo.told() == [
        Registered(1, solo.now + 600, CONTACT, ("<sip:p1.example;lr>",), ("<sip:p2.example;lr>",), None)
    ]
    assert solo.agent.registrations.state(1) == Registered(
        1, solo.now + 600, CONTACT, ("<sip:p1.example;lr>",), ("<sip:p2.example;lr>",), None
    )


def test_a_challenge_is_answered_and_the_nonce_is_used_for_the_refresh() -> None:
    solo = RegisteringSolo()
    first = solo.request("REGISTER")
    what = make_challenge("trunk", "n1", "SHA-256")
    solo.reply(first, 401, fields=(("WWW-Authenticate", str(what)),))
    second = solo.request("REGISTER")
    assert second.cseq.number == 2
    assert second.call_id == first.call_id
    solo.accept(second)
    _, refresh = solo.wait_for_request()
    for used, request in enumerate((second, refresh)):
        assert verify(
            request.headers.get("Authorization") or "",
            what,
            username="alice",
            password="secret",
            method="REGISTER",
            uri=request.uri,
            last_nonce_count=used,
        )
    # The nonce has grown old meanwhile; that is no failure.
    fresh = make_challenge("trunk", "n2", stale=True)
    solo.reply(refresh, 407, fields=(("Proxy-Authenticate", str(fresh)),))
    solo.accept(solo.request("REGISTER"))
    assert [type(state) for state in solo.told()] == [Registering, Registered, Registered]


def test_a_wrong_password_is_told_and_tried_again_rarely() -> None:
    solo = RegisteringSolo()
    challenged = (("WWW-Authenticate", str(make_challenge("trunk", "n1"))),)
    solo.reply(solo.request("REGISTER"), 401, fields=challenged)
    solo.reply(solo.request("REGISTER"), 401, fields=challenged)
    failed = solo.told()[-1]
    assert isinstance(failed, RegistrationFailed)
    assert (failed.status, failed.reason) == (401, "the registrar responded 401 Because")
    assert 900 <= failed.retry_at - solo.now <= 1800
    solo.wait_for_request()
    assert solo.now == failed.retry_at


@pytest.mark.parametrize("seed", range(5))
def test_a_refresh_comes_at_eighty_to_ninety_percent(seed: int) -> None:
    solo = RegisteringSolo()
    solo.agent._core.random.seed(seed)
    solo.bound()
    waits = []
    for _ in range(4):
        waited, request = solo.wait_for_request()
        waits.append(waited)
        solo.accept(request)
    assert all(480 <= waited <= 540 for waited in waits)
    assert len(set(waits)) == 4
    assert {type(state) for state in solo.told()} == {Registered}


def test_a_registrar_that_wants_longer_bindings_gets_them() -> None:
    solo = RegisteringSolo()
    solo.reply(solo.request("REGISTER"), 423, fields=(("Min-Expires", "1800"),))
    longer = solo.request("REGISTER")
    assert longer.headers.get("Expires") == "1800"
    assert contact_of(longer).params["expires"] == "1800"
    solo.accept(longer)
    waited, _ = solo.wait_for_request()
    assert 1440 <= waited <= 1620


@pytest.mark.parametrize("least", ["600", "60", "x", "", "99999999999"])
def test_a_423_that_asks_for_nothing_more_is_a_failure(least: str) -> None:
    solo = RegisteringSolo()
    solo.reply(solo.request("REGISTER"), 423, fields=(("Min-Expires", least),) if least else ())
    assert solo.sent() == []
    assert isinstance(solo.told()[-1], RegistrationFailed)


@pytest.mark.parametrize(
    ("contacts", "expires", "seconds"),
    [
        (["<sip:other@10.0.0.1>;expires=7", f"<{CONTACT}>;expires=90", "<sip:x@h>;expires=5"], None, 90),
        ([f"<sip:other@10.0.0.1>;expires=7, <{CONTACT};transport=udp;ob>;q=0.5;expires=91"], None, 91),
        (["<sip:fax@192.0.2.1>;expires=92"], "7", 92),
        ([f"<{CONTACT}>"], "93", 93),
        ([f"<{CONTACT}>"], None, 600),
        ([f"<{CONTACT}>;expires=soon"], "94", 94),
        # One that the registrar rewrote.
        (["<sip:fax@203.0.113.9:40000>;expires=95"], "7", 95),
        (["<sip:a@h>;expires=1", "<sip:b@h>;expires=2"], "96", 96),
        ([], "97", 97),
        ([], None, 600),
        (["<<<", "tel:1", "*", f"<{CONTACT}>;expires=98"], None, 98),
    ],
)
def test_what_the_registrar_grants(contacts: list[str], expires: str | None, seconds: int) -> None:
    solo = RegisteringSolo()
    fields = [("Contact", value) for value in contacts]
    if expires is not None:
        fields.append(("Expires", expires))
    solo.reply(solo.request("REGISTER"), 200, fields=tuple(fields))
    state = solo.told()[-1]
    assert isinstance(state, Registered)
    assert state.until == solo.now + seconds


def test_to_be_accepted_for_no_time_is_a_failure() -> None:
    solo = RegisteringSolo()
    solo.accept(solo.request("REGISTER"), f"<{CONTACT}>;expires=0")
    failed = solo.told()[-1]
    assert isinstance(failed, RegistrationFailed)
    assert failed.status == 200


def test_without_an_answer_retries_wait_longer_and_longer() -> None:
    solo = RegisteringSolo()
    waits: list[float] = []
    while len(waits) < 10:
        before = solo.now
        solo.wait(32)
        failed = solo.told()[-1]
        assert isinstance(failed, RegistrationFailed)
        assert failed.status == 408
        waits.append(failed.retry_at - solo.now)
        # Eleven copies (RFC 3261 17.1.2.2), and each attempt is a new request.
        assert len(solo.sent()) == 11
        assert solo.now - before == 32
        solo.wait(waits[-1])
        assert solo.agent.registrations.state(1) == Registering(1)
    limits = [min(30 * 2**n, 1800) for n in range(10)]
    assert all(limit / 2 <= waited <= limit for waited, limit in zip(waits, limits, strict=True))
    assert all(later >= earlier * 0.5 for earlier, later in pairwise(waits))
    # Success forgets the failures.
    solo.accept(next(each for each in solo.sent() if isinstance(each, Request)))
    waited, _ = solo.wait_for_request()
    assert 480 <= waited <= 540
    solo.wait(32)
    failed = solo.told()[-1]
    assert isinstance(failed, RegistrationFailed)
    assert failed.retry_at - solo.now <= 30


@pytest.mark.parametrize(
    ("asked", "wait"),
    [("120", (120, 120)), ("5 (soon)", (5, 5)), ("999999", (3600, 3600)), ("0", (15, 30)), ("x", (15, 30))],
)
def test_retry_after_is_obeyed_within_limits(asked: str, wait: tuple[float, float]) -> None:
    solo = RegisteringSolo()
    solo.reply(solo.request("REGISTER"), 503, fields=(("Retry-After", asked),))
    failed = solo.told()[-1]
    assert isinstance(failed, RegistrationFailed)
    assert wait[0] <= failed.retry_at - solo.now <= wait[1]


def destinations(solo: RegisteringSolo) -> list[Hop]:
    """Where the agent sent to since the last look, without repeats."""
    return list(dict.fromkeys(hop for _, hop in solo.agent.take_datagrams()))


@pytest.mark.parametrize("how", ["no answer", "503"])
def test_a_dead_hop_is_left_for_the_next_one(how: str) -> None:
    solo = RegisteringSolo(destination=[BOB, OTHER])
    if how == "503":
        solo.reply(solo.request("REGISTER"), 503)
    else:
        solo.wait(3.9)
        assert destinations(solo) == [BOB]
        solo.wait(0.1)
    assert solo.told() == [Registering(1)]
    (second,) = solo.sent()
    assert isinstance(second, Request)
    solo.accept(second)
    assert isinstance(solo.told()[-1], Registered)
    # The refresh avoids the dead one only while it is thought dead.
    solo.wait(550)
    assert destinations(solo)[0] == BOB


def test_when_every_hop_is_dead_we_wait() -> None:
    solo = RegisteringSolo(destination=[BOB, OTHER])
    for _ in range(2):
        solo.reply(solo.request("REGISTER"), 503)
    failed = solo.told()[-1]
    assert isinstance(failed, RegistrationFailed)
    assert 15 <= failed.retry_at - solo.now <= 30
    solo.agent.registrations.redirect(1, [OTHER])
    solo.wait(30)
    assert destinations(solo) == [OTHER]


def test_an_end_removes_the_binding() -> None:
    solo = RegisteringSolo()
    solo.bound()
    solo.agent.registrations.end(1, solo.now)
    removal = solo.request("REGISTER")
    assert removal.headers.get("Expires") == "0"
    assert removal.headers.get("Contact") == f"<{CONTACT}>;expires=0"
    assert solo.told() == []
    solo.reply(removal, 200)
    assert solo.told() == [Unregistered(1)]
    solo.wait(5)
    assert solo.agent.idle
    assert solo.agent.next_deadline() is None
    assert solo.agent.registrations.state(1) == Unregistered(1)


def test_an_end_waits_for_the_answer_on_its_way() -> None:
    solo = RegisteringSolo()
    request = solo.request("REGISTER")
    solo.agent.registrations.end(1, solo.now)
    assert solo.sent() == []
    solo.accept(request)
    assert solo.request("REGISTER").headers.get("Expires") == "0"


@pytest.mark.parametrize("status", [403, 500])
def test_an_end_is_over_when_the_registrar_refused(status: int) -> None:
    solo = RegisteringSolo()
    request = solo.request("REGISTER")
    solo.agent.registrations.end(1, solo.now)
    solo.reply(request, status)
    assert solo.told() == [Registering(1), Unregistered(1)]
    assert solo.sent() == []


def test_an_end_between_retries_is_over_at_once_or_removes_what_may_be_left() -> None:
    never = RegisteringSolo()
    never.reply(never.request("REGISTER"), 503)
    never.agent.registrations.end(1, never.now)
    assert never.sent() == []
    assert never.told()[-1] == Unregistered(1)

    once = RegisteringSolo()
    once.bound()
    _, refresh = once.wait_for_request()
    once.reply(refresh, 503)
    once.agent.registrations.end_all(once.now)
    assert once.request("REGISTER").headers.get("Expires") == "0"
    # Of the answer nothing depends.
    once.wait(33)
    assert once.told()[-1] == Unregistered(1)
    assert once.agent.idle


def test_the_address_that_the_registrar_sees_may_become_our_contact() -> None:
    def see(solo: RegisteringSolo, request: Request, port: int) -> None:
        via = f"{request.headers.get('Via')};received=203.0.113.9".replace(";rport", f";rport={port}")
        request.headers.set("Via", via)
        solo.accept(request)

    solo = RegisteringSolo(follow_rport=True)
    see(solo, solo.request("REGISTER"), 40000)
    moved = solo.request("REGISTER")
    assert moved.headers.get_all("Contact") == [
        "<sip:fax@203.0.113.9:40000>;expires=600",
        f"<{CONTACT}>;expires=0",
    ]
    see(solo, moved, 40000)
    assert solo.sent() == []
    state = solo.told()[-1]
    assert isinstance(state, Registered)
    assert (state.contact, state.seen_from) == ("sip:fax@203.0.113.9:40000", ("203.0.113.9", 40000))
    _, refresh = solo.wait_for_request()
    assert refresh.headers.get_all("Contact") == ["<sip:fax@203.0.113.9:40000>;expires=600"]
    # A NAT that gives another port each time must not make us register without end.
    see(solo, refresh, 40001)
    see(solo, solo.request("REGISTER"), 40002)
    assert solo.sent() == []


def test_the_address_that_the_registrar_sees_is_only_told_otherwise() -> None:
    solo = RegisteringSolo()
    request = solo.request("REGISTER")
    request.headers.set("Via", f"{request.headers.get('Via')};received=203.0.113.9")
    solo.accept(request)
    state = solo.told()[-1]
    assert isinstance(state, Registered)
    assert (state.contact, state.seen_from) == (CONTACT, ("203.0.113.9", 5060))
    assert solo.sent() == []


def test_a_challenge_that_cannot_be_answered_is_reported() -> None:
    solo = RegisteringSolo()
    challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-3')
    solo.reply(solo.request("REGISTER"), 401, fields=(challenge,))
    failed = solo.told()[-1]
    assert isinstance(failed, RegistrationFailed)
    assert "401 Because: it asks for the digest algorithm SHA-3" in failed.reason


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"registrar": "trunk.example"}, ParseError),
        ({"identity": "fax"}, ParseError),
        ({"expires": 0}, ValueError),
        ({"registrar": "sip:bob.example?Subject=x"}, UnsendableError),
        ({"identity": "<sip:alice@bob.example;method=INVITE>"}, UnsendableError),
        ({"destination": []}, UnsendableError),
        ({"expires": 2**32}, ValueError),
        ({"headers": (("Contact", "<sip:x@h>"),)}, UnsendableError),
        ({"headers": (("X-Route", "a\r\nb"),)}, UnsendableError),
        ({"features": (("+sip fax", "a\r\nb"),)}, UnsendableError),
    ],
)
def test_what_cannot_be_sent_is_told_at_once(changes: dict[str, object], error: type[Exception]) -> None:
    solo = Solo()
    with pytest.raises(error):
        solo.agent.registrations.begin(changed(**changes), solo.now)
    assert solo.agent.idle
    assert solo.agent.next_deadline() is None
    assert solo.agent.registrations.take_events() == []

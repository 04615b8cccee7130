"""Who may call: by address, by password; what the others hear; and that they leave nothing behind."""

from __future__ import annotations

from ipaddress import ip_network
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.agent import UserAgent
from sip.line import Failed, Incoming
from sip.line_settings import Callers, parse_network
from sip.syntax.digest import Challenge, authorization
from sip.syntax.errors import ParseError
from sip.syntax.message import Headers, Request, Response, parse_message
from sip.ua.admission import Admission, Admit, Demand, Ignore, RefuseCaller
from sip.values import Credentials, Hop
from tests.sip.link import ALICE, AUDIO, BOB, CREDENTIALS, Link, call_request
from tests.sip.solo import Solo, sdp

STRANGER = Hop("203.0.113.66", 5060)
ACCOUNT = Credentials("alice", "secret")


def request(method: str = "INVITE", call_id: str = "c1", authorization: str | None = None) -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 203.0.113.66;branch=z9hG4bK1"),
            ("From", "<sip:x@h>;tag=1"),
            ("To", "<sip:y@h>"),
            ("Call-ID", call_id),
            ("CSeq", f"1 {method}"),
        ]
    )
    if authorization is not None:
        headers.add("Authorization", authorization)
    return Request(method, "sip:y@h", headers)


def answer(
    challenge: Challenge, *, name: str = "alice", password: str = "secret", uri: str = "sip:y@h"
) -> str:
    return authorization(challenge, username=name, password=password, method="INVITE", uri=uri, cnonce="abc")


# --- addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("192.0.2.77", True),
        ("::ffff:192.0.2.77", True),
        ("2001:db8:1::5", True),
        ("2001:db8:1::5%eth0", True),
        ("198.51.100.7", True),
        ("203.0.113.66", False),
        ("2001:db8:2::5", False),
        ("10.0.0.1", False),
        ("not an address", False),
    ],
)
def test_loopback_networks_and_peers_are_known(host: str, known: bool) -> None:
    networks = ("192.0.2.0/24", " 2001:db8:1::1/48 ")
    policy = Admission(Random(1), Callers(networks))
    policy.peers = frozenset({"198.51.100.7"})
    source = Hop(host, 5060)
    assert policy.admit(request(), source, 0.0) == (Admit() if known else Ignore())
    assert policy.silent(source) is not known
    # By setting, others are told, or admitted.
    loud = Admission(Random(1), Callers(networks, silent=False))
    loud.peers = policy.peers
    assert loud.admit(request(), source, 0.0) == (Admit() if known else RefuseCaller(403))
    assert not loud.silent(source)
    assert Admission(Random(1), Callers(("any",))).admit(request(), source, 0.0) == Admit()


@pytest.mark.parametrize(
    ("host", "stranger"), [("192.0.2.77", False), ("127.0.0.1", False), ("203.0.113.66", True)]
)
def test_who_is_admitted_only_because_everybody_is(host: str, stranger: bool) -> None:
    networks = ("192.0.2.0/24",)
    everybody, some = (Admission(Random(1), Callers(allow)) for allow in ((*networks, "any"), networks))
    assert everybody.admit(request(), Hop(host, 5060), 0.0) == Admit()
    assert everybody.stranger(Hop(host, 5060)) is stranger
    # With a password, or by address: nobody else gets so far.
    assert not some.stranger(Hop(host, 5060))


def test_one_address_is_a_network_and_nonsense_is_refused() -> None:
    assert parse_network("192.0.2.7") == ip_network("192.0.2.7/32")
    for text in ("", "trunk.example", "192.0.2.0/33", "1.2.3"):
        with pytest.raises(ValueError, match=r"is not a network; write 192\.0\.2\.0/24 or an address"):
            parse_network(text)


# --- passwords ----------------------------------------------------------------------------------------------


@pytest.fixture
def policy() -> Admission:
    return Admission(
        Random(1),
        Callers(
            accounts=(
                ACCOUNT,
                Credentials("bob", "b"),
            )
        ),
        realm="us",
    )


def demand(policy: Admission, now: float = 0.0, value: str | None = None) -> tuple[Challenge, ...]:
    verdict = policy.admit(request(authorization=value), STRANGER, now)
    assert isinstance(verdict, Demand)
    return verdict.challenges


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(("name", "password"), [("alice", "secret"), ("bob", "b")])
def test_the_answer_to_either_challenge_is_admitted(
    policy: Admission, which: int, name: str, password: str
) -> None:
    challenges = demand(policy)
    assert [each.algorithm for each in challenges] == ["SHA-256", "MD5"]
    assert {each.realm for each in challenges} == {"us"}
    value = answer(challenges[which], name=name, password=password)
    assert policy.admit(request(authorization=value), STRANGER, 59.0) == Admit()


def test_a_known_address_is_not_asked(policy: Admission) -> None:
    assert policy.admit(request(), Hop("127.0.0.1", 9), 0.0) == Admit()


def test_an_old_nonce_is_stale_and_no_more(policy: Admission) -> None:
    value = answer(demand(policy)[0])
    again = demand(policy, 61.0, value)
    assert all(each.stale for each in again)
    assert policy.admit(request(authorization=answer(again[1])), STRANGER, 61.0) == Admit()
    # With a wrong password it is only wrong.
    wrong = answer(demand(policy)[0], password="guess")
    assert not any(each.stale for each in demand(policy, 61.0, wrong))


@pytest.mark.parametrize("change", ["password", "name", "uri", "realm", "seal", "second", "forged"])
def test_what_is_not_right_is_challenged_again(policy: Admission, change: str) -> None:
    challenge = demand(policy)[1]
    nonce = challenge.nonce
    value = {
        "password": lambda: answer(challenge, password="Secret"),
        "name": lambda: answer(challenge, name="carol"),
        "uri": lambda: answer(challenge, uri="sip:z@h"),
        "realm": lambda: answer(Challenge("them", nonce, "MD5", ("auth",))),
        "seal": lambda: answer(Challenge("us", nonce[:-1] + "x", "MD5", ("auth",))),
        "second": lambda: answer(Challenge("us", "9" + nonce, "MD5", ("auth",))),
        "forged": lambda: answer(Challenge("us", "0", "MD5", ("auth",))),
    }[change]()
    assert not any(each.stale for each in demand(policy, 1.0, value))


def test_an_answer_is_good_for_its_call_and_its_caller_only(policy: Admission) -> None:
    value = answer(demand(policy)[0])
    for other, source in ((request(call_id="c2", authorization=value), STRANGER), (
        request(authorization=value), Hop("203.0.113.67", 5060)
    )):  # fmt: skip
        assert isinstance(policy.admit(other, source, 1.0), Demand)
    # Another agent's nonces are not ours.
    assert isinstance(
        Admission(Random(2), Callers(accounts=(ACCOUNT,)), realm="us").admit(
            request(authorization=value), STRANGER, 1.0
        ),
        Demand,
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | st.builds('Digest username="alice", nonce={!r}'.format, st.text()))
def test_no_header_is_taken_for_a_password(value: str) -> None:
    policy = Admission(Random(1), Callers(accounts=(ACCOUNT,)))
    try:
        asked = request(authorization=value)
    except ValueError:
        return
    assert isinstance(policy.admit(asked, STRANGER, 0.0), Demand)


# --- the agent ----------------------------------------------------------------------------------------------


class Guarded(Solo):
    """An agent with a policy; BOB is a stranger to it."""

    def __init__(self, policy: Admission) -> None:
        super().__init__()
        self.agent = UserAgent(
            contact_address=ALICE.address, user_agent="alice/1", random=Random(1), admission=policy
        )


BROKEN = (
    b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n",
    b"OPTIONS sip:alice@a.example SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bK1\r\n"
    b"From: <sip:x@h>;tag=1\r\nTo: <sip:x@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
)


def test_a_scanner_hears_nothing_and_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    solo = Guarded(Admission(Random(2), advice="; name it in the list"))
    for method in ("OPTIONS", "REGISTER", "INVITE", "BYE", "SUBSCRIBE", "CANCEL", "ACK", "NOTIFY"):
        solo.ask(method, body=sdp() if method == "INVITE" else b"")
        solo.ask(method, to="<sip:alice@a.example>;tag=guess")
    for data in BROKEN:
        solo.hear(data)
    assert solo.sent() == []
    assert solo.events == []
    assert solo.agent.idle
    assert solo.agent.next_deadline() is None
    # The one who runs it is told, once.
    for _ in range(3):
        solo.ask("INVITE", call_id=f"again-{_}", body=sdp())
    assert caplog.text.count("its address is not allowed; name it in the list\n") == 1


def test_without_silence_strangers_are_refused() -> None:
    solo = Guarded(Admission(Random(2), Callers(silent=False)))
    solo.ask("INVITE", body=sdp())
    solo.ask("OPTIONS")
    assert solo.statuses() == [403, 403]
    assert solo.agent.idle


def test_far_ends_of_our_own_calls_are_no_strangers() -> None:
    """Their address need not be known: they answer, and ask within the dialog."""
    solo = Guarded(Admission(Random(2)))
    _, ok = solo.answered()
    solo.ask_within(ok, "INVITE", 1, sdp(version=2))
    (answered,) = solo.sent()
    assert isinstance(answered, Response)
    assert answered.status in (200, 488)
    solo.ask_within(ok, "BYE", 3)
    assert 200 in solo.statuses()


@pytest.mark.parametrize("open", [True, False])
def test_a_call_says_whether_its_caller_is_a_stranger(open: bool) -> None:
    solo = Guarded(Admission(Random(1), Callers(("any",) if open else ("0.0.0.0/0",))))
    solo.ask("INVITE", body=sdp(AUDIO))
    (incoming,) = (event for event in solo.events if isinstance(event, Incoming))
    assert incoming.stranger is open


def test_a_caller_with_the_password_gets_through_and_one_without_does_not() -> None:
    for credentials, kind in ((CREDENTIALS, Incoming), (None, None), (Credentials("alice", "no"), None)):
        link = Link()
        link.bob._admission = Admission(Random(3), Callers(accounts=(ACCOUNT,)))
        call = link.alice.place(call_request(credentials=credentials, media=[AUDIO]), link.now)
        link.run(1.0)
        assert [type(event) for event in link.events[BOB]] == ([] if kind is None else [kind])
        if kind is None:
            (failed,) = link.events[ALICE]
            assert isinstance(failed, Failed)
            assert failed.status == 401
        link.alice.hang_up(call, link.now)
        link.run(100.0)
        assert link.idle


def test_a_flood_of_unknown_callers_makes_nothing_grow() -> None:
    solo = Guarded(Admission(Random(2), Callers(accounts=(ACCOUNT,))))
    for number in range(2000):
        solo.ask(
            "INVITE", call_id=f"flood-{number}", body=sdp(), source=Hop(f"203.0.113.{number % 250}", 5060)
        )
    assert set(solo.statuses()) == {401}
    assert solo.agent.idle
    assert solo.agent.next_deadline() is None


def test_the_challenge_of_a_repeated_request_can_be_answered() -> None:
    """An INVITE whose 401 was lost gets another; both are good."""
    solo = Guarded(Admission(Random(2), Callers(accounts=(ACCOUNT,))))
    asked = solo.ask("INVITE", body=sdp(), branch="z9hG4bK-same")
    solo.wait(1.5)
    solo.say(asked)
    first, second = solo.sent()
    assert isinstance(first, Response)
    assert isinstance(second, Response)
    assert first.to.tag == second.to.tag
    for number, response in ((2, first), (3, second)):
        challenge = Challenge.parse(response.headers.get_all("WWW-Authenticate")[0])
        value = authorization(
            challenge, username="alice", password="secret", method="INVITE", uri=asked.uri, cnonce="c"
        )
        solo.ask("INVITE", number=number, body=sdp(), fields=(("Authorization", value),))
    assert [type(event) for event in solo.events] == [Incoming, Incoming]


def test_broken_messages_are_what_the_test_says() -> None:
    for data in BROKEN:
        message = parse_message(data)
        assert isinstance(message, Request)
        with pytest.raises(ParseError):
            message.validate()

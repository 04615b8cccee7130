"""Calls that are sent elsewhere by 3xx (RFC 3261 8.1.3.4)."""

from __future__ import annotations

import pytest

from sip.line import Failed
from sip.syntax.message import Request
from sip.syntax.uri import parse_uri
from sip.ua.target import Target
from sip.values import Hop, Transport
from tests.sip.link import BOB, call_request
from tests.sip.solo import Solo, sdp
from tests.sip.test_agent import kinds

ELSEWHERE = "<sip:+15550199@192.0.2.50:5070>"
HOP = Hop("192.0.2.50", 5070)


class Caller(Solo):
    """Alice, and her last INVITE."""

    last_invite: Request

    def invites(self) -> list[tuple[str, Hop]]:
        """Target and hop of each INVITE since the last look."""
        found = []
        for message, hop in self.sent_to():
            if isinstance(message, Request) and message.method == "INVITE":
                self.last_invite = message
                found.append((message.uri, hop))
        return found


def redirected(*contacts: str, status: int = 302, **changes: object) -> tuple[Caller, Request]:
    """A call that was answered with 3xx; returns its first INVITE."""
    solo = Caller()
    invite = solo.place(call_request(**changes))
    fields = tuple(("Contact", contact) for contact in contacts[1:])
    solo.reply(invite, status, contact=contacts[0], fields=fields)
    return solo, invite


@pytest.mark.parametrize("status", [300, 301, 302])
def test_a_redirection_is_followed(status: int) -> None:
    solo, first = redirected(ELSEWHERE, status=status)
    _, again = solo.sent()
    assert isinstance(again, Request)
    assert again.uri == "sip:+15550199@192.0.2.50:5070"
    for name in ("From", "To", "Call-ID"):
        assert again.headers.get(name) == first.headers.get(name)
    assert again.cseq.number == 2
    assert again.body == first.body
    solo.reply(again, 200, body=sdp(), source=HOP)
    assert kinds(solo.events) == ["Answered"]


def test_better_targets_come_first_and_all_are_tried() -> None:
    solo, _ = redirected(
        "<sip:1@192.0.2.51>;q=0.2, <sip:2@192.0.2.52>;q=0.9", "<sip:3@192.0.2.53>", "<sip:4@192.0.2.54>;q=nan"
    )
    tried = []
    for _ in range(4):
        ((uri, hop),) = solo.invites()
        tried.append(uri)
        solo.reply(solo.last_invite, 486, source=hop)
    assert tried == ["sip:3@192.0.2.53", "sip:4@192.0.2.54", "sip:2@192.0.2.52", "sip:1@192.0.2.51"]
    failed = solo.events[-1]
    assert isinstance(failed, Failed)
    assert failed.status == 486


def test_of_very_many_contacts_only_the_first_are_looked_at() -> None:
    solo, _ = redirected("mailto:x@y, " * 64 + ELSEWHERE)
    assert solo.invites() == []
    assert kinds(solo.events) == ["Failed"]


def test_a_refusal_everywhere_ends_the_search() -> None:
    solo, _ = redirected("<sip:1@192.0.2.51>, <sip:2@192.0.2.52>")
    ((_, hop),) = solo.invites()
    solo.reply(solo.last_invite, 603, source=hop)
    assert solo.invites() == []
    assert kinds(solo.events) == ["Failed"]


def test_silence_leads_to_the_next_target() -> None:
    solo, _ = redirected("<sip:1@192.0.2.51>, <sip:2@192.0.2.52>")
    assert [uri for uri, _ in solo.invites()] == ["sip:1@192.0.2.51"]
    solo.wait(32)
    assert ("sip:2@192.0.2.52", Hop("192.0.2.52", 5060)) in solo.invites()
    solo.agent.unreachable(Hop("192.0.2.52", 5060), solo.now)
    failed = solo.agent.take_events()[-1]
    assert isinstance(failed, Failed)
    assert (failed.status, failed.local) == (503, True)


@pytest.mark.parametrize(
    "contact",
    [
        "<sips:1@192.0.2.51>",
        "<tel:+15550199>",
        "<mailto:fax@example.org>",
        "<sip:+15550100@bob.example>",
        "<sip:1@192.0.2.51",
        "<>",
        "nonsense",
    ],
)
def test_what_is_not_followed(contact: str) -> None:
    """Another scheme, the target itself, and what is no address."""
    solo, _ = redirected(contact)
    assert solo.invites() == []
    failed = solo.events[-1]
    assert isinstance(failed, Failed)
    assert failed.status == 302


@pytest.mark.parametrize("status", [305, 380])
def test_a_proxy_or_another_service_is_not_followed(status: int) -> None:
    solo, _ = redirected(ELSEWHERE, status=status)
    assert kinds(solo.events) == ["Failed"]


def test_a_loop_is_seen() -> None:
    solo, _ = redirected(ELSEWHERE)
    solo.invites()
    solo.reply(solo.last_invite, 302, contact=ELSEWHERE, source=HOP)
    assert kinds(solo.events) == ["Failed"]


@pytest.mark.parametrize(("changes", "limit"), [({}, 5), ({"redirects": 2}, 2), ({"redirects": 0}, 0)])
def test_redirections_have_a_limit(changes: dict[str, object], limit: int) -> None:
    solo = Caller()
    invite = solo.place(call_request(**changes))
    hop = BOB
    count = 0
    while not solo.events:
        solo.reply(invite, 302, contact=f"<sip:{count}@192.0.2.60>", source=hop)
        if found := solo.invites():
            count += 1
            invite, hop = solo.last_invite, found[0][1]
    assert count == limit
    assert kinds(solo.events) == ["Failed"]


def test_another_number_at_the_same_host_goes_the_same_way() -> None:
    solo, _ = redirected("<sip:+15550199@bob.example>")
    assert solo.invites() == [("sip:+15550199@bob.example", BOB)]
    assert solo.agent.take_lookups() == []


def test_an_outbound_proxy_stays_on_the_way() -> None:
    solo, _ = redirected(ELSEWHERE, routes=("<sip:proxy.example;lr>",))
    assert solo.invites() == [("sip:+15550199@192.0.2.50:5070", BOB)]
    assert solo.last_invite.headers.get_all("Route") == ["<sip:proxy.example;lr>"]


def test_a_name_is_looked_up() -> None:
    solo, _ = redirected("<sip:1@gw.example;transport=tcp>")
    assert solo.invites() == []
    (place,) = solo.agent.take_lookups()
    assert place == Target("gw.example", None, Transport.TCP)
    solo.agent.resolved(place, [Hop("192.0.2.77", 5060, Transport.TCP)])
    solo.wait(0)
    assert solo.invites() == [("sip:1@gw.example;transport=tcp", Hop("192.0.2.77", 5060, Transport.TCP))]


def test_a_name_that_nobody_knows_leads_to_the_next_target() -> None:
    solo, _ = redirected("<sip:1@gw.example>;q=0.9, <sip:2@192.0.2.52>;q=0.5")
    solo.sent()
    solo.wait(5)
    assert [uri for uri, _ in solo.invites()] == ["sip:2@192.0.2.52"]
    # And when it was the last, the redirection is what became of the call.
    solo, _ = redirected("<sip:1@gw.example>")
    solo.wait(5)
    failed = solo.events[-1]
    assert isinstance(failed, Failed)
    assert (failed.status, failed.local) == (302, False)
    solo.wait(64)
    assert solo.agent.idle


def test_hanging_up_while_a_name_is_looked_up() -> None:
    solo, _ = redirected("<sip:1@gw.example>")
    solo.sent()
    solo.agent.hang_up(1, solo.now)
    solo.agent.resolved(Target("gw.example"), [HOP])
    solo.wait(0)
    assert solo.sent() == []
    assert kinds(solo.events) == ["Failed"]
    assert solo.agent.calls == 0


def test_headers_that_a_contact_asks_for_are_not_sent() -> None:
    solo, _ = redirected("<sip:1@192.0.2.51?Subject=evil>")
    assert [uri for uri, _ in solo.invites()] == [str(parse_uri("sip:1@192.0.2.51"))]


def test_a_look_up_that_takes_too_long_ends_only_the_wait_that_began_first() -> None:
    """Two calls are sent to one name, the second 4 s later; the name is found 6 s after the first began."""
    solo = Solo()
    for pause in (4, 2):
        solo.reply(solo.place(), 302, contact="<sip:fax@gw.example:5070>")
        solo.sent()
        solo.wait(pause)
    assert kinds(solo.events) == ["Failed"]
    solo.agent.resolved(Target("gw.example", 5070), [HOP])
    solo.wait(0)
    assert [hop for _, hop in solo.sent_to()] == [HOP]
    solo.wait(100)
    assert solo.agent.idle

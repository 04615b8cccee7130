"""Requests that make no call: what is answered to them, and that nothing is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.line import Failed, Incoming
from sip.line_settings import Limits
from sip.syntax.errors import UnsendableError
from sip.syntax.headers import Headers, quote_string
from sip.syntax.message import Response
from sip.syntax.multipart import find_part
from sip.syntax.sdp import SessionDescription
from sip.values import Hop
from tests.sip.link import ALICE, AUDIO, BOB, mirror
from tests.sip.solo import Solo, sdp, tag_of
from tests.sip.test_agent import kinds
from tests.sip.test_incoming import accepted, ask_back


def test_a_response_without_a_body_names_no_type_of_one() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    solo.sent()
    solo.agent.refuse(1, 486, solo.now)
    response = solo.response()
    assert (response.status, response.headers.get("Content-Type")) == (486, None)


def test_more_calls_than_we_take_are_busy() -> None:
    solo = Solo(limits=Limits(calls=2))
    for number in range(4):
        solo.ask("INVITE", call_id=f"c{number}", body=sdp())
    assert solo.statuses() == [100, 100, 486, 486]
    solo.agent.refuse(1, 486, solo.now)
    solo.sent()
    solo.ask("INVITE", call_id="c5", body=sdp())
    assert solo.statuses() == [100]


def test_calls_that_nobody_takes_have_a_limit_of_their_own() -> None:
    solo = Solo(limits=Limits(waiting=2))
    for number in range(3):
        solo.ask("INVITE", call_id=f"c{number}", body=sdp())
    assert solo.statuses() == [100, 100, 486]
    for call in (1, 2):
        solo.agent.accept(call, [AUDIO], ALICE.host, mirror, solo.now)
    solo.sent()
    solo.ask("INVITE", call_id="c5", body=sdp())
    assert solo.statuses() == [100]


def test_one_source_has_a_limit_of_its_own() -> None:
    solo = Solo(limits=Limits(per_source=2))
    for number in range(3):
        solo.ask("INVITE", call_id=f"c{number}", body=sdp(), source=Hop("198.51.100.9", 5060 + number))
    solo.ask("INVITE", call_id="c4", body=sdp())
    assert solo.statuses() == [100, 100, 486, 100]
    solo.agent.hang_up(1, solo.now)
    solo.sent()
    solo.ask("INVITE", call_id="c5", body=sdp(), source=Hop("198.51.100.9", 5070))
    assert solo.statuses() == [100]


def test_a_call_that_nobody_takes_is_refused_after_three_minutes() -> None:
    """Until then a provisional response each minute tells proxies that we are there (RFC 3261 13.3.1.1)."""
    solo = Solo()
    solo.ask("INVITE", body=sdp())
    assert solo.statuses() == [100]
    solo.wait(61)
    assert solo.statuses() == [183]
    solo.agent.ring(1, solo.now)
    solo.wait(61)
    assert solo.statuses() == [180, 180]
    solo.wait(59)
    assert solo.statuses()[0] == 480
    assert solo.events[-1] == Failed(1, 480, "Temporarily Unavailable", local=True)
    solo.wait(64)
    assert solo.agent.idle


def test_options_tell_what_we_can() -> None:
    solo = Solo()
    solo.ask("OPTIONS")
    (ok,) = solo.sent()
    assert isinstance(ok, Response)
    assert ok.status == 200
    assert ok.headers.get("Allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO"
    assert ok.headers.get("Accept") == "application/sdp"
    assert ok.to.tag is not None
    assert solo.agent.idle


def test_a_stranger_gets_the_same_answer_to_each_copy() -> None:
    solo = Solo()
    solo.ask("OPTIONS", branch="z9hG4bK-same")
    (first,) = solo.sent()
    solo.ask("OPTIONS", branch="z9hG4bK-same")
    assert solo.sent() == [first]


@pytest.mark.parametrize(
    ("method", "fields", "body", "status"),
    [
        ("SUBSCRIBE", (), b"", 489),
        ("NOTIFY", (("Event", "message-summary"),), b"", 489),
        ("REFER", (), b"", 603),
        ("MESSAGE", (), b"hello", 405),
        ("FROBNICATE", (), b"", 405),
        ("BYE", (), b"", 481),
        ("INFO", (), b"", 481),
        ("INVITE", (("Require", "replaces, Timer"),), b"", 420),
        ("OPTIONS", (("Require", "gruu"),), b"", 420),
        ("OPTIONS", (("Require", "gruu, 100rel, path"),), b"", 420),
        ("INVITE", (("Content-Type", "application/isup"),), b"xyz", 415),
        ("INVITE", (), b"this is no SDP", 488),
        ("INVITE", (("From", "<sip:c@c.example>;tag=2"),), b"", 400),
    ],
)
def test_what_cannot_be_served(
    method: str, fields: tuple[tuple[str, str], ...], body: bytes, status: int
) -> None:
    solo = Solo()
    solo.ask(method, fields=fields, body=body)
    (answer,) = solo.sent()
    assert isinstance(answer, Response)
    assert answer.status == status
    if status == 420:
        known = ("100rel", "Timer")
        unknown = [each for each in fields[0][1].split(", ") if each not in known]
        assert answer.headers.get("Unsupported") == ", ".join(unknown)
    assert solo.agent.idle
    assert solo.events == []


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        (b"v=1\r\n", '307 192.0.2.1 "Session description parameter not understood"'),
        (sdp(), '305 192.0.2.1 "Incompatible media format"'),
        (b"", None),
    ],
)
def test_a_refused_offer_is_answered_with_a_warning(body: bytes, warning: str | None) -> None:
    solo = Solo()
    solo.ask("INVITE", body=body)
    solo.agent.refuse(1, 488, solo.now)
    answer = solo.sent()[-1]
    assert isinstance(answer, Response)
    assert (answer.status, answer.headers.get("Warning")) == (488, warning)


def test_the_headers_of_a_part_may_be_folded() -> None:
    solo = Solo()
    body = b"--b \r\nX: y\r\nContent-Type:\r\n application/sdp\r\n\r\n" + sdp() + b"\r\n--b--"
    solo.ask("INVITE", fields=(("Content-Type", "multipart/mixed;boundary=b"),), body=body)
    (incoming,) = solo.events
    assert isinstance(incoming, Incoming)
    assert incoming.offer == SessionDescription.parse(sdp())


def mixed(*parts: tuple[str, bytes], boundary: str = "b-1") -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Fields and body of a message with several parts."""
    body = b"This is a preamble.\r\n"
    for kind, content in parts:
        body += f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"
    return (
        ("Content-Type", f'multipart/mixed;boundary="{boundary}"'),
    ), body + f"--{boundary}--\r\n".encode()


ISUP = ("application/isup;version=itu-t92+;base=itu-t92+", b"\x01\x00\x49--b-1\x0d\x0a\x00")


@pytest.mark.parametrize("parts", [[("application/sdp", sdp())], [ISUP, ("Application/SDP;x=1", sdp())]])
def test_an_offer_beside_isup_is_read(parts: list[tuple[str, bytes]]) -> None:
    solo = Solo()
    fields, body = mixed(*parts)
    solo.ask("INVITE", fields=fields, body=body)
    (incoming,) = solo.events
    assert isinstance(incoming, Incoming)
    assert incoming.offer == SessionDescription.parse(sdp())


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", b"--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--"),
        ("multipart/mixed;boundary=" + "x" * 71, b""),
        ("multipart/mixed;boundary=x;=", b"--x--"),
        ("multipart/mixed;boundary=y", b"--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--"),
        ("multipart/mixed;boundary=x", b"--x--\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--"),
        ("multipart/mixed;boundary=x", b"--x\r\nContent-Type: application/isup\r\n\r\n\x01\r\n--x--"),
        ("multipart/mixed;boundary=x", b"--x\r\nContent-Type: application/sdp"),
        ("multipart/mixed;boundary=x", b"--x\r\n\r\n\r\n" * 40),
    ],
)
def test_several_parts_without_an_offer_are_refused(content_type: str, body: bytes) -> None:
    solo = Solo()
    solo.ask("INVITE", fields=(("Content-Type", content_type),), body=body or b"?")
    assert solo.statuses() == [415]


@given(st.binary(max_size=200), st.text(max_size=20))
@settings(max_examples=100)
def test_no_body_of_parts_does_harm(body: bytes, boundary: str) -> None:
    headers = Headers()
    try:
        headers.add("Content-Type", f"multipart/mixed;boundary={quote_string(boundary)}")
    except UnsendableError:
        return
    marked = body.replace(b"#", b"\r\n--" + boundary.encode("utf-8", "replace"))
    found = find_part(headers, marked, "application/sdp")
    assert found is None or found in marked


def test_a_body_that_is_optional_is_passed_over() -> None:
    solo = Solo()
    fields = (("Content-Type", "application/isup"), ("Content-Disposition", "signal;handling=optional"))
    solo.ask("INVITE", fields=fields, body=b"\x01")
    (incoming,) = solo.events
    assert isinstance(incoming, Incoming)
    assert incoming.offer is None


@pytest.mark.parametrize(
    ("values", "identity", "name"),
    [
        ((), None, ""),
        (('"Fax" <sip:+15550100@trunk.example>', "<tel:+15550100>"), "sip:+15550100@trunk.example", "Fax"),
        (("<mailto:x@y>, tel:+15550100",), "tel:+15550100", ""),
        (("nonsense",), None, ""),
        ((*["nonsense"] * 8, "<tel:+15550100>"), None, ""),
    ],
)
def test_an_asserted_identity_is_told(values: tuple[str, ...], identity: str | None, name: str) -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp(), fields=tuple(("P-Asserted-Identity", value) for value in values))
    (incoming,) = solo.events
    assert isinstance(incoming, Incoming)
    assert (incoming.identity, incoming.identity_name) == (identity, name)


def test_a_request_in_no_dialog_of_ours_gets_481() -> None:
    solo = Solo()
    for method in ("INVITE", "BYE", "UPDATE", "INFO", "OPTIONS"):
        solo.ask(method, to="<sip:alice@a.example>;tag=forged")
    solo.ask("ACK", to="<sip:alice@a.example>;tag=forged")
    assert solo.statuses() == [481] * 5


def test_wrong_tags_do_not_reach_a_call() -> None:
    solo = Solo()
    ok = accepted(solo)
    ask_back(solo, ok, "ACK")
    solo.ask("BYE", number=2, to=ok.headers.get("To") or "", from_="<sip:bob@bob.example>;tag=forged")
    solo.ask("BYE", number=2, to=ok.headers.get("To") or "", call_id="other")
    assert solo.statuses() == [481, 481]
    assert solo.agent.calls == 1


def test_the_same_invite_by_two_paths_is_one_call() -> None:
    solo = Solo()
    solo.ask("INVITE", body=sdp(), branch="z9hG4bK-path1")
    solo.ask("INVITE", body=sdp(), branch="z9hG4bK-path2")
    assert solo.statuses() == [100, 482]
    assert kinds(solo.events) == ["Incoming"]


def test_a_copy_of_the_invite_gets_the_last_response_again() -> None:
    solo = Solo()
    for _ in range(3):
        solo.ask("INVITE", body=sdp(), branch="z9hG4bK-same")
    assert solo.statuses() == [100, 100, 100]
    assert kinds(solo.events) == ["Incoming"]


def test_requests_within_a_call() -> None:
    solo = Solo()
    ok = accepted(solo)
    ask_back(solo, ok, "ACK")
    ask_back(solo, ok, "INFO", 5)
    ask_back(solo, ok, "INFO", 6, b"Signal=1")
    ask_back(solo, ok, "OPTIONS", 7)
    ask_back(solo, ok, "REFER", 8)
    ask_back(solo, ok, "OPTIONS", 7)
    ask_back(solo, ok, "OPTIONS", 2**32 - 1)
    assert solo.statuses() == [200, 415, 200, 603, 500, 200]
    solo.ask("INFO", number=2**32 - 1, to=ok.headers.get("To") or "", fields=(("Require", "x"),))
    assert solo.statuses() == [420]


def test_within_a_call_a_lower_number_is_out_of_order_and_the_same_one_is_not() -> None:
    """RFC 3261 12.2.2. Some far ends give a BYE the number of the request before it."""
    solo = Solo()
    ok = accepted(solo)
    ask_back(solo, ok, "ACK")
    ask_back(solo, ok, "INFO", 5)
    ask_back(solo, ok, "BYE", 4)
    assert solo.statuses() == [200, 500]
    assert solo.agent.calls == 1
    ask_back(solo, ok, "BYE", 5)
    assert solo.statuses() == [200]
    assert solo.agent.calls == 0


def test_a_request_within_a_call_that_comes_by_two_paths_is_served_once() -> None:
    """As RFC 3261 8.2.2.2 has it for requests that make a dialog: who forked it takes the other answer."""
    solo = Solo()
    ok = accepted(solo)
    ask_back(solo, ok, "ACK")
    ask_back(solo, ok, "INVITE", 2, sdp())
    ask_back(solo, ok, "INVITE", 2, sdp())
    assert solo.statuses() == [200, 482]
    # The ACK of the 482 acknowledges no 200: that is repeated until its own comes.
    solo.ask("ACK", number=2, to=ok.headers.get("To") or "", branch="z9hG4bK-4")
    solo.wait(1)
    assert solo.statuses() == [200]
    ask_back(solo, ok, "ACK", 2)
    solo.wait(40)
    assert solo.statuses() == []
    # Behind the time of the transaction it is a request like any other.
    ask_back(solo, ok, "OPTIONS", 3)
    solo.wait(40)
    ask_back(solo, ok, "OPTIONS", 3)
    assert solo.statuses() == [200, 200]
    assert tag_of(ok.headers.get("To")) is not None
    assert BOB.host in ok.headers.get_all("Via")[0]


def test_calls_that_are_over_leave_room_for_others() -> None:
    """A hundred calls a second, each answered and ended within it, with copies still to be expected."""
    solo = Solo(limits=Limits(transactions=16))
    for number in range(100):
        name = f"call-{number}"
        solo.ask("INVITE", call_id=name, body=sdp())
        call = next(event.call for event in reversed(solo.events) if isinstance(event, Incoming))
        solo.agent.accept(call, [AUDIO], ALICE.host, mirror, solo.now)
        ok = solo.sent()[-1]
        assert isinstance(ok, Response)
        assert ok.status == 200
        to = ok.headers.get("To") or ""
        solo.ask("ACK", call_id=name, to=to)
        solo.ask("BYE", number=2, call_id=name, to=to)
        assert solo.statuses() == [200]
        solo.wait(0.01)
    solo.wait(100)
    assert solo.agent.idle


def test_a_call_too_many_is_told_to_come_back() -> None:
    solo = Solo(limits=Limits(transactions=16))
    for number in range(16):
        solo.ask("INVITE", call_id=f"call-{number}", body=sdp())
    solo.sent()
    solo.ask("INVITE", call_id="call-16", body=sdp())
    refusal = solo.response()
    assert (refusal.status, refusal.headers.get("Retry-After")) == (503, "5")
    # What belongs to a call that is up is served all the same.
    solo.agent.accept(1, [AUDIO], ALICE.host, mirror, solo.now)
    to = solo.sent()[-1].headers.get("To") or ""
    solo.ask("INVITE", call_id="call-3", body=sdp())
    solo.sent()
    solo.ask("BYE", number=2, call_id="call-0", to=to)
    assert solo.statuses() == [200]

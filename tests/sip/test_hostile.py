"""What strangers and broken peers send changes nothing, raises nothing and leaves nothing."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sip.line_settings import Limits, SessionTimers
from tests.sip.link import BOB, Link, call_request
from tests.sip.solo import Solo, sdp
from tests.sip.test_agent import kinds, whole_call
from tests.sweep import examples

CALL = {"headers": (("Require", "100rel"),)}


def recorded() -> list[bytes]:
    """Every message that Alice hears in a whole call: 100, 180, 200, 200 to her PRACK, re-INVITE, ACK, 200 to
    her BYE.
    """
    link = Link(bobs_timers=SessionTimers(session_expires=1800))
    whole_call(link, **CALL)
    return [data for source, data in link.sent if source == BOB]


MESSAGES = recorded()


def at_message(count: int) -> Solo:
    """Alice again, with the same random numbers, when the first ``count`` messages have come."""
    solo = Solo()
    solo.place(call_request(**CALL))
    for message in MESSAGES[:count]:
        solo.hear(message)
    if count == len(MESSAGES) - 1:
        solo.agent.hang_up(1, solo.now)
    solo.sent()
    return solo


def test_the_recording_can_be_replayed() -> None:
    solo = at_message(len(MESSAGES) - 1)
    solo.hear(MESSAGES[-1])
    assert kinds(solo.events) == ["Ringing", "Answered", "MediaChanged", "Ended"]
    assert solo.agent.calls == 0


HEADERS = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Record-Route",
    "Require",
    "Content-Length",
    "Reason",
    "RSeq",
    "Session-Expires",
    "Min-SE",
    "Supported",
    "Allow",
    "Content-Type",
]
VALUES = [
    "",
    ";",
    "<",
    "sip:",
    "<sip:@>;tag",
    "0",
    "-1",
    "99999999999999999999",
    "x" * 5000,
    "\x00",
    '"',
    "ü",
    "*",
    ",,,",
]


def settles(solo: Solo) -> None:
    """Whatever came, every call can be ended and nothing stays behind."""
    solo.agent.hang_up_all(solo.now)
    solo.wait(200)
    assert solo.agent.idle


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x00",
        b"\xff" * 65000,
        b"INVITE",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 999 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n",
        b"\x80\x00" * 86,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_sip_is_dropped(data: bytes) -> None:
    solo = Solo()
    solo.hear(data)
    assert solo.sent() == []
    assert solo.agent.idle


@given(st.binary(max_size=400))
@settings(max_examples=150)
def test_noise_is_dropped(data: bytes) -> None:
    solo = Solo()
    solo.hear(data)
    assert solo.events == []
    assert solo.agent.idle


@given(
    st.integers(0, len(MESSAGES) - 1),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6), st.integers(0, 40)), max_size=4),
)
@examples(push=66, full=200)
def test_damaged_messages_raise_nothing(which: int, damage: list[tuple[int, bytes, int]]) -> None:
    solo = at_message(which)
    message = MESSAGES[which]
    for at, what, cut in damage:
        message = message[:at] + what + message[at + cut :]
    solo.hear(message)
    settles(solo)


@given(
    st.integers(0, len(MESSAGES) - 1),
    st.sampled_from(HEADERS),
    st.sampled_from(VALUES),
    st.sampled_from(["replace", "repeat", "remove"]),
)
@example(2, "Via", "SIP/2.0/UDP [::1];rport;received=x", "replace")
@examples(push=66, full=200)
def test_messages_with_an_odd_header_raise_nothing(which: int, name: str, value: str, how: str) -> None:
    solo = at_message(which)
    lines = MESSAGES[which].split(b"\r\n")
    new = f"{name}: {value}".encode()
    ours = [line for line in lines if line.lower().startswith(name.lower().encode())]
    if how == "repeat" or not ours:
        lines.insert(1, new)
    else:
        lines = [new if line in ours else line for line in lines]
        if how == "remove":
            lines.remove(new)
    solo.hear(b"\r\n".join(lines))
    settles(solo)


@given(st.lists(st.tuples(st.integers(0, len(MESSAGES) - 1), st.floats(0, 40)), max_size=12))
@settings(max_examples=100, deadline=None)
def test_messages_of_a_call_in_any_order_leave_nothing(order: list[tuple[int, float]]) -> None:
    solo = at_message(0)
    for which, pause in order:
        solo.hear(MESSAGES[which])
        solo.wait(pause)
    settles(solo)


def test_a_flood_of_strangers_leaves_nothing() -> None:
    solo = Solo(limits=Limits(calls=4))
    for number in range(800):
        solo.ask(("INVITE", "OPTIONS", "BYE", "NOTIFY")[number % 4], call_id=f"c{number}", body=sdp())
        solo.sent()
    assert solo.agent.transactions <= 4
    assert solo.agent.dialogs <= 4
    assert len(solo.events) == 4
    settles(solo)


def test_a_flood_within_a_call_is_bounded() -> None:
    solo = Solo(limits=Limits(transactions=256))
    _, ok = solo.answered()
    for number in range(1, 1200):
        solo.ask_within(ok, "INFO", number)
        solo.agent.take_datagrams()
    # Finished ones are kept for their copies, four times as many.
    assert solo.agent.transactions <= 4 * 256 + 1
    settles(solo)


def test_numbers_at_their_limits() -> None:
    solo = Solo()
    solo.ask("INVITE", number=2**32 - 1, body=sdp())
    solo.ask("INVITE", number=2**32, body=sdp(), call_id="too-much")
    assert solo.statuses() == [100, 400]

"""Messages on a stream: their ends, keep-alive, and peers that are slow, huge or no SIP at all."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.syntax.errors import ParseError
from sip.syntax.message import MAX_HEAD, MAX_OCTETS, MalformedRequestError, parse_message
from sip.syntax.stream import KEEP_ALIVE, MESSAGE_LIMIT, PING, PONG, Framer, Stream
from tests.sweep import examples

OPTIONS = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"
)
INVITE = b"INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\nl: 11\r\n\r\nv=0\r\ns=-\r\n\r\n"[:-1]
RINGING = b"SIP/2.0 180 Ringing\r\nFrom: <sip:a@b>\r\nContent-Length : 3\r\n\r\nabc"
MESSAGES = [OPTIONS, INVITE, RINGING]


def cut(data: bytes, framer: Framer | None = None) -> list[bytes]:
    framer = framer or Framer()
    framer.feed(data)
    return framer.take_messages()


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_found_whatever_pieces_it_comes_in(message: bytes) -> None:
    for size in (1, 2, 7, len(message)):
        framer = Framer()
        found: list[bytes] = []
        for at in range(0, len(message), size):
            assert found == []
            found += cut(message[at : at + size], framer)
        assert found == [message]
        assert not framer.within


def test_several_messages_in_one_piece() -> None:
    framer = Framer()
    assert cut(b"\r\n" + OPTIONS + INVITE + PING + RINGING + OPTIONS[:9], framer) == MESSAGES
    assert framer.within
    assert cut(OPTIONS[9:], framer) == [OPTIONS]


def test_what_is_found_can_be_read() -> None:
    for message in cut(INVITE + RINGING):
        assert parse_message(message).body


def test_line_ends_of_lf_alone_are_read() -> None:
    message = OPTIONS.replace(b"\r\n", b"\n")
    assert cut(message + message) == [message, message]


def test_without_content_length_a_message_ends_with_its_headers() -> None:
    message = b"OPTIONS sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n"
    assert cut(message + OPTIONS) == [message, OPTIONS]


@pytest.mark.parametrize("field", ["Content-Length:\r\n 11", "L\t:\r\n\t11\r\n ", "Content-Length:\n  \n 11"])
def test_a_folded_content_length_is_read(field: str) -> None:
    """RFC 3261 7.3.1."""
    message = INVITE.replace(b"l: 11", field.encode())
    assert cut(message + OPTIONS) == [message, OPTIONS]
    assert parse_message(message).body == INVITE[-11:]


@pytest.mark.parametrize("length", [b"-1", b"1\r\nl: 2", b"x", b"", b"9" * 30])
def test_a_message_without_a_known_end_is_the_last_and_its_sender_can_be_told(length: bytes) -> None:
    stream = theirs()
    message = OPTIONS.replace(b"Length: 0", b"Length: " + length)
    stream.receive(OPTIONS + message + OPTIONS, 1.0)
    assert stream.take_messages() == [OPTIONS, message]
    assert stream.fault is not None
    with pytest.raises(MalformedRequestError) as refusal:
        parse_message(message)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"OPTIONS sip:a@b SIP/7.0", 505),
        (b"OPTIONS  sip:a@b  SIP/2.0", 400),
        (b"OPTIONS <sip:a@b> SIP/2.0", 400),
        (b"OPTIONS sip:a@b;x= y SIP/2.0 \t", 400),
    ],
)
def test_a_malformed_request_line_does_not_end_the_stream(start: bytes, status: int) -> None:
    message = OPTIONS.replace(b"OPTIONS sip:a@b SIP/2.0", start)
    for size in (1, 1000):
        framer = Framer()
        data = OPTIONS + message + OPTIONS
        for at in range(0, len(data), size):
            framer.feed(data[at : at + size])
        assert framer.take_messages() == [OPTIONS, message, OPTIONS]
    with pytest.raises(MalformedRequestError) as refusal:
        parse_message(message)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    "head",
    [
        b"OPTIONS sip:a@b SIP/2.0\r\nl:x" + b" " * 15_000 + b"x" + b" " * 15_000 + b"x\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\n" + b"l:\r\n " * 4000 + b"\r\n",
        b"A" + b" " * 30_000 + b"\r\n",
        b"A " + b"SIP/2.0 " * 4000 + b"\r\n",
        b"A" * 30_000 + b"\r\n",
    ],
)
def test_no_header_takes_long(head: bytes) -> None:
    """Of CPU: what is quadratic takes five seconds here, anything else some hundredths of one."""
    began = time.process_time()
    for _ in range(5):
        with suppress(ParseError):
            Framer().feed(head + b"\r\n")
        with suppress(ParseError):
            parse_message(head + b"\r\n")
    assert time.process_time() - began < 2


def test_the_longest_message() -> None:
    head = b"INFO sip:a@b SIP/2.0\r\nContent-Length: %d\r\n\r\n"
    room = MAX_OCTETS - len(head % 10000)
    framer = Framer()
    assert cut(head % room, framer) == []
    (message,) = cut(bytes(room), framer)
    assert len(message) == MAX_OCTETS
    with pytest.raises(ParseError, match="at most 65536 are read"):
        framer.feed(head % (room + 1))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
        b"\x00",
        b" INVITE sip:a@b SIP/2.0\r\n",
        b"INVITE sip:a@b HTTP/1.1\r\n",
        b"SIP/2.0 999 What\r\n",
        b"INVITE sip:a@b SIP/2.0x\r\n",
        b"hello\r\n",
        OPTIONS + b"v=0\r\n",
        OPTIONS[:-2].replace(b": 0", b": 0\r\nl: 1") + b"\r\n",
        OPTIONS.replace(b": 0", b": -1"),
        OPTIONS.replace(b": 0", b": "),
        OPTIONS.replace(b": 0", b": 99999999999"),
        OPTIONS.replace(b": 0", b": 66000"),
        b"INVITE sip:" + b"a" * MAX_HEAD,
        OPTIONS[:25] + b"X: " + b"y" * MAX_HEAD + b"\r\n\r\n",
        OPTIONS[:25] + b"X: y\r\n" * MAX_HEAD,
    ],
)
def test_what_ends_the_search_for_messages(data: bytes) -> None:
    with pytest.raises(ParseError):
        Framer().feed(data)


@pytest.mark.parametrize("size", [1, 100])
def test_huge_headers_are_noticed_before_they_are_all_there(size: int) -> None:
    framer = Framer()
    fed = 0
    data = OPTIONS[:25] + b"X: " + b"y" * 10 * MAX_HEAD
    with pytest.raises(ParseError, match="headers of a message are longer"):  # noqa: PT012
        for at in range(0, len(data), size):
            fed = at + size
            framer.feed(data[at : at + size])
    assert fed <= MAX_HEAD + size


@given(st.lists(st.sampled_from([*MESSAGES, PING, PONG]), max_size=8), st.lists(st.integers(1, 40)))
@settings(max_examples=200, deadline=None)
def test_any_messages_in_any_pieces(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    framer = Framer()
    found: list[bytes] = []
    at = 0
    for size in [*sizes, len(data)]:
        found += cut(data[at : at + size], framer)
        at += size
    assert found == [part for part in parts if part in MESSAGES]


@given(
    st.binary(max_size=300),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=5), st.integers(0, 10)), max_size=3),
    st.integers(1, 50),
)
@examples(push=100, full=300)
def test_noise_and_damage_raise_nothing_else(
    noise: bytes, damage: list[tuple[int, bytes, int]], size: int
) -> None:
    message = b"".join(MESSAGES)
    for at, what, cut in damage:
        message = message[:at] + what + message[at + cut :]
    for data in (noise, message, message + noise):
        stream = Stream(0.0, ours=False)
        for at in range(0, len(data), size):
            stream.receive(data[at : at + size], 0.0)
        for found in stream.take_messages():
            assert len(found) <= MAX_OCTETS
        stream.handle_deadline(MESSAGE_LIMIT)


# --- time and keep-alive ------------------------------------------------------------------------------------


def theirs() -> Stream:
    return Stream(0.0, ours=False)


def test_a_ping_is_answered_with_a_pong() -> None:
    stream = theirs()
    stream.receive(PING, 1.0)
    assert stream.take_octets() == PONG
    stream.receive(PING[:3], 2.0)
    assert stream.take_octets() == b""
    stream.receive(PING[3:] + OPTIONS, 3.0)
    assert stream.take_octets() == PONG
    assert stream.take_messages() == [OPTIONS]


def test_a_pong_is_no_ping() -> None:
    stream = Stream(0.0, ours=True)
    stream.receive(PONG, 1.0)
    stream.receive(OPTIONS, 1.0)
    stream.receive(PONG, 2.0)
    assert stream.take_octets() == b""


def test_many_pings_at_once_get_one_pong() -> None:
    stream = theirs()
    stream.receive(PING * 1000, 1.0)
    assert stream.take_octets() == PONG


def test_a_connection_of_ours_is_kept_alive_while_we_say_nothing() -> None:
    stream = Stream(0.0, ours=True)
    stream.sent(10.0)
    assert stream.next_deadline() == 10.0 + KEEP_ALIVE
    stream.handle_deadline(10.0 + KEEP_ALIVE)
    assert stream.take_octets() == PING
    assert stream.next_deadline() == 10.0 + 2 * KEEP_ALIVE
    assert stream.fault is None


def test_a_connection_of_theirs_is_not() -> None:
    stream = theirs()
    stream.receive(OPTIONS, 1.0)
    assert stream.next_deadline() is None


def test_a_peer_that_connects_and_says_nothing_is_closed() -> None:
    stream = theirs()
    assert stream.next_deadline() == MESSAGE_LIMIT
    stream.handle_deadline(MESSAGE_LIMIT)
    assert stream.fault == "no whole message came within 10 s"


def test_a_message_in_drops_is_closed_in_time_however_many_they_are() -> None:
    stream = theirs()
    stream.receive(OPTIONS, 100.0)
    now = 200.0
    for octet in OPTIONS:
        stream.receive(bytes([octet]), now)
        due = stream.next_deadline()
        if due is not None and due <= now:
            stream.handle_deadline(now)
            break
        now += 1.0
    assert stream.fault is not None
    assert now == 200.0 + MESSAGE_LIMIT


def test_line_ends_in_drops_are_no_beginning() -> None:
    stream = theirs()
    for second in range(int(MESSAGE_LIMIT)):
        stream.receive(b"\r", second)
    stream.handle_deadline(MESSAGE_LIMIT)
    assert stream.fault is not None


def test_each_message_has_its_own_time() -> None:
    stream = theirs()
    stream.receive(OPTIONS[:5], 9.0)
    assert stream.next_deadline() == 9.0 + MESSAGE_LIMIT
    stream.receive(OPTIONS[5:] + INVITE[:5], 18.0)
    assert stream.next_deadline() == 18.0 + MESSAGE_LIMIT
    stream.receive(INVITE[5:], 27.0)
    assert stream.next_deadline() is None
    assert stream.take_messages() == [OPTIONS, INVITE]
    assert stream.heard_at == 27.0


def test_after_a_fault_nothing_more_is_read() -> None:
    stream = theirs()
    stream.receive(OPTIONS + b"\0", 1.0)
    assert stream.take_messages() == [OPTIONS]
    assert stream.fault is not None
    assert "does not begin a SIP message" in stream.fault
    stream.receive(OPTIONS, 2.0)
    assert stream.take_messages() == []

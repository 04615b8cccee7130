"""Audio on its way to the modems: order, holes, streams, floods."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from t38fsp.audio.g711 import Law
from t38fsp.audio.modem.intake import BREAK, Intake
from t38fsp.audio.offer import COMFORT_NOISE
from t38fsp.audio.rtp import RtpPacket

A_LAW = 8
FRAME = 160
SILENCE = bytes([Law.PCMA.silence]) * FRAME


def frame(number: int) -> bytes:
    """20 ms that can be told from any other."""
    return random.Random(number).randbytes(FRAME)


def packet(number: int, *, ssrc: int = 7, stamp: int | None = None, **fields: object) -> RtpPacket:
    stamp = FRAME * number if stamp is None else stamp
    return RtpPacket(
        A_LAW,
        (65530 + number) & 0xFFFF,
        stamp & 0xFFFFFFFF,
        ssrc,
        frame(number),
        **fields,  # type: ignore[arg-type]
    )


def heard(numbers: list[int], *, intake: Intake | None = None) -> list[bytes]:
    """What comes of packets with these numbers, 20 ms apart."""
    intake = intake or Intake(0.0)
    pieces = []
    for place, number in enumerate(numbers):
        pieces += intake.receive(packet(number), 0.02 * place)
    pieces += intake.handle_deadline(1e6)
    return [piece.payload for piece in pieces]


def test_packets_in_order_pass_at_once() -> None:
    intake = Intake(0.0)
    for number in range(20):
        (piece,) = intake.receive(packet(number), 0.02 * number)
        assert piece.payload == frame(number)
    assert intake.next_deadline() is None


def test_reordered_packets_are_put_in_order() -> None:
    intake = Intake(0.0)
    assert heard([0, 2, 3, 1, 5, 4], intake=intake) == [frame(number) for number in range(6)]
    assert intake.counters.filled == 0


def test_a_lost_packet_is_replaced_by_the_one_before() -> None:
    intake = Intake(0.0)
    assert heard([0, 1, 3, 4, 5, 6, 7], intake=intake) == [
        frame(number) for number in (0, 1, 1, 3, 4, 5, 6, 7)
    ]
    assert intake.counters.filled == 1


def test_a_missing_packet_is_not_waited_for_longer_than_80_ms() -> None:
    intake = Intake(0.0)
    intake.receive(packet(0), 0.0)
    assert intake.receive(packet(2), 0.02) == []
    due = intake.next_deadline()
    assert due is not None
    assert intake.handle_deadline(due - 0.001) == []
    assert [piece.payload for piece in intake.handle_deadline(due)] == [frame(0), frame(2)]


def test_a_hole_has_the_length_of_the_timestamps() -> None:
    """A far end that goes on numbering over a pause, as with telephone events, leaves the time out."""
    intake = Intake(0.0)
    intake.receive(packet(0), 0.0)
    pieces = intake.receive(packet(1, stamp=FRAME + 3 * FRAME + 80), 0.1)
    assert b"".join(piece.payload for piece in pieces) == (frame(0) * 4)[: 3 * FRAME + 80] + frame(1)


def test_a_hole_of_more_than_a_second_is_a_break() -> None:
    intake = Intake(0.0)
    intake.receive(packet(0), 0.0)
    pieces = intake.receive(packet(1, stamp=FRAME + 8001), 2.0)
    assert [pieces[0], pieces[1].payload] == [BREAK, frame(1)]
    assert intake.counters.lost == 51


def test_silence_that_was_announced_is_silence() -> None:
    """By comfort noise, or by the marker of what follows it."""
    intake = Intake(0.0)
    intake.receive(packet(0), 0.0)
    noise = RtpPacket(COMFORT_NOISE, 65531, FRAME, 7, b"\x40")
    assert intake.receive(noise, 0.02) == []
    pieces = intake.receive(packet(2, stamp=5 * FRAME), 0.1)
    assert [piece.payload for piece in pieces] == [SILENCE] * 4 + [frame(2)]
    pieces = intake.receive(packet(3, stamp=9 * FRAME, marker=True), 0.2)
    assert [piece.payload for piece in pieces] == [SILENCE] * 3 + [frame(3)]
    assert intake.counters.filled == 0


def test_packets_of_other_lengths_are_divided() -> None:
    intake = Intake(0.0)
    pieces = intake.receive(RtpPacket(A_LAW, 1, 0, 7, bytes(240)), 0.0)
    assert [len(piece.payload) for piece in pieces] == [160, 80]


def test_one_forged_packet_does_not_replace_the_stream() -> None:
    intake = Intake(0.0)
    intake.receive(packet(0), 0.0)
    assert intake.receive(packet(1, ssrc=666), 0.02) == []
    assert [piece.payload for piece in intake.receive(packet(1), 0.02)] == [frame(1)]


def test_another_stream_replaces_the_present_one_after_three_packets() -> None:
    intake = Intake(0.0)
    intake.receive(packet(0), 0.0)
    assert intake.receive(packet(500, ssrc=8), 0.02) == []
    assert intake.receive(packet(501, ssrc=8), 0.04) == []
    assert [piece.payload for piece in intake.receive(packet(502, ssrc=8), 0.06)] == [frame(502)]


def test_a_flood_is_dropped() -> None:
    intake = Intake(0.0)
    passed = sum(bool(intake.receive(packet(number), 0.0)) for number in range(10_000))
    assert passed == 100  # two seconds
    assert intake.counters.foreign == 9_900


@given(
    st.lists(
        st.builds(
            RtpPacket,
            st.sampled_from([0, 8, 13]),
            st.integers(0, 65535),
            st.integers(0, 2**32 - 1),
            st.sampled_from([1, 2]),
            st.binary(max_size=400),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_comes_is_bounded(packets: list[RtpPacket]) -> None:
    intake = Intake(0.0)
    samples = 0
    for place, each in enumerate(packets):
        pieces = intake.receive(each, 0.02 * place)
        assert all(len(piece.payload) <= FRAME for piece in pieces)
        samples += sum(len(piece.payload) for piece in pieces)
        if intake.next_deadline() is not None:
            samples += sum(len(piece.payload) for piece in intake.handle_deadline(0.02 * place + 0.08))
    # Each packet may bring itself and a hole of one second.
    # Two seconds at once, and then no more than real time.
    assert samples <= 2 * 8000 + 0.1 * len(packets) * 8000 * 1.02 + 400

from __future__ import annotations

from array import array
from collections import deque
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.audio.detectors import AudioSignal, V21Heard
from t38fsp.audio.g711 import Law, decode, encode
from t38fsp.audio.leg import AudioLeg, Role, RtpStart
from t38fsp.audio.rtp import RtpPacket, RtpSender
from t38fsp.audio.tones import silent_frame, tone_frame
from t38fsp.lanes import NEVER, Lanes
from t38fsp.t30.vocabulary import Tone, ToneHeard
from tests.audio.spandsp_audio import FaxModem

T0 = 1000.0
CNG, CED, V21 = ToneHeard(Tone.CNG), ToneHeard(Tone.CED), V21Heard()


def make_leg(role: Role = Role.CALLING, law: Law = Law.PCMU, sequence: int = 0) -> AudioLeg:
    start = RtpStart(ssrc=role is Role.CALLING, sequence=sequence, timestamp=0)
    return AudioLeg(role=role, payload_type=0 if law is Law.PCMU else 8, law=law, start=start)


def turn(leg: AudioLeg, now: float) -> list[bytes]:
    """What leaves when the lane of ``leg`` is served at ``now``."""
    lanes = Lanes()
    sent: list[bytes] = []
    leg.send = sent.append
    lanes.schedule(leg)
    lanes.turn(lambda: now)
    return sent


def play(leg: AudioLeg, until: float) -> list[tuple[float, RtpPacket]]:
    """Serve a leg when it is due; the packets with the times at which they left."""
    sent = []
    while (due := leg.due) <= until:
        sent += [(due, RtpPacket.parse(data)) for data in turn(leg, due)]
    return sent


def test_one_packet_each_20_ms_counted_from_the_start() -> None:
    leg = make_leg(sequence=0xFFFE)
    leg.start(T0)
    sent = play(leg, T0 + 60)
    assert len(sent) == 3001
    assert all(time == T0 + n * 0.02 for n, (time, _) in enumerate(sent))
    assert [packet.sequence for _, packet in sent] == [(0xFFFE + n) & 0xFFFF for n in range(3001)]
    assert [packet.timestamp for _, packet in sent] == [160 * n for n in range(3001)]
    assert [n for n, (_, packet) in enumerate(sent) if packet.marker] == [0]
    assert {packet.payload for _, packet in sent} == {tone_frame(1100, Law.PCMU), silent_frame(Law.PCMU)}


def test_a_turn_too_early_or_twice_is_harmless() -> None:
    leg = make_leg()
    leg.start(T0)
    assert len(turn(leg, T0)) == 1
    assert turn(leg, T0) == []
    assert turn(leg, T0 + 0.019) == []
    assert leg.leave(T0 + 0.019, deque()) == T0 + 0.02


def test_a_short_stall_is_caught_up_and_a_long_one_skipped() -> None:
    leg = make_leg()
    leg.start(T0)
    assert [RtpPacket.parse(data).timestamp for data in turn(leg, T0 + 0.07)] == [0, 160, 320, 480]
    late = [RtpPacket.parse(data) for data in turn(leg, T0 + 2.01)]
    # Frames 95 to 100 of the stream: a new talkspurt, without a hole in the numbers.
    assert [packet.timestamp for packet in late] == [160 * n for n in range(95, 101)]
    assert [packet.sequence for packet in late] == list(range(4, 10))
    assert [packet.marker for packet in late] == [True, False, False, False, False, False]
    assert leg.due == T0 + 101 * 0.02


def test_a_leg_that_is_stopped_sends_and_hears_nothing() -> None:
    leg = make_leg()
    leg.start(T0)
    assert len(turn(leg, T0)) == 1
    leg.moved = False
    leg.stop()
    assert leg.moved
    assert leg.due == NEVER
    assert leg.leave(T0 + 1, deque()) == NEVER
    assert not leg.receive(RtpSender(0, 9, 0, 0).packet(bytes(160)), T0 + 1)


def test_a_far_end_that_is_not_heard_gets_no_more_than_patience_allows() -> None:
    """Its address may be that of somebody who never asked; once it is heard, all goes on."""
    start = RtpStart(ssrc=1, sequence=0, timestamp=0)
    leg = AudioLeg(role=Role.ANSWERING, payload_type=0, law=Law.PCMU, start=start, patience=5.0)
    leg.start(T0)
    assert len(play(leg, T0 + 60)) == 250
    assert leg.due == NEVER
    leg.moved = False
    assert leg.receive(RtpSender(0, 9, 0, 0).packet(silent_frame(Law.PCMU)), T0 + 60)
    assert leg.moved
    again = [RtpPacket.parse(data) for data in turn(leg, T0 + 60)]
    assert again[0].marker
    assert again[-1].timestamp == 160 * 3000
    assert len(play(leg, T0 + 120)) == 3000


def test_a_far_end_that_is_heard_in_time_gets_everything() -> None:
    start = RtpStart(ssrc=1, sequence=0, timestamp=0)
    leg = AudioLeg(role=Role.ANSWERING, payload_type=0, law=Law.PCMU, start=start, patience=5.0)
    leg.start(T0)
    assert leg.receive(RtpSender(0, 9, 0, 0).packet(silent_frame(Law.PCMU)), T0 + 1)
    assert len(play(leg, T0 + 60)) == 3001


def test_before_the_start_nothing_happens() -> None:
    leg, far = make_leg(), RtpSender(0, 9, 0, 0)
    assert leg.due == NEVER
    assert not leg.receive(far.packet(bytes(160)), T0)


@pytest.mark.parametrize("law", list(Law))
def test_two_legs_hear_each_other(law: Law) -> None:
    calling, answering = make_leg(Role.CALLING, law), make_leg(Role.ANSWERING, law)
    calling.start(T0)
    answering.start(T0)
    at_caller: list[AudioSignal] = []
    at_called: list[AudioSignal] = []
    while (now := calling.due) < T0 + 10:
        from_caller, from_called = turn(calling, now), turn(answering, now)
        for data in from_caller:
            assert answering.receive(data, now)
        for data in from_called:
            assert calling.receive(data, now)
        at_caller += calling.take_signals()
        at_called += answering.take_signals()
    assert at_caller == [CED]
    assert at_called == [CNG, CNG, CNG]


@pytest.mark.parametrize("seed", range(5))
def test_reordered_and_lost_packets(seed: int) -> None:
    random = Random(seed)
    sender, leg = RtpSender(8, 9, 65530, 0), make_leg()
    leg.start(T0)
    packets = [sender.packet(tone_frame(2100, Law.PCMA)) for _ in range(100)]
    kept = [packet for packet in packets if random.random() >= 0.03]
    order = sorted(range(len(kept)), key=lambda n: n + random.uniform(0, 3))
    for index in order:
        assert leg.receive(kept[index], T0)
    assert leg.take_signals() == [CED]


def test_both_laws_are_heard_whatever_was_agreed_on() -> None:
    leg = make_leg(law=Law.PCMU)
    leg.start(T0)
    for n in range(20):
        assert leg.receive(bytes(RtpPacket(8, n, 0, 9, tone_frame(1100, Law.PCMA))), T0)
    assert leg.take_signals() == [CNG]


def test_audio_that_comes_faster_than_time_is_passed_over() -> None:
    """A flood costs no detectors; what is played in its time is heard as soon as time has caught up."""
    leg, far = make_leg(), RtpSender(0, 9, 0, 0)
    leg.start(T0)
    for _ in range(2000):
        assert leg.receive(far.packet(silent_frame(Law.PCMU)), T0)
    for _ in range(50):
        assert leg.receive(far.packet(tone_frame(2100, Law.PCMU)), T0)
    assert leg.take_signals() == []
    for _ in range(50):
        assert leg.receive(far.packet(tone_frame(2100, Law.PCMU)), T0 + 1.0)
    assert leg.take_signals() == [CED]


def test_other_payload_types_are_not_accepted() -> None:
    """Comfort noise, telephone events, G.729."""
    leg = make_leg()
    leg.start(T0)
    for payload_type in (13, 101, 18):
        assert not leg.receive(bytes(RtpPacket(payload_type, 1, 0, 9, bytes(20))), T0)


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda rest: b"\x80\x08" + rest))
def test_garbage_changes_nothing(datagram: bytes) -> None:
    leg = make_leg()
    leg.start(T0)
    leg.receive(datagram, T0)
    assert leg.take_signals() == []
    assert leg.due == T0


@pytest.mark.spandsp
def test_a_spandsp_fax_modem_at_the_other_end_of_the_audio(tmp_path: Path) -> None:
    """It answers our CNG with CED and the preamble of its DIS."""
    leg, modem = make_leg(law=Law.PCMA), FaxModem(calling=False, rx_file=str(tmp_path / "received.tif"))
    sender = RtpSender(8, 9, 0, 0)
    heard: list[AudioSignal] = []
    leg.start(T0)
    for n in range(350):
        now = T0 + n * 0.02
        for data in turn(leg, now):
            modem.hear(decode(RtpPacket.parse(data).payload, Law.PCMA))
        leg.receive(sender.packet(encode(array("h", modem.speak()), Law.PCMA)), now)
        heard += leg.take_signals()
    modem.close()
    assert heard[:2] == [CED, V21]

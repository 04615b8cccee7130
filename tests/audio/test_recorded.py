"""Datagrams of a call between two Asterisk 23 on loopback: the audio before the switch, and T.38 after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp.audio.g711 import Law
from t38fsp.audio.leg import AudioLeg, Role, RtpStart
from t38fsp.audio.rtp import RtpPacket, looks_like_rtp
from t38fsp.t30.vocabulary import Tone, ToneHeard

RECORDED = Path(__file__).parent / "recorded"


def datagrams(name: str) -> list[bytes]:
    """Each is stored behind its length in two octets."""
    data = (RECORDED / name).read_bytes()
    found = []
    while data:
        end = 2 + int.from_bytes(data[:2])
        found.append(data[2:end])
        data = data[end:]
    return found


@pytest.mark.parametrize(
    ("name", "tone"), [("asterisk-calling-rtp.bin", Tone.CNG), ("asterisk-answering-rtp.bin", Tone.CED)]
)
def test_asterisk_before_the_switch(name: str, tone: Tone) -> None:
    leg = AudioLeg(role=Role.CALLING, payload_type=0, law=Law.PCMU, start=RtpStart(1, 1, 1))
    leg.start(0.0)
    packets = datagrams(name)
    assert len(packets) == 40
    for n, datagram in enumerate(packets):
        assert leg.receive(datagram, n * 0.02)
        assert bytes(RtpPacket.parse(datagram)) == datagram
    assert leg.take_signals() == [ToneHeard(tone)]


def test_asterisk_after_the_switch() -> None:
    packets = datagrams("asterisk-udptl.bin")
    assert len(packets) == 44
    assert not any(map(looks_like_rtp, packets))


def test_udptl_whose_number_has_the_top_bits_of_rtp() -> None:
    for number in (0x8000, 0x8008, 0xBFFF):
        assert not any(
            looks_like_rtp(number.to_bytes(2) + data[2:]) for data in datagrams("asterisk-udptl.bin")
        )

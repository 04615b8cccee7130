"""Frames in the bits of V.21, and those that are repaired where bits are missing."""

from __future__ import annotations

import random
from binascii import crc_hqx

import pytest

from t38fsp.audio.modem.v21_frames import Frame, V21Frames
from tests.sweep import sweep

FLAG = "01111110"
DCS = bytes.fromhex("ffc8c1005e7850")
MCF = bytes.fromhex("ffc88c")


def bits_of(*frames: bytes, flags: int = 6, between: int = 1) -> str:
    """A burst as V.21 sends it: the FCS, stuffed zeros, flags."""
    burst = FLAG * flags
    for octets in frames:
        octets += (crc_hqx(octets, 0xFFFF) ^ 0xFFFF).to_bytes(2)
        body = "".join(f"{octet:08b}" for octet in octets)
        ones, stuffed = 0, ""
        for bit in body:
            stuffed += bit
            ones = ones + 1 if bit == "1" else 0
            if ones == 5:
                stuffed, ones = stuffed + "0", 0
        burst += stuffed + FLAG * between
    return burst


def octets_of(bits: str) -> bytes:
    return bytes(map(int, bits))


def read(bits: str, receiver: V21Frames | None = None) -> list[Frame]:
    return (receiver or V21Frames(5)).receive(octets_of(bits))


def damaged(bits: str, at: int, count: int, seed: int) -> list[Frame]:
    """``count`` bits from ``at`` on are not known, and others came in their place."""
    chance = random.Random(seed)
    receiver = V21Frames(5)
    frames = receiver.receive(octets_of(bits[:at]))
    frames += receiver.receive(bytes(chance.choice([0, 1]) for _ in range(count)), missing=True)
    return frames + receiver.receive(octets_of(bits[at + count :]))


def test_frames_between_flags() -> None:
    assert read(bits_of(DCS, MCF)) == [Frame(DCS, True), Frame(MCF, True)]
    assert read(bits_of(DCS, MCF, between=4)) == [Frame(DCS, True), Frame(MCF, True)]


def test_flags_may_share_a_zero() -> None:
    shared = FLAG + "1111110" * 6
    receiver = V21Frames(5)
    assert read(shared + bits_of(MCF, flags=0), receiver) == [Frame(MCF, True)]
    assert receiver.up


def test_noise_before_five_flags_is_none() -> None:
    chance = random.Random(1)
    noise = "".join(chance.choice("01") for _ in range(60_000))
    receiver = V21Frames(5)
    assert read(noise, receiver) == []
    assert not receiver.up
    assert read(bits_of(MCF, flags=3)) == []


def test_a_wrong_bit_is_told() -> None:
    bits = bits_of(DCS)
    at = len(FLAG) * 6 + 20
    wrong = bits[:at] + "10"[int(bits[at])] + bits[at + 1 :]
    assert [frame.good for frame in read(wrong)] == [False]


@sweep(push=40, full=200, frame=[DCS, MCF], at=range(0, 90, 3), seed=range(4))
def test_seven_missing_bits_are_found(frame: bytes, at: int, seed: int) -> None:
    """Wherever they are, or they are told; never is another frame taken for good."""
    bits = bits_of(frame, between=3)
    frames = damaged(bits, 5 * len(FLAG) + at, 7, seed)
    assert all(each.octets == frame for each in frames if each.good)


def test_most_are_found() -> None:
    """Also where a flag before or after the frame is hidden."""
    bits = bits_of(DCS, between=3)
    first, last = 5 * len(FLAG), len(bits) - 2 * len(FLAG)
    found = [Frame(DCS, True) in damaged(bits, at, 7, at) for at in range(first, last)]
    assert sum(found) >= 0.95 * len(found)


def test_two_holes_are_not_guessed_at() -> None:
    """Fourteen bits of sixteen would fit anything."""
    bits = bits_of(DCS)
    wrong = damaged(bits, 6 * len(FLAG) + 16, 14, 3)
    assert not any(frame.good and frame.octets != DCS for frame in wrong)


@pytest.mark.parametrize("seed", range(3))
def test_no_bits_raise_or_collect(seed: int) -> None:
    chance = random.Random(seed)
    receiver = V21Frames(1)
    for _ in range(300):
        bits = bytes(chance.choice([0, 1, 1, 1]) for _ in range(chance.choice([1, 6, 200])))
        receiver.receive(bits, missing=chance.random() < 0.3)
    receiver.receive(bytes([1]) * 100_000)
    assert len(receiver._bits) == len(receiver._missing) == 0

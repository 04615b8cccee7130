from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.audio.rtp import MAX_PAYLOAD, RtpError, RtpPacket, RtpReceiver, RtpSender, looks_like_rtp

SILENCE = b"\xff" * 160

packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=320),
    marker=st.booleans(),
    sources=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none()
    | st.tuples(
        st.integers(0, 0xFFFF),
        st.integers(0, 10).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
    ),
)


@given(packets)
def test_what_is_written_is_read_again(packet: RtpPacket) -> None:
    assert RtpPacket.parse(bytes(packet)) == packet


@given(
    st.binary(max_size=200)
    | packets.map(bytes).flatmap(lambda data: st.integers(0, len(data)).map(lambda n: data[:n]))
)
def test_anything_is_read_or_refused_with_one_error(data: bytes) -> None:
    with suppress(RtpError):
        assert len(RtpPacket.parse(data).payload) <= len(data)


def test_a_packet_by_its_octets() -> None:
    data = bytes.fromhex("8088 1234 00000140 deadbeef") + b"\xd5" * 160
    packet = RtpPacket.parse(data)
    assert packet == RtpPacket(8, 0x1234, 320, 0xDEADBEEF, b"\xd5" * 160, marker=True)
    assert bytes(packet) == data


def test_padding_is_taken_off() -> None:
    data = bytes.fromhex("a000 0001 00000000 00000007") + b"voice" + b"\0\0\3"
    assert RtpPacket.parse(data).payload == b"voice"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x00", "at least 12 octets"),
        (bytes.fromhex("4000 0001 00000000 00000007"), "version must be 2"),
        (bytes.fromhex("8f00 0001 00000000 00000007"), "longer than the datagram"),
        (bytes.fromhex("9000 0001 00000000 00000007 0000"), "extension is truncated"),
        (bytes.fromhex("9000 0001 00000000 00000007 00000002 00000000"), "longer than the datagram"),
        (bytes.fromhex("a000 0001 00000000 00000007 0009"), "padding"),
        (bytes.fromhex("a000 0001 00000000 00000007 0100"), "padding"),
        (bytes.fromhex("8000 0001 00000000 00000007") + bytes(MAX_PAYLOAD + 1), "exceeds the limit"),
    ],
)
def test_bad_packets(data: bytes, message: str) -> None:
    with pytest.raises(RtpError, match=message):
        RtpPacket.parse(data)


def test_the_sender_counts_packets_and_samples_across_the_wrap() -> None:
    sender = RtpSender(0, ssrc=7, sequence=0xFFFF, timestamp=0xFFFFFFFF)
    first, second = (RtpPacket.parse(sender.packet(SILENCE)) for _ in range(2))
    assert first == RtpPacket(0, 0xFFFF, 0xFFFFFFFF, 7, SILENCE, marker=True)
    assert second == RtpPacket(0, 0, 159, 7, SILENCE)


def test_a_skip_moves_the_timestamp_but_not_the_sequence() -> None:
    sender = RtpSender(0, ssrc=7, sequence=1, timestamp=0)
    sender.packet(SILENCE)
    sender.skip(800)
    assert RtpPacket.parse(sender.packet(SILENCE)) == RtpPacket(0, 2, 960, 7, SILENCE, marker=True)


def stream(*sequences: int, ssrc: int = 1) -> list[RtpPacket]:
    return [RtpPacket(0, number & 0xFFFF, 0, ssrc, str(number).encode()) for number in sequences]


def received(packets: list[RtpPacket]) -> list[int]:
    receiver = RtpReceiver()
    return [int(ready.payload) for packet in packets for ready in receiver.receive(packet)]


@pytest.mark.parametrize(
    ("arriving", "heard"),
    [
        ([10, 11, 12], [10, 11, 12]),
        ([10, 12, 11, 13], [10, 11, 12, 13]),
        ([10, 11, 11, 10, 12], [10, 11, 12]),
        ([10, 14, 13, 12, 11], [10, 11, 12, 13, 14]),
        # 11 is lost: four wait for it, the fifth gives it up.
        ([10, 12, 13, 14, 15], [10]),
        ([10, 12, 13, 14, 15, 16], [10, 12, 13, 14, 15, 16]),
        ([10, 12, 13, 14, 15, 16, 11, 17], [10, 12, 13, 14, 15, 16, 17]),
        # Far away is a new stream.
        ([10, 11, 5000, 5001], [10, 11, 5000, 5001]),
        ([65534, 65536, 65535, 65537], [65534, 65535, 65536, 65537]),
    ],
)
def test_order_and_loss(arriving: list[int], heard: list[int]) -> None:
    assert received(stream(*arriving)) == heard


def test_a_new_source_starts_afresh() -> None:
    assert received(stream(10, 11) + stream(11, 12, ssrc=2)) == [10, 11, 11, 12]


def test_a_payload_type_may_change_in_the_stream() -> None:
    first, second = stream(1, 2)
    receiver = RtpReceiver()
    changed = replace(second, payload_type=8)
    assert [ready.payload_type for p in (first, changed) for ready in receiver.receive(p)] == [0, 8]


@given(st.lists(st.integers(0, 120), max_size=60))
def test_no_packet_comes_out_twice_and_at_most_four_are_held(sequences: list[int]) -> None:
    receiver = RtpReceiver()
    arriving = [RtpPacket(0, number, 0, 1, bytes([index])) for index, number in enumerate(sequences)]
    heard = [ready for packet in arriving for ready in receiver.receive(packet)]
    assert len({ready.payload for ready in heard}) == len(heard)
    newest = heard[-1].sequence if heard else 0
    flushed = [
        ready for number in range(newest + 1, newest + 6) for ready in receiver.receive(stream(number)[0])
    ]
    assert len(flushed) <= 4 + 5
    assert flushed[-1].sequence >= newest + 5


def udptl(sequence: int, *fields: bytes) -> bytes:
    """A datagram with redundancy: the primary and then secondaries."""

    def sized(field: bytes) -> bytes:
        return (bytes([len(field)]) if len(field) < 128 else (0x8000 + len(field)).to_bytes(2)) + field

    secondaries = b"".join(map(sized, fields[1:]))
    return sequence.to_bytes(2) + sized(fields[0]) + b"\0" + bytes([len(fields) - 1]) + secondaries


def test_rtp_and_udptl_are_told_apart() -> None:
    random = Random(38)
    for _ in range(2000):
        audio = bytes(random.choices((0xFF, 0x7F, 0xD5, 0x00, random.randrange(256)), k=160))
        rtp = RtpSender(
            random.choice((0, 8)), random.getrandbits(32), random.getrandbits(16), random.getrandbits(32)
        )
        assert looks_like_rtp(rtp.packet(audio))
        sizes = [random.choice((1, 5, 40, 150, 300)) for _ in range(random.randint(1, 4))]
        # From 0x8000 up a number begins with RTP's version; Cisco starts there.
        sequence = random.choice((0, 0x8000, 0x8008, 0x80FF, 0xBFFF, random.getrandbits(16)))
        assert not looks_like_rtp(udptl(sequence, *map(random.randbytes, sizes)))


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        bytes.fromhex("80c8 0006") + bytes(24),  # RTCP sender report
        bytes.fromhex("8000 03d00138 8001030203010203 0105"),  # UDPTL with parity
        b"INVITE sip:fax@example.org SIP/2.0\r\n",
        b"\x00\x01\x00\x00" + bytes(20),  # STUN
        b"\x9f" + bytes(20),
    ],
)
def test_not_rtp(datagram: bytes) -> None:
    assert not looks_like_rtp(datagram)


@given(st.binary(max_size=64).map(lambda rest: b"\x80\x00" + rest))
def test_what_looks_like_rtp_can_be_read(datagram: bytes) -> None:
    if looks_like_rtp(datagram):
        RtpPacket.parse(datagram)

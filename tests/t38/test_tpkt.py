"""TPKT: packets cut out of a stream, however it is cut into segments."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket, Syntax, encode
from t38fsp.t38.tpkt import HEADER, MAX_PACKET, TpktError, TpktReader, wrap
from t38fsp.t38.values import DataType, FieldType, Indicator

FRAME = bytes.fromhex("C001800005FFC80100CE78")

BARE_FIELDS = st.sampled_from([FieldType.HDLC_FCS_OK, FieldType.HDLC_SIG_END, FieldType.T4_NON_ECM_SIG_END])
FULL_FIELDS = st.builds(
    Field,
    st.sampled_from([FieldType.HDLC_DATA, FieldType.T4_NON_ECM_DATA, FieldType.HDLC_FCS_OK]),
    st.binary(min_size=1, max_size=40),
)
PACKETS = st.builds(IndicatorPacket, st.sampled_from(Indicator)) | st.builds(
    DataPacket,
    st.sampled_from(DataType),
    st.lists(FULL_FIELDS | st.builds(Field, BARE_FIELDS), max_size=4).map(tuple),
)


def in_segments(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream in pieces, cut at these places (any numbers)."""
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]


def read(segments: list[bytes], syntax: Syntax = Syntax.Y1998) -> list[bytes]:
    reader = TpktReader(syntax)
    return [packet for segment in segments for packet in reader.feed(segment)]


def test_a_packet_of_rfc_1006() -> None:
    assert wrap(FRAME) == bytes.fromhex("0300000F") + FRAME
    assert read([wrap(b"\x06") + wrap(FRAME)]) == [b"\x06", FRAME]


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=8), st.lists(st.integers(0, 999), max_size=20))
@settings(max_examples=100)
def test_segments_do_not_matter(packets: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(wrap, packets))
    assert read(in_segments(stream, cuts)) == packets


@given(st.lists(PACKETS, max_size=8), st.lists(st.integers(0, 999), max_size=20), st.sampled_from(Syntax))
@settings(max_examples=150)
def test_packets_without_tpkt(
    packets: list[IndicatorPacket | DataPacket], cuts: list[int], syntax: Syntax
) -> None:
    octets = [encode(packet, syntax) for packet in packets]
    reader = TpktReader(syntax)
    found = [packet for segment in in_segments(b"".join(octets), cuts) for packet in reader.feed(segment)]
    assert found == octets
    assert reader.bare is bool(packets)


def test_a_packet_of_no_octets_is_passed_over() -> None:
    assert read([wrap(b"") + wrap(FRAME)]) == [FRAME]


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        ("03000003", "shorter than its header"),
        ("030000056A 04000005", "version 4"),
        ("0300FFFF", "is not a fax packet"),
        ("C001 80 FFFF", "is not a fax packet"),
    ],
)
def test_streams_that_are_no_packets(stream: str, why: str) -> None:
    with pytest.raises(TpktError, match=why):
        read([bytes.fromhex(stream)])


def test_what_does_not_fit_a_header() -> None:
    with pytest.raises(TpktError, match="more than one TPKT carries"):
        wrap(bytes(65532))


@given(st.lists(st.binary(max_size=300), max_size=20), st.sampled_from(Syntax))
@settings(max_examples=150)
def test_any_stream_is_packets_or_a_tpkt_error(segments: list[bytes], syntax: Syntax) -> None:
    reader = TpktReader(syntax)
    for segment in segments:
        try:
            packets = reader.feed(segment)
        except TpktError:
            return
        assert all(0 < len(packet) <= HEADER + MAX_PACKET for packet in packets)

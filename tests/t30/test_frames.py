"""Frames, against the octets of T.30 and of recorded calls."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.t30.frames import (
    FCF,
    RETURN_TO_CONTROL,
    Frame,
    FrameError,
    PartialPageSignal,
    decode_station_id,
    encode_station_id,
    end_of_retransmission,
    image_frame,
    parse_end_of_retransmission,
    parse_image_frame,
    parse_partial_page_request,
    partial_page_request,
)

TSI = "ffc0c20c0c8c0c04acacac048cd4" + "04" * 9
ON_THE_LINE = [
    (TSI, Frame(FCF.TSI, encode_station_id("+1 555 0100"), final=False, x=True)),
    ("ffc80100771f22", Frame(FCF.DIS, bytes.fromhex("00771f22"))),
    ("ffc8c100461f22", Frame(FCF.DCS, bytes.fromhex("00461f22"), x=True)),
    ("ffc84100461f22", Frame(FCF.DCS, bytes.fromhex("00461f22"))),
    ("ffc88100771f22", Frame(FCF.DTC, bytes.fromhex("00771f22"))),
    ("ffc821", Frame(FCF.CFR)),
    ("ffc831", Frame(FCF.MCF)),
    ("ffc8f4", Frame(FCF.EOP, x=True)),
    ("ffc8df", Frame(FCF.DCN, x=True)),
    ("ffc061", Frame(FCF.RCP, final=False)),
]


@pytest.mark.parametrize(("octets", "frame"), ON_THE_LINE, ids=lambda value: str(value)[:24])
def test_frames_as_they_travel(octets: str, frame: Frame) -> None:
    assert Frame.parse(bytes.fromhex(octets)) == frame
    assert bytes(frame).hex() == octets


@given(st.sampled_from(FCF), st.binary(max_size=40), st.booleans(), st.booleans())
def test_a_frame_survives_the_line(fcf: FCF, fif: bytes, final: bool, x: bool) -> None:
    frame = Frame(fcf, fif, final, x and fcf.has_x)
    assert Frame.parse(bytes(frame)) == frame


def test_the_first_bit_of_dis_and_dtc_is_no_x_bit() -> None:
    assert Frame.parse(bytes.fromhex("ffc801")).fcf is FCF.DIS
    assert Frame.parse(bytes.fromhex("ffc881")).fcf is FCF.DTC
    assert not Frame.parse(bytes.fromhex("ffc881")).x
    assert bytes(Frame(FCF.DIS, x=True)).hex() == "ffc801"


@pytest.mark.parametrize(
    ("octets", "wrong"),
    [
        ("", "at least 3 octets"),
        ("ffc8", "at least 3 octets"),
        ("fec831", "fec8"),
        ("ff0331", "ff03"),
        ("ffc800", "control field 00"),
        ("ffc8ff", "control field ff"),
    ],
)
def test_what_is_no_frame_is_refused_with_the_reason(octets: str, wrong: str) -> None:
    with pytest.raises(FrameError, match=wrong):
        Frame.parse(bytes.fromhex(octets))


@given(st.binary(max_size=300))
def test_noise_raises_nothing_but_frame_errors(octets: bytes) -> None:
    parsers = (
        Frame.parse,
        PartialPageSignal.parse,
        parse_end_of_retransmission,
        parse_partial_page_request,
        lambda fif: parse_image_frame(Frame(FCF.FCD, fif)),
    )
    for parse in parsers:
        with contextlib.suppress(FrameError):
            parse(octets)
    assert len(decode_station_id(octets)) <= 20


# --- station identification ---------------------------------------------------------------------------------


@given(st.text(st.sampled_from("0123456789+ "), max_size=20))
def test_a_station_id_survives_the_line(text: str) -> None:
    coded = encode_station_id(text)
    assert len(coded) == 20
    assert decode_station_id(coded) == text.strip()


def test_the_station_id_of_a_recorded_call() -> None:
    csi = Frame.parse(bytes.fromhex("ffc0021e86666ec6a64e04428232040404040404040404"))
    assert csi.fcf is FCF.CSI
    assert decode_station_id(csi.fif) == "LAB recvfax"


@pytest.mark.parametrize("text", ["1" * 21, "+49 ü", "a\nb"])
def test_a_station_id_that_cannot_be_coded(text: str) -> None:
    with pytest.raises(FrameError, match="station ID"):
        encode_station_id(text)


# --- error correction ---------------------------------------------------------------------------------------


def test_pps_of_a_recorded_call() -> None:
    frame = Frame.parse(bytes.fromhex("ffc8fdf4000062"))
    signal = PartialPageSignal.parse(frame.fif)
    assert signal == PartialPageSignal(FCF.EOP, page=0, block=0, frames=71)
    assert str(signal) == "PPS-EOP"
    assert signal.to_fif(x=True) == frame.fif


@given(
    st.sampled_from([None, FCF.MPS, FCF.EOM, FCF.EOP, FCF.PRI_EOP]),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(1, 256),
    st.booleans(),
)
def test_pps_survives_the_line(following: FCF | None, page: int, block: int, frames: int, x: bool) -> None:
    signal = PartialPageSignal(following, page, block, frames)
    assert PartialPageSignal.parse(signal.to_fif(x=x)) == signal
    assert parse_end_of_retransmission(end_of_retransmission(following, x=x)) is following


def test_counters_of_pps_wrap_at_256() -> None:
    fif = PartialPageSignal(FCF.MPS, page=257, block=258, frames=256).to_fif(x=False)
    assert PartialPageSignal.parse(fif) == PartialPageSignal(FCF.MPS, page=1, block=2, frames=256)


@given(st.frozensets(st.integers(0, 255)))
def test_ppr_asks_for_all_that_is_not_there(present: frozenset[int]) -> None:
    assert parse_partial_page_request(partial_page_request(present)) == frozenset(range(256)) - present


def test_ppr_begins_with_the_bit_of_frame_0() -> None:
    assert partial_page_request(frozenset(range(1, 256))).hex() == "80" + "00" * 31


def test_image_frames_number_with_the_least_bit_first() -> None:
    frame = image_frame(1, b"\xaa" * 256)
    assert frame[:4].hex() == "ffc06080"
    assert parse_image_frame(Frame.parse(frame)) == (1, b"\xaa" * 256)
    assert RETURN_TO_CONTROL.hex() == "ffc061"

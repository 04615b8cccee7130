"""What the far end did, heard from packets as gateways really send them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.t30.vocabulary import (
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    LineSignal,
    Modem,
    Tone,
    ToneHeard,
)
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket, Packet, Syntax, encode
from t38fsp.t38.listener import MAX_FRAME
from t38fsp.t38.receiving import MOST_WAIT
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.udptl import Datagram
from t38fsp.t38.values import DataType, FieldType, Indicator
from tests.sweep import examples

V21, V17 = Modem.V21, Modem.V17_14400
CFR = b"\xff\xc8\x21"
DIS = b"\xff\xc8\x01\x00\x77"
CSI = b"\xff\xc0\x02\x8c\x9c"

SILENCE = IndicatorPacket(Indicator.NO_SIGNAL)
PREAMBLE = IndicatorPacket(Indicator.V21_PREAMBLE)
TRAINING = IndicatorPacket(Indicator.V17_14400_LONG_TRAINING)
SHORT = IndicatorPacket(Indicator.V17_14400_SHORT_TRAINING)


def v21(field_type: FieldType, data: bytes = b"") -> Packet:
    return DataPacket(DataType.V21, (Field(field_type, data),))


def v17(field_type: FieldType, data: bytes = b"") -> Packet:
    return DataPacket(DataType.V17_14400, (Field(field_type, data),))


HDLC, SIG_END = FieldType.HDLC_DATA, v21(FieldType.HDLC_SIG_END)
FCS_OK, FCS_OK_END = v21(FieldType.HDLC_FCS_OK), v21(FieldType.HDLC_FCS_OK_SIG_END)
RAW, RAW_END = FieldType.T4_NON_ECM_DATA, v17(FieldType.T4_NON_ECM_SIG_END)
LOST = None
"""Stands for a packet that never comes."""


def hear(
    *packets: Packet | None, syntax: Syntax = Syntax.Y1998, sent_in: Syntax | None = None
) -> list[LineSignal]:
    terminal = Terminal(syntax=syntax)
    now = 0.0
    for number, packet in enumerate([SILENCE, *packets]):
        now += 0.03
        if packet is not None:
            terminal.receive(bytes(Datagram(number, encode(packet, sent_in or syntax))), now)
    terminal.handle_deadline(now + MOST_WAIT)
    return terminal.take_signals()


def octets(frame: bytes) -> list[Packet]:
    return [v21(HDLC, frame[n : n + 1]) for n in range(len(frame))]


A_CFR = [CarrierDetected(V21), FrameReceived(V21, CFR, True), CarrierLost(V21)]
A_CSI_DIS = [
    CarrierDetected(V21),
    FrameReceived(V21, CSI, True),
    FrameReceived(V21, DIS, True),
    CarrierLost(V21),
]


@pytest.mark.parametrize("syntax", Syntax)
@pytest.mark.parametrize(
    "packets",
    [
        pytest.param([PREAMBLE, *octets(CFR), FCS_OK_END, SILENCE], id="octet by octet"),
        pytest.param([PREAMBLE, v21(HDLC, CFR), FCS_OK, SIG_END, SILENCE], id="fcs, then sig-end"),
        pytest.param([PREAMBLE, v21(HDLC, CFR), FCS_OK_END, SIG_END, SILENCE], id="the forbidden sig-end"),
        pytest.param([PREAMBLE, v21(HDLC, CFR), FCS_OK, SILENCE], id="no sig-end"),
        pytest.param([v21(HDLC, CFR), FCS_OK_END, SILENCE], id="no indicator"),
        pytest.param([PREAMBLE] * 3 + [v21(HDLC, CFR)] + [FCS_OK_END] * 3 + [SILENCE] * 3, id="repeats"),
        pytest.param(
            [PREAMBLE, v21(HDLC, CFR[:2]), PREAMBLE, v21(HDLC, CFR[2:]), FCS_OK_END], id="preamble inside"
        ),
        pytest.param(
            [PREAMBLE, v21(HDLC, CFR[:1]), v21(FieldType.HDLC_FCS_OK_SIG_END, CFR[1:])], id="data in fcs"
        ),
        pytest.param([PREAMBLE, v21(FieldType.HDLC_FCS_OK, CFR), FCS_OK, SIG_END], id="all data in fcs"),
        pytest.param(
            [PREAMBLE, v21(HDLC, CFR), FCS_OK, v21(FieldType.T4_NON_ECM_SIG_END)], id="other sig-end"
        ),
        pytest.param([LOST, v21(HDLC, CFR), FCS_OK_END], id="preamble lost"),
        pytest.param([LOST, *octets(CFR), FCS_OK_END], id="preamble lost, octets"),
        pytest.param([PREAMBLE, v21(HDLC, CFR), FCS_OK_END, LOST, LOST], id="no-signal lost"),
        pytest.param(
            [PREAMBLE, DataPacket(DataType.V21, (Field(HDLC, CFR), Field(FieldType.HDLC_FCS_OK_SIG_END)))]
            * 1,
            id="one packet",
        ),
        pytest.param(
            [PREAMBLE]
            + [DataPacket(DataType.V21, (Field(HDLC, CFR), Field(FieldType.HDLC_FCS_OK_SIG_END)))] * 3,
            id="one packet, repeated under new numbers",
        ),
    ],
)
def test_a_response_is_heard_however_it_is_said(packets: list[Packet | None], syntax: Syntax) -> None:
    assert hear(*packets, syntax=syntax) == A_CFR


@pytest.mark.parametrize(
    "between", [[], [PREAMBLE], [FCS_OK], [FCS_OK, FCS_OK]], ids=["nothing", "preamble", "fcs", "fcs twice"]
)
def test_frames_of_one_burst(between: list[Packet]) -> None:
    packets = [PREAMBLE, v21(HDLC, CSI), FCS_OK, *between, v21(HDLC, DIS), FCS_OK_END]
    assert hear(*packets) == A_CSI_DIS


@pytest.mark.parametrize(
    ("packets", "frames"),
    [
        pytest.param([*octets(CFR[:1]), LOST, *octets(CFR[2:]), FCS_OK_END], [b"\xff\x21"], id="inside"),
        pytest.param([LOST, *octets(CFR[1:]), FCS_OK_END], [CFR[1:]], id="the first octet"),
        pytest.param([*octets(CFR[:2]), LOST, FCS_OK_END], [CFR[:2]], id="the last octet"),
        pytest.param([LOST, FCS_OK_END], [b""], id="all octets"),
        pytest.param([*octets(CFR), LOST, SILENCE], [CFR], id="the end"),
        pytest.param([*octets(CFR), SIG_END], [CFR], id="no fcs"),
        pytest.param([*octets(CFR), v21(FieldType.HDLC_FCS_BAD_SIG_END)], [CFR], id="fcs bad"),
        pytest.param([v21(HDLC, CSI), LOST, v21(HDLC, DIS), FCS_OK_END], [CSI + DIS], id="between frames"),
    ],
)
def test_a_frame_that_is_not_whole_is_bad(packets: list[Packet | None], frames: list[bytes]) -> None:
    signals = hear(PREAMBLE, *packets)
    assert [each for each in signals if isinstance(each, FrameReceived)] == [
        FrameReceived(V21, frame, False) for frame in frames
    ]
    assert isinstance(signals[-1], CarrierLost)


def test_data_without_indicator_that_begin_in_mid_frame_are_bad() -> None:
    signals = hear(v21(HDLC, DIS[2:]), FCS_OK_END)
    assert signals == [CarrierDetected(V21), FrameReceived(V21, DIS[2:], False), CarrierLost(V21)]


def test_what_cannot_be_read_is_lost() -> None:
    terminal = Terminal()
    packets = [encode(packet, Syntax.Y1998) for packet in (PREAMBLE, *octets(CFR), FCS_OK_END)]
    packets[2] = b"\xff\xff"
    for number, packet in enumerate(packets):
        terminal.receive(bytes(Datagram(number, packet)), 0.03 * number)
    assert terminal.counters.malformed == 1
    frames = [each for each in terminal.take_signals() if isinstance(each, FrameReceived)]
    assert frames == [FrameReceived(V21, CFR[:1] + CFR[2:], False)]


def test_only_the_frame_with_the_loss_is_bad() -> None:
    frames = [b"\xff\xc0\x60" + bytes((n,)) + bytes(200) for n in range(4)]
    packets: list[Packet | None] = [SHORT]
    for frame in frames:
        packets += [v17(HDLC, frame[:100]), v17(HDLC, frame[100:]), v17(FieldType.HDLC_FCS_OK)]
    packets[5] = LOST
    heard = [each.good for each in hear(*packets) if isinstance(each, FrameReceived)]
    assert heard == [True, False, True, True]


@pytest.mark.parametrize("end", [RAW_END, v17(FieldType.HDLC_SIG_END), SILENCE])
def test_a_raw_burst_ends_by_either_sig_end_or_silence(end: Packet) -> None:
    assert hear(TRAINING, v17(RAW, b"\0\1"), v17(RAW, b"\2"), end, end, SILENCE) == [
        CarrierDetected(V17),
        DataReceived(V17, b"\0\1"),
        DataReceived(V17, b"\2"),
        CarrierLost(V17),
    ]


def test_the_last_octets_may_come_with_the_sig_end() -> None:
    assert hear(SHORT, v17(FieldType.T4_NON_ECM_SIG_END, b"\0\x10\1"), RAW_END, SILENCE) == [
        CarrierDetected(V17, short_training=True),
        DataReceived(V17, b"\0\x10\1"),
        CarrierLost(V17),
    ]


def test_a_gap_in_raw_data_is_told_once() -> None:
    data = [v17(RAW, bytes((n,))) for n in range(5)]
    packets = [TRAINING, data[0], LOST, LOST, data[3], data[4], RAW_END]
    assert [each.after_gap for each in hear(*packets) if isinstance(each, DataReceived)] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("before", [TRAINING, LOST])
def test_an_indicator_repeated_in_mid_page_is_nothing(before: Packet | None) -> None:
    packets = [before, v17(RAW, b"\1"), TRAINING, v17(RAW, b"\2"), LOST, TRAINING, v17(RAW, b"\3"), RAW_END]
    signals = hear(*packets)
    assert [each.data for each in signals if isinstance(each, DataReceived)] == [b"\1", b"\2", b"\3"]
    assert sum(isinstance(each, CarrierDetected) for each in signals) == 1


@pytest.mark.parametrize(
    "ends",
    [
        [RAW_END],
        [v17(FieldType.HDLC_FCS_OK_SIG_END)],  # the wrong kind
        [FCS_OK_END],  # of the command behind the page
        [FCS_OK, SIG_END],
        [SIG_END],
        [SILENCE],
    ],
)
def test_a_lost_end_of_raw_data_is_not_clean(ends: list[Packet]) -> None:
    heard = hear(TRAINING, v17(RAW, b"\1"), LOST, *ends, PREAMBLE)
    lost = [signal for signal in heard if isinstance(signal, CarrierLost)]
    assert lost == [CarrierLost(V17, clean=False)]


@pytest.mark.parametrize(
    ("packets", "clean"),
    [
        ([PREAMBLE, v21(HDLC, CFR), FCS_OK, TRAINING], False),
        ([PREAMBLE, v21(HDLC, CFR), FCS_OK, v17(RAW, b"\1")], False),
        ([PREAMBLE, v21(HDLC, CFR), FCS_OK_END, TRAINING], True),
        ([PREAMBLE, v21(HDLC, CFR), FCS_OK_END, v17(RAW, b"\1")], True),
    ],
)
def test_the_next_burst_ends_this_one(packets: list[Packet], clean: bool) -> None:
    signals = hear(*packets)
    assert signals[:3] == [*A_CFR[:2], CarrierLost(V21, clean)]
    assert signals[3] == CarrierDetected(V17)


def test_two_responses_whose_silence_was_lost() -> None:
    packets = [PREAMBLE, v21(HDLC, CFR), FCS_OK_END, LOST, PREAMBLE, v21(HDLC, CFR), FCS_OK_END]
    assert hear(*packets) == A_CFR * 2


def test_two_responses_without_anything_between_them() -> None:
    packets = [PREAMBLE, v21(HDLC, CFR), FCS_OK_END, LOST, LOST, v21(HDLC, DIS), FCS_OK_END]
    assert hear(*packets) == [*A_CFR, CarrierDetected(V21), FrameReceived(V21, DIS, True), CarrierLost(V21)]


def test_tones_are_heard_once() -> None:
    ced = IndicatorPacket(Indicator.CED)
    cng = IndicatorPacket(Indicator.CNG)
    assert hear(cng, cng, ced, ced, SILENCE, ced) == [
        ToneHeard(Tone.CNG),
        ToneHeard(Tone.CED),
        ToneHeard(Tone.CED),
    ]


def test_short_training_after_long_training_is_another_burst() -> None:
    """Without a packet between them: the modem is the same, and the first burst brought nothing."""
    short = IndicatorPacket(Indicator.V17_14400_SHORT_TRAINING)
    long = IndicatorPacket(Indicator.V17_14400_LONG_TRAINING)
    begun = [signal for signal in hear(long, short) if isinstance(signal, CarrierDetected)]
    assert begun == [CarrierDetected(V17), CarrierDetected(V17, short_training=True)]


def test_what_is_not_g3_fax_is_passed_over() -> None:
    v34 = DataPacket(DataType.V34_PRI_CH, (Field(HDLC, b"\xff"),))
    packets = [IndicatorPacket(Indicator.V8_ANSAM), v34, IndicatorPacket(Indicator.V33_14400_TRAINING)]
    assert hear(*packets, syntax=Syntax.Y2002) == []
    assert hear(PREAMBLE, v21(HDLC, CFR), v34, FCS_OK_END, syntax=Syntax.Y2002) == A_CFR


def test_ends_without_a_burst_are_nothing() -> None:
    assert hear(FCS_OK, FCS_OK_END, SIG_END, RAW_END, SILENCE) == []


# --- carriers that stall, frames without end -------------------------------------------------------------


def test_a_carrier_that_stalls_is_lost_after_15_s() -> None:
    terminal = Terminal()
    for number, packet in enumerate([PREAMBLE, v21(HDLC, CFR)]):
        terminal.receive(bytes(Datagram(number, encode(packet, Syntax.Y1998))), 1.0 + number)
    terminal.handle_deadline(16.9)
    assert terminal.take_signals() == [CarrierDetected(V21)]
    assert terminal.next_deadline() == 17.0
    terminal.handle_deadline(17.0)
    assert terminal.take_signals() == [FrameReceived(V21, CFR, False), CarrierLost(V21, clean=False)]
    assert terminal.next_deadline() is None


def test_a_frame_without_end_is_bounded_and_bad() -> None:
    terminal = Terminal()
    for number in range(3000):
        terminal.receive(bytes(Datagram(number, encode(v21(HDLC, b"\xff" * 50), Syntax.Y1998))), 0.0)
    terminal.receive(bytes(Datagram(3000, encode(FCS_OK_END, Syntax.Y1998))), 0.0)
    [_, frame, _] = terminal.take_signals()
    assert frame == FrameReceived(V21, b"\xff" * MAX_FRAME, False)


def test_a_frame_that_fills_the_bound_is_good() -> None:
    frame = b"\xff\xc8" + bytes(MAX_FRAME - 2)
    assert hear(PREAMBLE, v21(HDLC, frame), FCS_OK_END)[1] == FrameReceived(V21, frame, True)


# --- the other syntax ------------------------------------------------------------------------------------


@pytest.mark.parametrize("negotiated", Syntax)
def test_a_peer_that_sends_the_other_syntax_is_understood(negotiated: Syntax) -> None:
    two_frames = [PREAMBLE, *octets(CSI), FCS_OK, *octets(DIS), FCS_OK_END, SILENCE]
    page = [TRAINING, v17(RAW, bytes(9)), v17(RAW, bytes(9)), RAW_END, SILENCE]
    heard = hear(*two_frames, *page, *two_frames, syntax=negotiated, sent_in=negotiated.other)
    first_page = heard.index(CarrierDetected(V17))
    csi, dis = (each for each in heard[:first_page] if isinstance(each, FrameReceived))
    assert dis == FrameReceived(V21, DIS, True)
    # What 2002 calls fcs-OK is a carrier that drops in 1998: only what follows tells them apart.
    assert csi == FrameReceived(V21, CSI, negotiated is Syntax.Y2002)
    assert heard[first_page:] == [
        CarrierDetected(V17),
        DataReceived(V17, bytes(9)),
        DataReceived(V17, bytes(9)),
        CarrierLost(V17),
        *A_CSI_DIS,
    ]


@pytest.mark.parametrize("negotiated", Syntax)
def test_we_answer_in_the_syntax_that_was_heard(negotiated: Syntax) -> None:
    terminal = Terminal(syntax=negotiated)
    for number, packet in enumerate([TRAINING, v17(RAW, bytes(9)), RAW_END]):
        terminal.receive(bytes(Datagram(number, encode(packet, negotiated.other))), 0.0)
    assert terminal.syntax is negotiated.other


def test_frames_that_are_cut_off_each_time_are_whole_in_the_other_syntax() -> None:
    """A peer of 2002 that ends its bursts by fcs-OK and no-signal, although 1998 was negotiated."""
    said = [PREAMBLE, *octets(DIS), FCS_OK, SILENCE]
    heard = hear(*said, *said, *said, syntax=Syntax.Y1998, sent_in=Syntax.Y2002)
    frames = [signal for signal in heard if isinstance(signal, FrameReceived)]
    assert [frame.good for frame in frames] == [False, True, True]
    assert frames[-1].frame == DIS


def test_one_odd_packet_does_not_change_a_syntax_that_is_certain() -> None:
    terminal = Terminal(syntax=Syntax.Y1998)
    odd = encode(v17(RAW, bytes(9)), Syntax.Y2002)
    good = [encode(each, Syntax.Y1998) for each in [TRAINING, v17(RAW, bytes(9))]]
    for number, ifp in enumerate([*good, bytes.fromhex("D00138"), *good]):
        terminal.receive(bytes(Datagram(number, ifp)), 0.0)
    assert terminal.syntax is Syntax.Y1998
    assert odd != good[1]


# --- hostile ---------------------------------------------------------------------------------------------


def test_garbage_is_counted_and_changes_nothing() -> None:
    terminal = Terminal()
    for datagram in (b"", b"\0", bytes(100), b"\x80\x00" + b"\xd5" * 170, b"SIP/2.0 200 OK\r\n"):
        assert terminal.receive(datagram, 0.0) is False
    assert terminal.counters.malformed == 5
    assert terminal.take_signals() == []
    assert terminal.receive(bytes(Datagram(0, b"\x06")), 0.0) is True


IFPS = [
    encode(packet, syntax)
    for syntax in Syntax
    for packet in [
        SILENCE,
        PREAMBLE,
        TRAINING,
        v21(HDLC, CFR),
        FCS_OK,
        FCS_OK_END,
        SIG_END,
        v17(RAW, CFR),
        RAW_END,
    ]
]
DATAGRAMS = st.builds(
    lambda number, ifp, copies: bytes(Datagram(number, ifp, tuple(copies))),
    st.integers(0, 0xFFFF) | st.integers(0, 20),
    st.sampled_from(IFPS) | st.binary(max_size=12),
    st.lists(st.sampled_from(IFPS) | st.binary(max_size=6), max_size=3),
) | st.binary(max_size=30)


@given(st.lists(DATAGRAMS, max_size=50), st.sampled_from(Syntax))
@examples(push=66, full=200)
def test_whatever_arrives_bursts_begin_before_they_end(datagrams: list[bytes], syntax: Syntax) -> None:
    terminal = Terminal(syntax=syntax)
    for datagram in datagrams:
        terminal.receive(datagram, 0.0)
    terminal.handle_deadline(MOST_WAIT)
    terminal.handle_deadline(100.0)
    carrier: Modem | None = None
    for signal in terminal.take_signals():
        match signal:
            case CarrierDetected(modem):
                assert carrier is None
                carrier = modem
            case CarrierLost(modem):
                assert carrier is modem
                carrier = None
            case FrameReceived(modem) | DataReceived(modem):
                assert carrier is modem
            case ToneHeard():
                assert carrier is None
    assert carrier is None

"""Bursts become packets at the pace of the modem: what is sent, when, and how often."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from t38fsp.t30.vocabulary import Burst, HdlcBurst, Modem, RawBurst, Tone, ToneBurst
from t38fsp.t38.ifp import DataPacket, Field, Syntax, encode
from t38fsp.t38.planner import line_bits
from t38fsp.t38.terminal import LEAST_DATAGRAM, Terminal
from t38fsp.t38.timing import TALKER_ECHO_PROTECTION, Timing
from t38fsp.t38.udptl import Datagram
from t38fsp.t38.values import FieldType
from tests.sweep import Share, sweep
from tests.t38.line import Line, Sent
from tests.t38.outlet import Outlet

CFR = bytes.fromhex("FFC821")
DIS = bytes.fromhex("FFC8010077")
CSI = bytes.fromhex("FFC002") + bytes.fromhex("8C9C") * 10
FAST = [modem for modem in Modem if modem is not Modem.V21]


def play(
    *bursts: Burst, timing: Timing | None = None, until: float = 30.0, **options: int | Syntax
) -> tuple[list[Sent], list[float]]:
    """Everything that one terminal sends from time 0 on, and when its bursts were over."""
    near = Terminal(timing=timing or Timing(keep_alive=0.0), **options)  # type: ignore[arg-type]
    line = Line(near, Terminal(timing=Timing(keep_alive=0.0)))
    for burst in bursts:
        line.send(0, burst)
    line.run(until)
    return line.sent, line.bursts_sent[0]


def timeline(sent: list[Sent]) -> list[tuple[float, str, int]]:
    """Time in milliseconds, packet, number of copies."""
    rows = []
    for _, group in itertools.groupby(sent, key=lambda each: each.datagram):
        copies = list(group)
        assert [round(c.time - copies[0].time, 6) for c in copies] == [n / 100 for n in range(len(copies))]
        rows.append((round(copies[0].time * 1000, 1), copies[0].text, len(copies)))
    return rows


def test_a_v21_response() -> None:
    sent, over = play(HdlcBurst(Modem.V21, [CFR]))
    octet = 8 / 300
    assert timeline(sent) == [
        (0.0, "no-signal", 3),
        (75.0, "v21-preamble", 3),
        (1075.0, "v21 hdlc-data[1]", 1),
        (1101.7, "v21 hdlc-data[1]", 1),
        (1128.3, "v21 hdlc-data[1]", 1),
        # FF C8 has ten ones in a row, so two zeros are stuffed: 26 bits.
        (1161.7, "v21 hdlc-fcs-ok-sig-end", 3),
        # FCS with one stuffed zero, two flags, 100 ms.
        (1371.7, "no-signal", 3),
    ]
    assert over == [pytest.approx(1.075 + 3 * octet + 2 / 300 + 33 / 300 + 0.1)]
    assert [Datagram.parse(each.datagram).number for each in sent[::3]][:2] == [0, 1]


def test_frames_of_a_command_follow_each_other_behind_fcs_and_two_flags() -> None:
    sent, _ = play(HdlcBurst(Modem.V21, [CSI, DIS]))
    rows = timeline(sent)
    texts = [text for _, text, _ in rows]
    assert texts == [
        "no-signal",
        "v21-preamble",
        *["v21 hdlc-data[1]"] * len(CSI),
        "v21 hdlc-fcs-ok",
        *["v21 hdlc-data[1]"] * len(DIS),
        "v21 hdlc-fcs-ok-sig-end",
        "no-signal",
    ]
    fcs = texts.index("v21 hdlc-fcs-ok")
    body, trailer = line_bits(CSI)
    assert rows[fcs][0] == pytest.approx(1075 + body / 0.3, abs=0.1)
    assert rows[fcs + 1][0] == pytest.approx(1075 + (body + trailer + 16) / 0.3, abs=0.1)


def test_whole_frames_go_in_one_packet_at_the_time_of_their_first_bit() -> None:
    timing = Timing(keep_alive=0.0, whole_frames=True, fcs_with_data=True)
    rows = timeline(play(HdlcBurst(Modem.V21, [CSI, DIS]), timing=timing)[0])
    body, trailer = line_bits(CSI)
    assert [text for _, text, _ in rows] == [
        "no-signal",
        "v21-preamble",
        f"v21 hdlc-data[{len(CSI)}] hdlc-fcs-ok",
        f"v21 hdlc-data[{len(DIS)}]",
        "v21 hdlc-fcs-ok-sig-end",
        "no-signal",
    ]
    assert rows[3][0] == pytest.approx(1075 + (body + trailer + 16) / 0.3, abs=0.1)


@pytest.mark.parametrize(
    ("modem", "short", "training"),
    [
        (Modem.V27TER_2400, False, 943),
        (Modem.V27TER_4800, False, 708),
        (Modem.V29_7200, False, 234),
        (Modem.V29_9600, True, 234),
        (Modem.V17_7200, False, 1393),
        (Modem.V17_14400, False, 1393),
        (Modem.V17_9600, True, 142),
        (Modem.V17_14400, True, 142),
    ],
)
@pytest.mark.parametrize("echo", [0.0, TALKER_ECHO_PROTECTION])
def test_modems_get_their_start_up_time(modem: Modem, short: bool, training: int, echo: float) -> None:
    timing = Timing(keep_alive=0.0, echo_protection=echo)
    rows = timeline(play(RawBurst(modem, bytes(100), short), timing=timing)[0])
    assert rows[1][0] == 75.0
    assert rows[1][1].endswith("training")
    assert ("short" in rows[1][1]) is (short and modem.modulation == "V.17")
    assert rows[2][0] == pytest.approx(75 + training + echo * 1000, abs=0.1)
    rows = timeline(play(HdlcBurst(modem, [CFR], short), timing=timing)[0])
    assert rows[2][0] == pytest.approx(75 + training + echo * 1000 + 200, abs=0.1)


@pytest.mark.parametrize("modem", FAST)
def test_tcf_is_sent_to_the_octet_in_30_ms_packets(modem: Modem) -> None:
    size = round(modem.rate * 1.5 / 8)
    sent, over = play(RawBurst(modem, bytes(size)), max_datagram=1400)
    data = [each for each in sent if "t4-non-ecm-data" in each.text]
    assert sum(octets(each) for each in data) == size
    assert {octets(each) for each in data[:-1]} == {round(modem.rate * 0.03 / 8)}
    first = data[0].time
    for n, each in enumerate(data):
        assert each.time == pytest.approx(first + 0.03 * n)
    end = timeline(sent)[-2:]
    assert end[0] == (round(first * 1000 + 1500, 1), f"{data[0].text.split()[0]} t4-non-ecm-sig-end", 3)
    assert end[1] == (round(first * 1000 + 1560, 1), "no-signal", 3)
    assert over == [pytest.approx(first + 1.56)]


def test_a_page_without_ecm_is_followed_by_40_ms_of_zeros_at_least() -> None:
    page = b"\x00\x01" + bytes(range(256)) * 20
    sent, over = play(RawBurst(Modem.V17_14400, page, short_training=True))
    data = [
        each.ifp.fields[0].data
        for each in sent
        if isinstance(each.ifp, DataPacket) and each.ifp.fields[0].data
    ]
    whole = b"".join(data)
    assert whole.startswith(page)
    padding = whole[len(page) :]
    assert not padding.strip(b"\0")
    assert 0.04 <= len(padding) * 8 / 14400 < 0.07
    assert over == [pytest.approx(0.075 + 0.142 + len(whole) * 8 / 14400 + 0.06)]


def test_a_page_without_ecm_runs_ahead_of_the_modem() -> None:
    page = b"\x00\x01" + bytes(range(256)) * 20
    sent, _ = play(RawBurst(Modem.V17_14400, page, short_training=True), timing=Timing(head_start=0.06))
    first = next(each for each in sent if isinstance(each.ifp, DataPacket))
    assert first.time == pytest.approx(0.075 + 0.142 - 0.06)


def octets(sent: Sent) -> int:
    assert isinstance(sent.ifp, DataPacket)
    return sum(len(field.data) for field in sent.ifp.fields)


def ecm_frames(count: int) -> list[bytes]:
    return [b"\xff\xc0\x60" + bytes((n,)) + bytes((n * 7 % 256,)) * 256 for n in range(count)]


@pytest.mark.parametrize("modem", FAST)
def test_an_ecm_block_keeps_the_pace_of_the_line_with_its_stuffed_bits(modem: Modem) -> None:
    frames = [*ecm_frames(20), *[b"\xff\xc0\x61"] * 3]
    sent, over = play(HdlcBurst(modem, frames), until=60.0)
    begin = next(each.time for each in sent if "hdlc-data" in each.text)
    bits = sum(sum(line_bits(frame)) + 16 for frame in frames)
    assert over == [pytest.approx(begin + bits / modem.rate + 0.1)]
    ends = [each for each in sent if "fcs" in each.text and not each.repeat]
    assert [each.text.split()[1] for each in ends] == ["hdlc-fcs-ok"] * 22 + ["hdlc-fcs-ok-sig-end"]
    at = begin
    for frame, end in zip(frames, ends, strict=True):
        body, trailer = line_bits(frame)
        assert end.time == pytest.approx(at + body / modem.rate)
        at += (body + trailer + 16) / modem.rate


def stuffed(frame: bytes) -> int:
    """Bits on the line, counted one by one; the FCS too is computed bit by bit (X-25)."""
    bits = [octet >> (7 - n) & 1 for octet in frame for n in range(8)]
    crc = 0xFFFF
    for bit in bits:
        crc = (crc << 1 & 0xFFFF) ^ (0x1021 if crc >> 15 ^ bit else 0)
    bits += [~crc >> (15 - n) & 1 for n in range(16)]
    ones = extra = 0
    for bit in bits:
        ones = ones + 1 if bit else 0
        if ones == 5:
            extra += 1
            ones = 0
    return len(bits) + extra


@pytest.mark.parametrize("frame", [CFR, CSI, DIS, b"\xff" * 40, bytes(20), b"\x1f\xf8" * 9, *ecm_frames(3)])
def test_stuffed_bits_are_counted_exactly(frame: bytes) -> None:
    assert sum(line_bits(frame)) == stuffed(frame)


def test_the_x25_check_value() -> None:
    """CRC-16/X-25 of 123456789 is 906E; octets here are in line order, so bit-reversed."""
    digits = bytes(int(f"{octet:08b}"[::-1], 2) for octet in b"123456789")
    with_fcs = stuffed(digits)
    assert with_fcs - 9 * 8 - 16 == 0
    assert line_bits(digits) == (72, 16)


# --- limits ----------------------------------------------------------------------------------------------


@sweep(
    push=Share.ALL,
    redundancy=range(4),
    limit=[LEAST_DATAGRAM, 72, 100, 150, 176, 238, 260, 400, 1400],
)
def test_no_datagram_is_longer_than_the_far_end_takes(limit: int, redundancy: int) -> None:
    bursts = [
        HdlcBurst(Modem.V21, [CSI]),
        RawBurst(Modem.V17_14400, bytes(2700)),
        HdlcBurst(Modem.V17_14400, ecm_frames(4)),
    ]
    sent, over = play(*bursts, redundancy=redundancy, max_datagram=limit)
    assert max(len(each.datagram) for each in sent) <= limit
    assert len(over) == 3
    chunks = {octets(each) for each in sent if "t4-non-ecm-data" in each.text}
    assert chunks <= {54, 36, 18}
    if limit >= 260:
        assert chunks == {54}
    if redundancy and limit >= 72:
        fewest = min(len(Datagram.parse(each.datagram).secondaries) for each in sent[6:])
        assert fewest >= 1


def test_a_limit_on_the_packet_alone_leaves_the_copies() -> None:
    sent, _ = play(RawBurst(Modem.V17_14400, bytes(900)), max_ifp=58, max_datagram=400)
    data = [each for each in sent if "t4-non-ecm-data" in each.text]
    assert {octets(each) for each in data} == {36}
    assert all(len(each.octets) <= 58 for each in sent)
    assert len(Datagram.parse(data[9].datagram).secondaries) == 3


@pytest.mark.parametrize("options", [{"max_datagram": 39}, {"max_ifp": 23}, {"redundancy": 128}])
def test_what_no_terminal_can_be_told(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least|possible"):
        Terminal(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("syntax", Syntax)
def test_packets_are_in_the_negotiated_syntax(syntax: Syntax) -> None:
    sent, _ = play(HdlcBurst(Modem.V21, [CFR]), syntax=syntax)
    end = DataPacket(sent[6].ifp.type, (Field(FieldType.HDLC_FCS_OK_SIG_END),))  # type: ignore[union-attr]
    assert encode(end, syntax) in [each.octets for each in sent]


def test_without_any_correction_v21_is_sent_three_times() -> None:
    """Of some thirty packets of a DIS none may be lost."""
    sent, over = play(HdlcBurst(Modem.V21, [CSI, DIS]), redundancy=0)
    plain, over_plain = play(HdlcBurst(Modem.V21, [CSI, DIS]))
    assert over == over_plain
    assert [(time, text) for time, text, _ in timeline(sent)] == [
        (time, text) for time, text, _ in timeline(plain)
    ]
    assert {copies for _, _, copies in timeline(sent)} == {3}
    assert not any(Datagram.parse(each.datagram).secondaries for each in sent)
    fast, _ = play(RawBurst(Modem.V17_14400, bytes(2700)), redundancy=0)
    assert {copies for _, text, copies in timeline(fast) if "data" in text} == {1}


def test_late_copies_of_v21_data_leave_together() -> None:
    outlet = Outlet(Terminal(redundancy=0, timing=Timing(keep_alive=0.0)))
    outlet.terminal.send(HdlcBurst(Modem.V21, [DIS]), 0.0)
    outlet.run(1.08)
    before = len(outlet.left)
    outlet.turn(1.4)
    late = outlet.left[before:]
    assert len(late) > 3 * (len(DIS) - 2)
    assert {each.repeat for each in late} == {True, False}


# --- bursts in a row -------------------------------------------------------------------------------------


def test_dcs_and_tcf_are_75_ms_apart() -> None:
    sent, over = play(HdlcBurst(Modem.V21, [DIS]), RawBurst(Modem.V29_9600, bytes(1800)))
    rows = timeline(sent)
    training = next(time for time, text, _ in rows if text == "v29-9600-training")
    assert training == pytest.approx(over[0] * 1000 + 75, abs=0.1)
    assert sum(text == "no-signal" for _, text, _ in rows) == 3


def test_cng_holds_until_the_next_burst() -> None:
    sent, over = play(ToneBurst(Tone.CNG, 0.5), HdlcBurst(Modem.V21, [CFR]))
    assert timeline(sent)[:4] == [
        (0.0, "no-signal", 3),
        (75.0, "cng", 3),
        (575.0, "no-signal", 3),
        (650.0, "v21-preamble", 3),
    ]
    assert over[0] == pytest.approx(0.575)


def test_cng_ends_as_the_far_end_begins_to_speak() -> None:
    line = Line(Terminal(timing=Timing(keep_alive=1.0)), Terminal(timing=Timing(keep_alive=0.0)))
    line.send(0, ToneBurst(Tone.CNG, 0.5))
    line.run(3.0)
    line.send(1, HdlcBurst(Modem.V21, [CFR]))
    line.run(6.0)
    ours = [(each.time, each.text) for each in line.sent if each.side == 0 and not each.repeat]
    begun = next(each.time for each in line.sent if each.text == "v21-preamble")
    assert {text for time, text in ours if 0 < time < begun} == {"cng"}
    assert {text for time, text in ours if time >= begun} == {"no-signal"}
    assert ours[-1][0] > 5.0


def test_ced_ends_by_itself() -> None:
    sent, over = play(ToneBurst(Tone.CED, 3.0))
    assert timeline(sent) == [(0.0, "no-signal", 3), (75.0, "ced", 3), (3075.0, "no-signal", 3)]
    assert over == [pytest.approx(3.075)]


def test_an_answer_waits_75_ms_behind_the_carrier_of_the_far_end() -> None:
    line = Line(Terminal(), Terminal(), network=lambda _: 0.04)
    for terminal in line.terminals:
        terminal.start(0.0)
    line.send(0, HdlcBurst(Modem.V21, [DIS]))
    while not line.heard(1) or "CarrierLost" not in str(line.heard(1)[-1]):
        line.run(line.now + 0.001)
    end = line.now
    line.send(1, HdlcBurst(Modem.V21, [CFR]))
    line.run(5.0)
    answer = next(each.time for each in line.sent if each.side == 1 and each.text == "v21-preamble")
    assert 0.074 <= answer - end <= 0.0751


def test_silence_is_kept_alive() -> None:
    line = Line(Terminal(), Terminal(timing=Timing(keep_alive=0.0)))
    line.terminals[0].start(0.0)
    line.run(4.5)
    assert timeline(line.sent) == [
        (0.0, "no-signal", 3),
        *[(1000.0 * n, "no-signal", 1) for n in range(1, 5)],
    ]


def test_a_revoked_burst_stops_at_once_and_leaves_no_hole_in_the_numbers() -> None:
    line = Line(Terminal(timing=Timing(keep_alive=0.0)), Terminal(timing=Timing(keep_alive=None)))
    line.send(0, RawBurst(Modem.V17_14400, b"\1" * 90000))
    line.send(0, HdlcBurst(Modem.V21, [DIS]))
    line.run(3.0)
    line.terminals[0].revoke(line.now)
    line.send(0, HdlcBurst(Modem.V21, [CFR]))
    line.run(10.0)
    rows = [row for row in timeline(line.sent) if row[0] >= 3000.0]
    assert rows[:2] == [(3000.0, "no-signal", 3), (3075.0, "v21-preamble", 3)]
    numbers = [Datagram.parse(each.datagram).number for each in line.sent]
    assert sorted(set(numbers)) == list(range(max(numbers) + 1))
    assert len(line.bursts_sent[0]) == 1


def test_what_was_planned_before_a_revocation_does_not_leave() -> None:
    outlet = Outlet(Terminal())
    outlet.terminal.send(HdlcBurst(Modem.V21, [CFR]), 0.0)
    outlet.turn(0.0)
    assert len(outlet.left) == 1
    assert len(outlet.terminal.lane) > 3
    outlet.terminal.revoke(0.01)
    outlet.run(0.9)
    assert [each.ifp for each in outlet.left] == [b"\0"] * 4
    assert [each.repeat for each in outlet.left] == [False, False, True, True]


def test_nothing_leaves_after_a_stop_and_nothing_counts_as_sent() -> None:
    outlet = Outlet(Terminal())
    outlet.terminal.start(0.0)
    outlet.terminal.send(HdlcBurst(Modem.V21, [CFR]), 0.0)
    outlet.run(0.5)
    left = len(outlet.left)
    outlet.terminal.stop()
    outlet.terminal.send(HdlcBurst(Modem.V21, [CFR]), 0.5)
    outlet.run(3.0)
    assert len(outlet.left) == left


# --- stretches -------------------------------------------------------------------------------------------


class Frames(list[bytes]):
    """Counts how many frames have been read."""

    read = 0

    def __iter__(self) -> Iterator[bytes]:
        for frame in super().__iter__():
            self.read += 1
            yield frame


def test_frames_are_read_as_the_line_needs_them() -> None:
    frames = Frames(ecm_frames(100))
    outlet = Outlet(Terminal())
    outlet.terminal.send(HdlcBurst(Modem.V17_14400, frames), 0.0)
    for step in range(1, 170):
        outlet.run(step / 10)
        elapsed = max(0.0, step / 10 - 1.668)
        assert frames.read <= elapsed / 0.147 + 11
    assert frames.read == 100
    assert outlet.most_waiting <= 70
    assert len(outlet.left) > 600


def test_the_stretch_that_is_planned_is_bounded() -> None:
    outlet = Outlet(Terminal(timing=Timing(keep_alive=0.0)))
    outlet.terminal.send(RawBurst(Modem.V17_14400, b"\1" * 200_000), 0.0)
    outlet.run(20.0)
    assert outlet.most_waiting <= 70
    assert 600 < len(outlet.left) < 700


def test_late_turns_change_nothing_but_the_time() -> None:
    def datagrams(step: float) -> list[bytes]:
        outlet = Outlet(Terminal(timing=Timing(keep_alive=0.0)))
        frames = ecm_frames(3)
        outlet.terminal.send(HdlcBurst(Modem.V17_14400, frames), 0.0)
        for n in range(round(10 / step)):
            outlet.turn(n * step)
        bits = sum(sum(line_bits(frame)) + 16 for frame in frames)
        assert 0.0 <= outlet.over[0] - (0.075 + 1.393 + 0.2 + bits / 14400 + 0.1) <= 2 * step
        return [each.datagram for each in outlet.left]

    assert datagrams(0.01) == datagrams(0.7)


def test_late_octets_of_v21_leave_together_after_a_whole_preamble() -> None:
    """A preamble that began late lasts for 850 ms all the same, and the silence before it for 55 ms."""
    outlet = Outlet(Terminal(timing=Timing(keep_alive=0.0)))
    outlet.terminal.send(HdlcBurst(Modem.V21, [DIS]), 0.0)
    for n in range(1500):
        outlet.turn(5.0 + n / 1000)
    times: dict[bytes, float] = {}
    for each in outlet.left:
        times.setdefault(each.ifp, each.time)
    silence, preamble, *octets, end = times.values()
    assert silence == 5.0
    assert preamble == pytest.approx(5.055, abs=0.0011)
    assert octets[0] == pytest.approx(preamble + 0.85, abs=0.0021)
    assert set(octets[1:]) == {octets[0]}
    assert end == octets[0]


def test_a_burst_of_no_frames_still_ends() -> None:
    rows = timeline(play(HdlcBurst(Modem.V21, []))[0])
    assert [text for _, text, _ in rows] == ["no-signal", "v21-preamble", "v21 hdlc-sig-end", "no-signal"]


# --- what nobody answers ---------------------------------------------------------------------------------


def frame_ends(sent: list[Sent]) -> list[str]:
    """The octets that end each V.21 burst."""
    ends = [each.octets.hex() for each in sent if each.octets[:2] == b"\xc0\x01" and not each.repeat]
    return [end for end in ends if len(end) == 6]


def test_from_the_third_attempt_on_the_syntax_changes() -> None:
    bursts = [HdlcBurst(Modem.V21, (CFR,), attempt=attempt) for attempt in range(1, 7)]
    sent, _ = play(*bursts)
    assert frame_ends(sent) == ["c00140", "c00140", "c00120", "c00140", "c00120", "c00140"]


@pytest.mark.parametrize("frames", [(CFR,), (CSI, DIS)])
def test_a_syntax_that_the_far_end_was_heard_to_use_is_kept(frames: tuple[bytes, ...]) -> None:
    line = Line(Terminal(), Terminal())
    line.send(1, HdlcBurst(Modem.V21, frames))
    line.run(until=5.0)
    line.send(0, HdlcBurst(Modem.V21, (CFR,), attempt=3))
    line.run(until=10.0)
    assert frame_ends([each for each in line.sent if each.side == 0]) == ["c00140"]


@pytest.mark.parametrize("ends", [("c00120", "c00110"), ("c00110", "c00120")])
def test_fcs_and_then_sig_end_is_the_syntax_of_1998(ends: tuple[str, str]) -> None:
    terminal = Terminal(timing=Timing(keep_alive=0.0))
    for number, ifp in enumerate(["06", "c001800002ffc821", *ends, "00"]):
        terminal.receive(bytes(Datagram(number, bytes.fromhex(ifp))), 0.1 * number)
    terminal.send(HdlcBurst(Modem.V21, (CFR,), attempt=3), 1.0)
    assert (terminal.syntax is Syntax.Y1998) is (ends[0] == "c00120")

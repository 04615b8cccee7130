"""tshark as the other decoder: of what we send, and of what others sent."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from t38fsp.t30.frames import encode_station_id
from t38fsp.t30.vocabulary import HdlcBurst, Modem, RawBurst, Tone, ToneBurst
from t38fsp.t38.ifp import DataPacket, IndicatorPacket, Syntax
from t38fsp.t38.stream_terminal import StreamTerminal
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import Timing
from tests.pcap import PcapWriter
from tests.peers import tshark
from tests.sweep import Share, sweep
from tests.t38.agreement import compare, compare_frames, packet_as_tshark_tells
from tests.t38.line import Line, Sent
from tests.t38.recorded_calls import CALLS, NAMES, datagrams, unpack

NEAR, FAR = ("192.0.2.1", 40000), ("192.0.2.2", 40002)
FIELDS = [
    "t38.seq_number",
    "t38.t30_indicator",
    "t38.t30_data",
    "t38.field_type",
    "t38.field_data",
    "t38.secondary_ifp_packets",
    "_ws.malformed",
    "t38.malformed",
    "_ws.expert.message",
]


def capture(path: Path, sent: list[Sent]) -> None:
    with path.open("wb") as file:
        writer = PcapWriter(file)
        for each in sent:
            # tshark takes an identical second end of a raw burst for an end without data.
            if not each.repeat:
                ends = (NEAR, FAR) if each.side == 0 else (FAR, NEAR)
                writer.udp(*ends, each.datagram, 1_700_000_000 + each.time)


@pytest.mark.tshark
@sweep(push=Share.EACH, timing=[Timing(), Timing(whole_frames=True, fcs_with_data=True)], syntax=Syntax)
def test_tshark_sees_what_we_mean(tmp_path: Path, syntax: Syntax, timing: Timing) -> None:
    ends = [Terminal(syntax=syntax, timing=timing, redundancy=3) for _ in range(2)]
    line = Line(*ends)
    frames = [b"\xff\xc0\x60" + bytes((n,)) + random.Random(n).randbytes(64) for n in range(3)]
    for burst in [
        ToneBurst(Tone.CNG, 0.5),
        HdlcBurst(Modem.V21, [b"\xff\xc0\xc2" + b"\x04" * 20, b"\xff\xc8\xc1\x00\x1f\x22"]),
        RawBurst(Modem.V17_14400, bytes(2700)),
        HdlcBurst(Modem.V17_14400, [*frames, *[b"\xff\xc0\x61"] * 3], short_training=True),
        RawBurst(Modem.V29_9600, random.Random(5).randbytes(3000)),
        RawBurst(Modem.V27TER_2400, bytes(450)),
    ]:
        line.send(0, burst)
    line.send(1, ToneBurst(Tone.CED, 3.0))
    line.send(1, HdlcBurst(Modem.V21, [b"\xff\xc8\x01\x00\x77\x1f\x22"]))
    line.run(25.0)
    path = tmp_path / "call.pcap"
    capture(path, line.sent)
    decoded = tshark.decode(
        path,
        FIELDS,
        preferences={tshark.PRE_CORRIGENDUM: "TRUE" if syntax is Syntax.Y1998 else "FALSE"},
        udptl_ports=[NEAR[1]],
    )
    originals = [each for each in line.sent if not each.repeat]
    assert len(decoded) == len(originals) > 200
    for seen, each in zip(decoded, originals, strict=True):
        assert not seen["_ws.malformed"]
        assert not seen["t38.malformed"]
        assert seen["t38.seq_number"] == [str(int.from_bytes(each.datagram[:2], "big"))]
        # The primary comes first, then its copies.
        match each.ifp:
            case IndicatorPacket(indicator):
                assert seen["t38.t30_indicator"][0] == str(indicator.value)
            case DataPacket(data_type, fields):
                assert seen["t38.t30_data"][0] == str(data_type.value)
                kinds = [str(field.type.value) for field in fields]
                assert seen["t38.field_type"][: len(kinds)] == kinds
                octets = [field.data.hex() for field in fields if field.data]
                assert seen["t38.field_data"][: len(octets)] == octets


@pytest.mark.tshark
def test_tshark_agrees_on_every_field_of_recorded_calls(tmp_path: Path) -> None:
    path = tmp_path / "calls.pcap"
    sent = [
        (100.0 * number + 0.03 * index, (NEAR[0], NEAR[1] + 2 * number), FAR, octets)
        for number, name in enumerate(NAMES)
        for index, octets in enumerate(datagrams(name))
    ]
    tshark.write_capture(path, sent)
    found, fields, differences = compare(path, udptl_ports=sorted({source[1] for _, source, _, _ in sent}))
    assert differences == []
    assert found == len(sent)
    assert fields > 5 * found


@pytest.mark.tshark
@sweep(push=2, call=CALLS)
def test_tshark_agrees_on_every_field_of_whole_calls(tmp_path: Path, call: str) -> None:
    """UDPTL, IFP, and frames of T.30: addresses, commands, capabilities, identities, blocks and counters."""
    path = unpack(call, tmp_path)
    found, fields, differences = compare(path)
    frames, unlike = compare_frames(path)
    assert differences + unlike == []
    assert found > 400
    assert fields > 5 * found
    assert frames >= 8


@pytest.mark.tshark
@sweep(push=Share.EACH, options=[{"parity": (3, 3)}, {"parity": (5, 2)}, {"redundancy": 2}], syntax=Syntax)
def test_tshark_reads_our_correction(
    tmp_path: Path, syntax: Syntax, options: dict[str, int | tuple[int, int]]
) -> None:
    near = Terminal(syntax=syntax, timing=Timing(copies=1), **options)  # type: ignore[arg-type]
    line = Line(near, Terminal(syntax=syntax))
    line.send(
        0,
        HdlcBurst(
            Modem.V21, [b"\xff\xc0\xc2" + encode_station_id("+1 555 0100"), b"\xff\xc8\xc1\x00\x1f\x22"]
        ),
    )
    line.send(0, RawBurst(Modem.V29_9600, random.Random(5).randbytes(2000)))
    line.run(15.0)
    path = tmp_path / "call.pcap"
    capture(path, line.sent)
    found, _, differences = compare(path, syntax, udptl_ports=[NEAR[1]])
    frames, unlike = compare_frames(path, syntax, udptl_ports=[NEAR[1]])
    assert differences + unlike == []
    assert frames == 2
    assert found == len(line.sent) > 80


def tcp_capture(path: Path, segment: bytes) -> None:
    """A TCP segment as a raw-IP pcap file; tshark reads no packets that are cut by the end of one."""
    tcp = struct.pack(">HHIIBBHHH", NEAR[1], FAR[1], 1, 1, 5 << 4, 0x18, 65535, 0, 0) + segment
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, 0xC0000201, 0xC0000202)
    file = struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101, 0, 0, len(ip + tcp), len(ip + tcp))
    path.write_bytes(file + ip + tcp)


@pytest.mark.tshark
@pytest.mark.parametrize("syntax", Syntax)
def test_tshark_reads_our_tpkt(tmp_path: Path, syntax: Syntax) -> None:
    near = StreamTerminal(syntax=syntax, timing=Timing(keep_alive=0.0))
    line = Line(near, StreamTerminal(syntax=syntax, timing=Timing(keep_alive=0.0)))
    line.send(0, HdlcBurst(Modem.V21, [b"\xff\xc8\x21"]))
    line.send(0, RawBurst(Modem.V29_9600, random.Random(5).randbytes(2000)))
    line.run(9.0)
    path = tmp_path / "call.pcap"
    tcp_capture(path, b"".join(each.datagram for each in line.sent))
    told: dict[str, list[str]] = {
        "tpkt.length": [str(len(each.datagram)) for each in line.sent],
        "_ws.malformed": [],
    }
    for each in line.sent:
        for name, values in packet_as_tshark_tells(each.octets, syntax).items():
            told.setdefault(name, []).extend(values)
    (seen,) = tshark.decode(
        path,
        list(told),
        preferences={
            tshark.PRE_CORRIGENDUM: "TRUE" if syntax is Syntax.Y1998 else "FALSE",
            "t38.tpkt_usage": "Always",
        },
        tcp_ports=[NEAR[1]],
    )
    assert seen == told
    assert len(line.sent) > 60

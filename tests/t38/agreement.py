"""Where tshark reads a captured call unlike us: ``python -m tests.t38.agreement CAPTURE...``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from t38fsp.t30.dcs import BitField
from t38fsp.t30.frames import FCF, Frame, PartialPageSignal, decode_station_id, parse_image_frame
from t38fsp.t30.vocabulary import FrameReceived
from t38fsp.t38.ifp import IndicatorPacket, Syntax, parse
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.udptl import Datagram
from tests.peers import tshark

FIELDS = (
    "t38.seq_number",
    "t38.type_of_msg",
    "t38.t30_indicator",
    "t38.t30_data",
    "t38.data_field",
    "t38.field_type",
    "t38.field_data",
    "t38.error_recovery",
    "t38.secondary_ifp_packets",
    "t38.fec_npackets",
    "t38.fec_data",
    "t38.fec_data_item",
)

FRAME_FIELDS = (
    "t30.Address",
    "t30.Control",
    "t30.FacsimileControl",
    "t30.fif.number",
    "t30.t4.frame_num",
    "t30.t4.data",
    "t30.pps.fcf2",
    "t30.t4.page_count",
    "t30.t4.block_count",
    "t30.t4.frame_count",
)
TEXTS = ("t30.fif.number", "t30.t4.data")
_BOTH = {
    "t30.fif.sm": (1, 1),
    "t30.fif.rtif": (3, 3),
    "t30.fif.rfo": (10, 10),
    "t30.fif.res": (15, 15),
    "t30.fif.tdcc": (16, 16),
    "t30.fif.cm": (26, 26),
    "t30.fif.ecm": (27, 27),
    "t30.fif.t6": (31, 31),
    "t30.fif.fvc": (33, 33),
    "t30.fif.r8x15": (41, 41),
    "t30.fif.300x300": (42, 42),
    "t30.fif.r16x15": (43, 43),
    "t30.fif.ibrp": (44, 44),
    "t30.fif.sc": (49, 49),
}
DIS_BITS = _BOTH | {
    "t30.fif.v8c": (6, 6),
    "t30.fif.rtfc": (9, 9),
    "t30.fif.dsr": (11, 14),
    "t30.fif.rwc": (17, 18),
    "t30.fif.rlc": (19, 20),
    "t30.fif.msltcr": (21, 23),
    "t30.fif.mbrp": (45, 45),
    "t30.fif.passw": (50, 50),
}
DCS_BITS = _BOTH | {
    "t30.fif.dsr_dcs": (11, 14),
    "t30.fif.rw_dcs": (17, 18),
    "t30.fif.rl_dcs": (19, 20),
    "t30.fif.mslt_dcs": (21, 23),
    "t30.fif.fs_dcm": (28, 28),
}
"""The first and the last bit of each field (T.30 table 2)."""


def packet_as_tshark_tells(ifp: bytes, syntax: Syntax) -> dict[str, list[str]]:
    """Our reading of an IFP packet, in the words of tshark."""
    packet = parse(ifp, syntax)
    if isinstance(packet, IndicatorPacket):
        return {"t38.type_of_msg": ["0"], "t38.t30_indicator": [str(packet.indicator.value)]}
    return {
        "t38.type_of_msg": ["1"],
        "t38.t30_data": [str(packet.type.value)],
        "t38.data_field": [str(len(packet.fields))],
        "t38.field_type": [str(field.type.value) for field in packet.fields],
        "t38.field_data": [field.data.hex() for field in packet.fields if field.data],
    }


def as_tshark_tells(octets: bytes, syntax: Syntax) -> dict[str, list[str]]:
    """Our reading of a datagram, in the words of tshark: every field of the primary, then of each copy."""
    datagram = Datagram.parse(octets)
    told: dict[str, list[str]] = {name: [] for name in FIELDS}
    told["t38.seq_number"].append(str(datagram.number))
    for ifp in (datagram.primary, *datagram.secondaries):
        for name, values in packet_as_tshark_tells(ifp, syntax).items():
            told[name] += values
    if datagram.parity is None:
        told["t38.error_recovery"].append("0")
        told["t38.secondary_ifp_packets"].append(str(len(datagram.secondaries)))
    else:
        told["t38.error_recovery"].append("1")
        told["t38.fec_npackets"].append(str(datagram.span))
        told["t38.fec_data"].append(str(len(datagram.parity)))
        told["t38.fec_data_item"] += (string.hex() for string in datagram.parity)
    return told


def frame_as_tshark_tells(octets: bytes) -> dict[str, list[int | str]]:
    """Our reading of an HDLC frame of T.30, in the words of tshark."""
    frame = Frame.parse(octets)
    x = frame.x and frame.fcf not in (FCF.DIS, FCF.DTC)
    told: dict[str, list[int | str]] = {name: [] for name in (*FRAME_FIELDS, *DIS_BITS, *DCS_BITS)}
    told["t30.Address"].append(octets[0])
    told["t30.Control"].append(0xC8 if frame.final else 0xC0)
    told["t30.FacsimileControl"].append(frame.fcf.value & 0x7F if x else frame.fcf.value)
    if frame.fcf in (FCF.CSI, FCF.TSI, FCF.CIG):
        told["t30.fif.number"].append(decode_station_id(frame.fif))
    elif frame.fcf is FCF.FCD:
        number, data = parse_image_frame(frame)
        told["t30.t4.frame_num"].append(number)
        told["t30.t4.data"].append(data.hex())
    elif frame.fcf is FCF.PPS:
        signal = PartialPageSignal.parse(frame.fif)
        following = 0 if signal.following is None else signal.following.value | 0x80 * frame.x
        told["t30.pps.fcf2"].append(following)
        told["t30.t4.page_count"].append(signal.page)
        told["t30.t4.block_count"].append(signal.block)
        told["t30.t4.frame_count"].append(signal.frames - 1)
    elif frame.fcf in (FCF.DIS, FCF.DTC, FCF.DCS):
        said = BitField.parse(frame.fif)
        for name, (first, last) in (DCS_BITS if frame.fcf is FCF.DCS else DIS_BITS).items():
            if first <= len(frame.fif) * 8:
                told[name].append(int(said.number(first, last), 2))
    return told


def compare_frames(
    capture: Path, syntax: Syntax = Syntax.Y1998, *, udptl_ports: Iterable[int] = ()
) -> tuple[int, list[str]]:
    """How many frames of T.30 there are, and where the two readings of them differ."""
    names = [*FRAME_FIELDS, *DIS_BITS, *DCS_BITS]
    decoded = tshark.decode(
        capture,
        ["ip.src", "udp.srcport", "udp.payload", "t38.seq_number", *dict.fromkeys(names)],
        preferences={tshark.PRE_CORRIGENDUM: "TRUE" if syntax is Syntax.Y1998 else "FALSE"},
        udptl_ports=udptl_ports,
        display_filter="t38.seq_number",
    )
    ears: dict[tuple[str, ...], Terminal] = {}
    frames = 0
    differences = []
    for seen in decoded:
        terminal = ears.setdefault((*seen["ip.src"], *seen["udp.srcport"]), Terminal(syntax=syntax))
        terminal.receive(bytes.fromhex(seen["udp.payload"][0]), 0.0)
        heard = [each.frame for each in terminal.take_signals() if isinstance(each, FrameReceived)]
        ours: dict[str, list[int | str]] = {name: [] for name in names}
        for octets in heard:
            for name, values in frame_as_tshark_tells(octets).items():
                ours[name] += values
        frames += len(heard)
        for name in names:
            theirs = [value if name in TEXTS else int(value, 0) for value in map(str.strip, seen[name])]
            if theirs != ours[name]:
                differences.append(
                    f"{capture.name}, {seen['t38.seq_number'][0]}, {name}: {theirs}, ours {ours[name]}"
                )
    return frames, differences


def compare(
    capture: Path, syntax: Syntax = Syntax.Y1998, *, udptl_ports: Iterable[int] = ()
) -> tuple[int, int, list[str]]:
    """How many datagrams and fields of T.38 there are, and where the two readings differ.

    Of identical datagrams in a row only the first is compared: tshark stops in the middle of a copy of one
    that ended a burst, as its reassembly is over by then.
    """
    decoded = tshark.decode(
        capture,
        ["frame.number", "ip.src", "udp.srcport", "udp.payload", *FIELDS],
        preferences={tshark.PRE_CORRIGENDUM: "TRUE" if syntax is Syntax.Y1998 else "FALSE"},
        udptl_ports=udptl_ports,
        display_filter="t38.seq_number",
    )
    fields = 0
    differences = []
    latest: dict[tuple[str, ...], list[str]] = {}
    for seen in decoded:
        flow = (*seen["ip.src"], *seen["udp.srcport"])
        if latest.get(flow) == seen["udp.payload"]:
            continue
        latest[flow] = seen["udp.payload"]
        ours = as_tshark_tells(bytes.fromhex(seen["udp.payload"][0]), syntax)
        fields += sum(map(len, ours.values()))
        differences += [
            f"{capture.name}, frame {seen['frame.number'][0]}, {name}: tshark {seen[name]}, ours {ours[name]}"
            for name in FIELDS
            if seen[name] != ours[name]
        ]
    return len(decoded), fields, differences


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        datagrams, fields, differences = compare(Path(argument))
        print(f"{argument}: {datagrams} datagrams, {fields} fields, {len(differences)} differences")
        frames, unlike = compare_frames(Path(argument))
        print(f"{argument}: {frames} frames, {len(unlike)} differences")
        differences += unlike
        for difference in differences[:20]:
            print(difference)

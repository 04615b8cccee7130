"""Where tshark reads a captured call unlike us: ``python -m tests.t38.agreement CAPTURE...``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from t38fsp.t38.ifp import IndicatorPacket, Syntax, parse
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


def as_tshark_tells(octets: bytes, syntax: Syntax) -> dict[str, list[str]]:
    """Our reading of a datagram, in the words of tshark: every field of the primary, then of each copy."""
    datagram = Datagram.parse(octets)
    told: dict[str, list[str]] = {name: [] for name in FIELDS}
    told["t38.seq_number"].append(str(datagram.number))
    for ifp in (datagram.primary, *datagram.secondaries):
        packet = parse(ifp, syntax)
        if isinstance(packet, IndicatorPacket):
            told["t38.type_of_msg"].append("0")
            told["t38.t30_indicator"].append(str(packet.indicator.value))
            continue
        told["t38.type_of_msg"].append("1")
        told["t38.t30_data"].append(str(packet.type.value))
        told["t38.data_field"].append(str(len(packet.fields)))
        for field in packet.fields:
            told["t38.field_type"].append(str(field.type.value))
            if field.data:
                told["t38.field_data"].append(field.data.hex())
    if datagram.parity is None:
        told["t38.error_recovery"].append("0")
        told["t38.secondary_ifp_packets"].append(str(len(datagram.secondaries)))
    else:
        told["t38.error_recovery"].append("1")
        told["t38.fec_npackets"].append(str(datagram.span))
        told["t38.fec_data"].append(str(len(datagram.parity)))
        told["t38.fec_data_item"] += (string.hex() for string in datagram.parity)
    return told


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
        for difference in differences[:20]:
            print(difference)

"""tshark as an independent decoder of SIP, SDP, UDPTL, T.38 and T.30."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.peers.programs import run

Address = tuple[str, int]

PRE_CORRIGENDUM = "t38.use_pre_corrigendum_asn1_specification"
"""Preference: TRUE (tshark's default) reads the 1998 syntax of T38FaxVersion 0, FALSE that of 2002."""

_SEPARATOR = "\x1f"
_OCCURRENCE = "\x1e"


def decode(
    capture: Path,
    fields: Sequence[str],
    *,
    preferences: Mapping[str, str] | None = None,
    udptl_ports: Iterable[int] = (),
    tcp_ports: Iterable[int] = (),
    display_filter: str = "",
) -> list[dict[str, list[str]]]:
    """Every packet (that passes the filter) as ``{field: [values]}``; absent fields have empty lists.

    Args:
        capture: pcap file.
        fields: names such as ``t38.t30_indicator`` or ``_ws.col.Info``.
        preferences: tshark preferences, such as ``{PRE_CORRIGENDUM: "FALSE"}``.
        udptl_ports: UDP ports to decode as T.38 when the capture has no SDP that says so.
        tcp_ports: TCP ports to decode as T.38 in TPKT.
        display_filter: a display filter.

    Raises:
        PeerMissingError: tshark is not installed.
        AssertionError: tshark failed.
    """
    arguments = ["-n", "-r", str(capture), "-T", "fields", "-E", f"separator={_SEPARATOR}"]
    arguments += ["-E", "occurrence=a", "-E", f"aggregator={_OCCURRENCE}"]
    for name, value in (preferences or {}).items():
        arguments += ["-o", f"{name}:{value}"]
    for port in udptl_ports:
        arguments += ["-d", f"udp.port=={port},t38"]
    for port in tcp_ports:
        arguments += ["-d", f"tcp.port=={port},t38"]
    if display_filter:
        arguments += ["-Y", display_filter]
    for field in fields:
        arguments += ["-e", field]
    result = run("tshark", *arguments, package="tshark")
    assert result.returncode == 0, result.stderr
    return [
        {
            field: value.split(_OCCURRENCE) if value else []
            for field, value in zip(fields, line.split(_SEPARATOR), strict=True)
        }
        for line in result.stdout.split("\n")[:-1]  # splitlines would also split at the separators
    ]


def malformed(
    capture: Path,
    *,
    preferences: Mapping[str, str] | None = None,
    udptl_ports: Iterable[int] = (),
) -> list[str]:
    """Number and summary of each packet that tshark calls malformed; empty when all is well.

    tshark takes the second of two identical datagrams that end a burst without ECM for an end without any
    data (its reassembly has just been completed by the first one); such copies are left out here.
    """
    packets = decode(
        capture,
        [
            "frame.number",
            "_ws.col.Info",
            "ip.src",
            "udp.srcport",
            "udp.dstport",
            "udp.payload",
            "_ws.malformed",
            "t38.malformed",
        ],
        preferences=preferences,
        udptl_ports=udptl_ports,
    )
    told: list[str] = []
    latest: dict[tuple[str, ...], list[str]] = {}
    for packet in packets:
        flow = (*packet["ip.src"], *packet["udp.srcport"], *packet["udp.dstport"])
        is_copy = latest.get(flow) == packet["udp.payload"]
        latest[flow] = packet["udp.payload"]
        if (packet["_ws.malformed"] or packet["t38.malformed"]) and not is_copy:
            told.append(" ".join([*packet["frame.number"], *packet["_ws.col.Info"]]))
    return told


def write_capture(path: Path, datagrams: Iterable[tuple[float, Address, Address, bytes]]) -> Path:
    """Write UDP datagrams (time in seconds, source, destination, payload) as a raw-IP pcap file."""
    octets = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    for when, source, destination, payload in datagrams:
        udp = struct.pack(">HHHH", source[1], destination[1], 8 + len(payload), 0) + payload
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        packet = ip + _ipv4(source) + _ipv4(destination) + udp
        seconds = int(when)
        octets += struct.pack("<IIII", seconds, int((when - seconds) * 1e6), len(packet), len(packet))
        octets += packet
    path.write_bytes(octets)
    return path


def _ipv4(address: Address) -> bytes:
    return bytes(int(part) for part in address[0].split("."))

"""Capture files, read back by tshark."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.pcap import MAX_PAYLOAD, PcapWriter
from tests.peers import tshark

FIELDS = [
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
    "udp.srcport",
    "udp.dstport",
    "frame.time_epoch",
    "udp.payload",
]
CHECKS = {"ip.check_checksum": "TRUE", "udp.check_checksum": "TRUE"}


@pytest.mark.tshark
def test_tshark_reads_addresses_times_payloads_and_checksums(tmp_path: Path) -> None:
    rows = [
        (("192.0.2.1", 4000), ("198.51.100.9", 65535), b"odd", 1_700_000_000.25),
        (("192.0.2.1", 1), ("198.51.100.9", 2), b"\xff" * 1400, 1_700_000_000.999_999_6),
        (("2001:db8::1", 4000), ("2001:db8::2", 4002), b"even", 0.0),
        (("fe80::1%eth0", 4000), ("fe80::2", 4002), b"zone", 12.5),
        (("127.0.0.1", 4000), ("127.0.0.1", 4000), bytes(MAX_PAYLOAD), 3.0),
    ]
    path = tmp_path / "some.pcap"
    with path.open("wb") as file:
        writer = PcapWriter(file)
        for row in rows:
            writer.udp(*row)
    bad = "ip.checksum.status == 0 or udp.checksum.status == 0"
    assert tshark.decode(path, FIELDS, preferences=CHECKS, display_filter=bad) == []
    decoded = tshark.decode(path, FIELDS, preferences=CHECKS)
    assert [
        (
            (*each["ip.src"], *each["ipv6.src"])[0],
            (*each["ip.dst"], *each["ipv6.dst"])[0],
            int(each["udp.srcport"][0]),
            int(each["udp.dstport"][0]),
            round(float(each["frame.time_epoch"][0]), 6),
            bytes.fromhex(each["udp.payload"][0]),
        )
        for each in decoded
    ] == [
        (source[0].partition("%")[0], destination[0], source[1], destination[1], round(time, 6), payload)
        for source, destination, payload, time in rows
    ]


@pytest.mark.parametrize(
    ("source", "destination", "size", "time", "why"),
    [
        (("192.0.2.1", 1), ("2001:db8::1", 1), 1, 0.0, "not of one IP version"),
        (("localhost", 1), ("192.0.2.1", 1), 1, 0.0, "localhost"),
        (("192.0.2.1", 65536), ("192.0.2.1", 1), 1, 0.0, "not a port"),
        (("192.0.2.1", 1), ("192.0.2.1", 1), MAX_PAYLOAD + 1, 0.0, "do not fit"),
        (("192.0.2.1", 1), ("192.0.2.1", 1), 1, -1.0, "not a time"),
        (("192.0.2.1", 1), ("192.0.2.1", 1), 1, float("nan"), "not a time"),
    ],
)
def test_what_no_capture_can_hold(
    source: tuple[str, int], destination: tuple[str, int], size: int, time: float, why: str
) -> None:
    file = io.BytesIO()
    writer = PcapWriter(file)
    before = file.tell()
    with pytest.raises(ValueError, match=why):
        writer.udp(source, destination, bytes(size), time)
    assert file.tell() == before

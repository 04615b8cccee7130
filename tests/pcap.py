"""Capture files that Wireshark and tshark read: classic pcap, raw IP, UDP datagrams only."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import BinaryIO

Address = tuple[str, int]
"""Literal IP address, and UDP port."""

MAX_PAYLOAD = 65507
"""Octets of one UDP datagram over IPv4."""

_MAGIC = 0xA1B2C3D4
_LINK_RAW_IP = 101
_SNAP_LENGTH = 262144
_UDP = 17


class PcapWriter:
    """Writes to ``file``, which the caller opened in binary mode, and flushes and closes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAP_LENGTH, _LINK_RAW_IP))

    def udp(self, source: Address, destination: Address, payload: bytes, wall_time: float) -> None:
        """Add a datagram seen at ``wall_time`` (seconds since 1970, at least 0).

        Raises ValueError when an address is not a literal IP address, the two are of different families, a
        port is not 0 to 65535, the time is negative, or the payload is longer than MAX_PAYLOAD octets.
        """
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"{len(payload)} octets do not fit a UDP datagram of {MAX_PAYLOAD}")
        if not wall_time >= 0:
            raise ValueError(f"{wall_time} is not a time since 1970")
        packet = _ip_packet(source, destination, payload)
        microseconds = round(wall_time * 1_000_000)
        stamp = (microseconds // 1_000_000 & 0xFFFFFFFF, microseconds % 1_000_000)
        self._file.write(struct.pack("<IIII", *stamp, len(packet), len(packet)) + packet)


def _ip_packet(source: Address, destination: Address, payload: bytes) -> bytes:
    # A zone such as %eth0 is not part of what travels.
    sender, receiver = (ip_address(host.partition("%")[0]) for host, _ in (source, destination))
    for _, port in (source, destination):
        if not 0 <= port <= 0xFFFF:
            raise ValueError(f"{port} is not a port; it must be 0 to 65535")
    size = 8 + len(payload)
    addresses = sender.packed + receiver.packed
    ports = struct.pack(">HHH", source[1], destination[1], size)
    pseudo_header = addresses + struct.pack(">II", size, _UDP)
    checksum = _checksum(pseudo_header + ports + b"\0\0" + payload)
    udp = ports + struct.pack(">H", checksum) + payload
    if isinstance(sender, IPv4Address) and isinstance(receiver, IPv4Address):
        head = struct.pack(">BBHHHBB", 0x45, 0, 20 + size, 0, 0x4000, 64, _UDP)
        return head + struct.pack(">H", _checksum(head + addresses)) + addresses + udp
    if isinstance(sender, IPv6Address) and isinstance(receiver, IPv6Address):
        return struct.pack(">IHBB", 6 << 28, size, _UDP, 64) + addresses + udp
    raise ValueError(f"{source[0]} and {destination[0]} are not of one IP version")


def _checksum(octets: bytes) -> int:
    """Complement of the sum of RFC 1071; 2^16 is 1 modulo 65535, so the sum is a remainder.

    Never zero, which in UDP would say that there is no checksum (RFC 768).
    """
    if len(octets) % 2:
        octets += b"\0"
    return 0xFFFF - int.from_bytes(octets, "big") % 0xFFFF

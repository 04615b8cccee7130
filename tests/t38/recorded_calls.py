"""Datagrams recorded between other implementations."""

import lzma
from pathlib import Path

_HERE = Path(__file__).parent / "recorded"

NAMES = sorted(path.stem for path in _HERE.glob("*.bin"))


CALLS = sorted(path.name.removesuffix(".pcap.xz") for path in _HERE.glob("*.pcap.xz"))
"""Whole calls."""


def unpack(call: str, folder: Path) -> Path:
    """The capture file of a whole call."""
    path = folder / f"{call}.pcap"
    path.write_bytes(lzma.decompress((_HERE / f"{call}.pcap.xz").read_bytes()))
    return path


def datagrams(name: str) -> list[bytes]:
    octets = (_HERE / f"{name}.bin").read_bytes()
    found = []
    while octets:
        end = 2 + int.from_bytes(octets[:2], "big")
        found.append(octets[2:end])
        octets = octets[end:]
    return found

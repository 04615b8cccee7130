"""Datagrams recorded between other implementations."""

from pathlib import Path

_HERE = Path(__file__).parent / "recorded"

NAMES = sorted(path.stem for path in _HERE.glob("*.bin"))


def datagrams(name: str) -> list[bytes]:
    octets = (_HERE / f"{name}.bin").read_bytes()
    found = []
    while octets:
        end = 2 + int.from_bytes(octets[:2], "big")
        found.append(octets[2:end])
        octets = octets[end:]
    return found

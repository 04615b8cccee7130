"""Writing an image file directory (TIFF 6.0 section 2), little-endian."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from t38fsp.image.fields import FieldType, Tag

HEADER = b"II*\0"
"""The first octets of a file; the offset of the first directory follows."""


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One entry; a rational has two ``values``, its numerator and its denominator."""

    tag: Tag
    kind: FieldType
    values: tuple[int, ...]

    def __bytes__(self) -> bytes:
        layout = {FieldType.ASCII: "B", FieldType.SHORT: "H"}.get(self.kind, "I")
        return struct.pack(f"<{len(self.values)}{layout}", *self.values)

    @property
    def count(self) -> int:
        return len(self.values) // 2 if self.kind is FieldType.RATIONAL else len(self.values)


def directory_octets(fields: list[DirectoryEntry], offset: int) -> bytes:
    """The octets of a directory at ``offset``: its link to the next one is zero, long values follow it.

    ``fields`` are in ascending order of their tags.
    """
    values_at = offset + 2 + 12 * len(fields) + 4
    entries, values = bytearray(), bytearray()
    for field in fields:
        value = bytes(field)
        # Up to four octets are in the entry itself, left-justified; longer values are elsewhere, at an
        # even offset (TIFF 6.0 section 2).
        if len(value) > 4:
            place = struct.pack("<I", values_at + len(values))
            values += value + bytes(len(value) % 2)
        else:
            place = value.ljust(4, b"\0")
        entries += struct.pack("<HHI", field.tag, field.kind, field.count) + place
    return struct.pack("<H", len(fields)) + entries + bytes(4) + values

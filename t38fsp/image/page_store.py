"""Drawn pages on disk, for documents that are sent many times: workers of several processes read and write
them.

A page is written under another name and renamed, so that none is ever seen in part. The directory belongs to
who made it, and is removed by them; without it pages are drawn and not kept.
"""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import suppress
from zlib import crc32

from sip.frozen import dataclass
from t38fsp.image.exact import decode_strip
from t38fsp.t30.vocabulary import Coding

MAX_STORE_OCTETS = 512 * 1024 * 1024
"""Octets of a store; a page of text has 40,000. Pages beyond that are drawn again each time."""

_COUNT, _UNIT = "octets", 4096
"""The file whose size is that of all pages, in units of so many octets."""

_CRC_OCTETS = 4
_HEAD = struct.Struct(">IIH")
"""CRC of what follows it, rows of the page, and octets of the text before the coded page."""


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A drawn page, ``coded`` in MMR with EOFB, and a short text that belongs to it."""

    coded: bytes
    rows: int
    text: str = ""

    def pixels(self, width: int) -> bytes | None:
        """Packed, 1 for black; None where libtiff cannot decode it."""
        return decode_strip(self.coded, Coding.MMR, width, self.rows)


class KeptPages:
    """The pages in ``directory``. A ``key`` is all that a page depends on."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def find(self, key: object) -> KeptPage | None:
        """A page; None if it is not there, or not whole."""
        try:
            with open(self._path(key), "rb") as file:
                data = file.read()
        except OSError:
            return None
        if len(data) <= _HEAD.size:
            return None
        checked, rows, length = _HEAD.unpack_from(data)
        if crc32(memoryview(data)[_CRC_OCTETS:]) != checked:
            return None
        begin = _HEAD.size + length
        return KeptPage(data[begin:], rows, data[_HEAD.size : begin].decode("utf-8", "replace"))

    def keep(self, key: object, page: KeptPage) -> None:
        """Store a page if there is room."""
        text = page.text.encode()
        rest = _HEAD.pack(0, page.rows, len(text))[_CRC_OCTETS:] + text + page.coded
        data = crc32(rest).to_bytes(_CRC_OCTETS) + rest
        path = self._path(key)
        # By process: two workers may draw the same page at the same time.
        partial = f"{path}.{os.getpid()}"
        # A full disk, or a store that was removed, costs time, and no fax.
        try:
            if not self._has_room(len(data)):
                return
            with open(partial, "wb") as file:
                file.write(data)
            os.replace(partial, path)
        except OSError:
            with suppress(OSError):
                os.unlink(partial)

    def _path(self, key: object) -> str:
        return os.path.join(self._directory, hashlib.sha256(repr(key).encode()).hexdigest())

    def _has_room(self, octets: int) -> bool:
        """Whether so many may be added; then they are counted. The count is the size of a file, to which all
        processes append: no directory has to be read for each page."""
        with open(os.path.join(self._directory, _COUNT), "ab") as count:
            units = -(-octets // _UNIT)
            if os.fstat(count.fileno()).st_size + units > MAX_STORE_OCTETS // _UNIT:
                return False
            count.write(bytes(units))
        return True

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

from t38fsp.image.coder import encode_pixels
from t38fsp.image.exact import decode_strip
from t38fsp.t30.vocabulary import Coding, Resolution

MAX_STORE_OCTETS = 512 * 1024 * 1024
"""Octets of a store; a page of text has 40,000. Pages beyond that are drawn again each time."""

_ROWS = struct.Struct(">I")


class KeptPages:
    """The pages in ``directory``, coded in MMR. A ``key`` is all that a page depends on."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def find(self, key: object, width: int) -> bytes | None:
        """The packed pixels of a page, 1 for black; None if it is not there, or damaged."""
        try:
            with open(self._path(key), "rb") as file:
                data = file.read()
        except OSError:
            return None
        if len(data) <= _ROWS.size:
            return None
        (rows,) = _ROWS.unpack_from(data)
        return decode_strip(data[_ROWS.size :], Coding.MMR, width, rows)

    def keep(self, key: object, pixels: bytes, width: int) -> None:
        """Store a page if there is room."""
        data = encode_pixels(pixels, width, Coding.MMR, Resolution.R8_FINE)
        path = self._path(key)
        # By process: two workers may draw the same page at the same time.
        partial = f"{path}.{os.getpid()}"
        # A full disk, or a store that was removed, costs time, and no fax.
        try:
            if self._size() + len(data) > MAX_STORE_OCTETS:
                return
            with open(partial, "wb") as file:
                file.write(_ROWS.pack(len(pixels) // (width // 8)) + data)
            os.replace(partial, path)
        except OSError:
            with suppress(OSError):
                os.unlink(partial)

    def _path(self, key: object) -> str:
        return os.path.join(self._directory, hashlib.sha256(repr(key).encode()).hexdigest())

    def _size(self) -> int:
        # Counted anew each time, as other processes add pages, too.
        with os.scandir(self._directory) as entries:
            return sum(entry.stat().st_size for entry in entries)

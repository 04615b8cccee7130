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

_COUNT, _UNIT = "octets", 4096
"""The file whose size is that of all pages, in units of so many octets."""

_HEAD = struct.Struct(">IH")
"""Rows of the page, and octets of the text that is between this and the coded page."""


class KeptPages:
    """The pages in ``directory``, coded in MMR. A ``key`` is all that a page depends on."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def find(self, key: object, width: int) -> tuple[bytes, str] | None:
        """The packed pixels of a page, 1 for black, and what was kept with them; None if it is not there, or
        damaged."""
        try:
            with open(self._path(key), "rb") as file:
                data = file.read()
        except OSError:
            return None
        if len(data) <= _HEAD.size:
            return None
        rows, length = _HEAD.unpack_from(data)
        begin = _HEAD.size + length
        pixels = decode_strip(data[begin:], Coding.MMR, width, rows)
        return None if pixels is None else (pixels, data[_HEAD.size : begin].decode("utf-8", "replace"))

    def keep(self, key: object, pixels: bytes, width: int, text: str = "") -> None:
        """Store a page, and a short text with it, if there is room."""
        coded = encode_pixels(pixels, width, Coding.MMR, Resolution.R8_FINE)
        about = text.encode()
        data = _HEAD.pack(len(pixels) // (width // 8), len(about)) + about + coded
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

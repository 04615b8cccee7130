"""Where the PDF files are that office files were converted to, in the program that has the workers."""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import suppress
from tempfile import TemporaryDirectory

LANE = "office"
"""Conversions are done one at a time, since each takes a core for seconds."""

CONVERT_WITHIN = 90.0
"""Seconds for a conversion, which has a lower limit itself (Limits of t38fsp.documents.office_sandbox)."""


class Conversions:
    """A directory that is made when it is needed; a file in it is removed with its owner."""

    def __init__(self) -> None:
        self._directory: TemporaryDirectory[str] | None = None

    async def directory(self) -> str:
        """Raises OSError."""
        if self._directory is None:
            self._directory = await asyncio.to_thread(TemporaryDirectory, prefix="t38fsp-office-")
        return self._directory.name

    def belongs_to(self, owner: object, path: str) -> None:
        """Remove the file when ``owner`` is no longer used; one in another directory is left."""
        if self._directory is not None and os.path.dirname(path) == self._directory.name:
            # A document is shared by the calls that send it and by a cache: the last one that lets go of
            # it removes the file.
            weakref.finalize(owner, _remove, path)

    async def close(self) -> None:
        if self._directory is not None:
            await asyncio.to_thread(self._directory.cleanup)
            self._directory = None


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)

"""The file of a received fax, from the check before the call to its final name."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

from sip.logs import get_logger
from t38fsp.engine.call_log import CallLog
from t38fsp.image.errors import ImageError, ImageWorkerError, StoreError
from t38fsp.image.pool import ImagePool
from t38fsp.image.values import Growing
from t38fsp.results import FaxResult
from t38fsp.t30.vocabulary import PageMode, PageQuality

logger = get_logger(__name__)

_MOST_FOLDERS = 1000
"""The number of folders without space or access that are remembered for warnings."""


class Room:
    """Checks before each call whether it can be stored, and logs a problem once."""

    def __init__(self, images: ImagePool) -> None:
        self._images = images
        self._unable: set[str] = set()
        """Folders."""

    async def check(self, path: str, append: bool) -> None:
        """Raises StoreError, ImageWorkerError when no fax can be stored in ``path``."""
        path = _absolute(path)
        folder = os.path.dirname(path)
        try:
            await self._images.check_room(path, append)
        except ImageError as error:
            # One line for each folder: otherwise each call would log the same until the disk has room.
            if folder not in self._unable and len(self._unable) < _MOST_FOLDERS:
                self._unable.add(folder)
                logger.error("%s; calls are refused until a fax can be stored", error)
            raise
        if folder in self._unable:
            self._unable.remove(folder)
            logger.warning("faxes can be stored in %s again", folder)


class ReceivedFile:
    """A file that grows next to ``path`` (:mod:`t38fsp.image.growing`), or ``path`` itself with
    ``append``."""

    def __init__(self, images: ImagePool, path: str, append: bool, log: CallLog) -> None:
        self.path = path
        self._log = log.under(logger)
        self._place = _absolute(path)
        self._images = images
        self._append = append
        self._growing: Growing | None = None
        self._stored = 0
        self._over = False
        self._told = True
        self._turn = asyncio.Lock()
        """Serialises pages: no page is added after the end."""

    async def store(self, data: bytes, mode: PageMode, counted: PageQuality | None = None) -> PageQuality:
        """Add a page, whose lines may have been ``counted`` as they arrived. Raises ImageError."""
        async with self._turn:
            if self._over:
                raise StoreError("the fax is over, so no more pages are stored")
            # Made with the first page, so that a call without any leaves no file.
            if self._growing is None:
                self._growing = await self._images.create(self._place, self._append)
            growing = self._growing
            quality = await self._images.store_page(growing.path, data, mode, growing.file_id, counted)
            self._stored += 1
            return quality

    def forsake(self) -> None:
        """No result will be reported: the file keeps the name that marks it as possibly incomplete."""
        self._told = False

    async def close(self, result: FaxResult) -> FaxResult:
        """Rename the file to ``path``, or remove it if no page counts; returns ``result`` with the file."""
        async with self._turn:
            # A page that is still queued must not be added to a file that has its final name.
            self._over = True
            if self._growing is None:
                return result
            if not result.pages_confirmed:
                await self._discard(self._growing)
                return result
            await self._number(self._growing)
            if not self._told:
                return result
            return await self._named(self._growing, result)

    async def _number(self, growing: Growing) -> None:
        try:
            await self._images.finish(growing.path, growing.pages + self._stored, growing.file_id)
        except ImageError as error:
            # The pages are stored; only the total in the TIFF is missing.
            self._log.warning("the page count of %s is missing: %s", growing.path, error)

    async def _named(self, growing: Growing, result: FaxResult) -> FaxResult:
        try:
            name = await self._images.complete(growing, self._place)
        except StoreError as error:
            self._log.error("pages confirmed: %d; %s", result.pages_confirmed, error)
            return replace(result, warnings=(*result.warnings, str(error)))
        except ImageWorkerError as error:
            self._log.error("%s could not be renamed: %s", growing.path, error)
            name = growing.path
        # Report the name as the program gave it, if the file has it.
        return replace(result, file=self.path if name == self._place else name)

    async def _discard(self, growing: Growing) -> None:
        try:
            await self._images.discard(growing, self._place)
        except ImageError as error:
            self._log.warning("cannot remove %s, which has no complete page: %s", growing.path, error)


def _absolute(path: str) -> str:
    """An absolute path: the program may change its current directory, and its workers do not."""
    return os.path.abspath(path)

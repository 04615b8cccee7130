"""The file that a call receives into, from the check before the call to the name that it has at the end."""

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
"""In which no fax can be stored, that are told of."""


class Room:
    """Looks before each call whether it could be stored, and says once that it could not."""

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
            if folder not in self._unable and len(self._unable) < _MOST_FOLDERS:
                self._unable.add(folder)
                logger.error("%s; calls are refused until a fax can be stored", error)
            raise
        if folder in self._unable:
            self._unable.remove(folder)
            logger.warning("faxes can be stored in %s again", folder)


class ReceivedFile:
    """Grows beside ``path`` (:mod:`t38fsp.image.growing`), or there to ``append``."""

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
        """Pages follow each other, and nothing comes after the end."""

    async def store(self, data: bytes, mode: PageMode, counted: PageQuality | None = None) -> PageQuality:
        """Add a page, whose lines may have been ``counted`` as they arrived. Raises ImageError."""
        async with self._turn:
            if self._over:
                raise StoreError("the fax is over, so no more pages are stored")
            if self._growing is None:
                self._growing = await self._images.create(self._place, self._append)
            growing = self._growing
            quality = await self._images.store_page(growing.path, data, mode, growing.file_id, counted)
            self._stored += 1
            return quality

    def forsake(self) -> None:
        """Nobody will be told of the fax: it keeps the name that says that it may not be whole."""
        self._told = False

    async def close(self, result: FaxResult) -> FaxResult:
        """Give the file its name, or remove it if no page of it counts; returns ``result`` with the file."""
        async with self._turn:
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
            # The pages are there, whatever becomes of their count.
            self._log.warning("the page count of %s is missing: %s", growing.path, error)

    async def _named(self, growing: Growing, result: FaxResult) -> FaxResult:
        try:
            name = await self._images.complete(growing, self._place)
        except StoreError as error:
            self._log.error("pages confirmed: %d; %s", result.pages_confirmed, error)
            return replace(result, warnings=(*result.warnings, str(error)))
        except ImageWorkerError as error:
            self._log.error("%s keeps its name: %s", growing.path, error)
            name = growing.path
        # As the program named it, if it has that name.
        return replace(result, file=self.path if name == self._place else name)

    async def _discard(self, growing: Growing) -> None:
        try:
            await self._images.discard(growing, self._place)
        except ImageError as error:
            self._log.warning("%s, without a page that counts, is left over: %s", growing.path, error)


def _absolute(path: str) -> str:
    """The program may go to another folder while its workers stay."""
    return os.path.abspath(path)

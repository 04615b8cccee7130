"""The files of a received fax, made from the database for one delivery by the processes of an inbox."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sip.logs import get_logger
from t38fsp.choices import FileFormat
from t38fsp.received.spool import Entry
from t38fsp.received.wire import Deliver, Delivered
from t38fsp.received.workers import DeliveryWorkers
from t38fsp.received.workers import NotDeliveredError as NotMadeError
from t38fsp.service import documents
from t38fsp.service.database import Database
from t38fsp.service.deliveries.way import NotDeliveredError, Order
from t38fsp.service.errors import NotFoundError
from t38fsp.service.values import ReceivedFax

logger = get_logger(__name__)


class Files:
    """``folder`` is for files that are needed for one attempt; it belongs to this process alone."""

    def __init__(self, database: Database, folder: str | os.PathLike[str], processes: int) -> None:
        self._database = database
        self._folder = Path(folder)
        self._workers = DeliveryWorkers(processes)

    async def start(self) -> None:
        """Remove what a process left that was killed. Raises OSError."""
        await asyncio.to_thread(shutil.rmtree, self._folder, True)
        await asyncio.to_thread(self._folder.mkdir, 0o700, True, True)

    async def close(self) -> None:
        await self._workers.close()

    @asynccontextmanager
    async def made(self, order: Order) -> AsyncIterator[Delivered]:
        """The files in a folder of their own, which is removed afterwards. Raises NotDeliveredError."""
        folder = self._folder / order.id
        try:
            # What an attempt of this process left whose removal failed.
            await asyncio.to_thread(shutil.rmtree, folder, True)
            await asyncio.to_thread(folder.mkdir, 0o700)
            entry = Entry(str(folder / "pages.json"))
            await self._write(order, entry)
            yield await self._made(order, entry, str(folder / "files"))
        except OSError as error:
            raise NotDeliveredError(f"the files cannot be made: {error.strerror or error}") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)

    async def put_into(self, order: Order, folder: str, entry: Entry) -> Delivered:
        """Put the files into ``folder``; ``entry`` is where they are made, on the same file system.

        As long as the entry exists, a second attempt finds the files of the first one. Raises
        NotDeliveredError.
        """
        try:
            if not await asyncio.to_thread(os.path.exists, entry.record):
                await self._write(order, entry)
            return await self._made(order, entry, folder)
        except OSError as error:
            raise NotDeliveredError(f"{folder} cannot be written to: {error.strerror or error}") from error

    async def _write(self, order: Order, entry: Entry) -> None:
        content = await self._content(order)
        assert order.fax is not None
        await asyncio.to_thread(_write, entry, content, order.fax)

    async def _content(self, order: Order) -> bytes:
        kept = None if order.fax is None else order.fax.document
        if kept is None:
            raise NotDeliveredError("the pages of the fax were removed", final=True)
        try:
            return await self._database.read(lambda connection: documents.content(connection, kept.id))
        except NotFoundError:
            raise NotDeliveredError("the pages of the fax were removed", final=True) from None

    async def _made(self, order: Order, entry: Entry, folder: str) -> Delivered:
        target = order.target
        text = target.ocr_languages if target.ocr and target.format is not FileFormat.TIFF else ""
        wanted = Deliver(
            entry.record,
            folder,
            target.file_name,
            target.format,
            target.sidecar,
            text,
            target.ocr_seconds,
        )
        assert order.fax is not None
        await asyncio.to_thread(os.makedirs, folder, 0o700, True)
        try:
            made = await self._workers.deliver_what_can_be(wanted, order.fax.pages)
        except NotMadeError as error:
            raise NotDeliveredError(f"the files cannot be made: {error}") from error
        for text in made.warnings:
            logger.warning("delivery %s: %s", order.id, text)
        if not made.files:
            raise NotDeliveredError("the fax has no page that can be read", final=True)
        return made


def _write(entry: Entry, content: bytes, fax: ReceivedFax) -> None:
    """The pages before the record: a record means that they are complete."""
    path = entry.beside(".tif")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        # Also if the machine crashes before the record is written.
        os.fsync(file.fileno())
    entry.write({"facts": fax.result | {"pages_confirmed": fax.pages}})

"""The pages of a fax as files: PDF, TIFF Class F, and PNG page by page.

Files are made in a temporary directory, and are gone once they have been sent. What strangers sent is read in
image workers only (:mod:`t38fsp.image.pool`), which start on use.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse

from t38fsp.image.pdf import PdfPage, PdfWriter
from t38fsp.image.png import write_png
from t38fsp.image.pool import Document, ImagePool
from t38fsp.image.store import append_page, finish
from t38fsp.prepared import PreparedDocument, PreparedPage
from t38fsp.service.errors import LimitError, NotFoundError
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode

PDF, TIFF, PNG = "application/pdf", "image/tiff", "image/png"

_AT_ONCE = 2
"""Files that are made at the same time: they take time of the processors that have the calls."""
_WAITING = 20
_RETRY = 5.0


class PagesOf(ABC):
    """Pages that can be had one by one."""

    def __init__(self, pages: Sequence[PreparedPage | PageFormat]) -> None:
        self._pages = pages
        self.formats = [
            PageMode(Coding.MMR, page.width, page.resolution, ecm=True, bit_rate=0) for page in pages
        ]
        """How each page is coded."""

    def rows(self, number: int) -> int:
        """Its length in pixels."""
        return self._pages[number - 1].rows

    @abstractmethod
    async def coded(self, number: int) -> bytes:
        """Page ``number``, from 1, in MMR. Raises ImageError."""


class PreparedPages(PagesOf):
    """Those of a fax that is sent."""

    def __init__(self, prepared: PreparedDocument) -> None:
        super().__init__(prepared.pages)
        self._prepared = prepared

    async def coded(self, number: int) -> bytes:
        return await self._prepared.coded(number)


class ReceivedPages(PagesOf):
    """Those of a TIFF Class F file, as they are in it."""

    def __init__(self, pool: ImagePool, document: Document) -> None:
        super().__init__(document.pages)
        self._pool = pool
        self._document = document

    async def coded(self, number: int) -> bytes:
        return (await self._pool.make_page(self._document, number - 1, self.formats[number - 1])).octets


class Pages:
    """Makes files of pages for clients; ``close`` ends the image workers."""

    def __init__(self) -> None:
        self._pool = ImagePool(workers=1)
        self._started: asyncio.Task[None] | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def close(self) -> None:
        if self._started is not None:
            await self._pool.close()

    async def pdf(self, pages: PagesOf, name: str, info: Mapping[str, str]) -> FileResponse:
        """Raises ImageError, LimitError."""

        async def write(path: str) -> None:
            with await asyncio.to_thread(open, path, "wb") as file:
                writer = PdfWriter(file, info)
                for number, mode in enumerate(pages.formats, 1):
                    data = await pages.coded(number)
                    page = PdfPage(Coding.MMR, mode.width, pages.rows(number), mode.resolution, data)
                    await asyncio.to_thread(writer.page, page)
                writer.close()

        return await self._file(write, PDF, f"{name}.pdf")

    async def tiff(self, pages: PagesOf, name: str) -> FileResponse:
        """Raises ImageError, LimitError."""

        async def write(path: str) -> None:
            for number, mode in enumerate(pages.formats, 1):
                await asyncio.to_thread(append_page, path, await pages.coded(number), mode)
            await asyncio.to_thread(finish, path, len(pages.formats))

        return await self._file(write, TIFF, f"{name}.tif")

    async def png(self, pages: PagesOf, number: int, name: str) -> FileResponse:
        """Raises NotFoundError for a page that is not there, ImageError, LimitError."""
        if not 1 <= number <= len(pages.formats):
            raise NotFoundError("page", str(number))
        mode = pages.formats[number - 1]

        async def write(path: str) -> None:
            data = await pages.coded(number)
            with await asyncio.to_thread(open, path, "wb") as file:
                await asyncio.to_thread(
                    write_png, file, data, mode.width, pages.rows(number), mode.resolution
                )

        return await self._file(write, PNG, f"{name}-{number}.png")

    @asynccontextmanager
    async def received(self, tiff: bytes) -> AsyncIterator[PagesOf]:
        """The pages of a received fax. Raises ImageError."""
        await self._start()
        folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="t38fsp-pages-")
        try:
            path = Path(folder, "fax.tif")
            # The image workers are processes of their own, which open files by their paths.
            await asyncio.to_thread(path.write_bytes, tiff)
            yield ReceivedPages(self._pool, await self._pool.inspect(path))
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _start(self) -> None:
        if self._started is None:
            self._started = asyncio.create_task(self._pool.start())
        # All requests share the start: one that is cancelled must not cancel it for the others.
        await asyncio.shield(self._started)

    async def _file(self, write: Callable[[str], Awaitable[None]], kind: str, name: str) -> FileResponse:
        if self._waiting >= _WAITING:
            raise LimitError("too many files of pages are being made; try again", _RETRY)
        self._waiting += 1
        try:
            async with self._turns:
                # On disk: a fax may have hundreds of pages, and goes at the pace of its client.
                handle, path = await asyncio.to_thread(tempfile.mkstemp, prefix="t38fsp-pages-")
                # Only the name is needed: what writes the file opens it itself.
                os.close(handle)
                try:
                    await write(path)
                except BaseException:
                    os.unlink(path)
                    raise
        finally:
            self._waiting -= 1
        return _Sent(path, media_type=kind, filename=name, content_disposition_type="inline")


class _Sent(FileResponse):
    """A file that is removed once it has been sent, or has not."""

    async def __call__(self, *arguments: Any) -> None:
        try:
            await super().__call__(*arguments)
        finally:
            # Here, not in a background task of starlette, which does not run where sending fails.
            os.unlink(self.path)

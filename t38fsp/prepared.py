"""Documents that are made into pages before any call: to see what would be sent, or to send it many times::

    async with await prepare(["letter.pdf", "form.jpg"]) as prepared:
        print(prepared.seconds, prepared.warnings)
        await provider.send(prepared, "sip:+15550100@trunk.example")

The pages are files in a temporary directory until the document is closed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, Self

from sip.frozen import dataclass
from t38fsp.arguments import StrPath, send_job
from t38fsp.call_settings import CallSettings
from t38fsp.cover import Cover
from t38fsp.engine.outgoing import fax_to_send, header_of
from t38fsp.header import CallHeader, Header
from t38fsp.image.errors import DocumentError
from t38fsp.image.exact import count_rows
from t38fsp.image.fax import Fax
from t38fsp.image.page_warnings import page_warnings
from t38fsp.image.pool import ImagePool
from t38fsp.image.values import CodedPage
from t38fsp.jobs import Prepared, SendJob
from t38fsp.page_settings import USUAL, PageSettings
from t38fsp.pages.seconds import page_seconds
from t38fsp.t30.dcs_choice import likely_mode
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

UNKNOWN_CALLEE = "sip:?@invalid"
"""The callee of a document that is prepared before its number is known."""

_AFTER_PAGE = 3.0
"""Seconds of commands, responses and training."""
_LONGEST_WITHOUT_ECM = 90.0
"""Seconds after which many gateways cut a page that is sent without error correction."""
_LONGER_IN_MR = 1.2
"""Octets of a page in MR, which is used without ECM, against those in MMR."""
_AT_A_TIME = 8
"""Pages that are asked of the image workers at the same time."""


@dataclass(frozen=True, slots=True)
class PreparedPage:
    """A page as it goes to a far end that supports what most machines do."""

    number: int
    """In the fax, from 1."""
    document: str
    """Path of the document that it is from, and its number there:"""
    sheet: int
    width: int
    """Pixels."""
    rows: int
    resolution: Resolution
    octets: int
    """Coded, in MMR."""
    seconds: float
    """On the line, at the rate of the settings."""
    warnings: tuple[str, ...]


class PreparedDocument:
    """Documents whose pages have been made, by :func:`prepare`.

    The pages are kept on disk for each width and resolution that was asked for; a call to a far end that
    wants another one adds those. They are removed by :meth:`close`: use it in ``async with``, around all its
    calls. The files must not change until then: a call would end with an error that says so.
    """

    def __init__(self, images: ImagePool, own: bool, fax: Fax, header: CallHeader | None) -> None:
        self._images = images
        self._own = own
        self._fax = fax
        self._header = header
        self._modes: list[PageMode] = []
        # The cover page is drawn anew for each call (date, number), so it belongs to no file of the
        # program.
        self._documents = [document for document in fax.documents if document.cover is None]
        self.documents = tuple(document.path for document in self._documents)
        self.settings = self._documents[0].settings
        self.password = self._documents[0].password
        self.pages: tuple[PreparedPage, ...] = ()

    @property
    def seconds(self) -> float:
        """On the line for all pages and the commands after each; a call takes about 15 more."""
        return sum(page.seconds + _AFTER_PAGE for page in self.pages)

    @property
    def octets(self) -> int:
        return sum(page.octets for page in self.pages)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of all pages."""
        return tuple(warning for page in self.pages for warning in page.warnings)

    @property
    def prepared(self) -> Prepared:
        """What a job needs to find the pages."""
        return Prepared(self._fax.store, tuple(document.identity for document in self._documents))

    async def coded(self, number: int) -> bytes:
        """Page ``number`` (from 1) coded in MMR with EOFB, 1 for black, exactly as it would be sent.

        Raises DocumentError, ImageWorkerError.
        """
        return (await self._coded(number)).octets

    async def _coded(self, number: int) -> CodedPage:
        index = number - 1
        line = None if self._header is None else self._header.line(number)
        document, at = self._fax.place(index)
        try:
            return await self._images.make_page(document, at, self._modes[index], line, self._fax.store)
        except DocumentError as error:
            raise type(error)(self._fax.named(index, error)) from error

    async def write_pdf(self, file: BinaryIO) -> None:
        """Write all pages into ``file`` as a PDF, which has the coded pages themselves.

        Raises DocumentError and ImageWorkerError as :meth:`coded` does, and OSError.
        """
        # Not for programs that only send.
        from t38fsp.image.pdf import PdfPage, PdfWriter

        writer = PdfWriter(file, {"Title": ", ".join(map(os.path.basename, self.documents))})
        for page in self.pages:
            data = await self.coded(page.number)
            writer.page(PdfPage(Coding.MMR, page.width, page.rows, page.resolution, data))
        writer.close()

    async def write_png(self, number: int, file: BinaryIO) -> None:
        """Write page ``number`` (from 1) into ``file`` as a PNG, pixel for pixel; raises as
        :meth:`write_pdf`."""
        from t38fsp.image.png import write_png

        page = self.pages[number - 1]
        data = await self.coded(number)
        await asyncio.to_thread(write_png, file, data, page.width, page.rows, page.resolution)

    async def close(self) -> None:
        """Remove the pages."""
        if self._own:
            await self._images.close()
        await asyncio.to_thread(shutil.rmtree, self._fax.store, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _make(self, options: TransmitOptions) -> None:
        # Without a call no DIS is known: the mode is the one that most machines lead to.
        self._modes = [likely_mode(page, options) for page in self._fax.pages]
        pages: list[PreparedPage] = []
        numbers = range(1, len(self._modes) + 1)
        for first in range(0, len(numbers), _AT_A_TIME):
            pages += await asyncio.gather(*map(self._page, numbers[first : first + _AT_A_TIME]))
        self.pages = tuple(pages)

    async def _page(self, number: int) -> PreparedPage:
        coded = await self._coded(number)
        octets, mode = len(coded.octets), self._modes[number - 1]
        document, at = self._fax.place(number - 1)
        rows: int | None = coded.rows
        if not rows:
            rows = await asyncio.to_thread(count_rows, coded.octets, mode.width, mode.resolution)
        warnings = [text for _, text in page_warnings(self._fax, number - 1, mode, coded)]
        warnings += _without_ecm(number, octets, mode)
        return PreparedPage(
            number,
            document.path,
            at + 1,
            mode.width,
            rows or self._fax.pages[number - 1].rows,
            mode.resolution,
            octets,
            page_seconds(octets, mode.bit_rate, mode.ecm) if mode.bit_rate else 0.0,
            tuple(warnings),
        )


def _without_ecm(number: int, octets: int, mode: PageMode) -> list[str]:
    """What can be said only before the call, in which the mode is not yet known."""
    # Without ECM neither MMR nor a repetition is possible (T.30 table 2, bits 27 and 31): the page goes in
    # MR, once and at a stretch.
    seconds = octets * _LONGER_IN_MR * 8 / mode.bit_rate if mode.bit_rate else 0.0
    if seconds <= _LONGEST_WITHOUT_ECM:
        return []
    return [
        f"page {number} takes about {seconds:.0f} s if the far end has no error correction (ECM), and many "
        f"gateways cut such a page after {_LONGEST_WITHOUT_ECM:.0f} s; choose a quicker quality for it"
    ]


async def prepare(
    documents: StrPath | Sequence[StrPath],
    pages: PageSettings = USUAL,
    *,
    password: str | None = None,
    cover: Cover | None = None,
    header: Header | None = None,
    to: str = UNKNOWN_CALLEE,
    settings: CallSettings = CallSettings(),
    images: ImagePool | None = None,
) -> PreparedDocument:
    """Make the pages of documents as they would be sent to most machines. Close the result after use.

    ``settings`` are those of the calls; they determine the rate. With ``cover`` and ``header`` the pages are
    those of a call to the URI ``to`` that begins now; a call that sends the result has its own. Workers of
    ``images`` are used instead of new ones. Raises DocumentError for a document that cannot be sent, also
    if that shows only on its last page, ImageWorkerError, AddressError, and SettingError for no document.
    """
    job = send_job(
        {}, documents, to, None, settings=settings, pages=pages, password=password, cover=cover, header=header
    )
    return await prepare_job(job, images)


async def count_pages(job: SendJob, images: ImagePool) -> int:
    """Number of pages of a fax, with its cover page. The documents are inspected as before a call, and no
    page but the cover is made. Raises DocumentError, ImageWorkerError."""
    return len((await fax_to_send(job, images)).pages)


async def prepare_job(job: SendJob, images: ImagePool | None = None) -> PreparedDocument:
    """The same for a job. Raises DocumentError, ImageWorkerError."""
    own = images is None
    pool = images or ImagePool()
    store = await asyncio.to_thread(tempfile.mkdtemp, prefix="t38fsp-pages-")
    try:
        fax = await fax_to_send(job, pool, store)
        prepared = PreparedDocument(pool, own, fax, header_of(job, len(fax.pages)))
        await prepared._make(TransmitOptions(ecm=job.settings.ecm, max_rate=job.settings.max_rate))
        return prepared
    # Also for a cancelled task: workers and a directory would be left otherwise.
    except BaseException:
        if own:
            await pool.close()
        await asyncio.to_thread(shutil.rmtree, store, ignore_errors=True)
        raise

"""The work of :mod:`t38fsp.image` in worker processes, for asyncio.

Work for which a far end waits is done first: coding and storing pages of active calls. The work before
dialling gets the remaining workers (:mod:`t38fsp.image.schedule`). A document is inspected once while its
file does not change; a page is read to its end and coded shortly before a call needs it, once for all calls
that need it in the same form. The caches are bounded, in documents and in octets of coded pages.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import TracebackType
from typing import TypeVar

from t38fsp.choices import OverTime
from t38fsp.cover import CoverPage
from t38fsp.image.conversions import CONVERT_WITHIN, LANE, Conversions
from t38fsp.image.errors import DocumentError, ImageWorkerError
from t38fsp.image.over_time import over_time
from t38fsp.image.schedule import Job
from t38fsp.image.sharing import Sharing
from t38fsp.image.values import CodedPage, FileId, Growing, HeaderLine, Identity, LastPage, identity_of
from t38fsp.image.wire import (
    CheckRoom,
    Complete,
    Completed,
    Convert,
    Create,
    Created,
    Discard,
    Done,
    Draw,
    Encode,
    Encoded,
    Finish,
    Inspect,
    InspectCover,
    Inspected,
    Reply,
    Request,
    Store,
    Stored,
)
from t38fsp.image.workers import Workers, usual_number
from t38fsp.page_settings import USUAL, PageSettings
from t38fsp.t30.vocabulary import PageFormat, PageMode, PageQuality, Resolution

StrPath = str | os.PathLike[str]
ReplyT = TypeVar("ReplyT", bound=Reply)

DEFAULT_TIMEOUT = 60.0
"""Upper bound for one job, which processes one page, seconds."""

DEFAULT_MEMORY = 1024 * 1024 * 1024
"""Octets of address space of one worker."""

CODE_WITHIN = 5.0
"""Seconds that a far end waits for a page (``page_wait`` of :class:`t38fsp.t30.options.Timers`)."""

STORE_WITHIN = 2.0
"""Seconds after which a far end is asked to wait while a page is stored (``store_wait``, likewise)."""

CHECK_WITHIN = 1.0
"""Seconds; meanwhile the caller hears ringing."""

FINISH_WITHIN = 10.0
"""Seconds; the call is over, and only its result is delayed."""

_DOCUMENTS_KEPT = 64
"""Documents whose inspection is cached."""

_OCTETS_KEPT = 32 * 1024 * 1024
"""Octets of coded pages that are cached, the most recently used ones."""

_FILES_KEPT = 4096
"""Received files for which the position of the last page is cached."""


@dataclass(frozen=True, slots=True)
class _Page:
    place: int
    lengths: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Document:
    """A document that was inspected; its pages can be coded until its file changes."""

    path: str
    identity: Identity
    pages: tuple[PageFormat, ...]
    _known: tuple[_Page, ...] = field(repr=False)
    settings: PageSettings
    password: str | None = field(repr=False)
    is_fax: bool
    """It is TIFF-F, which is sent as it is."""
    letters: tuple[float, ...]
    scales: tuple[float, ...]
    warnings: tuple[str, ...]
    """As in Inspected."""
    drawn: tuple[str, Identity]
    """The file that pages are drawn from: the document itself, or the PDF made of it."""
    cover: CoverPage | None = None
    """It is a cover page, and no file."""
    _facts: dict[int, int] = field(default_factory=dict, repr=False)
    """Facts about pages that were coded before, by index."""


_InspectedAs = tuple[str, Identity, PageSettings, str | None, str]
_Seen = tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]
_CodedAs = tuple[str, Identity, PageSettings, CoverPage | None, int, PageMode, HeaderLine | None]


class ImagePool:
    """Does the jobs of :mod:`t38fsp.image` in ``workers`` processes for calls (None: as many as suit this
    machine), and in further ones for the work before dialling.

    A job that takes longer than ``timeout`` seconds, or whose process dies twice, ends in
    :class:`ImageWorkerError`; the next job gets a fresh process.
    """

    def __init__(
        self,
        workers: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        memory: int = DEFAULT_MEMORY,
    ) -> None:
        self._timeout = timeout
        self._workers = Workers(usual_number() if workers is None else workers, memory)
        self._inspections: Sharing[_InspectedAs, Document] = Sharing()
        self._documents: OrderedDict[_InspectedAs, Document] = OrderedDict()
        self._codings: Sharing[_CodedAs, CodedPage] = Sharing()
        self._coded: OrderedDict[_CodedAs, CodedPage] = OrderedDict()
        self._octets = 0
        """Octets in ``_coded``."""
        self._conversions = Conversions()
        self._last_pages: OrderedDict[tuple[str, FileId], LastPage] = OrderedDict()

    async def start(self) -> None:
        """Start a process and test that it works; the others start when there is work for them.

        Raises ImageWorkerError.
        """
        await self._workers.start()

    async def close(self) -> None:
        """End the processes. Jobs in progress have a second to end; they then fail, and queued ones at once,
        with ImageWorkerError."""
        await self._workers.close()
        await self._conversions.close()

    async def __aenter__(self) -> ImagePool:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def longest_wait(self) -> float:
        """Longest time that a page of a call has waited for a worker, seconds."""
        return self._workers.longest_wait

    def page_wait(self) -> float:
        """Longest time that a queued page of a call has waited so far, seconds."""
        return self._workers.wait

    # --- before the call ------------------------------------------------------------------------------------

    async def inspect(
        self,
        path: StrPath,
        settings: PageSettings = USUAL,
        password: str | None = None,
        store: str = "",
    ) -> Document:
        """See :func:`t38fsp.image.document.inspect`; done once while the file does not change.

        ``settings`` determine the pages of a document that is not TIFF-F, ``password`` opens an encrypted
        one. ``store`` is the directory for what office files are converted into; by default it is one of this
        pool. Raises DocumentError, ImageWorkerError.
        """
        # One key for all spellings of a path.
        path = _absolute(path)
        key = path, await _identity(path), settings, password, store
        if (known := self._documents.get(key)) is not None:
            self._documents.move_to_end(key)
            return known
        shared = self._inspections.find(key)
        if shared is None:
            shared = self._inspections.begin(key, self._inspect(key), Job())
        return await shared.result()

    async def inspect_cover(self, cover: CoverPage, settings: PageSettings) -> Document:
        """Lay out a cover page. Raises DocumentError, ImageWorkerError."""
        inspected = await self._run(Job(), InspectCover(cover, settings), Inspected)
        formats = _formats(inspected)
        nowhere = (_Page(0, ()),) * len(formats)
        what = "the cover page", inspected.identity, formats, nowhere, settings, None
        drawn = what[0], inspected.identity
        return Document(*what, False, *_seen(inspected), drawn, cover)

    async def prepare(
        self, document: Document, index: int, mode: PageMode, header: HeaderLine | None, store: str = ""
    ) -> None:
        """Code page ``index`` (from 0) in the form that the call will probably need first, then wait for a
        spare worker: only then can one more call get its pages in time.

        Raises DocumentError, ImageWorkerError.
        """
        await self._encode(document, index, mode, header, store, None)
        # It is done when nothing more urgent waits: that is the sign of a spare worker.
        await self._workers.turn(Job())

    async def make_page(
        self,
        document: Document,
        index: int,
        mode: PageMode,
        header: HeaderLine | None = None,
        store: str = "",
    ) -> CodedPage:
        """As :meth:`encode_page`, for no call: when nothing else is to be done."""
        return await self._encode(document, index, mode, header, store, None)

    async def _inspect(self, key: _InspectedAs) -> Document:
        path, _, settings, password, store = key
        inspected = await self._run(Job(), Inspect(path, settings, password), Inspected)
        identity = inspected.identity
        drawn = path, identity
        if inspected.is_office:
            into = store or await self._conversions.directory()
            request = Convert(path, identity, into)
            made = (await self._run(Job(lane=LANE), request, Completed, CONVERT_WITHIN)).path
            inspected = await self._run(Job(), Inspect(made, settings, password), Inspected)
            drawn = made, inspected.identity
        formats = _formats(inspected)
        known = tuple(_Page(place, lengths) for _, _, _, place, lengths in inspected.pages)
        # The identity is that of the office file, while pages are drawn from the PDF made of it: a change
        # of either is noticed.
        what = path, identity, formats, known, settings, password, inspected.is_fax
        document = Document(*what, *_seen(inspected), drawn)
        self._conversions.belongs_to(document, drawn[0])
        self._documents[path, identity, settings, password, store] = document
        if len(self._documents) > _DOCUMENTS_KEPT:
            self._documents.popitem(last=False)
        return document

    # --- during the call ------------------------------------------------------------------------------------

    async def encode_page(
        self,
        document: Document,
        index: int,
        mode: PageMode,
        header: HeaderLine | None = None,
        store: str = "",
    ) -> CodedPage:
        """See :func:`t38fsp.image.document.encode_page` and :func:`t38fsp.image.rendered.encode_drawn`.

        Raises DocumentError, ImageWorkerError.
        """
        due = asyncio.get_running_loop().time() + CODE_WITHIN
        return await self._encode(document, index, mode, header, store, due)

    async def _encode(
        self,
        document: Document,
        index: int,
        mode: PageMode,
        header: HeaderLine | None,
        store: str,
        due: float | None,
    ) -> CodedPage:
        if not 0 <= index < len(document.pages):
            raise DocumentError(f"the document has no page {index + 1}; it has {len(document.pages)}")
        if not mode.scan_line_time and document.settings.page_seconds is None:
            mode = replace(mode, bit_rate=0)  # it matters for fill (T.4 4.1.3) and the limit of time
        key = document.path, document.identity, document.settings, document.cover, index, mode, header
        if (data := self._coded.get(key)) is not None:
            self._coded.move_to_end(key)
            return data
        coding = self._codings.find(key)
        if coding is None:
            job = Job(due)
            coding = self._codings.begin(key, self._code(document, key, store, job), job)
        # Being coded ahead of time already, and now a far end waits for it.
        elif due is not None:
            self._workers.hasten(coding.job, due)
        return await coding.result()

    async def _code(self, document: Document, key: _CodedAs, store: str, job: Job) -> CodedPage:
        *_, index, mode, header = key
        page, facts = document._known[index], document._facts.get(index, 0)
        where = document.path, document.identity, index + 1
        request: Encode | Draw
        if document.is_fax:
            request = Encode(*where, page.place, page.lengths, facts, mode, header)
        else:
            resolution = document.pages[index].resolution
            where = *document.drawn, index + 1
            settings, password = document.settings, document.password
            request = Draw(*where, resolution, mode, header, settings, password, store, document.cover)
        encoded = await self._run(job, request, Encoded)
        # Saves a call that wants the page in another form the checks that this one has made.
        document._facts[index] = encoded.facts
        limited = document.settings.over_page_seconds is OverTime.REFUSE
        if limited and (why := over_time(len(encoded.page), mode, document.settings)):
            raise DocumentError(f"page {index + 1} {why}; simplify it, or choose a quicker quality")
        coded = CodedPage(encoded.page, encoded.simplified, encoded.rows)
        self._keep(key, coded)
        return coded

    def _keep(self, key: _CodedAs, page: CodedPage) -> None:
        self._coded[key] = page
        self._octets += len(page.octets)
        while self._octets > _OCTETS_KEPT:
            _, oldest = self._coded.popitem(last=False)
            self._octets -= len(oldest.octets)

    # --- received files -------------------------------------------------------------------------------------

    async def check_room(self, path: StrPath, append: bool = False) -> None:
        """See :func:`t38fsp.image.growing.check_room`; raises StoreError, ImageWorkerError."""
        job = Job(asyncio.get_running_loop().time() + CHECK_WITHIN)
        await self._run(job, CheckRoom(_absolute(path), append), Done)

    async def create(self, path: StrPath, append: bool = False) -> Growing:
        """See :func:`t38fsp.image.growing.create`; raises StoreError, ImageWorkerError."""
        request = Create(_absolute(path), append)
        return (await self._run(self._job_for(path, STORE_WITHIN), request, Created)).growing

    async def store_page(
        self,
        path: StrPath,
        data: bytes,
        mode: PageMode,
        only: FileId | None = None,
        counted: PageQuality | None = None,
    ) -> PageQuality:
        """See :func:`t38fsp.image.store.store_page`; raises StoreError, ImageWorkerError.

        Pages for one file are stored one after the other.
        """
        path = _absolute(path)
        last = None if only is None else self._last_pages.get((path, only))
        request = Store(path, data, mode, only, counted, last)
        stored = await self._run(self._job_for(path, STORE_WITHIN), request, Stored)
        if only is not None:
            self._last_pages[path, only] = stored.last
            # Without its place the worker finds the last page by reading the file.
            if len(self._last_pages) > _FILES_KEPT:
                self._last_pages.popitem(last=False)
        return stored.quality

    async def finish(self, path: StrPath, total: int, only: FileId | None = None) -> None:
        """See :func:`t38fsp.image.store.finish`; raises StoreError, ImageWorkerError."""
        path = _absolute(path)
        if only is not None:
            self._last_pages.pop((path, only), None)
        request = Finish(path, total, only)
        await self._run(self._job_for(path, FINISH_WITHIN), request, Done)

    async def complete(self, growing: Growing, path: StrPath) -> str:
        """See :func:`t38fsp.image.growing.complete`; raises StoreError, ImageWorkerError."""
        request = Complete(_absolute(path), growing)
        return (await self._run(self._job_for(growing.path, FINISH_WITHIN), request, Completed)).path

    async def discard(self, growing: Growing, path: StrPath) -> None:
        """See :func:`t38fsp.image.growing.discard`; raises StoreError, ImageWorkerError."""
        request = Discard(_absolute(path), growing)
        await self._run(self._job_for(growing.path, FINISH_WITHIN), request, Done)

    def _job_for(self, path: StrPath, within: float) -> Job:
        return Job(asyncio.get_running_loop().time() + within, lane=_absolute(path))

    async def _run(
        self, job: Job, request: Request, expected: type[ReplyT], limit: float | None = None
    ) -> ReplyT:
        reply = await self._workers.run(job, request, limit=limit or self._timeout)
        if not isinstance(reply, expected):
            raise ImageWorkerError(
                f"an image worker sent the wrong reply to a job ({request.job}); try again"
            )
        return reply


def _seen(inspected: Inspected) -> _Seen:
    return inspected.letters, inspected.scales, inspected.warnings


def _formats(inspected: Inspected) -> tuple[PageFormat, ...]:
    return tuple(_format(width, rows, resolution) for width, rows, resolution, _, _ in inspected.pages)


@lru_cache
def _format(width: int, rows: int, resolution: Resolution) -> PageFormat:
    """One shared object for equal pages: a document may have thousands."""
    return PageFormat(width, rows, resolution)


def _absolute(path: StrPath) -> str:
    """Absolute, since the working directory of the program may differ from that of its workers."""
    return os.path.abspath(path)


async def _identity(path: str) -> Identity:
    """Identity of the file, read in a thread, since a network file system may be slow; () without a file."""
    try:
        return identity_of(await asyncio.to_thread(os.stat, path))
    except (OSError, RuntimeError):  # no such file; no thread
        return ()  # the worker will report what is wrong

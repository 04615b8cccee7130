"""Documents of jobs as files and as pages: kept on this host for as long as calls use them.

The documents of a job with several receivers are made into pages once for all of them. What no call has used
for some minutes is removed. :class:`ProviderCaller` sends them by calls of one FaxProvider.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from t38fsp.arguments import send_job
from t38fsp.call_settings import CallSettings
from t38fsp.cover import Cover
from t38fsp.header import Header
from t38fsp.image.errors import DocumentError
from t38fsp.image.pool import ImagePool
from t38fsp.jobs import Addressing
from t38fsp.page_settings import PageSettings
from t38fsp.prepared import PreparedDocument, count_pages, prepare
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from t38fsp.service import documents
from t38fsp.service.caller import CallOrder, OnConnected, OnEvent
from t38fsp.service.database import Database
from t38fsp.service.submission import Submission, SubmissionError, options_of
from t38fsp.service.values import Fax, Job, Receiver
from t38fsp.settings.address import number_or_sip_uri

_KEPT = 64
"""Jobs whose files are kept when no call uses them, at most."""
_KEPT_SECONDS = 300.0
_TIDY_SECONDS = 30.0
_ANYWHERE = "invalid"
"""Host of the URI of a receiver while no call is placed."""


@dataclass
class _Kept:
    folder: Path
    paths: list[str]
    users: int = 0
    used: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    prepared: dict[PageSettings, PreparedDocument] = field(default_factory=dict)

    async def close(self) -> None:
        for each in self.prepared.values():
            await each.close()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


class Preparing:
    """``pages_of`` and ``header_of`` are the settings of a route, where a job has none of its own."""

    def __init__(
        self,
        database: Database,
        pages_of: Callable[[str], PageSettings] = lambda route: PageSettings(),
        header_of: Callable[[str], Header | None] = lambda route: None,
    ) -> None:
        self._database = database
        self._pages_of = pages_of
        self._header_of = header_of
        self._images = ImagePool()
        self._folder = Path()
        self._folders = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """By job, the one used last at the end."""
        self._tidying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="t38fsp-documents-"))
        self._tidying = asyncio.create_task(self._tidy(), name="documents")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.wait([self._tidying])
        for each in self._kept.values():
            await each.close()
        self._kept.clear()
        await self._images.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def check(self, given: Submission) -> int:
        """Number of pages of a fax to the first receiver. Raises SubmissionError for documents, or a cover
        page, that cannot be faxed, ImageWorkerError."""
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._folder))
        try:
            paths = await asyncio.to_thread(_write, folder, given.documents)
            first = given.receivers[0]
            pages = given.pages or self._pages_of(given.routes[0] if given.routes else "")
            job = send_job(
                {},
                paths,
                target_of(first),
                None,
                pages=pages,
                password=given.password or None,
                cover=cover_of(given.cover, first),
            )
            return await count_pages(job, self._images)
        except DocumentError as error:
            raise SubmissionError(_fault(str(error), folder, given)) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    @asynccontextmanager
    async def document(
        self, job: Job, route: str, *, several: bool
    ) -> AsyncIterator[Sequence[str] | PreparedDocument]:
        """What to send for a job by a route: with ``several`` receivers its pages, else its files.

        Raises DocumentError, ImageWorkerError, DatabaseError.
        """
        async with self._using(job) as kept:
            # For one receiver the engine draws the pages as its far end wants them.
            if not several:
                yield kept.paths
                return
            options = options_of(job.options or {})
            pages = options.pages or self._pages_of(route)
            async with kept.lock:
                if pages not in kept.prepared:
                    kept.prepared[pages] = await prepare(
                        kept.paths, pages, password=options.password, images=self._images
                    )
            yield kept.prepared[pages]

    @asynccontextmanager
    async def as_sent(
        self, job: Job, fax: Fax, settings: CallSettings, route: str
    ) -> AsyncIterator[PreparedDocument]:
        """The pages of a fax to one receiver, with its cover page and header line, to be looked at."""
        options = options_of(job.options or {})
        header = self._header_of(route) if options.header is None else options.header
        if isinstance(header, bool):
            header = Header() if header else None
        async with (
            self._using(job) as kept,
            await prepare(
                kept.paths,
                options.pages or self._pages_of(route),
                password=options.password,
                cover=cover_of(options.cover, fax.receiver),
                header=header,
                to=target_of(fax.receiver),
                settings=settings,
                images=self._images,
            ) as prepared,
        ):
            yield prepared

    @asynccontextmanager
    async def _using(self, job: Job) -> AsyncIterator[_Kept]:
        if (kept := self._kept.get(job.id)) is None:
            # A number, not the job: the folder of the same job may still be being removed.
            self._folders += 1
            kept = self._kept[job.id] = _Kept(self._folder / str(self._folders), [])
        kept.users += 1
        self._kept.move_to_end(job.id)
        try:
            async with kept.lock:
                if not kept.paths:
                    kept.paths = await self._fetch(job, kept.folder)
            yield kept
        finally:
            kept.users -= 1
            kept.used = time.monotonic()

    async def _fetch(self, job: Job, folder: Path) -> list[str]:
        contents = []
        for each in job.documents:
            content = await self._database.read(
                lambda connection, id=each.id: documents.content(connection, id)  # type: ignore[misc]
            )
            contents.append((each.name, content))
        return await asyncio.to_thread(_write, folder, contents)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            now = time.monotonic()
            unused = [(id, each) for id, each in self._kept.items() if not each.users]
            for at, (id, each) in enumerate(unused):
                # They stand in the order of their use: those used longest ago come first.
                if now - each.used > _KEPT_SECONDS or at < len(unused) - _KEPT:
                    # First, so that no call takes it while it is being removed.
                    del self._kept[id]
                    await each.close()


def target_of(receiver: Receiver) -> str:
    """A URI that names the receiver, for pages that are made without a call."""
    dialled = number_or_sip_uri(receiver.to)
    return f"sip:{dialled}@{_ANYWHERE}" if isinstance(dialled, str) else str(dialled)


def cover_of(cover: Cover | None, receiver: Receiver) -> Cover | None:
    """The cover page of a job for one receiver, whose own fields come first."""
    if cover is None:
        return None
    own = dict(receiver.fields)
    rest = tuple((name, value) for name, value in cover.fields if name not in own)
    values = {name: getattr(cover, name) for name in ("template", "from_name", "subject", "comment")}
    return Cover(to_name=receiver.name or cover.to_name, fields=receiver.fields + rest, **values)


def _write(folder: Path, contents: Sequence[tuple[str, bytes]]) -> list[str]:
    """Write the documents, each into a folder of its own: two may have one name."""
    paths = []
    for at, (name, content) in enumerate(contents, 1):
        place = folder / str(at)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = place / _file_name(name)
        path.write_bytes(content)
        paths.append(str(path))
    return paths


def _file_name(name: str) -> str:
    """``name`` as the name of a file: what comes after the last slash, without a dot in front."""
    last = name.replace("\\", "/").rpartition("/")[2].lstrip(".")
    # The end, with the suffix; in octets, in which file systems limit names.
    return last.encode()[-100:].decode(errors="ignore") or "document"


def _fault(sentence: str, folder: Path, given: Submission) -> tuple[str, str]:
    """The field and the sentence of an error, which has names of files of this host."""
    for at, (name, _) in enumerate(given.documents, 1):
        path = str(folder / str(at) / _file_name(name))
        if path in sentence:
            return f"documents[{at - 1}]", sentence.replace(path, name)
    return ("documents[0]" if len(given.documents) == 1 else "documents"), sentence


class ProviderCaller:
    """Places calls through ``provider``, which is entered, and has the routes of the service."""

    def __init__(self, provider: FaxProvider, preparing: Preparing) -> None:
        self._provider = provider
        self._preparing = preparing

    async def call(self, order: CallOrder, on_event: OnEvent, on_connected: OnConnected) -> FaxResult:
        """See :class:`t38fsp.service.caller.Caller`."""
        options, receiver = options_of(order.job.options or {}), order.fax.receiver
        async with self._preparing.document(order.job, order.route, several=order.several) as document:
            await order.confirm()
            return await self._provider.send(
                document,
                receiver.to,
                route=order.route,
                caller=options.caller,
                settings=order.settings,
                pages=options.pages,
                password=options.password,
                cover=cover_of(options.cover, receiver),
                resume=order.first_page if order.first_page > 1 else None,
                addressing=Addressing(receiver.sub_address, options.sender_id),
                header=options.header,
                on_event=on_event,
                on_connected=on_connected,
            )

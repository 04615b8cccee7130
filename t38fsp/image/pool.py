"""Worker processes for pages, from asyncio: one job per process at a time, with a limit in time and memory.

Processes are started by ``exec``, not forked, so that a loop, threads and locks of the caller do no harm; and
they are killed on overrun, which threads and executors cannot do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType

from sip.logs import get_logger
from t38fsp.image.errors import DocumentError, ImageError, ImageWorkerError, StoreError
from t38fsp.image.header import HeaderLine
from t38fsp.image.wire import LENGTHS, Reply, Request, format_of, mode_fields, pack
from t38fsp.t30.vocabulary import PageFormat, PageMode, PageQuality

logger = get_logger(__name__)

StrPath = str | os.PathLike[str]

DEFAULT_TIMEOUT = 60.0
"""Seconds for one job; documents that are read as a whole get more, by their size."""

_SLOWEST = 200_000
"""Coded octets per second that a slow machine still decodes."""

DEFAULT_MEMORY = 1024 * 1024 * 1024
"""Octets of address space of one worker."""

_PATIENCE = 1.0
"""Seconds that a process which has nothing more to do gets to end."""

_MOST_LOGGED = 4096
"""Octets of what a process says that become one record of the log."""

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_ERRORS: dict[str, type[ImageError]] = {kind.__name__: kind for kind in (DocumentError, StoreError)}


class ImagePool:
    """``workers`` processes that do the work of :mod:`t38fsp.image`; jobs wait for a free one.

    A job that takes longer than ``timeout`` seconds, or whose process dies, ends in
    :class:`ImageWorkerError`; the next job gets a fresh process. A cancelled job ends its process too.
    """

    def __init__(
        self, workers: int = 1, timeout: float = DEFAULT_TIMEOUT, memory: int = DEFAULT_MEMORY
    ) -> None:
        self._timeout = timeout
        self._workers = [_Worker(memory) for _ in range(workers)]
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def start(self) -> None:
        """Start the processes; without this each starts at its first job."""
        for worker in self._workers:
            await worker.start()

    async def close(self) -> None:
        """End the processes. Jobs have a second to end; then, and if they wait, it is ImageWorkerError."""
        await asyncio.gather(*(worker.close() for worker in self._workers))

    async def __aenter__(self) -> ImagePool:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def inspect(self, path: StrPath) -> list[PageFormat]:
        """See :func:`t38fsp.image.document.inspect`; raises DocumentError, ImageWorkerError."""
        reply, _ = await self._run({"job": "inspect", "path": os.fspath(path)}, limit=self._limit_for(path))
        return [format_of(fields) for fields in reply["formats"]]

    async def encode_page(
        self, path: StrPath, index: int, mode: PageMode, header: HeaderLine | None = None
    ) -> bytes:
        """See :func:`t38fsp.image.document.encode_page`; raises DocumentError, ImageWorkerError."""
        request: Request = {
            "job": "encode",
            "path": os.fspath(path),
            "index": index,
            "mode": mode_fields(mode),
            "header": header,
        }
        _, data = await self._run(request)
        return data

    async def store_page(self, path: StrPath, data: bytes, mode: PageMode) -> PageQuality:
        """See :func:`t38fsp.image.store.append_page`; raises StoreError, ImageWorkerError."""
        request: Request = {"job": "store", "path": os.fspath(path), "mode": mode_fields(mode)}
        reply, _ = await self._run(request, data)
        return PageQuality(*reply["quality"])

    async def finish(self, path: StrPath, total: int) -> None:
        """See :func:`t38fsp.image.store.finish`; raises StoreError, ImageWorkerError."""
        await self._run({"job": "finish", "path": os.fspath(path), "total": total})

    def _limit_for(self, path: StrPath) -> float:
        """Seconds for a job that reads the whole document."""
        with suppress(OSError):
            return self._timeout + os.stat(path).st_size / _SLOWEST
        return self._timeout

    async def _run(
        self, request: Request, data: bytes = b"", limit: float | None = None
    ) -> tuple[Reply, bytes]:
        async with self._worker() as worker:
            reply, result = await self._on(worker, request, data, limit or self._timeout)
        if "error" in reply:
            raise _ERRORS.get(reply["error"], ImageError)(reply["message"])
        return reply, result

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[_Worker]:
        worker = await self._free.get()
        try:
            yield worker
        finally:
            self._free.put_nowait(worker)

    async def _on(self, worker: _Worker, request: Request, data: bytes, limit: float) -> tuple[Reply, bytes]:
        try:
            async with asyncio.timeout(limit):
                return await worker.ask(request, data)
        except TimeoutError:
            await worker.end()
            raise ImageWorkerError(
                f"the image job ({request['job']}) took longer than {limit:g} s; give simpler pages"
            ) from None
        except (OSError, EOFError) as error:
            await worker.end(_PATIENCE)
            raise ImageWorkerError(
                f"the image worker ended in the middle of its job ({request['job']}); try again"
            ) from error
        except asyncio.CancelledError:
            # Its answer would be taken for that of the next job.
            await worker.end()
            raise


class _Worker:
    """One process, started when it is needed."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._closed = False
        self._changing = asyncio.Lock()
        """Held while a process starts, or is taken away."""

    async def start(self) -> asyncio.subprocess.Process:
        """Have a process. Raises ImageWorkerError behind :meth:`close`."""
        async with self._changing:
            return await self._started()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise ImageWorkerError("the image workers are closed; no page can be processed any more")
        if self._process is None or self._process.returncode is not None:
            path = os.pathsep.join(filter(None, [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH")]))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "t38fsp.image.worker",
                str(self._memory),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path, "PILLOW_BLOCKS_MAX": "64"},
            )
            self._listener = asyncio.create_task(_log(self._process))
        return self._process

    async def ask(self, request: Request, data: bytes) -> tuple[Reply, bytes]:
        """Raises OSError or EOFError when the process is gone."""
        process = await self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pack(request, data))
        await process.stdin.drain()
        header_length, data_length = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
        reply: Reply = json.loads(await process.stdout.readexactly(header_length))
        return reply, await process.stdout.readexactly(data_length)

    async def close(self) -> None:
        """End the process for good."""
        self._closed = True
        await self.end(_PATIENCE)

    async def end(self, patience: float = 0.0) -> None:
        """Close its input, give it ``patience`` seconds to leave by itself, then kill it."""
        async with self._changing:
            process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            if process.returncode is None:
                process.kill()
        await process.wait()
        if self._listener is not None:
            await self._listener


async def _log(process: asyncio.subprocess.Process) -> None:
    """A dying interpreter speaks on standard error, in lines of any length."""
    assert process.stderr is not None
    while octets := await process.stderr.read(_MOST_LOGGED):
        for line in octets.decode(errors="replace").splitlines():
            logger.debug("worker %d: %s", process.pid, line.rstrip())

"""One worker process, driven over pipes from asyncio: started, tested, given jobs, killed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sip.ipc.async_child import AsyncChild
from sip.ipc.child import Program, bare_environment
from sip.ipc.codec import WireError
from sip.logs import get_logger
from t38fsp.image.errors import ImageWorkerError
from t38fsp.image.wire import CODEC, Grows, Message, Prove, Refused, Reply, Request

logger = get_logger(__name__)

PATIENCE = 1.0
"""Seconds for a process to end by itself once its input is closed."""

_START_LIMIT = 30.0
"""Upper bound from the start of a process to its self-test, seconds; an idle machine takes a quarter
second."""


class WorkerProcess:
    """One process, started when it is needed, with at most ``memory`` octets of address space; ``niceness``
    is taken from its priority.
    """

    def __init__(self, memory: int, niceness: int = 0) -> None:
        self._memory = memory
        self._niceness = niceness
        self._child: AsyncChild[Message] | None = None
        self._closed = False
        self._changing = asyncio.Lock()
        """Held while a process is created or removed."""
        self._starting = asyncio.Lock()
        """Held until the process has passed its self-test."""

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    async def start(self) -> None:
        """Start a process, unless one runs, and test that it works.

        Raises ImageWorkerError when it cannot start, and after :meth:`close`.
        """
        await self._started()

    async def _started(self) -> AsyncChild[Message]:
        async with self._starting:
            child, is_new = await self._made()
            if is_new:
                await self._prove(child)
        return child

    async def _made(self) -> tuple[AsyncChild[Message], bool]:
        async with self._changing:
            if self._closed:
                raise closed()
            if self._child is not None and self._child.running:
                return self._child, False
            program = Program(
                "image worker",
                "t38fsp.image.worker",
                (str(self._memory), str(self._niceness)),
                # Pillow keeps up to 64 blocks of freed memory for the next page, instead of asking the
                # kernel each time.
                bare_environment(PILLOW_BLOCKS_MAX="64"),
            )
            child = AsyncChild(program, CODEC, log=logger)
            try:
                await child.start()
            except OSError as error:
                raise _cannot_start(str(error)) from error
            self._child = child
        return child, True

    async def _prove(self, child: AsyncChild[Message]) -> None:
        """Limits of the system show here, once and with their reason, and not at each page."""
        try:
            async with asyncio.timeout(_START_LIMIT):
                reply = await _exchange(child, Prove())
        except TimeoutError:
            await self.end()
            raise _cannot_start(f"it did not answer within {_START_LIMIT:g} s") from None
        except (OSError, EOFError) as error:
            await self.end(PATIENCE)
            if self._closed:
                raise closed() from error
            raise _cannot_start(child.last_line or "it ended at once") from error
        except asyncio.CancelledError:
            await self.end()
            raise
        if self._closed:
            raise closed()
        if isinstance(reply, Refused):
            await self.end(PATIENCE)
            raise _cannot_start(reply.message)

    async def ask(self, request: Request, note: Callable[[Grows], None]) -> Reply:
        """Have a job done; ``note`` takes reports of its progress, for the case of a second attempt.

        Raises ImageWorkerError as :meth:`start` does, OSError or EOFError when the process is gone.
        """
        return await _exchange(await self._started(), request, note)

    def cpu_seconds(self) -> float | None:
        """CPU time of the process so far; None if the system does not report it."""
        if self._child is None:
            return None
        with suppress(OSError, ValueError, IndexError, AttributeError):
            stat = Path(f"/proc/{self._child.pid}/stat").read_bytes()
            # After the name of the program, which is in parentheses and may have spaces: utime and stime
            # are fields 14 and 15 (proc(5)).
            fields = stat.rpartition(b")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return None

    async def close(self) -> None:
        """End the process for good."""
        self._closed = True
        await self.end(PATIENCE)

    async def end(self, patience: float = 0.0) -> int | None:
        """Close its input, give it ``patience`` seconds to end by itself, then kill it.

        Returns its exit status, negative if a signal ended it; None without a process.
        """
        async with self._changing:
            child, self._child = self._child, None
        if child is None:
            return None
        await child.end(patience)
        return child.exit_status


async def _exchange(
    child: AsyncChild[Message], request: Request, note: Callable[[Grows], None] | None = None
) -> Reply:
    try:
        child.write(request)
    except WireError as error:
        raise ImageWorkerError(
            f"an image job ({request.job}) cannot be sent to its worker: {error}"
        ) from error
    await child.drain()
    while isinstance(reply := await child.receive(), Grows):
        if note is not None:
            note(reply)
    # None: its output has ended.
    if not isinstance(reply, Reply):
        raise EOFError
    return reply


def closed() -> ImageWorkerError:
    return ImageWorkerError("the image workers are closed; start a new engine to process pages")


def _cannot_start(why: str) -> ImageWorkerError:
    return ImageWorkerError(
        f"an image worker cannot start ({why}); check the limits of this process "
        "(address space, open files, processes)"
    )

"""A child's side of its pipes, on an event loop: reading commands, and sending heartbeats."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Generic

from sip.ipc.codec import Codec, MessageT, WireError
from sip.ipc.messages import Alive
from sip.ipc.pipes import read_messages
from sip.logs import get_logger

_logger = get_logger(__name__)


class CommandPipe(Generic[MessageT]):
    """Commands from the pipe ``descriptor``. A thread reads, because not every loop can wait for a pipe."""

    def __init__(self, descriptor: int, codec: Codec[MessageT]) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[MessageT | None] = asyncio.Queue()
        # A daemon: it may be waiting in read() when the process ends.
        reader = threading.Thread(target=self._read, args=(descriptor, codec), name="commands", daemon=True)
        reader.start()

    async def get(self) -> MessageT | None:
        """The next command; None after the end of the pipe or an invalid message."""
        return await self._queue.get()

    def _read(self, descriptor: int, codec: Codec[MessageT]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is no receiver any more
            try:
                for message in read_messages(descriptor, codec):
                    self._loop.call_soon_threadsafe(self._queue.put_nowait, message)
            except (OSError, WireError):
                _logger.exception("cannot read the program's commands; closing")
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)


@contextlib.asynccontextmanager
async def heartbeat(report: Callable[[Alive], None], interval: float) -> AsyncIterator[None]:
    """Send Alive every ``interval`` seconds within this context."""

    async def beat() -> None:
        while True:
            report(Alive())
            await asyncio.sleep(interval)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()

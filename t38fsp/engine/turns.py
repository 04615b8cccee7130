"""Calls are set up in turns, so that a hundred of them at once do not keep the packets of others waiting."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

_REST = 2.0
"""Times as long as a set-up took of the processor, the loop is left to others. What the rest of the machine
took of it meanwhile would only make the next ones wait for longer."""


class Turns:
    """``async with turns:`` around what is done at one go for one call; the loop has two thirds of its time
    between. Who comes first is served first."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._began = 0.0
        self._rests_until = 0.0

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        try:
            pause = self._rests_until - self._loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
        except BaseException:
            self._lock.release()
            raise
        self._began = time.thread_time()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rests_until = self._loop.time() + _REST * (time.thread_time() - self._began)
        self._lock.release()

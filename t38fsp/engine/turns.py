"""Spaces the set-ups of calls, so that a hundred at once do not delay the packets of other calls."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

_REST = 2.0
"""Pause after a set-up, as a multiple of its processor time. Elapsed time would include the load of other
processes, and only make the next set-ups wait longer."""


class Turns:
    """``async with turns:`` around the set-up of one call. Two thirds of the loop's time remain for other
    work. First come, first served."""

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
        # A preparation that is cancelled while it waits must not keep the lock.
        except BaseException:
            self._lock.release()
            raise
        self._began = time.thread_time()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rests_until = self._loop.time() + _REST * (time.thread_time() - self._began)
        self._lock.release()

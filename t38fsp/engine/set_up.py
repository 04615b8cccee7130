"""The set-up of a call: its turn, so that a hundred at once do not delay the packets of other calls; and word
of a document that delays it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType

from sip.logs import get_logger
from t38fsp.engine.call_log import CallLog
from t38fsp.events import Delayed

logger = get_logger(__name__)

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


TOLD_AFTER = 1.0
"""Seconds; on an idle machine the preparation takes a twentieth of it, for documents of any length."""

_TEXT = (
    "the call waits until its document is checked and its first page is prepared; "
    "pages of calls in progress, and other documents, come first"
)


@asynccontextmanager
async def told_of_delay(log: CallLog, tell: Callable[[Delayed], None]) -> AsyncIterator[None]:
    """Emit one event, and log, if the work in this context takes longer than TOLD_AFTER."""
    log = log.under(logger)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    told = False

    def take_time() -> None:
        nonlocal told
        told = True
        log.info("%s", _TEXT)
        tell(Delayed(_TEXT))

    timer = loop.call_later(TOLD_AFTER, take_time)
    try:
        yield
    finally:
        timer.cancel()
        if told:
            log.info("waited for its pages for %.1f s", loop.time() - begun)

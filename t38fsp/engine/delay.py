"""Reports that the document of a call delays it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sip.logs import get_logger
from t38fsp.engine.call_log import CallLog
from t38fsp.events import Delayed

logger = get_logger(__name__)

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

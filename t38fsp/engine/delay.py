"""Reports that a call is not placed yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sip.logs import get_logger
from t38fsp.engine.call_log import CallLog
from t38fsp.events import Delayed

logger = get_logger(__name__)

TOLD_AFTER = 1.0
"""Seconds; on an idle machine it takes a twentieth, however long the document is."""

_TEXT = (
    "the call waits until its document is inspected and its first page is at hand; "
    "pages of calls in progress, and other documents, have their turn first"
)


@asynccontextmanager
async def told_of_delay(log: CallLog, tell: Callable[[Delayed], None]) -> AsyncIterator[None]:
    """Tell once, and log, when what is done inside takes longer than TOLD_AFTER."""
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

"""A clock of the event loop that runs fast, for calls between engines that both run on this loop.

They take their time from the loop and from nothing else, so that their timers, the pace of their modems and
the time limits of the test shrink alike. What a child process does takes its real time, and seems slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

FACTOR = 4.0
"""Seconds of the loop to a real one. A loaded machine must still keep up with timers of T.30 (3 s)."""


@contextmanager
def hastened(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """The loop may have no timers when this begins and ends."""
    selector = loop._selector  # type: ignore[attr-defined]
    time, select = loop.time, selector.select

    def sooner(timeout: float | None = None) -> object:
        return select(timeout and timeout / FACTOR)

    loop.time = lambda: time() * FACTOR  # type: ignore[method-assign]
    selector.select = sooner
    try:
        yield
    finally:
        loop.time = time  # type: ignore[method-assign]
        selector.select = select

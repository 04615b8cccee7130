"""Measures an engine each second, for its capacity."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sip.logs import get_logger
from t38fsp.engine.capacity import Capacity, Second
from t38fsp.lateness import Lateness

_logger = get_logger(__name__)

_SECOND = 1.0


class Watch:
    """Measures each second while calls are up, from :meth:`begin` on, on the loop's thread.

    ``calls`` returns the number of calls, ``lateness`` that of packets since the previous query,
    ``page_wait`` how long a page waits; ``on_limit`` gets the limit of the capacity when it changes.

    The load of the loop is the processor time of its thread: load of other processes is not its own, and
    shows in the lateness.
    """

    def __init__(
        self,
        capacity: Capacity,
        calls: Callable[[], int],
        lateness: Callable[[], Lateness],
        page_wait: Callable[[], float],
        on_limit: Callable[[int | None], None],
    ) -> None:
        self._capacity = capacity
        self._calls = calls
        self._lateness = lateness
        self._page_wait = page_wait
        self._on_limit = on_limit
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._limit: int | None = None

    def begin(self) -> None:
        """A call is up."""
        if self._timer is None:
            # What was measured before this call is not of this second.
            self._lateness()
            self._go_on()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        self._began, self._computed = self._loop.time(), time.thread_time()
        self._timer = self._loop.call_later(_SECOND, self._over)

    def _over(self) -> None:
        calls = self._calls()
        seconds = self._loop.time() - self._began
        busy = (time.thread_time() - self._computed) / seconds
        self._capacity.note(Second(calls, self._lateness().p99, busy, self._page_wait()))
        if calls:
            self._go_on()
        else:
            self._timer = None
            self._capacity.rest()
        self._tell()

    def _tell(self) -> None:
        before, self._limit = self._limit, self._capacity.limit
        if self._limit == before:
            return
        if self._limit == 0:
            _logger.warning("no calls are accepted for now: %s", self._capacity.refusal(0))
        elif before == 0:
            _logger.warning("calls are accepted again")
        self._on_limit(self._limit)

"""Work that several callers want the result of, done once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """A coroutine that runs as long as anybody waits for it."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.task = asyncio.get_running_loop().create_task(work)
        self._waiting = 0

    @property
    def abandoned(self) -> bool:
        """It was cancelled, or is about to be, because nobody waited any more."""
        return self.task.cancelled() or self.task.cancelling() > 0

    async def result(self) -> T:
        """Wait for the result; a caller that is cancelled ends the work if it was the last one."""
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self.task.done():
                self.task.cancel()

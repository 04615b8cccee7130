"""Work that several callers want the result of, done once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any, Generic, TypeVar

from t38fsp.image.schedule import Job

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Shared(Generic[T]):
    """A coroutine that runs as long as a caller waits for it. ``job`` is what it waits for itself."""

    def __init__(self, work: Coroutine[Any, Any, T], job: Job) -> None:
        self.job = job
        self.task = asyncio.get_running_loop().create_task(work)
        self._waiting = 0

    @property
    def abandoned(self) -> bool:
        """It was cancelled, or is about to be, because no caller waited any more."""
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


class Sharing(Generic[K, T]):
    """What is being worked on, by what tells whether two callers want the same."""

    def __init__(self) -> None:
        self._under_way: dict[K, Shared[T]] = {}

    def find(self, key: K) -> Shared[T] | None:
        """The work for ``key``, if a caller waits for it."""
        shared = self._under_way.get(key)
        return None if shared is None or shared.abandoned else shared

    def begin(self, key: K, work: Coroutine[Any, Any, T], job: Job) -> Shared[T]:
        """Begin it; until it is over it is found."""
        shared = self._under_way[key] = Shared(work, job)

        def over(_: asyncio.Task[T]) -> None:
            # Work that was given up may have been begun anew before it was over.
            if self._under_way.get(key) is shared:
                del self._under_way[key]

        shared.task.add_done_callback(over)
        return shared

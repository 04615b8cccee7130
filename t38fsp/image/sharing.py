"""Work done once for several callers that need its result."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any, Generic, TypeVar

from t38fsp.image.schedule import Job

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Shared(Generic[T]):
    """A coroutine that runs while at least one caller waits for it; ``job`` is the image job that it does."""

    def __init__(self, work: Coroutine[Any, Any, T], job: Job) -> None:
        self.job = job
        self.task = asyncio.get_running_loop().create_task(work)
        self._waiting = 0

    @property
    def abandoned(self) -> bool:
        """The work was cancelled, or is about to be, since no caller waits for it."""
        return self.task.cancelled() or self.task.cancelling() > 0

    async def result(self) -> T:
        """Wait for the result; cancelling the last waiting caller cancels the work."""
        self._waiting += 1
        try:
            # Shielded: one caller that gives up must not take the work from the others.
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self.task.done():
                self.task.cancel()


class Sharing(Generic[K, T]):
    """The work in progress, by a key that is equal for callers that need the same."""

    def __init__(self) -> None:
        self._under_way: dict[K, Shared[T]] = {}

    def find(self, key: K) -> Shared[T] | None:
        """The work in progress for ``key``, if any."""
        shared = self._under_way.get(key)
        return None if shared is None or shared.abandoned else shared

    def begin(self, key: K, work: Coroutine[Any, Any, T], job: Job) -> Shared[T]:
        """Begin the work; :meth:`find` returns it until it is over."""
        shared = self._under_way[key] = Shared(work, job)

        def over(_: asyncio.Task[T]) -> None:
            # Abandoned work may have been begun again before it was over.
            if self._under_way.get(key) is shared:
                del self._under_way[key]

        shared.task.add_done_callback(over)
        return shared

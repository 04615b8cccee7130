"""What the handlers of requests share: the service, settings, limits, the audit log."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

from fastapi import Request
from sqlalchemy import Connection

from sip.logs import contained, get_logger
from t38fsp.service import audit, keys
from t38fsp.service.delivery_settings import RetrySettings
from t38fsp.service.service import FaxService
from t38fsp.service.values import ApiKey, Json
from t38fsp.service.web_settings import FetchSettings, WebSettings

if TYPE_CHECKING:
    from t38fsp.service.web.feed import Feed
    from t38fsp.service.web.identity import Client, Rates
    from t38fsp.service.web.metrics import Metrics
    from t38fsp.service.web.pages import Pages

T = TypeVar("T")

_logger = get_logger(__name__)
CONTEXT = "t38fsp.context"
"""Key of the scope of a request."""

_SEEN_AGAIN = 3600.0
"""Seconds in which the audit log does not repeat that the same client saw the same thing."""
_MOST_SEEN = 20_000
# Exact enough for "last used": a client that asks every second would else write every second.
_USED_AGAIN = 60.0


class Context:
    """What the handlers of one service share; they get it as a dependency (:func:`context_of`)."""

    def __init__(
        self,
        service: FaxService,
        settings: WebSettings,
        fetch: FetchSettings,
        webhooks: RetrySettings,
        rates: Rates,
        feed: Feed,
        metrics: Metrics,
        pages: Pages,
        deliver: Callable[[], None],
    ) -> None:
        self.service = service
        self.database = service.database
        self.settings = settings
        self.fetch = fetch
        self.webhooks = webhooks
        self.rates = rates
        self.feed = feed
        self.metrics = metrics
        self.pages = pages
        self.deliver = deliver
        """Called when there is something to deliver."""
        self._seen: OrderedDict[tuple[str, ...], float] = OrderedDict()
        # Only of keys that were found in the database, so without a limit of its own.
        self._used: dict[str, float] = {}
        # The event loop has only weak references to tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction. Raises DatabaseError."""
        return await self.database.run(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """The same for ``work`` that only reads, so that it does not wait for one that writes."""
        return await self.database.read(work)

    async def audit(self, client: Client, action: str, subject: str, detail: Json | None = None) -> None:
        """Record what was done."""
        key, address, now = client.id, client.address, time.time()
        await self.run(
            lambda connection: audit.append(connection, now, key, address, action, subject, detail)
        )

    async def saw(self, client: Client, action: str, subject: str) -> None:
        """Record what was seen, once an hour for the same client, address and subject: clients that wait for
        a fax ask every second."""
        seen = (client.id, client.address, action, subject)
        now = time.monotonic()
        if now - self._seen.get(seen, -_SEEN_AGAIN) < _SEEN_AGAIN:
            return
        await self.audit(client, action, subject)
        # Only now: if it could not be stored, the next request does so.
        self._seen[seen] = now
        self._seen.move_to_end(seen)
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)

    def used(self, key: ApiKey) -> None:
        """Note that a key is used, without having the request wait for it."""
        now = time.monotonic()
        if now - self._used.get(key.id, -_USED_AGAIN) < _USED_AGAIN:
            return
        self._used[key.id] = now
        self._start(self.run(lambda connection: keys.note_use(connection, key.id, time.time())))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        async def contain() -> None:
            with contained(_logger, "noting the use of a key failed"):
                await work

        task = asyncio.create_task(contain())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is still being noted."""
        if self._tasks:
            await asyncio.wait(self._tasks)


def context_of(request: Request) -> Context:
    """The context that a request came with."""
    context = request.scope[CONTEXT]
    assert isinstance(context, Context)
    return context

"""Events for many clients: one task sees that there are new ones, each client reads the table at its pace.

So a slow client costs neither memory nor another client anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial

from sip.logs import contained, get_logger
from t38fsp.service import events, overview
from t38fsp.service.database import DatabaseError
from t38fsp.service.service import FaxService, set_within
from t38fsp.service.values import Event

_logger = get_logger(__name__)
_LOOK = 1.0
"""Seconds after which events of other hosts are looked for."""
_AT_ONCE = 200
_ALIVE = 15.0
"""Seconds between two signs of life to a client."""
_PAUSE = 0.02


class Feed:
    """``run`` is a task of the application; it ends the streams when it is cancelled."""

    def __init__(self, service: FaxService, most: int) -> None:
        self._service = service
        self._most = most
        self._last = 0
        self._news = asyncio.Condition()
        self._closed = False
        self.clients = 0

    @property
    def full(self) -> bool:
        """There are as many clients as may be."""
        return self.clients >= self._most

    async def run(self) -> None:
        try:
            async with self._service.subscribe() as hint:
                while True:
                    await self._look()
                    await set_within(hint, _LOOK)
                    hint.clear()
                    # What happens at the same time is looked for once.
                    await asyncio.sleep(_PAUSE)
        finally:
            await self.close()

    async def close(self) -> None:
        """End the streams, also those that begin later."""
        self._closed = True
        async with self._news:
            self._news.notify_all()

    async def _look(self) -> None:
        with contained(_logger, "looking for events failed"):
            try:
                last = await self._service.database.read(events.last)
            except DatabaseError:
                return
            if last != self._last:
                async with self._news:
                    self._last = last
                    self._news.notify_all()

    async def batches(self, after: int | None) -> AsyncIterator[list[Event]]:
        """The events after the one with that number, or from now on; empty lists as signs of life."""
        # From the table, not from _last, which is up to _LOOK old: a client would be told of events from
        # before it came.
        number = await self._service.database.read(events.last) if after is None else after
        while not self._closed:
            found = await self._service.database.read(partial(events.since, number=number, limit=_AT_ONCE))
            if found:
                number = found[-1].number
                yield found
            elif not await self._newer(number):
                yield []

    async def _newer(self, number: int) -> bool:
        async with self._news:
            try:
                async with asyncio.timeout(_ALIVE):
                    await self._news.wait_for(lambda: self._last > number or self._closed)
            except TimeoutError:
                return False
        return True


async def of_key(service: FaxService, found: list[Event], key: str) -> list[Event]:
    """The events that are about jobs of a key."""
    # Received faxes belong to no job, and so to no key: their events are for those that see all.
    jobs = {_job(each) for each in found}
    keys = await service.database.read(lambda connection: overview.key_of(connection, jobs))
    return [each for each in found if keys.get(_job(each)) == key]


def _job(event: Event) -> str:
    # Ids of faxes and attempts begin with that of their job (JOB-1, JOB-1.1), which has no hyphen.
    return event.subject.partition("-")[0]


def lines(event: Event, body: object) -> bytes:
    """An event as server-sent events have it."""
    # JSON has line ends escaped; as they are they would end the field (WHATWG HTML, server-sent events).
    text = json.dumps(body, separators=(",", ":"))
    return f"id: {event.number}\nevent: {event.kind}\ndata: {text}\n\n".encode()

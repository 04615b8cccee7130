"""The fax service: a queue in a database whose faxes are called, tried again, and never lost.

::

    async with FaxService(Database("sqlite:///faxes.db"), caller, {"trunk": 30}) as service:
        job = await service.submit(Submission((("letter.pdf", content),), (Receiver("+15550100"),)))
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from random import Random
from socket import gethostname
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from sip.logs import get_logger
from t38fsp.events import RegistrationChanged, RegistrationStatus
from t38fsp.prepared import PreparedDocument
from t38fsp.service import actions, chain, events, jobs, outbox, retention, submission
from t38fsp.service.attempts import Attempts
from t38fsp.service.call_rules import Rules
from t38fsp.service.caller import Caller
from t38fsp.service.database import Database, DatabaseError
from t38fsp.service.durable import Durable
from t38fsp.service.errors import StateError
from t38fsp.service.hosts import DRAINING, HostInfo, Hosts, list_hosts
from t38fsp.service.jobs import QueuePlace
from t38fsp.service.overview import RouteInfo, list_routes
from t38fsp.service.preparing import Preparing
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.submission import Submission
from t38fsp.service.tables import attempt, fax
from t38fsp.service.values import ApiKey, Fax, Job, Receiver
from t38fsp.settings.address import number_or_sip_uri

T = TypeVar("T")

_logger = get_logger(__name__)
_TICK = 1.0
"""Seconds after which due faxes are looked for when nothing has happened."""
_PAUSE = 0.05
"""Seconds between two passes, so that what happens at the same time is one."""
_EXPIRY = 5.0
_LOST = 30.0
_RETENTION = 600.0


class FaxService:
    """``routes`` are the channels of each route, None if it does not say; ``caller`` places the calls.

    ``plan`` makes the targets of a submission (the numbers and routes of its receivers) and raises
    SubmissionError for those that may not be called. ``preparing`` is the one of ``caller``; without it no
    document is looked at before its call. Raises DatabaseError and HostError from ``async with``.
    """

    def __init__(
        self,
        database: Database,
        caller: Caller,
        routes: Mapping[str, int | None],
        *,
        settings: QueueSettings = QueueSettings(),
        rules: Rules = Rules(),
        preparing: Preparing | None = None,
        host: str = "",
        plan: Callable[[Submission, ApiKey | None, float], Sequence[QueuePlace]] | None = None,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self.database = database
        self.settings = settings
        self._preparing = preparing
        self.routes_known = routes
        self._channels = {
            # Incoming calls use the same channels; one is left for sending whatever the reserve is.
            name: max(1, (channels or settings.max_calls) - settings.reserve)
            for name, channels in routes.items()
        }
        self.rules = rules = replace(rules, channels=self._channels)
        self._plan = plan or self._plain_plan
        self._clock = clock
        self._wake = asyncio.Event()
        self._watchers: set[asyncio.Event] = set()
        self._stack = AsyncExitStack()
        self._draining = False
        self._registered: dict[str, bool] = {}
        # The lambda, because Attempts needs what is made after Hosts.
        self.hosts_of = Hosts(
            database, host or gethostname(), self._adopt, lambda: self._attempts.end_all(), clock
        )
        self._durable = Durable(database, self.host, self._attempt)
        self._attempts = Attempts(
            database,
            self.host,
            caller,
            rules,
            self._durable.is_ours,
            self._told,
            self._changed,
            random or Random(),
            clock,
        )

    @property
    def host(self) -> str:
        """Name of this host."""
        return self.hosts_of.name

    @property
    def draining(self) -> bool:
        """Whether this host starts no more calls."""
        return self._draining

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.database.create)
        async with AsyncExitStack() as stack:
            # First of all: the lease must be ours before DBOS runs again what this host had begun.
            await self.hosts_of.start()
            # Called in the reverse order: the lease is given back last, when no call is up any more.
            stack.push_async_callback(self.hosts_of.stop)
            stack.push_async_callback(self._stop)
            await self._durable.start(self._channels)
            missing = await self.database.run(lambda made: chain.tell_missing_routes(made, self._channels))
            for routes, faxes in missing.items():
                _logger.warning(
                    "%d faxes wait for the route %s, which is not configured; configure it, or cancel them",
                    faxes,
                    routes,
                )
            for work in (self._release_due, self._keep_house):
                task = asyncio.create_task(work(), name=work.__name__)
                stack.push_async_callback(end_task, task)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def drain(self) -> None:
        """Start no more calls on this host; return when those that run are over. After ``settings.drain``
        seconds they are ended, and continue elsewhere or later, as all that waits."""
        if self._draining:
            return
        self._draining = True
        self.hosts_of.state = DRAINING
        self._durable.pause()
        await self._attempts.idle(self.settings.drain)
        await self._attempts.leave()

    async def _stop(self) -> None:
        await self.drain()
        await self._durable.stop()

    # --- what clients ask for -------------------------------------------------------------------------------

    async def submit(self, given: Submission, key: ApiKey | None = None) -> Job:
        """Queue a submission; the job, or the one that came with its idempotency key before.

        Raises SubmissionError, IdempotencyError, LimitError, DatabaseError.
        """
        now = self._clock()
        submission.check(given, self.settings, self.routes_known, now)
        targets = self._plan(given, key, now)
        if self._preparing is not None:
            await self._preparing.check(given)

        job = await self._insert(given, targets, key, now)
        self._changed()
        return job

    async def _insert(
        self, given: Submission, targets: Sequence[QueuePlace], key: ApiKey | None, now: float
    ) -> Job:
        def insert(connection: Connection) -> Job:
            return actions.submit(connection, given, targets, key, self.settings.max_waiting, now)

        try:
            return await self.database.run(insert)
        except DatabaseError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            # The same idempotency key came to another host at this moment: now its job is there.
            return await self.database.run(insert)

    async def cancel(self, id: str) -> list[Fax]:
        """Cancel a fax, or all of a job that are not over; a call that is up is ended.

        Raises NotFoundError, and StateError if all of it is over.
        """

        faxes, workflows = await self.database.run(
            lambda connection: actions.cancel(connection, id, self._clock())
        )
        if workflows:
            # After our transaction, as DBOS uses connections of its own.
            await self._durable.cancel(workflows)
        # Calls on this host at once; those of other hosts find the mark.
        for each in faxes:
            self._attempts.cancel(each.id)
        self._changed()
        return faxes

    async def retry(self, id: str) -> list[Fax]:
        """Queue a fax that failed or was cancelled again, or all of a job: from the first page that is not
        confirmed. Raises NotFoundError, and StateError if there is none."""

        faxes = await self.database.run(lambda connection: actions.retry(connection, id, self._clock()))
        self._changed()
        return faxes

    async def resolve_held(self, id: str, send_again: bool) -> Fax:
        """Decide for a fax that is held: the page in question is sent again, or counts as received.

        Raises NotFoundError, and StateError if it is not held.
        """

        found = await self.database.run(
            lambda connection: actions.resolve_held(connection, id, send_again, self._clock())
        )
        self._changed()
        return found

    async def delete(self, id: str) -> None:
        """Remove a fax that is over, or a job with all its faxes, and results and documents with it; with
        the last fax of a job goes the job. Raises NotFoundError, StateError."""
        await self.database.run(lambda connection: actions.delete(connection, id, self._clock()))
        self._changed()

    async def hosts(self) -> list[HostInfo]:
        return await self.database.read(list_hosts)

    async def routes(self) -> list[RouteInfo]:
        return await self.database.read(
            lambda connection: list_routes(connection, self._channels, self.rules.failover, self._clock())
        )

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set when something may have happened; clear it, then read ``events.since``."""
        news = asyncio.Event()
        self._watchers.add(news)
        try:
            yield news
        finally:
            self._watchers.discard(news)

    def registration_changed(self, event: RegistrationChanged) -> None:
        """Tell the service of a registration (``on_registration`` of FaxProvider): fail-over goes by it."""
        # A copy: a thread may be writing the facts of this host to the database.
        is_registered = event.status is RegistrationStatus.REGISTERED
        self._registered = {**self._registered, event.route: is_registered}
        self.hosts_of.facts = {**self.hosts_of.facts, "registered": self._registered}
        self._changed()

    @asynccontextmanager
    async def prepared(self, id: str) -> AsyncIterator[PreparedDocument]:
        """The pages of a fax as they are sent, with cover page and header line, if any.

        Raises NotFoundError, DocumentError, ImageWorkerError, and StateError where nothing is sent from.
        """
        if self._preparing is None:
            raise StateError("this service sends no documents, so it has no pages to show")
        fax, job = await self.database.read(
            lambda connection: (
                found := jobs.read_fax(connection, id),
                jobs.read(connection, found.job),
            )
        )
        route = fax.route or next(iter(self._channels), "")
        async with self._preparing.as_sent(job, fax, self.rules.asked(job, route), route) as prepared:
            yield prepared

    # --- the parts ------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._wake.set()
        self._told()

    def _told(self) -> None:
        for news in self._watchers:
            news.set()

    async def _attempt(self, fax_id: str, workflow: str) -> None:
        await self.hosts_of.may_dial()
        await self._attempts.run(fax_id, workflow)

    async def _adopt(self, host: str) -> None:
        await self._durable.adopt(host)
        await self.database.run(lambda connection: outbox.release(connection, host, self._clock()))
        self._changed()

    async def _release_due(self) -> None:
        """Release what is due: after each change, and once a second for what becomes due by the clock."""
        while True:
            more = False
            try:
                released = await self.database.run(
                    lambda connection: chain.release(
                        connection,
                        self._channels,
                        self.rules.failover,
                        self._durable.enqueue,
                        self._clock(),
                    )
                )
                more = released.more
                if released.faxes:
                    self._changed()
            except DatabaseError as error:
                _logger.warning("%s; trying again", error)
            except Exception:
                _logger.exception("releasing what is due failed on our side")
            await asyncio.sleep(_PAUSE)
            if not more:
                await set_within(self._wake, _TICK)
            # Before the next pass, not after it: what is changed during a pass leads to another one.
            self._wake.clear()

    async def _keep_house(self) -> None:
        """Cancel what clients of other hosts cancelled, end what is late, remove what is old."""
        passes = last = 0
        while True:
            try:
                for each in await self.database.read(self._cancelled_here):
                    self._attempts.cancel(each)
                # The left side is the number before the assignment.
                if last != (last := await self.database.read(events.last)):
                    self._told()  # by this host or another one
                if passes % round(_EXPIRY / _TICK) == 0:
                    await self.database.run(lambda connection: chain.expire(connection, self._clock()))
                if passes % round(_LOST / _TICK) == 0:
                    await self.database.run(self._find_lost)
                    await self._durable.restart_stuck()
                if passes % round(_RETENTION / _TICK) == 0:
                    await retention.expire(self.database, self._durable, self.settings, self._clock())
            except DatabaseError as error:
                _logger.warning("%s; trying again", error)
            except Exception:
                _logger.exception("keeping house failed on our side")
            passes += 1
            await asyncio.sleep(_TICK)

    def _find_lost(self, connection: Connection) -> None:
        if lost := self._durable.lost(connection):
            _logger.error("%d faxes were released but not run, and are released again", len(lost))
            chain.release_again(connection, lost, self._durable.enqueue)

    def _cancelled_here(self, connection: Connection) -> list[str]:
        rows = connection.execute(
            select(fax.c.id)
            .join(attempt, attempt.c.fax == fax.c.id)
            .where(attempt.c.host == self.host, attempt.c.ended.is_(None), fax.c.cancelling)
        )
        return [*rows.scalars()]

    def _plain_plan(self, given: Submission, key: ApiKey | None, now: float) -> Sequence[QueuePlace]:
        names = given.routes or tuple(self.routes_known)
        opening = self.rules.window(given.window).next_open(
            max(now, given.not_before or now), self.rules.zone
        )
        not_before = opening if opening > now else None
        return [QueuePlace(_number(each), names, not_before) for each in given.receivers]


def _number(receiver: Receiver) -> str:
    return str(number_or_sip_uri(receiver.to))


async def set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most for these seconds."""
    # Not wait_for: that of Python 3.11 loses a cancellation that comes together with the event, and the task
    # would never end.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait for its end, however it ends."""
    task.cancel()
    await asyncio.wait([task])

"""The queue of deliveries: received faxes on the ways that their rules name, events to webhooks.

    async with Deliveries(database, settings, host, folder) as deliveries:
        ...
        deliveries.wake()  # when something was added

Each delivery is tried until it has arrived, with growing delays, or until it is given up; then it is shown as
failed, and can be asked for again. A delivery arrives at least once, and twice only where the process died,
or the answer was lost, after it arrived. Deliveries to one target have a few places, so that one that hangs
leaves room for the others.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from sip.logs import SELDOM, get_logger
from t38fsp.errors import SettingError
from t38fsp.inbox_settings import InboxSettings
from t38fsp.received.programs import check_programs
from t38fsp.service import outbox, received_faxes
from t38fsp.service.database import Database, DatabaseError
from t38fsp.service.deliveries import orders, subscriptions
from t38fsp.service.deliveries.command import CommandWay
from t38fsp.service.deliveries.files import Files
from t38fsp.service.deliveries.folder import FolderWay, left_in
from t38fsp.service.deliveries.mail import MailWay
from t38fsp.service.deliveries.way import DeliveryWay, NotDeliveredError, Order
from t38fsp.service.deliveries.webhook import WebhookWay
from t38fsp.service.delivery_settings import DAY, DeliverySettings
from t38fsp.service.outbox import Claimed
from t38fsp.service.targets import Target, TargetKind
from t38fsp.service.values import DeliveryState

logger = get_logger(__name__)

_LOOK_EVERY = 1.0
"""Seconds after which the database is looked at: for events, which other parts add."""
_LEASE = 180.0
"""Seconds for which a delivery is ours; renewed while it goes on."""
# Four times in a lease, so that some may fail while the database is away.
_RENEW_EVERY = 45.0
_TIDY_EVERY = 600.0
_STORE_AGAIN_AFTER = 5.0
_CLOSE_WITHIN = 5.0
"""Seconds for deliveries that are under way when the service ends; others are done by the next host."""
_PROCESSES = 2


class Deliveries:
    """Delivers while it is entered.

    ``folder`` is for files of one attempt, and belongs to this host alone.
    """

    def __init__(
        self,
        database: Database,
        settings: DeliverySettings,
        host: str,
        folder: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._settings = settings
        self._host = host
        self._clock = clock
        self._spread = spread
        self._files = Files(database, Path(folder), _PROCESSES)
        self._folders = FolderWay(self._files)
        self._mail = MailWay(self._files, settings.mail)
        self._ways: dict[TargetKind, DeliveryWay] = {
            TargetKind.FOLDER: self._folders,
            TargetKind.WEBHOOK: WebhookWay(self._files, clock),
            TargetKind.COMMAND: CommandWay(self._files),
            TargetKind.MAIL: self._mail,
        }
        self._news = asyncio.Event()
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}
        """Target and task of each delivery that is under way, by its id."""
        self._end = asyncio.Event()
        self._closing = False
        self._main: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Raises SettingError for a target that needs a program that is not there, DatabaseError, and OSError
        for a folder that cannot be made."""
        for target in self._settings.targets.values():
            await _check_programs(target)
        await self._files.start()
        await self._database.run(self._begin)
        self._main = [
            asyncio.create_task(self._always(self._turn, _LOOK_EVERY, self._news)),
            asyncio.create_task(self._always(self._renew, _RENEW_EVERY, self._end)),
            asyncio.create_task(self._always(self._tidy, _TIDY_EVERY, self._end)),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait a few seconds for what is under way, and leave the rest to the next host."""
        # They end by themselves: a transaction that is cancelled is carried out all the same, so that
        # deliveries would be claimed after they were released.
        self._closing = True
        self._news.set()
        self._end.set()
        await asyncio.gather(*self._main)
        tasks = [task for _, task in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_CLOSE_WITHIN)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with suppress(DatabaseError):
            await self._database.run(lambda connection: outbox.release(connection, self._host, self._clock()))
        self._mail.close()
        await self._files.close()

    def wake(self) -> None:
        """Look at the database now."""
        self._news.set()

    async def again(self, id: str) -> bool:
        """Deliver something once more that was delivered, or has failed. False if it is not known, or waits.

        Raises DatabaseError.
        """
        asked = await self._database.run(lambda connection: outbox.again(connection, id, self._clock()))
        self.wake()
        return asked

    def _begin(self, connection: Connection) -> None:
        # This host was stopped or killed; it has just one process.
        outbox.release(connection, self._host, self._clock())
        # Its settings may have changed; a target that still wants nothing is disabled again.
        for name in self._settings.targets:
            outbox.enable(connection, name)

    # --- what goes on all the time --------------------------------------------------------------------------

    async def _always(
        self, work: Callable[[], Awaitable[None]], seconds: float, again: asyncio.Event
    ) -> None:
        """Do it each so many seconds, and when the event is set."""
        while not self._closing:
            # Before the work: what is set while it goes on is not lost.
            again.clear()
            try:
                await work()
            except DatabaseError as error:
                logger.warning("deliveries wait: %s", error, extra=SELDOM)
            except Exception:
                logger.exception("deliveries: a fault of this program", extra=SELDOM)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await again.wait()

    async def _turn(self) -> None:
        # A read first: with SQLite it waits for no writer, and mostly there is nothing to do.
        while not self._closing and await self._database.read(self._is_anything):
            forwarded = await self._database.run(
                lambda connection: subscriptions.forward(connection, self._settings.targets, self._clock())
            )
            claimed = await self._database.run(self._claim)
            for each in claimed:
                task = asyncio.create_task(self._attempt(each))
                self._running[each.id] = each.target, task
                task.add_done_callback(partial(self._over, each.id))
            if not forwarded and not claimed:
                return

    def _is_anything(self, connection: Connection) -> bool:
        return subscriptions.is_behind(connection) or outbox.is_due(connection, self._clock())

    def _claim(self, connection: Connection) -> list[Claimed]:
        retries, now = self._settings.retries, self._clock()
        busy = Counter(target for target, _ in self._running.values())
        free = retries.at_a_time - len(self._running)
        if free <= 0:
            return []
        return outbox.claim(
            connection,
            self._host,
            now,
            now + _LEASE,
            free,
            lambda target: retries.per_target - busy[target],
        )

    def _over(self, id: str, _task: asyncio.Task[None]) -> None:
        # A place is free: something may have waited for it.
        del self._running[id]
        self.wake()

    async def _renew(self) -> None:
        ids = list(self._running)
        if not ids:
            return
        lost = await self._database.run(
            lambda connection: outbox.renew(connection, self._host, ids, self._clock() + _LEASE)
        )
        for id in lost & self._running.keys():
            # Another host is at it, or it was deleted.
            logger.warning("delivery %s is not ours any more", id)
            self._running[id][1].cancel()

    async def _tidy(self) -> None:
        receiving = self._settings.receiving
        failed, records = receiving.keep_failed_days * DAY, receiving.keep_records_days * DAY
        now = self._clock()
        while await self._database.run(
            lambda connection: received_faxes.expire(connection, now, failed, records)
        ):
            pass
        await self._database.run(
            lambda connection: outbox.tidy(connection, now - receiving.keep_days * DAY, now - failed)
        )
        for target in self._settings.targets.values():
            if target.folder:
                await self._tidy_folder(target.folder)

    async def _tidy_folder(self, folder: str) -> None:
        """What is left of deliveries that are over, because a process died before it removed that."""
        left = await asyncio.to_thread(left_in, folder)
        for id, entry in left.items():
            found = await self._database.read(partial(outbox.read, id=id))
            if id not in self._running and (found is None or found.state is DeliveryState.DELIVERED):
                await asyncio.to_thread(entry.forget)

    # --- one delivery ---------------------------------------------------------------------------------------

    async def _attempt(self, claimed: Claimed) -> None:
        order: Order | None = None
        way = self._ways[TargetKind(claimed.kind)]
        failure: NotDeliveredError | None = None
        try:
            order = await self._database.read(
                lambda connection: orders.read(connection, claimed, self._settings)
            )
            await way.deliver(order)
        except NotDeliveredError as error:
            failure = error
        except DatabaseError as error:
            failure = NotDeliveredError(str(error))
        except Exception as error:
            logger.exception("delivery %s to %s: a fault of this program", claimed.id, claimed.target)
            failure = NotDeliveredError(f"a fault of this program ({type(error).__name__}); see its log")
        # This ends at the latest when the delivery turns out not to be ours any more.
        while True:
            try:
                await self._database.run(lambda connection: self._store(connection, claimed, failure))
                break
            except DatabaseError as error:
                logger.error("the outcome of delivery %s waits: %s", claimed.id, error, extra=SELDOM)
                await asyncio.sleep(_STORE_AGAIN_AFTER)
        if failure is None and order is not None:
            # Only when that is stored: until then a repetition must find what this attempt left.
            await way.settle(order)

    def _store(self, connection: Connection, claimed: Claimed, failure: NotDeliveredError | None) -> None:
        now, retries = self._clock(), self._settings.retries
        if failure is None:
            orders.arrived(connection, claimed, now)
            return
        wait = retries.delay(claimed.attempt, self._spread())
        if failure.retry_after is not None:
            wait = max(wait, failure.retry_after)
        # By the time of the next attempt: one that would come too late is not waited for.
        late = now + wait > claimed.created + retries.hours * 3600
        if failure.final or claimed.attempt >= retries.attempts or late:
            logger.error("delivery %s to %s failed: %s", claimed.id, claimed.target, failure)
            orders.gave_up(connection, claimed, self._host, failure, now)
        else:
            logger.warning(
                "delivery %s to %s, attempt %d: %s; the next one is in %.0f s",
                *(claimed.id, claimed.target, claimed.attempt, failure, wait),
            )
            outbox.put_off(connection, claimed.id, self._host, str(failure), now + wait)


async def _check_programs(target: Target) -> None:
    """Raises SettingError."""
    needed = InboxSettings(
        format=target.format, ocr=target.ocr, ocr_languages=target.ocr_languages, exec=target.command
    )
    try:
        await check_programs(needed)
    except SettingError as error:
        raise SettingError(f"targets.{target.name}: {str(error).replace('exec:', 'command:', 1)}") from error

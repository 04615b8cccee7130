"""One attempt of a fax: the workflow that the durable engine runs, and runs again after a crash.

Its state is stored before each act (``AttemptState``), and each page when the far end confirms it. So a run
that finds an attempt open knows what may have happened: nothing was dialled, then that attempt goes on; the
call was being set up, then no page was sent; it was up, then the first page that is not confirmed may have
arrived, and only its confirmation is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from random import Random
from typing import Any, TypeVar

from sqlalchemy import Connection

from sip.logs import get_logger, printable
from sip.values import DialogId
from t38fsp.errors import FaxError, SettingError
from t38fsp.events import FaxEvent, Finished, PageDone, PageStarted
from t38fsp.image.errors import DocumentError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.service import attempt_records as records
from t38fsp.service.attempt_rows import Begun, SupersededError
from t38fsp.service.call_rules import Rules
from t38fsp.service.caller import Caller, CallOrder
from t38fsp.service.database import Database, DatabaseError
from t38fsp.settings.address import AddressError
from t38fsp.settings.errors import ConfigurationError

T = TypeVar("T")

_logger = get_logger(__name__)
_BETWEEN_TRIES = 0.5
"""Seconds between two tries to store what has happened, while the database cannot be reached."""
_CONNECTED_WITHIN = 10.0
"""Seconds in which the state of a call that is up must be stored: its far end waits for our DCS."""
_LEAVE_SECONDS = 10.0
"""More than a call needs to end, and its result to be stored."""


class Attempts:
    """Runs attempts on this host. ``told`` is called when events were appended, ``changed`` when faxes may
    have become due."""

    def __init__(
        self,
        database: Database,
        host: str,
        caller: Caller,
        rules: Rules,
        is_ours: Callable[[Connection, str], bool],
        told: Callable[[], None],
        changed: Callable[[], None],
        random: Random,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._host = host
        self._caller = caller
        self._rules = rules
        self._is_ours = is_ours
        self._told = told
        self._changed = changed
        self._random = random
        self._clock = clock
        self._running: set[str] = set()
        """Faxes of which an attempt runs here."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls: dict[str, asyncio.Task[FaxResult]] = {}
        """By fax."""
        self._left: set[str] = set()
        """Faxes whose calls were ended for a reason of this host."""

    @property
    def calls(self) -> frozenset[str]:
        """Faxes whose calls are placed or up."""
        return frozenset(self._calls)

    async def run(self, fax: str, workflow: str) -> None:
        """The body of the workflow. Returns when the attempt is over, and what follows from it is stored."""
        # By fax, not by workflow: one that was released again has another workflow.
        if fax in self._running:
            _logger.error("fax %s was started twice on this host; the second start is ignored", fax)
            return
        self._running.add(fax)
        self._idle.clear()
        try:
            await self._run(fax, workflow)
        except Exception:
            _logger.exception("the attempt of fax %s failed on our side; it is run again", fax)
            # DBOS stores it as failed; FaxService then finds the fax lost, and releases it again.
            raise
        finally:
            self._running.remove(fax)
            self._left.discard(fax)
            if not self._running:
                self._idle.set()
        # The next fax to this number may be due.
        self._changed()

    async def _run(self, fax: str, workflow: str) -> None:
        begun = await self._stored(
            lambda connection: records.begin(
                connection, fax, workflow, self._host, self._rules, self._is_ours, self._clock()
            )
        )
        if begun is not None:
            self._told()
            result = storable(await self._call(begun))
            # Outside the transaction, which may have to be repeated.
            chance = self._random.random()
            await self._stored(
                lambda connection: records.conclude(
                    connection, begun, result, self._rules, chance, self._clock(), left=fax in self._left
                )
            )

    def cancel(self, fax: str) -> bool:
        """End the call of a fax; false if it has none here."""
        if (call := self._calls.get(fax)) is None:
            return False
        call.cancel()
        return True

    async def idle(self, seconds: float) -> None:
        """Wait until no attempt runs, at most for this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    def end_all(self) -> None:
        """End all calls for a reason of this host: their faxes continue elsewhere or later."""
        self._left |= self.calls
        for fax in self.calls:
            self.cancel(fax)

    async def leave(self) -> None:
        """``end_all``, and return when that is stored."""
        self.end_all()
        await self.idle(_LEAVE_SECONDS)

    async def _call(self, begun: Begun) -> FaxResult:
        """Place the call in a task of its own, which can be cancelled without ending the workflow."""
        notes = _Notes(begun, self)
        task = asyncio.create_task(self._place(begun, notes), name=f"call {begun.attempt}")
        self._calls[begun.fax.id] = task
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled() and not task.done():
                # The workflow itself is cancelled: the process ends. Without its end the call goes with it.
                task.cancel()
                await asyncio.wait([task])
                raise
            return notes.result or _cancelled(begun)
        finally:
            del self._calls[begun.fax.id]
            await notes.close()

    async def _place(self, begun: Begun, notes: _Notes) -> FaxResult:
        async def confirm() -> None:
            await self._stored(lambda connection: records.dialling(connection, begun))

        order = CallOrder(
            *(begun.job, begun.fax, begun.route, begun.used, begun.first_page, begun.several), confirm
        )
        try:
            # Before the documents are fetched for nothing. The caller asks again directly before it dials.
            await confirm()
            return await self._caller.call(order, notes.event, notes.connected)
        except SupersededError:
            # It is not stored: the attempt is that of the other host.
            return _failed(begun, Outcome.CANCELLED, "another host has taken the fax over")
        except DocumentError as error:
            return _failed(begun, Outcome.BAD_DOCUMENT, str(error))
        except (AddressError, ConfigurationError, SettingError) as error:
            return _failed(begun, Outcome.MISCONFIGURED, str(error))
        except FaxError as error:
            # The database, an image worker, the engine: they may be well the next time.
            return _failed(begun, Outcome.FAULT, str(error), retry=True)
        except Exception:
            _logger.exception("the call of fax %s failed on our side", begun.fax.id)
            return _failed(begun, Outcome.FAULT, "the call failed on our side; see the log", retry=True)

    async def _stored(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` until it is stored: while the database cannot be reached nothing else may happen."""
        while True:
            try:
                return await self._database.run(work)
            except DatabaseError as error:
                _logger.warning("%s; trying again", error)
                await asyncio.sleep(_BETWEEN_TRIES)


def storable(result: FaxResult) -> FaxResult:
    """The result with the far end's texts printable: PostgreSQL stores no NUL, and a result that cannot be
    stored would be tried again for ever."""
    texts = {field.name: getattr(result, field.name) for field in fields(result)}
    clean: dict[str, Any] = {name: printable(text) for name, text in texts.items() if isinstance(text, str)}
    return replace(result, **clean, warnings=tuple(map(printable, result.warnings)))


class _Notes:
    """What is stored while a call goes on, in order and without making the call wait."""

    def __init__(self, begun: Begun, attempts: Attempts) -> None:
        self.result: FaxResult | None = None
        self._begun = begun
        self._attempts = attempts
        self._queue: asyncio.Queue[Callable[[Connection], None] | None] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write(), name=f"notes {begun.attempt}")
        self._total = 0

    def event(self, event: FaxEvent) -> None:
        begun, now = self._begun, self._attempts._clock()
        match event:
            case PageStarted(total=total) if total > 0:
                self._total = total
            case PageDone(record=record) if record.confirmed:
                total = self._total
                self._queue.put_nowait(
                    lambda connection: records.page_confirmed(connection, begun, record.number, total, now)
                )
            case Finished(result=result):
                self.result = result

    async def connected(self, dialog: DialogId) -> bool:
        """False if the state cannot be stored in time: then no page may be sent."""
        storing = self._attempts._stored(
            lambda connection: records.connected(connection, self._begun, str(dialog))
        )
        try:
            # If it is stored after that time all the same, the attempt says more than what happened: after a
            # crash a page may be taken for possibly duplicated, but none is lost.
            async with asyncio.timeout(_CONNECTED_WITHIN):
                await storing
        except (TimeoutError, SupersededError):
            return False
        return True

    async def close(self) -> None:
        self._queue.put_nowait(None)
        # What the call has told is stored before its end is.
        await self._writer

    async def _write(self) -> None:
        while (work := await self._queue.get()) is not None:
            await self._attempts._stored(work)
            self._attempts._told()


def _failed(begun: Begun, outcome: Outcome, reason: str, *, retry: bool = False) -> FaxResult:
    return FaxResult(outcome.status, reason, retry, outcome=outcome, first_page=begun.first_page)


def _cancelled(begun: Begun) -> FaxResult:
    return _failed(begun, Outcome.CANCELLED, "the fax was cancelled before its call")

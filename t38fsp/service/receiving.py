"""Incoming calls of the service: from the call into the spool, from there into the database, with what the
rules ask for.

A page is on disk before it is confirmed (``t38fsp.received.spool``). When the call is over, one transaction
stores the fax, its deliveries and its event; then the spool forgets it. If the process dies in between, the
next one finds the fax in the spool, and stores it unless that was done. While the database cannot be reached,
calls are taken all the same, and stored later.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import AsyncIterable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sip.logs import SELDOM, get_logger, printable
from t38fsp.call_settings import CallSettings
from t38fsp.provider import IncomingFax
from t38fsp.received import facts as received_facts
from t38fsp.received.intake import Intake
from t38fsp.received.spool import Entry
from t38fsp.results import FaxResult
from t38fsp.service import blocked, received_faxes
from t38fsp.service.database import Database, DatabaseError
from t38fsp.service.delivery_settings import DAY, DeliverySettings
from t38fsp.service.ids import new_id
from t38fsp.service.outbox import NewDelivery
from t38fsp.service.policy.rules import ReceivedFacts, Rule, match_any, rule_for
from t38fsp.service.received_faxes import Arrived
from t38fsp.service.targets import Target, TargetKind

logger = get_logger(__name__)

_ID = re.compile("r[0-9a-z]{25}")
_AGAIN_AFTER = 5.0
"""Seconds until what could not be stored is tried again."""
_CLOSE_WITHIN = 10.0
_BLOCKED_FOR = 5.0
"""Seconds for which the block list of the database is not read again."""
_LOOK_UP_WITHIN = 2.0
"""Seconds that a call waits for the block list; then the last known one counts."""
_LIMITS = {"caller": 300, "called": 300, "route": 64, "remote_id": 40, "sub_address": 40}
"""Characters; what is longer comes from no fax machine and is cut."""


class Receiving:
    """Takes calls while it is entered; enter it before the provider.

    ``folder`` is the spool; ``stored`` is called when there is something to deliver. Entering stores what a
    process left there that was killed.
    """

    def __init__(
        self,
        database: Database,
        settings: DeliverySettings,
        host: str,
        folder: str | os.PathLike[str],
        *,
        stored: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._settings = settings
        self._host = host
        self._intake = Intake(folder)
        self._stored = stored
        self._clock = clock
        self._blocked: tuple[str, ...] = ()
        self._blocked_until = 0.0
        self._calls: set[asyncio.Task[Any]] = set()
        self._closing = False
        self.refused = 0
        """Calls of callers on the block list that were refused."""

    async def __aenter__(self) -> Self:
        for entry in await self._intake.left():
            self._intake.go_on(self._store_left(entry))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait up to 10 s for what is still to be stored, and leave the rest in the spool."""
        self._closing = True
        await self._intake.wait(_CLOSE_WITHIN)
        await self._intake.close()

    @property
    def active(self) -> int:
        """Calls that are taken at this moment."""
        return len(self._calls)

    async def until_idle(self) -> None:
        """Return when no call is taken."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def serve(self, calls: AsyncIterable[IncomingFax]) -> None:
        """Take all calls, each in a task of its own, until there are no more."""
        async for call in calls:
            task = asyncio.create_task(self._take_one(call))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        await self.until_idle()

    async def take(self, call: IncomingFax, *, settings: CallSettings | None = None) -> str | None:
        """Take a call and store its fax, or have it stored later if that cannot be done now.

        Returns the id of the received fax; None for a call that was refused.
        """
        if await self._is_blocked(call.caller):
            self.refused += 1
            logger.info("a call of %s was refused: it is on the block list", call.caller, extra=SELDOM)
            call.refuse(self._settings.receiving.blocked_answer.status)
            return None
        # In the record of the spool from the beginning: stored after a crash, the fax has the same id.
        id, at = new_id("r"), self._clock()

        async def arrived(entry: Entry, known: dict[str, Any], result: FaxResult) -> str:
            about = received_facts.of_result(result) | known
            try:
                await asyncio.to_thread(entry.write, {"facts": about})
            except OSError as error:
                # The record of the beginning is there, so that the pages are not lost.
                logger.warning("%s could not be written: %s", entry.record, error.strerror or error)
            await self._store(entry, id, about)
            return id

        number = next(self._intake.numbers)
        return await self._intake.take(call, number, {"job": id, "at": at}, arrived, settings=settings)

    async def _take_one(self, call: IncomingFax) -> None:
        try:
            await self.take(call)
        except Exception:
            logger.exception("a call of %s could not be taken", call.caller)

    async def _is_blocked(self, caller: str) -> bool:
        if match_any(self._settings.receiving.blocked, caller):
            return True
        now = time.monotonic()
        if now >= self._blocked_until:
            # Before it is read: calls that come meanwhile go by the list known so far, and a database
            # that does not answer is not asked by each of them.
            self._blocked_until = now + _BLOCKED_FOR
            try:
                async with asyncio.timeout(_LOOK_UP_WITHIN):
                    listed = await self._database.read(blocked.listing)
                self._blocked = tuple(each.pattern for each in listed)
            except (DatabaseError, TimeoutError) as error:
                logger.warning("the block list could not be read: %s", error, extra=SELDOM)
        return match_any(self._blocked, caller)

    # --- into the database ----------------------------------------------------------------------------------

    async def _store_left(self, entry: Entry) -> None:
        """A fax that another process left."""
        record = await asyncio.to_thread(entry.read)
        about = record.get("facts")
        about = dict(about) if isinstance(about, dict) else {}
        id = about.get("job")
        if not isinstance(id, str) or not _ID.fullmatch(id):
            # The record was lost. The same id at each attempt, so that the fax is stored once.
            id = "r" + hashlib.sha256(entry.record.encode()).hexdigest()[:25]
        if about.get("pages_confirmed") is None:
            about["pages_confirmed"] = await asyncio.to_thread(entry.count)
        logger.warning("the received fax %s was left by another process and is stored now", id)
        await self._store(entry, id, about)

    async def _store(self, entry: Entry, id: str, about: dict[str, Any]) -> None:
        try:
            content = await asyncio.to_thread(_content, entry) if about.get("pages_confirmed") else None
            fax, deliveries = self._arrived(id, about, content)
            new = await self._database.run(
                lambda connection: received_faxes.store(connection, fax, deliveries, self._clock())
            )
        except (OSError, DatabaseError) as error:
            logger.error(
                "%s; the received fax %s is beside %s until that can be done",
                *(error, id, entry.record),
                extra=SELDOM,
            )
            if not self._closing:
                self._intake.later(_AGAIN_AFTER, lambda: self._store(entry, id, about))
            return
        except Exception:
            logger.exception("the received fax %s cannot be stored; it stays beside %s", id, entry.record)
            return
        if new:
            logger.info("the received fax %s is stored, for %d targets", id, len(deliveries))
        await self._intake.forget(entry)
        self._stored()

    def _arrived(
        self, id: str, about: dict[str, Any], content: bytes | None
    ) -> tuple[Arrived, list[NewDelivery]]:
        told = {key: printable(str(about.get(key) or ""))[:most] for key, most in _LIMITS.items()}
        seen = ReceivedFacts(told["called"], told["caller"], told["remote_id"], told["sub_address"])
        rule = rule_for(self._settings.rules, seen)
        at = about.get("at")
        at = float(at) if isinstance(at, int | float) else self._clock()
        fax = Arrived(
            id,
            at,
            self._host,
            content,
            told["route"],
            told["caller"],
            told["called"],
            told["remote_id"],
            told["sub_address"],
            int(about.get("pages_confirmed") or 0),
            not received_facts.is_complete(about),
            _clean(about),
            "" if rule is None else self._name(rule),
            self._expires(rule, at),
        )
        deliveries = [] if rule is None or content is None else self._deliveries(id, rule)
        return fax, deliveries

    def _name(self, rule: Rule) -> str:
        return (rule.name or f"rule {self._settings.rules.index(rule) + 1}")[:64]

    def _expires(self, rule: Rule | None, at: float) -> float:
        days = self._settings.receiving.keep_days
        if rule is not None and rule.keep_days is not None:
            days = rule.keep_days
        return at + days * DAY

    def _deliveries(self, id: str, rule: Rule) -> list[NewDelivery]:
        targets = [self._settings.targets[name] for name in rule.deliver]
        ways = [(target, arguments) for target in targets for arguments in _ways(target)]
        return [
            NewDelivery(f"{id}-{number}", id, target.kind.value, target.name, None, arguments)
            for number, (target, arguments) in enumerate(ways, start=1)
        ]


def _ways(target: Target) -> list[dict[str, object]]:
    """The arguments of each delivery to a target: each address of mail is one of its own."""
    if target.kind is TargetKind.MAIL:
        return [{"address": address} for address in target.mail]
    return [{}]


def _clean(value: Any) -> Any:
    """JSON without unprintable characters, of which PostgreSQL does not store all."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(str(key)): _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value


def _content(entry: Entry) -> bytes | None:
    path = entry.pages()
    return None if path is None else Path(path).read_bytes()

"""The hosts that share a database: which there are, and who takes over what a dead one has begun.

A host holds a lease for as long as its process lives (``t38fsp.service.leases``). Another host that can take
that lease adopts its attempts. A lease can also be free although its host lives: while the database restarts,
or when the connection broke. So a host takes its lease again at once, and is left the time for it; and it
ends its calls if it finds that it was adopted, or when it has not reached the database for so long that it
may have been.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

from sqlalchemy import Connection, delete, insert, select, text, update

from sip.frozen import dataclass
from sip.logs import get_logger
from t38fsp.errors import FaxError
from t38fsp.service.database import Database, DatabaseError
from t38fsp.service.leases import SILENT_SECONDS, Lease, free_leases, lease_of
from t38fsp.service.tables import host as table
from t38fsp.service.values import Json

_logger = get_logger(__name__)
# Also the name of a file beside the database (leases.py), so it has no slash and no dot in front.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BEAT = 1.0
"""Seconds between two signs of life."""
_STARTS = 5
_GRACE = 3.0
"""Seconds for which a lease must be free before its host is adopted: it may be taking it again."""
_AFTER_START = SILENT_SECONDS + 5.0
"""The same after a start of the database: no host has its lease then, and one that cannot reach it any more
does not know for so long that it should end its calls."""

RUNNING, DRAINING, STOPPED, GONE = "running", "draining", "stopped", "gone"


class HostError(FaxError):
    """This host cannot take part; what to do is in the message."""


@dataclass(frozen=True, slots=True)
class HostInfo:
    """A host, as the others see it."""

    id: str
    state: str
    """running, draining, stopped, or gone (it died, and its calls were adopted)."""
    started: float
    seen: float
    version: str
    facts: Json


class Hosts:
    """The part of this host. ``adopt(host)`` takes over what a dead host has begun; ``end_calls`` ends the
    calls here, which may have been adopted."""

    def __init__(
        self,
        database: Database,
        name: str,
        adopt: Callable[[str], Awaitable[object]],
        end_calls: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        if not _NAME.fullmatch(name):
            raise HostError(
                f"{name[:80]!r} is not usable as the name of a host; use letters, digits, hyphens and dots"
            )
        self.name = name
        self.state = RUNNING
        self.facts: Json = {}
        """Told to the other hosts with each sign of life."""
        self._database = database
        self._lease: Lease = lease_of(database, name)
        self._adopt = adopt
        self._end_calls = end_calls
        self._clock = clock
        self._reached = 0.0
        self._free_since: dict[str, float] = {}
        self._held = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises HostError if another process has this name, DatabaseError."""
        # Before anything is written: the row of this name may be that of another process.
        if not await self._take():
            raise HostError(
                f"another process with the name {self.name!r} uses the database {self._database.shown}; "
                "end it, or give this one a name of its own (host in [service])"
            )
        try:
            await self._database.run(self._enter)
        except BaseException:
            await asyncio.to_thread(self._lease.release)
            raise
        # Not the clock of the day: a correction of that must not end calls.
        self._reached = time.monotonic()
        self._held.set()
        self._task = asyncio.create_task(self._beat(), name="host")

    async def _take(self) -> bool:
        for _ in range(_STARTS):
            if await asyncio.to_thread(self._lease.take):
                return True
            # Another host may be adopting what this one has begun in an earlier life.
            await asyncio.sleep(_BEAT / 2)
        return False

    async def stop(self) -> None:
        """Give the lease back, with which the others may adopt what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.state = STOPPED
        try:
            await self._database.run(self._tell)
        except DatabaseError as error:
            _logger.warning("%s", error)
        await asyncio.to_thread(self._lease.release)

    async def may_dial(self) -> None:
        """Wait until this host has its lease."""
        await self._held.wait()

    @property
    def is_connected(self) -> bool:
        """Whether the host has its lease, and so may dial."""
        return self._held.is_set()

    async def _beat(self) -> None:
        beating: asyncio.Task[None] | None = None
        try:
            while True:
                # A connection to a server that has vanished may hang; the time is looked at all the same.
                if beating is None or beating.done():
                    beating = asyncio.create_task(self._once_or_warn(), name="host beat")
                await asyncio.sleep(_BEAT)
                self._end_if_silent()
        finally:
            if beating is not None:
                beating.cancel()
                await asyncio.wait([beating])

    async def _once_or_warn(self) -> None:
        try:
            await self._once()
        except DatabaseError as error:
            _logger.warning("%s", error)
        except Exception:
            _logger.exception("a sign of life of this host failed")

    def _end_if_silent(self) -> None:
        """End the calls once another host may have adopted them: one fax would be sent twice."""
        # A lock on a file is not lost when the disk is full.
        if self._database.is_sqlite or not self._held.is_set():
            return
        if time.monotonic() - self._reached > SILENT_SECONDS:
            _logger.error(
                "the database was not reached for %d s: the calls of this host are ended", SILENT_SECONDS
            )
            self._held.clear()
            self._end_calls()

    async def _once(self) -> None:
        if not await asyncio.to_thread(self._lease.is_held):
            await self._take_again()
        adopted = await self._database.run(self._tell)
        self._reached = time.monotonic()
        if adopted:
            _logger.error("another host has adopted the calls of this one, which are ended")
            self._end_calls()
        self._held.set()
        dead = await self._database.read(self._without_lease)
        # One that has its lease again is left out here, so that its time begins anew.
        self._free_since = {each.id: self._free_since.get(each.id, self._reached) for each in dead}
        for other in dead:
            await self._look_after(other)

    async def _take_again(self) -> None:
        """Raises DatabaseError, also while another host is adopting this one."""
        if not await asyncio.to_thread(self._lease.take):
            self._held.clear()
            self._end_calls()
            raise DatabaseError("another process has the lease of this host; trying again")
        _logger.warning("this host has its lease again")

    async def _look_after(self, other: HostInfo) -> None:
        """Adopt ``other``, whose lease is free, unless it may be about to take it again."""
        # One that has stopped has given its lease back itself.
        grace = 0.0 if other.state == STOPPED else await self._database.read(lambda it: _grace(it, other))
        if self._reached - self._free_since[other.id] < grace:
            return
        lease = lease_of(self._database, other.id)
        # Another host is adopting it, or it has come back.
        if not await asyncio.to_thread(lease.take):
            return
        try:
            if other.state != STOPPED:
                _logger.warning("host %s is gone: its calls are adopted", other.id)
            # In this order: if this process dies in between, the host is not GONE yet, and is adopted again.
            # Its lease is ours all the while, so that it cannot come back in the middle.
            await self._adopt(other.id)
            await self._database.run(lambda connection: _set_state(connection, other.id, GONE))
        finally:
            await asyncio.to_thread(lease.release)

    def _enter(self, connection: Connection) -> None:
        now = _now(connection, self._clock)
        values = {
            "started": now,
            "seen": now,
            "state": RUNNING,
            "version": version("t38fsp"),
            "facts": self.facts,
        }
        # In two steps: SQLAlchemy has no upsert that serves both databases. The lease keeps others out.
        changed = connection.execute(update(table).where(table.c.id == self.name).values(**values))
        if not changed.rowcount:
            connection.execute(insert(table).values(id=self.name, **values))

    def _tell(self, connection: Connection) -> bool:
        """Write the sign of life; true if another host has adopted this one meanwhile."""
        # Read before it is overwritten: who adopted this host left GONE there. From now on it takes part
        # again.
        before = connection.execute(select(table.c.state).where(table.c.id == self.name)).scalar()
        connection.execute(
            update(table)
            .where(table.c.id == self.name)
            .values(seen=_now(connection, self._clock), state=self.state, facts=self.facts)
        )
        return before == GONE

    def _without_lease(self, connection: Connection) -> list[HostInfo]:
        others = [each for each in list_hosts(connection) if each.id != self.name and each.state != GONE]
        free = free_leases(self._database, connection, [each.id for each in others])
        return [each for each in others if each.id in free]


def _grace(connection: Connection, other: HostInfo) -> float:
    """Seconds for which the lease of ``other`` must be free before it is adopted."""
    if connection.dialect.name == "sqlite":
        # The kernel frees the lock with the process, and at no other time.
        return 0.0
    began = connection.execute(text("SELECT extract(epoch FROM pg_postmaster_start_time())")).scalar()
    # A host that was there after the last start of the database had its lease again.
    return _GRACE if other.seen > float(began or 0.0) + 2 * _BEAT else _AFTER_START


def _now(connection: Connection, clock: Callable[[], float]) -> float:
    """The time of the database, where hosts have clocks of their own."""
    if connection.dialect.name == "sqlite":
        return clock()
    return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())


def list_hosts(connection: Connection) -> list[HostInfo]:
    """All hosts that have ever used the database and were not forgotten, by name."""
    columns = (table.c.id, table.c.state, table.c.started, table.c.seen, table.c.version, table.c.facts)
    return [HostInfo(*row) for row in connection.execute(select(*columns).order_by(table.c.id))]


def forget_hosts(connection: Connection, before: float) -> None:
    """Remove those that were stopped or died before this time."""
    over = table.c.state.in_((STOPPED, GONE))
    connection.execute(delete(table).where(over, table.c.seen < before))


def _set_state(connection: Connection, name: str, state: str) -> None:
    connection.execute(update(table).where(table.c.id == name).values(state=state))

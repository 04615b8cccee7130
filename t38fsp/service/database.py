"""The database of the service: SQLite on one machine, PostgreSQL for several.

SQLAlchemy Core, in threads: a query never blocks the loop. A function that gets a connection runs as one
transaction::

    job = await database.run(lambda connection: jobs.read(connection, id))
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, SQLAlchemyError

from t38fsp.errors import FaxError
from t38fsp.service import sqlite
from t38fsp.service.tables import SCHEMA_VERSION, meta, metadata

T = TypeVar("T")

# Also the connections of our pool: a thread uses one at a time.
_THREADS = 4
# Without them a connection to a server that has vanished waits for as long as TCP retransmits, on Linux some
# 15 minutes, while a host has to know within SILENT_SECONDS (leases.py).
_LIMITS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    # Milliseconds for which what was sent may stay without an answer.
    "tcp_user_timeout": "15000",
}
"""Of a connection, in the terms of libpq; seconds but for the last one."""


class DatabaseError(FaxError):
    """The database cannot be reached, or is not one of this service; what to do is in the message."""


class UnstorableError(DatabaseError):
    """A value that the database does not take, such as a text with NUL on PostgreSQL."""


class Database:
    """``url`` is ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``."""

    def __init__(self, url: str) -> None:
        self.url = _url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        # With a ping a connection that broke while it was idle, as after a restart of the server, is
        # replaced before it is used.
        if self.is_sqlite:
            self._turns = threading.RLock()
            self.engine = sqlite.make_engine(self.url, self._turns, _THREADS)
        else:
            self.engine = sqlalchemy.create_engine(self.reached_by, pool_pre_ping=True, pool_size=_THREADS)
        self._threads = ThreadPoolExecutor(_THREADS, "database")
        self._writer: sqlite.WriterThread | None = None

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, in a thread. Raises DatabaseError."""
        if not self.is_sqlite:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.transact, work)
        if self._writer is None:
            self._writer = sqlite.WriterThread(self.transact)
        try:
            done: T = await asyncio.wrap_future(self._writer.submit(work))
        # ``transact`` has told what failed as a whole; this is the failure of one part of a batch.
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        return done

    async def read(self, work: Callable[[Connection], T]) -> T:
        """The same for ``work`` that only reads: on SQLite it does not wait for one that writes."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """``run`` in this thread."""
        return self._transact(work, {})

    def _read(self, work: Callable[[Connection], T]) -> T:
        return self._transact(work, {sqlite.READS: True})

    def _transact(self, work: Callable[[Connection], T], options: dict[str, Any]) -> T:
        # ``work`` may run three times, so it must not change anything but the database.
        for last in (False, False, True):
            try:
                with self.engine.connect().execution_options(**options) as connection, connection.begin():
                    return work(connection)
            except SQLAlchemyError as error:
                # Of two transactions that wait for each other the server ends one, which may begin again.
                # By the name of psycopg's class: with SQLite psycopg is not imported.
                if last or getattr(error, "orig", None).__class__.__name__ != "DeadlockDetected":
                    raise self._failed(error) from error
        raise AssertionError

    def _failed(self, error: SQLAlchemyError) -> DatabaseError:
        if isinstance(error, DataError):
            return UnstorableError(f"the database does not take a value: {_plain(error)}; leave it out")
        return DatabaseError(
            f"the database {self.shown} failed: {_plain(error)}; see whether it runs and has room"
        )

    def other_engine(self, connections: int) -> Engine | None:
        """With SQLite: an engine for the durable engine, whose writers take turns with ours."""
        if not self.is_sqlite:
            return None
        return sqlite.make_other_engine(self.url, self._turns, connections)

    @property
    def reached_by(self) -> URL:
        """The URL to connect to: with PostgreSQL, with limits of time for a server that has vanished."""
        return self.url if self.is_sqlite else self.url.update_query_dict(_LIMITS)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    def create(self) -> None:
        """Make the tables that are missing. Raises DatabaseError for a database of a later release."""
        if self.is_sqlite and self.url.database:
            path = Path(self.url.database)
            path.parent.mkdir(parents=True, exist_ok=True)
            # It has documents and results, which are for us alone; SQLite's other files get the same mode.
            path.touch(0o600)
        self.transact(_create)

    async def close(self) -> None:
        if self._writer is not None:
            # First: what it still has to write needs the engine.
            await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._threads.shutdown)
        self.engine.dispose()


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Hosts that start together would make the tables together.
        # These locks are numbers, the same for all programs at a database: 738412 is this one, 738413 that of
        # the events, 738414 that of the chain.
        connection.execute(text("SELECT pg_advisory_xact_lock(738412)"))
    # Makes tables that are missing, but adds no column to one that is there.
    metadata.create_all(connection)
    found = connection.execute(select(meta.c.value).where(meta.c.key == "schema_version")).scalar()
    if found is None:
        connection.execute(meta.insert().values(key="schema_version", value=str(SCHEMA_VERSION)))
    elif int(found) > SCHEMA_VERSION:
        raise DatabaseError(
            f"the database was made by a later release (schema {found}, here {SCHEMA_VERSION}); "
            "upgrade t38fsp on this host"
        )


def _url(url: str) -> URL:
    try:
        made = make_url(url)
    except ArgumentError as error:
        raise DatabaseError(
            f"{url[:60]!r} is not the URL of a database; write sqlite:///PATH or postgresql://USER@HOST/NAME"
        ) from error
    backend = made.get_backend_name()
    if backend == "postgresql":
        # SQLAlchemy's default for this scheme is psycopg2, which we do not install.
        return made.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise DatabaseError(f"the service does not use {backend}; choose sqlite or postgresql")
    return made


def _plain(error: SQLAlchemyError) -> str:
    # SQLAlchemy's own text has the statement and its values, which may be secret.
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0][:200] if str(cause).strip() else type(cause).__name__

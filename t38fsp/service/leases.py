"""The lease of a host: what only one process can hold, and what is free as soon as that process has died.

With SQLite, where all processes are on one machine, a lock on a file beside the database; with PostgreSQL a
session advisory lock, held by a connection that does nothing else.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Protocol

import sqlalchemy
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from t38fsp.service.database import Database, DatabaseError

SILENT_SECONDS = 30.0
"""A host that has not reached the database for so long ends its calls. A server that hears nothing of a
connection keeps its locks for longer than that."""
_KEEPALIVE = {"tcp_keepalives_idle": 20, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 5}
"""How PostgreSQL tries a connection that is silent, in seconds: it gives it up after 45."""


class Lease(Protocol):
    """The lease of one host. All methods are for threads."""

    def take(self) -> bool:
        """Take it; false if another process has it. Raises DatabaseError."""

    def is_held(self) -> bool:
        """False if it was lost. Raises DatabaseError where that cannot be known."""

    def release(self) -> None:
        """Give it back; it need not be held."""


def lease_of(database: Database, host: str) -> Lease:
    if database.is_sqlite:
        return _FileLease(Path(f"{database.url.database}.hosts"), host)
    return _AdvisoryLease(database, host)


def free_leases(database: Database, connection: Connection, hosts: list[str]) -> list[str]:
    """Those of the hosts whose lease no process has."""
    if not database.is_sqlite:
        # Not by taking them: a host that takes its own again at this moment would be refused.
        # pg_locks shows the number of a lock in two halves, the upper one in classid; objsubid is 1 for locks
        # of one number, and 2 for those of two.
        query = text(
            "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' "
            "AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        held = set(connection.execute(query).scalars())
        return [host for host in hosts if _number(host) not in held]
    free = []
    for host in hosts:
        lease = lease_of(database, host)
        if lease.take():
            free.append(host)
        lease.release()
    return free


def _number(host: str) -> int:
    # An advisory lock is a number of 64 bits with a sign.
    digest = hashlib.sha256(f"t38fsp host {host}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class _FileLease:
    def __init__(self, folder: Path, host: str) -> None:
        self._path = folder / f"{host}.lease"
        self._descriptor: int | None = None

    def take(self) -> bool:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # O_CLOEXEC: a child with the descriptor would keep the lock when this process is dead.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseError(
                f"{self._path} cannot be opened: {error.strerror}; make its folder writable"
            ) from error
        try:
            # The kernel releases it with the process, however that ends.
            # Not lockf: the process would lose that lock by closing any other descriptor of the file.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def is_held(self) -> bool:
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is not None:
            # The file stays. If it were removed, one process could have the lock of the old file and another
            # one that of a new file with its name.
            os.close(self._descriptor)
            self._descriptor = None


class _AdvisoryLease:
    def __init__(self, database: Database, host: str) -> None:
        self._number = _number(host)
        self._shown = database.shown
        options = " ".join(f"-c {name}={value}" for name, value in _KEEPALIVE.items())
        # The session is the lock, so its connection is neither pooled nor shared; and no transaction
        # stays open in it for as long as the host lives.
        self._engine: Engine = sqlalchemy.create_engine(
            database.reached_by,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"options": options},
        )
        self._connection: Connection | None = None

    def take(self) -> bool:
        try:
            connection = self._engine.connect()
            try:
                query = text("SELECT pg_try_advisory_lock(:number)")
                taken = bool(connection.execute(query, {"number": self._number}).scalar())
            except BaseException:
                connection.close()
                raise
        except SQLAlchemyError as error:
            raise DatabaseError(
                f"the database {self._shown} cannot be reached; see whether it runs"
            ) from error
        if taken:
            self._connection = connection
        else:
            connection.close()
        return taken

    def is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            # The server has ended the session or is gone; in both cases the lock is no longer ours.
            self.release()
            return False
        return True

    def release(self) -> None:
        if self._connection is not None:
            try:
                # The end of the session frees the lock. To unlock it would need a server that answers.
                self._connection.invalidate()
                self._connection.close()
            except SQLAlchemyError:
                pass
            self._connection = None

"""SQLite as the database of the service: one writer at a time, without waiting in a file's lock.

SQLite has one writer at a time, and one that waits for another looks again after up to 100 ms, without any
order. So within a process the writers take turns at a lock of the process, those of the durable engine
included; and what is to be written at one time goes as one transaction, with a savepoint for each part.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

READS = "t38fsp_reads"
"""Option of a connection that only reads, and so waits for no writer."""
_TURN = "t38fsp_turn"
_BUSY_SECONDS = 30.0
"""A process waits so long for another one that writes."""
_MOST = 64
"""Parts of one transaction."""

Work = Callable[[Connection], Any]


class WriterTurns(Protocol):
    """A lock that a thread may take again while it has it (``threading.RLock``)."""

    def acquire(self) -> bool: ...

    def release(self) -> None: ...


def make_engine(url: URL, turns: WriterTurns, connections: int) -> Engine:
    """The engine of our own tables."""
    return _engine(url, turns, connections, _prepare, _begin)


def make_other_engine(url: URL, turns: WriterTurns, connections: int) -> Engine:
    """The engine of the durable engine, in the same file. What it loses when the power fails it finds out
    again from our tables, so that it need not wait for the disk."""
    return _engine(url, turns, connections, _prepare_other, _take_turn)


def _engine(
    url: URL,
    turns: WriterTurns,
    connections: int,
    prepare: Callable[[Any, object], None],
    begin: Callable[[Connection, WriterTurns], None],
) -> Engine:
    # A connection of the pool goes from thread to thread, which sqlite3 refuses unless told otherwise. The
    # time is for writers of other processes: those of this one wait for their turn.
    engine = sqlalchemy.create_engine(
        url, pool_size=connections, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
    )
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda connection: begin(connection, turns))
    # Not the event of the commit, which SQLAlchemy tells before it commits.
    event.listen(engine, "checkin", lambda _, record: _give_turn_back(record, turns))
    return engine


class WriterThread:
    """Runs works in a thread of its own, those that wait at one time in one transaction.

    ``transact`` runs a work in a transaction; what it raises, its caller gets.
    """

    def __init__(self, transact: Callable[[Work], Any]) -> None:
        self._transact = transact
        self._queue: SimpleQueue[tuple[Work, Future[Any]] | None] = SimpleQueue()
        # A daemon, so that a process that ends without ``close`` does not wait for it for ever.
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> Future[Any]:
        done: Future[Any] = Future()
        self._queue.put((work, done))
        return done

    def close(self) -> None:
        """Return when all is written that was submitted."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            # With ``synchronous=FULL`` each commit waits for the disk: what waits here already waits for it
            # once.
            while len(batch) < _MOST:
                try:
                    following = self._queue.get_nowait()
                except Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._write(batch)
            if last:
                return

    def _write(self, batch: list[tuple[Work, Future[Any]]]) -> None:
        results: list[tuple[Any, Exception | None]] = []

        def together(connection: Connection) -> None:
            for work, _ in batch:
                results.append(_part(connection, work))

        # A work whose caller was cancelled meanwhile is left out. From here on none can be cancelled, so that
        # ``set_result`` below is never refused.
        batch = [(work, done) for work, done in batch if done.set_running_or_notify_cancel()]
        try:
            if len(batch) == 1:
                # The transaction itself is what undoes it, so that it needs no savepoint.
                results.append((self._transact(batch[0][0]), None))
            elif batch:
                self._transact(together)
        except Exception as error:
            # Not even its first part is stored then.
            results = [(None, error)] * len(batch)
        for (_, done), (result, failure) in zip(batch, results, strict=True):
            if failure is None:
                done.set_result(result)
            else:
                done.set_exception(failure)


def _part(connection: Connection, work: Work) -> tuple[Any, Exception | None]:
    savepoint = connection.begin_nested()
    try:
        result = work(connection)
    except SQLAlchemyError as error:
        if not _is_open(connection):
            # SQLite has rolled the whole transaction back, as it does when the disk is full.
            raise
        savepoint.rollback()
        return None, error
    except Exception as error:
        savepoint.rollback()
        return None, error
    savepoint.commit()
    return result, None


def _is_open(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)


def _prepare(connection: Any, _record: object) -> None:
    # sqlite3 begins transactions late by itself, so that two readers that write later are refused; see
    # _begin.
    connection.isolation_level = None
    # FULL: with a write-ahead log less may lose the last transactions when the power fails, and with them
    # pages that were confirmed. Foreign keys are enforced only in connections that ask for it.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_other(connection: Any, _record: object) -> None:
    # As the durable engine makes its own connections, but for ``synchronous``.
    connection.isolation_level = "IMMEDIATE"
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection, turns: WriterTurns) -> None:
    if connection.get_execution_options().get(READS):
        connection.exec_driver_sql("BEGIN")
        return
    _take_turn(connection, turns)
    # IMMEDIATE: a transaction that begins as a reader and writes later fails at once if another one wrote.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _take_turn(connection: Connection, turns: WriterTurns) -> None:
    # Kept with the connection, which may begin several transactions before it goes back to its pool, and
    # gives its turn back only there.
    info = connection.connection.info
    if not info.get(_TURN):
        turns.acquire()
        info[_TURN] = True


def _give_turn_back(record: Any, turns: WriterTurns) -> None:
    """When a connection goes back to its pool, which is after the commit."""
    if record.info.pop(_TURN, False):
        turns.release()

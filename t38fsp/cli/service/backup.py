"""``t38fsp backup`` and ``restore``, for SQLite: copies of the whole database.

What the engine of the queue keeps is in the same file, so that a copy has both at one moment.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.output import print_line
from t38fsp.cli.service.serve import refusals
from t38fsp.service.actions import cancel_all
from t38fsp.service.database import Database, DatabaseError
from t38fsp.service.hosts import list_hosts
from t38fsp.service.leases import lease_of
from t38fsp.service.settings_file import read_service
from t38fsp.service.tables import SCHEMA_VERSION
from t38fsp.settings.file import Configuration

_BUSY_SECONDS = 30.0


def backup(config: Path | None, file: Path) -> Exit:
    source = _database(config)
    if not source.is_file():
        raise CommandError(
            f"there is no database {source}; start t38fsp serve once, or see --config", Exit.ERROR
        )
    if file.exists():
        raise CommandError(f"{file} exists; name another file", Exit.USAGE)
    part = file.with_name(f"{file.name}.part")
    with _errors(file), _new(part):
        # In one step: readers do not hold up the writers of this kind of database (WAL), while a copy in
        # several steps begins again whenever the service writes.
        with closing(_open(source)) as original, closing(sqlite3.connect(part)) as copy:
            original.backup(copy)
        if faults := _faults(part):
            raise CommandError(
                f"{source} is damaged ({faults}); keep it, and restore an earlier copy", Exit.ERROR
            )
        _flush(part)
        os.rename(part, file)
    print_line(f"{file}: {file.stat().st_size} octets", sys.stdout)
    return Exit.COMPLETED


def restore(config: Path | None, file: Path, replace: bool, cancel_queue: bool) -> Exit:
    target = _database(config)
    if not file.is_file():
        raise CommandError(f"{file} is not a file; name one that t38fsp backup made", Exit.USAGE)
    _check_copy(file)
    if target.exists():
        if not replace:
            raise CommandError(
                f"there is a database {target} already; give --replace, and it is kept beside the new one",
                Exit.USAGE,
            )
        _check_unused(target)
    part = target.with_name(f"{target.name}.part")
    with _errors(target), _new(part):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(_open(file)) as original, closing(sqlite3.connect(part)) as copy:
            original.backup(copy)
        if cancel_queue:
            _cancel_queue(part)
        # Before it gets its name: a crash then leaves the old file, or a whole new one.
        _flush(part)
        if target.exists():
            kept = target.with_name(f"{target.name}.{datetime.now().astimezone():%Y%m%d-%H%M%S}")
            os.rename(target, kept)
            print_line(f"the database that was there is {kept}", sys.stdout)
        # Nothing of theirs is lost: _check_unused has just closed that database as the last one, at which
        # SQLite writes its log into the file.
        for suffix in ("-wal", "-shm"):
            # Of the database that was there: to the new one they would be damage.
            Path(f"{target}{suffix}").unlink(missing_ok=True)
        os.rename(part, target)
    print_line(f"{target} is restored; start t38fsp serve", sys.stdout)
    return Exit.COMPLETED


def _database(config: Path | None) -> Path:
    """Raises CommandError."""
    with refusals():
        database = Database(read_service(Configuration.find(config)).place.url)
    if not database.is_sqlite or not database.url.database:
        raise CommandError(
            "this is for SQLite; copy a PostgreSQL database with pg_dump, and restore it with pg_restore",
            Exit.USAGE,
        )
    return Path(database.url.database)


def _open(file: Path) -> sqlite3.Connection:
    # Read-write where it can be: a reader alone cannot use the log of a service that was killed.
    return sqlite3.connect(file, timeout=_BUSY_SECONDS)


def _check_copy(file: Path) -> None:
    """Raises CommandError for what is not a copy of a database of the service, or one of a later release."""
    query = "SELECT value FROM t38fsp_meta WHERE key = 'schema_version'"
    try:
        # mode=ro: a file that is something else stays as it is.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            version = connection.execute(query).fetchone()
    except sqlite3.Error as error:
        raise CommandError(f"{file} is not a copy that t38fsp backup made ({error})", Exit.ERROR) from error
    if version is None or not str(version[0]).isdigit() or int(version[0]) > SCHEMA_VERSION:
        raise CommandError(f"{file} was made by a later release; upgrade t38fsp first", Exit.ERROR)
    if faults := _faults(file):
        raise CommandError(f"{file} is damaged ({faults}); take another copy", Exit.ERROR)


def _faults(file: Path) -> str:
    """What SQLite finds wrong; empty for nothing."""
    with closing(sqlite3.connect(file)) as connection:
        # The quick one does not compare indexes with their tables, which takes longest; one fault is
        # enough.
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return "" if found == "ok" else str(found)


def _cancel_queue(part: Path) -> None:
    """Cancel all faxes that are not over: some were sent after the copy was made. Raises CommandError."""
    reason, now = "it was in the queue of a restored copy", time.time()
    database = Database(f"sqlite:///{part}")
    try:
        count = database.transact(lambda connection: cancel_all(connection, reason, now))
    except DatabaseError as error:
        raise CommandError(str(error), Exit.ERROR) from error
    finally:
        database.engine.dispose()
    print_line(f"cancelled in its queue: {count}", sys.stdout)


def _check_unused(target: Path) -> None:
    """Raises CommandError while a service runs on the database."""
    database = Database(f"sqlite:///{target}")
    try:
        for host in database.transact(list_hosts):
            lease = lease_of(database, host.id)
            if not lease.take():
                raise CommandError(
                    f"a service runs on {target} as the host {host.id}; stop it first", Exit.ERROR
                )
            lease.release()
    finally:
        database.engine.dispose()


@contextmanager
def _new(part: Path) -> Iterator[None]:
    """A file of its own, for the owner alone, which is removed if it is still there at the end."""
    part.unlink(missing_ok=True)
    # O_EXCL: not through a link that another user may have put there.
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield
    finally:
        part.unlink(missing_ok=True)


def _flush(file: Path) -> None:
    with file.open("rb") as written:
        # fsync(2) needs no descriptor that can be written to.
        os.fsync(written.fileno())


@contextmanager
def _errors(file: Path) -> Iterator[None]:
    """Raises CommandError."""
    try:
        yield
    except OSError as error:
        raise CommandError(
            f"{error.filename or file}: {error.strerror or error}; see its folder", Exit.ERROR
        ) from error
    except sqlite3.Error as error:
        raise CommandError(
            f"the copy cannot be made: {error}; see whether the disk has room", Exit.ERROR
        ) from error

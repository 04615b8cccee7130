"""Jobs, faxes and attempts in the database: what is read of them, and how a job is inserted.

Functions of a connection, to be run by ``Database.run``. What changes the state of a fax is in ``chain`` and
``attempts``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, text, tuple_, update

from sip.frozen import dataclass
from t38fsp.received.facts import to_json
from t38fsp.service import documents
from t38fsp.service.errors import IdempotencyError, NotFoundError
from t38fsp.service.ids import new_id
from t38fsp.service.submission import Submission
from t38fsp.service.tables import attempt, fax, job, job_document, page
from t38fsp.service.values import Attempt, AttemptState, Fax, FaxState, Job, Json, Receiver

_MOST_LISTED = 1000
_LONGEST_NUMBER = 120


@dataclass(frozen=True, slots=True)
class FaxFilter:
    """Which faxes a list has; empty or None: all."""

    key: str | None = None
    """Id of the key that submitted them."""
    job: str = ""
    state: FaxState | None = None
    number: str = ""
    route: str = ""
    reference: str = ""
    since: float | None = None
    """Submitted at this time or later."""
    until: float | None = None


Cursor = tuple[float, str]
"""``created`` and ``id`` of the last fax of a page of a list."""


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """What follows from a receiver by the settings."""

    number: str
    """The number in the form that decides which faxes go to one far end."""
    routes: tuple[str, ...]
    """In the order in which they are tried."""
    not_before: float | None


def insert_job(
    connection: Connection, given: Submission, targets: Sequence[QueuePlace], key: str, now: float
) -> tuple[str, bool]:
    """Insert a job with a fax for each receiver, whose target is the one at the same place in ``targets``.

    Returns its id and true; or, with false, that of the job that came with the same idempotency key before.
    Raises IdempotencyError if that one was another job.
    """
    if given.idempotency_key:
        if connection.dialect.name == "postgresql":
            # The same request may come twice at the same time, also to two hosts: the second one waits.
            # SQLite needs none, as it has one writer. Keys with the same hash only wait for each other.
            lock = text("SELECT pg_advisory_xact_lock(738414, hashtext(:both))")
            connection.execute(lock, {"both": f"{key} {given.idempotency_key}"})
        same = select(job.c.id, job.c.request_hash).where(
            job.c.key == key, job.c.idempotency_key == given.idempotency_key
        )
        if (found := connection.execute(same).first()) is not None:
            if found.request_hash != given.request_hash:
                raise IdempotencyError(given.idempotency_key)
            return str(found.id), False
    id = new_id("j")
    connection.execute(
        insert(job).values(
            id=id,
            created=now,
            key=key,
            idempotency_key=given.idempotency_key or None,
            request_hash=given.request_hash if given.idempotency_key else None,
            route=",".join(given.routes),
            priority=given.priority,
            not_before=given.not_before,
            deadline=given.deadline,
            window=given.window,
            reference=given.reference,
            options=given.options,
        )
    )
    for at, (name, content) in enumerate(given.documents, 1):
        stored = documents.store(connection, content, now)
        connection.execute(insert(job_document).values(job=id, position=at, document=stored, name=name))
    connection.execute(
        insert(fax),
        [
            {
                "id": f"{id}-{at}",
                "job": id,
                "position": at,
                "number": number_key(target.number),
                "routes": ",".join(target.routes),
                "receiver": to_json(receiver),
                "state": FaxState.QUEUED.value,
                "created": now,
                "priority": given.priority,
                "next_attempt": target.not_before,
            }
            for at, (receiver, target) in enumerate(zip(given.receivers, targets, strict=True), 1)
        ],
    )
    return id, True


def number_key(number: str) -> str:
    """``number`` in the length that the column has."""
    if len(number) <= _LONGEST_NUMBER:
        return number
    # A SIP URI may be longer than the column; the hash keeps two of them apart.
    digest = hashlib.sha256(number.encode()).hexdigest()
    return number[: _LONGEST_NUMBER - len(digest)] + digest


def read(connection: Connection, id: str) -> Job:
    """Raises NotFoundError."""
    row = connection.execute(select(job).where(job.c.id == id)).mappings().first()
    if row is None:
        raise NotFoundError("job", id)
    return Job(
        id=row["id"],
        created=row["created"],
        key=row["key"],
        documents=documents.of_job(connection, id),
        route=row["route"],
        priority=row["priority"],
        not_before=row["not_before"],
        deadline=row["deadline"],
        window=row["window"],
        reference=row["reference"],
        options=row["options"],
    )


def shown_options(given: Job) -> Json:
    """``Job.options`` without what is secret."""
    return {name: value for name, value in (given.options or {}).items() if name != "password"}


def read_fax(connection: Connection, id: str) -> Fax:
    """Raises NotFoundError."""
    row = connection.execute(select(fax).where(fax.c.id == id)).mappings().first()
    if row is None:
        raise NotFoundError("fax", id)
    return fax_of(row)


def faxes_of(connection: Connection, id: str) -> list[Fax]:
    """The faxes of a job, in the order of its receivers."""
    rows = connection.execute(select(fax).where(fax.c.job == id).order_by(fax.c.position)).mappings()
    return [fax_of(row) for row in rows]


def named(connection: Connection, id: str) -> list[Fax]:
    """The fax with this id, or all of the job with this id. Raises NotFoundError."""
    # Ids are letters and digits (ids.py): a hyphen stands only between a job and the place of a fax.
    if "-" in id:
        return [read_fax(connection, id)]
    if not (found := faxes_of(connection, id)):
        raise NotFoundError("job", id)
    return found


def attempts_of(connection: Connection, fax_id: str) -> list[Attempt]:
    rows = connection.execute(select(attempt).where(attempt.c.fax == fax_id).order_by(attempt.c.number))
    return [attempt_of(row) for row in rows.mappings()]


def read_attempt(connection: Connection, id: str) -> Attempt:
    """Raises NotFoundError."""
    row = connection.execute(select(attempt).where(attempt.c.id == id)).mappings().first()
    if row is None:
        raise NotFoundError("attempt", id)
    return attempt_of(row)


def confirmed_pages(connection: Connection, fax_id: str) -> frozenset[int]:
    """Numbers of the pages that the far end confirmed, in whatever attempt."""
    return frozenset(connection.execute(select(page.c.page).where(page.c.fax == fax_id)).scalars())


def count_as_received(connection: Connection, held: Fax, now: float) -> None:
    """Store the page that may have arrived as confirmed, because a person says so."""
    values = {"fax": held.id, "page": held.possibly_duplicated, "attempt": "", "confirmed": now}
    connection.execute(insert(page).values(**values))
    connection.execute(
        update(fax).where(fax.c.id == held.id).values(confirmed=held.confirmed + 1, possibly_duplicated=None)
    )


def list_faxes(
    connection: Connection, which: FaxFilter, limit: int = 50, before: Cursor | None = None
) -> list[Fax]:
    """Faxes, the newest first, from after the one at ``before``; at most ``limit`` of them."""
    query = select(fax).order_by(fax.c.created.desc(), fax.c.id.desc()).limit(min(limit, _MOST_LISTED))
    # Only where it is needed: without it a list reads a single index.
    if which.key is not None or which.reference:
        query = query.join(job, fax.c.job == job.c.id)
    wanted = (
        (job.c.key, which.key),
        (job.c.reference, which.reference or None),
        (fax.c.job, which.job or None),
        (fax.c.state, which.state and which.state.value),
        (fax.c.number, which.number or None),
        (fax.c.route, which.route or None),
    )
    query = query.where(*(column == value for column, value in wanted if value is not None))
    if which.since is not None:
        query = query.where(fax.c.created >= which.since)
    if which.until is not None:
        query = query.where(fax.c.created < which.until)
    if before is not None:
        # From the last one that was seen, not by an offset, which would shift with each new fax.
        query = query.where(tuple_(fax.c.created, fax.c.id) < before)
    return [fax_of(row) for row in connection.execute(query).mappings()]


def count_by_state(connection: Connection) -> dict[FaxState, int]:
    rows = connection.execute(select(fax.c.state, func.count()).group_by(fax.c.state))
    return {FaxState(state): count for state, count in rows}


def delete_job(connection: Connection, id: str) -> None:
    """Remove a job, its faxes and their attempts, and the documents that nothing else has."""
    used = [each.id for each in documents.of_job(connection, id)]
    # Its faxes, attempts and pages go with it (ON DELETE CASCADE).
    connection.execute(delete(job).where(job.c.id == id))
    documents.drop_unreferenced(connection, *used)


def delete_fax(connection: Connection, id: str) -> None:
    """Remove one fax of a job, with its attempts; the job has others."""
    connection.execute(delete(fax).where(fax.c.id == id))


def fax_of(row: RowMapping) -> Fax:
    values: dict[str, Any] = {name: row[name] for name in _FAX}
    receiver = values["receiver"]
    values["receiver"] = Receiver(**receiver | {"fields": tuple(map(tuple, receiver["fields"]))})
    return Fax(**values | {"state": FaxState(values["state"])})


def attempt_of(row: RowMapping) -> Attempt:
    return Attempt(**{name: row[name] for name in _ATTEMPT} | {"state": AttemptState(row["state"])})


_FAX = tuple(Fax.__match_args__)
_ATTEMPT = tuple(Attempt.__match_args__)

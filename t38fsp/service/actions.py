"""What clients ask of the queue, each as one transaction: submit, cancel, retry, decide, delete."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from t38fsp.service import chain, events, jobs, keys
from t38fsp.service.errors import LimitError, StateError
from t38fsp.service.jobs import QueuePlace
from t38fsp.service.submission import Submission
from t38fsp.service.tables import fax
from t38fsp.service.values import ApiKey, Fax, FaxState, Job, Json

_FULL_RETRY = 60.0
"""Seconds after which a submission may be repeated that found the queue full."""


def submit(
    connection: Connection,
    given: Submission,
    targets: Sequence[QueuePlace],
    key: ApiKey | None,
    most_waiting: int,
    now: float,
) -> Job:
    """Insert a job; or read the one that came with the same idempotency key before.

    Raises IdempotencyError, and LimitError for a queue that is full or a key that has no faxes left today.
    """
    id, is_new = jobs.insert_job(connection, given, targets, "" if key is None else key.id, now)
    job = jobs.read(connection, id)
    if not is_new:
        return job
    # After the insertion, so that the faxes of this job count; the exception rolls them back.
    waiting = select(func.count()).where(fax.c.state == FaxState.QUEUED.value)
    if (connection.execute(waiting).scalar() or 0) > most_waiting:
        raise LimitError(
            f"{most_waiting} faxes are waiting, which is the limit; try again later", _FULL_RETRY
        )
    if key is not None:
        keys.check_day(connection, key, len(targets), now)
    body: Json = {"receivers": len(targets), "documents": [each.name for each in job.documents]}
    events.append(connection, "job.submitted", id, body, now)
    return job


def cancel(connection: Connection, id: str, now: float) -> tuple[list[Fax], list[str]]:
    """Cancel what is not over of a fax or job: the faxes, and the workflows of those that were released.

    A fax in a call is only marked: its host looks for the mark, and ends the call. Raises NotFoundError, and
    StateError if all is over.
    """
    found = [each for each in jobs.named(connection, id) if not each.state.final]
    if not found:
        raise StateError(f"{id} is over, so it cannot be cancelled")
    workflows = []
    for each in found:
        if each.state is FaxState.SENDING:
            connection.execute(update(fax).where(fax.c.id == each.id).values(cancelling=True))
            continue
        # DBOS is told after this transaction. If the process dies before that, the workflow is started, finds
        # that the fax has it no more (``attempt_records.begin``), and ends.
        workflow = connection.execute(select(fax.c.workflow).where(fax.c.id == each.id)).scalar()
        if workflow is not None:
            workflows.append(workflow)
        chain.end(connection, each.id, FaxState.CANCELLED, "it was cancelled", now)
    return [jobs.read_fax(connection, each.id) for each in found], workflows


def cancel_all(connection: Connection, reason: str, now: float) -> int:
    """Cancel all faxes that are not over, where no host runs; returns how many there were."""
    unfinished = [state.value for state in FaxState if not state.final]
    found = connection.execute(select(fax.c.id).where(fax.c.state.in_(unfinished))).scalars().all()
    for id in found:
        chain.end(connection, id, FaxState.CANCELLED, reason, now)
    return len(found)


def retry(connection: Connection, id: str, now: float) -> list[Fax]:
    """Queue what failed or was cancelled of a fax or job again. Raises NotFoundError, StateError."""
    over = (FaxState.FAILED, FaxState.CANCELLED)
    found = [each for each in jobs.named(connection, id) if each.state in over]
    if not found:
        raise StateError(f"{id} has neither failed nor been cancelled, so there is nothing to retry")
    return [_queue_again(connection, each, "a person asked for it again", now) for each in found]


def resolve_held(connection: Connection, id: str, send_again: bool, now: float) -> Fax:
    """Decide for a held fax. Raises NotFoundError, StateError."""
    held = jobs.read_fax(connection, id)
    if held.state is not FaxState.HELD:
        raise StateError(f"{id} is not held; it is {held.state.value}")
    if send_again or held.possibly_duplicated is None:
        return _queue_again(connection, held, "a person had it sent again", now)
    jobs.count_as_received(connection, held, now)
    held = jobs.read_fax(connection, id)
    if held.pages is not None and held.confirmed >= held.pages:
        chain.end(connection, id, FaxState.DELIVERED, "a person saw it arrive", now)
        return jobs.read_fax(connection, id)
    return _queue_again(connection, held, "a person saw the page in question arrive", now)


def delete(connection: Connection, id: str, now: float) -> None:
    """Remove a fax that is over, or a job with all its faxes; with the last fax of a job goes the job.

    Raises NotFoundError, StateError.
    """
    found = jobs.named(connection, id)
    if any(not each.state.final for each in found):
        raise StateError(f"{id} is not over; cancel it before it is deleted")
    job = found[0].job
    if len(found) < len(jobs.faxes_of(connection, job)):
        jobs.delete_fax(connection, id)
        events.append(connection, "fax.deleted", id, {}, now)
        return
    jobs.delete_job(connection, job)
    events.append(connection, "job.deleted", job, {}, now)


def _queue_again(connection: Connection, which: Fax, reason: str, now: float) -> Fax:
    connection.execute(
        update(fax)
        .where(fax.c.id == which.id)
        .values(
            state=FaxState.QUEUED.value,
            next_attempt=None,
            finished=None,
            reason=reason,
            outcome="",
            avoid="",
            cancelling=False,
            history_from=which.attempts + 1,
        )
    )
    body: Json = {"state": FaxState.QUEUED.value, "reason": reason}
    events.append(connection, "fax.queued", which.id, body, now)
    return jobs.read_fax(connection, which.id)

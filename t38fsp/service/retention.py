"""What is old is removed: jobs that are over with their documents, events, finished workflows."""

from __future__ import annotations

from sqlalchemy import Connection, delete, exists, select

from t38fsp.service import events, jobs
from t38fsp.service.database import Database
from t38fsp.service.durable import Durable
from t38fsp.service.hosts import forget_hosts
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.tables import fax, job, number_memory
from t38fsp.service.values import FaxState

_FINAL = [state.value for state in FaxState if state.final]
_BATCH = 50
_HOSTS = 7 * 86400.0
"""Seconds for which a host that is not there any more is listed."""
_WORKFLOWS = 3600.0
"""Seconds for which a finished workflow is kept: all that it did is in our tables."""


async def expire(database: Database, durable: Durable, settings: QueueSettings, now: float) -> None:
    """Remove what is older than the settings say, in small transactions. Raises DatabaseError."""
    before = now - settings.keep_seconds
    # Small, because with SQLite each of them keeps all other writers waiting.
    while await database.run(lambda connection: expire_jobs(connection, before)):
        pass
    await database.run(lambda connection: events.expire(connection, before))
    await database.run(lambda connection: forget_hosts(connection, now - _HOSTS))
    await database.run(
        lambda connection: connection.execute(delete(number_memory).where(number_memory.c.expires <= now))
    )
    while await durable.forget(now - _WORKFLOWS):
        pass


def expire_jobs(connection: Connection, before: float) -> int:
    """Remove some jobs all of whose faxes were over before this time; return how many."""
    rest = (fax.c.state.not_in(_FINAL)) | (fax.c.finished >= before) | fax.c.finished.is_(None)
    old = (
        select(job.c.id)
        .where(job.c.created < before, ~exists().where(fax.c.job == job.c.id, rest))
        .order_by(job.c.created)
        .limit(_BATCH)
    )
    # delete_job one by one: it removes documents that no other job and no received fax has.
    ids = list(connection.execute(old).scalars())
    for id in ids:
        jobs.delete_job(connection, id)
    return len(ids)

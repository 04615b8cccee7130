"""Who sent, saw and deleted what: a log that is only added to, until its retention is over."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from sip.frozen import dataclass
from t38fsp.service import tables
from t38fsp.service.values import Json

LOCAL = ""
"""In place of the id of a key: the local socket."""

_MOST = 1000


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act. ``address`` is the client's, empty for the local socket; ``subject`` the id of what it was
    done to, empty for a list."""

    number: int
    at: float
    key: str
    address: str
    action: str
    """Such as ``fax.submitted``, ``fax.seen``, ``received.deleted``."""
    subject: str
    detail: Json


def append(
    connection: Connection,
    at: float,
    key: str,
    address: str,
    action: str,
    subject: str,
    detail: Json | None = None,
) -> None:
    """Add a record. ``detail`` has no secrets, and is small."""
    values = {
        "at": at,
        "key": key,
        "address": address[:80],
        "action": action,
        "subject": subject[:60],
        "detail": detail or {},
    }
    connection.execute(tables.audit.insert().values(values))


def records(
    connection: Connection,
    limit: int,
    before: int | None = None,
    *,
    key: str | None = None,
    subject: str | None = None,
    since: float | None = None,
) -> list[AuditRecord]:
    """The latest first, at most ``limit`` (up to 1000), of numbers below ``before``."""
    audit = tables.audit.c
    query = select(tables.audit).order_by(audit.number.desc()).limit(min(limit, _MOST))
    if before is not None:
        query = query.where(audit.number < before)
    if key is not None:
        query = query.where(audit.key == key)
    if subject is not None:
        query = query.where(audit.subject == subject)
    if since is not None:
        query = query.where(audit.at >= since)
    return [
        AuditRecord(row.number, row.at, row.key, row.address, row.action, row.subject, row.detail)
        for row in connection.execute(query)
    ]


def prune(connection: Connection, before: float) -> int:
    """Delete what is older; returns how many records those were."""
    return connection.execute(delete(tables.audit).where(tables.audit.c.at < before)).rowcount

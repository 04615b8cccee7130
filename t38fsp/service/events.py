"""Events of the service, in a table: what ``/v1/events``, webhooks and the journal read.

An event is appended in the transaction of what it tells of, so that neither exists without the other.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select, text

from t38fsp.service.tables import event
from t38fsp.service.values import Event, Json

# Also in ``keys.check_day``, there with a second number: PostgreSQL keeps the two kinds apart.
_LOCK = 738413


def append(connection: Connection, kind: str, subject: str, body: Json, now: float) -> None:
    """Append an event. Call it last in a transaction: on PostgreSQL others wait here until its end.

    Without that wait a number could become visible after a higher one, and a reader that asks for what comes
    after the last one it has seen would miss it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    # No other transaction can take the same one: this one holds the lock or, with SQLite, is the only writer.
    last = connection.execute(select(func.max(event.c.sequence)).where(event.c.subject == subject)).scalar()
    connection.execute(
        insert(event).values(at=now, kind=kind, subject=subject, sequence=(last or 0) + 1, body=body)
    )


def since(connection: Connection, number: int, limit: int = 100) -> list[Event]:
    """The next events after the one with this number, at most ``limit``."""
    rows = connection.execute(
        select(event).where(event.c.number > number).order_by(event.c.number).limit(limit)
    )
    return [Event(**row._mapping) for row in rows]


def of(connection: Connection, subject: str, limit: int = 1000) -> list[Event]:
    """The first events of one subject."""
    rows = connection.execute(
        select(event).where(event.c.subject == subject).order_by(event.c.sequence).limit(limit)
    )
    return [Event(**row._mapping) for row in rows]


def last(connection: Connection) -> int:
    """Number of the last event; 0 if there is none."""
    return connection.execute(select(func.max(event.c.number))).scalar() or 0


def expire(connection: Connection, before: float) -> int:
    """Remove events older than ``before``; return how many they were."""
    return connection.execute(delete(event).where(event.c.at < before)).rowcount

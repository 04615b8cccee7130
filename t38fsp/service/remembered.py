"""What is remembered of numbers called (``t38fsp.service.policy.memory``), as rows of the database.

Functions of a connection, to be run by ``Database.run``.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, tuple_

from sip.frozen import dataclass
from t38fsp.results import FaxResult
from t38fsp.service.attempt_rows import Begun
from t38fsp.service.call_rules import Rules
from t38fsp.service.errors import NotFoundError
from t38fsp.service.policy.memory import Memory, learn, start
from t38fsp.service.tables import number_memory
from t38fsp.service.values import Json

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Remembered:
    """A number, and what it took last time."""

    number: str
    facts: Json
    updated: float
    expires: float


def listing(connection: Connection, limit: int, before: tuple[float, str] | None = None) -> list[Remembered]:
    """The latest first; ``before`` is (``updated``, ``number``) of the last one of the page before."""
    columns = number_memory.c
    query = select(number_memory).order_by(columns.updated.desc(), columns.number.desc())
    if before is not None:
        query = query.where(tuple_(columns.updated, columns.number) < before)
    return [Remembered(**row._mapping) for row in connection.execute(query.limit(min(limit, _MOST)))]


def read(connection: Connection, number: str) -> Remembered:
    """Raises NotFoundError."""
    row = connection.execute(select(number_memory).where(number_memory.c.number == number)).one_or_none()
    if row is None:
        raise NotFoundError("memory of the number", number)
    return Remembered(**row._mapping)


def forget(connection: Connection, number: str) -> None:
    """The next call begins as the route says. Raises NotFoundError."""
    if not connection.execute(delete(number_memory).where(number_memory.c.number == number)).rowcount:
        raise NotFoundError("memory of the number", number)


def memory(connection: Connection, number: str) -> Memory:
    facts = connection.execute(select(number_memory.c.facts).where(number_memory.c.number == number)).scalar()
    return Memory.from_json(facts)


def keep(connection: Connection, begun: Begun, result: FaxResult, rules: Rules, now: float) -> bool:
    """Keep what the call has shown of its number; true if the next call would have other settings."""
    number, limits = begun.fax.number, rules.memory
    before = memory(connection, number)
    learnt = learn(before, begun.asked, begun.used, begun.route, result, now, limits)
    if learnt != before:
        # Deleted and inserted: the two databases have no form of an upsert in common.
        connection.execute(delete(number_memory).where(number_memory.c.number == number))
        if learnt.expires > now:
            values = {"facts": learnt.to_json(), "updated": now, "expires": learnt.expires}
            connection.execute(insert(number_memory).values(number=number, **values))
    return start(learnt, begun.asked, begun.route, now, limits, modems=rules.modems) != begun.used

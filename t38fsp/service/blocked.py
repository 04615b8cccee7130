"""The block list of callers in the database; functions take the connection of a transaction."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select

from sip.frozen import dataclass
from t38fsp.errors import SettingError
from t38fsp.service.errors import NotFoundError
from t38fsp.service.policy.rules import MOST_PATTERNS, check_pattern
from t38fsp.service.tables import blocked_caller

_MOST_NOTE = 200


@dataclass(frozen=True, slots=True)
class BlockedCaller:
    """Callers that are refused."""

    pattern: str
    """As in rules (``t38fsp.service.policy.rules``)."""
    created: float
    note: str = ""


def listing(connection: Connection) -> list[BlockedCaller]:
    """All of them, the oldest first; there are at most 1000."""
    rows = connection.execute(select(blocked_caller).order_by(blocked_caller.c.created))
    return [BlockedCaller(row.pattern, row.created, row.note) for row in rows]


def add(connection: Connection, pattern: str, note: str, now: float) -> BlockedCaller:
    """Block callers. Raises SettingError for a text that is not a pattern, and for one too many."""
    try:
        check_pattern(pattern)
    except ValueError as error:
        raise SettingError(str(error)) from error
    if not note.isprintable():
        raise SettingError("the note of a blocked caller has characters that cannot be shown; leave them out")
    known = connection.execute(select(blocked_caller).where(blocked_caller.c.pattern == pattern)).first()
    if known is not None:
        return BlockedCaller(known.pattern, known.created, known.note)
    if connection.execute(select(func.count()).select_from(blocked_caller)).scalar_one() >= MOST_PATTERNS:
        raise SettingError(f"the block list has {MOST_PATTERNS} patterns, the most; remove some")
    note = note[:_MOST_NOTE]
    connection.execute(blocked_caller.insert().values(pattern=pattern, created=now, note=note))
    return BlockedCaller(pattern, now, note)


def remove(connection: Connection, pattern: str) -> None:
    """Raises NotFoundError."""
    if not connection.execute(delete(blocked_caller).where(blocked_caller.c.pattern == pattern)).rowcount:
        raise NotFoundError("blocked caller", pattern)

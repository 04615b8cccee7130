"""One chain for each number: which of the waiting faxes is released next, and on which route.

A fax waits as a row of our table alone. It is *released*, which gives it a workflow of the durable engine,
when its time has come, no other fax to its number is released, and one of its routes has room: the most
urgent one first, then the oldest. A route holds a few more released faxes than it has channels, so that no
channel is idle; all others can still be overtaken by a more urgent one, and go by another route if theirs
fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, Row, Select, and_, func, or_, select, text, update

from sip.frozen import dataclass
from t38fsp.service import events
from t38fsp.service.ids import new_id
from t38fsp.service.tables import fax, job
from t38fsp.service.values import FaxState

_LOCK = 738414
_BATCH = 100
"""Faxes released in one transaction, in which others wait to write."""

Enqueue = Callable[[Connection, str, str, str, int], None]
"""Transaction, workflow, route, fax, priority."""
Choose = Callable[[Sequence[str], str], Sequence[str]]
"""From the routes of a fax and its number: those that can take it at the moment, the best one first."""


@dataclass(frozen=True, slots=True)
class Released:
    """What one pass has done."""

    faxes: int
    more: bool
    """There may be more to release at once."""


def release(
    connection: Connection, rooms: Mapping[str, int], choose: Choose, enqueue: Enqueue, now: float
) -> Released:
    """Release what is due; ``rooms`` are the most faxes that may be released of each route.

    On PostgreSQL one host at a time does it; for the others there is nothing to do then.
    """
    if connection.dialect.name == "postgresql":
        ours = connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")).scalar()
        if not ours:
            return Released(0, True)
    room = _room(connection, rooms)
    done = 0
    for candidate in _candidates(connection, room, now):
        names = [name for name in candidate.routes.split(",") if room.get(name, 0) > 0]
        others = [name for name in names if name != candidate.avoid]
        route = next(iter(choose(others or names, candidate.number)), None)
        if route is None:
            continue
        workflow = new_id("w")
        connection.execute(update(fax).where(fax.c.id == candidate.id).values(workflow=workflow, route=route))
        enqueue(connection, workflow, route, candidate.id, candidate.priority)
        room[route] -= 1
        done += 1
        if done == _BATCH:
            return Released(done, True)
    return Released(done, False)


def _room(connection: Connection, rooms: Mapping[str, int]) -> dict[str, int]:
    taken = connection.execute(
        select(fax.c.route, func.count()).where(fax.c.workflow.is_not(None)).group_by(fax.c.route)
    )
    released = {str(route): int(count) for route, count in taken}
    return {name: most - released.get(name, 0) for name, most in rooms.items()}


def _candidates(connection: Connection, room: Mapping[str, int], now: float) -> list[Row[tuple[str, ...]]]:
    """The faxes that may be released, one for each number, in their order."""
    waiting = and_(fax.c.state == FaxState.QUEUED.value, fax.c.workflow.is_(None))
    lists = connection.execute(select(fax.c.routes).where(waiting).distinct()).scalars()
    found: list[Row[tuple[str, ...]]] = []
    for routes in [*lists]:
        free = sum(max(room.get(name, 0), 0) for name in routes.split(","))
        if free:
            query = _due(now).where(waiting, fax.c.routes == routes).limit(min(free, _BATCH))
            found += connection.execute(query).all()
    numbers: set[str] = set()
    first = []
    for row in sorted(found, key=lambda row: (row.priority, row.created, row.position)):
        if row.number not in numbers:
            numbers.add(row.number)
            first.append(row)
    return first


def _due(now: float) -> Select[tuple[str, ...]]:
    other = fax.alias()
    busy = select(other.c.id).where(other.c.number == fax.c.number, other.c.workflow.is_not(None)).exists()
    return (
        select(
            *(fax.c.id, fax.c.number, fax.c.routes, fax.c.avoid),
            *(fax.c.priority, fax.c.created, fax.c.position),
        )
        .where(or_(fax.c.next_attempt.is_(None), fax.c.next_attempt <= now), ~fax.c.cancelling, ~busy)
        .order_by(fax.c.priority, fax.c.created, fax.c.position)
    )


def release_again(connection: Connection, ids: Sequence[str], enqueue: Enqueue) -> None:
    """Give released faxes whose workflow was lost another one, which finds out how far the last one came."""
    for id in ids:
        row = connection.execute(select(fax.c.route, fax.c.priority).where(fax.c.id == id)).one()
        workflow = new_id("w")
        connection.execute(update(fax).where(fax.c.id == id).values(workflow=workflow))
        enqueue(connection, workflow, row.route, id, row.priority)


def expire(connection: Connection, now: float) -> int:
    """End the waiting faxes whose deadline is over; return how many."""
    late = (
        select(fax.c.id)
        .join(job, fax.c.job == job.c.id)
        .where(job.c.deadline <= now, fax.c.state == FaxState.QUEUED.value, fax.c.workflow.is_(None))
        .limit(_BATCH)
    )
    ids = list(connection.execute(late).scalars())
    for id in ids:
        end(connection, id, FaxState.FAILED, "its deadline is over", now)
    return len(ids)


def end(connection: Connection, id: str, state: FaxState, reason: str, now: float) -> None:
    """Make ``state`` the last one of a fax that is not in a call."""
    connection.execute(
        update(fax)
        .where(fax.c.id == id)
        .values(
            state=state.value, reason=reason, finished=now, workflow=None, next_attempt=None, cancelling=False
        )
    )
    events.append(connection, f"fax.{state.value}", id, {"state": state.value, "reason": reason}, now)


def waiting(connection: Connection, now: float) -> dict[str, int]:
    """Faxes that are due but not released, by the first of their routes."""
    due = or_(fax.c.next_attempt.is_(None), fax.c.next_attempt <= now)
    rows = connection.execute(
        select(fax.c.routes, func.count())
        .where(fax.c.state == FaxState.QUEUED.value, fax.c.workflow.is_(None), due)
        .group_by(fax.c.routes)
    )
    counts: dict[str, int] = {}
    for routes, count in rows:
        first = routes.partition(",")[0]
        counts[first] = counts.get(first, 0) + count
    return counts

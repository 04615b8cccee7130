"""One chain for each number: which of the waiting faxes is released next, and on which route.

A fax waits as a row of our table alone. It is *released*, which gives it a workflow of the durable engine,
when its time has come, no other fax to its number is released, and one of its routes has room: the most
urgent one first, then the oldest. A route holds a few more released faxes than it has channels, so that no
channel is idle; all others can still be overtaken by a more urgent one, and go by another route if theirs
fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, text, update

from sip.frozen import dataclass
from t38fsp.outcome import Outcome
from t38fsp.service import events
from t38fsp.service.ids import new_id
from t38fsp.service.policy.routing import FailOver, RouteFacts, ordered
from t38fsp.service.tables import attempt, fax, host, job
from t38fsp.service.values import FaxState

# ``jobs.insert_job`` has the same number in a lock of two numbers. PostgreSQL keeps those apart from the
# locks of one number.
_LOCK = 738414
_OUTCOMES = [each.name for each in Outcome]
_BATCH = 100
"""Faxes released in one transaction, in which others wait to write."""

Enqueue = Callable[[Connection, str, str, str, int], None]
"""Transaction, workflow, route, fax, priority."""
_LOOKED_AT = 20
"""Calls of a route that are looked at for its health."""
_WAITS = and_(fax.c.state == FaxState.QUEUED.value, fax.c.workflow.is_(None))
"""A fax is neither released nor over nor held."""


@dataclass(frozen=True, slots=True)
class Released:
    """What one pass has done."""

    faxes: int
    more: bool
    """There may be more to release at once."""


def release(
    connection: Connection, channels: Mapping[str, int], limits: FailOver, enqueue: Enqueue, now: float
) -> Released:
    """Release what is due; ``channels`` are the most calls of each route.

    On PostgreSQL one host at a time does it; for the others there is nothing to do then.
    """
    # Hosts that counted at the same time would release more faxes than a route has room for.
    if connection.dialect.name == "postgresql":
        ours = connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")).scalar()
        if not ours:
            # True: the host that is at it may have read the table before what we want released was there.
            return Released(0, True)
    facts = route_facts(connection, channels)
    room = {name: _room(each, limits, now) for name, each in facts.items()}
    done = 0
    for candidate in _candidates(connection, room, now):
        names = [name for name in candidate.routes.split(",") if room.get(name, 0) > 0]
        # The route to be avoided comes last, and is taken all the same where it is the only one.
        best = ordered([facts[name] for name in names], now, limits, {candidate.avoid})
        if not best:
            continue
        route = best[0]
        workflow = new_id("w")
        connection.execute(update(fax).where(fax.c.id == candidate.id).values(workflow=workflow, route=route))
        enqueue(connection, workflow, route, candidate.id, candidate.priority)
        room[route] -= 1
        facts[route] = replace(facts[route], busy=facts[route].busy + 1)
        done += 1
        if done == _BATCH:
            return Released(done, True)
    return Released(done, False)


def route_facts(connection: Connection, channels: Mapping[str, int]) -> dict[str, RouteFacts]:
    """What is known of the routes, over all hosts."""
    taken = connection.execute(
        select(fax.c.route, func.count()).where(fax.c.workflow.is_not(None)).group_by(fax.c.route)
    )
    released = {str(route): int(count) for route, count in taken}
    registered = _registered(connection)
    found = {}
    for name, most in channels.items():
        facts = RouteFacts(name, registered.get(name), released.get(name, 0), most)
        last = (
            select(attempt.c.outcome, attempt.c.ended)
            .where(attempt.c.route == name, attempt.c.outcome.in_(_OUTCOMES))
            .order_by(attempt.c.started.desc())
            .limit(_LOOKED_AT)
        )
        # From the oldest on, since a call that was taken clears the failures before it.
        for outcome, ended in reversed(connection.execute(last).all()):
            facts = facts.after(Outcome[outcome], ended)
        found[name] = facts
    return found


def _registered(connection: Connection) -> dict[str, bool]:
    """By route: whether any host that runs has registered it. Routes that do not register are missing."""
    rows = connection.execute(select(host.c.facts).where(host.c.state == "running")).scalars()
    found: dict[str, bool] = {}
    for facts in rows:
        for name, is_registered in facts.get("registered", {}).items():
            found[name] = found.get(name, False) or is_registered
    return found


def _room(facts: RouteFacts, limits: FailOver, now: float) -> int:
    """How many more faxes may be released of a route: a few more than it has channels; none while it rests,
    and one when it is tried again."""
    assert facts.channels is not None
    until = facts.rests_until(limits)
    if until > now:
        return 0
    most = facts.channels + max(1, facts.channels // 4) if until == 0.0 else 1
    return most - facts.busy


def _candidates(connection: Connection, room: Mapping[str, int], now: float) -> list[Row[tuple[str, ...]]]:
    """The faxes that may be released, one for each number, in their order."""
    lists = connection.execute(select(fax.c.routes).where(_WAITS).distinct()).scalars()
    found: list[Row[tuple[str, ...]]] = []
    # Each list of routes by itself: many faxes for a full route must not hide those for another one.
    for routes in [*lists]:
        free = sum(max(room.get(name, 0), 0) for name in routes.split(","))
        if free:
            query = _due(now).where(_WAITS, fax.c.routes == routes).limit(min(free, _BATCH))
            found += connection.execute(query).all()
    numbers: set[str] = set()
    first = []
    # Each list of routes came in this order, but not all of them together.
    for row in sorted(found, key=lambda row: (row.priority, row.created, row.position)):
        # The index ``fax_released`` would refuse a second one, and with it the whole transaction.
        if row.number not in numbers:
            numbers.add(row.number)
            first.append(row)
    return first


def is_due(now: float) -> ColumnElement[bool]:
    """The time of the next attempt of a fax has come."""
    return or_(fax.c.next_attempt.is_(None), fax.c.next_attempt <= now)


def _due(now: float) -> Select[tuple[str, ...]]:
    other = fax.alias()
    busy = select(other.c.id).where(other.c.number == fax.c.number, other.c.workflow.is_not(None)).exists()
    return (
        select(
            *(fax.c.id, fax.c.number, fax.c.routes, fax.c.avoid),
            *(fax.c.priority, fax.c.created, fax.c.position),
        )
        .where(is_due(now), ~fax.c.cancelling, ~busy)
        .order_by(fax.c.priority, fax.c.created, fax.c.position)
    )


def release_again(connection: Connection, ids: Sequence[str], enqueue: Enqueue) -> None:
    """Give released faxes whose workflow was lost another one, which finds out how far the last one came."""
    for id in ids:
        row = connection.execute(select(fax.c.route, fax.c.priority).where(fax.c.id == id)).one()
        workflow = new_id("w")
        # A new id: DBOS returns a workflow whose id it knows, and does not run it again.
        connection.execute(update(fax).where(fax.c.id == id).values(workflow=workflow))
        enqueue(connection, workflow, row.route, id, row.priority)


def expire(connection: Connection, now: float) -> int:
    """End the waiting faxes whose deadline is over; return how many."""
    late = (
        select(fax.c.id).join(job, fax.c.job == job.c.id).where(job.c.deadline <= now, _WAITS).limit(_BATCH)
    )
    ids = list(connection.execute(late).scalars())
    for id in ids:
        end(connection, id, FaxState.FAILED, "its deadline is over", now)
    return len(ids)


def tell_missing_routes(connection: Connection, known: Collection[str]) -> dict[str, int]:
    """Give waiting faxes none of whose routes is ``known`` that as their reason; return how many, by their
    routes. Another host may have the route, or the file may have it again after the next start."""
    missing: dict[str, int] = {}
    for routes in [*connection.execute(select(fax.c.routes).where(_WAITS).distinct()).scalars()]:
        if not set(routes.split(",")) & set(known):
            reason = (
                f"it waits for the route {routes}, which is not configured; configure it, or cancel the fax"
            )
            ours = and_(_WAITS, fax.c.routes == routes)
            missing[routes] = connection.execute(update(fax).where(ours).values(reason=reason)).rowcount
    return missing


def end(connection: Connection, id: str, state: FaxState, reason: str, now: float) -> None:
    """Make ``state`` the last one of a fax that is not in a call."""
    # Without its workflow it no longer holds its number (``fax_released``): the next fax to that can be
    # released.
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
    rows = connection.execute(
        select(fax.c.routes, func.count()).where(_WAITS, is_due(now)).group_by(fax.c.routes)
    )
    counts: dict[str, int] = {}
    for routes, count in rows:
        first = routes.partition(",")[0]
        counts[first] = counts.get(first, 0) + count
    return counts

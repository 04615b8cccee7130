"""What the API and its metrics ask of the database beside single faxes: counts, ages, ended calls, routes.

Functions of a connection, to be run by ``Database.run``.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select, text, tuple_

from sip.frozen import dataclass
from t38fsp.service import chain, tables
from t38fsp.service.jobs import attempt_of, fax_of
from t38fsp.service.policy.routing import FailOver
from t38fsp.service.values import Attempt, AttemptState, Fax, FaxState

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Depth:
    """The queue of a moment."""

    by_state: dict[FaxState, int]
    """Those that are not over."""
    oldest: float | None
    """When the oldest fax was submitted whose time has come; None if there is none."""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """An attempt that is over, with what the journal tells of its fax."""

    attempt: Attempt
    number: str
    key: str
    reference: str


def answers(connection: Connection) -> bool:
    """Whether the database answers."""
    return connection.execute(text("SELECT 1")).scalar() == 1


def depth(connection: Connection, now: float) -> Depth:
    """How many faxes wait, and since when."""
    fax = tables.fax.c
    open_states = [each.value for each in FaxState if not each.final]
    rows = connection.execute(
        select(fax.state, func.count()).where(fax.state.in_(open_states)).group_by(fax.state)
    )
    oldest = connection.execute(
        select(func.min(fax.created)).where(fax.state == FaxState.QUEUED.value, chain.is_due(now))
    ).scalar()
    return Depth({FaxState(state): count for state, count in rows}, oldest)


def states_of(connection: Connection, job: str) -> dict[str, int]:
    """How many faxes of a job there are in each state."""
    fax = tables.fax.c
    rows = connection.execute(select(fax.state, func.count()).where(fax.job == job).group_by(fax.state))
    return {str(state): int(count) for state, count in rows}


def faxes_of(connection: Connection, job: str, limit: int) -> list[Fax]:
    """The first faxes of a job, in the order of its receivers."""
    fax = tables.fax
    query = select(fax).where(fax.c.job == job).order_by(fax.c.position).limit(min(limit, _MOST))
    return [fax_of(row) for row in connection.execute(query).mappings()]


def key_of(connection: Connection, subjects: set[str]) -> dict[str, str]:
    """The id of the key that submitted each of these jobs."""
    job = tables.job.c
    rows = connection.execute(select(job.id, job.key).where(job.id.in_(subjects)))
    return {str(id): str(key) for id, key in rows}


def ended_calls(
    connection: Connection, limit: int, after: tuple[float, str] | None, since: float | None = None
) -> list[EndedCall]:
    """Calls that are over, in the order of their ends, from after the one at ``after``."""
    attempt, fax, job = tables.attempt, tables.fax, tables.job
    query = (
        select(attempt, fax.c.number.label("called"), job.c.key, job.c.reference)
        .join_from(attempt, fax, attempt.c.fax == fax.c.id)
        .join(job, fax.c.job == job.c.id)
        .where(attempt.c.ended.is_not(None))
        .order_by(attempt.c.ended, attempt.c.id)
        .limit(min(limit, _MOST))
    )
    if since is not None:
        query = query.where(attempt.c.ended >= since)
    if after is not None:
        query = query.where(tuple_(attempt.c.ended, attempt.c.id) > after)
    return [
        EndedCall(attempt_of(row), row["called"], row["key"], row["reference"])
        for row in connection.execute(query).mappings()
    ]


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """A route as it is now, over all hosts."""

    name: str
    channels: int
    """For outgoing calls."""
    busy: int
    waiting: int
    """Faxes that may go by it and whose time has come."""
    healthy: bool
    """Whether it is used: registered, if it registers, and without too many failures in a row."""


def list_routes(
    connection: Connection, channels: Mapping[str, int], limits: FailOver, now: float
) -> list[RouteInfo]:
    """``channels`` are the outgoing calls that each route takes."""
    rows = connection.execute(
        select(tables.attempt.c.route, func.count())
        # One that has not dialled uses no channel yet.
        .where(tables.attempt.c.ended.is_(None), tables.attempt.c.state != AttemptState.STARTED.value)
        .group_by(tables.attempt.c.route)
    )
    busy = {str(route): int(count) for route, count in rows}
    waiting = chain.waiting(connection, now)
    facts = chain.route_facts(connection, channels)
    return [
        RouteInfo(
            name,
            most,
            busy.get(name, 0),
            waiting.get(name, 0),
            facts[name].registered is not False and facts[name].rests_until(limits) <= now,
        )
        for name, most in channels.items()
    ]

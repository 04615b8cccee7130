"""The routes as they are now, over all hosts."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from sip.frozen import dataclass
from t38fsp.service import chain
from t38fsp.service.policy.routing import FailOver
from t38fsp.service.tables import attempt
from t38fsp.service.values import AttemptState


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
        select(attempt.c.route, func.count())
        # One that has not dialled uses no channel yet.
        .where(attempt.c.ended.is_(None), attempt.c.state != AttemptState.STARTED.value)
        .group_by(attempt.c.route)
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

"""Deliveries as rows of the database: what is to go where, what became of it, who is at it.

A delivery that a host has *claimed* waits with that host's name until the end of a lease that is longer than
any attempt of it may take. So no two hosts are at one delivery, and what a host leaves that dies is claimed
again. All functions take the connection of a transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, tuple_, update

from sip.frozen import dataclass
from t38fsp.service.tables import delivery, target
from t38fsp.service.values import Delivery, DeliveryState, Json

_MOST_ERROR = 500
"""Characters that are kept of a reason."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """``id`` follows from what is delivered, so that the same delivery is never added twice."""

    id: str
    subject: str
    kind: str
    target: str
    """Name of a target of the settings or, for the webhook of a job, its URL."""
    event: int | None = None
    """Number of the event that is delivered; None for a received fax."""
    arguments: Json | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this host is to try now."""

    id: str
    subject: str
    kind: str
    target: str
    event: int | None
    arguments: Json
    attempt: int
    """From 1, since the delivery was added or asked for again."""
    created: float
    """When it was added or asked for again."""


def add(connection: Connection, new: Sequence[NewDelivery], now: float) -> None:
    """Those whose id is known are left as they are. What is for a disabled target has failed already."""
    if not new:
        return
    # A transaction that is repeated, as its success was not known, adds nothing twice.
    known = set(connection.scalars(select(delivery.c.id).where(delivery.c.id.in_([each.id for each in new]))))
    off = _disabled(connection)
    rows = []
    for each in new:
        if each.id in known:
            continue
        reason = off.get(each.target)
        rows.append(
            {
                "id": each.id,
                "subject": each.subject,
                "kind": each.kind,
                "target": each.target,
                "event": each.event,
                "arguments": each.arguments or {},
                "state": (DeliveryState.WAITING if reason is None else DeliveryState.FAILED).value,
                "attempts": 0,
                "created": now,
                "next_attempt": now if reason is None else None,
                "error": "" if reason is None else f"the target is disabled: {reason}",
                "finished": None if reason is None else now,
                "host": "",
            }
        )
    if rows:
        connection.execute(delivery.insert(), rows)


def claim(
    connection: Connection, host: str, now: float, until: float, most: int, room: Callable[[str], int]
) -> list[Claimed]:
    """Claim up to ``most`` deliveries that are due until the time ``until``, the oldest first.

    ``room`` tells how many more there may be to a target. Call it again while it returns some.
    """
    due = _due(now)
    waiting = connection.scalars(select(delivery.c.target).where(due).distinct())
    # Rows of a target without room would take the place of others below.
    full = [name for name in waiting if room(name) <= 0]
    query = (
        select(delivery)
        .where(due, delivery.c.target.not_in(full))
        .order_by(delivery.c.next_attempt, delivery.c.id)
        .limit(most)
    )
    claimed: list[Claimed] = []
    taken: Counter[str] = Counter()
    # Hosts that claim at the same time get different rows. SQLite has no such clause, and no two writers.
    for row in connection.execute(query.with_for_update(skip_locked=True)).all():
        if taken[row.target] >= room(row.target):
            continue
        taken[row.target] += 1
        # The attempt counts from here on, so that one in which the host dies is counted, too.
        connection.execute(
            update(delivery)
            .where(delivery.c.id == row.id)
            .values(host=host, attempts=row.attempts + 1, next_attempt=until)
        )
        claimed.append(
            Claimed(
                row.id,
                row.subject,
                row.kind,
                row.target,
                row.event,
                row.arguments,
                row.attempts + 1,
                row.created,
            )
        )
    return claimed


def renew(connection: Connection, host: str, ids: Collection[str], until: float) -> set[str]:
    """Keep what this host is at until then. Returns the ids of those that are not ours any more."""
    ours = [
        id
        for id in ids
        if connection.execute(update(delivery).where(_ours(id, host)).values(next_attempt=until)).rowcount
    ]
    return set(ids) - set(ours)


def is_due(connection: Connection, now: float) -> bool:
    """Whether something waits whose time has come; reads only."""
    return connection.execute(select(delivery.c.id).where(_due(now)).limit(1)).first() is not None


def _due(now: float) -> ColumnElement[bool]:
    return and_(delivery.c.state == DeliveryState.WAITING.value, delivery.c.next_attempt <= now)


def _ours(id: str, host: str) -> ColumnElement[bool]:
    return and_(
        delivery.c.id == id,
        delivery.c.host == host,
        delivery.c.state == DeliveryState.WAITING.value,
    )


def delivered(connection: Connection, id: str, now: float) -> None:
    """It arrived, also if another host has claimed it meanwhile."""
    connection.execute(
        update(delivery)
        .where(delivery.c.id == id)
        .values(
            state=DeliveryState.DELIVERED.value,
            next_attempt=None,
            error="",
            finished=now,
            host="",
        )
    )


def put_off(connection: Connection, id: str, host: str, error: str, at: float) -> bool:
    """It is tried again at this time. False if it is not ours any more."""
    changed = connection.execute(
        # No host: any of them may make the next attempt.
        update(delivery).where(_ours(id, host)).values(next_attempt=at, error=error[:_MOST_ERROR], host="")
    )
    return bool(changed.rowcount)


def failed(connection: Connection, id: str, host: str, error: str, now: float) -> bool:
    """It is not tried any more. False if it is not ours."""
    changed = connection.execute(
        update(delivery)
        .where(_ours(id, host))
        .values(
            state=DeliveryState.FAILED.value,
            next_attempt=None,
            error=error[:_MOST_ERROR],
            finished=now,
            host="",
        )
    )
    return bool(changed.rowcount)


def release(connection: Connection, host: str, now: float) -> None:
    """Give back what this host has claimed: it was stopped, or is gone."""
    connection.execute(
        update(delivery)
        .where(delivery.c.host == host, delivery.c.state == DeliveryState.WAITING.value)
        .values(host="", next_attempt=now)
    )


def disable(connection: Connection, name: str, reason: str, now: float) -> list[str]:
    """The target wants nothing more: what waits for it has failed. Returns the ids of these deliveries."""
    # The first reason stays.
    if connection.execute(select(target.c.name).where(target.c.name == name)).first() is None:
        connection.execute(target.insert().values(name=name, disabled=now, reason=reason[:_MOST_ERROR]))
    waiting = and_(delivery.c.target == name, delivery.c.state == DeliveryState.WAITING.value)
    ids = list(connection.scalars(select(delivery.c.id).where(waiting)))
    connection.execute(
        update(delivery)
        .where(waiting)
        .values(
            state=DeliveryState.FAILED.value,
            next_attempt=None,
            error=f"the target is disabled: {reason}"[:_MOST_ERROR],
            finished=now,
            host="",
        )
    )
    return ids


def enable(connection: Connection, name: str) -> bool:
    """New deliveries go to the target again. False if it was not disabled."""
    return bool(connection.execute(target.delete().where(target.c.name == name)).rowcount)


def tidy(connection: Connection, delivered_before: float, failed_before: float) -> int:
    """Remove deliveries of events that are over since then; returns how many."""
    old = or_(
        and_(delivery.c.state == DeliveryState.DELIVERED.value, delivery.c.finished <= delivered_before),
        and_(delivery.c.state == DeliveryState.FAILED.value, delivery.c.finished <= failed_before),
    )
    # Those of received faxes are removed with their fax.
    return connection.execute(delete(delivery).where(delivery.c.event.is_not(None), old)).rowcount


def again(connection: Connection, id: str, now: float) -> bool:
    """Deliver it once more, from its first attempt on, and enable its target. False if it is not known, or
    waits."""
    row = connection.execute(select(delivery).where(delivery.c.id == id)).first()
    if row is None or row.state == DeliveryState.WAITING.value:
        return False
    # Asking for it says that the target wants something again.
    enable(connection, row.target)
    connection.execute(
        update(delivery)
        .where(delivery.c.id == id)
        .values(
            state=DeliveryState.WAITING.value,
            attempts=0,
            # The hours in which it is tried begin anew.
            created=now,
            next_attempt=now,
            error="",
            finished=None,
            host="",
        )
    )
    return True


def _disabled(connection: Connection) -> dict[str, str]:
    """The disabled targets, each with the reason."""
    return {row.name: row.reason for row in connection.execute(select(target.c.name, target.c.reason))}


def read(connection: Connection, id: str) -> Delivery | None:
    row = connection.execute(select(delivery).where(delivery.c.id == id)).first()
    return None if row is None else _delivery(row)


def of_subjects(connection: Connection, subjects: Collection[str]) -> list[Delivery]:
    """The deliveries of these received faxes or faxes, in the order of their ids."""
    query = select(delivery).where(delivery.c.subject.in_(list(subjects))).order_by(delivery.c.id)
    return [_delivery(row) for row in connection.execute(query)]


def listing(
    connection: Connection,
    most: int,
    state: DeliveryState | None = None,
    before: tuple[float, str] | None = None,
) -> list[Delivery]:
    """The latest first; ``before`` is (``created``, ``id``) of the last one of the page before."""
    query = select(delivery).order_by(delivery.c.created.desc(), delivery.c.id.desc()).limit(most)
    if state is not None:
        query = query.where(delivery.c.state == state.value)
    if before is not None:
        query = query.where(tuple_(delivery.c.created, delivery.c.id) < before)
    return [_delivery(row) for row in connection.execute(query)]


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """How many there are of each kind and state, for metrics."""
    query = select(delivery.c.kind, delivery.c.state, func.count()).group_by(
        delivery.c.kind, delivery.c.state
    )
    return {(kind, state): count for kind, state, count in connection.execute(query)}


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        row.id,
        row.subject,
        row.kind,
        row.target,
        DeliveryState(row.state),
        row.attempts,
        row.next_attempt,
        row.error,
        row.finished,
        row.created,
    )

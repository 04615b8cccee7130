"""Rows of attempts and confirmed pages: the steps of which ``attempt_records`` makes transactions."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from sip.frozen import dataclass
from t38fsp.call_settings import CallSettings
from t38fsp.outcome import Outcome
from t38fsp.service import events, jobs
from t38fsp.service.policy.retry import Past
from t38fsp.service.tables import attempt, fax, page
from t38fsp.service.values import Attempt, AttemptState, Fax, FaxState, Job, Json


class SupersededError(Exception):
    """Another host has taken over the attempt: this one may not go on with it."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is open on this host."""

    attempt: str
    host: str
    workflow: str
    job: Job
    fax: Fax
    route: str
    first_page: int
    started: float
    asked: CallSettings
    used: CallSettings
    """The same with what was learnt of the number."""
    several: bool
    """The job has other receivers, too."""


def open_attempt(connection: Connection, fax_id: str) -> Attempt | None:
    row = connection.execute(select(attempt).where(attempt.c.fax == fax_id, attempt.c.ended.is_(None)))
    found = row.mappings().first()
    return None if found is None else jobs.attempt_of(found)


def close(connection: Connection, which: Attempt, outcome: str, result: Json | None, now: float) -> None:
    connection.execute(
        update(attempt)
        .where(attempt.c.id == which.id)
        .values(state=AttemptState.RELEASED.value, ended=now, outcome=outcome, result=result)
    )


def advance(connection: Connection, begun: Begun, state: AttemptState, **more: str) -> None:
    # The check is part of the update: after a check of its own another host could take the attempt over.
    changed = connection.execute(update(attempt).where(_is_ours(begun)).values(state=state.value, **more))
    if not changed.rowcount:
        raise SupersededError(begun.attempt)


def ours(connection: Connection, begun: Begun) -> Attempt | None:
    """The attempt as it is stored; None if it is over, or that of another host by now."""
    row = connection.execute(select(attempt).where(_is_ours(begun))).mappings().first()
    return None if row is None else jobs.attempt_of(row)


def _is_ours(begun: Begun) -> ColumnElement[bool]:
    return and_(attempt.c.id == begun.attempt, attempt.c.host == begun.host, attempt.c.ended.is_(None))


def confirm(connection: Connection, begun: Begun, numbers: list[int], now: float) -> int:
    """Store pages as confirmed; return how many of them are new."""
    new = set(numbers) - jobs.confirmed_pages(connection, begun.fax.id)
    for number in sorted(new):
        connection.execute(
            insert(page).values(fax=begun.fax.id, page=number, attempt=begun.attempt, confirmed=now)
        )
    if new:
        # Counted anew rather than added to: pages of an adopted attempt may come from two hosts.
        count = select(func.count()).where(page.c.fax == begun.fax.id).scalar_subquery()
        connection.execute(update(fax).where(fax.c.id == begun.fax.id).values(confirmed=count))
    return len(new)


def first_unconfirmed(connection: Connection, fax_id: str) -> int:
    confirmed = jobs.confirmed_pages(connection, fax_id)
    # Of n pages that are confirmed, one of the numbers 1 to n + 1 is missing.
    return next(number for number in range(1, len(confirmed) + 2) if number not in confirmed)


def history(connection: Connection, fax_id: str, but: str) -> list[Past]:
    """The earlier attempts whose end is known, since a person asked for the fax again."""
    rows = connection.execute(
        select(attempt.c.id, attempt.c.started, attempt.c.outcome)
        .join(fax, fax.c.id == attempt.c.fax)
        .where(
            attempt.c.fax == fax_id,
            attempt.c.id != but,
            attempt.c.number >= fax.c.history_from,
            # An attempt whose host died says nothing of the number.
            attempt.c.outcome.in_([each.name for each in Outcome]),
        )
        .order_by(attempt.c.number)
    )
    pages = pages_by_attempt(connection, fax_id)
    return [Past(started, Outcome[outcome], pages.get(id, 0)) for id, started, outcome in rows]


def pages_by_attempt(connection: Connection, fax_id: str) -> dict[str, int]:
    rows = connection.execute(
        select(page.c.attempt, func.count()).where(page.c.fax == fax_id).group_by(page.c.attempt)
    )
    return {str(id): int(count) for id, count in rows}


def wait(connection: Connection, fax_id: str, at: float, reason: str, now: float, *, avoid: str = "") -> None:
    connection.execute(
        update(fax)
        .where(fax.c.id == fax_id)
        .values(state=FaxState.QUEUED.value, workflow=None, next_attempt=at, reason=reason, avoid=avoid)
    )
    body: Json = {"state": FaxState.QUEUED.value, "reason": reason, "next_attempt": at}
    events.append(connection, "fax.queued", fax_id, body, now)

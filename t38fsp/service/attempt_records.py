"""What is stored of an attempt, each as one transaction: beginning, progress, and what follows."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, func, insert, select, update

from t38fsp.outcome import Outcome
from t38fsp.received.facts import of_result
from t38fsp.results import FaxResult
from t38fsp.service import attempt_rows as rows
from t38fsp.service import chain, events, jobs, remembered
from t38fsp.service.attempt_rows import Begun
from t38fsp.service.call_rules import Rules
from t38fsp.service.interrupted import interrupted
from t38fsp.service.policy.memory import start
from t38fsp.service.policy.retry import Fail, NoFurtherCall, Retry, RetryLimits, decide
from t38fsp.service.tables import attempt, fax
from t38fsp.service.values import Attempt, AttemptState, Fax, FaxState, Job, Json


def begin(
    connection: Connection,
    fax_id: str,
    workflow: str,
    host: str,
    rules: Rules,
    is_ours: Callable[[Connection, str], bool],
    now: float,
) -> Begun | None:
    """Open an attempt of a released fax, or find the one that a crash left open.

    ``is_ours`` tells whether the workflow is one of this host: it may have been adopted since it was started.
    None if there is nothing to call: the workflow is over already, the fax was cancelled, its time is not
    now, all pages turn out to be confirmed, or a person has to decide.
    """
    row = connection.execute(select(fax).where(fax.c.id == fax_id)).mappings().first()
    # A workflow that runs again after a crash may have been replaced since, or adopted.
    if row is None or row["workflow"] != workflow or not is_ours(connection, workflow):
        return None
    given, job = jobs.fax_of(row), jobs.read(connection, row["job"])
    left = rows.open_attempt(connection, fax_id)
    # The state was stored before the act: from DIALLING on the far end may know of the call.
    if left is not None and left.state is not AttemptState.STARTED:
        if interrupted(connection, given, job, left, rules, now):
            return None
        given, left = jobs.read_fax(connection, fax_id), None
    if row["cancelling"]:
        if left is not None:
            rows.close(connection, left, Outcome.CANCELLED.name, None, now)
        chain.end(connection, fax_id, FaxState.CANCELLED, "it was cancelled", now)
        return None
    if _not_now(connection, given, job, rules, now) or _is_full(connection, given, left, rules, now):
        if left is not None:
            rows.close(connection, left, Outcome.CANCELLED.name, None, now)
        return None
    # An attempt in which nothing was dialled goes on with its number, and is not counted twice.
    number = given.attempts + 1 if left is None else left.number
    id = f"{fax_id}.{number}"
    first = rows.first_unconfirmed(connection, fax_id)
    values = {"host": host, "route": given.route, "started": now, "first_page": first}
    if left is None:
        connection.execute(
            insert(attempt).values(
                id=id, fax=fax_id, number=number, state=AttemptState.STARTED.value, **values
            )
        )
    else:
        # From now on it is this host's: another one that still runs it is stopped by its next
        # ``_advance``.
        connection.execute(update(attempt).where(attempt.c.id == id).values(**values))
    connection.execute(
        update(fax)
        .where(fax.c.id == fax_id)
        .values(state=FaxState.SENDING.value, attempts=number, next_attempt=None, reason="")
    )
    asked = rules.asked(job, given.route)
    known = remembered.memory(connection, given.number)
    used = start(known, asked, given.route, now, rules.memory, modems=rules.modems)
    body: Json = {"attempt": id, "host": host, "route": given.route, "first_page": first}
    events.append(connection, "attempt.started", fax_id, body, now)
    several = connection.execute(select(func.count()).where(fax.c.job == job.id)).scalar() != 1
    return Begun(id, host, workflow, job, given, given.route, first, now, asked, used, several)


def dialling(connection: Connection, begun: Begun) -> None:
    """Raises SupersededError."""
    rows.advance(connection, begun, AttemptState.DIALLING)


def connected(connection: Connection, begun: Begun, dialog: str) -> None:
    """Raises SupersededError."""
    # PostgreSQL refuses what is longer than the column; Call-ID and tags have no limit (RFC 3261 8.1.1.4).
    rows.advance(connection, begun, AttemptState.CONNECTED, dialog=dialog[:300])


def page_confirmed(connection: Connection, begun: Begun, number: int, total: int, now: float) -> None:
    """Kept whatever has become of the attempt, as the far end has the page. ``total``: 0 if not known."""
    if total:
        connection.execute(update(fax).where(fax.c.id == begun.fax.id).values(pages=total))
    confirmed = rows.confirm(connection, begun, [number], now)
    if confirmed:
        connection.execute(
            update(attempt)
            # Not after its end: notes are stored while the call goes on, and RELEASED is the last state.
            .where(attempt.c.id == begun.attempt, attempt.c.ended.is_(None))
            .values(state=AttemptState.PAGES.value)
        )
        body: Json = {"attempt": begun.attempt, "page": number}
        events.append(connection, "page.confirmed", begun.fax.id, body, now)


def conclude(
    connection: Connection,
    begun: Begun,
    result: FaxResult,
    rules: Rules,
    chance: float,
    now: float,
    *,
    left: bool = False,
) -> None:
    """Store the result, and what becomes of the fax; nothing if another host has taken the attempt over.

    ``left``: the call was ended because its host is to stop, so that the fax continues at once.
    """
    numbers = [each.number for each in result.pages if each.confirmed]
    # Before the check below: the far end has these pages, whichever host goes on with the fax.
    rows.confirm(connection, begun, numbers, now)
    ended = rows.ours(connection, begun)
    if ended is None:
        return
    history = rows.history(connection, begun.fax.id, begun.attempt)
    outcome = result.outcome.name
    current = connection.execute(
        select(fax.c.pages, fax.c.cancelling, fax.c.routes).where(fax.c.id == begun.fax.id)
    ).one()
    rows.close(connection, ended, outcome, dict(of_result(result)), now)
    other_settings = remembered.keep(connection, begun, result, rules, now)
    # Only of a call that was completed: another one has not seen the last page.
    total = max((each.number for each in result.pages), default=0) if result.completed else 0
    connection.execute(
        update(fax)
        .where(fax.c.id == begun.fax.id)
        .values(outcome=outcome, avoid="", pages=total or current.pages)
    )
    events.append(connection, "attempt.ended", begun.fax.id, _told(begun, result), now)
    # Before the cancellation: a fax that arrived in spite of it was delivered.
    if result.completed:
        chain.end(connection, begun.fax.id, FaxState.DELIVERED, result.reason, now)
        return
    if current.cancelling:
        chain.end(connection, begun.fax.id, FaxState.CANCELLED, "it was cancelled", now)
        return
    if left and result.outcome is Outcome.CANCELLED:
        rows.wait(connection, begun.fax.id, now, "its host was stopped", now)
        return
    limits = RetryLimits(begun.job.deadline, rules.window(begun.job.window), rules.zone)
    decision = decide(
        rules.retry,
        history,
        result,
        begun.started,
        now,
        chance,
        limits,
        other_route="," in current.routes,
        other_settings=other_settings,
    )
    match decision:
        case NoFurtherCall():
            chain.end(connection, begun.fax.id, FaxState.DELIVERED, result.reason, now)
        case Retry(at=at, other_route=other):
            rows.wait(connection, begun.fax.id, at, result.reason, now, avoid=begun.route if other else "")
        case Fail(reason=reason):
            chain.end(connection, begun.fax.id, FaxState.FAILED, f"{result.reason}; {reason}", now)


def _not_now(connection: Connection, given: Fax, job: Job, rules: Rules, now: float) -> bool:
    if job.deadline is not None and now >= job.deadline:
        chain.end(connection, given.id, FaxState.FAILED, "its deadline is over", now)
        return True
    opening = rules.window(job.window).next_open(now, rules.zone)
    if opening > now:
        rows.wait(connection, given.id, opening, "it waits for its hours", now)
        return True
    return False


def _is_full(connection: Connection, given: Fax, left: Attempt | None, rules: Rules, now: float) -> bool:
    """Whether all channels of its route are in use. The durable engine counts them, too, but on SQLite two
    processes that count at the same time may both find the last one free."""
    calls = connection.execute(
        select(func.count()).where(
            attempt.c.route == given.route,
            attempt.c.ended.is_(None),
            attempt.c.id != (left.id if left else ""),
        )
    ).scalar()
    # A route that the settings of this host do not name has no limit here; the one of DBOS remains.
    if (calls or 0) < rules.channels.get(given.route, 1 << 31):
        return False
    rows.wait(connection, given.id, now, "it waits for a channel", now)
    return True


def _told(begun: Begun, result: FaxResult) -> Json:
    return {
        "attempt": begun.attempt,
        "host": begun.host,
        "route": begun.route,
        "outcome": result.outcome.name,
        "reason": result.reason,
        "seconds": result.seconds,
        "pages": sum(each.confirmed for each in result.pages if each.number >= begun.first_page),
    }

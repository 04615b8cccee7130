"""What is stored of an attempt, each as one transaction: beginning, progress, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, tzinfo
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from sip.frozen import dataclass
from t38fsp.call_settings import CallSettings
from t38fsp.outcome import Outcome
from t38fsp.received.facts import of_result
from t38fsp.results import FaxResult
from t38fsp.service import chain, events, jobs
from t38fsp.service.errors import NotFoundError
from t38fsp.service.policy.memory import Memory, MemorySettings, learn, start
from t38fsp.service.policy.retry import Done, Fail, Limits, Past, Retry, RetryPolicy, decide
from t38fsp.service.policy.routing import FailOver
from t38fsp.service.policy.windows import ALWAYS, Window
from t38fsp.service.submission import call_settings, options_of
from t38fsp.service.tables import attempt, fax, number_memory, page
from t38fsp.service.values import AfterCrash, Attempt, AttemptState, Fax, FaxState, Job, Json

_NO_RESULT = "INTERRUPTED"
"""Stands for the outcome of an attempt whose host died."""
_MOST_INTERRUPTED = 8
"""Attempts of one fax in which its host died before a page was confirmed: it may be what the hosts die of."""


class SupersededError(Exception):
    """Another host has taken over the attempt: this one may not go on with it."""


def asked_for(job: Job, route: str) -> CallSettings:
    """What a job asks for, where routes have no settings."""
    return call_settings(CallSettings(), options_of(job.options or {}).call)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of attempts."""

    retry: RetryPolicy = RetryPolicy()
    after_crash: AfterCrash = AfterCrash.RESUME
    zone: tzinfo = UTC
    window: Callable[[str], Window] = lambda text: Window.parse(text) if text else ALWAYS
    """The window of ``Job.window``."""
    asked: Callable[[Job, str], CallSettings] = asked_for
    """The settings of a call for a job by a route, before what was learnt of the number."""
    channels: Mapping[str, int] = field(default_factory=dict)
    """Calls that each route takes, on all hosts together."""
    memory: MemorySettings = MemorySettings()
    modems: bool = False
    """This host can send in audio."""
    failover: FailOver = FailOver()


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
    left = _open_attempt(connection, fax_id)
    # The state was stored before the act: from DIALLING on the far end may know of the call.
    if left is not None and left.state is not AttemptState.STARTED:
        if _interrupted(connection, given, job, left, rules, now):
            return None
        given, left = jobs.read_fax(connection, fax_id), None
    if row["cancelling"]:
        if left is not None:
            _close(connection, left, Outcome.CANCELLED.name, None, now)
        chain.end(connection, fax_id, FaxState.CANCELLED, "it was cancelled", now)
        return None
    if _not_now(connection, given, job, rules, now) or _is_full(connection, given, left, rules, now):
        if left is not None:
            _close(connection, left, Outcome.CANCELLED.name, None, now)
        return None
    # An attempt in which nothing was dialled goes on with its number, and is not counted twice.
    number = given.attempts + 1 if left is None else left.number
    id = f"{fax_id}.{number}"
    first = _first_unconfirmed(connection, fax_id)
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
    used = start(
        _memory(connection, given.number), asked, given.route, now, rules.memory, modems=rules.modems
    )
    body: Json = {"attempt": id, "host": host, "route": given.route, "first_page": first}
    events.append(connection, "attempt.started", fax_id, body, now)
    several = connection.execute(select(func.count()).where(fax.c.job == job.id)).scalar() != 1
    return Begun(id, host, workflow, job, given, given.route, first, now, asked, used, several)


def dialling(connection: Connection, begun: Begun, now: float) -> None:
    """Raises SupersededError."""
    _advance(connection, begun, AttemptState.DIALLING)


def connected(connection: Connection, begun: Begun, dialog: str, now: float) -> None:
    """Raises SupersededError."""
    _advance(connection, begun, AttemptState.CONNECTED, dialog=dialog[:300])


def page_count(connection: Connection, begun: Begun, total: int) -> None:
    connection.execute(update(fax).where(fax.c.id == begun.fax.id).values(pages=total))


def page_confirmed(connection: Connection, begun: Begun, number: int, now: float) -> None:
    """Kept whatever has become of the attempt: the far end has the page."""
    confirmed = _confirm(connection, begun, [number], now)
    if confirmed:
        connection.execute(
            update(attempt)
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
    _confirm(connection, begun, numbers, now)
    if not _is_ours(connection, begun):
        return
    history = _history(connection, begun.fax.id, begun.attempt)
    outcome = result.outcome.name
    current = jobs.read_fax(connection, begun.fax.id)
    cancelling = connection.execute(select(fax.c.cancelling).where(fax.c.id == begun.fax.id)).scalar()
    _close(connection, jobs.read_attempt(connection, begun.attempt), outcome, dict(of_result(result)), now)
    other_settings = _learn(connection, begun, result, rules, now)
    total = max((each.number for each in result.pages), default=0) if result.completed else 0
    connection.execute(
        update(fax)
        .where(fax.c.id == begun.fax.id)
        .values(outcome=outcome, avoid="", pages=total or current.pages)
    )
    events.append(connection, "attempt.ended", begun.fax.id, _told(begun, result), now)
    if result.completed:
        chain.end(connection, begun.fax.id, FaxState.DELIVERED, result.reason, now)
        return
    if cancelling:
        chain.end(connection, begun.fax.id, FaxState.CANCELLED, "it was cancelled", now)
        return
    if left and result.outcome is Outcome.CANCELLED:
        _wait(connection, begun.fax.id, now, "its host was stopped", now)
        return
    limits = Limits(begun.job.deadline, rules.window(begun.job.window), rules.zone)
    others = _routes_of(connection, begun.fax.id)
    decision = decide(
        rules.retry,
        history,
        result,
        begun.started,
        now,
        chance,
        limits,
        other_route=len(others) > 1,
        other_settings=other_settings,
    )
    match decision:
        case Done():
            chain.end(connection, begun.fax.id, FaxState.DELIVERED, result.reason, now)
        case Retry(at=at, other_route=other):
            _wait(connection, begun.fax.id, at, result.reason, now, avoid=begun.route if other else "")
        case Fail(reason=reason):
            chain.end(connection, begun.fax.id, FaxState.FAILED, f"{result.reason}; {reason}", now)


def _interrupted(
    connection: Connection, given: Fax, job: Job, left: Attempt, rules: Rules, now: float
) -> bool:
    """Close an attempt whose host died in it; true if no other call follows now."""
    _close(connection, left, _NO_RESULT, None, now)
    body: Json = {
        "attempt": left.id,
        "host": left.host,
        "route": left.route,
        "outcome": _NO_RESULT,
        "reason": "the host was stopped in the call",
    }
    events.append(connection, "attempt.ended", given.id, body, now)
    confirmed = jobs.confirmed_pages(connection, given.id)
    if given.pages is not None and len(confirmed) >= given.pages:
        reason = "every page was confirmed before the host was stopped"
        chain.end(connection, given.id, FaxState.DELIVERED, reason, now)
        return True
    interrupted = select(func.count()).where(
        attempt.c.fax == given.id,
        attempt.c.outcome == _NO_RESULT,
        attempt.c.number >= select(fax.c.history_from).where(fax.c.id == given.id).scalar_subquery(),
        ~exists().where(page.c.attempt == attempt.c.id),
    )
    if (connection.execute(interrupted).scalar() or 0) >= _MOST_INTERRUPTED:
        _hold(connection, given.id, f"its host was stopped in {_MOST_INTERRUPTED} of its calls", now)
        return True
    # The call was not up, so no page can have been sent.
    if left.state is AttemptState.DIALLING:
        return False
    first = _first_unconfirmed(connection, given.id)
    connection.execute(update(fax).where(fax.c.id == given.id).values(possibly_duplicated=first))
    after = options_of(job.options or {}).after_crash or rules.after_crash
    if after is AfterCrash.RESUME:
        return False
    _hold(connection, given.id, f"page {first} may have arrived before the host was stopped", now)
    return True


def _hold(connection: Connection, fax_id: str, reason: str, now: float) -> None:
    values = {"state": FaxState.HELD.value, "reason": reason}
    connection.execute(update(fax).where(fax.c.id == fax_id).values(workflow=None, **values))
    events.append(connection, "fax.held", fax_id, {**values}, now)


def _not_now(connection: Connection, given: Fax, job: Job, rules: Rules, now: float) -> bool:
    if job.deadline is not None and now >= job.deadline:
        chain.end(connection, given.id, FaxState.FAILED, "its deadline is over", now)
        return True
    opening = rules.window(job.window).next_open(now, rules.zone)
    if opening > now:
        _wait(connection, given.id, opening, "it waits for its hours", now)
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
    if (calls or 0) < rules.channels.get(given.route, 1 << 31):
        return False
    _wait(connection, given.id, now, "it waits for a channel", now)
    return True


def _wait(
    connection: Connection, fax_id: str, at: float, reason: str, now: float, *, avoid: str = ""
) -> None:
    connection.execute(
        update(fax)
        .where(fax.c.id == fax_id)
        .values(state=FaxState.QUEUED.value, workflow=None, next_attempt=at, reason=reason, avoid=avoid)
    )
    body: Json = {"state": FaxState.QUEUED.value, "reason": reason, "next_attempt": at}
    events.append(connection, "fax.queued", fax_id, body, now)


def _memory(connection: Connection, number: str) -> Memory:
    facts = connection.execute(select(number_memory.c.facts).where(number_memory.c.number == number)).scalar()
    return Memory.from_json(facts)


def _learn(connection: Connection, begun: Begun, result: FaxResult, rules: Rules, now: float) -> bool:
    """Keep what the call has shown of its number; true if the next call would have other settings."""
    number, limits = begun.fax.number, rules.memory
    before = _memory(connection, number)
    learnt = learn(before, begun.asked, begun.used, begun.route, result, now, limits)
    if learnt != before:
        # Deleted and inserted: the two databases have no form of an upsert in common.
        connection.execute(delete(number_memory).where(number_memory.c.number == number))
        if learnt.expires > now:
            values = {"facts": learnt.to_json(), "updated": now, "expires": learnt.expires}
            connection.execute(insert(number_memory).values(number=number, **values))
    return start(learnt, begun.asked, begun.route, now, limits, modems=rules.modems) != begun.used


def _open_attempt(connection: Connection, fax_id: str) -> Attempt | None:
    row = connection.execute(select(attempt).where(attempt.c.fax == fax_id, attempt.c.ended.is_(None)))
    found = row.mappings().first()
    return None if found is None else jobs.attempt_of(found)


def _close(connection: Connection, which: Attempt, outcome: str, result: Json | None, now: float) -> None:
    connection.execute(
        update(attempt)
        .where(attempt.c.id == which.id)
        .values(state=AttemptState.RELEASED.value, ended=now, outcome=outcome, result=result)
    )


def _advance(connection: Connection, begun: Begun, state: AttemptState, **more: str) -> None:
    changed = connection.execute(
        update(attempt)
        .where(attempt.c.id == begun.attempt, attempt.c.host == begun.host, attempt.c.ended.is_(None))
        .values(state=state.value, **more)
    )
    if not changed.rowcount:
        raise SupersededError(begun.attempt)


def _is_ours(connection: Connection, begun: Begun) -> bool:
    try:
        current = jobs.read_attempt(connection, begun.attempt)
    except NotFoundError:
        return False
    return current.ended is None and current.host == begun.host


def _confirm(connection: Connection, begun: Begun, numbers: list[int], now: float) -> int:
    """Store pages as confirmed; return how many of them are new."""
    new = set(numbers) - jobs.confirmed_pages(connection, begun.fax.id)
    for number in sorted(new):
        connection.execute(
            insert(page).values(fax=begun.fax.id, page=number, attempt=begun.attempt, confirmed=now)
        )
    if new:
        count = select(func.count()).where(page.c.fax == begun.fax.id).scalar_subquery()
        connection.execute(update(fax).where(fax.c.id == begun.fax.id).values(confirmed=count))
    return len(new)


def _first_unconfirmed(connection: Connection, fax_id: str) -> int:
    confirmed = jobs.confirmed_pages(connection, fax_id)
    return next(number for number in range(1, len(confirmed) + 2) if number not in confirmed)


def _history(connection: Connection, fax_id: str, but: str) -> list[Past]:
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
    pages = _pages_by_attempt(connection, fax_id)
    return [Past(started, Outcome[outcome], pages.get(id, 0)) for id, started, outcome in rows]


def _pages_by_attempt(connection: Connection, fax_id: str) -> dict[str, int]:
    rows = connection.execute(
        select(page.c.attempt, func.count()).where(page.c.fax == fax_id).group_by(page.c.attempt)
    )
    return {str(id): int(count) for id, count in rows}


def _routes_of(connection: Connection, fax_id: str) -> list[str]:
    routes: Any = connection.execute(select(fax.c.routes).where(fax.c.id == fax_id)).scalar()
    return str(routes).split(",")


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

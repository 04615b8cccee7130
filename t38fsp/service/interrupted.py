"""What becomes of a fax whose host died in its call."""

from __future__ import annotations

from sqlalchemy import Connection, exists, func, select, update

from t38fsp.service import attempt_rows as rows
from t38fsp.service import chain, events, jobs
from t38fsp.service.call_rules import Rules
from t38fsp.service.submission import options_of
from t38fsp.service.tables import attempt, fax, page
from t38fsp.service.values import AfterCrash, Attempt, AttemptState, Fax, FaxState, Job, Json

NO_RESULT = "INTERRUPTED"
"""Stands for the outcome of an attempt whose host died."""
_MOST_INTERRUPTED = 8
"""Attempts of one fax in which its host died before a page was confirmed: it may be what the hosts die of."""


def interrupted(
    connection: Connection, given: Fax, job: Job, left: Attempt, rules: Rules, now: float
) -> bool:
    """Close an attempt whose host died in it; true if no other call follows now."""
    rows.close(connection, left, NO_RESULT, None, now)
    body: Json = {
        "attempt": left.id,
        "host": left.host,
        "route": left.route,
        "outcome": NO_RESULT,
        "reason": "the host was stopped in the call",
    }
    events.append(connection, "attempt.ended", given.id, body, now)
    confirmed = jobs.confirmed_pages(connection, given.id)
    if given.pages is not None and len(confirmed) >= given.pages:
        reason = "every page was confirmed before the host was stopped"
        chain.end(connection, given.id, FaxState.DELIVERED, reason, now)
        return True
    without_page = select(func.count()).where(
        attempt.c.fax == given.id,
        attempt.c.outcome == NO_RESULT,
        attempt.c.number >= select(fax.c.history_from).where(fax.c.id == given.id).scalar_subquery(),
        ~exists().where(page.c.attempt == attempt.c.id),
    )
    if (connection.execute(without_page).scalar() or 0) >= _MOST_INTERRUPTED:
        # Held, not failed: whether the fax is the cause is for a person to see, who can send it again.
        _hold(connection, given.id, f"its host was stopped in {_MOST_INTERRUPTED} of its calls", now)
        return True
    # The call was not up, so no page can have been sent.
    if left.state is AttemptState.DIALLING:
        return False
    # One page at most: the next is sent only after the confirmation of the one before.
    first = rows.first_unconfirmed(connection, given.id)
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

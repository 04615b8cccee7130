"""Which events become deliveries: those that a target of the settings listens to, and those of a job with a
webhook of its own.

The table of events is read by number from a cursor. Events, the deliveries that they become, and the cursor
change in one transaction, so that no event is left out or taken twice, on however many hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from sqlalchemy import Connection, select, update

from t38fsp.service import events, outbox
from t38fsp.service.outbox import NewDelivery
from t38fsp.service.tables import job, meta
from t38fsp.service.targets import Target, TargetKind
from t38fsp.service.values import Event

JOB_EVENTS = ("fax.delivered", "fax.failed", "fax.cancelled", "fax.held")
"""What the webhook of a job is told."""

_CURSOR = "webhook_cursor"
_AT_A_TIME = 200
_ABOUT_DELIVERIES = ("delivery.", "target.")


def forward(connection: Connection, targets: Mapping[str, Target], now: float) -> int:
    """Make deliveries of the next events. Returns how many events were read; call it again while it is not
    0."""
    found = events.since(connection, _locked_cursor(connection), _AT_A_TIME)
    if not found:
        return 0
    listening = [target for target in targets.values() if target.kind is TargetKind.WEBHOOK and target.events]
    webhooks = _webhooks(connection, found)
    outbox.add(connection, [each for event in found for each in _of(event, listening, webhooks)], now)
    connection.execute(update(meta).where(meta.c.key == _CURSOR).values(value=str(found[-1].number)))
    return len(found)


def is_behind(connection: Connection) -> bool:
    """Whether there are events that were not read; reads only."""
    return events.last(connection) > _cursor(connection)


def _of(
    event: Event, listening: Iterable[Target], webhooks: Mapping[str, tuple[str, str]]
) -> list[NewDelivery]:
    if event.kind.startswith(_ABOUT_DELIVERIES) and event.body.get("event") is not None:
        # That an event could not be delivered is not delivered either: there would be no end.
        return []
    ways: list[tuple[str, dict[str, object]]] = [
        (target.name, {})
        for target in listening
        if any(fnmatchcase(event.kind, pattern) for pattern in target.events)
    ]
    own = webhooks.get(job_of(event.subject)) if event.kind in JOB_EVENTS else None
    if own is not None:
        url, key = own
        ways.append((url, {"key": key}))
    return [
        NewDelivery(
            f"e{event.number}-{number}",
            event.subject,
            TargetKind.WEBHOOK.value,
            target,
            event.number,
            arguments,
        )
        for number, (target, arguments) in enumerate(ways, start=1)
    ]


def job_of(fax: str) -> str:
    """The id of the job of a fax."""
    return fax.rpartition("-")[0] or fax


def _webhooks(connection: Connection, found: Sequence[Event]) -> dict[str, tuple[str, str]]:
    """URL and id of the API key of those jobs that have a webhook."""
    jobs = {job_of(event.subject) for event in found if event.kind in JOB_EVENTS}
    if not jobs:
        return {}
    rows = connection.execute(select(job.c.id, job.c.key, job.c.options).where(job.c.id.in_(jobs)))
    return {
        row.id: (url, row.key)
        for row in rows
        if isinstance(row.options, dict) and isinstance(url := row.options.get("webhook"), str) and url
    }


def _cursor(connection: Connection) -> int:
    return int(connection.execute(select(meta.c.value).where(meta.c.key == _CURSOR)).scalar() or 0)


def _locked_cursor(connection: Connection) -> int:
    """Other hosts wait here until the end of the transaction."""
    query = select(meta.c.value).where(meta.c.key == _CURSOR).with_for_update()
    value = connection.execute(query).scalar()
    if value is None:
        # If two hosts do so at the same time, one fails by the primary key, and comes again.
        connection.execute(meta.insert().values(key=_CURSOR, value="0"))
    return int(value or 0)

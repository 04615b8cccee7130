"""From a claimed delivery to the order for its way, and from its outcome back into the database."""

from __future__ import annotations

from ipaddress import ip_network
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from t38fsp.service import events, outbox, received_faxes
from t38fsp.service.deliveries import job_webhooks
from t38fsp.service.deliveries.subscriptions import job_of
from t38fsp.service.deliveries.way import NotDeliveredError, Notice, Order
from t38fsp.service.delivery_settings import DeliverySettings
from t38fsp.service.errors import NotFoundError
from t38fsp.service.guard import AddressGuard
from t38fsp.service.outbox import Claimed
from t38fsp.service.tables import fax, job
from t38fsp.service.targets import Target
from t38fsp.service.values import Json

_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_NOWHERE = AddressGuard()


def read(connection: Connection, claimed: Claimed, settings: DeliverySettings) -> Order:
    """Raises NotDeliveredError."""
    target, guard = _target(claimed, settings)
    if claimed.event is not None:
        return Order(claimed.id, target, claimed.arguments, _event(connection, claimed.event), None, guard)
    try:
        received = received_faxes.read(connection, claimed.subject)
    except NotFoundError:
        raise NotDeliveredError("the received fax was deleted", final=True) from None
    # Its first event is that it was stored.
    notice = Notice("received.stored", received.at, received.id, 1, received_faxes.shown(received))
    return Order(claimed.id, target, claimed.arguments, notice, received, guard)


def arrived(connection: Connection, claimed: Claimed, now: float) -> None:
    """Store that it was delivered."""
    outbox.delivered(connection, claimed.id, now)
    if claimed.event is None:
        events.append(connection, "delivery.delivered", claimed.subject, _told(claimed), now)


def gave_up(
    connection: Connection, claimed: Claimed, host: str, error: NotDeliveredError, now: float
) -> None:
    """Store that it is not tried any more; with ``gone``, for all that waits for that target."""
    # Another host has claimed it meanwhile, and decides.
    if not outbox.failed(connection, claimed.id, host, str(error), now):
        return
    told = _told(claimed) | {"error": str(error)[:500]}
    if error.gone:
        others = outbox.disable(connection, claimed.target, str(error), now)
        events.append(connection, "target.disabled", claimed.subject, told | {"others": len(others)}, now)
    events.append(connection, "delivery.failed", claimed.subject, told, now)


def _told(claimed: Claimed) -> Json:
    return {
        "delivery": claimed.id,
        "kind": claimed.kind,
        "target": claimed.target,
        "attempts": claimed.attempt,
        "event": claimed.event,
    }


def _target(claimed: Claimed, settings: DeliverySettings) -> tuple[Target, AddressGuard]:
    target = settings.targets.get(claimed.target)
    if target is not None:
        if not target.webhook:
            return target, _NOWHERE
        # The settings name the host; at which address it is counts all the same.
        host = (urlsplit(target.webhook).hostname or "").rstrip(".")
        return target, AddressGuard((host,), _ANYWHERE if target.private else (), target.private)
    if "://" not in claimed.target:
        raise NotDeliveredError(
            f"there is no target {claimed.target!r} in the settings of this host; add it, or ask for the "
            "delivery again when there is"
        )
    key = str(claimed.arguments.get("key", ""))
    target = job_webhooks.target_of(claimed.target, key, settings.retries)
    if target is None:
        raise NotDeliveredError("jobs have no webhooks any more; set webhook_secrets, and ask for it again")
    return target, job_webhooks.guard_of(settings.retries)


def _event(connection: Connection, number: int) -> Notice:
    found = events.since(connection, number - 1, 1)
    if not found or found[0].number != number:
        raise NotDeliveredError("the event was removed", final=True)
    (event,) = found
    data = {**_fax(connection, event.subject), **event.body}
    return Notice(event.kind, event.at, event.subject, event.sequence, data)


def _fax(connection: Connection, subject: str) -> Json:
    """What identifies the fax that an event is about; empty if it is about something else."""
    row = connection.execute(
        select(fax.c.number, fax.c.pages, fax.c.confirmed, fax.c.attempts, fax.c.outcome, job.c.reference)
        .join_from(fax, job, fax.c.job == job.c.id)
        .where(fax.c.id == subject)
    ).first()
    if row is None:
        return {}
    return {"fax": subject, "job": job_of(subject), **row._mapping}

"""Received faxes as rows of the database; functions take the connection of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, or_, select, tuple_, update

from sip.frozen import dataclass
from t38fsp.service import documents, events, outbox
from t38fsp.service.errors import NotFoundError
from t38fsp.service.outbox import NewDelivery
from t38fsp.service.tables import delivery, document, received
from t38fsp.service.values import DeliveryState, Document, Json, ReceivedFax

_MOST_EXPIRED = 200
"""In one transaction."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A fax to be stored; ``content`` is a TIFF Class F file, None if no page arrived."""

    id: str
    at: float
    host: str
    content: bytes | None
    route: str
    caller: str
    called: str
    station_id: str
    sub_address: str
    pages: int
    partial: bool
    result: Json
    rule: str
    expires: float | None
    """When it may be removed, if it was delivered; None for never."""


@dataclass(frozen=True, slots=True)
class ReceivedFilter:
    """What a list has; what is empty does not matter. Text is compared whole."""

    caller: str = ""
    called: str = ""
    station_id: str = ""
    route: str = ""
    rule: str = ""
    since: float | None = None
    until: float | None = None
    undelivered: bool = False
    """Only those of which a delivery has failed."""


def store(connection: Connection, fax: Arrived, deliveries: Sequence[NewDelivery], now: float) -> bool:
    """Store a fax with its deliveries and its event. False if it was stored before."""
    # A process that died after this transaction has left it in the spool.
    if connection.execute(select(received.c.id).where(received.c.id == fax.id)).first() is not None:
        return False
    kept = None if fax.content is None else documents.store(connection, fax.content, now)
    connection.execute(
        received.insert().values(
            id=fax.id,
            at=fax.at,
            host=fax.host,
            route=fax.route,
            caller=fax.caller,
            called=fax.called,
            station_id=fax.station_id,
            sub_address=fax.sub_address,
            pages=fax.pages,
            partial=fax.partial,
            document=kept,
            result=fax.result,
            rule=fax.rule,
            expires=fax.expires,
        )
    )
    outbox.add(connection, deliveries, now)
    stored = read(connection, fax.id)
    events.append(
        connection, "received.failed" if kept is None else "received.stored", fax.id, shown(stored), now
    )
    return True


def shown(fax: ReceivedFax) -> Json:
    """What events and webhooks tell of it; the call is in ``result``."""
    return {
        "id": fax.id,
        "at": datetime.fromtimestamp(fax.at, UTC).isoformat(timespec="milliseconds"),
        "route": fax.route,
        "caller": fax.caller,
        "called": fax.called,
        "station_id": fax.station_id,
        "sub_address": fax.sub_address,
        "pages": fax.pages,
        "partial": fax.partial,
        "rule": fax.rule,
        "reason": str(fax.result.get("reason", "")),
        "status": str(fax.result.get("status", "")),
    }


def read(connection: Connection, id: str) -> ReceivedFax:
    """Raises NotFoundError."""
    row = connection.execute(_with_document().where(received.c.id == id)).first()
    if row is None:
        raise NotFoundError("received fax", id)
    return _fax(row)


def listing(
    connection: Connection,
    wanted: ReceivedFilter,
    most: int,
    before: tuple[float, str] | None = None,
) -> list[ReceivedFax]:
    """The latest first; ``before`` is (``at``, ``id``) of the last one of the page before."""
    query = _with_document().order_by(received.c.at.desc(), received.c.id.desc()).limit(most)
    for name in ("caller", "called", "station_id", "route", "rule"):
        if value := getattr(wanted, name):
            query = query.where(received.c[name] == value)
    if wanted.since is not None:
        query = query.where(received.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(received.c.at < wanted.until)
    if wanted.undelivered:
        query = query.where(_has_delivery(DeliveryState.FAILED))
    if before is not None:
        query = query.where(tuple_(received.c.at, received.c.id) < before)
    return [_fax(row) for row in connection.execute(query)]


def remove(connection: Connection, id: str, now: float) -> None:
    """Remove a fax with its pages and deliveries. Raises NotFoundError."""
    row = connection.execute(select(received.c.document).where(received.c.id == id)).first()
    if row is None:
        raise NotFoundError("received fax", id)
    connection.execute(delete(delivery).where(delivery.c.subject == id))
    connection.execute(delete(received).where(received.c.id == id))
    if row.document is not None:
        documents.drop_unreferenced(connection, row.document)
    events.append(connection, "received.deleted", id, {"id": id}, now)


def expire(connection: Connection, now: float, keep_failed: float, keep_records: float) -> int:
    """Remove the pages of faxes whose time is over, and rows that are older than ``keep_records`` seconds.

    A fax that waits for a delivery stays; one of which a delivery failed stays for ``keep_failed`` seconds.
    Returns how many were removed at most so many at a time: call it again while it is not 0.
    """
    old = (
        select(received.c.id, received.c.document)
        .where(
            received.c.document.is_not(None),
            received.c.expires <= now,
            ~_has_delivery(DeliveryState.WAITING),
            or_(~_has_delivery(DeliveryState.FAILED), received.c.at <= now - keep_failed),
        )
        .limit(_MOST_EXPIRED)
    )
    # Pages and record go at different times, so a fax may be in both parts of this function.
    rows = connection.execute(old).all()
    if rows:
        ids = [row.id for row in rows]
        # First, or these rows themselves would keep their documents in use.
        connection.execute(update(received).where(received.c.id.in_(ids)).values(document=None))
        documents.drop_unreferenced(connection, *{row.document for row in rows})
    gone = list(
        connection.scalars(
            select(received.c.id)
            .where(received.c.document.is_(None), received.c.at <= now - keep_records)
            .limit(_MOST_EXPIRED)
        )
    )
    if gone:
        connection.execute(delete(delivery).where(delivery.c.subject.in_(gone)))
        connection.execute(delete(received).where(received.c.id.in_(gone)))
    return len(rows) + len(gone)


def _has_delivery(state: DeliveryState) -> Any:
    return exists().where(and_(delivery.c.subject == received.c.id, delivery.c.state == state.value))


def _with_document() -> Any:
    # An outer join: a fax without a page, and one whose pages have expired, has no document.
    return select(received, document.c.sha256, document.c.octets).join_from(
        received, document, received.c.document == document.c.id, isouter=True
    )


def _fax(row: Row[Any]) -> ReceivedFax:
    kept = None
    if row.document is not None:
        kept = Document(row.document, f"{row.id}.tif", row.sha256, row.octets)
    return ReceivedFax(
        row.id,
        row.at,
        row.host,
        row.route,
        row.caller,
        row.called,
        row.station_id,
        row.sub_address,
        row.pages,
        row.partial,
        kept,
        row.result,
        row.rule,
    )

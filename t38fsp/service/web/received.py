"""``/v1/received`` and ``/v1/deliveries``: faxes that came in, and what became of them."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from t38fsp.received.facts import information
from t38fsp.service import documents, outbox, received_faxes
from t38fsp.service.errors import NotFoundError, StateError
from t38fsp.service.received_faxes import ReceivedFilter
from t38fsp.service.values import Delivery, DeliveryState, ReceivedFax
from t38fsp.service.web.cursors import Cursor, Limit, next_cursor, read_cursor
from t38fsp.service.web.faxes import InContext
from t38fsp.service.web.identity import Admin, Overseer
from t38fsp.service.web.models import Moment, at, at_or_none, seconds_or_none
from t38fsp.service.web.page_files import FILE_RESPONSES, PageNumber
from t38fsp.service.web.pages import PDF, PNG, TIFF

# A received fax belongs to no key: it takes the scope read-all, while read-own is of no use here.
router = APIRouter(prefix="/v1", tags=["received"])

ReceivedId = Annotated[str, Path(max_length=60)]
DeliveryId = Annotated[str, Path(max_length=120)]
Text = Annotated[str, Query(max_length=300)]


class DeliveryModel(BaseModel):
    """One way of a received fax, or of an event."""

    id: str
    subject: str
    kind: str = Field(description="folder, webhook, command or mail.")
    target: str
    state: DeliveryState
    attempts: int
    next_attempt: datetime | None
    error: str
    finished: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryModel:
        return cls(
            id=delivery.id,
            subject=delivery.subject,
            kind=delivery.kind,
            target=delivery.target,
            state=delivery.state,
            attempts=delivery.attempts,
            next_attempt=at_or_none(delivery.next_attempt),
            error=delivery.error,
            finished=at_or_none(delivery.finished),
        )


class ReceivedModel(BaseModel):
    """A fax that came in."""

    id: str
    at: datetime = Field(description="When its call began.")
    ended: datetime = Field(description="When its call was over.")
    seconds: float = Field(description="From the one to the other.")
    outcome: str = Field(description="How the call ended, as with calls that send.")
    reason: str
    host: str
    route: str
    caller: str
    called: str
    station_id: str
    sub_address: str
    pages: int
    partial: bool
    kept: bool = Field(description="Its pages are still here.")
    rule: str

    @classmethod
    def values(cls, fax: ReceivedFax) -> dict[str, Any]:
        # The result is JSON that another release may have written: its types are not certain.
        took = fax.result.get("seconds")
        seconds = round(took, 3) if isinstance(took, int | float) else 0.0
        return {
            "id": fax.id,
            "at": at(fax.at),
            "ended": at(fax.at + seconds),
            "seconds": seconds,
            "outcome": str(fax.result.get("outcome", "")),
            "reason": str(fax.result.get("reason", "")),
            "host": fax.host,
            "route": fax.route,
            "caller": fax.caller,
            "called": fax.called,
            "station_id": fax.station_id,
            "sub_address": fax.sub_address,
            "pages": fax.pages,
            "partial": fax.partial,
            "kept": fax.document is not None,
            "rule": fax.rule,
        }


class ReceivedDetail(ReceivedModel):
    """A fax that came in, with its call and its deliveries."""

    result: dict[str, Any]
    deliveries: list[DeliveryModel]


class ReceivedList(BaseModel):
    """Some received faxes, the newest first."""

    items: list[ReceivedModel]
    next: str | None


class DeliveryList(BaseModel):
    """Some deliveries, the newest first."""

    items: list[DeliveryModel]
    next: str | None


@router.get("/received", operation_id="list_received")
async def list_received(
    context: InContext,
    client: Overseer,
    caller: Text = "",
    called: Text = "",
    station_id: Text = "",
    route: Text = "",
    rule: Text = "",
    since: Moment | None = None,
    until: Moment | None = None,
    undelivered: Annotated[bool, Query(description="Only those of which a delivery has failed.")] = False,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> ReceivedList:
    """Received faxes, the newest first."""
    wanted = ReceivedFilter(
        caller,
        called,
        station_id,
        route,
        rule,
        seconds_or_none(since),
        seconds_or_none(until),
        undelivered,
    )
    before = read_cursor(cursor)
    found = await context.read(lambda connection: received_faxes.listing(connection, wanted, limit, before))
    await context.saw(client, "received.listed", "")
    items = [ReceivedModel(**ReceivedModel.values(each)) for each in found]
    return ReceivedList(items=items, next=next_cursor(found, limit, lambda fax: (fax.at, fax.id)))


@router.get("/received/{id}", operation_id="get_received")
async def get_received(context: InContext, client: Overseer, id: ReceivedId) -> ReceivedDetail:
    """A received fax with its call and its deliveries."""

    def read(connection: Connection) -> ReceivedDetail:
        fax = received_faxes.read(connection, id)
        deliveries = [DeliveryModel.of(each) for each in outbox.of_subjects(connection, [id])]
        return ReceivedDetail(**ReceivedModel.values(fax), result=dict(fax.result), deliveries=deliveries)

    detail = await context.read(read)
    await context.saw(client, "received.seen", id)
    return detail


@router.delete("/received/{id}", status_code=204, operation_id="delete_received")
async def delete_received(context: InContext, client: Admin, id: ReceivedId) -> None:
    """Delete a received fax with its pages, and with deliveries that wait."""
    await context.run(lambda connection: received_faxes.remove(connection, id, time.time()))
    await context.audit(client, "received.deleted", id)


@router.get(
    "/received/{id}/pages.tiff",
    operation_id="get_received_tiff",
    response_class=Response,
    responses=FILE_RESPONSES[TIFF],
)
async def get_received_tiff(context: InContext, client: Overseer, id: ReceivedId) -> Response:
    """The pages as they were received, as TIFF Class F."""
    content, _ = await context.read(lambda connection: _content(connection, id))
    await context.saw(client, "received.pages", id)
    headers = {"Content-Disposition": f'inline; filename="{id}.tif"'}
    return Response(content, media_type=TIFF, headers=headers)


@router.get(
    "/received/{id}/pages.pdf",
    operation_id="get_received_pdf",
    response_class=Response,
    responses=FILE_RESPONSES[PDF],
)
async def get_received_pdf(context: InContext, client: Overseer, id: ReceivedId) -> Response:
    """The pages as a PDF."""
    content, fax = await context.read(lambda connection: _content(connection, id))
    await context.saw(client, "received.pages", id)
    async with context.pages.received(content) as pages:
        return await context.pages.pdf(pages, id, information(fax.result))


@router.get(
    "/received/{id}/pages/{number}.png",
    operation_id="get_received_png",
    response_class=Response,
    responses=FILE_RESPONSES[PNG],
)
async def get_received_png(
    context: InContext, client: Overseer, id: ReceivedId, number: PageNumber
) -> Response:
    """A page as a PNG, pixel for pixel."""
    content, _ = await context.read(lambda connection: _content(connection, id))
    await context.saw(client, "received.pages", id)
    async with context.pages.received(content) as pages:
        return await context.pages.png(pages, number, id)


def _content(connection: Connection, id: str) -> tuple[bytes, ReceivedFax]:
    fax = received_faxes.read(connection, id)
    if fax.document is None:
        raise NotFoundError("page of the received fax", id)
    return documents.content(connection, fax.document.id), fax


# --- deliveries ---------------------------------------------------------------------------------------------


@router.get("/deliveries", operation_id="list_deliveries")
async def list_deliveries(
    context: InContext,
    client: Overseer,
    state: DeliveryState | None = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> DeliveryList:
    """Deliveries of received faxes and of events, the newest first."""
    before = read_cursor(cursor)
    found = await context.read(lambda connection: outbox.listing(connection, limit, state, before))
    following = next_cursor(found, limit, lambda each: (each.created, each.id))
    return DeliveryList(items=[DeliveryModel.of(each) for each in found], next=following)


@router.post("/deliveries/{id}/again", operation_id="deliver_again")
async def deliver_again(context: InContext, client: Admin, id: DeliveryId) -> DeliveryModel:
    """Deliver once more, from the first attempt on."""

    def again(connection: Connection) -> Delivery:
        if outbox.read(connection, id) is None:
            raise NotFoundError("delivery", id)
        if not outbox.again(connection, id, time.time()):
            raise StateError(f"the delivery {id} waits for its next attempt already")
        found = outbox.read(connection, id)
        assert found is not None
        return found

    delivery = await context.run(again)
    # After the transaction: before it the deliveries would find nothing.
    context.deliver()
    await context.audit(client, "delivery.again", id)
    return DeliveryModel.of(delivery)

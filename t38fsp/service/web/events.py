"""``/v1/events``: what happens, as server-sent events (the WHATWG's text/event-stream)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from t38fsp.service import keys
from t38fsp.service.database import DatabaseError
from t38fsp.service.errors import NotFoundError
from t38fsp.service.values import Event
from t38fsp.service.web.context import Context
from t38fsp.service.web.faxes import InContext
from t38fsp.service.web.feed import lines, of_key
from t38fsp.service.web.identity import Client, Reader
from t38fsp.service.web.models import at
from t38fsp.service.web.problems import ProblemError, invalid_field

router = APIRouter(prefix="/v1", tags=["events"])

_FULL_RETRY = 30
# Fits into the signed 64 bits of a column.
_LARGEST = 2**62


class EventModel(BaseModel):
    """An event, as the `data` of a server-sent event has it; its `id` is the number, its `event` the kind."""

    at: datetime
    kind: str
    subject: str
    sequence: int
    body: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> EventModel:
        return cls(
            at=at(event.at),
            kind=event.kind,
            subject=event.subject,
            sequence=event.sequence,
            body=dict(event.body),
        )


@router.get(
    "/events",
    operation_id="stream_events",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
            "description": "Server-sent events, without end; each `data` is an EventModel.",
        }
    },
)
async def stream_events(
    context: InContext,
    client: Reader,
    last_event_id: Annotated[
        str | None, Header(max_length=30, description="Continue after this event.")
    ] = None,
    after: Annotated[
        int | None, Query(ge=0, le=_LARGEST, description="The same, for clients that cannot set the header.")
    ] = None,
) -> StreamingResponse:
    """What happens, from now on or after an event: all, or what is about jobs of the key."""
    if last_event_id is not None:
        if not last_event_id.isascii() or not last_event_id.isdigit() or int(last_event_id) > _LARGEST:
            raise invalid_field("Last-Event-ID", "it is not the id of an event; send the last one received")
        after = int(last_event_id)
    if context.feed.full:
        # 503, not 429: it is all clients together that are too many, not the requests of this one.
        raise ProblemError(
            503,
            "as many clients follow the events as are allowed; try again later",
            "limit",
            headers={"Retry-After": str(_FULL_RETRY)},
        )
    await context.saw(client, "events.followed", "")
    # Counted here, not in the stream: two that come together would both find the last place free.
    context.feed.clients += 1
    return _Stream(_stream(context, client, after), context)


class _Stream(StreamingResponse):
    def __init__(self, content: AsyncIterator[bytes], context: Context) -> None:
        super().__init__(content, media_type="text/event-stream")
        self._context = context

    async def __call__(self, *arguments: Any) -> None:
        try:
            await super().__call__(*arguments)
        finally:
            self._context.feed.clients -= 1


async def _stream(context: Context, client: Client, after: int | None) -> AsyncIterator[bytes]:
    # A line that begins with a colon is a comment, which clients ignore (WHATWG HTML, server-sent events).
    yield b": events of t38fsp\n\n"
    try:
        async for found in context.feed.batches(after):
            if not found and not await _still_valid(context, client):
                return
            if not client.sees_all:
                found = await of_key(context.service, found, client.id)
            parts = [lines(each, EventModel.of(each).model_dump(mode="json")) for each in found]
            yield b"".join(parts) if parts else b": alive\n\n"
            # Others get their turn, even if this client reads as fast as we write.
            await asyncio.sleep(0)
    except DatabaseError:
        # The client connects again, and continues after the last event that it has.
        return


async def _still_valid(context: Context, client: Client) -> bool:
    if client.key is None:
        return True
    id = client.key.id
    try:
        return (await context.read(lambda connection: keys.read(connection, id))).revoked is None
    except NotFoundError:
        return False

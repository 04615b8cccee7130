"""Routes, hosts, numbers, the block list, keys, the audit log, and the journal of calls."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from t38fsp.service import audit, blocked, keys, overview, remembered
from t38fsp.service.blocked import BlockedCaller
from t38fsp.service.deliveries import job_webhooks
from t38fsp.service.remembered import Remembered
from t38fsp.service.values import ApiKey, Scope
from t38fsp.service.web.cursors import Cursor, Limit, next_cursor, read_cursor, read_number
from t38fsp.service.web.faxes import InContext
from t38fsp.service.web.identity import Admin, Anyone, Overseer
from t38fsp.service.web.models import AttemptModel, Moment, at, at_or_none, seconds_or_none

router = APIRouter(prefix="/v1")

Number = Annotated[str, Path(max_length=300)]
# The bounds are those of keys: the command line makes keys without this API.
_PerMinute = Annotated[int, Field(ge=1, le=keys.MOST_PER_MINUTE)]
_PerDay = Annotated[int, Field(ge=1, le=keys.MOST_PER_DAY)]
Prefixes = Annotated[list[Annotated[str, Field(max_length=21)]], Field(max_length=100)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- routes and hosts ---------------------------------------------------------------------------------------


class RouteModel(BaseModel):
    """A route as it is now, over all hosts."""

    name: str
    channels: int = Field(description="For sending.")
    busy: int
    waiting: int = Field(description="Faxes that may go by it now.")
    healthy: bool


class HostModel(BaseModel):
    """A host of the service."""

    id: str
    state: str = Field(description="running, draining, stopped or gone.")
    started: datetime
    seen: datetime
    version: str
    facts: dict[str, Any]


class RouteList(BaseModel):
    items: list[RouteModel]


class HostList(BaseModel):
    items: list[HostModel]


@router.get("/routes", operation_id="list_routes", tags=["operation"])
async def list_routes(context: InContext, client: Anyone) -> RouteList:
    """The routes, with their channels; those that the key may use."""
    allowed = () if client.key is None else client.key.routes
    return RouteList(
        items=[
            RouteModel(
                name=each.name,
                channels=each.channels,
                busy=each.busy,
                waiting=each.waiting,
                healthy=each.healthy,
            )
            for each in await context.service.routes()
            if not allowed or each.name in allowed
        ]
    )


@router.get("/hosts", operation_id="list_hosts", tags=["operation"])
async def list_hosts(context: InContext, client: Overseer) -> HostList:
    """The hosts that share the database."""
    return HostList(
        items=[
            HostModel(
                id=each.id,
                state=each.state,
                started=at(each.started),
                seen=at(each.seen),
                version=each.version,
                facts=dict(each.facts),
            )
            for each in await context.service.hosts()
        ]
    )


# --- numbers and the block list -----------------------------------------------------------------------------


class NumberModel(BaseModel):
    """A number, and what it took last time."""

    number: str
    facts: dict[str, Any]
    updated: datetime
    expires: datetime

    @classmethod
    def of(cls, known: Remembered) -> NumberModel:
        return cls(
            number=known.number,
            facts=dict(known.facts),
            updated=at(known.updated),
            expires=at(known.expires),
        )


class NumberList(BaseModel):
    items: list[NumberModel]
    next: str | None


class BlockRequest(_Request):
    pattern: str = Field(
        min_length=1, max_length=300, description="A caller; * and ? stand for any characters."
    )
    note: str = Field("", max_length=200)


class BlockedModel(BaseModel):
    """Callers whose calls are refused."""

    pattern: str
    created: datetime
    note: str

    @classmethod
    def of(cls, known: BlockedCaller) -> BlockedModel:
        return cls(pattern=known.pattern, created=at(known.created), note=known.note)


class BlockedList(BaseModel):
    items: list[BlockedModel]


@router.get("/numbers", operation_id="list_numbers", tags=["numbers"])
async def list_numbers(
    context: InContext, client: Overseer, limit: Limit = 50, cursor: Cursor = ""
) -> NumberList:
    """What numbers took last time, the latest first."""
    before = read_cursor(cursor)
    found = await context.read(lambda connection: remembered.listing(connection, limit, before))
    following = next_cursor(found, limit, lambda each: (each.updated, each.number))
    return NumberList(items=[NumberModel.of(each) for each in found], next=following)


@router.get("/numbers/{number}", operation_id="get_number", tags=["numbers"])
async def get_number(context: InContext, client: Overseer, number: Number) -> NumberModel:
    """What a number took last time; the next call to it begins there."""
    return NumberModel.of(await context.read(lambda connection: remembered.read(connection, number)))


@router.delete("/numbers/{number}", status_code=204, operation_id="forget_number", tags=["numbers"])
async def forget_number(context: InContext, client: Admin, number: Number) -> None:
    """Forget it: the next call begins as the route says."""
    await context.run(lambda connection: remembered.forget(connection, number))
    await context.audit(client, "number.forgotten", number)


@router.get("/blocked", operation_id="list_blocked", tags=["numbers"])
async def list_blocked(context: InContext, client: Overseer) -> BlockedList:
    """The block list of callers, at most 1000."""
    found = await context.read(blocked.listing)
    return BlockedList(items=[BlockedModel.of(each) for each in found])


@router.post("/blocked", status_code=201, operation_id="block_caller", tags=["numbers"])
async def block_caller(context: InContext, client: Admin, wanted: BlockRequest) -> BlockedModel:
    """Refuse calls of a caller from now on."""
    added = await context.run(
        lambda connection: blocked.add(connection, wanted.pattern, wanted.note, time.time())
    )
    await context.audit(client, "caller.blocked", wanted.pattern)
    return BlockedModel.of(added)


@router.delete("/blocked", status_code=204, operation_id="unblock_caller", tags=["numbers"])
async def unblock_caller(
    context: InContext, client: Admin, pattern: Annotated[str, Query(min_length=1, max_length=300)]
) -> None:
    """Take calls of a caller again."""
    await context.run(lambda connection: blocked.remove(connection, pattern))
    await context.audit(client, "caller.unblocked", pattern)


# --- keys ---------------------------------------------------------------------------------------------------


class KeyRequest(_Request):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=80)
    scopes: list[Scope] = Field(min_length=1, max_length=10)
    routes: Annotated[list[str], Field(max_length=100)] = []
    """Routes that it may use; empty for all."""
    allowed: Prefixes = []
    """Beginnings of numbers that it may call, such as `+49`; empty for what the routes allow."""
    refused: Prefixes = []
    per_minute: _PerMinute | None = Field(None, description="Requests, on each host.")
    per_day: _PerDay | None = Field(None, description="Faxes in 24 hours, over all hosts.")


class KeyModel(BaseModel):
    """A key, without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    created: datetime
    revoked: datetime | None
    last_used: datetime | None
    routes: list[str]
    allowed: list[str]
    refused: list[str]
    per_minute: int | None
    per_day: int | None

    @classmethod
    def values(cls, key: ApiKey) -> dict[str, Any]:
        return {
            "id": key.id,
            "name": key.name,
            "scopes": sorted(key.scopes, key=lambda each: each.value),
            "created": at(key.created),
            "revoked": at_or_none(key.revoked),
            "last_used": at_or_none(key.last_used),
            "routes": list(key.routes),
            "allowed": list(key.allowed),
            "refused": list(key.refused),
            "per_minute": key.per_minute,
            "per_day": key.per_day,
        }

    @classmethod
    def of(cls, key: ApiKey) -> KeyModel:
        return KeyModel(**cls.values(key))


class NewKeyModel(KeyModel):
    """A key that was made; its token and secret are not shown again."""

    token: str = Field(description="Sent as `Authorization: Bearer TOKEN`.")
    webhook_secret: str | None = Field(
        description="Verifies webhooks of jobs of this key (Standard Webhooks); null where jobs have none."
    )


class KeyList(BaseModel):
    items: list[KeyModel]


KeyId = Annotated[str, Path(max_length=40)]


@router.get("/keys", operation_id="list_keys", tags=["keys"])
async def list_keys(context: InContext, client: Admin) -> KeyList:
    """All keys, also those that were revoked."""
    return KeyList(items=[KeyModel.of(each) for each in await context.read(keys.all_keys)])


@router.post("/keys", status_code=201, operation_id="make_key", tags=["keys"])
async def make_key(context: InContext, client: Admin, wanted: KeyRequest) -> NewKeyModel:
    """Make a key."""
    key, token = await context.run(
        lambda connection: keys.create(
            connection,
            wanted.name,
            set(wanted.scopes),
            time.time(),
            routes=wanted.routes,
            allowed=wanted.allowed,
            refused=wanted.refused,
            per_minute=wanted.per_minute,
            per_day=wanted.per_day,
        )
    )
    await context.audit(client, "key.made", key.id, {"name": key.name})
    secrets = job_webhooks.secrets_of(key.id, context.webhooks)
    return NewKeyModel(**KeyModel.values(key), token=token, webhook_secret=secrets[0] if secrets else None)


@router.delete("/keys/{id}", operation_id="revoke_key", tags=["keys"])
async def revoke_key(context: InContext, client: Admin, id: KeyId) -> KeyModel:
    """Revoke a key: it is refused from now on, and stays in the list."""
    key = await context.run(lambda connection: keys.revoke(connection, id, time.time()))
    await context.audit(client, "key.revoked", id)
    return KeyModel.of(key)


# --- audit log and journal ----------------------------------------------------------------------------------


class AuditModel(BaseModel):
    """Who did what."""

    at: datetime
    key: str = Field(description="Id of the key; empty for the local socket.")
    address: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditList(BaseModel):
    items: list[AuditModel]
    next: str | None


class CallModel(AttemptModel):
    """A call that is over."""

    fax: str
    called: str
    key: str
    reference: str


class Journal(BaseModel):
    """Calls that are over, in the order of their ends."""

    items: list[CallModel]
    next: str | None = Field(description="Cursor of what follows; null where nothing does yet.")


@router.get("/audit", operation_id="read_audit", tags=["operation"])
async def read_audit(
    context: InContext,
    client: Admin,
    key: Annotated[str | None, Query(max_length=40)] = None,
    subject: Annotated[str | None, Query(max_length=60)] = None,
    since: Moment | None = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> AuditList:
    """Who sent, saw and deleted what, the latest first."""
    before = read_number(cursor)
    found = await context.read(
        lambda connection: audit.records(
            connection,
            limit,
            before,
            key=key,
            subject=subject,
            since=seconds_or_none(since),
        )
    )
    items = [
        AuditModel(
            at=at(each.at),
            key=each.key,
            address=each.address,
            action=each.action,
            subject=each.subject,
            detail=dict(each.detail),
        )
        for each in found
    ]
    return AuditList(items=items, next=str(found[-1].number) if len(found) == limit else None)


@router.get("/journal", operation_id="read_journal", tags=["operation"])
async def read_journal(
    context: InContext,
    client: Overseer,
    since: Moment | None = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Journal:
    """Calls that sent, in the order of their ends; received faxes are at /v1/received."""
    after, begin = read_cursor(cursor), seconds_or_none(since)
    found = await context.read(lambda connection: overview.ended_calls(connection, limit, after, begin))
    items = [
        CallModel(
            **AttemptModel.values(each.attempt),
            fax=each.attempt.fax,
            called=each.number,
            key=each.key,
            reference=each.reference,
        )
        for each in found
    ]
    following = next_cursor(found, limit, lambda each: (each.attempt.ended or 0.0, each.attempt.id))
    return Journal(items=items, next=following)

"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from t38fsp.service import overview
from t38fsp.service.database import DatabaseError
from t38fsp.service.web.faxes import InContext
from t38fsp.service.web.identity import Overseer
from t38fsp.service.web.problems import ProblemError

router = APIRouter(tags=["operation"])

_WITHIN = 3.0
_RETRY = {"Retry-After": "5"}


class Health(BaseModel):
    status: str


# Not the database: a supervisor that restarts what is not healthy would end calls that go on without it.
@router.get("/healthz", operation_id="health")
async def healthz() -> Health:
    """Whether the process lives. It needs no key."""
    return Health(status="ok")


@router.get("/readyz", operation_id="ready")
async def readyz(context: InContext) -> Health:
    """Whether this host takes faxes: its database answers, and it is not being drained. It needs no key."""
    try:
        async with asyncio.timeout(_WITHIN):
            await context.read(overview.answers)
    except (DatabaseError, TimeoutError):
        raise ProblemError(503, "the database does not answer", "database", headers=_RETRY) from None
    if context.service.draining:
        raise ProblemError(503, "this host is being drained", "draining", headers=_RETRY)
    return Health(status="ready")


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Metrics for Prometheus."}},
)
async def metrics(context: InContext, client: Overseer) -> Response:
    """Metrics of this host and of the queue."""
    content, kind = await context.metrics.page(context.service)
    return Response(content, media_type=kind)

"""``/v1/faxes`` and ``/v1/jobs``: submit, list, see, cancel, retry, decide, delete."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from t38fsp.service import documents, jobs, overview
from t38fsp.service.errors import NotFoundError
from t38fsp.service.jobs import FaxFilter
from t38fsp.service.values import Fax, FaxState, Job, Scope
from t38fsp.service.web.context import Context, context_of
from t38fsp.service.web.cursors import Cursor, Limit, next_cursor, read_cursor
from t38fsp.service.web.identity import Client, Reader, Sender, needs
from t38fsp.service.web.models import (
    AttemptModel,
    Decision,
    FaxDetail,
    FaxList,
    FaxModel,
    JobModel,
    Moment,
    seconds_or_none,
)
from t38fsp.service.web.problems import invalid_field
from t38fsp.service.web.submissions import submission_of

router = APIRouter(prefix="/v1", tags=["faxes"])

# A job may have many more receivers: GET /v1/faxes?job= lists them page by page.
FAXES_SHOWN = 1000
_LONGEST_KEY = 200
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

InContext = Annotated[Context, Depends(context_of)]
FaxId = Annotated[str, Path(max_length=60, description="Such as `j01jd…-1`.")]
JobId = Annotated[str, Path(max_length=60, description="Such as `j01jd…`.")]
Changer = Annotated[Client, Depends(needs(Scope.SEND))]


@router.post(
    "/faxes",
    status_code=201,
    operation_id="submit_fax",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/FaxRequest"}},
                "multipart/form-data": {"schema": {"$ref": "#/components/schemas/FaxForm"}},
            },
        }
    },
)
async def submit(
    request: Request,
    response: Response,
    context: InContext,
    client: Sender,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="The same key with the same submission is accepted once.", max_length=_LONGEST_KEY
        ),
    ] = None,
) -> JobModel:
    """Queue a fax to one or more receivers, as JSON or as a form with files (`document`)."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise invalid_field("Idempotency-Key", f"use 1 to {_LONGEST_KEY} visible ASCII characters")
    given = await submission_of(request, context, idempotency_key or "")
    job = await context.service.submit(given, client.key)
    # In a transaction of its own: where it fails the answer is 503 although the job is queued. A client that
    # asks again with its Idempotency-Key gets the same job.
    await context.audit(client, "job.submitted", job.id, {"receivers": len(given.receivers)})
    # Names what a 201 has created (RFC 9110 15.3.2).
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return await context.read(lambda connection: _job_model(connection, job))


@router.get("/faxes", operation_id="list_faxes")
async def list_faxes(
    context: InContext,
    client: Reader,
    job: Annotated[str, Query(max_length=60)] = "",
    state: FaxState | None = None,
    number: Annotated[str, Query(max_length=300)] = "",
    route: Annotated[str, Query(max_length=64)] = "",
    reference: Annotated[str, Query(max_length=200)] = "",
    since: Annotated[Moment | None, Query(description="Submitted at this time or later.")] = None,
    until: Moment | None = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> FaxList:
    """Faxes, the newest first: all, or those of the key."""
    which = FaxFilter(
        key=None if client.sees_all else client.id,
        job=job,
        state=state,
        number=number,
        route=route,
        reference=reference,
        since=seconds_or_none(since),
        until=seconds_or_none(until),
    )
    before = read_cursor(cursor)
    found = await context.read(lambda connection: jobs.list_faxes(connection, which, limit, before))
    await context.saw(client, "faxes.listed", "")
    following = next_cursor(found, limit, lambda fax: (fax.created, fax.id))
    return FaxList(items=[FaxModel.of(each) for each in found], next=following)


@router.get("/faxes/{fax}", operation_id="get_fax")
async def get_fax(context: InContext, client: Reader, fax: FaxId) -> FaxDetail:
    """A fax with its calls."""

    def read(connection: Connection) -> FaxDetail:
        found = own_fax(connection, client, fax)
        calls = [AttemptModel.of(each) for each in jobs.attempts_of(connection, fax)]
        return FaxDetail(**FaxModel.values(found), calls=calls)

    detail = await context.read(read)
    await context.saw(client, "fax.seen", fax)
    return detail


@router.post("/faxes/{fax}/cancel", operation_id="cancel_fax")
async def cancel_fax(context: InContext, client: Changer, fax: FaxId) -> FaxModel:
    """Cancel a fax; a call that is up is ended."""
    await context.read(lambda connection: own_fax(connection, client, fax))
    await context.service.cancel(fax)
    return await _changed_fax(context, client, fax, "fax.cancelled")


@router.post("/faxes/{fax}/retry", operation_id="retry_fax")
async def retry_fax(context: InContext, client: Changer, fax: FaxId) -> FaxModel:
    """Queue a fax again that failed or was cancelled, from its first page that is not confirmed."""
    await context.read(lambda connection: own_fax(connection, client, fax))
    await context.service.retry(fax)
    return await _changed_fax(context, client, fax, "fax.retried")


@router.post("/faxes/{fax}/resolve", operation_id="resolve_fax")
async def resolve_fax(context: InContext, client: Changer, fax: FaxId, decision: Decision) -> FaxModel:
    """Decide what becomes of a fax that is held."""
    await context.read(lambda connection: own_fax(connection, client, fax))
    await context.service.resolve_held(fax, decision.send_again)
    return await _changed_fax(context, client, fax, "fax.resolved")


@router.delete("/faxes/{fax}", status_code=204, operation_id="delete_fax")
async def delete_fax(context: InContext, client: Changer, fax: FaxId) -> None:
    """Delete a fax that is over, with its results; with the last fax of a job goes the job, with its
    documents."""
    await context.read(lambda connection: own_fax(connection, client, fax))
    await context.service.delete(fax)
    await context.audit(client, "fax.deleted", fax)


async def _changed_fax(context: Context, client: Client, fax: str, action: str) -> FaxModel:
    await context.audit(client, action, fax)
    return FaxModel.of(await context.read(lambda connection: jobs.read_fax(connection, fax)))


# --- jobs ---------------------------------------------------------------------------------------------------


@router.get("/jobs/{job}", operation_id="get_job")
async def get_job(context: InContext, client: Reader, job: JobId) -> JobModel:
    """A job with its faxes."""
    found = await context.read(lambda connection: _job_model(connection, own_job(connection, client, job)))
    await context.saw(client, "job.seen", job)
    return found


@router.post("/jobs/{job}/cancel", operation_id="cancel_job")
async def cancel_job(context: InContext, client: Changer, job: JobId) -> JobModel:
    """Cancel all faxes of a job that are not over."""
    await context.read(lambda connection: own_job(connection, client, job))
    await context.service.cancel(job)
    return await _changed_job(context, client, job, "job.cancelled")


@router.post("/jobs/{job}/retry", operation_id="retry_job")
async def retry_job(context: InContext, client: Changer, job: JobId) -> JobModel:
    """Queue all faxes of a job again that failed or were cancelled."""
    await context.read(lambda connection: own_job(connection, client, job))
    await context.service.retry(job)
    return await _changed_job(context, client, job, "job.retried")


@router.delete("/jobs/{job}", status_code=204, operation_id="delete_job")
async def delete_job(context: InContext, client: Changer, job: JobId) -> None:
    """Delete a job that is over, with its documents, pages and results."""
    await context.read(lambda connection: own_job(connection, client, job))
    await context.service.delete(job)
    await context.audit(client, "job.deleted", job)


async def _changed_job(context: Context, client: Client, job: str, action: str) -> JobModel:
    await context.audit(client, action, job)
    return await context.read(lambda connection: _job_model(connection, jobs.read(connection, job)))


@router.get(
    "/jobs/{job}/documents/{position}",
    operation_id="get_document",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The document."}},
)
async def get_document(
    context: InContext, client: Reader, job: JobId, position: Annotated[int, Path(ge=1, le=10_000)]
) -> Response:
    """A document as it was submitted."""

    def read(connection: Connection) -> bytes:
        found = own_job(connection, client, job)
        if position > len(found.documents):
            raise NotFoundError("document", str(position))
        return documents.content(connection, found.documents[position - 1].id)

    content = await context.read(read)
    await context.saw(client, "document.seen", job)
    # Never shown by a browser as a page of this origin, whatever was submitted.
    headers = {"Content-Disposition": f'attachment; filename="{job}-{position}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


def own_fax(connection: Connection, client: Client, id: str) -> Fax:
    """A fax that the client may see. Raises NotFoundError."""
    found = jobs.read_fax(connection, id)
    if not client.sees_all:
        client.check_own(jobs.read(connection, found.job).key, "fax", id)
    return found


def own_job(connection: Connection, client: Client, id: str) -> Job:
    """A job that the client may see. Raises NotFoundError."""
    found = jobs.read(connection, id)
    client.check_own(found.key, "job", id)
    return found


def _job_model(connection: Connection, job: Job) -> JobModel:
    states = overview.states_of(connection, job.id)
    return JobModel.of(job, states, overview.faxes_of(connection, job.id, FAXES_SHOWN))

"""``/v1/faxes/ID/pages…``: what goes to a receiver, as files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response

from t38fsp.service.web.context import Context
from t38fsp.service.web.faxes import FaxId, InContext, own_fax
from t38fsp.service.web.identity import Client, Reader
from t38fsp.service.web.pages import PDF, PNG, TIFF, PreparedPages

router = APIRouter(prefix="/v1", tags=["faxes"])

PageNumber = Annotated[int, Path(ge=1, le=65535)]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
FILE_RESPONSES: dict[str, dict[int | str, dict[str, Any]]] = {
    kind: {200: {"content": {kind: _BINARY}, "description": "The pages."}} for kind in (PDF, TIFF, PNG)
}


@router.get(
    "/faxes/{fax}/pages.pdf",
    operation_id="get_fax_pdf",
    response_class=Response,
    responses=FILE_RESPONSES[PDF],
)
async def get_fax_pdf(context: InContext, client: Reader, fax: FaxId) -> Response:
    """The pages as they go to most machines, with cover page and header line, as a PDF."""
    await _check(context, client, fax)
    async with context.service.prepared(fax) as prepared:
        return await context.pages.pdf(PreparedPages(prepared), fax, {"Title": f"Fax {fax}"})


@router.get(
    "/faxes/{fax}/pages.tiff",
    operation_id="get_fax_tiff",
    response_class=Response,
    responses=FILE_RESPONSES[TIFF],
)
async def get_fax_tiff(context: InContext, client: Reader, fax: FaxId) -> Response:
    """The same as TIFF Class F."""
    await _check(context, client, fax)
    async with context.service.prepared(fax) as prepared:
        return await context.pages.tiff(PreparedPages(prepared), fax)


@router.get(
    "/faxes/{fax}/pages/{number}.png",
    operation_id="get_fax_png",
    response_class=Response,
    responses=FILE_RESPONSES[PNG],
)
async def get_fax_png(context: InContext, client: Reader, fax: FaxId, number: PageNumber) -> Response:
    """One of these pages as a PNG, pixel for pixel."""
    await _check(context, client, fax)
    async with context.service.prepared(fax) as prepared:
        return await context.pages.png(PreparedPages(prepared), number, fax)


async def _check(context: Context, client: Client, fax: str) -> None:
    await context.read(lambda connection: own_fax(connection, client, fax))
    await context.saw(client, "fax.pages", fax)

"""The application: what is at which address, and what it needs while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from sip.logs import contained, get_logger
from t38fsp.service import audit
from t38fsp.service.database import DatabaseError
from t38fsp.service.delivery_settings import RetrySettings
from t38fsp.service.service import FaxService
from t38fsp.service.web import (
    administration,
    events,
    faxes,
    health,
    openapi,
    page_files,
    problems,
    received,
    reference,
)
from t38fsp.service.web.context import Context
from t38fsp.service.web.feed import Feed
from t38fsp.service.web.identity import Rates
from t38fsp.service.web.metrics import Metrics
from t38fsp.service.web.pages import Pages
from t38fsp.service.web_settings import FetchSettings, WebSettings

_logger = get_logger(__name__)
_DAY, _HOUR = 86400.0, 3600.0

_DESCRIPTION = """\
Faxes are sent and received over T.38 and SIP. A *job* is what was submitted at once; a *fax* is one receiver
of a job. Errors are problem documents (RFC 9457). Lists have cursors: pass `next` as `cursor`."""


@cache
def application() -> FastAPI:
    """The application. What it needs of a service comes with each request (``t38fsp.service.web.edge``), so
    that one serves all."""
    app = FastAPI(
        title="t38fsp",
        version=version("t38fsp"),
        description=_DESCRIPTION,
        # Its own pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # A redirect of a POST with a document has it sent twice.
        redirect_slashes=False,
        responses=problems.RESPONSES,
        # Else generators of clients make two classes of a model, X-Input and X-Output.
        separate_input_output_schemas=False,
    )
    for module in (faxes, page_files, received, events, administration, health, reference):
        app.include_router(module.router)
    problems.install(app)
    openapi.install(app)
    return app


@asynccontextmanager
async def running(
    service: FaxService,
    settings: WebSettings = WebSettings(),
    fetch: FetchSettings = FetchSettings(),
    webhooks: RetrySettings = RetrySettings(),
    deliver: Callable[[], None] = lambda: None,
) -> AsyncIterator[Context]:
    """What the application needs of a service that runs; ``deliver`` is called when a delivery is asked for
    again. Streams end when it is left."""
    feed, metrics, pages = Feed(service, settings.max_streams), Metrics(), Pages()
    context = Context(service, settings, fetch, webhooks, Rates(), feed, metrics, pages, deliver)
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(feed.run(), name="feed"),
        asyncio.create_task(metrics.run(service, feed), name="metrics"),
        asyncio.create_task(_forget(service, settings.audit_days), name="audit"),
    ]
    try:
        yield context
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await context.close()
        await pages.close()


async def _forget(service: FaxService, days: float) -> None:
    """Remove what is older from the audit log, now and once an hour."""
    while True:
        with contained(_logger, "pruning the audit log failed"), suppress(DatabaseError):
            before = time.time() - days * _DAY
            # B023: the function has been called before the loop goes on.
            await service.database.run(lambda connection: audit.prune(connection, before))  # noqa: B023
        await asyncio.sleep(_HOUR)

"""The REST API over a service with a caller that places no calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx
import pytest

from t38fsp.service import keys
from t38fsp.service.service import FaxService
from t38fsp.service.values import Scope
from t38fsp.service.web.app import application
from t38fsp.service.web.app import running as running_app
from t38fsp.service.web.context import Context
from t38fsp.service.web.edge import Edge
from t38fsp.service.web_settings import FetchSettings, WebSettings
from tests.service.conftest import Running

Json = dict[str, Any]

PDF = b"%PDF-1.4 a letter"


async def key_of(service: FaxService, *scopes: Scope, **more: Any) -> str:
    """A new key of the service, as a client presents it."""
    _, token = await service.database.run(
        lambda connection: keys.create(connection, "test", scopes, time.time(), **more)
    )
    return token


class Api:
    """The API without sockets: ``local`` is the Unix socket, :meth:`client` has a new key."""

    def __init__(self, running: Running, context: Context, stack: AsyncExitStack) -> None:
        self.running = running
        self.service = running.service
        self.app = application()
        self._context = context
        self._stack = stack
        self.local: httpx.AsyncClient = None  # type: ignore[assignment]

    async def connect(self, *, local: bool, token: str = "", address: str = "192.0.2.7") -> httpx.AsyncClient:
        edge = Edge(self.app, self._context, local=local)
        transport = httpx.ASGITransport(edge, client=(address, 1234))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.AsyncClient(transport=transport, base_url="http://fax.example", headers=headers)
        return await self._stack.enter_async_context(client)

    async def key(self, *scopes: Scope, **more: Any) -> str:
        """What a client presents."""
        return await key_of(self.service, *scopes, **more)

    async def client(self, *scopes: Scope, **more: Any) -> httpx.AsyncClient:
        return await self.connect(local=False, token=await self.key(*scopes, **more))

    async def submit(self, client: httpx.AsyncClient, *numbers: str, **fields: Any) -> Json:
        """The job."""
        files = [("document", ("letter.pdf", PDF, "application/pdf"))]
        answer = await client.post("/v1/faxes", files=files, data={"to": list(numbers), **fields})
        assert answer.status_code == 201, answer.text
        job: Json = answer.json()
        return job


async def api_of(
    running: Running,
    stack: AsyncExitStack,
    settings: WebSettings = WebSettings(),
    fetch: FetchSettings = FetchSettings(),
    **more: Any,
) -> Api:
    """The API of a service that runs, until the end of ``stack``."""
    context = await stack.enter_async_context(running_app(running.service, settings, fetch, **more))
    api = Api(running, context, stack)
    api.local = await api.connect(local=True)
    return api


Opened = Callable[..., Any]


@pytest.fixture
async def open_api(running: Running) -> AsyncIterator[Opened]:
    """Opens the API with settings."""
    async with AsyncExitStack() as stack:
        yield partial(api_of, running, stack)


@pytest.fixture
async def api(open_api: Opened) -> Api:
    opened: Api = await open_api()
    return opened


async def state_of(client: httpx.AsyncClient, fax: str, *states: str) -> Json:
    """The fax, once it is in one of the states."""
    async with asyncio.timeout(30):
        while True:
            found: Json = (await client.get(f"/v1/faxes/{fax}")).json()
            if found["state"] in states:
                return found
            await asyncio.sleep(0.02)


def faults(answer: httpx.Response, status: int = 422) -> Sequence[str]:
    """The fields that a problem names."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    return [each["field"] for each in problem["errors"]]

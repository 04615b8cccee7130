"""Events as they happen: in order, again after an interruption, each key its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from t38fsp.service import keys
from t38fsp.service.values import Scope
from t38fsp.service.web import feed
from t38fsp.service.web.server import WebServer
from t38fsp.service.web_settings import WebSettings
from tests.service.conftest import Running
from tests.service.web.conftest import PDF, key_of

pytestmark = pytest.mark.full

Told = tuple[int, str, dict[str, Any]]


@asynccontextmanager
async def serving(running: Running, **settings: Any) -> AsyncIterator[WebServer]:
    async with WebServer(running.service, WebSettings(listen="127.0.0.1:0", **settings)) as web:
        yield web


async def told(answer: httpx.Response) -> AsyncIterator[Told]:
    """The events of a stream."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line and "data" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}
        elif ": " in line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


async def test_what_happens_is_told_in_order_and_again_after_an_interruption(running: Running) -> None:
    service = running.service
    async with serving(running) as web, httpx.AsyncClient(base_url=web.urls[0], timeout=30) as client:
        one, other = [await key_of(service, Scope.SEND, Scope.READ_OWN) for _ in range(2)]
        mine = {"Authorization": f"Bearer {one}"}
        async with client.stream("GET", "/v1/events", headers=mine) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            events = told(stream)
            for token in (other, one):
                answer = await client.post(
                    "/v1/faxes",
                    files={"document": ("a.pdf", PDF)},
                    data={"to": f"+1555010{token == one:d}"},
                    headers={"Authorization": f"Bearer {token}"},
                )
                job = answer.json()["id"]
            seen: list[Told] = []
            async for event in events:
                seen.append(event)
                if event[1] == "fax.delivered":
                    break
        kinds = [kind for _, kind, _ in seen]
        assert kinds == [
            *("job.submitted", "attempt.started", "page.confirmed", "page.confirmed"),
            *("attempt.ended", "fax.delivered"),
        ]
        # Nothing of what the other key submitted.
        assert {body["subject"].partition("-")[0] for _, _, body in seen} == {job}
        numbers = [number for number, _, _ in seen]
        assert numbers == sorted(numbers)
        # It was cut off after the second event.
        headers = mine | {"Last-Event-ID": str(numbers[1])}
        async with client.stream("GET", "/v1/events", headers=headers) as stream:
            again = [event async for _, event in _first(told(stream), len(seen) - 2)]
        assert again == seen[2:]
        async with client.stream("GET", "/v1/events", params={"after": numbers[3]}, headers=mine) as stream:
            assert [event async for _, event in _first(told(stream), 1)] == [seen[4]]
        for wrong in ("x", "-1", "9" * 25):
            answer = await client.get("/v1/events", headers=mine | {"Last-Event-ID": wrong})
            assert answer.status_code == 422


async def _first(events: AsyncIterator[Told], number: int) -> AsyncIterator[tuple[int, Told]]:
    at = 0
    async for event in events:
        at += 1
        yield at, event
        if at == number:
            return


async def test_streams_are_limited_and_end_with_their_key(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_ALIVE", 0.1)
    service = running.service
    token = await key_of(service, Scope.READ_ALL)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        serving(running, max_streams=2) as web,
        httpx.AsyncClient(base_url=web.urls[0], headers=headers, timeout=30) as client,
        client.stream("GET", "/v1/events") as first,
    ):
        lines = first.aiter_lines()
        assert (await anext(lines)).startswith(": ")
        async with client.stream("GET", "/v1/events") as second:
            assert second.status_code == 200
            full = await client.get("/v1/events")
            assert (full.status_code, "retry-after" in full.headers) == (503, True)
        # The place of one that left is free again.
        async with asyncio.timeout(20):
            while (await _status(client)) != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await service.database.run(lambda connection: keys.revoke(connection, token.split("_")[1], 1.0))
        # The stream ends by itself.
        assert [line async for line in lines if not line.startswith(":") and line] == []


async def test_streams_end_with_the_server(running: Running) -> None:
    token = await key_of(running.service, Scope.READ_ALL)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=30) as client, serving(running) as web:
        stream = client.stream("GET", f"{web.urls[0]}v1/events", headers=headers)
        answer = await stream.__aenter__()
        assert answer.status_code == 200
        rest = asyncio.create_task(answer.aread())
    # The server was closed while it was open.
    await rest
    await stream.__aexit__(None, None, None)


async def _status(client: httpx.AsyncClient) -> int:
    async with client.stream("GET", "/v1/events") as stream:
        return stream.status_code

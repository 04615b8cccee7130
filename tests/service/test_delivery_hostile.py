"""Webhooks and mail servers that answer what they should not: each attempt ends in time, as failed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from t38fsp.choices import FileFormat
from t38fsp.service.delivery_settings import RetrySettings
from t38fsp.service.targets import Target
from t38fsp.service.values import DeliveryState
from tests.service.deliveries_host import delivered_to, host, plain_mail
from tests.service.destinations import SECRET

pytestmark = pytest.mark.full

ONCE = RetrySettings(attempts=1)


def endless(begin: bytes, more: bytes) -> Iterator[bytes]:
    yield begin
    yield from itertools.repeat(more)


@asynccontextmanager
async def says(answer: Iterator[bytes], pause: float) -> AsyncIterator[int]:
    """A server that says this, whatever it hears, and then nothing more; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            for part in answer:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            while await reader.read(4096):
                pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


HTTP = {
    "nothing": (iter([]), 0.0),
    "no HTTP": (iter([b"SSH-2.0-x\r\n\r\n"]), 0.0),
    "an endless header": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096), 0.0),
    "endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 500), 0.0),
    "a slow header": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"x"), 0.1),
    "endless provisional responses": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), 0.001),
    "no status": (iter([b"HTTP/1.1 OK\r\n\r\n"]), 0.0),
    "a strange status": (iter([b"HTTP/1.1 999 \xff\xfe\r\n\r\n"]), 0.0),
    "a strange Retry-After": (
        iter([b"HTTP/1.1 503 No\r\nRetry-After: Mon, 99 Foo 99999 99:99:99 GMT\r\n\r\n"]),
        0.0,
    ),
    "a long Retry-After": (iter([b"HTTP/1.1 503 No\r\nRetry-After: " + b"9" * 5000 + b"\r\n\r\n"]), 0.0),
}

SMTP = {
    "nothing": (iter([]), 0.0),
    "no SMTP": (iter([b"HTTP/1.1 400 Bad Request\r\n\r\n"]), 0.0),
    "an endless line": (endless(b"220 ", b"x" * 4096), 0.0),
    "endless lines": (endless(b"220-x\r\n", b"220-x\r\n" * 500), 0.0),
    "a slow line": (endless(b"220-", b"x"), 0.1),
    "not now": (iter([b"421 too busy\r\n"]), 0.0),
    "garbage": (iter([b"220 \xff\xfe\x00\r\n250 \xff\r\n250 x\r\n550 \r\r\n\x1b[31m\r\n"]), 0.0),
    "everything at once": (iter([b"220 x\r\n" + b"250 x\r\n" * 3 + b"354 x\r\n"]), 0.0),
}


async def attempt(tmp_path: Path, target: Target, port: int = 0) -> str:
    """The error of the only attempt; it fails within the time of the test."""
    async with host(tmp_path, delivered_to(target, mail=plain_mail(port or 1), retries=ONCE)) as here:
        id = await here.receives()
        await here.over(id, state=DeliveryState.FAILED)
        (delivery,) = await here.delivery(id)
    assert delivery.error.isprintable()
    assert "fault of this program" not in delivery.error
    return delivery.error


@pytest.mark.parametrize("kind", HTTP)
async def test_webhooks(tmp_path: Path, kind: str) -> None:
    async with says(*HTTP[kind]) as port:
        url = f"http://127.0.0.1:{port}/"
        assert await attempt(
            tmp_path, Target("crm", webhook=url, private=True, secrets=(SECRET,), seconds=1.0)
        )


@pytest.mark.parametrize("kind", SMTP)
async def test_mail_servers(tmp_path: Path, kind: str) -> None:
    async with says(*SMTP[kind]) as port:
        target = Target("office", mail=("a@office.example",), format=FileFormat.TIFF, seconds=1.0)
        assert await attempt(tmp_path, target, port)


async def test_an_endless_body_is_not_waited_for(tmp_path: Path) -> None:
    answer = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096)
    async with says(answer, 0.0) as port:
        url = f"http://127.0.0.1:{port}/"
        target = Target("crm", webhook=url, private=True, secrets=(SECRET,), seconds=600.0)
        async with host(tmp_path, delivered_to(target, retries=ONCE)) as here:
            await here.over(await here.receives())

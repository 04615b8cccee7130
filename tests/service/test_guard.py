"""What URLs of clients may lead to: addresses, names that resolve elsewhere later, redirects, sizes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import httpx
import pytest

from t38fsp.errors import SettingError
from t38fsp.service.fetching import fetch
from t38fsp.service.guard import AddressGuard, GuardedTransport, GuardError
from t38fsp.service.web_settings import FetchSettings

LOOPBACK = ip_network("127.0.0.0/8")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.1.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1"),
        *("ff02::1", "fec0::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:c0a8:101::", "2001:0:7f00:1::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not AddressGuard(("*",)).admits(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_that_are_public(address: str) -> None:
    assert AddressGuard(("*",)).admits(ip_address(address))


def test_private_networks_that_are_named_are_admitted() -> None:
    guard = AddressGuard(("*",), (ip_network("10.1.0.0/16"), ip_network("fd00::/64")))
    admitted = [
        address
        for address in ("10.1.2.3", "::ffff:10.1.2.3", "10.2.2.3", "fd00::5", "fd01::5")
        if guard.admits(ip_address(address))
    ]
    assert admitted == ["10.1.2.3", "::ffff:10.1.2.3", "fd00::5"]


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example/a.pdf",
        "ftp://files.example/a.pdf",
        "file:///etc/passwd",
        "https://user:word@files.example/a",
        "https://other.example/a",
        "https://files.example.evil.example/a",
        "https://example.org/a",
        "https:///a",
        "https://[::1/a",
        "https://files.example:99999999/a",
        "files.example/a",
        "https://files.example/" + "a" * 2000,
        "https://files.example@127.0.0.1/",
        "",
        "\0",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(GuardError):
        AddressGuard(("files.example", "*.example.org")).check(url)


@pytest.mark.parametrize(
    "url", ["https://files.example/a.pdf?b=c", "https://FILES.example:8443/", "https://a.b.example.org/"]
)
def test_urls_that_are_allowed(url: str) -> None:
    assert AddressGuard(("files.example", "*.example.org")).check(url).scheme == "https"


def resolved(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names resolve to ``answers``, one list after another, the last one for ever; returns who asked."""
    asked: list[str] = []
    left = list(answers)

    async def getaddrinfo(self: Any, host: str, port: int, **options: Any) -> list[Any]:
        asked.append(host)
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


async def test_private_addresses_of_a_name_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, ["10.0.0.1", "8.8.8.8", "127.0.0.1"], ["10.0.0.1", "169.254.169.254"])
    guard = AddressGuard(("files.example",))
    assert await guard.addresses("files.example", 443) == ["8.8.8.8"]
    with pytest.raises(GuardError):
        await guard.addresses("files.example", 443)


Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def web(answer: Answer) -> AsyncIterator[int]:
    """A server on loopback; yields its port."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await answer(await reader.readuntil(b"\r\n\r\n"), writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()


def says(head: str, body: bytes = b"") -> Answer:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(
            f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        )

    return answer


SETTINGS = FetchSettings(("files.example",), ("127.0.0.0/8",), plain=True, fetch_seconds=5.0)


async def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to another address the second time: there is no second time."""
    requests: list[bytes] = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        await says("200 OK", b"the document")(request, writer)

    asked = resolved(monkeypatch, ["127.0.0.1"], ["127.0.0.99"])
    async with web(answer) as port:
        assert await fetch(f"http://files.example:{port}/a/letter%201.pdf?x=1", SETTINGS, 100) == (
            "letter 1.pdf",
            b"the document",
        )
    assert asked == ["files.example"]
    assert f"host: files.example:{port}".encode() in requests[0].lower()


async def test_loopback_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[bytes] = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request)

    resolved(monkeypatch, ["127.0.0.1"])
    async with web(answer) as port:
        with pytest.raises(GuardError):
            await fetch(f"http://files.example:{port}/", FetchSettings(("files.example",), plain=True), 100)
        settings = FetchSettings(("127.0.0.1", "localhost"), plain=True)
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(GuardError):
                await fetch(f"http://{host}:{port}/", settings, 100)
    assert not requests


@pytest.mark.parametrize(
    "head",
    [
        "302 Found\r\nLocation: http://127.0.0.1/secret",
        "404 Not Found",
        "204 No Content",
        "200 OK\r\nContent-Encoding: gzip",
    ],
)
async def test_answers_other_than_200_are_refused_and_nothing_is_decoded(
    monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    resolved(monkeypatch, ["127.0.0.1"])
    async with web(says(head, b"octets")) as port:
        url = f"http://files.example:{port}/"
        if head.startswith("200"):
            assert (await fetch(url, SETTINGS, 100))[1] == b"octets"
        else:
            with pytest.raises(GuardError):
                await fetch(url, SETTINGS, 100)


async def test_a_document_without_end_is_left_off(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(10_000))
            await writer.drain()
            sent += 10_000

    resolved(monkeypatch, ["127.0.0.1"])
    async with web(answer) as port:
        with pytest.raises(GuardError):
            await fetch(f"http://files.example:{port}/", SETTINGS, 100_000)
    assert sent < 50_000_000


async def test_a_server_that_does_not_answer_costs_the_time_that_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    resolved(monkeypatch, ["127.0.0.1"])
    settings = FetchSettings(("files.example",), ("127.0.0.0/8",), plain=True, fetch_seconds=0.1)
    async with web(answer) as port:
        with pytest.raises(GuardError):
            await fetch(f"http://files.example:{port}/", settings, 100)


async def test_documents_are_not_fetched_unless_hosts_are_allowed() -> None:
    with pytest.raises(GuardError):
        await fetch("https://files.example/a.pdf", FetchSettings(), 100)


@pytest.mark.parametrize(
    "wrong", [{"hosts": ("*",)}, {"hosts": ("",)}, {"networks": ("10.0.0",)}, {"fetch_seconds": 0.0}]
)
def test_settings_that_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        FetchSettings(**wrong)


async def test_the_next_address_is_tried_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    async with web(says("200 OK", b"here")) as port:
        transport = GuardedTransport(AddressGuard(("files.example",), (LOOPBACK,), plain=True))
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.post(f"http://files.example:{port}/", content=b"x")).content == b"here"

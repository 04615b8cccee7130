"""The API on sockets: who gets in, TLS, clients that are slow, many or rude; curl as a client."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import stat
from pathlib import Path

import httpx
import pytest

from t38fsp.errors import SettingError
from t38fsp.service import keys
from t38fsp.service.submission import Submission
from t38fsp.service.values import Receiver, Scope
from t38fsp.service.web.server import WebError, WebServer
from t38fsp.service.web_settings import WebSettings
from tests.service.conftest import Running
from tests.service.web.conftest import PDF, key_of

pytestmark = pytest.mark.full

ANY_PORT = "127.0.0.1:0"
PATIENCE = 2.0
"""Seconds; longer than a busy machine delays the requests of these tests."""


async def curl(*arguments: str) -> tuple[int, str]:
    """Status and body of the answer."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "-m", "30", "-w", "\n%{http_code}", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    body, _, status = output.decode().rpartition("\n")
    return int(status), body


async def test_curl_submits_and_sees_a_fax_by_tcp_and_by_the_socket(running: Running, tmp_path: Path) -> None:
    path = tmp_path / "run" / "fax.sock"
    document = tmp_path / "letter.pdf"
    document.write_bytes(PDF)
    settings = WebSettings(listen=ANY_PORT, socket=str(path))
    async with WebServer(running.service, settings) as web:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        (url,) = web.urls
        status, body = await curl("-F", f"document=@{document}", "-F", "to=+15550100", f"{url}v1/faxes")
        assert (status, json.loads(body)["status"]) == (401, 401)
        token = await key_of(running.service, Scope.SEND, Scope.READ_OWN)
        key = ["-H", f"Authorization: Bearer {token}"]
        status, body = await curl(*key, "-F", f"document=@{document}", "-F", "to=+15550100", f"{url}v1/faxes")
        assert status == 201, body
        fax = json.loads(body)["faxes"][0]["id"]
        await running.until(fax)
        status, body = await curl("--unix-socket", str(path), f"http://local/v1/faxes/{fax}")
        assert (status, json.loads(body)["state"]) == (200, "delivered")
        # A key that is presented there counts.
        status, _ = await curl("--unix-socket", str(path), *key, "http://local/v1/keys")
        assert status == 403
    assert not path.exists()


async def test_the_socket_of_a_dead_process_is_replaced_and_no_other(
    running: Running, tmp_path: Path
) -> None:
    path = tmp_path / "fax.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    settings = WebSettings(listen="", socket=str(path), socket_group=True)
    async with WebServer(running.service, settings):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(WebError):
            await WebServer(running.service, settings).__aenter__()
        assert (await curl("--unix-socket", str(path), "http://local/healthz"))[0] == 200
    path.write_text("precious")
    with pytest.raises(WebError):
        await WebServer(running.service, settings).__aenter__()
    assert path.read_text() == "precious"


async def test_a_port_that_is_taken_is_an_error(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(WebError):
        await WebServer(
            running.service, WebSettings(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        ).__aenter__()


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate of 127.0.0.1 and its key."""
    paths = str(folder / "cert.pem"), str(folder / "key.pem")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3"]
    command = ["openssl", "req", "-x509", *made, *subject, "-out", paths[0], "-keyout", paths[1]]
    assert os.spawnvp(os.P_WAIT, "openssl", command) == 0
    return paths


async def test_tls_of_its_own(running: Running, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    settings = WebSettings(listen=ANY_PORT, certificate=cert, key=key)
    async with WebServer(running.service, settings) as web:
        (url,) = web.urls
        assert url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=cert)
        async with httpx.AsyncClient(verify=trust) as client:
            assert (await client.get(f"{url}healthz")).status_code == 200
    for wrong in ((cert, cert), (str(tmp_path / "none"), key)):
        server = WebServer(running.service, WebSettings(listen=ANY_PORT, certificate=wrong[0], key=wrong[1]))
        with pytest.raises(WebError):
            await server.__aenter__()


def test_settings_that_would_let_keys_pass_in_the_clear() -> None:
    for listen in ("0.0.0.0:8038", "192.0.2.1:80", "[::]:8038"):
        with pytest.raises(SettingError):
            WebSettings(listen=listen)
        assert WebSettings(listen=listen, proxies=("192.0.2.7",))
        assert WebSettings(listen=listen, certificate="a", key="b")
    for wrong in ("8038", "localhost:8038", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "[::1:80"):
        with pytest.raises(SettingError):
            WebSettings(listen=wrong)
    with pytest.raises(SettingError):
        WebSettings(certificate="a")


async def test_the_address_that_a_proxy_tells_counts_if_it_is_trusted(running: Running) -> None:
    wrong = {"Authorization": "Bearer x", "X-Forwarded-For": "198.51.100.9"}
    token = await key_of(running.service, Scope.ADMIN)
    right = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "198.51.100.9"}
    for proxies, expected in (((), "127.0.0.1"), (("127.0.0.0/8",), "198.51.100.9")):
        async with (
            WebServer(running.service, WebSettings(listen=ANY_PORT, proxies=proxies)) as web,
            httpx.AsyncClient(base_url=web.urls[0]) as client,
        ):
            assert (await client.get("/v1/faxes", headers=wrong)).status_code == 401
            assert (await client.get("/v1/faxes", headers=right)).status_code == 200
            records = (await client.get("/v1/audit", headers=right)).json()["items"]
            assert records[0]["address"] == expected


async def _closed(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other end closes."""
    async with asyncio.timeout(60):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_slow_clients_are_cut_off_and_others_served(running: Running) -> None:
    token = await key_of(running.service, Scope.ADMIN)
    settings = WebSettings(listen=ANY_PORT, patience=PATIENCE)
    async with WebServer(running.service, settings) as web:
        port = httpx.URL(web.urls[0]).port
        assert port is not None

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", port)

        silent, _ = await connect()
        halfway, writer = await connect()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        second, other = await connect()
        other.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal")
        body, sender = await connect()
        sender.write(
            b"POST /v1/faxes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 5000\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n{"
        )
        async with httpx.AsyncClient(base_url=web.urls[0]) as client:
            assert (await client.get("/healthz")).status_code == 200
        assert await _closed(silent) == b""
        assert await _closed(halfway) == b""
        assert (await _closed(second)).startswith(b"HTTP/1.1 200")
        late = await _closed(body)
        assert late.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in late
        for each in (writer, other, sender):
            each.close()


async def test_a_client_that_does_not_read_is_cut_off(running: Running) -> None:
    token = await key_of(running.service, Scope.SEND, Scope.READ_OWN)
    key = await running.service.database.run(lambda connection: keys.find(connection, token))
    large = Submission((("large.pdf", bytes(30_000_000)),), (Receiver("+15550100"),), not_before=2e9)
    path = f"/v1/jobs/{(await running.service.submit(large, key)).id}/documents/1"
    async with WebServer(running.service, WebSettings(listen=ANY_PORT, patience=PATIENCE)) as web:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", httpx.URL(web.urls[0]).port))
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        await loop.sock_sendall(raw, request.encode())
        assert await loop.sock_recv(raw, 12) == b"HTTP/1.1 200"
        received = 12
        # It reads nothing for longer than the patience.
        await asyncio.sleep(2 * PATIENCE)
        try:
            while part := await asyncio.wait_for(loop.sock_recv(raw, 1 << 20), 60):
                received += len(part)
        except ConnectionError:
            pass
        raw.close()
        assert received < 30_000_000


async def test_rude_requests(running: Running) -> None:
    async with WebServer(running.service, WebSettings(listen=ANY_PORT, max_connections=5)) as web:
        port = httpx.URL(web.urls[0]).port

        async def answer(request: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                return (await _closed(reader)).split(b"\r\n")[0]
            finally:
                writer.close()

        host = b"Host: x\r\nConnection: close\r\n"
        assert b" 400 " in await answer(b"\0\0\0\r\n\r\n")
        assert b" 400 " in await answer(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        many = b"".join(b"X-%d: %s\r\n" % (at, b"y" * 900) for at in range(100))
        assert b" 431 " in await answer(b"GET /healthz HTTP/1.1\r\n" + host + many + b"\r\n")
        assert b" 414 " in await answer(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n")
        assert b" 413 " in await answer(
            b"POST /v1/faxes HTTP/1.1\r\n" + host + b"Content-Length: 999999999999\r\n\r\n"
        )
        both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        assert await answer(b"POST /v1/faxes HTTP/1.1\r\n" + host + both) != b""
        # One connection too many is closed; when one leaves there is room again.
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        assert await answer(b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n") == b""
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(20):
            while b" 200 " not in await answer(b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n"):
                pass

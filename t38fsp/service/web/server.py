"""Serves the application on the Unix socket and on TCP, with patience that ends.

uvicorn speaks HTTP. It has no limit for the time of a request's header or of a client that does not read, and
takes the signals of the process; both are mended here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sip.logs import get_logger
from t38fsp.errors import FaxError
from t38fsp.service.delivery_settings import RetrySettings
from t38fsp.service.service import FaxService
from t38fsp.service.web.app import application, running
from t38fsp.service.web.context import Context
from t38fsp.service.web.edge import HEADER_OCTETS, Edge
from t38fsp.service.web_settings import FetchSettings, WebSettings, parse_listen

_logger = get_logger(__name__)

_BACKLOG = 256
_END_WITHIN = 5
"""Seconds that requests have to end when the server is closed."""


class WebError(FaxError):
    """The API cannot listen where it should; what to do is in the message."""


class WebServer:
    """The API of a service that runs. Raises WebError from ``async with``."""

    def __init__(
        self,
        service: FaxService,
        settings: WebSettings = WebSettings(),
        fetch: FetchSettings = FetchSettings(),
        webhooks: RetrySettings = RetrySettings(),
        deliver: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._settings = settings
        self._fetch = fetch
        self._webhooks = webhooks
        self._deliver = deliver
        self._stack = AsyncExitStack()
        self.urls: tuple[str, ...] = ()
        """Where it listens on TCP, with the port that it got."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            parts = running(self._service, self._settings, self._fetch, self._webhooks, self._deliver)
            context = await stack.enter_async_context(parts)
            if self._settings.listen:
                bound = _bind(self._settings.listen)
                stack.callback(bound.close)
                host, port = bound.getsockname()[:2]
                scheme = "http" if self._settings.certificate is None else "https"
                self.urls = (f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/",)
                await self._serve(stack, context, bound, local=False)
            if self._settings.socket:
                bound = _bind_unix(self._settings.socket, self._settings.socket_group)
                # Called last first: the server ends, its socket is closed, and then the file goes.
                stack.callback(_unlink, self._settings.socket)
                stack.callback(bound.close)
                await self._serve(stack, context, bound, local=True)
            # First of all when it is left: streams have no end of their own.
            stack.push_async_callback(context.feed.close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _serve(
        self, stack: AsyncExitStack, context: Context, bound: socket.socket, *, local: bool
    ) -> None:
        settings = self._settings
        # uvicorn makes a protocol for each connection, without settings of ours: so each server has a
        # class of its own. Headers of proxies count only from those that are named, or a client could
        # claim any address.
        config = uvicorn.Config(
            Edge(application(), context, local=local),
            http=type("Protocol", (PatientProtocol,), {"settings": settings}),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.proxies) and not local,
            forwarded_allow_ips=list(settings.proxies),
            h11_max_incomplete_event_size=HEADER_OCTETS,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_END_WITHIN,
        )
        if settings.certificate is not None and not local:
            config.load()
            config.ssl = _tls(settings)
        server = _Server(config)
        task = asyncio.create_task(server.serve([bound]), name="web")
        stack.push_async_callback(_end, server, task)
        # uvicorn has no event for it.
        while not server.started:
            if task.done():
                raise WebError(f"the API cannot be served on {bound.getsockname()}; see the log")
            await asyncio.sleep(0.01)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # They are for the program.
        yield


async def _end(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    server.should_exit = True
    await asyncio.wait([task])


class PatientProtocol(H11Protocol):
    """A connection that is closed when its client is too slow, or one too many."""

    settings: WebSettings

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._late: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        # The call above has counted this one.
        # uvicorn counts by server, so that TCP and the Unix socket have this limit each.
        if len(self.connections) > self.settings.max_connections:
            transport.abort()
            return
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()

    def _expect(self) -> None:
        """The client has to do something: send the header of a request, or read."""
        self._forget()
        self._late = self.loop.call_later(self.settings.patience, self._give_up)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        # Not close(), which waits for what the client does not read.
        self.transport.abort()


# --- sockets ------------------------------------------------------------------------------------------------


def _bind(listen: str) -> socket.socket:
    """Raises WebError."""
    host, port = parse_listen(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restart must not wait for connections of before in TIME_WAIT.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise WebError(
            f"the API cannot listen on {listen}: {error.strerror}; end what uses it, or change listen"
        ) from error
    return bound


def _bind_unix(path: str, group: bool) -> socket.socket:
    """Raises WebError. A socket that a process left which has died is replaced."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_dead(path)
        # Before anyone can connect to it: a mode that is set after bind() comes too late.
        # bind() makes the file with 0777 less the umask: 0660 or 0600. The umask is that of the whole
        # process, so it is put back at once.
        before = os.umask(0o117 if group else 0o177)
        try:
            bound.bind(path)
        finally:
            os.umask(before)
    except OSError as error:
        bound.close()
        raise WebError(
            f"the API cannot listen on the socket {path}: {error.strerror or error}; end what uses it, or "
            "change socket"
        ) from error
    return bound


def _remove_dead(path: str) -> None:
    """Raises OSError if a process listens there, or if it is not a socket."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError("there is a file of that name, which is not a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            # The file outlives its process: only a connection shows whether one still listens.
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise FileExistsError("another process listens there")


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _tls(settings: WebSettings) -> ssl.SSLContext:
    """Raises WebError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert settings.certificate is not None
    try:
        # Without a password OpenSSL would ask for it on the terminal.
        context.load_cert_chain(settings.certificate, settings.key, lambda: settings.key_password or "")
    except (OSError, ssl.SSLError) as error:
        raise WebError(
            f"the certificate of the API cannot be used ({error}); see certificate, key and key_password"
        ) from error
    return context

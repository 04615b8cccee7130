"""What every request passes on its way in and out: sizes, times, headers, errors that nothing else caught."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from t38fsp.service.web.context import CONTEXT, Context
from t38fsp.service.web.problems import problem_of
from t38fsp.service.web_settings import WebSettings

LOCAL = "t38fsp.local"
"""Key of the scope: the request came by the Unix socket."""

# Also the limit that uvicorn gets for a header that is not complete (server.py).
HEADER_OCTETS = 32 * 1024
_LONGEST_TARGET = 8 * 1024

_LEAST_RATE = 1000.0
"""Octets in a second that a client sends at least, once its patience is used up."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Faxes must not be kept by caches on the way, and a state is old when it is read.
    "Cache-Control": "no-store",
}


class Edge:
    """The application for one service and one way in; ``local`` for the Unix socket."""

    def __init__(self, app: ASGIApp, context: Context, *, local: bool) -> None:
        self._app = app
        self._settings = context.settings
        self._scope = {CONTEXT: context, LOCAL: local}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn is told to offer neither web sockets nor lifespan events.
        if scope["type"] != "http":
            return
        # In the scope, not in the state of the application, which is one for all services of a process.
        scope.update(self._scope)
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            _check_head(scope)
            self._check_length(scope)
            await self._app(scope, _Body(receive, self._settings), send_on)
        except Exception as error:
            problem = problem_of(error)
            if started:
                # The answer ends where it is; uvicorn closes the connection for it.
                raise
            await problem.response()(scope, receive, send_on)

    def _check_length(self, scope: Scope) -> None:
        # Before anything of the body is read; one that does not tell its length is counted as it comes.
        length = Headers(scope=scope).get("content-length", "")
        # Cut, as int() raises for thousands of digits. Where zeros fill these 20, the count in _Body decides.
        if length.isascii() and length.isdigit() and int(length[:20]) > self._settings.max_body:
            raise _too_large(self._settings)


def _check_head(scope: Scope) -> None:
    # uvicorn limits only what has not come as a whole.
    if len(scope["raw_path"]) + len(scope["query_string"]) > _LONGEST_TARGET:
        raise HTTPException(414, f"the address is longer than {_LONGEST_TARGET} octets")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_OCTETS:
        raise HTTPException(431, f"the header is longer than {HEADER_OCTETS} octets")


class _Body:
    """Receives a body: no more than the settings allow, and no slower."""

    def __init__(self, receive: Receive, settings: WebSettings) -> None:
        self._receive = receive
        self._settings = settings
        self._octets = 0
        self._waited = 0.0
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            # Now it waits for the client to leave.
            return await self._receive()
        clock = asyncio.get_running_loop().time
        began = clock()
        left = self._settings.patience + self._octets / _LEAST_RATE - self._waited
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "the body of the request did not come in time; send it again") from None
        # Only the time in which the client is waited for: that of a handler between two parts does not count.
        self._waited += clock() - began
        self._octets += len(message.get("body", b""))
        if self._octets > self._settings.max_body:
            raise _too_large(self._settings)
        self._complete = not message.get("more_body", False)
        return message


def _too_large(settings: WebSettings) -> HTTPException:
    # One of the framework's errors: FastAPI passes on no other one while it reads a body.
    return HTTPException(
        413, f"the request is too large: the maximum is {settings.max_body} octets; send fewer documents"
    )

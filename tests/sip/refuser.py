"""A far end by UDP that answers every INVITE with one refusal, or with nothing, and remembers what came."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sip.syntax.message import Headers, Request, Response, parse_message
from sip.values import Hop


class Refuser:
    """``status`` None says nothing at all."""

    def __init__(self, sock: socket.socket, status: int | None, *headers: tuple[str, str]) -> None:
        self.hop = Hop(*sock.getsockname())
        self.invites: list[Request] = []
        self._sock = sock
        self._status = status
        self._headers = headers

    def read(self) -> None:
        data, source = self._sock.recvfrom(65536)
        request = parse_message(data)
        assert isinstance(request, Request)
        if request.method != "INVITE":
            return
        self.invites.append(request)
        if self._status is not None:
            self._sock.sendto(bytes(self._refusal(request, self._status)), source)

    def _refusal(self, request: Request, status: int) -> Response:
        headers = Headers(
            (name, request.headers.get(name) or "") for name in ("Via", "From", "Call-ID", "CSeq")
        )
        headers.add("To", f"{request.headers.get('To')};tag=refuser")
        for name, value in self._headers:
            headers.add(name, value)
        return Response(status, "No", headers)


@asynccontextmanager
async def refuser(status: int | None, *headers: tuple[str, str]) -> AsyncIterator[Refuser]:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        far_end = Refuser(sock, status, *headers)
        loop.add_reader(sock, far_end.read)
        try:
            yield far_end
        finally:
            loop.remove_reader(sock)

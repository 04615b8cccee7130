"""Where faxes are delivered in tests: a webhook, and aiosmtpd as a mail server; both on the test's loop."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


@dataclass
class Hook:
    """A webhook that keeps what it got, and answers with ``status``; it hangs while ``answers`` is clear."""

    status: int = 200
    headers: tuple[str, ...] = ()
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    tried: int = 0
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    def verified(self, secret: str = SECRET) -> list[dict[str, Any]]:
        """The bodies of all requests that were answered with 2xx, after standardwebhooks verified them."""
        return [
            Webhook(secret.removeprefix("whsec_")).verify(body.decode(), headers)
            for headers, body in self.got
        ]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")[1:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.tried += 1
            await self.answers.wait()
            if self.status < 300:
                self.got.append((headers, body))
            more = "".join(f"{line}\r\n" for line in self.headers)
            writer.write(f"HTTP/1.1 {self.status} Said\r\nContent-Length: 0\r\n{more}\r\n".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hook(port: int = 0, **options: Any) -> AsyncIterator[Hook]:
    made = Hook(**options)
    made.answers.set()
    server = await asyncio.start_server(made.serve, "127.0.0.1", port)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/faxes"
    try:
        yield made
    finally:
        made.answers.set()
        server.close()


class Mailbox:
    """The handler of aiosmtpd; keeps messages, and refuses the recipients in ``refuses``."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.refuses: dict[str, str] = {}
        self.users: list[str] = []
        self.over_tls: list[bool] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.envelopes.append(envelope)
        self.over_tls.append(session.ssl is not None)
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"secret", handled=False)


@asynccontextmanager
async def mailbox(
    port: int = 0, context: ssl.SSLContext | None = None, at_once: bool = False, **options: Any
) -> AsyncIterator[Mailbox]:
    """With ``context`` STARTTLS and an account are required, or TLS from the beginning."""
    box = Mailbox()
    if context is not None and not at_once:
        options |= {
            "tls_context": context,
            "require_starttls": True,
            "authenticator": box.authenticate,
            "auth_required": True,
        }
    loop = asyncio.get_running_loop()
    tls = context if at_once else None
    server = await loop.create_server(lambda: SMTP(box, loop=loop, **options), "127.0.0.1", port, ssl=tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()


def attachments(message: EmailMessage) -> list[tuple[str, bytes]]:
    return [(str(part.get_filename()), part.get_payload(decode=True)) for part in message.iter_attachments()]

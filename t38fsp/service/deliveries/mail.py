"""Received faxes by e-mail, each address in a message of its own."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from sip.logs import printable
from t38fsp.received import facts
from t38fsp.service.deliveries.files import Files
from t38fsp.service.deliveries.way import NotDeliveredError, Order
from t38fsp.service.delivery_settings import MailSecurity, MailServer
from t38fsp.service.values import ReceivedFax

_SEVEN_BITS = SMTP.clone(cte_type="7bit")
"""Not every server takes more."""
_MOST_THREADS = 8
_MOST_REPLIES = 100_000
"""Octets that a server may say in one session."""
_MOST_IN_HEADER = 100
"""Characters of what a far end sent."""
_FIRST_FINAL = 500
"""Answers from here on to a recipient or a message are final (RFC 5321 4.2.1)."""


class MailWay:
    """smtplib in threads. A server that hangs is left when the time of the attempt is over."""

    def __init__(self, files: Files, server: MailServer) -> None:
        self._files = files
        self._server = server
        self._threads = ThreadPoolExecutor(_MOST_THREADS, "mail")

    async def deliver(self, order: Order) -> None:
        address = str(order.arguments.get("address", ""))
        async with self._files.made(order) as made:
            message = await asyncio.to_thread(_message, order, made.files, address, self._server)
        session = _Session(self._server, order.target.seconds)
        work = asyncio.get_running_loop().run_in_executor(self._threads, session.send, message, address)
        try:
            async with asyncio.timeout(order.target.seconds):
                await asyncio.shield(work)
        except TimeoutError:
            raise NotDeliveredError(
                f"the mail server {self._server.host} took more than {order.target.seconds:g} s"
            ) from None
        finally:
            if not work.done():
                session.break_off()
                # Its exception is read, so that asyncio does not log it.
                work.add_done_callback(lambda future: future.cancelled() or future.exception())

    async def settle(self, order: Order) -> None:
        """The Message-ID is the same at a repetition."""

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Replies:
    """The replies of a server: smtplib bounds the length of a line, but not how many there are."""

    def __init__(self, file: io.BufferedReader, allowed: Callable[[], None]) -> None:
        self._file = file
        self._allowed = allowed
        self._octets = 0

    def readline(self, most: int) -> bytes:
        self._allowed()
        line = self._file.readline(most)
        self._octets += len(line)
        if self._octets > _MOST_REPLIES:
            raise OSError(f"it said more than {_MOST_REPLIES} octets")
        return line

    def close(self) -> None:
        self._file.close()


class _Client(smtplib.SMTP):
    allowed: Callable[[], None]
    """Raises OSError if the session is to end."""

    def getreply(self) -> tuple[int, bytes]:
        # smtplib makes it None with each new socket, so also after STARTTLS, and opens it here.
        if self.file is None and self.sock is not None:
            self.file = _Replies(self.sock.makefile("rb"), self.allowed)
        return super().getreply()


class _TlsClient(_Client, smtplib.SMTP_SSL):
    pass


class _Session:
    """One message to one address, in a thread."""

    def __init__(self, server: MailServer, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._lock = threading.Lock()
        self._client: smtplib.SMTP | None = None
        self._broken = False

    def send(self, message: EmailMessage, address: str) -> None:
        """Raises NotDeliveredError."""
        server = self._server
        try:
            client = self._client_of()
            try:
                self._connect(client)
                if server.security is MailSecurity.STARTTLS:
                    client.starttls(context=self._context())
                if server.user:
                    client.login(server.user, server.password or "")
                client.send_message(message, server.sender, [address])
                # It was taken: what happens to QUIT does not matter.
                with suppress(OSError, smtplib.SMTPException):
                    client.quit()
            finally:
                client.close()
        except smtplib.SMTPRecipientsRefused as error:
            code, reply = error.recipients.get(address, (0, b""))
            raise _refused(code, reply) from error
        except smtplib.SMTPDataError as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPAuthenticationError as error:
            answer = _answer(error.smtp_code, error.smtp_error)
            raise NotDeliveredError(
                f"the mail server does not take the account {server.user}: {answer}"
            ) from error
        # Not final, also with 5xx: it is about the server, the sender or TLS, which can be put right.
        except smtplib.SMTPResponseException as error:
            answer = _answer(error.smtp_code, error.smtp_error)
            raise NotDeliveredError(f"the mail server {server.host} refused: {answer}") from error
        except (OSError, smtplib.SMTPException, UnicodeError, ValueError) as error:
            text = printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)
            raise NotDeliveredError(f"the mail server {server.host} cannot be used: {text[:200]}") from error

    def break_off(self) -> None:
        """Have the thread end, wherever it waits."""
        with self._lock:
            self._broken = True
            sock = None if self._client is None else self._client.sock
        # This wakes a thread that waits for the server; closing the socket would not.
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _client_of(self) -> smtplib.SMTP:
        server = self._server
        # Without a host it does not connect yet, so that it can be broken off from here on.
        client: _Client | _TlsClient = (
            _TlsClient(timeout=self._seconds, context=self._context())
            if server.security is MailSecurity.TLS
            else _Client(timeout=self._seconds)
        )
        # starttls and SMTP_SSL compare the certificate with this name.
        client._host = server.host  # type: ignore[union-attr]
        client.allowed = self._allowed
        with self._lock:
            self._client = client
        return client

    def _connect(self, client: smtplib.SMTP) -> None:
        server = self._server
        # smtplib checks the greeting (RFC 5321 3.1) only where its constructor connects.
        code, text = client.connect(server.host, server.port or server.security.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)

    def _allowed(self) -> None:
        """Raises OSError if the session was broken off before there was a socket to shut down."""
        with self._lock:
            if self._broken:
                raise OSError("it was broken off")

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.authorities or None)


def _message(order: Order, files: tuple[str, ...], address: str, server: MailServer) -> EmailMessage:
    """Raises NotDeliveredError for files that are too large."""
    fax = order.fax
    assert fax is not None
    octets = sum(os.path.getsize(path) for path in files)
    # Octets of the files: base64 makes the message larger by more than a third.
    if octets > server.most_octets:
        raise NotDeliveredError(
            f"the fax has {octets} octets, and {server.most_octets} is the most that is sent by mail; see it "
            "in the list of received faxes",
            final=True,
        )
    message = EmailMessage(policy=_SEVEN_BITS)
    message["From"] = server.sender
    message["To"] = address
    message["Subject"] = _subject(fax)
    message["Date"] = format_datetime(datetime.fromtimestamp(fax.at, UTC))
    # The same at each attempt, by which a mailbox can recognise a repetition.
    message["Message-ID"] = f"<{order.id}@{server.sender.rpartition('@')[2]}>"
    # RFC 3834: no answers by machines.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_text(fax))
    for path in files:
        main, _, sub = mimetypes.types_map[os.path.splitext(path)[1]].partition("/")
        message.add_attachment(
            Path(path).read_bytes(), maintype=main, subtype=sub, filename=os.path.basename(path)
        )
    return message


def _subject(fax: ReceivedFax) -> str:
    pages = f"{fax.pages} page{'' if fax.pages == 1 else 's'}"
    return f"Fax from {_sender(fax)}, {pages}{', incomplete' if fax.partial else ''}"


def _sender(fax: ReceivedFax) -> str:
    name = fax.station_id or facts.address({"caller": fax.caller}, "caller") or "an unknown caller"
    # A space for each run of what is not printable, so that no line of the header ends here.
    plain = "".join(char if char.isprintable() else " " for char in name)
    return " ".join(plain.split())[:_MOST_IN_HEADER]


def _text(fax: ReceivedFax) -> str:
    lines = {
        "From": facts.address({"caller": fax.caller}, "caller"),
        "Station ID": fax.station_id,
        "To": facts.address({"called": fax.called}, "called"),
        "Subaddress": fax.sub_address,
        "Received": str(fax.result.get("began", "")),
        "Pages": str(fax.pages),
        "Incomplete": str(fax.result.get("reason", "")) if fax.partial else "",
        "Fax": fax.id,
    }
    return "".join(f"{name}: {printable(value)[:500]}\n" for name, value in lines.items() if value)


def _refused(code: int, text: bytes | str) -> NotDeliveredError:
    return NotDeliveredError(f"the mail was refused: {_answer(code, text)}", final=code >= _FIRST_FINAL)


def _answer(code: int, text: bytes | str) -> str:
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return printable(f"{code} {shown}")[:200]

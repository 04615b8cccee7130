"""Receive faxes, and mail each as a PDF: ``forward.py faxes 127.0.0.1:5070 office@mail.example``.

Mail goes to the server of the environment variable SMTP (HOST:PORT), or else to the one on this machine. The
faxes stay in the directory, also when their mail could not be sent.
"""

import asyncio
import logging
import os
import signal
import smtplib
import sys
from email.message import EmailMessage
from pathlib import Path

from t38fsp import (
    AddressError,
    EngineError,
    FaxProvider,
    FileFormat,
    Inbox,
    InboxSettings,
    IncomingFax,
    ReceivedFax,
    listen_address,
)

log = logging.getLogger("forward")
AS_PDF = InboxSettings(format=FileFormat.PDF, name="{date}-{time}-{caller}")


def message(fax: ReceivedFax, pdf: Path, to: str) -> EmailMessage:
    result = fax.result
    mail = EmailMessage()
    # A station ID is what the caller has set; a line break in it would be refused here.
    mail["Subject"] = f"Fax from {result.remote_id or 'an unknown station'}: {pdf.stem}"
    mail["From"], mail["To"] = to, to
    lines = [f"{result.reason}.", *result.warnings]
    if not result.completed:
        lines.append("Pages may be missing.")
    mail.set_content("\n".join(lines))
    mail.add_attachment(pdf.read_bytes(), maintype="application", subtype="pdf", filename=pdf.name)
    return mail


def send(mail: EmailMessage, host: str, port: int) -> None:
    with smtplib.SMTP(host, port, timeout=60) as server:
        server.send_message(mail)


async def forward(call: IncomingFax, inbox: Inbox, to: str, server: tuple[str, int]) -> None:
    # An exception here would cancel the other calls of the task group.
    try:
        fax = await inbox.take(call)
        log.info("%s: %s -> %s", call.caller, fax.result.reason, fax.pdf)
        if fax.pdf is not None:
            # In a thread: the loop has calls to serve.
            mail = await asyncio.to_thread(message, fax, Path(fax.pdf), to)
            try:
                await asyncio.to_thread(send, mail, *server)
            except (OSError, smtplib.SMTPException) as error:
                log.error("%s was not sent to %s: %s; it stays there", fax.pdf, to, error)
            else:
                log.info("%s was sent to %s", fax.pdf, to)
    except Exception:
        log.exception("the call from %s failed", call.caller)


async def main(directory: str, listen: tuple[str, int], to: str, server: tuple[str, int]) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with (
        Inbox(directory, AS_PDF) as inbox,
        FaxProvider(listen, accept_calls=True) as provider,
        asyncio.TaskGroup() as faxes,
    ):
        log.info("listening on %s:%d", *provider.address)
        async for call in provider.calls():
            faxes.create_task(forward(call, inbox, to, server))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: forward.py DIRECTORY HOST:PORT MAIL-ADDRESS")
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    log.setLevel(logging.INFO)
    try:
        address = listen_address(sys.argv[2])
        smtp = listen_address(os.environ.get("SMTP", "127.0.0.1:25"))
        asyncio.run(main(sys.argv[1], address, sys.argv[3], smtp))
    except (AddressError, EngineError, OSError) as error:
        sys.exit(f"forward.py: {error}")
    except asyncio.CancelledError:
        log.info("stopped")

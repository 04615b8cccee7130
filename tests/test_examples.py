"""The programs of examples/ and the README, used as they say, over SIP and T.38 on the loopback interface.

``send_faxdev.py`` is tried where the FaxDev functions are tested.
"""

from __future__ import annotations

import asyncio
import re
import signal
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from t38fsp.cli.exits import Exit
from t38fsp.image.compare import differing_pages
from tests.cli.commands import ROOT, names, port_of, started, t38fsp
from tests.peers import pdf

EXAMPLES = ROOT / "examples"


async def test_the_sender_and_the_receiver(tmp_path: Path, letter: Path) -> None:
    """``send.py`` to ``t38fsp receive`` and to ``receive.py``, at the same time."""
    faxes, ours = tmp_path / "faxes", tmp_path / "ours"
    any_port = "127.0.0.1:0"
    async with (
        t38fsp("receive", "--output", faxes, "--listen", any_port, "--count", "1") as command,
        started(EXAMPLES / "receive.py", ours, any_port) as example,
    ):
        one, other = [port_of(await receiver.printed("listening")) for receiver in (command, example)]
        async with (
            started(EXAMPLES / "send.py", letter, f"sip:+15550100@127.0.0.1:{one}") as to_command,
            started(EXAMPLES / "send.py", letter, f"sip:+15550100@127.0.0.1:{other}") as to_example,
        ):
            sent = await asyncio.gather(to_command.end(), to_example.end())
        for sender in sent:
            assert sender.status == 0, sender.output + sender.progress
        # Whatever became of its call, it tells, and then waits for the next.
        told = await example.printed(" -> ")
        example.process.send_signal(signal.SIGINT)
        received, stopped = await asyncio.gather(command.end(), example.end())
    for sender in sent:
        result, page = sender.output.splitlines()
        assert result == "COMPLETED; 1 page was sent and confirmed by the far end; final"
        assert page.startswith("page 1: confirmed")
    assert received.status == 0
    (file,) = faxes.iterdir()
    assert differing_pages(letter, file) == []
    (mine,) = ours.iterdir()
    assert told.endswith(f": 1 page was received -> {mine}")
    assert differing_pages(letter, mine) == []
    assert (stopped.status, stopped.output, stopped.progress) == (0, "stopped\n", "")


class Mailbox:
    """Takes the mail of an SMTP server, but that to ``full``."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(self, server: object, session: object, envelope: Any, to: str, _: object) -> str:  # noqa: N802
        if to.startswith("full"):
            return "452 mailbox full"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@pytest.mark.pdf
async def test_the_forwarder(tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``forward.py`` to a mail server that is not ours, and to one that refuses the mail."""
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    monkeypatch.setenv("SMTP", "{}:{}".format(*smtp.sockets[0].getsockname()))
    arguments = [(EXAMPLES / "forward.py", tmp_path / to, "127.0.0.1:0", f"{to}@mail.example") for to in TO]
    async with started(*arguments[0]) as good, started(*arguments[1]) as bad:
        ports = [port_of(await example.printed("listening")) for example in (good, bad)]
        sends = [t38fsp("send", letter, "--to", f"sip:1@127.0.0.1:{port}", *BY_US) for port in ports]
        async with sends[0] as one, sends[1] as other:
            assert [(await each.end()).status for each in (one, other)] == [0, 0]
        await good.printed("was sent to office@mail.example")
        await bad.printed("SMTPRecipientsRefused")
        for example in (good, bad):
            example.process.send_signal(signal.SIGTERM)
            assert (await example.end()).output.endswith("stopped\n")
    smtp.close()
    (mail,) = mailbox.mails
    assert "+49 711 55" in mail["Subject"]
    (attached,) = mail.iter_attachments()
    (file,) = (tmp_path / "office").iterdir()
    assert (attached.get_content_type(), attached.get_filename()) == ("application/pdf", file.name)
    assert attached.get_content() == file.read_bytes()
    pdf.check(file)
    (kept,) = (tmp_path / "full").iterdir()
    pdf.check(kept)


TO = ["office", "full"]
BY_US = ("--station-id", "+49 711 55")


@pytest.mark.parametrize(
    ("program", "number"),
    [
        ("send.py", signal.SIGINT),
        ("send.py", signal.SIGTERM),
        ("send_faxdev.py", signal.SIGHUP),
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in (
                ("send.py", signal.SIGHUP),
                ("send_faxdev.py", signal.SIGINT),
                ("send_faxdev.py", signal.SIGTERM),
            )
        ),
    ],
)
async def test_signals_hang_up(letter: Path, program: str, number: signal.Signals) -> None:
    told = {"send.py": "send.py: stopped; the call was hung up", "send_faxdev.py": "FS_USER_ABORT: "}[program]
    silent = await asyncio.get_running_loop().create_datagram_endpoint(Heard, local_addr=("127.0.0.1", 0))
    transport, heard = silent
    to = "sip:fax@{}:{}".format(*transport.get_extra_info("sockname"))
    async with started(EXAMPLES / program, letter, to) as example:
        await heard.invite
        example.process.send_signal(number)
        ended = await example.end()
    transport.close()
    assert told in ended.output + ended.progress
    assert ended.status == 1
    assert "Traceback" not in ended.progress


@pytest.mark.full
async def test_a_receiver_that_cannot_tell_loses_no_fax(tmp_path: Path, letter: Path) -> None:
    """Its standard output is closed at the other end while a fax comes."""
    async with started(EXAMPLES / "receive.py", tmp_path, "127.0.0.1:0") as example:
        port = port_of(await example.printed("listening"))
        assert example.process.stdout is not None
        example.process.stdout._transport.close()  # type: ignore[attr-defined]
        async with started(EXAMPLES / "send.py", letter, f"sip:1@127.0.0.1:{port}") as sender:
            assert (await sender.end()).status == 0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(example.process.wait(), 1.0)
        example.process.send_signal(signal.SIGHUP)
        await example.process.wait()
    (name,) = names(tmp_path)
    assert differing_pages(letter, tmp_path / name) == []


class Heard(asyncio.DatagramProtocol):
    """A SIP peer that never answers."""

    def __init__(self) -> None:
        self.invite: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data.startswith(b"INVITE ") and not self.invite.done():
            self.invite.set_result(None)


@pytest.mark.parametrize(
    ("program", "arguments", "sentence"),
    [
        ("send.py", ("letter.tif",), "usage: send.py DOCUMENT NUMBER-OR-URI"),
        ("send.py", ("letter.tif", "letter.tif"), "send.py: 'letter.tif' is neither a number nor a SIP URI"),
        ("send.py", ("letter.tif", "+15550100"), "send.py: +15550100 needs a SIP peer"),
        ("receive.py", ("faxes",), "usage: receive.py DIRECTORY HOST:PORT"),
        ("receive.py", (".", "127.0.0.1"), "receive.py: '127.0.0.1' has no port; write it as HOST:PORT"),
        ("forward.py", (".", "127.0.0.1:0"), "usage: forward.py DIRECTORY HOST:PORT MAIL-ADDRESS"),
        (
            "forward.py",
            (".", "127.0.0.1", "a@b"),
            "forward.py: '127.0.0.1' has no port; write it as HOST:PORT",
        ),
        ("receive.py", (".", "192.0.2.1:0"), "receive.py: cannot listen at 192.0.2.1:0 over UDP"),
    ],
)
async def test_they_say_what_they_cannot_use(program: str, arguments: tuple[str, ...], sentence: str) -> None:
    async with started(EXAMPLES / program, *arguments) as example:
        ended = await example.end()
    assert (ended.status, ended.output) == (1, "")
    assert ended.progress.startswith(sentence)
    assert ended.progress.count("\n") == 1


def test_the_readme_tells_every_exit_status() -> None:
    readme = (ROOT / "README.md").read_text()
    told = {int(number) for number in re.findall(r"\| (\d+) \| \S", readme)}
    assert told == {int(status) for status in Exit}

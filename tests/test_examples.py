"""The programs of examples/ and the README, used as they say, over SIP and T.38 on the loopback interface.

``send_faxdev.py`` is tried where the FaxDev functions are tested.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import runpy
import signal
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from aiosmtpd.smtp import SMTP
from PIL import Image, ImageDraw

from t38fsp.cli.exits import Exit
from t38fsp.image.compare import differing_pages
from t38fsp.image.document import inspect
from t38fsp.provider import FaxProvider
from tests.cli.commands import PATIENCE, ROOT, names, port_of, started, t38fsp
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
    """Takes the mail of an SMTP server, but for the first."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refused = False

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
        if not self.refused:
            self.refused = True
            return "452 mailbox full"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@pytest.mark.pdf
async def test_the_forwarder(tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``forward.py`` to a mail server that is not ours, which refuses the first of two mails."""
    mailbox = Mailbox()
    smtp = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    monkeypatch.setenv("SMTP", "{}:{}".format(*smtp.sockets[0].getsockname()))
    faxes = tmp_path / "faxes"
    async with started(EXAMPLES / "forward.py", faxes, "127.0.0.1:0", "office@mail.example") as example:
        to = ("--to", f"sip:1@127.0.0.1:{port_of(await example.printed('listening'))}")
        sends = [t38fsp("send", letter, *to, "--station-id", "+49 711 55") for _ in range(2)]
        async with sends[0] as one, sends[1] as other:
            assert [(await each.end()).status for each in (one, other)] == [0, 0]
        sent = await example.printed("was sent to office@mail.example")
        example.process.send_signal(signal.SIGTERM)
        assert (await example.end()).output.endswith("stopped\n")
    smtp.close()
    assert mailbox.refused
    (mail,) = mailbox.mails
    assert "+49 711 55" in mail["Subject"]
    (attached,) = mail.iter_attachments()
    assert len(names(faxes)) == 2, "the one that could not be sent stays, too"
    mailed = faxes / Path(sent.split(" was sent")[0]).name
    assert (attached.get_content_type(), attached.get_filename()) == ("application/pdf", mailed.name)
    assert attached.get_content() == mailed.read_bytes()
    for name in names(faxes):
        pdf.check(faxes / name)


async def test_the_folder_and_the_mail_merge(
    tmp_path: Path, empty_directory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A far end that is busy once: the mail merge tries again, and what the folder has stays in it."""
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    for name in ("busy.pdf", "letter.pdf"):
        one_page(outbox / name)
    (outbox / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing else")
    document = tmp_path / "offer.pdf"
    one_page(document)
    monkeypatch.setenv("PAUSE", "0.1")
    async with FaxProvider(("127.0.0.1", 0), accept_calls=True) as far:
        there = f"127.0.0.1:{far.address[1]}"
        (tmp_path / "people.csv").write_text(
            f"to,to_name,subject,Customer\nsip:merge@{there},Ms Dvořák,Offer,17\nnobody,Mr B,Offer,18\n"
        )
        answering = asyncio.create_task(busy_once(far, tmp_path))
        async with (
            started(EXAMPLES / "fax_folder.py", outbox, f"sip:folder@{there}") as folder,
            started(EXAMPLES / "mail_merge.py", tmp_path / "people.csv", document) as merge,
        ):
            filed, merged = await asyncio.gather(folder.end(), merge.end())
        answering.cancel()
    assert (filed.status, merged.status) == (1, 1), filed.progress + merged.progress
    assert names(outbox) == ["busy.pdf", "failed", "sent"]
    assert (names(outbox / "failed"), names(outbox / "sent")) == (["broken.pdf"], ["letter.pdf"])
    assert len(filed.output.splitlines()) == 3
    told = merged.output.splitlines()
    assert sum("tried again" in line for line in told) == 1
    assert sum(line.startswith("nobody: not sent: ") for line in told) == 1
    received = {name.partition("-")[0]: inspect(tmp_path / name) for name in names(tmp_path) if "-" in name}
    assert {user: len(pages) for user, pages in received.items()} == {"folder": 1, "merge": 2}


def one_page(path: Path) -> None:
    page = Image.new("L", (1654, 600), 255)
    ImageDraw.Draw(page).text((200, 200), path.stem, fill=0, font_size=80)
    page.save(path, resolution=200)


async def busy_once(far: FaxProvider, folder: Path) -> None:
    """Refuse the first call to each user, and receive what comes then."""
    refused: set[str] = set()
    async with asyncio.TaskGroup() as faxes:
        async for call in far.calls():
            user = call.called.removeprefix("sip:").partition("@")[0]
            if user in refused:
                faxes.create_task(call.receive(folder / f"{user}-received.tif"))
            else:
                refused.add(user)
                call.refuse()


async def test_the_preview_server(tmp_path: Path) -> None:
    document = tmp_path / "letter.pdf"
    one_page(document)
    async with started(EXAMPLES / "preview_server.py", "0") as example:
        port = int(port_of(await example.printed("listening")))
        form, shown, refused = [
            await asyncio.to_thread(asked, port, content)
            for content in (None, document.read_bytes(), b"%PDF-1.4 and nothing else")
        ]
        example.process.send_signal(signal.SIGTERM)
        await example.end()
    assert (form[0], shown[0], refused[0]) == (200, 200, 422)
    assert b"<input" in form[1]
    assert b"damaged" in refused[1]
    (tmp_path / "shown.pdf").write_bytes(shown[1])
    pages = pypdfium2.PdfDocument(tmp_path / "shown.pdf")
    assert len(pages) == 1
    drawn = pages[0].render(scale=1, grayscale=True).to_pil()
    assert drawn.getextrema()[0] < 100
    pages.close()


def asked(port: int, content: bytes | None) -> tuple[int, bytes]:
    """The status and the body of the answer to a GET, or to a POST of ``content``."""
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    server.request("GET" if content is None else "POST", "/", content)
    answer = server.getresponse()
    return answer.status, answer.read()


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
        ("fax_folder.py", ("outbox",), "usage: fax_folder.py FOLDER NUMBER-OR-URI"),
        ("mail_merge.py", ("people.csv",), "usage: mail_merge.py TABLE DOCUMENT"),
        ("fax_folder.py", ("missing", "+15550100"), "fax_folder.py: missing is not a folder"),
        ("mail_merge.py", ("missing.csv", "letter.pdf"), "mail_merge.py: the table missing.csv: "),
        ("preview_server.py", ("http",), "preview_server.py: 'http' is not a port"),
        ("preview_server.py", (), "usage: preview_server.py PORT"),
        ("receive.py", (".", "192.0.2.1:0"), "receive.py: cannot listen at 192.0.2.1:0 over UDP"),
    ],
)
def test_they_say_what_they_cannot_use(
    program: str,
    arguments: tuple[str, ...],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In this process; one of its own would print the text that ends it, with status 1."""
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / program), run_name="__main__")
    assert str(ended.value.code).startswith(sentence)
    assert "\n" not in str(ended.value.code)
    assert capfd.readouterr() == ("", "")


def test_the_readme_tells_every_exit_status() -> None:
    readme = (ROOT / "README.md").read_text()
    told = {int(number) for number in re.findall(r"\| (\d+) \| \S", readme)}
    assert told == {int(status) for status in Exit}

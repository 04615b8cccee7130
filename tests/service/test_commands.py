"""The commands that are clients of the service, against the API of one whose caller places no calls."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.service.receivers import read_receivers, read_time
from t38fsp.outcome import Outcome
from t38fsp.service import received_faxes
from t38fsp.service.caller import CallOrder
from t38fsp.service.received_faxes import Arrived
from t38fsp.service.values import FaxState
from t38fsp.service.web.server import WebServer
from t38fsp.service.web_settings import WebSettings
from tests.cli.commands import Invoked, invoke, t38fsp
from tests.service.conftest import Running
from tests.service.stand_in import completes

pytestmark = pytest.mark.usefixtures("empty_directory")


def write(name: str, text: str) -> Path:
    """A file for its owner alone."""
    file = Path(name)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


class Commands:
    """Runs commands against a service that runs in the same process, by its socket or its URL."""

    def __init__(self, running: Running, socket: Path, url: str) -> None:
        self.running = running
        self.socket = socket
        self.url = url

    async def run(self, *arguments: str | Path) -> Invoked:
        return await asyncio.to_thread(invoke, *map(str, arguments), "--socket", str(self.socket))

    async def objects(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """The objects of a command with ``--json``."""
        ran = await self.run(*arguments, "--json")
        assert ran.exit_code == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    async def submit(self, *arguments: str | Path) -> dict[str, Any]:
        (job,) = await self.objects("submit", *arguments)
        return job


@pytest.fixture
def letter() -> Path:
    """Of a kind that nothing is known of: the caller of these tests sends none."""
    return write("letter.pdf", "%PDF-1.4 a letter")


@pytest.fixture
async def commands(running: Running, tmp_path: Path) -> AsyncIterator[Commands]:
    socket = tmp_path / "api"
    settings = WebSettings("127.0.0.1:0", str(socket))
    async with WebServer(running.service, settings) as web:
        yield Commands(running, socket, web.urls[0])


def fails(order: CallOrder) -> Outcome:
    return Outcome.BAD_NUMBER


async def test_a_fax_is_submitted_shown_and_in_the_journal(commands: Commands, letter: Path) -> None:
    ran = await commands.run("submit", letter, "--to", "+15550100", "--reference", "invoice 7")
    assert ran.exit_code == 0, ran.stderr
    id = ran.stdout.partition(":")[0]
    await commands.running.until(f"{id}-1", FaxState.DELIVERED)
    (fax,) = await commands.objects("show", f"{id}-1")
    assert (fax["state"], fax["pages_confirmed"]) == ("delivered", 2)
    assert [call["state"] for call in fax["calls"]] == ["released"]
    (job,) = await commands.objects("show", id)
    assert (job["reference"], job["states"]) == ("invoice 7", {"delivered": 1})
    for what in (id, f"{id}-1"):
        shown = await commands.run("show", what)
        assert "delivered" in shown.stdout
    (row,) = csv.DictReader((await commands.run("journal", "--csv")).stdout.splitlines())
    assert (row["direction"], row["number"], row["outcome"], row["pages"]) == (
        "out",
        "+15550100",
        "COMPLETED",
        "2",
    )
    (call,) = await commands.objects("journal", "--since", "2020-01-01")
    assert (call["id"], call["reference"]) == (f"{id}-1.1", "invoice 7")
    assert await commands.objects("journal", "--since", "2100-01-01") == []
    # A fax that comes in counts when its call is over, as one that is sent.
    began = datetime(2099, 12, 31, 23, 59, tzinfo=UTC).timestamp()
    result = {"outcome": "COMPLETED", "reason": "2 pages were received", "seconds": 120.25}
    came = Arrived("r1", began, "here", None, "one", "sip:1@x", "sip:2@x", "", "", 2, False, result, "", None)
    await commands.running.service.database.run(
        lambda connection: received_faxes.store(connection, came, [], began)
    )
    (row,) = await commands.objects("journal", "--since", "2100-01-01T00:00+00:00")
    assert (row["id"], row["direction"], row["seconds"], row["outcome"]) == ("r1", "in", 120.2, "COMPLETED")
    assert datetime.fromisoformat(row["ended"]) == datetime(2100, 1, 1, 0, 1, 0, 250000, UTC)
    assert await commands.objects("journal", "--since", "2100-01-01T00:02+00:00") == []
    assert await commands.objects("queue") == []
    assert len(await commands.objects("queue", "--state", "delivered", "--number", "+15550100")) == 1


@pytest.mark.full
async def test_all_options_of_a_submission_arrive(commands: Commands, letter: Path) -> None:
    receivers = write("receivers.csv", "Name;To;Customer No\nAnna;+15550101;17\n;+15550102;\n")
    secret = write("secret", "swordfish\n")
    job = await commands.submit(
        *(letter, "--to", "+15550100", "--to-file", receivers, "--at", "2099-12-24T18:30+01:00"),
        *("--deadline", "2099-12-25", "--window", "08:00-20:00", "--priority", "2", "--route", "two,one"),
        *("--from", "sip:me@example.org", "--sender-id", "me", "--header", "--cover", "business"),
        *(
            "--to-name",
            "Eve",
            "--subject",
            "Hello",
            "--no-ecm",
            "--max-rate",
            "9600",
            "--station-id",
            "+1 555 0199",
        ),
        *("--paper", "a4", "--document-password-file", secret, "--after-crash", "hold"),
    )
    assert [fax["to"] for fax in job["faxes"]] == ["+15550100", "+15550101", "+15550102"]
    assert [fax["name"] for fax in job["faxes"]] == ["Eve", "Anna", ""]
    assert datetime.fromisoformat(job["not_before"]) == datetime(2099, 12, 24, 17, 30, tzinfo=UTC)
    assert (job["route"], job["priority"], job["window"]) == ("two,one", 2, "08:00-20:00")
    options = job["options"]
    assert options["call"] == {"ecm": False, "max_rate": 9600, "station_id": "+1 555 0199"}
    assert (options["cover"]["template"], options["cover"]["subject"]) == ("business", "Hello")
    assert (options["header"], options["pages"]["paper"], options["caller"]) == (
        True,
        "a4",
        "sip:me@example.org",
    )
    assert "swordfish" not in json.dumps(job)
    (first, *_) = await commands.objects("queue")
    assert first["state"] == "queued"
    assert "one" in (await commands.run("queue")).stdout
    (cancelled,) = await commands.objects("cancel", job["id"])
    assert cancelled["states"] == {"cancelled": 3}
    assert (await commands.run("cancel", job["id"])).exit_code == Exit.USAGE


@pytest.mark.full
async def test_a_fax_that_failed_is_sent_again_and_the_same_one_is_submitted_once(
    commands: Commands, letter: Path
) -> None:
    commands.running.caller.plan = fails
    arguments = (letter, "--to", "+15550100", "--idempotency-key", "order-7")
    job = await commands.submit(*arguments)
    await commands.running.until(f"{job['id']}-1", FaxState.FAILED)
    commands.running.caller.plan = completes
    assert (await commands.run("retry", "--arrived", f"{job['id']}-1")).exit_code == Exit.USAGE
    (fax,) = await commands.objects("retry", f"{job['id']}-1")
    await commands.running.until(fax["id"], FaxState.DELIVERED)
    assert (await commands.submit(*arguments))["id"] == job["id"]


@pytest.mark.full
@pytest.mark.parametrize(
    ("ends", "status"),
    [(Outcome.COMPLETED, Exit.COMPLETED), (Outcome.BAD_NUMBER, Exit.BAD_NUMBER)],
)
async def test_waiting_ends_with_the_status_of_the_fax(
    commands: Commands, letter: Path, ends: Outcome, status: Exit
) -> None:
    commands.running.caller.plan = lambda order: ends
    arguments = ("submit", letter, "--to", "+15550100", "--wait", "--socket", commands.socket)
    async with t38fsp(*arguments) as command:
        ended = await command.end()
    assert ended.status == status, ended.progress
    assert ("delivered" in ended.output) == (status is Exit.COMPLETED)


@pytest.mark.full
async def test_keys_are_made_used_and_revoked(
    commands: Commands, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await commands.run(
        "keys", "add", "office", "--scope", "send", "--allow", "+1555", "--per-day", "2"
    )
    token = made.stdout.strip()
    (key,) = await commands.objects("keys")
    assert (key["name"], key["scopes"], key["allowed"], key["per_day"]) == ("office", ["send"], ["+1555"], 2)
    assert token not in json.dumps(key)
    file = write("key", f"{token}\n")
    remote = ("--url", commands.url, "--key-file", str(file))
    submit = ("submit", str(letter), "--to", "+15550100")
    assert (await asyncio.to_thread(invoke, *submit, *remote)).exit_code == 0
    # It may send, and see nothing.
    assert (await asyncio.to_thread(invoke, "queue", *remote)).exit_code == Exit.ERROR
    monkeypatch.setenv("T38FSP_URL", commands.url)
    assert (await asyncio.to_thread(invoke, *submit)).exit_code == Exit.USAGE
    monkeypatch.setenv("T38FSP_KEY", token)
    assert (await asyncio.to_thread(invoke, *submit)).exit_code == 0
    assert (await commands.run("keys", "revoke", key["id"])).exit_code == 0
    assert (await asyncio.to_thread(invoke, *submit)).exit_code == Exit.ERROR


WRONG = (
    ("submit", "letter.pdf"),
    ("submit", "letter.pdf", "--to", "not a number!"),
    ("submit", "letter.pdf", "--to", "+15550100", "--route", "three"),
    ("submit", "letter.pdf", "--to", "+15550100", "--at", "noon"),
    ("submit", "letter.pdf", "--to", "+15550100", "--window", "late"),
    ("submit", "letter.pdf", "--to", "+15550100", "--subject", "without a cover page"),
    ("submit", "letter.pdf", "--to-file", "missing.csv"),
    ("show", "j1"),
    ("show", "../keys"),
    ("show", "j1-1", "--output", "pages.txt"),
    ("cancel", "j1?x=1"),
    ("queue", "--state", "lost"),
    ("keys", "add", "x", "--scope", "root"),
    ("keys", "revoke", "k1"),
)


@pytest.mark.full
async def test_lists_of_nothing_and_what_is_wrong_in_one_line(commands: Commands, letter: Path) -> None:
    (host,) = await commands.objects("hosts")
    assert (host["id"], host["state"]) == ("here", "running")
    assert await commands.objects("received", "--undelivered") == []
    for command in ("hosts", "received", "journal", "keys"):
        assert (await commands.run(command)).exit_code == 0
    for arguments in WRONG:
        ran = await commands.run(*arguments)
        assert ran.exit_code == Exit.USAGE, arguments
        (line,) = ran.stderr.splitlines()
        assert line.startswith("t38fsp: ")
    ran = await commands.run("submit", "missing.pdf", "--to", "+15550100")
    assert ran.exit_code == Exit.BAD_DOCUMENT


def test_no_service_and_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    for more, status in (
        ((), Exit.ERROR),
        (("--socket", "missing"), Exit.ERROR),
        (("--url", "http://127.0.0.1:9"), Exit.USAGE),
        (("--url", "127.0.0.1:9"), Exit.USAGE),
        (("--url", "http://127.0.0.1:9", "--key-file", "missing"), Exit.USAGE),
    ):
        assert invoke("queue", *more).exit_code == status, more
    monkeypatch.setenv("T38FSP_KEY", "t38fsp_k1_x")
    assert invoke("queue", "--url", "http://127.0.0.1:9").exit_code == Exit.ERROR


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("+15550100", "+15550100"),
        ("", ""),
        (2, 2),
        ("sip:fax@pbx.example", "sip:fax@pbx.example"),
        ("=1+1", "'=1+1"),
        ("+1+cmd", "'+1+cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
    ],
)
def test_no_cell_of_the_journal_is_a_formula(cell: object, shown: object) -> None:
    from t38fsp.cli.service.looking import plain_cell

    assert plain_cell(cell) == shown


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "t38fsp.cli.service.client", raising=False)
    monkeypatch.setitem(sys.modules, "httpx", None)
    ran = invoke("queue")
    assert ran.exit_code == Exit.ERROR
    assert "t38fsp[service]" in ran.stderr


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("+15550100\n+15550101\n", [{"to": "+15550100"}, {"to": "+15550101"}]),
        ("\ufeffto\n+15550100\n\n", [{"to": "+15550100"}]),
        ("fax\tname\n+15550100\tAnna\n", [{"to": "+15550100", "name": "Anna"}]),
        (
            'number,sub_address,Ref\n"+1,5550100",42,"a, b"\n',
            [{"to": "+1,5550100", "sub_address": "42", "fields": {"Ref": "a, b"}}],
        ),
    ],
)
def test_receivers_of_a_file(text: str, rows: list[dict[str, Any]]) -> None:
    file = Path("receivers.csv")
    file.write_text(text, encoding="utf-8")
    assert read_receivers(file) == rows


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"name\nAnna\n",
        b"to,name\n,Anna\n",
        b"to\n\xff\n",
        b"to," + b"x," * 60 + b"\n",
        b'to\n"' + b"1" * 200_000,
    ],
    ids=len,
)
def test_files_of_receivers_that_are_refused(content: bytes) -> None:
    file = Path("receivers.csv")
    file.write_bytes(content)
    with pytest.raises(CommandError) as error:
        read_receivers(file)
    assert error.value.status is Exit.USAGE


def test_times_by_the_clock_are_the_next_or_the_last_ones() -> None:
    now = datetime.now().astimezone().replace(hour=12, minute=0, second=0, microsecond=0)

    def at(text: str, **more: bool) -> timedelta:
        read = datetime.fromisoformat(read_time("at", text, now, **more))
        assert read.tzinfo is not None
        # By the clock: a day in which it changes has 23 or 25 hours.
        return read.replace(tzinfo=None) - now.replace(tzinfo=None)

    assert at("18:30") == timedelta(hours=6, minutes=30)
    assert at("9:00") == timedelta(hours=21)
    assert at("12:00") == timedelta(days=1)
    assert at("9:00", past=True) == timedelta(hours=-3)
    assert at("18:30", past=True) == timedelta(hours=-17.5)
    for wrong in ("24:00", "9", "tomorrow", "2026-13-01", ""):
        with pytest.raises(CommandError):
            read_time("at", wrong, now)

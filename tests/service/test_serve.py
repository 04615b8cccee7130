"""``t38fsp serve`` as a process: ready, asked, copied while it runs, ended, restored; and what keeps it from
starting."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from t38fsp.cli.exits import Exit
from tests.cli.commands import Invoked, Running, invoke, port_of, started, t38fsp

FILE = """
listen = "127.0.0.1:0"
[routes.office]
peer = "127.0.0.1:9"
[service]
state = "state"
host = "here"
drain = 1
[service.web]
listen = ""
socket = "api"
"""


@pytest.fixture(autouse=True)
def file(empty_directory: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    file = Path("t38fsp.toml")
    file.write_text(FILE, encoding="utf-8")
    return file


async def command(*arguments: str) -> Invoked:
    return await asyncio.to_thread(invoke, *arguments)


async def until_ready(serving: Running) -> str:
    return await serving.printed("ready:")


@pytest.mark.full
async def test_a_service_is_copied_while_it_runs_and_restored(letter: Path) -> None:
    async with started("-m", "t38fsp", "serve") as serving:
        assert "host here" in await until_ready(serving)
        hosts = await command("hosts", "--json")
        assert json.loads(hosts.stdout)["state"] == "running"
        key = await command("keys", "add", "office")
        assert key.exit_code == 0, key.stderr
        submitted = await command("submit", str(letter), "--to", "+15550100", "--at", "2099-01-01")
        assert submitted.exit_code == 0, submitted.stderr
        copied = await command("backup", "copy.db")
        assert copied.exit_code == 0, copied.stderr
        assert (await command("backup", "copy.db")).exit_code == Exit.USAGE
        assert (await command("keys", "add", "later")).exit_code == 0
        # Not below a service that runs, and not over a database without being told to.
        assert (await command("restore", "copy.db")).exit_code == Exit.USAGE
        assert (await command("restore", "copy.db", "--replace")).exit_code == Exit.ERROR
        # One more with the same name would dial what this one dials.
        async with started("-m", "t38fsp", "serve", "--socket", "other") as second:
            assert (await second.end()).status == Exit.ERROR
        serving.process.send_signal(signal.SIGTERM)
        ended = await serving.end()
    assert (ended.status, ended.progress) == (Exit.COMPLETED, "")
    assert "api" not in os.listdir()
    restored = await command("restore", "copy.db", "--replace", "--cancel-queue")
    assert restored.exit_code == 0, restored.stderr
    assert names_of_keys("state/service.db") == ["office"]
    (kept,) = (name for name in os.listdir("state") if name.startswith("service.db.2"))
    assert names_of_keys(f"state/{kept}") == ["office", "later"]
    async with started("-m", "t38fsp", "serve") as serving:
        await until_ready(serving)
        assert "office" in (await command("keys")).stdout
        assert json.loads((await command("queue", "--state", "cancelled", "--json")).stdout)["attempts"] == 0
        serving.process.send_signal(signal.SIGINT)
        assert (await serving.end()).status == Exit.COMPLETED


@pytest.mark.full
async def test_calls_that_are_up_end_before_the_service_does(file: Path, letter: Path) -> None:
    """One out and one in, both begun before the signal; a call that comes after it is refused."""
    any_port = ("--listen", "127.0.0.1:0")
    async with t38fsp("receive", "--output", "far", *any_port, "--count", "1") as far:
        await asyncio.to_thread(configure, file, port_of(await far.printed("listening")))
        async with started("-m", "t38fsp", "serve") as serving:
            ours = f"sip:+15550199@127.0.0.1:{port_of(await serving.printed('listening'))}"
            await until_ready(serving)
            submitted = await command("submit", str(letter), "--to", "+15550100")
            assert submitted.exit_code == 0, submitted.stderr
            async with t38fsp("send", letter, "--to", ours, *any_port) as sender:
                await asyncio.gather(far.printed("connected"), sender.printed("connected"))
                serving.process.send_signal(signal.SIGTERM)
                await serving.printed("ending")
                async with t38fsp("send", letter, "--to", ours, *any_port) as late:
                    refused = await late.end()
                sent, came = await asyncio.gather(sender.end(), far.end())
            ended = await serving.end()
    assert (sent.status, came.status) == (Exit.COMPLETED, Exit.COMPLETED), sent.output + came.output
    assert refused.status == Exit.LINE_UNAVAILABLE, refused.output
    assert (ended.status, ended.progress) == (Exit.COMPLETED, "")
    assert stored("SELECT state, confirmed FROM fax") == [("delivered", 1)]
    assert stored("SELECT pages, partial FROM received_fax") == [(1, 0)]


def configure(file: Path, port: str) -> None:
    """A route to this port, and time for calls."""
    text = FILE.replace("127.0.0.1:9", f"127.0.0.1:{port}").replace("drain = 1", "drain = 120")
    file.write_text(text, encoding="utf-8")


def stored(query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect("state/service.db")) as connection:
        return connection.execute(query).fetchall()


def names_of_keys(database: str) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM api_key ORDER BY created")]


@pytest.mark.parametrize(
    ("addition", "options", "status"),
    [
        ("max_call = 1", (), Exit.USAGE),
        ("after_crash = 'perhaps'", (), Exit.USAGE),
        ("", ("--listen", "nowhere"), Exit.USAGE),
        ("", ("--web", "0.0.0.0:80"), Exit.USAGE),
        ("", ("--database", "mysql://x"), Exit.USAGE),
        ("", ("--demo", "--listen", "127.0.0.1:0"), Exit.USAGE),
        pytest.param("", ("--listen", "192.0.2.1:5060"), Exit.ERROR, marks=pytest.mark.full),
        pytest.param("", ("--database", "sqlite:////dev/null/x.db"), Exit.ERROR, marks=pytest.mark.full),
        pytest.param("", ("--socket", "t38fsp.toml"), Exit.ERROR, marks=pytest.mark.full),
    ],
)
def test_what_keeps_it_from_starting_is_said_in_one_line(
    file: Path, addition: str, options: tuple[str, ...], status: Exit
) -> None:
    file.write_text(FILE.replace("drain = 1", addition), encoding="utf-8")
    ran = invoke("serve", *options)
    assert ran.exit_code == status, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("t38fsp: ")


@pytest.mark.full
@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_no_copy_is_not_restored(content: bytes | None) -> None:
    copy = Path("copy.db")
    if content is None:
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("CREATE TABLE t38fsp_meta (key, value)")
            connection.execute("INSERT INTO t38fsp_meta VALUES ('schema_version', '999')")
            connection.commit()
    else:
        copy.write_bytes(content)
    assert invoke("restore", "copy.db").exit_code == Exit.ERROR
    assert not Path("state/service.db").exists()
    assert invoke("restore", "missing.db").exit_code == Exit.USAGE
    assert invoke("backup", "other.db").exit_code == Exit.ERROR

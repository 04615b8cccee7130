"""The command that is run for each fax."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path

import pytest

from t38fsp.received.command import FailedCommandError, run

LOG = "t38fsp.received.command"


def printing(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.name == LOG)


async def test_it_gets_the_facts_and_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAX_PDF", "of another fax")
    monkeypatch.setenv("OURS", "kept")
    program = (
        "import json, os, sys\n"
        "facts = {key: os.environ.get(key) for key in ('FAX_CALLER', 'FAX_PDF', 'OURS')}\n"
        "told = [sys.argv[1:], facts, sys.stdin.read(), os.getsid(0) == os.getpid()]\n"
        "json.dump(told, open(sys.argv[1], 'w'))"
    )
    told = tmp_path / "told"
    await run([*printing(program), str(told), "$(touch x) ; *"], {"FAX_CALLER": "'; reboot"}, 60.0)
    facts = '{"FAX_CALLER": "\'; reboot", "FAX_PDF": null, "OURS": "kept"}'
    assert told.read_text() == f'[["{told}", "$(touch x) ; *"], {facts}, "", true]'


async def test_its_output_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG)
    await run(printing("import sys; print('one\\x1b[31m'); print('two', file=sys.stderr)"), {}, 60.0)
    assert "one" in logged(caplog)
    assert "two" in logged(caplog)
    assert "\x1b" not in logged(caplog)


@pytest.mark.parametrize("program", ["print('x' * 10**7)", "[print(i) for i in range(10**5)]"])
async def test_its_output_is_bounded(caplog: pytest.LogCaptureFixture, program: str) -> None:
    caplog.set_level(logging.INFO, LOG)
    await run(printing(program), {}, 60.0)
    assert 0 < len(logged(caplog)) < 40_000
    assert len(caplog.records) < 300


async def test_its_last_line_says_why_it_failed() -> None:
    with pytest.raises(FailedCommandError, match="the disk is full") as failed:
        await run(printing("print('one'); raise SystemExit('the disk is full' + ' ' * 10**4)"), {}, 60.0)
    assert "one" not in str(failed.value)
    assert len(str(failed.value)) < 300


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
async def test_it_fails(program: str) -> None:
    with pytest.raises(FailedCommandError, match=r"3|SIGKILL"):
        await run(printing(program), {}, 60.0)


@pytest.mark.parametrize("words", [["/nonexistent/program"], ["/"], [__file__], ["a\0b"]])
async def test_it_cannot_be_run(words: list[str]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FailedCommandError):
        await run(words, {}, 60.0)
    assert len(os.listdir("/proc/self/fd")) == before


STUBBORN = (
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = os.fork()\n"
    "open(f'{sys.argv[1]}/{os.getpid()}', 'w').close()\n"
    "time.sleep(600)\n"
)


async def pids(folder: Path) -> list[int]:
    while len(os.listdir(folder)) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return [int(name) for name in os.listdir(folder)]


def gone(pid: int) -> bool:
    """It has ended, though nobody may have taken its status."""
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


async def all_gone(found: list[int]) -> None:
    async with asyncio.timeout(60):
        while not all(map(gone, found)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_it_takes_too_long_with_all_that_it_started(tmp_path: Path) -> None:
    running = asyncio.create_task(run([*printing(STUBBORN), str(tmp_path)], {}, 3.0))
    found = await pids(tmp_path)
    with pytest.raises(FailedCommandError):
        await running
    await all_gone(found)


async def test_cancelling_ends_it(tmp_path: Path) -> None:
    running = asyncio.create_task(run([*printing(STUBBORN), str(tmp_path)], {}, 600.0))
    found = await pids(tmp_path)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await all_gone(found)


async def test_a_program_that_it_leaves_running_is_not_waited_for() -> None:
    began = time.monotonic()
    await run(["/bin/sh", "-c", "sleep 50 & exit 0"], {}, 600.0)
    assert time.monotonic() - began < 40

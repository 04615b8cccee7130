"""Commands of ours: as processes, followed line by line, and within the process of the test."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from t38fsp.cli.app import app

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0
"""Seconds after which a test is stuck."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind: exit status, the rest of standard output, the rest of standard error."""

    status: int
    output: str
    progress: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        (line,) = self.output.splitlines()
        document: dict[str, Any] = json.loads(line)
        return document


class Running:
    """A process; with ``--json`` its progress comes on standard error, else on standard output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def progress(self, part: str) -> str:
        """Read standard error up to a line with ``part``."""
        return await _line_with(part, self.process.stderr)

    async def printed(self, part: str) -> str:
        """Read standard output up to a line with ``part``."""
        return await _line_with(part, self.process.stdout)

    async def end(self) -> Ended:
        """Read on to the end; lines that were waited for before are not in the result."""
        output, progress = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(self.process.returncode, (output or b"").decode(), progress.decode())


async def _line_with(part: str, stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    seen = []
    async for line in stream:
        seen.append(line.decode())
        if part in seen[-1]:
            return seen[-1].rstrip("\n")
    raise AssertionError(f"no line has {part!r}: {seen}")


@asynccontextmanager
async def started(
    *arguments: str | Path, stdout: int = asyncio.subprocess.PIPE, session: bool = False
) -> AsyncIterator[Running]:
    """``python …`` with this project on its path; killed when left before its end.

    With ``stdout`` its output goes to this file descriptor; with ``session`` no terminal signals it.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *map(str, arguments),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=session,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def t38fsp(
    *arguments: str | Path, stdout: int = asyncio.subprocess.PIPE, session: bool = False
) -> AbstractAsyncContextManager[Running]:
    """The command line as a process."""
    return started("-m", "t38fsp", *arguments, stdout=stdout, session=session)


@dataclass(frozen=True, slots=True)
class Invoked:
    """A command that ran within this process."""

    exit_code: int
    stdout: str
    stderr: str


Run = Callable[..., Invoked]


def invoke(*arguments: str) -> Invoked:
    """Run the command line."""
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Invoked(result.exit_code, result.stdout, result.stderr)


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in directory.iterdir())


def port_of(line: str) -> str:
    """The port at the end of ``listening on …``."""
    return line.rpartition(":")[2]

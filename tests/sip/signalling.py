"""A signalling process for tests."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sip.values import Address
from tests.sip.peer import LIMIT


@dataclass(frozen=True, slots=True)
class Signalling:
    process: Process
    path: str
    """Of its Unix socket."""
    address: Address
    """Its SIP address."""


@asynccontextmanager
async def signalling(directory: Path, answerers: Iterable[str], *more: str) -> AsyncIterator[Signalling]:
    """Run one on the loopback interface."""
    path = str(directory / "line.sock")
    arguments = [path, "--listen", "127.0.0.1:0", *more]
    for name in answerers:
        arguments += ["--answerer", name]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sip.remote.signalling", *arguments), stdin=DEVNULL, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT):
            host, port = (await process.stdout.readline()).decode().split()
        yield Signalling(process, path, (host, int(port)))
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()

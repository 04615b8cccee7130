"""A signalling process for tests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from sip.values import Address


@dataclass(frozen=True, slots=True)
class Signalling:
    process: Popen[str]
    path: str
    """Of its Unix socket."""
    address: Address
    """Its SIP address."""


@contextmanager
def lasting_signalling(directory: Path, answerers: Iterable[str], *more: str) -> Iterator[Signalling]:
    """Run one on the loopback interface, for several tests."""
    path = str(directory / "line.sock")
    arguments = [path, "--listen", "127.0.0.1:0", *more]
    for name in answerers:
        arguments += ["--answerer", name]
    command = [sys.executable, "-m", "sip.remote.signalling", *arguments]
    with Popen(command, stdin=DEVNULL, stdout=PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            host, port = process.stdout.readline().split()
            yield Signalling(process, path, (host, int(port)))
        finally:
            process.terminate()


@asynccontextmanager
async def signalling(directory: Path, answerers: Iterable[str], *more: str) -> AsyncIterator[Signalling]:
    """Run one for a test, whose event loop runs while it starts and ends."""
    lasting = lasting_signalling(directory, answerers, *more)
    process = await asyncio.to_thread(lasting.__enter__)
    try:
        yield process
    finally:
        await asyncio.to_thread(lasting.__exit__, None, None, None)

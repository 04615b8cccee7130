"""SIPp as a process of its own, followed by asyncio."""

from __future__ import annotations

import asyncio
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.peers.programs import HOST, START_SECONDS, TRIES, PeerError, find, free_port, owns

Address = tuple[str, int]

PACKAGE = "sip-tester"
PATIENT = ("-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000")
"""Options of SIPp: it would give up on a machine that stalls often, which is nobody's fault."""


@asynccontextmanager
async def running_sipp(
    scenario: Path,
    *arguments: str,
    directory: Path,
    tcp: bool = False,
    at: Callable[[Address], None] = lambda address: None,
) -> AsyncIterator[tuple[Process, Address]]:
    """SIPp and its address, once it listens there; killed in the end if it still runs.

    It runs in ``directory``, and keeps its errors there. ``at`` hears of the address before SIPp sends.

    Raises:
        PeerMissingError: SIPp is not installed.
        PeerError: it does not start.
    """
    errors = directory / f"{scenario.stem}-errors.log"
    command = [find("sipp", PACKAGE), "-sf", str(scenario), "-i", HOST, "-t", "t1" if tcp else "u1"]
    command += ["-nostdin", *PATIENT, "-trace_err", "-error_file", str(errors), *arguments]
    for _ in range(TRIES):
        port = free_port(socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        at((HOST, port))
        process = await asyncio.create_subprocess_exec(
            *command, "-p", str(port), cwd=directory, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
        )
        try:
            if await _listens(process, port):
                yield process, (HOST, port)
                return
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    why = errors.read_text("utf-8", "replace")[-2000:] if errors.exists() else ""
    raise PeerError(f"SIPp does not start: {why}")


async def _listens(process: Process, port: int) -> bool:
    """Wait until it does; False when it has ended, or the time is over."""
    for _ in range(int(START_SECONDS * 50)):
        if process.returncode is not None:
            return False
        if owns(process.pid, port):
            return True
        await asyncio.sleep(0.02)
    return False

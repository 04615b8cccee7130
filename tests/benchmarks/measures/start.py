"""P10: what ``t38fsp send`` takes from its start to the first INVITE, and from the end of a fax to its own.

The far end of the first is a socket of the harness, which answers 486 (busy); that of the second is
libspandsp's terminal in C, which knows when the last octet of its last MCF left. After that comes our DCN,
which takes more than a second on the line, and BYE.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from tests.benchmarks.harness.far_end import far_end
from tests.benchmarks.harness.faxes import folder_in
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.load import cpu_of
from tests.benchmarks.harness.pages import ROWS, Kind, document
from tests.benchmarks.harness.processes import ROOT, child, python, usage_of

_LIMIT = 120.0


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds of the clock and of CPU, all processes, until the INVITE; and from the 486 to the exit."""

    clock: float
    cpu: float
    exit: float


async def measure(plan: Plan, folder: Path) -> Outcome:
    rounds = plan.of(5, 3, 1)
    one = document(folder / "one.tif", Kind.LIGHT, 1, rows=plan.of(ROWS, ROWS, 100))
    many = document(folder / "many.tif", Kind.DENSE, plan.of(100, 20, 2), rows=plan.of(ROWS, ROWS, 100))
    loops = [cpu_of("import asyncio")]
    rows: list[Row] = []
    for path, what in ((one, "one light page"), (many, f"{plan.of(100, 20, 2)} dense pages")):
        starts = [await start(path) for _ in range(rounds)]
        rows.append(
            Row(
                f"CPU from exec to INVITE, {what}",
                median(each.cpu for each in starts),
                "s",
                5.0,
                loops[0],
                note=f"by the clock {median(each.clock for each in starts):.2f} s",
            )
        )
    leaving = median(each.exit for each in starts)
    for option in ("--version", "--help"):
        rows.append(
            Row(f"CPU of t38fsp {option}", min(_cpu(option) for _ in range(rounds)), "s", 1.5, loops[0])
        )
    rows.append(Row("486 to exit", leaving, "s", 0.2))
    since_mcf, since_bye = await _after_the_fax(one, folder)
    rows.append(Row("last MCF to exit", since_mcf, "s", note="with DCN on the line"))
    rows.append(Row("BYE to exit", since_bye, "s", 0.2))
    loops.append(cpu_of("import asyncio"))
    rows = [replace(row, anchor=min(loops)) if row.anchor else row for row in rows]
    anchor = (
        "CPU of `python -c 'import asyncio'`, before or after, whichever is less: the goals are 0.5 s and "
        "0.15 s where it takes 0.10 s"
    )
    return Outcome(rows, anchor, faxes=1, wrong=int(since_bye < 0))


def _cpu(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "t38fsp", *arguments],
        check=True,
        capture_output=True,
        timeout=_LIMIT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class _Busy(asyncio.DatagramProtocol):
    """Says 486 to an INVITE."""

    def __init__(self) -> None:
        self.invited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered = 0.0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if not data.startswith(b"INVITE "):
            return
        if not self.invited.done():
            self.invited.set_result(None)
        self._request, self._address = data, address

    def answer(self) -> None:
        kept = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
        lines = [line for line in self._request.split(b"\r\n") if line.lower().startswith(kept)]
        lines = [line + b";tag=busy" if line.lower().startswith(b"to:") else line for line in lines]
        response = b"\r\n".join([b"SIP/2.0 486 Busy Here", *lines, b"Content-Length: 0", b"", b""])
        self._transport.sendto(response, self._address)
        self.answered = time.monotonic()


async def start(path: Path) -> Start:
    loop = asyncio.get_running_loop()
    transport, busy = await loop.create_datagram_endpoint(_Busy, ("127.0.0.1", 0))
    host, port = transport.get_extra_info("sockname")[:2]
    try:
        began = time.monotonic()
        async with child(*python("-m", "t38fsp", "send", path, "--to", f"sip:fax@{host}:{port}")) as sending:
            async with asyncio.timeout(_LIMIT):
                await busy.invited
                clock, cpu = time.monotonic() - began, usage_of(sending.pid).cpu
                busy.answer()
                await sending.wait()
            return Start(clock, cpu, time.monotonic() - busy.answered)
    finally:
        transport.close()


async def _after_the_fax(path: Path, folder: Path) -> tuple[float, float]:
    """Seconds from the last MCF, and from BYE, to the exit; less than 0 when the fax did not arrive."""
    async with far_end("answer", folder_in(folder, "faxes")) as far:
        command = python("-m", "t38fsp", "send", path, "--to", far.to, "--switch", "first")
        async with child(*command) as sending:
            waiting = asyncio.create_task(far.all_over(1, _LIMIT))
            async with asyncio.timeout(_LIMIT):
                await waiting
                bye = time.monotonic()
                await sending.wait()
            ended = time.monotonic()
    if not far.good:
        return -1.0, -1.0
    return ended - far.good[0].last_v21, ended - bye

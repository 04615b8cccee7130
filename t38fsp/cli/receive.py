"""``t38fsp receive``."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path

from t38fsp.cli import running
from t38fsp.cli.exits import Exit
from t38fsp.cli.report import Reporter, fail, print_json, result_sentence
from t38fsp.jobs import CallSettings
from t38fsp.provider import FaxProvider, IncomingFax
from t38fsp.results import FaxResult


def run(output: Path, listen: tuple[str, int], count: int, settings: CallSettings, as_json: bool) -> Exit:
    try:
        output.mkdir(parents=True, exist_ok=True)
        os.close(_create(output, 0)[1])
    except OSError as error:
        raise fail(f"faxes cannot be kept in {output}: {error.strerror}", Exit.ERROR) from error
    return running.run(_receive(output, listen, count, settings, as_json))


async def _receive(
    output: Path, listen: tuple[str, int], count: int, settings: CallSettings, as_json: bool
) -> Exit:
    results: list[FaxResult] = []
    reporter = Reporter(as_json=as_json)
    async with FaxProvider(listen, accept_calls=True) as provider, asyncio.TaskGroup() as tasks:
        host, port = provider.address
        reporter.line(f"listening on sip:{host}:{port}")
        taken = 0
        async for call in provider.calls():
            taken += 1
            tasks.create_task(_take(call, taken, output, settings, as_json, results))
            if taken == count:
                break
    return Exit.COMPLETED if all(result.completed for result in results) else Exit.FAILED


async def _take(
    call: IncomingFax,
    number: int,
    output: Path,
    settings: CallSettings,
    as_json: bool,
    results: list[FaxResult],
) -> None:
    path, descriptor = _create(output, number)
    os.close(descriptor)
    reporter = Reporter(as_json=as_json, prefix=f"[{number}] ")
    reporter.line(f"[{number}] call from {call.caller}")
    try:
        result = await call.receive(path, settings=settings, on_event=reporter.event)
    finally:
        if path.stat().st_size == 0:
            path.unlink()
    results.append(result)
    if as_json:
        print_json(result, caller=call.caller, called=call.called)
    else:
        where = f" -> {result.file}" if result.file else ""
        reporter.line(f"[{number}] {result_sentence(result)}{where}")


def _create(output: Path, number: int) -> tuple[Path, int]:
    """A new file that only its owner may read."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    path = output / f"fax-{stamp}-{number:04d}.tif"
    return path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)

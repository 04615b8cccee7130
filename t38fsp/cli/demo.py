"""``t38fsp demo``: a whole fax on this machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from t38fsp.cli import running
from t38fsp.cli.exits import Exit, exit_for
from t38fsp.cli.report import Reporter, fail, print_json, result_sentence
from t38fsp.image.compare import differing_pages
from t38fsp.image.sample import write_sample
from t38fsp.jobs import CallSettings
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult


def run(output: Path, as_json: bool) -> Exit:
    sample, received = output / "sample.tif", output / "received.tif"
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_sample(sample)
        received.unlink(missing_ok=True)
        os.close(os.open(received, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise fail(f"{output} cannot be written: {error.strerror}; try --output DIR", Exit.ERROR) from error
    return running.run(_demo(sample, received, as_json))


async def _demo(sample: Path, received: Path, as_json: bool) -> Exit:
    with Reporter(as_json=as_json) as reporter:
        async with (
            FaxProvider(("127.0.0.1", 0), accept_calls=True) as receiver,
            FaxProvider(("127.0.0.1", 0)) as sender,
        ):
            host, port = receiver.address
            reporter.line(f"receiver listening on sip:{host}:{port}")
            taking = asyncio.create_task(_take_one(receiver, received))
            result = await sender.send(
                sample,
                f"sip:+15550100@{host}:{port}",
                settings=CallSettings(station_id="+1 555 0199"),
                on_event=reporter.event,
            )
            taking.cancel() if not result.completed else None
            await asyncio.wait([taking])
        different = differing_pages(sample, received) if result.completed else []
    if as_json:
        print_json(result, sample=str(sample), received=str(received), different_pages=different)
    else:
        reporter.line(result_sentence(result))
        if result.completed and not different:
            reporter.line(f"all {len(result.pages)} received pages are identical to the sample")
        for number in different:
            reporter.line(f"page {number} differs from the sample")
        reporter.line(f"the received fax is {received}")
    return exit_for(result) if not different else Exit.FAILED


async def _take_one(receiver: FaxProvider, file: Path) -> FaxResult | None:
    async for call in receiver.calls():
        return await call.receive(file, settings=CallSettings(station_id="+1 555 0100"))
    return None

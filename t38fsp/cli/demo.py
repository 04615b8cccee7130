"""``t38fsp demo``: a whole fax on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from t38fsp.call_settings import CallSettings
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.report import CallReport, Reporter, print_json
from t38fsp.image.compare import differing_pages
from t38fsp.image.errors import ImageError
from t38fsp.image.sample import write_sample
from t38fsp.provider import FaxProvider

_NUMBER = "+15550100"


def run(output: Path, as_json: bool) -> Exit:
    return running.run(_demo(output, as_json))


async def _demo(output: Path, as_json: bool) -> Exit:
    sample, received = output / "sample.tif", output / "received.tif"
    _prepare(sample, received)
    with Reporter(as_json=as_json) as reporter:
        call = reporter.call()
        try:
            await _fax(sample, received, call)
        # After a signal the call was ended in order; its result, with the pages sent so far, is still
        # shown.
        except asyncio.CancelledError:
            if call.result is None:
                raise
    result = call.result
    assert result is not None
    status = exit_for(result)
    different: list[int] = []
    if result.completed:
        different = [index + 1 for index in differing_pages(sample, received)]
        status = Exit.FAILED if different else status
    kept = received if received.exists() else None
    if as_json:
        print_json(result, exit_status=status, sample=sample, received=kept, differing_pages=different)
        return status
    reporter.result(sentences.of_result(result))
    for number in different:
        reporter.result(f"page {number} differs from the sample")
    if result.completed and not different:
        reporter.result(f"all {len(result.pages)} pages arrived identical to the sample, pixel for pixel")
    if kept:
        reporter.result(f"the received fax is {kept}, the sample {sample}")
    return status


def _prepare(sample: Path, received: Path) -> None:
    try:
        sample.parent.mkdir(parents=True, exist_ok=True)
        write_sample(sample)
        # Left by an earlier demo: a fax is never received over a file that exists.
        received.unlink(missing_ok=True)
    except (OSError, ImageError) as error:
        raise CommandError.unwritable(sample.parent, error) from error


async def _fax(sample: Path, received: Path, call: CallReport) -> None:
    """Send ``sample`` from one provider to another, which puts it into ``received``."""
    # Port 0, so that the demo also runs beside a service that has 5060.
    async with (
        FaxProvider(("127.0.0.1", 0), accept_calls=True) as receiver,
        FaxProvider(("127.0.0.1", 0)) as sender,
    ):
        host, port = receiver.address
        call.line(f"receiver listening on sip:{host}:{port}")
        taking = asyncio.create_task(_take_one(receiver, received))
        try:
            result = await sender.send(
                sample,
                f"sip:{_NUMBER}@{host}:{port}",
                settings=CallSettings(station_id="+1 555 0199"),
                on_event=call.event,
            )
            # The receiver renames its file when its own call is over, a moment after the sender's result.
            if result.completed:
                await taking
        finally:
            taking.cancel()


async def _take_one(receiver: FaxProvider, file: Path) -> None:
    async for call in receiver.calls():
        await call.receive(file, settings=CallSettings(station_id="+1 555 0100"))
        return

"""One document to many at once, in real time on the loopback interface: the queue of image jobs under load.

    python -m tests.benchmarks.broadcast [CALLSxPAGES ...] [--pace] [--different]

Two processes, one provider in each. All calls are sent at once; 60x40 and 100x10 unless others are given.
Without ``--pace`` they go in the internet-aware mode, where the pages are wanted as fast as they can be
coded, sent and stored; with it they keep the pace of V.17, at which 40 of these pages take half an hour.
``--different`` gives each call a copy of the document of its own. Every fax that arrives is compared with
what was sent, row by row.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image, ImageDraw

from t38fsp.call_settings import CallSettings
from t38fsp.events import Delayed, FaxEvent
from t38fsp.image.compare import differing_pages
from t38fsp.jobs import EngineSettings, Limits
from t38fsp.provider import FaxProvider, IncomingFax
from t38fsp.results import FaxResult

HERE = ("127.0.0.1", 0)
USUAL = ((60, 40), (100, 10))
_GOODBYE = 60.0
"""Seconds that the receiver gets to end once every call is over."""


def make_document(path: Path, pages: int) -> None:
    page = Image.new("1", (1728, 2200), 1)
    for row in range(60, 2140, 40):
        ImageDraw.Draw(page).text((100, row), "an ordinary page of text, line after line " * 5, fill=0)
    page.save(path, compression="group4", dpi=(204, 196), save_all=True, append_images=[page] * (pages - 1))


async def send(calls: int, pages: int, *, pace: bool, different: bool, folder: Path) -> bool:
    document, faxes = folder / "sent.tif", folder / "faxes"
    faxes.mkdir()
    make_document(document, pages)
    documents = [document] * calls
    if different:
        documents = [folder / f"sent-{number}.tif" for number in range(calls)]
        for copy in documents:
            shutil.copy(document, copy)
    settings = CallSettings(internet_aware=not pace)
    delayed = 0

    def on_event(event: FaxEvent) -> None:
        nonlocal delayed
        delayed += isinstance(event, Delayed)

    mode = "pace" if pace else "aware"
    async with receiving(calls, faxes, mode) as (receiver, port):
        to = f"sip:fax@127.0.0.1:{port}"
        begun = time.monotonic()
        async with FaxProvider(HERE) as provider:
            sending = (provider.send(each, to, settings=settings, on_event=on_event) for each in documents)
            sent = await asyncio.gather(*sending)
            waited = provider._engine._images.longest_wait
        seconds = time.monotonic() - begun
        report("sending", waited)
        try:
            output, _ = await asyncio.wait_for(receiver.communicate(), _GOODBYE)
            print(output.decode(), end="")
        except TimeoutError:
            print("the receiver waits for calls that never came")
    same = sum(not differing_pages(document, fax) for fax in faxes.iterdir())
    done = sum(result.completed for result in sent)
    print(
        f"{calls} x {pages} pages: {done} confirmed, {same} identical; all over after {seconds:.0f} s, ",
        end="",
    )
    print(f"{delayed} told that they wait, load {os.getloadavg()[0]:.1f}")
    tell(sent)
    return done == same == calls


@asynccontextmanager
async def receiving(calls: int, faxes: Path, mode: str) -> AsyncIterator[tuple[Process, int]]:
    """The process that takes the calls, and its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.broadcast",
        "receive",
        str(calls),
        str(faxes),
        mode,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def tell(results: list[FaxResult]) -> None:
    for reason, count in Counter(result.reason for result in results if not result.completed).most_common(5):
        print(f"  {count} failed: {reason}")


async def receive(calls: int, faxes: Path, settings: CallSettings) -> None:
    # All calls come at the same moment, and it may take one before any of them is taken.
    engine = EngineSettings(limits=Limits(waiting=calls))
    async with (
        FaxProvider(HERE, accept_calls=True, settings=engine) as provider,
        asyncio.TaskGroup() as taken,
    ):
        print(provider.address[1], flush=True)

        async def take(call: IncomingFax, number: int) -> FaxResult:
            return await call.receive(faxes / f"{number}.tif", settings=settings)

        number = 0
        tasks = []
        async for call in provider.calls():
            tasks.append(taken.create_task(take(call, number)))
            number += 1
            if number == calls:
                break
        tell([await task for task in tasks])
        waited = provider._engine._images.longest_wait
    report("receiving", waited)


def report(what: str, waited: float) -> None:
    engine = time.process_time()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    workers = usage.ru_utime + usage.ru_stime
    print(
        f"{what}: {engine:.1f} s of CPU, image workers {workers:.1f}; "
        f"a page of a call waited {waited:.2f} s for a worker, at most",
        flush=True,
    )


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("t38fsp.engine.engine").setLevel(logging.INFO)
    given = sys.argv[1:]
    if given[:1] == ["receive"]:
        settings = CallSettings(internet_aware=given[3] == "aware")
        asyncio.run(receive(int(given[1]), Path(given[2]), settings))
        return
    sizes = [tuple(map(int, each.split("x"))) for each in given if not each.startswith("-")]
    good = True
    for calls, pages in sizes or USUAL:
        with tempfile.TemporaryDirectory() as folder:
            good &= asyncio.run(
                send(
                    calls,
                    pages,
                    pace="--pace" in given,
                    different="--different" in given,
                    folder=Path(folder),
                )
            )
    sys.exit(not good)


if __name__ == "__main__":
    main()

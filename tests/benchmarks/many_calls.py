"""Many faxes at once from one process to another, in real time on the loopback interface.

    python -m tests.benchmarks.many_calls [CALLS [PAGES]]

One engine in each process. Its CPU is without the workers that code and store, start-up included; how late
its packets left is what it logs itself. All faxes are compared afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from t38fsp.image.compare import differing_pages
from t38fsp.provider import FaxProvider
from t38fsp.t30.vocabulary import Resolution
from tests.cli.commands import port_of, started
from tests.pages import make_document

HERE = ("127.0.0.1", 0)


async def send(calls: int, pages: int, folder: Path) -> None:
    document, faxes = folder / "sent.tif", folder / "faxes"
    faxes.mkdir()
    make_document(document, [(1728, Resolution.R8_FINE, 1100, "text")] * pages)
    async with started("-m", "tests.benchmarks.many_calls", "receive", str(calls), faxes) as receiver:
        to = f"sip:fax@127.0.0.1:{port_of(await receiver.printed('listening'))}"
        begun = time.monotonic()
        async with FaxProvider(HERE) as provider:
            sent = await asyncio.gather(*(provider.send(document, to) for _ in range(calls)))
        seconds = time.monotonic() - begun
        report("sending", calls)
        ended = await receiver.end()
    print(ended.progress + ended.output, end="")
    same = sum(not differing_pages(document, fax) for fax in faxes.iterdir())
    done = sum(result.completed for result in sent)
    print(f"{done} of {calls} confirmed, {same} identical; all over after {seconds:.0f} s")


async def receive(calls: int, faxes: Path) -> None:
    async with FaxProvider(HERE, accept_calls=True) as provider, asyncio.TaskGroup() as taken:
        print(f"listening at port:{provider.address[1]}", flush=True)
        number = 0
        async for call in provider.calls():
            taken.create_task(call.receive(faxes / f"{number}.tif"))
            number += 1
            if number == calls:
                break
    report("receiving", calls)


def report(what: str, calls: int) -> None:
    cpu = time.process_time()
    print(f"{what}: {cpu:.1f} s of CPU, {1000 * cpu / calls:.0f} ms for each call", flush=True)


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("t38fsp.engine.engine").setLevel(logging.INFO)
    if sys.argv[1:2] == ["receive"]:
        asyncio.run(receive(int(sys.argv[2]), Path(sys.argv[3])))
        return
    given = [int(value) for value in sys.argv[1:]]
    calls, pages = given + [50, 2][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(send(calls, pages, Path(folder)))


if __name__ == "__main__":
    main()

"""Pages per second between two engines on the loopback interface, without the pace of a modem.

    python -m tests.benchmarks.unpaced [PAGES [ROWS]]

Real time and real sockets; both engines are in this process, with workers that code and store. ``line`` is
the time of all pages, each from its carrier to its confirmation. They are compared afterwards.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from t38fsp.events import Connected
from t38fsp.t30.vocabulary import Resolution
from tests.engine.party import Party
from tests.pages import make_document
from tests.peers.libtiff import assert_same_pages


async def measure(pages: int, rows: int, folder: Path) -> None:
    document, received = folder / "sent.tif", folder / "received.tif"
    make_document(document, [(1728, Resolution.R8_FINE, rows, "text")] * pages)
    caller, called = Party(), Party(accept_calls=True)
    for party in (caller, called):
        party.address = await party.engine.start()
    cpu = time.process_time()
    job = caller.send(document, called.address, internet_aware=True)
    taken = await called.take(received, internet_aware=True)
    await caller.expect(job, Connected)
    caller.engine.proceed(job, True)
    sent, _ = await asyncio.gather(caller.result(job), called.result(taken))
    cpu = time.process_time() - cpu
    for party in (caller, called):
        await party.close()
    assert_same_pages(document, received)
    octets = sum(page.octets for page in sent.pages) // pages
    line = sum(page.seconds for page in sent.pages)
    print(f"{pages} pages of {octets} octets, {', '.join(sent.warnings) or 'no warnings'}")
    print(f"call {sent.seconds:.1f} s, line {line:.1f} s, {pages / line:.1f} pages/s")
    print(f"CPU of both engines {1000 * cpu / pages:.0f} ms per page")


def main() -> None:
    given = [int(value) for value in sys.argv[1:]]
    pages, rows = given + [50, 1100][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(pages, rows, Path(folder)))


if __name__ == "__main__":
    main()

"""What becomes of hostile documents: ``python -m tests.documents.zoo [NAME ...]`` prints a table of all.

Each is inspected, and its first pages are coded, by image workers with their usual limits, as before and
during a call.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from t38fsp.image.errors import ImageError
from t38fsp.image.pool import ImagePool
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.documents.zoo_files import PDF, PICTURES
from tests.documents.zoo_office import CUT, REFUSED, SANDBOXED, Canary, hatch

MODE = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, ecm=True, bit_rate=14400)
FIRST_PAGES = 3
_SAMPLE = 0.005
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Used:
    """Highest memory of our own process beyond what it had, and of one of its children, in octets; seconds of
    processor time of all of them."""

    own: int = 0
    children: int = 0
    cpu: float = 0.0


@dataclass(frozen=True)
class Seen:
    pages: tuple[bytes, ...]
    count: int
    """Its pages, if it was inspected."""
    refusal: str
    """Of the document, or of a page after those that were coded."""
    seconds: float
    used: Used


def _resident(pid: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def _descendants(pid: int) -> Iterator[str]:
    children: list[str] = []
    with suppress(OSError):  # a thread, or the process, has ended meanwhile
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                children += Path(f"/proc/{pid}/task/{task}/children").read_text().split()
    for child in children:
        yield child
        yield from _descendants(int(child))


@contextmanager
def measured() -> Iterator[Used]:
    """Linux keeps the highest memory of a process; what its children take is read while they live."""
    used, over, cpu = Used(), threading.Event(), dict[str, float]()

    def sample() -> None:
        for pid in _descendants(os.getpid()):
            with suppress(OSError, IndexError):
                used.children = max(used.children, _resident(pid))
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                now = (int(fields[11]) + int(fields[12])) / _TICKS
                cpu.setdefault(pid, now if before.get(pid) is not None else 0.0)
                before[pid] = now

    def watch() -> None:
        while not over.wait(_SAMPLE):
            with suppress(OSError):
                sample()

    before: dict[str, float] = {}
    for pid in ("self", *_descendants(os.getpid())):
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        if pid != "self":
            before[pid] = 0.0
    own = _resident("self")
    with suppress(OSError):
        sample()
    used.children = 0
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield used
    finally:
        over.set()
        watcher.join()
        used.own = _resident("self") - own
        used.cpu = sum(before[pid] - began for pid, began in cpu.items())


async def examined(pool: ImagePool, path: Path) -> Seen:
    """Inspect a document and code its first pages."""
    pages: list[bytes] = []
    count, refusal = 0, ""
    with measured() as used:
        began = time.monotonic()
        try:
            document = await pool.inspect(path)
            count = len(document.pages)
            for index in range(min(FIRST_PAGES, count)):
                pages.append((await pool.encode_page(document, index, MODE)).octets)
        except ImageError as error:
            refusal = str(error)
        seconds = time.monotonic() - began
    return Seen(tuple(pages), count, refusal, seconds, used)


ALL: Mapping[str, Callable[[Canary], bytes]] = {**PDF, **PICTURES, **CUT, **REFUSED, **SANDBOXED}


def table(names: list[str]) -> None:
    print("| document | octets | pages | seconds | CPU | MiB of a worker | MiB of the sender | refused |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        canary = hatch(Path(folder, "canary"), 9)
        paths = [Path(folder, name) for name in names or ALL]
        for path in paths:
            path.write_bytes(ALL[path.name](canary))
        asyncio.run(_show(paths))


async def _show(paths: list[Path]) -> None:
    async with ImagePool(workers=1) as pool:
        for path in paths:
            seen = await examined(pool, path)
            used = seen.used
            times = f"{seen.seconds:.1f} | {used.cpu:.1f}"
            memory = f"{used.children >> 20} | {used.own >> 20}"
            refusal = seen.refusal.replace(f"{path.parent}/", "")
            print(
                f"| {path.name} | {path.stat().st_size} | {seen.count} | {times} | {memory} | {refusal} |",
                flush=True,
            )


if __name__ == "__main__":
    table(sys.argv[1:])

"""Calls between ours and the far end in C, which several measures make."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness.compare import faxes_in, identical
from tests.benchmarks.harness.far_end import FarEnd, Figures, far_end
from tests.benchmarks.harness.ours import Ours, ours
from tests.benchmarks.harness.pages import Kind
from tests.benchmarks.harness.pages import document as document_of
from tests.benchmarks.harness.processes import Usage, two_cores

MANY = 10_000
"""More calls than any measure makes: the limit of an engine where it is not what is measured."""
WARM = 4
"""Short faxes that go first, at once, because what starts with them is no cost of a fax: image workers."""
IMAGE_FIRST = "first"
"""T.38 in the first INVITE (``Switch.FIRST``): the far end in C speaks no audio."""


def folder_in(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir(parents=True)
    return made


@dataclass(frozen=True, slots=True)
class Faxes:
    """So many whole faxes at once, ours and the far end's share of each."""

    count: int
    identical: int
    ours: Usage
    theirs: float
    """CPU seconds of the process of the far end."""
    datagrams: int
    """Those of the far end, both ways."""
    late: tuple[float, float] | None
    failures: list[str]


async def send_faxes(
    document: Path, count: int, folder: Path, *, rate: float, limit: float, warm: int = WARM
) -> Faxes:
    """Ours on one core sends; libspandsp's terminals in C on the other receive."""
    here, there = two_cores()
    faxes = folder_in(folder, "faxes")
    async with (
        far_end("answer", faxes, cores=there) as far,
        ours(folder / "ours", cores=here, max_calls=MANY) as near,
    ):
        if warm:
            near.send([_warm(folder)], far.to, warm, switch=IMAGE_FIRST)
            await near.all_over(warm, limit)
            await far.all_over(warm, 10.0)
        before = near.usage()
        far.begin()
        near.send([document], far.to, count, rate=rate, switch=IMAGE_FIRST)
        await near.all_over(count + warm, limit)
        await far.all_over(count + warm, 10.0)
        used, figures = near.usage() - before, await far.figures()
    same = identical(faxes_in(faxes), [document])
    return Faxes(count, same, used, figures.cpu, figures.received + figures.sent, near.late, near.failures())


async def receive_faxes(
    document: Path, count: int, folder: Path, *, rate: float, limit: float, warm: int = WARM
) -> Faxes:
    """libspandsp's terminals in C on one core send; ours on the other receives."""
    here, there = two_cores()
    async with ours(folder / "ours", accept=True, cores=here, max_calls=MANY) as near:
        if warm:
            async with far_end("call", near.port, warm, 100, _warm(folder), cores=there) as first:
                await first.all_over(warm, limit)
                await near.all_over(warm, 30.0)
        before = near.usage()
        async with far_end("call", near.port, count, rate, document, cores=there) as far:
            far.begin()
            await far.all_over(count, limit)
            await near.all_over(count + warm, 30.0)
            used, figures = near.usage() - before, await far.figures()
    received = [Path(fax.document) for fax in near.completed if fax.document]
    same = identical(received, [document])
    return Faxes(count, same, used, figures.cpu, figures.received + figures.sent, near.late, near.failures())


def _warm(folder: Path) -> Path:
    """A fax that goes first: short, and like no other."""
    return document_of(folder / "warm.tif", Kind.LIGHT, 1, rows=80, first=99)


@dataclass(frozen=True, slots=True)
class InPage:
    """Calls in mid-page to a sink, watched for a while."""

    calls: int
    """Asked for."""
    figures: Figures
    usage: Usage
    """Of ours: CPU in that time; what it held in the middle of it."""
    refused: list[str]


async def in_mid_page(
    near: Ours, sink: FarEnd, document: Path, calls: int, *, rate: float, seconds: float, limit: float
) -> InPage:
    """Bring so many calls into their first page, then watch for ``seconds``. The page has to last for that,
    and for as long as it takes to place the calls."""
    near.send([document], sink.to, calls, rate=rate, switch=IMAGE_FIRST)
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        _, in_page = await sink.count()
        if in_page + len(near.over) >= calls:
            break
        await asyncio.sleep(0.2)
    # Those that came last have done with what comes before a page.
    await asyncio.sleep(min(1.0, seconds))
    sink.begin()
    before = near.usage()
    await asyncio.sleep(seconds)
    used = near.usage() - before
    return InPage(calls, await sink.figures(), used, near.failures())

"""Calls between ours and the far end in C, which several measures make."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
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
    """CPU seconds of the process of the far end, or of all of them."""
    datagrams: int
    """Those of the far end, both ways."""
    late: tuple[float, float] | None
    failures: list[str]


async def send_faxes(
    document: Path,
    count: int,
    folder: Path,
    *,
    rate: float,
    limit: float,
    warm: int = WARM,
    apart: bool = False,
) -> Faxes:
    """Ours on one core sends; libspandsp's terminals in C on the other receive, each in a process of its own
    if ``apart``."""
    here, there = two_cores()
    folders = [folder_in(folder, f"faxes-{number}") for number in range(count if apart else 1)]
    async with AsyncExitStack() as stack:
        fars = [await stack.enter_async_context(far_end("answer", each, cores=there)) for each in folders]
        near = await stack.enter_async_context(ours(folder / "ours", cores=here, max_calls=MANY))
        if warm:
            near.send([_warm(folder)], fars[0].to, warm, switch=IMAGE_FIRST)
            await near.all_over(warm, limit)
            await fars[0].all_over(warm, 10.0)
        before = near.usage()
        for far in fars:
            far.begin()
        if apart:
            for far in fars:
                near.send([document], far.to, 1, switch=IMAGE_FIRST)
                await asyncio.sleep(1 / rate)
        else:
            near.send([document], fars[0].to, count, rate=rate, switch=IMAGE_FIRST)
        await near.all_over(count + warm, limit)
        for number, far in enumerate(fars):
            await far.all_over((1 if apart else count) + (0 if number else warm), 10.0)
        used, figures = near.usage() - before, [await far.figures() for far in fars]
    same = identical([fax for each in folders for fax in faxes_in(each)], [document])
    return _faxes(count, same, used, figures, near)


async def receive_faxes(
    document: Path,
    count: int,
    folder: Path,
    *,
    rate: float,
    limit: float,
    warm: int = WARM,
    apart: bool = False,
) -> Faxes:
    """libspandsp's terminals in C on one core send, each in a process of its own if ``apart``; ours on the
    other receives."""
    here, there = two_cores()
    async with (
        ours(folder / "ours", accept=True, cores=here, max_calls=MANY) as near,
        AsyncExitStack() as stack,
    ):
        if warm:
            async with far_end("call", near.port, warm, 100, _warm(folder), cores=there) as first:
                await first.all_over(warm, limit)
                await near.all_over(warm, 30.0)
        before = near.usage()
        fars: list[FarEnd] = []
        each = 1 if apart else count
        for _ in range(count // each):
            calling = far_end("call", near.port, each, rate, document, cores=there)
            fars.append(await stack.enter_async_context(calling))
            fars[-1].begin()
            await asyncio.sleep(1 / rate if apart else 0)
        for far in fars:
            await far.all_over(each, limit)
        await near.all_over(count + warm, 30.0)
        used, figures = near.usage() - before, [await far.figures() for far in fars]
    received = [Path(fax.document) for fax in near.completed if fax.document]
    return _faxes(count, identical(received, [document]), used, figures, near)


def _faxes(count: int, same: int, used: Usage, figures: list[Figures], near: Ours) -> Faxes:
    datagrams = sum(each.received + each.sent for each in figures)
    theirs = sum(each.cpu for each in figures)
    return Faxes(count, same, used, theirs, datagrams, near.late, near.failures())


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

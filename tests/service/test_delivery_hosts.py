"""Deliveries by processes that are killed, and by several hosts: all arrive, and none twice without need."""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path

import pytest

from t38fsp.choices import FileFormat
from t38fsp.image.document import inspect
from t38fsp.service import outbox
from t38fsp.service.database import Database
from t38fsp.service.receiving import Receiving
from t38fsp.service.targets import Target
from t38fsp.service.values import DeliveryState
from tests.peers import pdf
from tests.peers.postgres import Postgres
from tests.received.faxes import Call
from tests.service import delivery_program
from tests.service.deliveries_host import PATIENCE, delivered_to, host, looks_often, until
from tests.service.destinations import SECRET, Hook, hook

__all__ = ["looks_often"]

pytestmark = pytest.mark.full

FAXES = 16
KILLS = 8


async def store(database: Database, folder: Path, hook_url: str) -> list[str]:
    """Received faxes that nothing delivers yet."""
    settings = delivery_program.settings(str(folder / "faxes"), hook_url)
    async with Receiving(database, settings, "receiver", folder / "receiver") as receiving:
        ids = [await receiving.take(Call(number % 3 + 1).as_incoming) for number in range(FAXES)]
    return [id for id in ids if id is not None]


async def start(name: str, database: Database, folder: Path, hook_url: str) -> Process:
    arguments = (
        *(database.url.render_as_string(hide_password=False), name),
        *(str(folder), str(folder / "faxes"), hook_url),
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.service.delivery_program", *arguments), stdout=PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def kill(process: Process) -> None:
    process.kill()
    await process.wait()


def waiting(database: Database) -> int:
    return database.transact(
        lambda connection: sum(
            count
            for (_, state), count in outbox.counts(connection).items()
            if state != DeliveryState.DELIVERED.value
        )
    )


async def all_arrive(database: Database, folder: Path, names: list[str], there: Hook, seed: int) -> None:
    chance = random.Random(seed)
    ids = await store(database, folder, there.url)
    running = [await start(name, database, folder, there.url) for name in names]
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.0, 0.6))
        victim = chance.randrange(len(running))
        await kill(running[victim])
        running[victim] = await start(names[victim], database, folder, there.url)
    try:
        await until(lambda: not waiting(database))
    finally:
        for process in running:
            await kill(process)
    arrived = Counter(headers["webhook-id"] for headers, _ in there.got)
    assert set(arrived) == {f"{id}-2" for id in ids}
    # Those that were under way when their process was killed; their id tells the far end.
    assert (
        sum(arrived.values()) <= FAXES + KILLS * delivery_program.settings("/x", there.url).retries.per_target
    )
    files = sorted(path.name for path in (folder / "faxes").glob("*.pdf"))
    assert files == sorted(f"{id}.pdf" for id in ids)
    pdf.check(folder / "faxes" / files[0])


@pytest.mark.timeout(600)
@pytest.mark.pdf
async def test_a_process_that_is_killed_again_and_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'service.db'}")
    database.create()
    async with hook() as there:
        await all_arrive(database, tmp_path, ["one"], there, 1)
    await database.close()


@pytest.mark.postgresql
@pytest.mark.timeout(600)
@pytest.mark.pdf
async def test_two_processes_that_are_killed_again_and_again(tmp_path: Path) -> None:
    with Postgres() as server:
        database = Database(server.database("faxes"))
        database.create()
        async with hook() as there:
            await all_arrive(database, tmp_path, ["one", "two"], there, 2)
        await database.close()


@pytest.mark.postgresql
async def test_two_hosts_deliver_nothing_twice(tmp_path: Path) -> None:
    with Postgres() as server:
        url = server.database("faxes")
        async with hook() as there:
            settings = delivered_to(
                Target("archive", folder=str(tmp_path / "faxes"), format=FileFormat.TIFF, file_name="{job}"),
                Target("crm", webhook=there.url, private=True, secrets=(SECRET,)),
            )
            async with (
                host(tmp_path, settings, "one", url) as one,
                host(tmp_path, settings, "two", url) as two,
            ):
                hostile = Call(remote_id="A\x00B\ud800", caller_name="\x00")
                ids = [await one.receives(hostile)]
                for number in range(30):
                    ids.append(await (one, two)[number % 2].receives(Call(1)))
                    one.deliveries.wake()
                    two.deliveries.wake()
                await one.over(*ids)
    assert Counter(headers["webhook-id"] for headers, _ in there.got) == Counter(f"{id}-2" for id in ids)
    assert sorted(path.stem for path in (tmp_path / "faxes").glob("*.tif")) == sorted(ids)
    assert len(inspect(tmp_path / "faxes" / f"{ids[0]}.tif")) == 1


@pytest.mark.postgresql
async def test_the_database_is_away_for_a_while(tmp_path: Path) -> None:
    """Faxes are received meanwhile, and are stored and delivered later."""
    with Postgres() as server:
        url = server.database("faxes")
        async with hook() as there:
            target = Target("crm", webhook=there.url, private=True, secrets=(SECRET,))
            async with host(tmp_path, delivered_to(target), "one", url) as here:
                first = await here.receives()
                await here.over(first)
                server.stop()
                second = await here.receives()
                assert len(list((tmp_path / "one" / "spool").rglob("*.tif"))) == 1
                server.start()
                await until(lambda: len(there.got) == 2)
                await here.over(first, second)
    assert {told["subject"] for told in there.verified()} == {first, second}

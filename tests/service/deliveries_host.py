"""A host that receives and delivers, for tests: a database, calls that take the place of real ones, and time
that the test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from t38fsp.service import events, outbox, received_faxes
from t38fsp.service.database import Database
from t38fsp.service.deliveries import queue
from t38fsp.service.deliveries.queue import Deliveries
from t38fsp.service.delivery_settings import DeliverySettings, MailSecurity, MailServer, RetrySettings
from t38fsp.service.policy.rules import Rule
from t38fsp.service.received_faxes import ReceivedFilter
from t38fsp.service.receiving import Receiving
from t38fsp.service.targets import Target
from t38fsp.service.values import Delivery, DeliveryState, Event, ReceivedFax
from tests.received.faxes import Call

PATIENCE = 120.0
"""Seconds after which a test is stuck."""
QUICK = RetrySettings(first_delay=0.05, growth=1.0)


def delivered_to(*targets: Target, mail: MailServer | None = None, **more: Any) -> DeliverySettings:
    """One rule that takes all faxes, for these targets."""
    named = {target.name: target for target in targets}
    return DeliverySettings(
        targets=named,
        rules=(Rule(deliver=tuple(named)),),
        mail=mail or MailServer(),
        **{"retries": QUICK, **more},
    )


def plain_mail(port: int) -> MailServer:
    return MailServer("127.0.0.1", port, MailSecurity.NONE, sender="fax@office.example")


@dataclass
class Host:
    """A host while it runs."""

    database: Database
    receiving: Receiving
    deliveries: Deliveries

    async def receives(self, call: Call | None = None) -> str:
        """The id of the received fax."""
        id = await self.receiving.take((call or Call()).as_incoming)
        assert id is not None
        return id

    async def faxes(self) -> list[ReceivedFax]:
        wanted = ReceivedFilter()
        return await self.database.run(lambda connection: received_faxes.listing(connection, wanted, 100))

    async def delivery(self, id: str) -> list[Delivery]:
        return await self.database.run(lambda connection: outbox.of_subjects(connection, [id]))

    async def events(self) -> list[Event]:
        return await self.database.run(lambda connection: events.since(connection, 0, 1000))

    async def over(self, *ids: str, state: DeliveryState = DeliveryState.DELIVERED) -> None:
        """Wait until all deliveries of these faxes are in this state."""

        async def are_over() -> bool:
            found = [each for id in ids for each in await self.delivery(id)]
            assert found
            return all(each.state is state for each in found)

        await until(are_over)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            met = condition()
            if asyncio.iscoroutine(met):
                met = await met
            if met:
                return
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """For modules whose tests wait for deliveries that are tried again."""
    monkeypatch.setattr(queue, "_LOOK_EVERY", 0.05)


@asynccontextmanager
async def host(
    folder: Path,
    settings: DeliverySettings,
    name: str = "one",
    url: str = "",
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Host]:
    """Its database is in ``folder`` unless there is a ``url``; its spool is there in any case."""
    database = Database(url or f"sqlite:///{folder}/service.db")
    database.create()
    try:
        async with (
            Deliveries(database, settings, name, folder / name / "work", clock=clock) as deliveries,
            Receiving(
                database, settings, name, folder / name / "spool", stored=deliveries.wake, clock=clock
            ) as receiving,
        ):
            yield Host(database, receiving, deliveries)
    finally:
        await database.close()

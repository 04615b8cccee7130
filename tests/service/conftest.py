"""A service on SQLite, with a caller that places no calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from t38fsp.service import jobs
from t38fsp.service.call_rules import Rules
from t38fsp.service.database import Database
from t38fsp.service.policy.retry import RetryPolicy, RetryRule
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.service import FaxService
from t38fsp.service.submission import Submission
from t38fsp.service.values import Fax, FaxState, Receiver
from tests.service.stand_in import StandIn

SOON = RetryRule(attempts=3, first_delay=1.0, growth=1.0)
QUICK = Rules(RetryPolicy(jitter=0.0, busy=SOON, no_answer=SOON, line=SOON, partial=SOON, other=SOON))
NOT_LONG = QueueSettings(drain=0.2)


class Running:
    """A service, its caller, and what tests do with them."""

    def __init__(self, service: FaxService, caller: StandIn) -> None:
        self.service = service
        self.caller = caller

    async def submit(self, *numbers: str, priority: int = 5) -> list[Fax]:
        given = Submission((("letter.pdf", b"content"),), tuple(map(Receiver, numbers)), priority=priority)
        job = await self.service.submit(given)
        return await self.service.database.run(lambda connection: jobs.faxes_of(connection, job.id))

    async def fax(self, id: str) -> Fax:
        return await self.service.database.run(lambda connection: jobs.read_fax(connection, id))

    async def until(self, id: str, *states: FaxState) -> Fax:
        """Wait for one of the states, by default a final one."""
        async with self.service.subscribe() as news:
            while True:
                news.clear()
                found = await self.fax(id)
                if found.state in states or (not states and found.state.final):
                    return found
                await asyncio.wait_for(news.wait(), 30)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'faxes.db'}")


@pytest.fixture
def caller() -> StandIn:
    return StandIn()


@pytest.fixture
async def running(database: Database, caller: StandIn) -> AsyncIterator[Running]:
    async with FaxService(
        database, caller, {"one": 2, "two": 1}, rules=QUICK, settings=NOT_LONG, host="here"
    ) as service:
        yield Running(service, caller)
    await database.close()

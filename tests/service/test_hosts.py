"""Hosts that lose the database, or each other."""

from __future__ import annotations

import pytest

from t38fsp.service import hosts
from t38fsp.service.database import Database
from t38fsp.service.service import FaxService
from t38fsp.service.values import FaxState
from tests.peers.postgres import Postgres
from tests.service.conftest import NOT_LONG, QUICK, Running
from tests.service.stand_in import StandIn

pytestmark = [pytest.mark.full, pytest.mark.postgresql]


async def test_a_host_that_does_not_reach_the_database_for_too_long_ends_its_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server stands still, so that connections to it hang. The fax continues when it is back."""
    monkeypatch.setattr(hosts, "SILENT_SECONDS", 2.0)
    with Postgres() as server:
        database, caller = Database(server.database("faxes")), StandIn(page_seconds=1000.0)
        async with FaxService(database, caller, {"one": 1}, rules=QUICK, settings=NOT_LONG) as service:
            running = Running(service, caller)
            (fax,) = await running.submit("+15550100")
            await running.until(fax.id, FaxState.SENDING)
            await caller.until(lambda: bool(caller.up))
            server.pause()
            try:
                await caller.until(lambda: not caller.up)
                assert not service.hosts_of.is_connected
            finally:
                server.resume()
            caller.page_seconds = 0.0
            done = await running.until(fax.id)
        await database.close()
    assert (done.state, done.attempts, done.possibly_duplicated) == (FaxState.DELIVERED, 2, None)

"""The API on PostgreSQL: what comes at the same time, and events in the order in which they are seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from sqlalchemy import Connection

from t38fsp.service import jobs
from t38fsp.service.database import Database
from t38fsp.service.jobs import QueuePlace
from t38fsp.service.service import FaxService
from t38fsp.service.submission import Submission
from t38fsp.service.values import Receiver, Scope
from tests.peers.postgres import Postgres
from tests.service.conftest import NOT_LONG, QUICK, Running
from tests.service.stand_in import StandIn
from tests.service.web.conftest import PDF, Api, api_of, faults, state_of

pytestmark = [pytest.mark.full, pytest.mark.postgresql]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
async def api(server: Postgres, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    # The server is for all tests, the database for one.
    database = Database(server.database(request.node.name))
    async with AsyncExitStack() as stack:
        caller = StandIn()
        service = FaxService(database, caller, {"one": 2}, rules=QUICK, settings=NOT_LONG, host="here")
        await stack.enter_async_context(service)
        yield await api_of(Running(service, caller), stack)
    await database.close()


async def test_the_same_request_to_two_hosts_is_one_job(server: Postgres) -> None:
    one, other = Database(url := server.database("twice")), Database(url)
    await asyncio.to_thread(one.create)
    given = Submission((("a.pdf", PDF),), (Receiver("+15550100"),), idempotency_key="one")
    targets = [QueuePlace("+15550100", ("one",), None)]

    def insert(connection: Connection) -> tuple[str, bool]:
        return jobs.insert_job(connection, given, targets, "", 1.0)

    with one.engine.begin() as connection:
        first = insert(connection)
        second = asyncio.create_task(other.run(insert))
        # It waits for the end of the first one's transaction.
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
    assert (first[1], await second) == (True, (first[0], False))
    await one.close()
    await other.close()


async def test_requests_that_come_at_the_same_time(api: Api) -> None:
    client = await api.client(Scope.SEND, Scope.READ_OWN, per_day=3)

    async def post(number: str, key: str = "") -> httpx.Response:
        return await client.post(
            "/v1/faxes",
            files={"document": ("a.pdf", PDF)},
            data={"to": number},
            headers={"Idempotency-Key": key} if key else {},
        )

    same = await asyncio.gather(*(post("+15550100", "one") for _ in range(8)))
    assert {each.status_code for each in same} == {201}
    assert len({each.json()["id"] for each in same}) == 1
    # One of three was sent, so that two of these are within the limit of the day.
    many = await asyncio.gather(*(post(f"+1555020{at}") for at in range(6)))
    assert sorted(each.status_code for each in many) == [201, 201, 429, 429, 429, 429]
    faults(next(each for each in many if each.status_code == 429), 429)
    listed = (await client.get("/v1/faxes")).json()["items"]
    assert len(listed) == 3
    for each in listed:
        await state_of(client, each["id"], "delivered")
    metrics = (await api.local.get("/metrics")).text
    assert 't38fsp_hosts{state="running"} 1.0' in metrics
    assert (await api.local.delete(f"/v1/jobs/{listed[0]['job']}")).status_code == 204
    assert len((await api.local.get("/v1/journal")).json()["items"]) == 2


async def test_a_text_that_postgresql_does_not_store_is_the_fault_of_the_request(api: Api) -> None:
    for path in ("/v1/faxes/a%00", "/v1/faxes?number=a%00", "/v1/received/%00", "/v1/numbers/%00"):
        faults(await api.local.get(path))

"""Routes, numbers, the block list, the journal, health and metrics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import product

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from t38fsp.outcome import Outcome
from t38fsp.results import Medium, PageRecord
from t38fsp.service import received_faxes, tables
from t38fsp.service.caller import CallOrder
from t38fsp.service.values import Scope
from tests.service.stand_in import StandIn
from tests.service.web.conftest import Api, faults, state_of
from tests.service.web.test_pages import arrived

pytestmark = pytest.mark.full

RECEIVED = ("t38fsp_received_faxes_total", "no")


async def samples(api: Api) -> dict[tuple[str, ...], float]:
    """The metrics, by name and labels, as prometheus-client reads them."""
    answer = await api.local.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


class WithFacts(StandIn):
    """Calls whose results have what real ones have."""

    def _result(self, order: CallOrder, outcome: Outcome, records: list[PageRecord]) -> object:  # type: ignore[override]
        medium = Medium.AUDIO if order.fax.number.endswith("9") else Medium.T38
        return replace(
            super()._result(order, outcome, records),
            pages=tuple(replace(each, seconds=12.5) for each in records),
            seconds=40.0,
            medium=medium if records else None,
            counters={"received": 100, "lost": 3, "recovered": 7} if medium is Medium.T38 else {"filled": 2},
        )


async def test_metrics_of_calls_and_of_the_queue(api: Api) -> None:
    caller = api.running.caller
    caller.__class__ = WithFacts
    api.running.caller.plan = lambda order: (
        Outcome.BAD_NUMBER if order.fax.number.endswith("3") else Outcome.COMPLETED
    )
    job = await api.submit(api.local, "+15550101", "+15550102", "+15550103", "+15550109", route="one")
    for fax in job["faxes"]:
        await state_of(api.local, fax["id"], "delivered", "failed")
    later = await api.submit(api.local, "+15550101", not_before="2036-01-01T00:00:00Z")
    now = time.time()
    await api.service.database.run(
        lambda connection: received_faxes.store(connection, arrived(None, "r1"), [], now)
    )
    async with asyncio.timeout(30):
        while (found := await samples(api)).get(RECEIVED) != 1.0:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    expected = {
        ("t38fsp_attempts_total", "BAD_NUMBER", "one"): 1,
        ("t38fsp_attempts_total", "COMPLETED", "one"): 3,
        ("t38fsp_calls_total", "out", "t38"): 2,
        ("t38fsp_calls_total", "out", "audio"): 1,
        ("t38fsp_calls_total", "out", "none"): 1,
        ("t38fsp_calls_total", "in", "none"): 1,
        ("t38fsp_pages_total", "out", "t38"): 4,
        ("t38fsp_pages_total", "out", "audio"): 2,
        ("t38fsp_t38_packets_total", "received"): 200,
        ("t38fsp_t38_packets_total", "lost"): 6,
        ("t38fsp_t38_packets_total", "recovered"): 14,
        ("t38fsp_audio_packets_total", "filled"): 2,
        ("t38fsp_page_seconds_sum", "out"): 75.0,
        ("t38fsp_page_seconds_count", "out"): 6,
        ("t38fsp_queue_faxes", "queued"): 1,
        ("t38fsp_queue_faxes", "sending"): 0,
        ("t38fsp_queue_faxes", "held"): 0,
        # Its time has not come.
        ("t38fsp_queue_oldest_seconds",): 0,
        ("t38fsp_channels", "one"): 2,
        ("t38fsp_channels_busy", "one"): 0,
        ("t38fsp_hosts", "running"): 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert later


async def test_the_age_of_the_queue(api: Api) -> None:
    api.running.caller.dial_seconds = 60.0
    await api.submit(api.local, "+15550100", "+15550100", route="two")
    await api.running.caller.until(lambda: bool(api.running.caller.up))
    first = (await samples(api))[("t38fsp_queue_oldest_seconds",)]
    assert first > 0
    await asyncio.sleep(0.01)
    found = await samples(api)
    assert found[("t38fsp_queue_oldest_seconds",)] > first
    assert found[("t38fsp_channels_busy", "two")] == 1
    assert found[("t38fsp_queue_faxes", "queued")] == 1
    routes = {each["name"]: each for each in (await api.local.get("/v1/routes")).json()["items"]}
    assert (routes["two"]["channels"], routes["two"]["busy"]) == (1, 1)


async def test_health(api: Api) -> None:
    stranger = await api.connect(local=False)
    assert (await stranger.get("/healthz")).json() == {"status": "ok"}
    assert (await stranger.get("/readyz")).json() == {"status": "ready"}
    await api.service.drain()
    faults(await stranger.get("/readyz"), 503)
    assert (await stranger.get("/healthz")).status_code == 200


async def test_without_a_database_it_is_not_ready_and_says_so(api: Api) -> None:
    client = await api.client(Scope.READ_ALL)
    engine = api.service.database.engine

    def broken() -> None:
        raise OperationalError("SELECT secret", {}, Exception("no such place"))

    connect = engine.connect
    try:
        engine.connect = broken
        for each, path in product((api.local, client), ("/readyz", "/v1/faxes")):
            answer = await each.get(path)
            faults(answer, 503)
            assert "retry-after" in answer.headers
            assert "secret" not in answer.text
    finally:
        engine.connect = connect


async def test_routes_that_a_key_may_use_and_hosts(api: Api) -> None:
    client = await api.client(Scope.SEND, Scope.READ_ALL, routes=["two"])
    assert [each["name"] for each in (await api.local.get("/v1/routes")).json()["items"]] == ["one", "two"]
    assert [each["name"] for each in (await client.get("/v1/routes")).json()["items"]] == ["two"]
    (host,) = (await client.get("/v1/hosts")).json()["items"]
    assert (host["id"], host["state"]) == ("here", "running")


async def test_what_is_remembered_of_numbers_is_seen_and_forgotten(api: Api) -> None:
    rows = [
        {"number": f"+155501{at}", "facts": {"max_rate": 9600}, "updated": float(at), "expires": 2e9}
        for at in range(3)
    ]
    await api.service.database.run(lambda connection: connection.execute(tables.number_memory.insert(), rows))
    first = (await api.local.get("/v1/numbers", params={"limit": 2})).json()
    rest = (await api.local.get("/v1/numbers", params={"limit": 2, "cursor": first["next"]})).json()
    found = [each["number"] for each in first["items"] + rest["items"]]
    assert found == ["+1555012", "+1555011", "+1555010"]
    assert (await api.local.get("/v1/numbers/+1555011")).json()["facts"] == {"max_rate": 9600}
    assert (await api.local.delete("/v1/numbers/+1555011")).status_code == 204
    faults(await api.local.get("/v1/numbers/+1555011"), 404)
    faults(await api.local.delete("/v1/numbers/+1555011"), 404)


async def test_the_block_list(api: Api) -> None:
    added = await api.local.post("/v1/blocked", json={"pattern": "+49900*", "note": "junk"})
    assert added.status_code == 201, added.text
    assert [each["pattern"] for each in (await api.local.get("/v1/blocked")).json()["items"]] == ["+49900*"]
    assert (await api.local.delete("/v1/blocked", params={"pattern": "+49900*"})).status_code == 204
    faults(await api.local.delete("/v1/blocked", params={"pattern": "+49900*"}), 404)
    for wrong in ({"pattern": ""}, {"pattern": "x" * 301}, {}, {"pattern": "1", "colour": "red"}):
        assert faults(await api.local.post("/v1/blocked", json=wrong))


async def test_the_journal_has_each_call_once_in_the_order_of_ends(api: Api) -> None:
    outcomes = iter([Outcome.BUSY])
    api.running.caller.plan = lambda order: next(outcomes, Outcome.COMPLETED)
    job = await api.submit(api.local, "+15550100", reference="A-17")
    fax = job["faxes"][0]["id"]
    await state_of(api.local, fax, "delivered")
    first = (await api.local.get("/v1/journal", params={"limit": 1})).json()
    second = (await api.local.get("/v1/journal", params={"limit": 1, "cursor": first["next"]})).json()
    calls = first["items"] + second["items"]
    assert [(each["id"], each["result"]["outcome"]) for each in calls] == [
        (f"{fax}.1", "BUSY"),
        (f"{fax}.2", "COMPLETED"),
    ]
    assert {(each["fax"], each["called"], each["reference"]) for each in calls} == {
        (fax, "+15550100", "A-17")
    }
    rest = (await api.local.get("/v1/journal", params={"cursor": second["next"]})).json()
    assert (rest["items"], rest["next"]) == ([], None)
    since = (await api.local.get("/v1/journal", params={"since": "2036-01-01T00:00:00Z"})).json()
    assert since["items"] == []


async def test_what_cannot_be_shown_again_is_not_stored(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    for route in (r"\ud800", r"\u0000", "x" * 81, " "):
        body = f'{{"name": "a", "scopes": ["send"], "routes": ["{route}"]}}'
        faults(await api.local.post("/v1/keys", content=body, headers=headers))
    for note in (r"\ud800", r"a\u0000"):
        body = f'{{"pattern": "+49900*", "note": "{note}"}}'
        faults(await api.local.post("/v1/blocked", content=body, headers=headers))
    assert (await api.local.get("/v1/keys")).json()["items"] == []
    assert (await api.local.get("/v1/blocked")).json()["items"] == []

"""Events to webhooks: of the settings, and of a job; each event once, numbered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from t38fsp.errors import SettingError
from t38fsp.service import events, outbox
from t38fsp.service.deliveries import job_webhooks
from t38fsp.service.deliveries.queue import Deliveries
from t38fsp.service.delivery_settings import DeliverySettings, RetrySettings
from t38fsp.service.submission import Submission
from t38fsp.service.targets import Target
from t38fsp.service.values import DeliveryState, FaxState, Receiver
from tests.service.conftest import Running
from tests.service.deliveries_host import looks_often, until
from tests.service.destinations import OTHER_SECRET, SECRET, Hook, hook

__all__ = ["looks_often"]

FROM_HERE: dict[str, Any] = {
    "webhook_hosts": ("127.0.0.1",),
    "webhook_networks": ("127.0.0.0/8",),
    "webhook_plain": True,
    "webhook_secrets": (SECRET, OTHER_SECRET),
    "first_delay": 0.05,
    "growth": 1.0,
}


@asynccontextmanager
async def delivering(
    running: Running, tmp_path: Path, settings: DeliverySettings
) -> AsyncIterator[Deliveries]:
    database = running.service.database
    async with Deliveries(database, settings, running.service.host, tmp_path / "work") as deliveries:
        yield deliveries


def listening(there: Hook, *kinds: str) -> DeliverySettings:
    target = Target("crm", webhook=there.url, private=True, secrets=(SECRET,), events=kinds)
    return DeliverySettings(targets={"crm": target})


@pytest.mark.full
async def test_a_target_gets_the_events_that_it_asks_for(running: Running, tmp_path: Path) -> None:
    async with hook() as there, delivering(running, tmp_path, listening(there, "fax.delivered", "job.*")):
        (fax,) = await running.submit("+15550100")
        await running.until(fax.id, FaxState.DELIVERED)
        await until(lambda: len(there.got) == 2)
    told = {each["type"]: each for each in there.verified()}
    assert set(told) == {"job.submitted", "fax.delivered"}
    delivered = told["fax.delivered"]
    assert (delivered["subject"], delivered["data"]["number"]) == (fax.id, fax.number)
    assert (delivered["data"]["job"], delivered["data"]["state"]) == (fax.job, "delivered")
    all_of_it = await running.service.database.run(lambda connection: events.of(connection, fax.id))
    assert [each.sequence for each in all_of_it if each.kind == "fax.delivered"] == [delivered["sequence"]]


@pytest.mark.full
async def test_the_webhook_of_a_job_is_signed_for_its_key(running: Running, tmp_path: Path) -> None:
    retries = RetrySettings(**FROM_HERE)
    async with hook() as there, delivering(running, tmp_path, DeliverySettings(retries=retries)):
        job_webhooks.check(there.url, retries)
        given = Submission((("letter.pdf", b"content"),), (Receiver("+15550100"),), webhook=there.url)
        job = await running.service.submit(given)
        await until(lambda: there.got)
    secrets = job_webhooks.secrets_of("", retries)
    assert len({*secrets, *job_webhooks.secrets_of("k1", retries), SECRET, OTHER_SECRET}) == 6
    (told,) = there.verified(secrets[0])
    assert there.verified(secrets[1]) == [told]
    assert (told["type"], told["subject"]) == ("fax.delivered", f"{job.id}-1")


@pytest.mark.full
async def test_each_event_is_taken_once_on_several_hosts(running: Running, tmp_path: Path) -> None:
    async with hook() as there:
        settings = listening(there, "fax.delivered")
        async with delivering(running, tmp_path / "one", settings):
            (fax,) = await running.submit("+15550100")
            await running.until(fax.id)
            await until(lambda: there.got)
        # What happens while no deliveries run is taken by the next one.
        (second,) = await running.submit("+15550101")
        await running.until(second.id)
        async with (
            delivering(running, tmp_path / "two", settings),
            Deliveries(running.service.database, settings, "other", tmp_path / "three"),
        ):
            await until(lambda: len(there.got) == 2)
    assert [told["subject"] for told in there.verified()] == [fax.id, second.id]


@pytest.mark.full
async def test_that_an_event_was_not_delivered_is_no_further_event(running: Running, tmp_path: Path) -> None:
    """It would have no end."""
    async with hook(status=410) as there:
        settings = listening(there, "*")
        async with delivering(running, tmp_path, settings):
            (fax,) = await running.submit("+15550100")
            await running.until(fax.id)
            database = running.service.database

            async def are_over() -> bool:
                found = await database.run(lambda connection: outbox.listing(connection, 100))
                seen = await database.run(events.last)
                return bool(found) and seen > 0 and all(each.state is DeliveryState.FAILED for each in found)

            await until(are_over)
            found = await database.run(lambda connection: outbox.listing(connection, 1000))
            happened = await database.run(lambda connection: events.since(connection, 0, 1000))
    assert {event.kind for event in happened} >= {"target.disabled", "delivery.failed"}
    about = {"delivery.failed", "target.disabled"}
    assert len(found) <= len([event for event in happened if event.kind not in about])


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("https://hooks.example/x", {"webhook_hosts": ()}),
        ("https://elsewhere.example/x", {}),
        ("http://hooks.example/x", {}),
        ("https://user:pass@hooks.example/x", {}),
        ("ftp://hooks.example/x", {}),
        ("https://hooks.example/\r\nX: y", {}),
        ("https://hooks.example/" + "x" * 400, {}),
        ("nonsense", {}),
    ],
)
def test_webhooks_that_a_job_cannot_have(url: str, options: dict[str, Any]) -> None:
    given = {"webhook_hosts": ("hooks.example",), "webhook_secrets": (SECRET,)} | options
    with pytest.raises(SettingError):
        job_webhooks.check(url, RetrySettings(**given))
    valid = RetrySettings(webhook_hosts=("hooks.example",), webhook_secrets=(SECRET,))
    job_webhooks.check("https://hooks.example:8443/x?y=z", valid)

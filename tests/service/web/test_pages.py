"""Pages by REST: of faxes that are sent and of those received, compared dot for dot by programs of others."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageChops

from t38fsp.service import outbox, received_faxes
from t38fsp.service.database import Database
from t38fsp.service.outbox import NewDelivery
from t38fsp.service.preparing import Preparing
from t38fsp.service.received_faxes import Arrived
from t38fsp.service.service import FaxService
from t38fsp.service.values import Scope
from tests.peers import libtiff, pdf
from tests.received.faxes import store_pages
from tests.service.conftest import NOT_LONG, QUICK, Running
from tests.service.stand_in import StandIn
from tests.service.web.conftest import Api, api_of, faults

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("page_threads")]


@pytest.fixture
async def api(database: Database, caller: StandIn) -> AsyncIterator[Api]:
    async with AsyncExitStack() as stack:
        preparing = await stack.enter_async_context(Preparing(database))
        service = FaxService(
            database,
            caller,
            {"one": 2},
            rules=QUICK,
            settings=NOT_LONG,
            host="here",
            preparing=preparing,
        )
        await stack.enter_async_context(service)
        yield await api_of(Running(service, caller), stack)
    await database.close()


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    path = tmp_path / "fax.tif"
    store_pages(path, 2)
    return path


async def assert_pages(client: httpx.AsyncClient, base: str, tiff: Path, folder: Path) -> None:
    """The pages below ``base`` are those of the file, as TIFF, PDF and PNG."""
    files = {}
    for suffix, kind in (("tiff", "image/tiff"), ("pdf", "application/pdf")):
        answer = await client.get(f"{base}/pages.{suffix}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind), answer.text[:300]
        files[suffix] = folder / f"got.{suffix}"
        await asyncio.to_thread(files[suffix].write_bytes, answer.content)
    assert libtiff.assert_same_pages(files["tiff"], tiff) == 2
    for index, expected in enumerate(libtiff.pages(tiff)):
        answer = await client.get(f"{base}/pages/{index + 1}.png")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        got = Image.open(io.BytesIO(answer.content))
        assert ImageChops.difference(got.convert("L"), expected.convert("L")).getbbox() is None
        drawn = pdf.drawn_by_pdfium(files["pdf"], index, *expected.size)
        assert ImageChops.difference(drawn.convert("L"), expected.convert("L")).getbbox() is None
    faults(await client.get(f"{base}/pages/3.png"), 404)
    faults(await client.get(f"{base}/pages/0.png"), 422)


async def test_pages_of_a_fax_that_is_sent(api: Api, tiff: Path, tmp_path: Path) -> None:
    client = await api.client(Scope.SEND, Scope.READ_OWN)
    files = {"document": ("fax.tif", await asyncio.to_thread(tiff.read_bytes))}
    data = {"to": "+15550100", "not_before": "2036-01-01T00:00:00Z"}
    job = (await client.post("/v1/faxes", files=files, data=data)).json()
    await assert_pages(client, f"/v1/faxes/{job['faxes'][0]['id']}", tiff, tmp_path)
    records = (await api.local.get("/v1/audit")).json()["items"]
    assert [each["action"] for each in records] == ["fax.pages", "job.submitted"]
    not_a_fax = {"document": ("a.pdf", b"%PDF-1.4 no page")}
    assert faults(await client.post("/v1/faxes", files=not_a_fax, data=data))


def arrived(tiff: Path | None, id: str, caller: str = "sip:+15550199@trunk.example") -> Arrived:
    return Arrived(
        id,
        time.time(),
        "here",
        None if tiff is None else tiff.read_bytes(),
        "one",
        caller,
        "sip:100@192.0.2.1",
        "+49 711 55",
        "",
        2,
        tiff is None,
        {"status": "COMPLETED", "outcome": "COMPLETED", "seconds": 17.5, "caller": caller},
        "all",
        None,
    )


async def test_received_faxes(api: Api, tiff: Path, tmp_path: Path) -> None:
    client, content = await api.client(Scope.READ_ALL), await asyncio.to_thread(tiff.read_bytes)
    now = time.time()
    delivery = NewDelivery("r1.inbox", "r1", "folder", "inbox")
    for id, file, caller in (("r1", tiff, "sip:1@x"), ("r2", tiff, "sip:2@x"), ("r3", None, "sip:1@x")):
        fax = arrived(file, id, caller)
        deliveries = [delivery] if id == "r1" else []
        await api.service.database.run(
            lambda connection, fax=fax, deliveries=deliveries: received_faxes.store(
                connection, fax, deliveries, now
            )
        )
    listed = (await client.get("/v1/received", params={"limit": 2})).json()
    rest = (await client.get("/v1/received", params={"limit": 2, "cursor": listed["next"]})).json()
    assert [each["id"] for each in listed["items"] + rest["items"]] == ["r3", "r2", "r1"]
    of_caller = (await client.get("/v1/received", params={"caller": "sip:1@x"})).json()["items"]
    assert [(each["id"], each["kept"], each["partial"]) for each in of_caller] == [
        ("r3", False, True),
        ("r1", True, False),
    ]
    detail = (await client.get("/v1/received/r1")).json()
    assert detail["result"]["status"] == detail["outcome"] == "COMPLETED"
    assert datetime.fromisoformat(detail["ended"]).timestamp() == pytest.approx(now + 17.5, abs=1.0)
    assert [(each["target"], each["state"]) for each in detail["deliveries"]] == [("inbox", "waiting")]
    await assert_pages(client, "/v1/received/r1", tiff, tmp_path)
    faults(await client.get("/v1/received/r3/pages.pdf"), 404)
    faults(await client.get("/v1/received/r9"), 404)
    faults(await client.delete("/v1/received/r1"), 403)
    faults(await api.local.post("/v1/deliveries/r1.inbox/again"), 409)
    await api.service.database.run(lambda connection: outbox.delivered(connection, "r1.inbox", now))
    delivered = {"state": "delivered"}
    (found,) = (await client.get("/v1/deliveries", params=delivered)).json()["items"]
    assert found["id"] == "r1.inbox"
    again = await api.local.post("/v1/deliveries/r1.inbox/again")
    assert (again.status_code, again.json()["state"]) == (200, "waiting")
    assert (await client.get("/v1/deliveries", params=delivered)).json()["items"] == []
    assert (await api.local.delete("/v1/received/r1")).status_code == 204
    faults(await api.local.delete("/v1/received/r1"), 404)
    faults(await client.get("/v1/received/r1/pages.tiff"), 404)
    assert (await client.get("/v1/received/r2/pages.tiff")).content == content

"""Faxes by REST: submitted, listed, seen, cancelled, tried again, deleted."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest

from t38fsp.outcome import Outcome
from t38fsp.service.delivery_settings import RetrySettings
from t38fsp.service.values import Scope
from t38fsp.service.web_settings import WebSettings
from tests.service.web.conftest import PDF, Api, Opened, faults, state_of

pytestmark = pytest.mark.full

LETTER = {"name": "letter.pdf", "content": base64.b64encode(PDF).decode()}


async def test_json_has_the_documents_in_base64(api: Api) -> None:
    body: dict[str, Any] = {"documents": [LETTER], "to": ["+15550100"], "password": "open sesame"}
    answer = await api.local.post("/v1/faxes", json=body)
    assert answer.status_code == 201, answer.text
    assert "sesame" not in answer.text
    job = answer.json()
    assert job["key"] == ""
    assert (await api.local.get(f"/v1/jobs/{job['id']}/documents/1")).content == PDF
    broken_lines = base64.encodebytes(PDF * 20).decode()
    body["documents"] = [{"content": broken_lines, "name": "long.pdf"}]
    assert (await api.local.post("/v1/faxes", json=body)).json()["documents"][0]["octets"] == len(PDF) * 20


FIELDS: list[Any] = [
    ({"to": []}, ["receivers"]),
    ({"to": ["what is this?"]}, ["receivers[0]"]),
    ({"to": [""]}, ["to[0]"]),
    ({"to": "+15550100"}, ["to"]),
    ({"receivers": [{"to": "+1", "sub_address": "x" * 21}]}, ["receivers[0].sub_address"]),
    ({"receivers": [{"name": "nobody"}]}, ["receivers[0].to"]),
    ({"documents": []}, ["documents"]),
    ({"documents": [{"content": "!"}]}, ["documents[0].content"]),
    ({"documents": [{"content": "YQ"}]}, ["documents[0].content"]),
    ({"documents": [{"content": ""}]}, ["documents[0]"]),
    ({"documents": [{}]}, ["documents[0]"]),
    ({"documents": [{"content": "YQ==", "url": "https://a.example/"}]}, ["documents[0]"]),
    ({"documents": [{"url": "https://a.example/"}]}, ["documents[0].url"]),
    ({"priority": 0}, ["priority"]),
    ({"priority": "high"}, ["priority"]),
    ({"route": "nowhere"}, ["route"]),
    ({"not_before": "2026-12-01T10:00:00"}, ["not_before"]),
    ({"not_before": 1796000000}, ["not_before"]),
    ({"deadline": "1796000000"}, ["deadline"]),
    ({"deadline": "2001-01-01T00:00:00Z"}, ["deadline"]),
    ({"cover": {"template": "/etc/passwd"}}, ["cover.template"]),
    ({"cover": {"logo": "/etc/passwd"}}, ["cover.logo"]),
    ({"header": {"template": "{secret}"}}, [""]),
    ({"pages": {"font": "/etc/passwd"}}, ["pages.font"]),
    ({"pages": {"quality": "best"}}, ["pages.quality"]),
    ({"call": {"max_rate": 1}}, ["call.max_rate"]),
    ({"call": {"parity": 5, "parity_span": 10}}, ["call"]),
    ({"colour": True}, ["colour"]),
]


async def test_each_field_is_checked(api: Api) -> None:
    for changes, fields in FIELDS:
        body = {"documents": [LETTER], "to": ["+15550100"]} | changes
        assert faults(await api.local.post("/v1/faxes", json=body)) == fields, changes
    assert (await api.local.get("/v1/faxes")).json()["items"] == []


PARTS: list[Any] = [
    ([("letter", ("a.pdf", b"1"))], {"to": "+15550100"}, ["letter"]),
    ([("document", ("a.pdf", b"1"))], {"to": "+15550100", "cover": "{"}, ["cover"]),
    ([("document", ("a.pdf", b"1"))], {"to": "+15550100", "call": "[" * 100_000}, ["call"]),
    ([("document", ("a.pdf", b"1"))], {"to": "+15550100", "route": ["one", "two"]}, ["route"]),
    ([("document", ("a.pdf", b"1"))], {"to": "+15550100", "document": "text"}, ["document"]),
    ([("document", ("a\u202eb.pdf", b"1"))], {"to": "+15550100"}, ["documents[0]"]),
    ([("document", ("a.pdf", b""))], {"to": "+15550100"}, ["documents[0]"]),
    ([("document", ("a.pdf", b"1"))], {"to": "+15550100", "priority": "²"}, ["priority"]),
]


async def test_each_part_of_a_form_is_checked(api: Api) -> None:
    for files, data, fields in PARTS:
        assert faults(await api.local.post("/v1/faxes", files=files, data=data)) == fields, data


BODIES: list[Any] = [
    ("text/plain", b"hello", 415),
    ("", b"hello", 415),
    ("application/json", b"{", 422),
    ("application/json", b"[]", 422),
    ("application/json", b"\xff\xfe", 422),
    ("application/json", b"[" * 200_000, 422),
    ("multipart/form-data", b"hello", 400),
    ("multipart/form-data; boundary=x", b"hello", 400),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--", 400),
]


async def test_bodies_that_are_none(api: Api) -> None:
    for kind, body, status in BODIES:
        headers = {"content-type": kind} if kind else {}
        faults(await api.local.post("/v1/faxes", content=body, headers=headers), status)


async def test_the_same_idempotency_key_is_the_same_job(api: Api) -> None:
    client, other = await api.client(Scope.SEND), await api.client(Scope.SEND)

    async def post(client: httpx.AsyncClient, number: str, key: str = "one") -> httpx.Response:
        return await client.post(
            "/v1/faxes",
            files={"document": ("a.pdf", PDF)},
            data={"to": number},
            headers={"Idempotency-Key": key},
        )

    # Each has another boundary, and some come together.
    first, *others = await asyncio.gather(*(post(client, "+15550100") for _ in range(4)))
    assert {each.json()["id"] for each in (first, *others)} == {first.json()["id"]}
    changed = await post(client, "+15550199")
    faults(changed, 422)
    assert changed.json()["type"].endswith(":idempotency")
    assert (await post(other, "+15550100")).json()["id"] != first.json()["id"]
    assert (await post(client, "+15550100", "two")).json()["id"] != first.json()["id"]
    for wrong in ("", "a b", "x" * 201):
        assert faults(await post(client, "+15550100", wrong))


async def test_lists_have_filters_and_cursors(api: Api) -> None:
    jobs = [
        await api.submit(api.local, f"+1555010{at}", reference=f"r{at % 2}", route="one") for at in range(5)
    ]
    for job in jobs:
        await state_of(api.local, job["faxes"][0]["id"], "delivered")
    expected = [job["faxes"][0]["id"] for job in reversed(jobs)]
    seen, cursor, pages = [], "", 0
    while pages < 9:
        found = (await api.local.get("/v1/faxes", params={"limit": 2, "cursor": cursor})).json()
        seen += [each["id"] for each in found["items"]]
        pages += 1
        if (cursor := found["next"]) is None:
            break
    assert (seen, pages) == (expected, 3)

    async def listed(**filters: Any) -> list[str]:
        answer = await api.local.get("/v1/faxes", params=filters)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    assert await listed(reference="r1") == [expected[1], expected[3]]
    assert await listed(number="+15550102") == [expected[2]]
    assert await listed(job=jobs[0]["id"]) == [expected[4]]
    assert await listed(state="failed") == []
    assert await listed(state="delivered", route="one", limit=1) == [expected[0]]
    assert await listed(since=jobs[3]["created"]) == expected[:2]
    assert await listed(until=jobs[1]["created"]) == expected[4:]
    for wrong in (
        {"cursor": "AAAA"},
        {"cursor": "é"},
        {"limit": 0},
        {"limit": 999},
        {"state": "lost"},
        {"since": "now"},
    ):
        assert faults(await api.local.get("/v1/faxes", params=wrong)) == [next(iter(wrong))]


async def test_a_waiting_fax_is_cancelled_and_queued_again(api: Api) -> None:
    job = await api.submit(api.local, "+15550100", "+15550101", not_before="2036-01-01T00:00:00Z")
    first, second = (each["id"] for each in job["faxes"])
    assert (await api.local.post(f"/v1/faxes/{first}/cancel")).json()["state"] == "cancelled"
    faults(await api.local.post(f"/v1/faxes/{first}/cancel"), 409)
    faults(await api.local.delete(f"/v1/jobs/{job['id']}"), 409)
    assert (await api.local.post(f"/v1/jobs/{job['id']}/cancel")).json()["states"] == {"cancelled": 2}
    assert (await api.local.post(f"/v1/faxes/{second}/retry")).status_code == 200
    assert (await state_of(api.local, second, "delivered"))["pages_confirmed"] == 2
    assert (await api.local.post(f"/v1/jobs/{job['id']}/retry")).status_code == 200
    await state_of(api.local, first, "delivered")
    faults(await api.local.post(f"/v1/jobs/{job['id']}/retry"), 409)
    faults(await api.local.post(f"/v1/faxes/{first}/resolve", json={"send_again": True}), 409)
    assert (await api.local.delete(f"/v1/faxes/{second}")).status_code == 204
    faults(await api.local.get(f"/v1/faxes/{second}"), 404)
    assert (await api.local.get(f"/v1/jobs/{job['id']}")).json()["receivers"] == 1
    assert (await api.local.delete(f"/v1/jobs/{job['id']}")).status_code == 204
    for gone in (f"/v1/jobs/{job['id']}", f"/v1/faxes/{first}", f"/v1/jobs/{job['id']}/documents/1"):
        faults(await api.local.get(gone), 404)


async def test_a_call_that_is_up_is_cancelled(api: Api) -> None:
    api.running.caller.page_seconds = 30.0
    job = await api.submit(api.local, "+15550100")
    (fax,) = (each["id"] for each in job["faxes"])
    await api.running.caller.until(lambda: bool(api.running.caller.up))
    assert (await api.local.post(f"/v1/faxes/{fax}/cancel")).status_code == 200
    assert (await state_of(api.local, fax, "cancelled"))["calls"][0]["result"]["outcome"] == "CANCELLED"


async def test_a_failure_is_told_with_its_reason(api: Api) -> None:
    api.running.caller.plan = lambda order: Outcome.BAD_NUMBER
    job = await api.submit(api.local, "+15550100")
    failed = await state_of(api.local, job["faxes"][0]["id"], "failed")
    assert failed["outcome"] == "BAD_NUMBER"
    assert failed["reason"]


async def test_with_the_last_fax_of_a_job_goes_the_job(api: Api) -> None:
    job = await api.submit(api.local, "+15550100")
    await state_of(api.local, job["faxes"][0]["id"], "delivered")
    assert (await api.local.delete(f"/v1/faxes/{job['faxes'][0]['id']}")).status_code == 204
    faults(await api.local.get(f"/v1/jobs/{job['id']}"), 404)


async def test_webhooks_lead_where_the_settings_say(open_api: Opened) -> None:
    hooks = RetrySettings(
        webhook_hosts=("hooks.example",),
        webhook_secrets=("whsec_" + base64.b64encode(bytes(range(32))).decode(),),
    )
    api: Api = await open_api(webhooks=hooks)
    body = {"documents": [LETTER], "to": ["+15550100"], "webhook": "https://hooks.example/fax"}
    job = (await api.local.post("/v1/faxes", json=body)).json()
    assert job["options"]["webhook"] == "https://hooks.example/fax"
    for wrong in ("https://other.example/", "http://hooks.example/", "ftp://hooks.example/", "hello"):
        assert faults(await api.local.post("/v1/faxes", json=body | {"webhook": wrong})) == ["webhook"]
    key = (await api.local.post("/v1/keys", json={"name": "one", "scopes": ["send"]})).json()
    other = (await api.local.post("/v1/keys", json={"name": "two", "scopes": ["send"]})).json()
    assert key["webhook_secret"].startswith("whsec_")
    assert key["webhook_secret"] != other["webhook_secret"]


async def test_a_large_broadcast_is_one_job(api: Api) -> None:
    numbers = [f"+1555{at:07}" for at in range(1200)]
    answer = await api.local.post(
        "/v1/faxes", json={"documents": [LETTER], "to": numbers, "not_before": "2036-01-01T00:00:00Z"}
    )
    job = answer.json()
    assert (job["receivers"], job["states"], len(job["faxes"])) == (1200, {"queued": 1200}, 1000)
    assert [each["to"] for each in job["faxes"]] == numbers[:1000]


async def test_ids_that_nothing_has(api: Api) -> None:
    for id in ("nothing", "j" + "0" * 25 + "-1", "%00", "..%2f..", "j-1-1", "é", "x" * 61):
        for answer in (
            await api.local.get(f"/v1/faxes/{id}"),
            await api.local.get(f"/v1/jobs/{id}"),
            await api.local.post(f"/v1/faxes/{id}/cancel"),
            await api.local.delete(f"/v1/jobs/{id}"),
        ):
            faults(answer, 422 if len(id) > 60 else 404)


async def test_a_body_that_is_too_large_is_refused_while_it_comes(open_api: Opened) -> None:
    api: Api = await open_api(WebSettings(max_body=20_000))
    client = await api.client(Scope.SEND)
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1000
            yield b"x" * 1000

    headers = {"content-type": "multipart/form-data; boundary=x"}
    start = b'--x\r\nContent-Disposition: form-data; name="document"; filename="a"\r\n\r\n'

    async def body() -> Any:
        yield start
        async for part in endless():
            yield part

    faults(await client.post("/v1/faxes", content=body(), headers=headers), 413)
    assert sent <= 30_000
    faults(await client.post("/v1/faxes", content=b"x" * 20_001, headers=headers), 413)
    json_headers = {"content-type": "application/json"}
    faults(await client.post("/v1/faxes", content=endless(), headers=json_headers), 413)
    admin = await api.client(Scope.ADMIN)
    faults(await admin.post("/v1/keys", content=endless(), headers=json_headers), 413)


async def test_cursors_and_times_at_the_ends_of_what_there_is(api: Api) -> None:
    for id in (r"\ud800", r"\u0000"):
        cursor = base64.urlsafe_b64encode(f'[1,"{id}"]'.encode()).decode().rstrip("=")
        for path in ("/v1/faxes", "/v1/received", "/v1/deliveries", "/v1/numbers", "/v1/journal"):
            faults(await api.local.get(path, params={"cursor": cursor}))
    for time in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        given = {"to": "+15550100", "not_before": time}
        faults(await api.local.post("/v1/faxes", files={"document": ("a.pdf", PDF)}, data=given))
    assert (await api.local.get("/v1/faxes")).json()["items"] == []

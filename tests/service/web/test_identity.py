"""Who may do what: keys, scopes, what other keys submitted, limits, and the audit log."""

from __future__ import annotations

import asyncio
import time

import pytest

from t38fsp.service import audit
from t38fsp.service.values import Scope
from t38fsp.service.web.identity import Rates
from t38fsp.service.web_settings import WebSettings
from tests.service.conftest import Running
from tests.service.web.conftest import PDF, Api, Opened, faults, state_of

pytestmark = pytest.mark.full


async def test_without_a_valid_key_there_is_nothing(api: Api) -> None:
    token = await api.key(Scope.ADMIN)
    wrong = ("", "Bearer", f"Basic {token}", f"Bearer {token}x", f"Bearer {token} {token}", "Bearer \xff")
    statuses: dict[str, set[int]] = {}
    for path, methods in api.app.openapi()["paths"].items():
        for method in methods:
            for at, authorization in enumerate(wrong):
                # Each from an address of its own: wrong keys of one are limited.
                client = await api.connect(local=False, address=f"{method}{path}{at}")
                headers = {"Authorization": authorization.encode("latin-1")} if authorization else {}
                filled = path.replace("{number}", "1").replace("{position}", "1")
                answer = await client.request(method, filled, headers=headers)
                statuses.setdefault(path, set()).add(answer.status_code)
    assert {path for path, found in statuses.items() if found != {401}} == {"/healthz", "/readyz"}
    assert statuses["/readyz"] == statuses["/healthz"] == {200}


async def test_a_wrong_key_is_refused_and_counted_by_address(api: Api) -> None:
    token = await api.key(Scope.ADMIN)
    wrong = await api.connect(local=False, token=f"{token[:-1]}-", address="192.0.2.1")
    answers = [(await wrong.get("/v1/routes")) for _ in range(32)]
    assert answers[0].headers["www-authenticate"].startswith("Bearer")
    faults(answers[0], 401)
    faults(answers[-1], 429)
    assert int(answers[-1].headers["retry-after"]) >= 1
    # A valid key from there is still taken.
    right = await api.connect(local=False, token=token, address="192.0.2.1")
    assert (await right.get("/v1/routes")).status_code == 200


async def test_scopes(api: Api) -> None:
    job = await api.submit(api.local, "+15550100")
    fax = job["faxes"][0]["id"]
    await state_of(api.local, fax, "delivered")
    operations = {
        "list": ("GET", "/v1/faxes"),
        "see": ("GET", f"/v1/faxes/{fax}"),
        "cancel": ("POST", f"/v1/faxes/{fax}/cancel"),
        "routes": ("GET", "/v1/routes"),
        "hosts": ("GET", "/v1/hosts"),
        "numbers": ("GET", "/v1/numbers"),
        "received": ("GET", "/v1/received"),
        "metrics": ("GET", "/metrics"),
        "journal": ("GET", "/v1/journal"),
        "audit": ("GET", "/v1/audit"),
        "keys": ("GET", "/v1/keys"),
    }
    allowed = {}
    for scope in Scope:
        client = await api.client(scope)
        statuses = {
            name: (await client.request(method, path)).status_code
            for name, (method, path) in operations.items()
        }
        allowed[scope] = {name for name, status in statuses.items() if status in (200, 409)}
        # What another key submitted is not there, rather than forbidden.
        assert scope is not Scope.READ_OWN or statuses["see"] == 404
    assert allowed[Scope.SEND] == {"routes"}
    assert allowed[Scope.READ_OWN] == {"list", "routes"}
    read = {"list", "see", "routes", "hosts", "numbers", "received", "metrics", "journal"}
    assert allowed[Scope.READ_ALL] == read
    assert allowed[Scope.ADMIN] == set(operations)


async def test_a_key_sees_what_it_submitted_alone(api: Api) -> None:
    one = await api.client(Scope.SEND, Scope.READ_OWN)
    other = await api.client(Scope.SEND, Scope.READ_OWN)
    mine = await api.submit(one, "+15550100", not_before="2036-01-01T00:00:00Z")
    theirs = await api.submit(other, "+15550100", not_before="2036-01-01T00:00:00Z")
    listed = (await one.get("/v1/faxes")).json()["items"]
    assert [each["job"] for each in listed] == [mine["id"]]
    job, fax = theirs["id"], theirs["faxes"][0]["id"]
    assert (await one.get("/v1/faxes", params={"job": job})).json()["items"] == []
    for method, path in (
        ("GET", f"/v1/faxes/{fax}"),
        ("GET", f"/v1/jobs/{job}"),
        ("GET", f"/v1/jobs/{job}/documents/1"),
        ("GET", f"/v1/faxes/{fax}/pages.pdf"),
        ("GET", f"/v1/faxes/{fax}/pages.tiff"),
        ("GET", f"/v1/faxes/{fax}/pages/1.png"),
        ("POST", f"/v1/faxes/{fax}/cancel"),
        ("POST", f"/v1/jobs/{job}/cancel"),
        ("POST", f"/v1/jobs/{job}/retry"),
        ("DELETE", f"/v1/jobs/{job}"),
    ):
        faults(await one.request(method, path), 404)
    faults(await one.post(f"/v1/faxes/{fax}/resolve", json={"send_again": True}), 404)
    assert (await other.post(f"/v1/faxes/{fax}/cancel")).status_code == 200
    everything = await api.client(Scope.READ_ALL)
    assert len((await everything.get("/v1/faxes")).json()["items"]) == 2


async def test_requests_of_a_key_are_limited(open_api: Opened) -> None:
    api: Api = await open_api(WebSettings(per_minute=3))
    client, other = await api.client(Scope.ADMIN), await api.client(Scope.ADMIN, per_minute=5)
    assert [(await client.get("/v1/routes")).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [(await other.get("/v1/routes")).status_code for _ in range(6)] == [200] * 5 + [429]
    answer = await client.get("/v1/routes")
    faults(answer, 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert [(await api.local.get("/v1/routes")).status_code for _ in range(9)] == [200] * 9


def test_rates_come_back_with_time_and_are_bounded() -> None:
    rates = Rates(most=3)
    assert [rates.wait("a", 2, 0.0) for _ in range(3)] == [0.0, 0.0, 30.0]
    assert rates.wait("a", 2, 29.0) > 0
    assert rates.wait("a", 2, 31.0) == 0
    for each in "bcde":
        rates.wait(each, 2, 31.0)
    assert rates.wait("a", 2, 31.0) == 0


async def test_faxes_of_a_key_are_limited_by_the_day(api: Api) -> None:
    client = await api.client(Scope.SEND, per_day=3)
    await api.submit(client, "+15550100", "+15550101")
    files = {"document": ("a.pdf", PDF)}
    answer = await client.post("/v1/faxes", files=files, data={"to": ["+15550102", "+15550103"]})
    faults(answer, 429)
    assert int(answer.headers["retry-after"]) > 86_000
    await api.submit(client, "+15550102")
    faults(await client.post("/v1/faxes", files=files, data={"to": "+15550103"}), 429)


async def test_keys_are_made_and_revoked(api: Api) -> None:
    wanted = {"name": "billing", "scopes": ["send", "read-own"], "allowed": ["+49"], "per_day": 7}
    answer = await api.local.post("/v1/keys", json=wanted)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    client = await api.connect(local=False, token=made.pop("token"))
    assert (await client.get("/v1/faxes")).status_code == 200
    assert (made["allowed"], made["per_day"], made["scopes"]) == (["+49"], 7, ["read-own", "send"])
    (listed,) = (await api.local.get("/v1/keys")).json()["items"]
    assert listed["id"] == made["id"]
    assert "token" not in listed
    assert (await api.local.delete(f"/v1/keys/{made['id']}")).json()["revoked"]
    faults(await client.get("/v1/faxes"), 401)
    faults(await api.local.delete("/v1/keys/nothing"), 404)
    for wrong in (
        {"scopes": []},
        {"scopes": ["all"]},
        {"name": ""},
        {"name": "a\nb"},
        {"allowed": ["x"]},
        {"per_day": 0},
    ):
        faults(await api.local.post("/v1/keys", json=wanted | wrong))


async def test_the_audit_log_is_kept_for_its_days(open_api: Opened, running: Running) -> None:
    now = time.time()
    for at in (now - 3 * 86400, now - 86400):
        await running.service.database.run(
            lambda connection, at=at: audit.append(connection, at, "k", "", "job.seen", f"j{at}")
        )
    api: Api = await open_api(WebSettings(audit_days=2.0))
    async with asyncio.timeout(30):
        while len(records := (await api.local.get("/v1/audit")).json()["items"]) != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert records[0]["subject"] == f"j{now - 86400}"


async def test_the_audit_log_says_who_sent_saw_and_deleted_what(api: Api) -> None:
    client = await api.client(Scope.SEND, Scope.READ_OWN)
    job = await api.submit(client, "+15550100")
    fax = job["faxes"][0]["id"]
    await state_of(client, fax, "delivered")
    await client.get(f"/v1/jobs/{job['id']}/documents/1")
    await client.delete(f"/v1/jobs/{job['id']}")
    await api.local.get("/v1/faxes")
    records = (await api.local.get("/v1/audit")).json()["items"]
    seen = [(each["action"], each["subject"], each["address"]) for each in reversed(records)]
    assert seen == [
        ("job.submitted", job["id"], "192.0.2.7"),
        # Once, although it was asked for until it was delivered.
        ("fax.seen", fax, "192.0.2.7"),
        ("document.seen", job["id"], "192.0.2.7"),
        ("job.deleted", job["id"], "192.0.2.7"),
        ("faxes.listed", "", ""),
    ]
    assert len({each["key"] for each in records}) == 2
    first = (await api.local.get("/v1/audit", params={"limit": 2})).json()
    rest = (await api.local.get("/v1/audit", params={"cursor": first["next"]})).json()
    assert first["items"] + rest["items"] == records
    of_job = (await api.local.get("/v1/audit", params={"subject": job["id"]})).json()["items"]
    assert [each["action"] for each in of_job] == ["job.deleted", "document.seen", "job.submitted"]
    assert faults(await api.local.get("/v1/audit", params={"cursor": "x"})) == ["cursor"]

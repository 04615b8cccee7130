"""Keys of the REST API: what a client presents, what is stored, limits."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from t38fsp.errors import SettingError
from t38fsp.service import audit, keys, tables
from t38fsp.service.database import Database
from t38fsp.service.errors import LimitError, NotFoundError
from t38fsp.service.values import Scope


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database(f"sqlite:///{tmp_path}/fax.db")
    database.create()
    with database.engine.begin() as connection:
        yield connection
    database.engine.dispose()


def _sent(connection: Connection, key: str, at: float, number: int) -> None:
    job = f"j{number}"
    connection.execute(tables.job.insert().values(id=job, created=at, key=key, options={}))
    values = {
        "id": f"{job}-1",
        "job": job,
        "position": 1,
        "number": "1",
        "routes": "",
        "receiver": {},
        "state": "queued",
    }
    connection.execute(tables.fax.insert().values(**values, created=at, priority=5))


def test_the_key_that_a_client_presents_is_found_and_its_secret_is_not_stored(connection: Connection) -> None:
    key, token = keys.create(
        connection, "billing", {Scope.SEND, Scope.READ_OWN}, 100.0, allowed=["+49"], per_day=5
    )
    assert keys.find(connection, token) == key
    assert key.scopes == {Scope.SEND, Scope.READ_OWN}
    assert (key.allowed, key.per_day, key.per_minute) == (("+49",), 5, None)
    secret = token.rpartition("_")[2]
    stored = connection.execute(select(tables.api_key)).one()
    assert secret not in repr(tuple(stored))


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.removeprefix(keys.PREFIX),
        lambda token: token.replace("t38fsp_k", "t38fsp_"),
        lambda token: token.partition("_")[0],
        lambda token: f"{token} ",
        lambda token: "",
        lambda token: "t38fsp_" + "k" * 100_000,
        lambda token: "t38fsp_k\0_ü",
    ],
)
def test_no_other_token_is_taken(connection: Connection, spoilt: Any) -> None:
    _, token = keys.create(connection, "one", {Scope.SEND}, 100.0)
    assert keys.find(connection, spoilt(token)) is None


def test_a_revoked_key_is_refused_and_stays_in_the_list(connection: Connection) -> None:
    key, token = keys.create(connection, "one", {Scope.SEND}, 100.0)
    assert keys.revoke(connection, key.id, 200.0).revoked == 200.0
    assert keys.revoke(connection, key.id, 300.0).revoked == 200.0
    assert keys.find(connection, token) is None
    assert [each.id for each in keys.all_keys(connection)] == [key.id]
    with pytest.raises(NotFoundError):
        keys.revoke(connection, "k" + "a" * 15, 1.0)


def test_hashes_are_compared_in_constant_time_also_for_an_unknown_key(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def spy(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    _, token = keys.create(connection, "one", {Scope.SEND}, 100.0)
    for presented in (token, token[:-2] + "xx", "t38fsp_k" + "a" * 15 + "_secret", "nothing"):
        keys.find(connection, presented)
    assert compared == [(64, 64)] * 4


def test_the_last_use_is_noted_once_a_minute(connection: Connection) -> None:
    key, _ = keys.create(connection, "one", {Scope.SEND}, 100.0)
    seen = []
    for now in (200.0, 230.0, 261.0):
        keys.note_use(connection, key.id, now)
        seen.append(keys.read(connection, key.id).last_used)
    assert seen == [200.0, 200.0, 261.0]


def test_faxes_of_24_hours_are_limited(connection: Connection) -> None:
    key, _ = keys.create(connection, "one", {Scope.SEND}, 0.0, per_day=3)
    other, _ = keys.create(connection, "other", {Scope.SEND}, 0.0, per_day=3)
    for number, at in enumerate((1000.0, 2000.0, 3000.0)):
        _sent(connection, key.id, at, number)
    keys.check_day(connection, key, 1, 3000.0)
    _sent(connection, key.id, 4000.0, 3)
    with pytest.raises(LimitError) as raised:
        keys.check_day(connection, key, 1, 4000.0)
    assert raised.value.retry_after == pytest.approx(1000.0 + keys.DAY - 4000.0)
    # The first one is a day old.
    keys.check_day(connection, key, 1, 1000.0 + keys.DAY)
    keys.check_day(connection, other, 3, 4000.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"name": "a\nb"},
        {"scopes": set()},
        {"allowed": ["49 30"]},
        {"refused": [f"{each}" for each in range(101)]},
        {"per_minute": 0},
        {"per_day": -1},
    ],
)
def test_what_a_key_may_not_be(connection: Connection, wrong: dict[str, Any]) -> None:
    values: dict[str, Any] = {"name": "one", "scopes": {Scope.SEND}} | wrong
    with pytest.raises(SettingError):
        keys.create(connection, values.pop("name"), values.pop("scopes"), 1.0, **values)


def test_the_audit_log_is_read_backwards_and_pruned(connection: Connection) -> None:
    for number in range(5):
        audit.append(connection, float(number), "k1", "::1", "fax.seen", f"j{number}-1", {"page": number})
    audit.append(connection, 5.0, audit.LOCAL, "", "fax.deleted", "j0-1")
    first = audit.records(connection, 3)
    assert [each.at for each in first] == [5.0, 4.0, 3.0]
    assert [each.at for each in audit.records(connection, 9, first[-1].number)] == [2.0, 1.0, 0.0]
    assert [each.action for each in audit.records(connection, 9, subject="j0-1")] == [
        "fax.deleted",
        "fax.seen",
    ]
    assert len(audit.records(connection, 9, key="k1", since=2.0)) == 3
    assert audit.prune(connection, 3.0) == 3
    assert [each.at for each in audit.records(connection, 9)] == [5.0, 4.0, 3.0]

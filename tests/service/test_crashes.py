"""Processes of the service that are killed in mid-call: what two of them with one database may never do."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from t38fsp.service import jobs
from t38fsp.service.database import Database
from t38fsp.service.values import Fax, FaxState
from tests.peers.postgres import Postgres
from tests.service import call_log
from tests.service.crash_program import Plan, command

pytestmark = pytest.mark.full


def run(plan: Plan) -> list[Fax]:
    """The faxes as they are in the end."""
    ran = subprocess.run(command(plan), capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    database = Database(plan.url)
    faxes = database.transact(lambda connection: jobs.faxes_of(connection, ran.stdout.split()[-1]))
    database.engine.dispose()
    return faxes


def kills(seed: int) -> list[tuple[float, bool]]:
    """Ten moments; every second process is started again at once, the calls of the others are adopted."""
    chance = random.Random(seed)
    return [(chance.uniform(1.2, 3.2) + 3.0 * (at % 2), at % 2 == 1) for at in range(10)]


def assert_nothing_lost_or_doubled(faxes: list[Fax], seen: call_log.Reading, plan: Plan) -> None:
    assert {each.state for each in faxes} == {FaxState.DELIVERED}
    assert not seen.doubled
    assert seen.most <= plan.channels
    for each in faxes:
        for page in range(1, plan.pages + 1):
            printed = seen.printed[each.id, page]
            assert printed >= 1
            # Twice only if the process died between the far end's answer and our storing it; then it is said.
            assert printed == 1 or (printed == 2 and each.possibly_duplicated is not None), (each, page)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_ten_kills_lose_nothing_and_double_nothing(kind: str, tmp_path: Path) -> None:
    if kind == "sqlite":
        ten_kills(f"sqlite:///{tmp_path / 'faxes.db'}", tmp_path)
    else:
        with Postgres() as server:
            ten_kills(server.database("faxes"), tmp_path)


def ten_kills(url: str, folder: Path) -> None:
    plan = Plan(url, str(folder / "calls"), str(folder / "errors"), kills(7))
    faxes = run(plan)
    seen = call_log.read(folder / "calls")
    assert_nothing_lost_or_doubled(faxes, seen, plan)
    assert seen.cut >= 10
    assert seen.left == 0

"""From the call into the database, with calls that take the place of real ones."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from t38fsp.choices import FileFormat
from t38fsp.received.spool import Spool, write_json
from t38fsp.service import blocked, documents, received_faxes
from t38fsp.service import receiving as receivings
from t38fsp.service.database import DatabaseError
from t38fsp.service.delivery_settings import DAY, BlockedAnswer, DeliverySettings, ReceivingSettings
from t38fsp.service.policy.rules import Rule
from t38fsp.service.targets import Target
from t38fsp.status import FaxStatus
from tests.received.faxes import Call, store_pages
from tests.service.deliveries_host import delivered_to, host, plain_mail, until
from tests.service.destinations import attachments, mailbox

KEPT = DeliverySettings()
"""No rules: faxes are only kept."""
HOSTILE = "A\r\nBcc: all@office.example\x00\u202e/../../etc/x\ud800"


@dataclass
class Refusable(Call):
    """A call that can be refused."""

    refused: list[int] = field(default_factory=list)

    def refuse(self, status: int) -> None:
        self.refused.append(status)


@pytest.mark.full
async def test_a_call_without_a_page_is_on_record(tmp_path: Path) -> None:
    async with host(tmp_path, delivered_to(Target("archive", folder=str(tmp_path / "faxes")))) as here:
        id = await here.receives(Call(0, FaxStatus.NOT_FAX_CALL))
        (fax,) = await here.faxes()
        assert (fax.id, fax.document, fax.pages, fax.partial) == (id, None, 0, True)
        assert await here.delivery(id) == []
        assert [event.kind for event in await here.events()] == ["received.failed"]


@pytest.mark.full
async def test_pages_of_a_call_that_broke_off(tmp_path: Path) -> None:
    async with host(tmp_path, KEPT) as here:
        await here.receives(Call(2, FaxStatus.DISCONNECTED))
        (fax,) = await here.faxes()
    assert (fax.pages, fax.partial, fax.rule) == (2, True, "")
    assert fax.document is not None
    assert fax.document.octets > 0


@pytest.mark.full
async def test_pages_of_a_call_whose_task_is_cancelled(tmp_path: Path) -> None:
    async with host(tmp_path, KEPT) as here:
        call = Call(2)
        call.goes_on.clear()
        taking = asyncio.create_task(here.receives(call))
        await until(lambda: list((tmp_path / "one" / "spool").rglob("*.tif*")))
        taking.cancel()
        await until(here.faxes)
        (fax,) = await here.faxes()
    assert (fax.pages, fax.partial) == (2, True)


@pytest.mark.parametrize("growing", [False, pytest.param(True, marks=pytest.mark.full)])
async def test_what_a_process_left_is_stored_once(tmp_path: Path, growing: bool) -> None:
    """It was killed in mid-call, or after the call, before or after it stored the fax."""
    id = "r" + "0" * 25
    spool = Spool(tmp_path / "one" / "spool")
    (tmp_path / "one" / "spool").mkdir(parents=True)
    at = float(int(time.time()))
    facts = {"job": id, "at": at, "caller": "sip:1@a.example", "called": "sip:2@b.example", "route": None}
    entry = spool.begin(1, {"facts": facts | {"completed": False, "began": "2026-12-01T09:30:15+00:00"}})
    store_pages(entry.beside(".tif.part") if growing else entry.tiff, 2)
    spool.close()
    content = {path.name: path.read_bytes() for path in Path(entry.record).parent.iterdir()}
    async with host(tmp_path, delivered_to(Target("archive", folder=str(tmp_path / "faxes")))) as here:
        await until(here.faxes)
        await here.over(id)
        (fax,) = await here.faxes()
        assert (fax.id, fax.at, fax.pages, fax.partial) == (id, at, 2, True)
        assert fax.caller == "sip:1@a.example"
    # Once more, as if it had been killed before the spool forgot the fax.
    Path(entry.record).parent.mkdir(parents=True)
    for name, octets in content.items():
        (Path(entry.record).parent / name).write_bytes(octets)
    async with host(tmp_path, delivered_to(Target("archive", folder=str(tmp_path / "faxes")))) as here:
        await until(lambda: not list((tmp_path / "one" / "spool").rglob("*.json")))
        assert len(await here.faxes()) == 1
    assert len(list((tmp_path / "faxes").glob("*.pdf"))) == 1


@pytest.mark.full
async def test_a_record_that_was_lost(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "one" / "spool")
    (tmp_path / "one" / "spool").mkdir(parents=True)
    entry = spool.begin(1, {})
    store_pages(entry.tiff, 1)
    write_json(entry.record, [1])
    spool.close()
    async with host(tmp_path, KEPT) as here:
        await until(here.faxes)
        (fax,) = await here.faxes()
    assert (fax.pages, fax.caller, fax.partial) == (1, "", True)


@pytest.mark.full
async def test_the_database_fails_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivings, "_AGAIN_AFTER", 0.05)
    faults = [DatabaseError("it is down"), DatabaseError("it is down")]
    store = received_faxes.store

    def fails(*arguments: object) -> bool:
        if faults:
            raise faults.pop()
        return store(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(received_faxes, "store", fails)
    async with host(tmp_path, KEPT) as here:
        id = await here.receives()
        assert await here.faxes() == []
        await until(here.faxes)
        assert [fax.id for fax in await here.faxes()] == [id]
    assert not list((tmp_path / "one" / "spool").rglob("*.tif"))


@pytest.mark.full
async def test_callers_that_are_blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivings, "_BLOCKED_FOR", 0.0)
    receiving = ReceivingSettings(blocked=("+1555*",), blocked_answer=BlockedAnswer.DECLINE)
    async with host(tmp_path, DeliverySettings(receiving)) as here:
        by_settings = Refusable()
        assert await here.receiving.take(by_settings.as_incoming) is None
        other = Refusable(caller="sip:+49711@trunk.example")
        assert await here.receiving.take(other.as_incoming) is not None
        await here.database.run(lambda connection: blocked.add(connection, "+49711", "calls at night", 1.0))
        by_list = Refusable(caller="sip:+49711@trunk.example")
        assert await here.receiving.take(by_list.as_incoming) is None
        # The list that was read last counts while the database is down.
        monkeypatch.setattr(blocked, "listing", lambda connection: 1 / 0)
        assert (by_settings.refused, other.refused, by_list.refused) == ([603], [], [603])
        assert here.receiving.refused == 2


@pytest.mark.full
async def test_hostile_text_of_a_far_end(tmp_path: Path) -> None:
    async with mailbox() as box:
        settings = delivered_to(
            Target("office", mail=("a@office.example",), format=FileFormat.TIFF, file_name="{csi}-{caller}"),
            Target("archive", folder=str(tmp_path / "faxes"), file_name="{csi}", sidecar=True),
            mail=plain_mail(box.port),
        )
        call = Call(remote_id=HOSTILE, caller=f"sip:{HOSTILE}@x", caller_name=HOSTILE)
        async with host(tmp_path, settings) as here:
            id = await here.receives(call)
            await here.over(id)
            (fax,) = await here.faxes()
    assert fax.station_id.isprintable()
    assert fax.caller.isprintable()
    (message,) = box.messages
    assert message["Bcc"] is None
    assert [len(message.get_all(name) or ()) for name in ("To", "Subject", "From")] == [1, 1, 1]
    ((name, _),) = attachments(message)
    assert "/" not in name
    assert name.isprintable()
    made = sorted(path.name for path in (tmp_path / "faxes").iterdir() if path.name != ".delivering")
    assert [Path(each).suffix for each in made] == [".json", ".pdf"]
    json.loads((tmp_path / "faxes" / made[0]).read_text())


@pytest.mark.full
async def test_the_first_rule_that_matches_counts(tmp_path: Path) -> None:
    targets = {name: Target(name, folder=str(tmp_path / name), format=FileFormat.TIFF) for name in "ab"}
    rules = (
        Rule("sales", called=("+4930123",), deliver=("a",), keep_days=0.0),
        Rule(station_id=("*711*",), deliver=("a", "b")),
        Rule("others", deliver=("b",)),
    )
    settings = DeliverySettings(targets=targets, rules=rules)
    async with host(tmp_path, settings) as here:
        ids = [
            await here.receives(Call(called="sip:+49-30.123@192.0.2.1", remote_id="x")),
            await here.receives(Call()),
            await here.receives(Call(remote_id="x")),
        ]
        await here.over(*ids)
        ruled = {fax.id: fax.rule for fax in await here.faxes()}
        ways = [[each.target for each in await here.delivery(id)] for id in ids]
    assert [ruled[id] for id in ids] == ["sales", "rule 2", "others"]
    assert ways == [["a"], ["a", "b"], ["b"]]


@pytest.mark.full
async def test_what_is_kept_and_for_how_long(tmp_path: Path) -> None:
    now = 1_000_000.0
    targets = {"a": Target("a", folder=str(tmp_path / "a"), format=FileFormat.TIFF)}
    rules = (Rule(called=("100",), deliver=("a",), keep_days=2.0), Rule(keep_days=5.0))
    async with host(tmp_path, DeliverySettings(targets=targets, rules=rules), clock=lambda: now) as here:
        delivered = await here.receives(Call(1))
        await here.over(delivered)
        kept = await here.receives(Call(2, called="sip:200@192.0.2.1"))

        async def after(days: float) -> dict[str, bool]:
            await here.database.run(
                lambda connection: received_faxes.expire(connection, now + days * DAY, 9 * DAY, 30 * DAY)
            )
            return {fax.id: fax.document is not None for fax in await here.faxes()}

        assert await after(1.9) == {delivered: True, kept: True}
        assert await after(2.1) == {delivered: False, kept: True}
        (fax,) = [fax for fax in await here.faxes() if fax.id == kept]
        assert fax.document is not None
        held = fax.document.id
        assert await here.database.run(lambda connection: documents.content(connection, held))
        assert await after(5.1) == {delivered: False, kept: False}
        assert await after(30.1) == {}


@pytest.mark.full
async def test_what_was_not_delivered_is_kept_longer(tmp_path: Path) -> None:
    now = 1_000_000.0
    (tmp_path / "file").write_text("")
    target = Target("a", folder=str(tmp_path / "file" / "x"), format=FileFormat.TIFF)
    async with host(tmp_path, delivered_to(target), clock=lambda: now) as here:
        id = await here.receives()

        async def after(days: float) -> bool:
            await here.database.run(
                lambda connection: received_faxes.expire(connection, now + days * DAY, 400 * DAY, 900 * DAY)
            )
            (fax,) = await here.faxes()
            return fax.document is not None

        assert await after(399)
        (delivery,) = await here.delivery(id)
        assert delivery.id == f"{id}-1"
        # Deleted by a person, with all that waits.
        await here.database.run(lambda connection: received_faxes.remove(connection, id, now))
        assert await here.faxes() == []
        assert await here.delivery(id) == []
        assert (await here.events())[-1].kind == "received.deleted"

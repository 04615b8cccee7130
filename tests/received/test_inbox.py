"""Faxes through an inbox: with its processes and commands, and calls that take the place of real ones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t38fsp.choices import FileFormat
from t38fsp.errors import SettingError
from t38fsp.image.compare import differing_pages
from t38fsp.inbox_settings import InboxSettings
from t38fsp.received import inbox as inboxes
from t38fsp.received.inbox import Inbox, ReceivedFax
from t38fsp.received.spool import FOLDER, Spool
from t38fsp.status import FaxStatus
from tests.cli.commands import names
from tests.peers import pdf
from tests.received.faxes import Call, store_pages

PDF = InboxSettings(format=FileFormat.PDF, name="{csi}")


def program(folder: Path, source: str) -> str:
    """A command that runs ``source`` in Python."""
    path = folder.parent / f"{folder.name}.py"
    path.write_text(source)
    return f"{sys.executable} {path}"


TELLS = """
import json, os
facts = {name: value for name, value in os.environ.items() if name.startswith("FAX_")}
with open(__file__ + ".told", "a") as file:
    print(json.dumps(facts), file=file)
"""


def told(folder: Path) -> list[dict[str, str]]:
    path = folder.parent / f"{folder.name}.py.told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "faxes"


async def test_a_tiff_by_default(folder: Path) -> None:
    async with Inbox(folder) as inbox:
        received = await inbox.take(Call(2).as_incoming)
        assert names(folder) == ["fax-20261201-093015-0001.tif"]
    assert received.files == (received.tiff,) == (str(folder / "fax-20261201-093015-0001.tif"),)
    assert (received.result.file, received.result.warnings, received.failed) == (received.tiff, (), False)
    store_pages(folder / "same.tif", 2)
    assert differing_pages(received.tiff, folder / "same.tif") == []


@pytest.mark.pdf
async def test_everything(folder: Path) -> None:
    command = program(folder, TELLS)
    chosen = InboxSettings(format=FileFormat.BOTH, name="{csi}", sidecar=True, exec=command)
    async with Inbox(folder, chosen) as inbox:
        heard: list[ReceivedFax] = []
        received = await inbox.take(Call().as_incoming, on_received=heard.append)
    assert heard == [received]
    assert names(folder) == [f"+49_711_55{each}" for each in (".json", ".pdf", ".tif")]
    assert received.files == (received.tiff, received.pdf, received.sidecar)
    assert received.pdf is not None
    pdf.check(Path(received.pdf))
    (facts,) = told(folder)
    assert facts["FAX_FILE"] == facts["FAX_TIFF"] == received.tiff
    assert (facts["FAX_PDF"], facts["FAX_SIDECAR"]) == (received.pdf, received.sidecar)
    assert (facts["FAX_CALLER_NUMBER"], facts["FAX_STATION_ID"]) == ("+15550199", "+49 711 55")
    assert (facts["FAX_COMPLETE"], facts["FAX_PAGES"], facts["FAX_ROUTE"]) == ("1", "1", "office")
    sidecar = json.loads((folder / "+49_711_55.json").read_text())
    assert (sidecar["caller"], sidecar["caller_name"]) == ("sip:+15550199@trunk.example", "Accounts")
    assert (sidecar["completed"], sidecar["job"]) == (True, 1)


async def test_a_pdf_alone_has_no_tiff_beside_it(folder: Path) -> None:
    async with Inbox(folder, PDF) as inbox:
        received = await inbox.take(Call().as_incoming)
    assert names(folder) == ["+49_711_55.pdf"]
    assert (received.tiff, received.result.file) == (None, received.pdf)


async def test_several_at_once_have_names_of_their_own(folder: Path) -> None:
    async with Inbox(folder, PDF) as inbox:
        received = await asyncio.gather(*(inbox.take(Call().as_incoming) for _ in range(4)))
    assert sorted(os.path.basename(str(each.pdf)) for each in received) == names(folder)
    assert len(names(folder)) == 4


async def test_a_fax_that_broke_off_is_marked(folder: Path) -> None:
    async with Inbox(folder, PDF) as inbox:
        await inbox.take(Call(status=FaxStatus.DISCONNECTED).as_incoming)
    assert names(folder) == ["+49_711_55-partial.pdf"]


async def test_a_call_without_pages_leaves_nothing(folder: Path) -> None:
    chosen = InboxSettings(sidecar=True, exec=program(folder, TELLS))
    async with Inbox(folder, chosen) as inbox:
        received = await inbox.take(Call(0, FaxStatus.NOT_FAX_CALL).as_incoming)
        assert names(folder) == []
    assert (received.files, received.result.status) == ((), FaxStatus.NOT_FAX_CALL)
    assert told(folder) == []


async def test_the_pages_of_a_call_that_is_cancelled_are_delivered(folder: Path) -> None:
    heard: list[ReceivedFax] = []
    async with Inbox(folder, PDF) as inbox:
        call = Call()
        call.goes_on.clear()
        taking = asyncio.create_task(inbox.take(call.as_incoming, on_received=heard.append))
        await until(lambda: bool(tiffs(folder)))
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
    assert names(folder) == ["+49_711_55-partial.pdf"]
    assert [each.result.status for each in heard] == [FaxStatus.USER_ABORT]


async def test_a_call_that_is_cancelled_before_it_begins_leaves_nothing(folder: Path) -> None:
    async with Inbox(folder, PDF) as inbox:
        taking = asyncio.create_task(inbox.take(Call().as_incoming))
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
    assert names(folder) == []


async def test_a_command_that_fails_is_told_and_the_files_stay(folder: Path) -> None:
    chosen = InboxSettings(exec=program(folder, "raise SystemExit(3)"))
    async with Inbox(folder, chosen) as inbox:
        received = await inbox.take(Call().as_incoming)
    assert received.failed
    assert len(received.result.warnings) == 1
    assert names(folder) == [os.path.basename(str(received.tiff))]


async def test_what_a_killed_program_left(folder: Path) -> None:
    """One fax in mid-call, one with its facts, one whose command was running, one without a page."""
    spool = Spool(folder)
    entries = [spool.begin(number, {"facts": {"job": number, "completed": False}}) for number in range(4)]
    store_pages(f"{entries[0].tiff}.part", 1)
    store_pages(entries[1].tiff, 2)
    entries[1].write({"facts": {"job": 1, "completed": True, "pages_confirmed": 2}})
    done = {"tiff": "done.tif", "pdf": "", "sidecar": ""}
    entries[2].write({"facts": {"job": 2, "completed": True}, "files": done, "warnings": []})
    store_pages(folder / "done.tif", 1)
    spool.close()
    chosen = InboxSettings(name="{job}", exec=program(folder, TELLS))
    async with Inbox(folder, chosen):
        await until(lambda: not (folder / FOLDER).exists())
    assert names(folder) == ["0000-partial.tif", "0001.tif", "done.tif"]
    assert sorted(os.path.basename(facts["FAX_FILE"]) for facts in told(folder)) == names(folder)
    assert sorted(facts["FAX_COMPLETE"] for facts in told(folder)) == ["0", "1", "1"]


async def test_a_command_that_is_not_over_in_time_runs_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inboxes, "_CLOSE_WITHIN", 0.1)
    waits = InboxSettings(exec=program(folder, f"{TELLS}\nimport time; time.sleep(600)"), exec_seconds=3600)
    async with Inbox(folder, waits) as inbox:
        taking = asyncio.create_task(inbox.take(Call().as_incoming))
        await until(lambda: bool(told(folder)))
    with pytest.raises(asyncio.CancelledError):
        await taking
    (before,) = told(folder)
    async with Inbox(folder, InboxSettings(exec=program(folder, TELLS))):
        await until(lambda: not (folder / FOLDER).exists())
    assert told(folder) == [before, before]


SLOW = """#!/bin/sh
if [ "$1" = --list-langs ]; then echo 'List of languages (1):'; echo eng; exit; fi
echo $$ > {pid}
exec sleep 600
"""


@pytest.fixture
def slow_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tesseract that never ends; the file will have its process ID."""
    pid, there = tmp_path / "pid", tmp_path / "bin"
    there.mkdir()
    (there / "tesseract").write_text(SLOW.format(pid=pid))
    (there / "tesseract").chmod(0o700)
    monkeypatch.setenv("PATH", f"{there}:{os.environ['PATH']}")
    return pid


def with_text(**more: Any) -> InboxSettings:
    return InboxSettings(format=FileFormat.PDF, ocr=True, name="fax", **more)


async def test_text_is_not_waited_for_at_the_end(folder: Path, slow_text: Path) -> None:
    heard: list[ReceivedFax] = []
    async with Inbox(folder, with_text()) as inbox:
        taking = asyncio.create_task(inbox.take(Call().as_incoming, on_received=heard.append))
        await until(lambda: slow_text.exists() and bool(slow_text.read_text().strip()))
    await taking
    (received,) = heard
    assert names(folder) == ["fax.pdf"]
    assert len(received.result.warnings) == 1
    await gone(slow_text)


async def test_text_that_takes_too_long_is_left_out(folder: Path, slow_text: Path) -> None:
    async with Inbox(folder, with_text(ocr_seconds=1.0)) as inbox:
        received = await inbox.take(Call(2).as_incoming)
    assert len(received.result.warnings) == 2
    assert not received.failed
    await gone(slow_text)


async def test_a_worker_that_dies_of_a_fax(folder: Path, slow_text: Path) -> None:
    """It is delivered without text by another one."""
    async with Inbox(folder, with_text()) as inbox:
        taking = asyncio.create_task(inbox.take(Call().as_incoming))
        await until(lambda: slow_text.exists() and bool(slow_text.read_text().strip()))
        (child,) = inbox._workers._busy
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        received = await taking
    assert names(folder) == ["fax.pdf"]
    assert len(received.result.warnings) == 1
    await gone(slow_text)


async def test_a_worker_that_dies_between_two_faxes(folder: Path) -> None:
    async with Inbox(folder, PDF) as inbox:
        await inbox.take(Call().as_incoming)
        (child,) = inbox._workers._idle
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: not child.running)
        received = await inbox.take(Call().as_incoming)
    assert (received.failed, received.result.warnings) == (False, ())
    assert len(names(folder)) == 2


async def test_pages_that_cannot_be_delivered_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Inbox(folder) as inbox:
        inbox.folder = str(folder / "gone")
        received = await inbox.take(Call().as_incoming)
        assert received.failed
    assert len(received.result.warnings) == 1
    assert received.tiff in tiffs(folder)
    async with Inbox(folder):
        await until(lambda: not (folder / FOLDER).exists())
    assert len(names(folder)) == 1


async def test_pages_that_could_not_be_delivered_are_delivered_when_they_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inboxes, "_AGAIN_AFTER", 0.01)
    async with Inbox(folder, InboxSettings(exec=program(folder, TELLS))) as inbox:
        inbox.folder = str(folder / "mount" / "faxes")
        assert (await inbox.take(Call().as_incoming)).failed
        (folder / "mount" / "faxes").mkdir(parents=True)
        await until(lambda: bool(told(folder)))
        await until(lambda: not (folder / FOLDER).exists())
    assert names(folder / "mount" / "faxes") == ["fax-20261201-093015-0001.tif"]
    assert len(told(folder)) == 1


@pytest.mark.parametrize(
    ("chosen", "setting"),
    [
        (InboxSettings(exec="/nonexistent/program"), "exec"),
        (InboxSettings(exec=__file__), "exec"),
        (InboxSettings(exec="cp $FAX_FILE elsewhere"), "exec"),
        (InboxSettings(exec='sh -c cp "${FAX_FILE}" elsewhere'), "exec"),
        (InboxSettings(ocr=True), "ocr"),
        (InboxSettings(ocr=True, format=FileFormat.PDF, ocr_languages="eng+xxx"), "ocr_languages"),
    ],
)
@pytest.mark.tesseract
async def test_what_cannot_work_is_refused_before_any_call(
    folder: Path, chosen: InboxSettings, setting: str
) -> None:
    with pytest.raises(SettingError, match=f"^{setting}: "):
        async with Inbox(folder, chosen):
            pass


async def test_without_tesseract(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(SettingError, match=r"^ocr: "):
        async with Inbox(folder, with_text()):
            pass


def tiffs(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*.tif")]


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not there():  # noqa: ASYNC110 (files tell nobody)
            await asyncio.sleep(0.01)


async def gone(process: Path) -> None:
    """The process whose ID is in a file."""

    def over() -> bool:
        try:
            return ") Z" in Path(f"/proc/{process.read_text().strip()}/stat").read_text()
        except FileNotFoundError:
            return True

    await until(over)

"""The files of a fax, made and named, in the process of the test."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from t38fsp.choices import FileFormat
from t38fsp.image.compare import differing_pages
from t38fsp.image.document import inspect
from t38fsp.image.errors import StoreError
from t38fsp.received import delivery
from t38fsp.received.delivery import deliver
from t38fsp.received.spool import FOLDER, Entry, Spool
from t38fsp.received.wire import Deliver, Delivered
from tests.cli.commands import names
from tests.peers import pdf
from tests.received.faxes import store_pages

FACTS = {
    "job": 1,
    "completed": True,
    "pages_confirmed": 2,
    "began": "2026-12-01T09:30:15+01:00",
    "caller": "sip:+15550199@trunk.example",
    "remote_id": "+49 711 55",
    "warnings": ["an earlier one"],
}


SUFFIXES = [".tif", ".pdf", ".json"]


def broken(*_: object) -> None:
    raise OSError(28, "No space left on device")


def waiting(folder: Path, pages: int = 2, facts: dict[str, Any] | None = None, suffix: str = "") -> Entry:
    """A fax in the spool."""
    entry = Spool(folder).begin(1, {"facts": FACTS if facts is None else facts})
    if pages:
        store_pages(entry.tiff + suffix, pages)
    return entry


def order(entry: Entry, folder: Path, form: FileFormat = FileFormat.BOTH, **more: Any) -> Deliver:
    chosen = {"name": "{caller}", "sidecar": True, "languages": "", "seconds": 9.0} | more
    return Deliver(entry.record, str(folder), format=form, **chosen)


@pytest.mark.pdf
def test_both_files_and_the_sidecar(tmp_path: Path) -> None:
    entry = waiting(tmp_path)
    delivered = deliver(order(entry, tmp_path))
    tiff, made, sidecar = (tmp_path / f"+15550199{suffix}" for suffix in (".tif", ".pdf", ".json"))
    assert delivered == Delivered(str(tiff), str(made), str(sidecar))
    assert len(inspect(tiff)) == 2
    pdf.check(made)
    assert len(pdf.images(made)) == 2
    told = pdf.information(made)
    assert (told["Caller"], told["StationID"]) == ("sip:+15550199@trunk.example", "+49 711 55")
    assert told["CreationDate"] == "D:20261201093015+01'00'"
    facts = json.loads(sidecar.read_text())
    assert {**FACTS, "file": tiff.name, "files": {"tiff": tiff.name, "pdf": made.name}} == facts
    assert [path.stat().st_mode & 0o777 for path in (tiff, made, sidecar)] == [0o600] * 3


@pytest.mark.parametrize(
    ("form", "suffixes"),
    [(FileFormat.TIFF, [".tif"]), (FileFormat.PDF, [".pdf"]), (FileFormat.BOTH, [".pdf", ".tif"])],
)
def test_what_was_asked_for(tmp_path: Path, form: FileFormat, suffixes: list[str]) -> None:
    deliver(order(waiting(tmp_path), tmp_path, form, sidecar=False))
    assert [name for name in names(tmp_path) if name != FOLDER] == [f"+15550199{each}" for each in suffixes]


def test_a_fax_that_broke_off(tmp_path: Path) -> None:
    entry = waiting(tmp_path, facts={**FACTS, "completed": False})
    delivered = deliver(order(entry, tmp_path))
    assert {Path(path).stem for path in delivered.files} == {"+15550199-partial"}
    assert json.loads(Path(delivered.sidecar).read_text())["completed"] is False


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_file_is_replaced(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"+15550199{suffix}").write_text("mine")
    (tmp_path / "+15550199-2.tif").symlink_to("nowhere")
    delivered = deliver(order(waiting(tmp_path), tmp_path))
    assert {Path(path).stem for path in delivered.files} == {"+15550199-3"}
    assert (tmp_path / f"+15550199{suffix}").read_text() == "mine"


def test_the_sidecar_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed: list[str] = []
    rename = os.rename

    def noted(source: str, target: str) -> None:
        renamed.append(os.path.splitext(target)[1])
        rename(source, target)

    monkeypatch.setattr(delivery.os, "rename", noted)
    deliver(order(waiting(tmp_path), tmp_path))
    assert renamed == SUFFIXES


@pytest.mark.parametrize("after", range(3))
def test_a_delivery_that_is_cut_off_is_finished_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    entry = waiting(tmp_path)
    rename = os.rename
    left = [after]

    def fails(source: str, target: str) -> None:
        if not left[0]:
            raise OSError(5, "Input/output error")
        left[0] -= 1
        rename(source, target)

    with monkeypatch.context() as context:
        context.setattr(delivery.os, "rename", fails)
        with pytest.raises(StoreError):
            deliver(order(entry, tmp_path))
    assert len(names(tmp_path)) == 1 + after
    delivered = deliver(order(entry, tmp_path))
    assert [Path(path).name for path in delivered.files] == [f"+15550199{each}" for each in SUFFIXES]
    assert all(map(os.path.exists, delivered.files))
    assert deliver(order(entry, tmp_path)) == delivered, "and once more, as after a crash during the command"


def test_a_name_that_another_program_takes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = waiting(tmp_path)
    with monkeypatch.context() as context:
        context.setattr(delivery.os, "rename", broken)
        with pytest.raises(StoreError):
            deliver(order(entry, tmp_path, FileFormat.TIFF, sidecar=False))
    (tmp_path / "+15550199.tif").write_text("mine")
    delivered = deliver(order(entry, tmp_path, FileFormat.TIFF, sidecar=False))
    assert delivered.tiff == str(tmp_path / "+15550199-2.tif")
    assert (tmp_path / "+15550199.tif").read_text() == "mine"


@pytest.mark.parametrize("facts", [{"job": 1, "began": "2026-12-01T09:30:15+01:00", "completed": False}, {}])
def test_pages_of_a_process_that_was_killed(tmp_path: Path, facts: dict[str, Any]) -> None:
    entry = waiting(tmp_path, facts=facts, suffix=".part")
    delivered = deliver(order(entry, tmp_path, name="{date}"))
    assert Path(delivered.tiff).name == ("20261201-partial.tif" if facts else "none-partial.tif")
    assert len(inspect(delivered.tiff)) == 2
    assert json.loads(Path(delivered.sidecar).read_text())["pages_confirmed"] == 2


@pytest.mark.parametrize("content", [None, b"", b"II*\0\0\0\0\0"])
def test_a_call_that_was_killed_before_its_first_page(tmp_path: Path, content: bytes | None) -> None:
    entry = waiting(tmp_path, pages=0, facts={"completed": False})
    if content is not None:
        Path(f"{entry.tiff}.part").write_bytes(content)
    assert deliver(order(entry, tmp_path)).files == ()
    assert names(tmp_path) == [FOLDER]


def test_pages_that_were_moved_away(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        deliver(order(waiting(tmp_path, pages=0), tmp_path))


def test_a_folder_that_takes_no_files_any_more(tmp_path: Path) -> None:
    entry = waiting(tmp_path)
    with pytest.raises(StoreError):
        deliver(order(entry, tmp_path / "gone"))
    assert deliver(order(entry, tmp_path)).files, "it is still there"


def test_no_pdf_for_lack_of_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages are on disk; a name takes no space."""

    def no_pdf(*_: object) -> int:
        raise StoreError("no space left")

    monkeypatch.setattr(delivery, "write_pdf", no_pdf)
    monkeypatch.setattr(delivery, "write_json", broken)
    monkeypatch.setattr(Entry, "write", broken)
    entry = waiting(tmp_path, 1)
    kept = Path(entry.tiff).read_bytes()
    delivered = deliver(order(entry, tmp_path, FileFormat.PDF))
    assert (delivered.pdf, delivered.sidecar, len(delivered.warnings)) == ("", "", 2)
    assert Path(delivered.tiff).read_bytes() == kept


def test_pages_of_the_file_are_those_of_the_fax(tmp_path: Path) -> None:
    store_pages(tmp_path / "letter.tif", 2)
    delivered = deliver(order(waiting(tmp_path), tmp_path))
    assert differing_pages(tmp_path / "letter.tif", delivered.tiff) == []

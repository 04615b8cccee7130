"""``receive --offer`` and ``poll``, each in a process of its own, on the loopback interface."""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import dataclass
from pathlib import Path

import pypdfium2
import pytest

from t38fsp.choices import FileFormat
from t38fsp.cli.poll import Wanted, _kept
from t38fsp.image.compare import differing_pages
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.vocabulary import Resolution
from tests.cli.commands import Ended, Run, names, port_of, t38fsp
from tests.pages import make_document


@dataclass(frozen=True, slots=True)
class Calls:
    notice: Path
    fetched: Path
    faxes: Path
    receiver: Ended
    knows: Ended
    guesses: Ended


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """A document with a password, polled by one who knows it and by one who does not."""
    directory = tmp_path_factory.mktemp("polls")
    notice = directory / "notice.tif"
    make_document(notice, [(1728, Resolution.R8_STANDARD, rows, "lines") for rows in (60, 80)])
    return asyncio.run(make_calls(notice, directory))


async def make_calls(notice: Path, directory: Path) -> Calls:
    faxes, fetched = directory / "faxes", directory / "fetched.tif"
    taking = ("receive", "--output", faxes, "--listen", "127.0.0.1:0", "--count", "2", "--json")
    async with t38fsp(*taking, "--offer", notice, "--password", "1234") as receiver:
        port = port_of(await receiver.progress("listening on sip:127.0.0.1:"))
        poll = ("poll", "--to", f"sip:fax@127.0.0.1:{port}", "--output")
        async with (
            t38fsp(*poll, fetched, "--format", "both", "--password", "1234", "--json") as one,
            t38fsp(*poll, directory / "guessed.tif", "--password", "4321") as other,
        ):
            knows, guesses = await asyncio.gather(one.end(), other.end())
        ended = await receiver.end()
    return Calls(notice, fetched, faxes, ended, knows, guesses)


def test_the_document_is_fetched_as_it_is(calls: Calls) -> None:
    result = calls.knows.json
    assert (calls.knows.status, result["status"], result["polled"]) == (0, "COMPLETED", True)
    assert (result["pages_confirmed"], result["file"]) == (2, str(calls.fetched))
    assert differing_pages(calls.notice, calls.fetched) == []
    assert stat.S_IMODE(calls.fetched.stat().st_mode) == 0o600


def test_a_pdf_of_it_is_made_beside(calls: Calls) -> None:
    pdf = calls.fetched.with_suffix(".pdf")
    assert calls.knows.json["files"] == {"tiff": str(calls.fetched), "pdf": str(pdf)}
    assert stat.S_IMODE(pdf.stat().st_mode) == 0o600
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 2
    document.close()


@pytest.mark.parametrize(
    ("output", "format", "files", "fetched"),
    [
        ("a.tif", None, {"tiff": "a.tif"}, "a.tif"),
        ("a.pdf", None, {"pdf": "a.pdf"}, ".a.pdf.tif"),
        ("a", FileFormat.PDF, {"pdf": "a"}, ".a.tif"),
        ("a.pdf", FileFormat.TIFF, {"tiff": "a.pdf"}, "a.pdf"),
        ("a.pdf", FileFormat.BOTH, {"tiff": "a.tif", "pdf": "a.pdf"}, "a.tif"),
        ("a", FileFormat.BOTH, {"tiff": "a", "pdf": "a.pdf"}, "a"),
    ],
)
def test_the_files_of_a_format(
    output: str, format: FileFormat | None, files: dict[str, str], fetched: str
) -> None:
    wanted = Wanted("1", Path(output), format)
    assert wanted.files == {kind: Path(name) for kind, name in files.items()}
    assert wanted.fetched == Path(fetched)


def test_a_fax_of_which_no_pdf_can_be_made_is_kept(tmp_path: Path) -> None:
    wanted = Wanted("1", tmp_path / "fax.pdf")
    wanted.fetched.write_bytes(b"no TIFF")
    result = FaxResult(FaxStatus.COMPLETED, "", False, "", file=str(wanted.fetched), began="2026-12-01T12:00")
    told, files = _kept(wanted, result, wanted.fetched)
    assert files == {"tiff": str(tmp_path / "fax.tif")}
    assert told.file == files["tiff"]
    assert told.warnings
    assert names(tmp_path) == ["fax.tif"]


def test_who_offers_it_is_told_and_receives_nothing(calls: Calls) -> None:
    results = sorted(map(json.loads, calls.receiver.output.splitlines()), key=lambda fax: fax["completed"])
    assert [(fax["completed"], fax["polled"], fax["pages_confirmed"], fax["file"]) for fax in results] == [
        (False, False, 0, None),
        (True, True, 2, None),
    ]
    assert "it polls with a wrong PWD, or none" in results[0]["reason"]
    assert calls.receiver.status == 10
    assert names(calls.faxes) == []


def test_a_wrong_password_fetches_nothing(calls: Calls) -> None:
    assert calls.guesses.status == 10
    told = calls.guesses.output.splitlines()[-1]
    assert told.startswith("FATAL_ERROR: a sub-address, password or identity was refused")
    assert "polling again cannot help" in told
    assert "PWD" in told
    assert names(calls.fetched.parent) == ["faxes", "fetched.pdf", "fetched.tif", "notice.tif"]


def test_what_cannot_be_polled_is_refused_before_any_call(run: Run, tmp_path: Path) -> None:
    to = ("poll", "--to", "sip:fax@127.0.0.1:9", "--output")
    existing = tmp_path / "kept.tif"
    existing.touch()
    told = {
        (*to, existing): "exists; name a new file",
        (*to, tmp_path / "nowhere" / "new.tif"): "no file can be made in",
        (*to, tmp_path / "new.tif", "--password", "1" * 21): "a password has at most 20 characters",
        (
            "receive",
            "--output",
            tmp_path / "faxes",
            "--password",
            "1",
        ): "--password need --offer",
    }
    for arguments, sentence in told.items():
        ended = run(*map(str, arguments))
        assert sentence in ended.stderr
        assert ended.exit_code == (1 if "nowhere" in str(arguments) else 2)
    assert "new.tif" not in names(tmp_path)
    assert existing.exists()

"""``send --resume-from``: a fax that was interrupted, and the rest of it in a second call."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from PIL import Image

from t38fsp.t30.vocabulary import Resolution
from tests.cli.commands import Run, port_of, t38fsp
from tests.pages import make_document

ROWS = [60, 70, 80, 90]
"""Each page is known by its length."""


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.tif"
    make_document(path, [(1728, Resolution.R8_STANDARD, rows, "lines") for rows in ROWS])
    return path


def pages(file: Path) -> list[int]:
    """Numbers of the pages in a received file."""
    with Image.open(file) as document:
        lengths = []
        for index in range(document.n_frames):
            document.seek(index)
            lengths.append(document.height)
    return [ROWS.index(rows) + 1 for rows in lengths]


async def test_an_interrupted_fax_is_gone_on_with(letter: Path, tmp_path: Path) -> None:
    faxes = tmp_path / "faxes"
    taking = ("receive", "--output", faxes, "--listen", "127.0.0.1:0", "--count", "2", "--json")
    async with t38fsp(*taking) as receiver:
        port = port_of(await receiver.progress("listening on sip:127.0.0.1:"))
        send = ("send", letter, "--to", f"sip:fax@127.0.0.1:{port}")
        async with t38fsp(*send) as first:
            await first.printed("page 2 confirmed")
            first.process.send_signal(signal.SIGINT)
            interrupted = await first.end()
        hint = interrupted.output.splitlines()[-1]
        page = int(hint.removeprefix("to send only the rest: --resume-from "))
        async with t38fsp(*send, "--resume-from", str(page), "--json") as second:
            resumed = await second.end()
        await receiver.end()

    assert interrupted.status == 12
    assert page in (3, 4)  # the answer to page 3 may still have been heard
    result = resumed.json
    assert (resumed.status, result["status"], result["first_page"], result["next_page"]) == (
        0,
        "COMPLETED",
        page,
        None,
    )
    assert [record["number"] for record in result["pages"]] == list(range(page, 5))
    before, after = map(pages, sorted(faxes.iterdir(), key=lambda file: file.stat().st_mtime))
    assert before == list(range(1, len(before) + 1))
    assert len(before) >= page - 1
    assert after == list(range(page, 5))


def test_a_page_that_the_document_has_not(run: Run, letter: Path) -> None:
    ended = run("send", str(letter), "--to", "sip:fax@127.0.0.1:9", "--resume-from", "5")
    assert ended.exit_code == 11
    assert "the document has 4 pages, so it cannot be continued at page 5" in ended.stdout
    assert "--resume-from" not in ended.stdout


def test_a_sub_address_that_cannot_be_coded(run: Run, letter: Path) -> None:
    ended = run("send", str(letter), "--to", "sip:fax@127.0.0.1:9", "--sub-address", "1" * 21)
    assert ended.exit_code == 2
    assert "a sub-address has at most 20 characters" in ended.stderr

"""docs/api.md: its reference is current, and its programs run as they stand, on loopback."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from t38fsp.image.compare import differing_pages
from tests.api_page import PAGE, page
from tests.cli.commands import names, port_of, started, t38fsp
from tests.peers import pdf

TEXT = PAGE.read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"^### ([^\n]*)\n\n```python\n(.*?)```", TEXT, re.S | re.M))
ANY_PORT = "127.0.0.1:0"


def written(folder: Path, title: str, port: str) -> Path:
    """The program under ``title``, with an address of this machine in place of its own."""
    program = PROGRAMS[title].replace("trunk.example", f"127.0.0.1:{port}")
    for name in ("letter.tif", "fetched.tif"):
        program = program.replace(f'"{name}"', f'"{folder / name}"')
    file = folder / "program.py"
    file.write_text(program)
    return file


def test_the_reference_is_current() -> None:
    assert page(TEXT) == TEXT, "run python -m tests.api_page"


@pytest.mark.parametrize(
    "title",
    [
        "Send a fax",
        pytest.param("Send again only what was not confirmed", marks=pytest.mark.full),
        "Send through the FaxDev functions",
    ],
)
async def test_a_program_that_sends(tmp_path: Path, letter: Path, title: str) -> None:
    shutil.copy(letter, tmp_path / "letter.tif")
    faxes = tmp_path / "faxes"
    async with t38fsp("receive", "--output", faxes, "--listen", ANY_PORT, "--count", "1") as receiver:
        port = port_of(await receiver.printed("listening"))
        async with started(written(tmp_path, title, port)) as sender:
            sent = await sender.end()
        received = await receiver.end()
    assert (sent.status, received.status) == (0, 0), sent.output + sent.progress
    assert "COMPLETED" in sent.output
    (file,) = names(faxes)
    assert differing_pages(letter, faxes / file) == []


@pytest.mark.full
async def test_the_program_that_fetches(tmp_path: Path, letter: Path) -> None:
    faxes = tmp_path / "faxes"
    offers = ("--offer", letter, "--count", "1")
    async with t38fsp("receive", "--output", faxes, "--listen", ANY_PORT, *offers) as receiver:
        port = port_of(await receiver.printed("listening"))
        async with started(written(tmp_path, "Fetch (poll) a document", port)) as fetching:
            fetched = await fetching.end()
        await receiver.end()
    assert fetched.status == 0, fetched.output + fetched.progress
    assert differing_pages(letter, tmp_path / "fetched.tif") == []


@pytest.mark.full
@pytest.mark.pdf
async def test_the_program_that_receives_pdf(tmp_path: Path, letter: Path) -> None:
    receives = PROGRAMS["Receive faxes as PDF"].replace("5060), accept_calls=True)", "0), accept_calls=True)")
    receives = receives.replace(
        "        async for", "        print(provider.address[1])\n        async for", 1
    )
    receives = receives.replace('"faxes"', f'"{tmp_path / "faxes"}"')
    (tmp_path / "receives.py").write_text(receives)
    async with started("-u", tmp_path / "receives.py") as receiver:
        port = (await receiver.printed("")).strip()
        async with t38fsp("send", letter, "--to", f"sip:1@127.0.0.1:{port}") as sender:
            sent, told = await asyncio.gather(sender.end(), receiver.printed("COMPLETED"))
        assert names(tmp_path / "faxes") == [Path(told.rpartition(" ")[2]).name]
    assert sent.status == 0, sent.output + sent.progress
    pdf.check(Path(told.rpartition(" ")[2]))


async def test_the_program_with_a_route_and_the_one_that_receives(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(letter, tmp_path / "letter.tif")
    receives = PROGRAMS["Receive faxes"].replace("5060), accept_calls=True)", "0), accept_calls=True)")
    receives = receives.replace(
        "        async with asyncio.TaskGroup",
        "        print(provider.address[1])\n        async with asyncio.TaskGroup",
    )
    (tmp_path / "receives.py").write_text(receives)
    async with started("-u", tmp_path / "receives.py") as receiver:
        port = (await receiver.printed("")).strip()
        (tmp_path / "t38fsp.toml").write_text(f'[routes.office]\npeer = "127.0.0.1:{port}"\n')
        sends = written(tmp_path, "Send by a route of the configuration file", port)
        async with started(sends) as sender:
            sent, told = await asyncio.gather(sender.end(), receiver.printed("COMPLETED"))
    assert sent.status == 0, sent.output + sent.progress
    assert "fax-1.tif" in told
    assert differing_pages(letter, tmp_path / "fax-1.tif") == []

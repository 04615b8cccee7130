"""``t38fsp receive`` with all that it can make of a fax, and what it refuses before any call."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from t38fsp.cli.exits import Exit
from t38fsp.image.compare import differing_pages
from t38fsp.t30.vocabulary import Resolution
from tests.cli.commands import Run, names, port_of, t38fsp
from tests.pages import make_document
from tests.peers import pdf

NAME = "{date}_{caller}_{csi}_{subaddress}"
SETTINGS = """
[received]
format = "pdf"
sidecar = true
ocr = true
"""


@pytest.mark.pdf
@pytest.mark.tesseract
async def test_a_fax_with_everything(tmp_path: Path, letter: Path) -> None:
    """Some of it by the file, some by options, which take precedence."""
    command, facts, faxes = tmp_path / "arrived", tmp_path / "facts", tmp_path / "faxes"
    command.write_text(f'#!/bin/sh\nenv > "{facts}"\necho "argument $1"\nexit 3\n')
    command.chmod(0o700)
    (tmp_path / "t38fsp.toml").write_text(SETTINGS)
    options = ("--config", tmp_path / "t38fsp.toml", "--format", "both", "--name", NAME)
    running = ("--exec", f"'{command}' '$HOME'", "--count", "1", "--json", "-v")
    async with t38fsp(
        "receive", "--output", faxes, "--listen", "127.0.0.1:0", *options, *running
    ) as receiver:
        port = port_of(await receiver.progress("listening"))
        about = ("--station-id", "+49 711 55", "--sub-address", "12")
        async with t38fsp("send", letter, "--to", f"sip:100@127.0.0.1:{port}", *about) as sender:
            sent, received = await asyncio.gather(sender.end(), receiver.end())
    assert sent.status == 0, sent.output
    assert received.status == Exit.ERROR, "the command failed"
    fax = received.json
    assert (fax["completed"], len(fax["warnings"])) == (True, 1)
    tiff, made, sidecar = (Path(fax["files"][kind]) for kind in ("tiff", "pdf", "sidecar"))
    assert sorted(path.name for path in (tiff, made, sidecar)) == names(faxes)
    assert tiff.stem.partition("_")[2] == "fax_+49_711_55_12"
    assert differing_pages(letter, tiff) == []
    pdf.check(made)
    assert pdf.information(made)["StationID"] == "+49 711 55"
    told = json.loads(sidecar.read_text())
    assert (told["called"], told["sub_address"]) == (fax["called"], "12")
    variables = dict(line.partition("=")[::2] for line in facts.read_text().splitlines())
    assert (variables["FAX_PDF"], variables["FAX_SUBADDRESS"]) == (str(made), "12")
    assert "argument $HOME" in received.progress


@pytest.mark.full
async def test_a_fax_that_breaks_off_is_marked_and_told(tmp_path: Path) -> None:
    make_document(tmp_path / "two.tif", [(1728, Resolution.R8_STANDARD, 60, "lines")] * 2)
    options = ("--listen", "127.0.0.1:0", "--format", "pdf", "--count", "1")
    async with t38fsp("receive", "--output", tmp_path / "faxes", *options) as receiver:
        port = port_of(await receiver.printed("listening"))
        async with t38fsp("send", tmp_path / "two.tif", "--to", f"sip:1@127.0.0.1:{port}") as sender:
            await sender.printed("page 2")
            sender.process.send_signal(signal.SIGTERM)
            await sender.end()
            received = await receiver.end()
    (name,) = names(tmp_path / "faxes")
    assert name.endswith("-partial.pdf")
    assert name in received.output
    assert received.status == Exit.PARTIAL


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (("--name", "{who}"), "--name"),
        (("--name", "../x"), "--name"),
        (("--ocr-languages", "eng deu"), "--ocr-languages"),
        (("--ocr-seconds", "0"), "--ocr-seconds"),
        (("--exec", "cat 'it"), "--exec"),
        (("--exec", "/nonexistent/program"), "--exec"),
        (("--exec-seconds", "0"), "--exec-seconds"),
        (("--ocr",), "--ocr"),
    ],
)
def test_what_is_refused_before_any_call(run: Run, options: tuple[str, ...], option: str) -> None:
    result = run("receive", "--output", "faxes", "--listen", "127.0.0.1:0", *options)
    assert result.exit_code == Exit.USAGE
    assert result.stderr.startswith(f"t38fsp: {option}: ")
    assert result.stderr.count("\n") == 1


def test_a_format_that_there_is_not(run: Run) -> None:
    assert run("receive", "--output", "faxes", "--format", "jpeg").exit_code == Exit.USAGE


def test_a_setting_of_the_file_and_one_of_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t38fsp.toml").write_text('[received]\nname = "{who}"\n')
    result = run("receive", "--output", "faxes", "--listen", "127.0.0.1:0")
    assert result.exit_code == Exit.USAGE
    assert "received.name" in result.stderr
    monkeypatch.setenv("T38FSP_RECEIVED__EXEC_SECONDS", "0")
    (tmp_path / "t38fsp.toml").write_text("")
    result = run("receive", "--output", "faxes", "--listen", "127.0.0.1:0")
    assert result.exit_code == Exit.USAGE
    assert "T38FSP_RECEIVED__EXEC_SECONDS" in result.stderr

"""docs/service.md and the README: their files are accepted, and their two commands do what they say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pypdfium2
import pytest

from t38fsp.cli.exits import Exit
from t38fsp.service.settings_file import read_service
from t38fsp.settings.file import Configuration
from tests.cli.commands import ROOT, Running, invoke, started
from tests.peers.programs import find
from tests.service.destinations import SECRET

TEXT = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.S | re.M)
ROUTES = '[routes.trunk]\npeer = "trunk.example"\n[routes.backup]\npeer = "backup.example"\n'


@pytest.mark.parametrize("text", FILES, ids=lambda text: text.splitlines()[0])
def test_a_file_of_the_page_is_accepted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "t38fsp.toml"
    file.write_text(text if "[routes." in text else ROUTES + text, encoding="utf-8")
    for kind, name in re.findall(r'^(\w+)_file = "([^"]+)"', text, re.M):
        secret = tmp_path / name
        secret.write_text(f"{SECRET}\n" if kind == "secrets" else "hidden\n", encoding="utf-8")
        secret.chmod(0o600)
    configuration = Configuration.read(file)
    assert configuration.check() == []
    read_service(configuration)


def test_all_commands_of_the_service_are_on_the_page() -> None:
    told = set(re.findall(r"`t38fsp (\w+)", TEXT))
    assert {"serve", "submit", "queue", "show", "cancel", "retry", "received", "journal"} <= told
    assert {"keys", "hosts", "backup", "restore"} <= told


@pytest.mark.full
@pytest.mark.usefixtures("empty_directory")
async def test_the_two_commands_of_the_readme() -> None:
    """A PDF goes out by curl, is seen to be delivered, and comes in as a PDF."""
    serve, curl = (
        shlex.split(command) for command in re.findall(r"^((?:t38fsp serve|curl) .*)$", README, re.M)
    )
    assert serve[0] == "t38fsp"
    async with started("-m", *serve, "--web", "127.0.0.1:0") as service:
        inbox = (await service.printed("inbox: ")).removeprefix("inbox: ")
        printed = shlex.split(await service.printed("curl"))
        # As the README has it, but for the key, the port and the folder.
        key = re.compile(r"t38fsp_[\w-]+")
        port, folder = re.compile(r":\d+/"), re.compile(r"@.*/")
        assert [folder.sub("@", port.sub(":8038/", key.sub("KEY", word))) for word in printed] == curl
        job = json.loads(await asyncio.to_thread(output_of, [find("curl", "curl"), "-sS", *printed[1:]]))
        for what in ("fax.delivered", "delivery.delivered"):
            async with events(printed) as happened:
                await happened.printed(f'"{what}"')
        submit = shlex.split(await service.printed("submit"))
        shown = await asyncio.to_thread(invoke, "show", f"{job['id']}-1", "--json", *submit[-2:])
        assert json.loads(shown.stdout)["state"] == "delivered"
        assert pages_of_the_fax(Path(inbox)) == 1
        service.process.send_signal(signal.SIGINT)
        assert (await service.end()).status == Exit.COMPLETED
    assert Path(inbox).name not in os.listdir(Path(inbox).parents[1])


@asynccontextmanager
async def events(submission: list[str]) -> AsyncIterator[Running]:
    """What has happened and happens in a service, by curl: its address and key are those of a submission."""
    address = submission[-1].replace("/v1/faxes", "/v1/events?after=0")
    key = submission[submission.index("-H") + 1]
    process = await asyncio.create_subprocess_exec(
        *(find("curl", "curl"), "-sSN", "-H", key, address), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        await process.communicate()


def output_of(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pages_of_the_fax(inbox: Path) -> int:
    (file,) = inbox.glob("*.pdf")
    document = pypdfium2.PdfDocument(file.read_bytes())
    try:
        return len(document)
    finally:
        document.close()

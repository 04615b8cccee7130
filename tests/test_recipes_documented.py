"""docs/recipes.md: its files are accepted, its Kamailio relays faxes, its service is what systemd takes."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from t38fsp.cli.exits import Exit
from t38fsp.image.compare import differing_pages
from t38fsp.settings.file import Configuration
from tests.cli.commands import names, port_of, started, t38fsp
from tests.peers.programs import Daemon, Program, find, free_port

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
FILES = dict(
    re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```toml\n(.*?)^```", TEXT, re.S | re.M),
)
UNITS = ROOT / "examples" / "systemd"
SERVICE = UNITS / "t38fsp-receive.service"


@pytest.mark.parametrize("recipe", FILES)
def test_the_file_of_a_recipe_is_accepted(tmp_path: Path, recipe: str) -> None:
    file = tmp_path / "t38fsp.toml"
    file.write_text(FILES[recipe])
    password = tmp_path / "trunk.password"
    password.write_text("secret\n")
    password.chmod(0o600)
    configuration = Configuration.read(file)
    assert configuration.names == ("trunk",)
    assert configuration.check() == []


def test_each_recipe_with_a_file_is_checked() -> None:
    assert len(FILES) == TEXT.count("```toml") == 5


def test_the_program_of_the_recipe_mails_the_pdf(tmp_path: Path) -> None:
    section = TEXT.partition("## Received faxes by e-mail")[2]
    (script,) = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", section, re.S)
    mail = tmp_path / "mail"
    mail.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\ncat\n')
    mail.chmod(0o700)
    facts = {
        "FAX_STATION_ID": "",
        "FAX_CALLER_NUMBER": "$(reboot)'\"; *",
        "FAX_PAGES": "2",
        "FAX_COMPLETE": "0",
        "FAX_CALLED_NUMBER": "+15550100",
        "FAX_REASON": "it broke off",
        "FAX_PDF": "/faxes/a b.pdf",
    }
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **facts}
    ran = subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        *("-s", "Fax from $(reboot)'\"; *, pages: 2 (incomplete)", "-A", "/faxes/a b.pdf"),
        *("--", "accounts@mail.example", "it broke off"),
    ]


class RecipeKamailio(Daemon):
    """Kamailio with the file of the recipe, its addresses exchanged for ports of this machine."""

    def __init__(self, folder: Path, fax: str, gateway: str) -> None:
        super().__init__(folder / "kamailio.log")
        self._folder = folder
        (self._text,) = re.findall(r"```kamailio\n(.*?)```", TEXT, re.S)
        self._text = self._text.replace("sip:192.0.2.10:5060", f"sip:127.0.0.1:{fax}")
        self._text = self._text.replace("sip:192.0.2.20:5060", f"sip:127.0.0.1:{gateway}")
        self.port = 0

    def _start(self) -> Program:
        self.port = free_port(socket.SOCK_DGRAM)
        config = self._folder / "kamailio.cfg"
        config.write_text(self._text.replace("udp:192.0.2.1:5060", f"udp:127.0.0.1:{self.port}"))
        command = [find("kamailio", "kamailio"), "-f", str(config), "-DD", "-E", "-m", "32", "-M", "4"]
        command += ["-w", str(self._folder), "-Y", str(self._folder), "-n", "1"]
        return Program(command, self._folder, self.log)

    def _is_ready(self, program: Program) -> bool:
        return program.listens(self.port)


@pytest.mark.full
@pytest.mark.kamailio
async def test_a_fax_in_each_direction_through_the_kamailio_of_the_recipe(
    tmp_path: Path, letter: Path
) -> None:
    """The gateway is a receiver of ours, as the recipe is about the way and not about what is at its end."""
    any_port = "127.0.0.1:0"
    faxes, gateway = tmp_path / "faxes", tmp_path / "gateway"
    receiving = ("--listen", any_port, "--allow", "127.0.0.1", "--count", "1")
    async with (
        t38fsp("receive", "--output", faxes, *receiving) as ours,
        t38fsp("receive", "--output", gateway, *receiving) as far_end,
    ):
        ports = [port_of(await each.printed("listening")) for each in (ours, far_end)]
        with RecipeKamailio(tmp_path, *ports) as kamailio:
            via = ("--via", f"sip:127.0.0.1:{kamailio.port}", "--listen", any_port)
            async with (
                t38fsp("send", letter, "--to", "+15550199", *via) as inward,
                t38fsp("send", letter, "--to", "+15550100", *via) as outward,
            ):
                ends = await asyncio.gather(inward.end(), outward.end(), ours.end(), far_end.end())
    assert [end.status for end in ends] == [0] * 4, [end.progress for end in ends]
    for folder in (faxes, gateway):
        (file,) = names(folder)
        assert differing_pages(letter, folder / file) == []


def systemd_analyze(*arguments: str | Path) -> str:
    ran = subprocess.run(
        [find("systemd-analyze", "systemd"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("name", ["t38fsp-receive.service", "t38fsp-serve.service"])
def test_a_service_is_what_systemd_takes(tmp_path: Path, name: str) -> None:
    unit = tmp_path / name
    text = (UNITS / name).read_text(encoding="utf-8")
    unit.write_text(re.sub(r"^(ExecStart=)\S+", r"\g<1>/bin/true", text, flags=re.M))
    assert systemd_analyze("verify", "--man=no", unit) == ""
    told = systemd_analyze("security", "--offline=true", "--no-pager", unit)
    found = re.search(r"exposure level for \S+: ([\d.]+)", told)
    assert found is not None
    assert float(found[1]) <= 4


async def test_the_exit_statuses_that_a_service_names(tmp_path: Path) -> None:
    text = SERVICE.read_text(encoding="utf-8")
    assert f"SuccessExitStatus={int(Exit.CANCELLED)}\n" in text
    assert f"RestartPreventExitStatus={int(Exit.USAGE)}\n" in text
    (command,) = re.findall(r"^ExecStart=\S+/t38fsp (.*)$", text, re.M)
    wrong = tmp_path / "t38fsp.toml"
    wrong.write_text("listen = 5\n")
    arguments = command.replace("/etc/t38fsp.toml", str(wrong)).replace("/var/lib/t38fsp", str(tmp_path))
    async with started("-m", "t38fsp", *arguments.split()) as receiver:
        assert (await receiver.end()).status == Exit.USAGE

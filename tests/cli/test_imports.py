"""What a command imports before it does anything: most of the time until the INVITE was once spent on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEAVY = {"PIL", "numpy", "dns", "phonenumbers", "pydantic", "rich", "pjsua2"}
SELDOM = {"sip.pjsua.line", "sip.remote.line", "sip.remote.server"}
"""Lines that a route or a setting asks for."""


def imported(*modules: str) -> set[str]:
    """All modules, once these are imported in an interpreter of their own."""
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def used(*arguments: str) -> set[str]:
    """All modules that a command has imported when it ends."""
    program = (
        "import sys; from t38fsp.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("send", "--help")], ids=" ".join)
def test_help_and_completion_need_no_settings_and_no_event_loop(arguments: tuple[str, ...]) -> None:
    found = used(*arguments)
    assert "t38fsp.cli.app" in found
    assert not found & (HEAVY | {"asyncio", "t38fsp.jobs", "t38fsp.provider", "t38fsp.settings"})


@pytest.mark.parametrize("more", [(), ("--via", "sip:127.0.0.1:9", "--from", "sip:me@example.com")])
def test_an_engine_that_only_sends_takes_no_settings_apart(tmp_path: Path, more: tuple[str, ...]) -> None:
    found = used("send", str(tmp_path / "missing.tif"), "--to", "sip:100@127.0.0.1:9", *more)
    assert "t38fsp.engine.engine" in found
    assert not found & (HEAVY | SELDOM)


@pytest.mark.parametrize("command", ["send", "poll", "receive"])
def test_a_call_to_an_address_needs_no_names_no_pictures_and_no_numbering_plans(command: str) -> None:
    found = imported("t38fsp.cli.app", "t38fsp.cli.options", f"t38fsp.cli.{command}")
    assert not found & (HEAVY | SELDOM)


@pytest.mark.parametrize("arguments", [("--version",), ("send", "--help"), ("send", "missing", "--to", "1")])
def test_other_commands_know_nothing_of_the_service(arguments: tuple[str, ...]) -> None:
    found = used(*arguments)
    assert not any(module.startswith(("t38fsp.service", "t38fsp.cli.service")) for module in found)
    assert not found & {"dbos", "sqlalchemy", "fastapi", "httpx"}


def test_clients_of_the_service_do_without_its_engine() -> None:
    found = used("queue", "--socket", "/nonexistent")
    assert "httpx" in found
    # httpx has a command of its own, which takes rich where that is installed.
    engine = {"dbos", "sqlalchemy", "fastapi", "uvicorn", "t38fsp.provider"}
    assert not found & ((HEAVY - {"rich"}) | engine)


def test_the_package_itself_is_nearly_nothing() -> None:
    found = imported("t38fsp")
    assert not found & {"pydantic", "typer", "PIL", "asyncio", "sip.line"}


def test_an_image_worker_for_tiff_f_needs_nothing_of_other_documents() -> None:
    found = imported("t38fsp.image.worker")
    assert "PIL" in found
    assert not found & {"numpy", "pypdfium2", "jinja2", "zipfile", "urllib.request"}
    assert not any(module.startswith(("t38fsp.documents.", "t38fsp.pages.")) for module in found)

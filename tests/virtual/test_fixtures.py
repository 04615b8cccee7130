"""The fixtures for users' tests, as users have them: in a pytest of its own, with and without plugins."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from t38fsp.virtual.network import Faults
from t38fsp.virtual.quirks import QuirkError
from tests.call.harness import make_pages
from tests.pages import make_document
from tests.peers import libtiff

if TYPE_CHECKING:
    # Imported by pytest, which wants to be the first.
    from t38fsp.virtual.fixtures import GatewayFactory, ScenarioFactory

pytest_plugins = ["t38fsp.virtual.fixtures"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.tif"
    make_document(path, make_pages(1, rows=100))
    return path


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The tests of ``folder``, with nothing of ours but the package itself."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_of_the_documentation_passes_without_plugins(tmp_path: Path, letter: Path) -> None:
    text = (ROOT / "docs" / "virtual-gateway.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.S))
    assert set(files) == {"conftest.py", "test_fax.py"}
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    ended = run_pytest(tmp_path, "-p", "no:asyncio")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


PROGRAMS = """
import asyncio, subprocess, sys
import pytest
from t38fsp.provider import FaxProvider

def test_a_program_that_knows_nothing_of_asyncio(virtual_gateway):
    gateway = virtual_gateway("echo")
    subprocess.run([sys.executable, "-m", "t38fsp", "send", "letter.tif", "--to", gateway.uri()], check=True)
    fax = gateway.next_fax().result(60)
    assert fax.result.completed and fax.file.exists() and fax.shown["echo"]

@pytest.mark.asyncio
async def test_a_coroutine_on_the_loop_of_a_plugin(virtual_gateway, simulated_gateway):
    gateway = virtual_gateway("copies=1")
    async with FaxProvider() as provider:
        waiting = asyncio.wrap_future(gateway.next_fax())
        sent = await provider.send("letter.tif", gateway.uri())
        assert sent.completed and (await waiting).result.completed
"""


@pytest.mark.full
def test_programs_and_coroutines_in_the_mode_that_nobody_has_set(tmp_path: Path, letter: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["t38fsp.virtual.fixtures"]\n')
    (tmp_path / "test_programs.py").write_text(PROGRAMS)
    ended = run_pytest(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout


def test_gateways_beside_one_another_have_ports_of_their_own(virtual_gateway: GatewayFactory) -> None:
    uris = {virtual_gateway().uri("fax") for _ in range(3)}
    assert len(uris) == 3
    assert all(re.fullmatch(r"sip:fax@127\.0\.0\.1:\d+", uri) for uri in uris)


def test_a_trial_in_simulated_time(simulated_gateway: ScenarioFactory, letter: Path) -> None:
    outcome = simulated_gateway("rtn-last,first-seq", Faults(loss=0.05)).send(letter)
    assert outcome.result.completed
    assert outcome.gateway.completed
    assert outcome.shown["rtn-last"] == 1
    assert outcome.seconds > 20
    assert libtiff.assert_same_pages(letter, outcome.file) == 1
    assert simulated_gateway("refuses-t38").receive(letter).result.pages_confirmed == 0


def test_quirks_that_cannot_be_are_named(virtual_gateway: GatewayFactory) -> None:
    with pytest.raises(QuirkError, match=r"first-seq$"):
        virtual_gateway("first-sequence")

"""The scripts that people start, with what they would install left out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the script, where the tests are only told."""
    for name, does in {
        ".ci/peers": "",
        ".ci/environment": "",
        ".venv/bin/pytest": 'printf "%s\\n" "$@"',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / ".ci/test", tmp_path / ".ci/test")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "selected", "handed_on"),
    [
        ((), "push", []),
        (("push",), "push", []),
        (("full",), "full", []),
        (("long",), "long", []),
        (("-x",), "push", ["-x"]),
        (("--maxfail", "2", "tests/cli"), "push", ["--maxfail", "2", "tests/cli"]),
        (("full", "-k", "two words"), "full", ["-k", "two words"]),
    ],
)
def test_the_tier_may_be_left_out(
    project: Path, arguments: tuple[str, ...], selected: str, handed_on: list[str]
) -> None:
    ran = subprocess.run([project / ".ci/test", *arguments], capture_output=True, text=True, check=True)
    told = ran.stdout.splitlines()
    assert told[told.index("--tier") + 1 :] == [selected, *handed_on]


def test_an_unknown_tier_is_told(project: Path) -> None:
    ran = subprocess.run([project / ".ci/test", "all"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "usage: .ci/test [push|full|long] [pytest options]\n"

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
        ".ci/pythons": 'printf "others: %s\\n" "$@"',
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
    others = [f"others: {argument}" for argument in handed_on or [""]] if selected == "full" else []
    assert told[told.index("--tier") + 1 :] == [selected, *handed_on, *others]


def test_an_unknown_tier_is_told(project: Path) -> None:
    ran = subprocess.run([project / ".ci/test", "all"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "usage: .ci/test [push|full|long] [pytest options]\n"


@pytest.mark.parametrize("failing", [".venv/bin/pytest", ".ci/pythons"])
def test_the_full_tier_fails_with_one_python(project: Path, failing: str) -> None:
    (project / failing).write_text("#!/bin/sh\nexit 1\n")
    ran = subprocess.run([project / ".ci/test", "full"], capture_output=True, check=False)
    assert ran.returncode == 1


def pythons(folder: Path, **scripts: str) -> subprocess.CompletedProcess[str]:
    """Run .ci/pythons where only these are on PATH, beside the tools that it uses."""
    path = folder / "path"
    path.mkdir()
    for name in ("bash", "dirname", "nproc", "env"):
        (path / name).symlink_to(str(shutil.which(name)))
    for name, does in scripts.items():
        (path / name).write_text(f"#!/bin/sh\n{does}\n")
        (path / name).chmod(0o755)
    for name in ("pythons", "common"):
        shutil.copy(ROOT / ".ci" / name, folder / ".ci" / name)
    return subprocess.run(
        [folder / ".ci/pythons", "-x"], env={"PATH": str(path)}, capture_output=True, text=True, check=False
    )


def test_each_later_python_on_the_path_runs_and_is_told(project: Path) -> None:
    for version, status in (("3.12", 0), ("3.14", 1)):
        for name, does in {"pip": "", "pytest": f'echo ran {version} "$@"; exit {status}'}.items():
            file = project / ".venv-others" / version / "bin" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"#!/bin/sh\n{does}\n")
            file.chmod(0o755)
    ran = pythons(
        project,
        **{
            "python3.12": "echo cpython.3.12.1",
            "python3.13": "exit 127",
            "python3.14": "echo cpython.3.14.0",
        },
    )
    assert ran.returncode == 1, ran.stderr
    lines = ran.stdout.splitlines()
    assert [line.partition(" -n")[0] for line in lines if line.startswith("ran")] == ["ran 3.12", "ran 3.14"]
    assert [line.rpartition(" in ")[0] for line in lines[-2:]] == [
        "CPython 3.12.1: passed",
        "CPython 3.14.0: failed",
    ]


def test_no_later_python_is_told(project: Path) -> None:
    ran = pythons(project)
    assert (ran.returncode, ran.stdout) == (0, "no CPython 3.12 or later on PATH\n")

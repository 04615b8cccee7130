"""Programs of users are checked against our types: they get them, and not Any."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

WRONG = """
import asyncio
import sip.line
from t38fsp.faxdev import FAX_SEND
from t38fsp.provider import FaxProvider

async def main() -> None:
    async with FaxProvider(listen="127.0.0.1:0") as provider:
        result = await provider.send("letter.tif", 100)
        print(result.reson)
        dialog: str = result.dialog
    FAX_SEND(FileName="letter.tif", Number="100")
    sip.values.Hop("127.0.0.1")

asyncio.run(main())
"""


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of the programs in a folder, which knows us as an installed package only."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")
    }
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache" / "users", "."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("package", ["sip", "t38fsp"])
def test_the_packages_say_that_they_are_typed(package: str) -> None:
    assert files(package).joinpath("py.typed").is_file()


@pytest.mark.full
def test_the_examples_are_typed_programs(tmp_path: Path) -> None:
    examples = sorted((ROOT / "examples").glob("*.py"))
    for example in examples:
        shutil.copy(example, tmp_path)
    result = checked(tmp_path)
    assert result.returncode == 0, result.stdout
    assert f"no issues found in {len(examples)} source files" in result.stdout


@pytest.mark.full
def test_what_is_wrong_with_a_program_is_found(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    result = checked(tmp_path)
    found = [int(line.split(":")[1]) for line in result.stdout.splitlines() if ": error: " in line]
    assert sorted(set(found)) == [8, 9, 10, 11, 12, 13], result.stdout

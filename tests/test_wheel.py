"""The package as users get it: a wheel that works in an empty environment, away from this tree."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from t38fsp import __version__
from t38fsp.image.compare import differing_pages

ROOT = Path(__file__).parent.parent


def run(*arguments: str | Path, cwd: Path) -> str:
    ran = subprocess.run(list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.full
@pytest.mark.timeout(600)  # downloads
def test_the_wheel_sends_a_fax_in_an_empty_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("t38fsp-*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        about = message_from_bytes(content.read(metadata))
    assert {name.split("/")[0] for name in names} == {"sip", "t38fsp", f"t38fsp-{__version__}.dist-info"}
    assert {"sip/py.typed", "t38fsp/py.typed"} <= set(names)
    assert about["License-Expression"] == "BSD-3-Clause"
    assert about.get_all("Classifier")
    assert about["Project-URL"] is None, "addresses are named once they exist"
    run(sys.executable, "-m", "venv", tmp_path / "empty", cwd=tmp_path)
    programs = tmp_path / "empty" / "bin"
    run(programs / "pip", "install", "--quiet", wheel, cwd=tmp_path)
    assert run(programs / "t38fsp", "--version", cwd=tmp_path) == f"t38fsp {__version__}\n"
    told = run(programs / "t38fsp", "demo", cwd=tmp_path)
    assert "identical to the sample, pixel for pixel" in told
    faxes = tmp_path / "t38fsp-demo"
    assert differing_pages(faxes / "sample.tif", faxes / "received.tif") == []

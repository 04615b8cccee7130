"""The Python of docs/pjsua2.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from t38fsp.choices import Backend
from t38fsp.provider import FaxProvider

pytest.importorskip("pjsua2", reason="the extra pjsua2 is not installed", exc_type=ImportError)

PAGE = Path(__file__).parents[1] / "docs" / "pjsua2.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
FILE = """
[routes.office]
peer = "192.0.2.1"
"""


def test_there_is_python() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS)
def test_the_backend_is_chosen(block: str, tmp_path: Path, empty_directory: None) -> None:
    (tmp_path / "t38fsp.toml").write_text(FILE)
    names: dict[str, object] = {}
    exec(compile(block, str(PAGE), "exec"), names)
    provider = names["provider"]
    assert isinstance(provider, FaxProvider)
    assert provider._engine._settings.backend is Backend.PJSUA2

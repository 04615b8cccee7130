"""Files of a call with libspandsp."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.pages import text_page, write_document


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Two pages of different length."""
    return write_document(tmp_path / "sent.tif", [text_page(seed=1, rows=260), text_page(seed=2, rows=180)])


@pytest.fixture
def received(tmp_path: Path) -> Path:
    return tmp_path / "received.tif"

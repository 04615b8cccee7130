"""Fixtures for tests of pages and of the processes that work on them."""

from __future__ import annotations

import os

import pytest

from t38fsp.image.document import Identity, identity_of


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool looks at files at once: so a test knows when a job has been handed to the workers."""

    async def identity(path: str) -> Identity:
        return identity_of(os.stat(path))

    monkeypatch.setattr("t38fsp.image.pool._identity", identity)

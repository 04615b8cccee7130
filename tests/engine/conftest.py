"""Fixtures for tests of engines."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from t38fsp.events import Finished
from tests.engine.party import Party, Start
from tests.peers.pages import text_page, write_document
from tests.peers.realtime import udp_socket


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts engines, which end with the test; each job must then have had its one Finished."""
    parties: list[Party] = []

    async def start(**settings: object) -> Party:
        party = Party(**settings)
        party.address = await party.engine.start()
        parties.append(party)
        return party

    yield start
    for party in parties:
        await party.close()
        assert [type(events[-1]) for events in party.events.values()] == [Finished] * len(party.events)


@pytest.fixture
async def silent() -> AsyncIterator[socket.socket]:
    """A peer that hears and says nothing."""
    with udp_socket() as sock:
        sock.setblocking(False)
        yield sock


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = text_page(rows=120, noise_rows=0)
    return write_document(tmp_path_factory.mktemp("engine") / "sent.tif", [page])

"""Pages without the pace of a modem on real sockets: two engines on the loopback interface."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from t38fsp.events import Connected, Trained
from t38fsp.t30.vocabulary import Resolution
from tests.engine.party import Party
from tests.pages import make_document
from tests.peers import libtiff

pytestmark = pytest.mark.usefixtures("page_threads")

PAGES = 5


async def test_pages_go_from_engine_to_engine_without_pace(tmp_path: Path) -> None:
    document, received = tmp_path / "sent.tif", tmp_path / "received.tif"
    make_document(document, [(1728, Resolution.R8_FINE, 1100, "text")] * PAGES)
    caller, called = Party(), Party(accept_calls=True)
    try:
        for party in (caller, called):
            party.address = await party.engine.start()
        job = caller.send(document, called.address, internet_aware=True)
        taken = await called.take(received, internet_aware=True)
        await caller.expect(job, Connected)
        caller.engine.proceed(job, True)
        sent, kept = await asyncio.gather(caller.result(job), called.result(taken))
        trained = await caller.expect(job, Trained)
    finally:
        await asyncio.gather(caller.close(), called.close())
    assert sent.completed, sent.reason
    assert kept.pages_confirmed == sent.pages_confirmed == PAGES
    assert libtiff.assert_same_pages(document, received) == PAGES
    assert "INTERNET_AWARE" in sent.remote_capabilities
    # A machine that is held up for a second is taken for a gateway: that is said, and costs nothing but time.
    assert trained.bit_rate == 0 or sent.warnings

"""A far end with addresses of both families, of which only one serves: both are tried in one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from sip.transport.resolver import Resolver
from sip.values import Hop, Transport
from t38fsp.events import Connected
from t38fsp.status import FaxStatus
from tests.engine.party import Party
from tests.peers.pages import text_page, write_document
from tests.sip.test_resolver import Zone

pytestmark = pytest.mark.usefixtures("page_threads", "hasty")

HOSTS = ["127.0.0.1", "::1"]
NAME = "gateway.example"


@asynccontextmanager
async def running(party: Party, monkeypatch: pytest.MonkeyPatch, *hosts: str) -> AsyncIterator[None]:
    """Run an engine that listens at all of these hosts."""
    listen = [Hop(host, 0, transport) for host in hosts for transport in (Transport.UDP, Transport.TCP)]
    monkeypatch.setattr("t38fsp.engine.sip_lines._listeners", lambda settings: listen)
    party.address = await party.engine.start()
    try:
        yield
    finally:
        await party.close()


@pytest.mark.parametrize(
    "addresses", [HOSTS, pytest.param(HOSTS[::-1], marks=pytest.mark.full)], ids=["IPv6", "IPv4"]
)
async def test_a_fax_goes_by_the_family_that_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, addresses: Sequence[str]
) -> None:
    called, caller = Party(accept_calls=True), Party()
    caller.engine._resolver = Resolver(Random(1), Zone(addresses={NAME: addresses}))
    document = write_document(tmp_path / "sent.tif", [text_page(rows=60, noise_rows=0)])
    async with running(called, monkeypatch, addresses[-1]), running(caller, monkeypatch, *HOSTS):
        job = caller.send(document, (NAME, called.address[1]))
        taken = await called.take(tmp_path / "received.tif")
        await caller.expect(job, Connected)
        caller.engine.proceed(job, True)
        results = await asyncio.gather(caller.result(job), called.result(taken))
    assert [result.status for result in results] == [FaxStatus.COMPLETED] * 2

"""A whole fax from provider to provider, over IPv6 and through Kamailio by each transport, in real time."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from sip.line_settings import TlsSettings
from sip.values import Hop, Transport
from t38fsp.call_settings import CallSettings
from t38fsp.image.compare import differing_pages
from t38fsp.jobs import EngineSettings
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from tests.sip.certificates import Authority
from tests.sip.test_kamailio import proxy

pytestmark = pytest.mark.usefixtures("page_threads")

PATIENCE = 120.0
"""Seconds after which a test is stuck."""
UNPACED = CallSettings(internet_aware=True)
"""It is the way that counts here, not the time of a modem."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsSettings:
    authority = Authority(tmp_path_factory.mktemp("tls") / "ca")
    return authority.issue("party", "IP:127.0.0.1", "IP:::1")


async def receive(provider: FaxProvider, file: Path) -> FaxResult:
    call = await anext(aiter(provider.calls()))
    return await call.receive(file, settings=UNPACED)


async def test_a_fax_over_ipv6(letter: Path, tmp_path: Path) -> None:
    received = tmp_path / "received.tif"
    async with asyncio.timeout(PATIENCE):
        async with FaxProvider(("::1", 0)) as caller, FaxProvider(("::1", 0), accept_calls=True) as called:
            host, port = called.address
            taking = asyncio.create_task(receive(called, received))
            result = await caller.send(letter, f"sip:fax@[{host}]:{port}", settings=UNPACED)
            assert result.status is FaxStatus.COMPLETED
            assert (await taking).status is FaxStatus.COMPLETED
    assert differing_pages(letter, received) == []


@pytest.mark.full
@pytest.mark.kamailio
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", Transport)
async def test_a_fax_through_a_proxy(
    letter: Path, tmp_path: Path, certificate: TlsSettings, host: str, transport: Transport
) -> None:
    received = tmp_path / "received.tif"
    secure = transport is Transport.TLS
    settings = EngineSettings(tls=certificate, tls_listen=(host, vacant_port(host)) if secure else None)
    async with asyncio.timeout(PATIENCE):
        async with (
            FaxProvider((host, 0), settings=EngineSettings(tls=certificate)) as caller,
            FaxProvider((host, 0), accept_calls=True, settings=settings) as called,
        ):
            bob = Hop(*(settings.tls_listen or called.address), transport)
            with proxy(tmp_path, bob, certificate, tls=secure) as kamailio:
                taking = asyncio.create_task(receive(called, received))
                via = f"sip:{kamailio.place};transport={transport.value.lower()}"
                result = await caller.send(letter, "sip:bob@trunk.example", via=via, settings=UNPACED)
                assert result.status is FaxStatus.COMPLETED, result.reason
                assert (await taking).status is FaxStatus.COMPLETED
    assert differing_pages(letter, received) == []


def vacant_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as vacant:
        vacant.bind((host, 0))
        return int(vacant.getsockname()[1])

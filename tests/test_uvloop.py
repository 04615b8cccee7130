"""Whole faxes on uvloop, whose handles, sockets and processes are not those of asyncio; in real time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sip.line_settings import TlsSettings
from sip.values import Transport
from t38fsp.image.compare import differing_pages
from t38fsp.jobs import EngineSettings, PollOffer
from t38fsp.provider import FaxProvider
from t38fsp.status import FaxStatus
from t38fsp.virtual.background import BackgroundGateway
from tests.sip.certificates import Authority
from tests.test_fax_by_transport import UNPACED, receive, vacant_port

pytestmark = pytest.mark.usefixtures("page_threads")

uvloop = pytest.importorskip("uvloop", reason="uvloop has no wheel for this system")

PATIENCE = 120.0
"""Seconds after which a test is stuck."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsSettings:
    return Authority(tmp_path_factory.mktemp("tls") / "ca").issue("party", "IP:127.0.0.1")


@pytest.mark.parametrize("transport", Transport)
def test_a_fax_by_each_transport(
    letter: Path, tmp_path: Path, certificate: TlsSettings, transport: Transport
) -> None:
    received = tmp_path / "received.tif"

    async def fax() -> None:
        assert "uvloop" in type(asyncio.get_running_loop()).__module__
        place = ("127.0.0.1", vacant_port("127.0.0.1"))
        settings = EngineSettings(tls=certificate, tls_listen=place if transport is Transport.TLS else None)
        async with (
            asyncio.timeout(PATIENCE),
            FaxProvider(("127.0.0.1", 0), settings=EngineSettings(tls=certificate)) as caller,
            FaxProvider(("127.0.0.1", 0), accept_calls=True, settings=settings) as called,
        ):
            host, port = settings.tls_listen or called.address
            to = f"sip:fax@{host}:{port};transport={transport.value.lower()}"
            taking = asyncio.create_task(receive(called, received))
            result = await caller.send(letter, to, settings=UNPACED)
            assert result.status is FaxStatus.COMPLETED, result.reason
            assert (await taking).status is FaxStatus.COMPLETED

    uvloop.run(fax())
    assert differing_pages(letter, received) == []


@pytest.mark.full
def test_the_virtual_gateway_on_a_thread_and_a_poll(
    letter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As uvloop.install() does, so that the loop of the gateway is one of uvloop, too.
    monkeypatch.setattr(asyncio, "new_event_loop", uvloop.new_event_loop)

    async def calls(port: int) -> None:
        async with (
            asyncio.timeout(PATIENCE),
            FaxProvider(("127.0.0.1", 0)) as caller,
            FaxProvider(("127.0.0.1", 0), accept_calls=True) as called,
        ):
            sending = asyncio.create_task(caller.send(letter, f"sip:100@127.0.0.1:{port}"))
            polling = asyncio.create_task(
                caller.poll("sip:{}@{}:{}".format("fax", *called.address), tmp_path / "polled.tif")
            )
            call = await anext(aiter(called.calls()))
            offered = await call.receive(tmp_path / "unused.tif", offer=PollOffer(str(letter)))
            assert (await polling).status is FaxStatus.COMPLETED
            assert offered.polled
            assert (await sending).status is FaxStatus.COMPLETED

    with BackgroundGateway(tmp_path) as gateway:
        uvloop.run(calls(gateway.address[1]))
        fax = gateway.next_fax().result(PATIENCE)
    assert differing_pages(letter, fax.file) == []
    assert differing_pages(letter, tmp_path / "polled.tif") == []


def test_a_call_that_is_cancelled_and_one_that_is_refused(letter: Path, tmp_path: Path) -> None:
    async def calls() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            FaxProvider(("127.0.0.1", 0)) as caller,
            FaxProvider(("127.0.0.1", 0), accept_calls=True) as called,
        ):
            to = "sip:fax@{}:{}".format(*called.address)
            ringing = asyncio.create_task(caller.send(letter, to))
            await anext(aiter(called.calls()))
            ringing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await ringing
            second = asyncio.create_task(caller.send(letter, to))
            (await anext(aiter(called.calls()))).refuse()
            assert (await second).status is FaxStatus.BUSY

    uvloop.run(calls())

"""Real SIP and UDP: our provider, SIPp, and spandsp's terminal or gateway behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from t38fsp.call_settings import CallSettings
from t38fsp.choices import Switch
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from tests.peers import sip_peer
from tests.peers.gateway import SpandspGateway
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.realtime import RealTimePeer, udp_socket
from tests.peers.terminal import SpandspTerminal

pytestmark = [pytest.mark.usefixtures("page_threads"), pytest.mark.spandsp, pytest.mark.sipp]

_LOOPBACK = "127.0.0.1"
_CALL_LIMIT = 200.0


@pytest.fixture
def document(tmp_path: Path) -> Path:
    pages = [text_page(seed=1, rows=250, noise_rows=4), text_page(seed=2, rows=200, noise_rows=4)]
    return write_document(tmp_path / "sent.tif", pages)


async def _tell_media(sipp: sip_peer.SippPeer, fax: RealTimePeer) -> None:
    """Start the fax machine once T.38 is agreed."""
    await asyncio.to_thread(sipp.expect, "call")
    (port,) = await asyncio.to_thread(sipp.expect, "image")
    fax.connect((_LOOPBACK, int(port)))
    fax.start()


def _assert_completed(result: FaxResult, fax: RealTimePeer) -> None:
    assert result.status is FaxStatus.COMPLETED, result.reason
    assert fax.machine.completion is not None
    assert fax.machine.completion.ok, fax.machine.completion.text


@pytest.mark.parametrize(
    ("gateway", "ecm"),
    [
        pytest.param(False, True, id="terminal-ecm"),
        pytest.param(True, True, id="gateway-ecm", marks=pytest.mark.full),
        pytest.param(True, False, id="gateway-no-ecm", marks=pytest.mark.full),
    ],
)
async def test_sending(tmp_path: Path, document: Path, gateway: bool, ecm: bool) -> None:
    received = tmp_path / "received.tif"
    peer = (SpandspGateway if gateway else SpandspTerminal)(Role.ANSWERING, rx_file=received, ecm=ecm)
    fax = RealTimePeer(peer, udp_socket())
    try:
        with sip_peer.answerer(tmp_path, fax.address[1]) as sipp:
            async with FaxProvider((_LOOPBACK, 0)) as provider, asyncio.timeout(_CALL_LIMIT):
                switched = asyncio.create_task(_tell_media(sipp, fax))
                result = await provider.send(
                    document,
                    f"sip:fax@{_LOOPBACK}:{sipp.address[1]}",
                    settings=CallSettings(station_id="+15550100"),
                )
                await switched
            sipp.expect("bye")
            sipp.wait()
    finally:
        fax.stop()

    _assert_completed(result, fax)
    assert assert_same_pages(document, received) == result.pages_confirmed == 2
    assert fax.machine.far_ident == "+15550100"


@pytest.mark.parametrize(
    ("gateway", "switches"),
    [
        pytest.param(False, False, id="terminal-we-switch"),
        pytest.param(True, True, id="gateway-switches", marks=pytest.mark.full),
    ],
)
async def test_receiving(tmp_path: Path, document: Path, gateway: bool, switches: bool) -> None:
    received = tmp_path / "received.tif"
    peer = (SpandspGateway if gateway else SpandspTerminal)(Role.CALLING, tx_file=document)
    fax = RealTimePeer(peer, udp_socket())
    settings = CallSettings(switch=Switch.CALLER if switches else Switch.CALLEE)
    try:
        async with (
            FaxProvider((_LOOPBACK, 0), accept_calls=True) as provider,
            asyncio.timeout(_CALL_LIMIT),
        ):
            with sip_peer.caller(tmp_path, fax.address[1], provider.address, switches=switches) as sipp:
                incoming = await anext(provider.calls())
                switched = asyncio.create_task(_tell_media(sipp, fax))
                result_task = asyncio.create_task(incoming.receive(received, settings=settings))
                await switched
                assert await asyncio.to_thread(fax.done.wait, _CALL_LIMIT)
                sipp.hang_up()
                result = await result_task
                await asyncio.to_thread(sipp.expect, "bye")
                await asyncio.to_thread(sipp.wait)
    finally:
        fax.stop()

    _assert_completed(result, fax)
    assert assert_same_pages(document, received) == result.pages_confirmed == 2

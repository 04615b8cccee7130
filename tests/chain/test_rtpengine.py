"""A whole chain with nothing of ours but the endpoint, by the real clock:

our call ── SIP ── SIPp
        └── T.38 ── rtpengine's gateway ── G.711 ── spandsp's audio fax machine
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio, Switch
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from tests.chain.gateway import Gateway, MediaGateway
from tests.chain.lossy_path import LossyPath
from tests.peers.audio_fax import RtpFax
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.rtpengine import Rtpengine

pytestmark = [pytest.mark.rtpengine, pytest.mark.spandsp, pytest.mark.sipp, pytest.mark.full]

_LOOPBACK = "127.0.0.1"
_CALL_LIMIT = 200.0
_NEVER = 1 << 30


@dataclass(frozen=True, slots=True)
class Line:
    """How both calls of a test are made."""

    switch: Switch
    ecm: bool = True
    version: int = 0
    """T38FaxVersion where we offer T.38; rtpengine itself offers 0."""
    fec: bool = False
    """rtpengine corrects errors by parity where it offers T.38."""
    lose_one_in: int = _NEVER

    @property
    def lossy(self) -> bool:
        return self.lose_one_in != _NEVER


@pytest.fixture
def document(tmp_path: Path) -> Path:
    pages = [text_page(seed=seed, rows=250, noise_rows=4) for seed in (1, 2, 3)]
    return write_document(tmp_path / "sent.tif", pages)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(Line(Switch.FIRST, version=3), id="t38-at-once"),
        pytest.param(Line(Switch.CALLEE, ecm=False, version=3), id="re-invite-no-ecm"),
        pytest.param(Line(Switch.FIRST, fec=True, lose_one_in=20), id="loss-fec"),
        pytest.param(Line(Switch.CALLEE, ecm=False, lose_one_in=20), id="loss-redundancy-no-ecm"),
    ],
)
async def test_both_directions_at_once(tmp_path: Path, document: Path, line: Line) -> None:
    with Rtpengine(tmp_path) as engine:
        async with (
            FaxProvider((_LOOPBACK, 0), accept_calls=True) as provider,
            asyncio.timeout(_CALL_LIMIT),
            asyncio.TaskGroup() as calls,
        ):
            calls.create_task(sending(engine, provider, document, tmp_path, line))
            calls.create_task(receiving(engine, provider, document, tmp_path, line))


async def sending(engine: Rtpengine, provider: FaxProvider, document: Path, folder: Path, line: Line) -> None:
    """We call; the machine answers and receives."""
    received = folder / "there.tif"
    with (
        LossyPath(line.lose_one_in) as path,
        RtpFax(Role.ANSWERING, rx_file=received, ecm=line.ecm) as fax,
        Gateway(MediaGateway(engine, fax, path, fec=line.fec), fax, folder) as gateway,
    ):
        switches = line.switch is Switch.CALLEE
        taken = asyncio.create_task(asyncio.to_thread(gateway.take_call, switches=switches))
        settings = CallSettings(
            station_id="+15550100", switch=line.switch, audio=Audio.NEVER, t38_version=line.version
        )
        uri = f"sip:fax@{_LOOPBACK}:{gateway.address[1]}"
        result = await provider.send(document, uri, settings=settings)
        await taken
        await asyncio.to_thread(gateway.wait)
        _assert_completed(result, fax, line)
        assert fax.machine.far_ident == "+15550100"
        assert fax.machine.statistics.pages_rx == 3
        if line.lossy:
            assert path.lost_toward_gateway > 10
    assert assert_same_pages(document, received) == 3


async def receiving(
    engine: Rtpengine, provider: FaxProvider, document: Path, folder: Path, line: Line
) -> None:
    """The machine calls and sends."""
    received = folder / "back.tif"
    with (
        LossyPath(line.lose_one_in) as path,
        RtpFax(Role.CALLING, tx_file=document, ecm=line.ecm) as fax,
        Gateway(
            MediaGateway(engine, fax, path, fec=line.fec),
            fax,
            folder,
            provider.address,
            image=line.switch is Switch.FIRST,
        ) as gateway,
    ):
        settings = CallSettings(audio=Audio.NEVER, t38_version=line.version)
        is_switched = line.switch is Switch.CALLEE
        placed = asyncio.create_task(asyncio.to_thread(gateway.place_call, is_switched=is_switched))
        incoming = await anext(provider.calls())
        receiver = asyncio.create_task(incoming.receive(received, settings=settings))
        await placed
        assert await asyncio.to_thread(fax.done.wait, _CALL_LIMIT)
        gateway.hang_up()
        result = await receiver
        await asyncio.to_thread(gateway.wait)
        _assert_completed(result, fax, line)
        assert result.remote_id == "+15550199"
        assert fax.machine.statistics.pages_tx == 3
        if line.lossy:
            assert path.lost_toward_sip > 10
            assert result.counters["recovered"] > 10
            assert result.counters["lost"] == 0
    assert assert_same_pages(document, received) == 3


def _assert_completed(result: FaxResult, fax: RtpFax, line: Line) -> None:
    assert result.completed, result.reason
    confirmed = [(page.number, page.confirmed, page.ecm) for page in result.pages]
    assert confirmed == [(number, True, line.ecm) for number in (1, 2, 3)]
    assert fax.machine.completion is not None
    assert fax.machine.completion.ok, fax.machine.completion.text

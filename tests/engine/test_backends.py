"""Whole faxes over each backend of the line: our own stack, a signalling process, PJSIP."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sip.pjsua.line import PjsuaLine
from t38fsp.choices import Backend, Switch
from t38fsp.engine.sip_lines import ANSWERERS
from t38fsp.events import Connected, PageStarted, SwitchedToT38
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from tests.engine.party import HOST, LIMIT, Party
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.realtime import RealTimePeer, udp_socket
from tests.peers.sip_peer import answerer, caller
from tests.peers.terminal import SpandspTerminal
from tests.sip.signalling import signalling

pytestmark = pytest.mark.usefixtures("page_threads")

SHARED = "signalling process"
PJSUA2 = pytest.param(Backend.PJSUA2, id="pjsua2", marks=pytest.mark.pjsua2)
BACKENDS = [
    pytest.param(Backend.OWN, id="own", marks=pytest.mark.full),
    pytest.param(SHARED, id="shared", marks=pytest.mark.full),
    PJSUA2,
]


@asynccontextmanager
async def running(**settings: object) -> AsyncIterator[Party]:
    party = Party(accept_calls=True, **settings)
    party.address = await party.engine.start()
    try:
        yield party
    finally:
        await party.close()


@pytest.fixture(params=BACKENDS)
async def us(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Party]:
    if request.param == SHARED:
        async with signalling(tmp_path, ANSWERERS) as process, running(signalling=process.path) as party:
            yield party
    else:
        async with running(backend=request.param) as party:
            yield party


@pytest.fixture
async def them() -> AsyncIterator[Party]:
    async with running() as party:
        yield party


async def fax(
    sender: Party, document: Path, receiver: Party, file: Path, **settings: object
) -> tuple[FaxResult, FaxResult]:
    """Send it all the way; what both ends say of it."""
    sent = sender.send(document, receiver.address, **settings)
    received = await receiver.take(file)
    await sender.expect(sent, Connected)
    sender.engine.proceed(sent, True)
    return await sender.result(sent), await receiver.result(received)


def assert_arrived(results: tuple[FaxResult, FaxResult], document: Path, file: Path) -> None:
    sent, received = results
    assert (sent.status, received.status) == (FaxStatus.COMPLETED, FaxStatus.COMPLETED)
    assert (sent.pages_confirmed, received.pages_confirmed) == (1, 1)
    assert sent.dialog is not None
    assert received.dialog is not None
    assert sent.dialog.call_id == received.dialog.call_id
    assert sent.dialog.local_tag == received.dialog.remote_tag
    assert assert_same_pages(document, file) == 1


@pytest.mark.libtiff
@pytest.mark.parametrize(
    "switch",
    [
        pytest.param(Switch.CALLEE, id="they switch", marks=pytest.mark.full),
        pytest.param(Switch.CALLER, id="we switch"),
    ],
)
async def test_a_fax_to_our_own_endpoint(
    us: Party, them: Party, document: Path, tmp_path: Path, switch: Switch
) -> None:
    file = tmp_path / "received.tif"
    results = await fax(us, document, them, file, switch=switch)
    assert_arrived(results, document, file)


@pytest.mark.full
@pytest.mark.libtiff
async def test_a_fax_from_our_own_endpoint(us: Party, them: Party, document: Path, tmp_path: Path) -> None:
    file = tmp_path / "received.tif"
    assert_arrived(await fax(them, document, us, file), document, file)


# --- PJSIP and independent far ends; our own stack and spandsp meet elsewhere -------------------------------


@pytest.mark.parametrize("us", [PJSUA2], indirect=True)
@pytest.mark.libtiff
@pytest.mark.spandsp
@pytest.mark.sipp
async def test_a_fax_to_a_gateway_that_switches(us: Party, document: Path, tmp_path: Path) -> None:
    """SIPp answers and asks for T.38, spandsp takes the pages."""
    received = tmp_path / "received.tif"
    machine = RealTimePeer(SpandspTerminal(Role.ANSWERING, rx_file=received), udp_socket())
    try:
        with answerer(tmp_path, machine.address[1]) as peer:
            job = us.send(document, peer.address)
            await us.expect(job, Connected)
            us.engine.proceed(job, True)
            await asyncio.to_thread(peer.expect, "call")
            (port,) = await asyncio.to_thread(peer.expect, "image")
            machine.connect((HOST, int(port)))
            machine.start()
            assert not (await us.expect(job, SwitchedToT38)).ours
            result = await us.result(job)
            await asyncio.to_thread(peer.wait)
            assert result.status is FaxStatus.COMPLETED
            assert result.dialog is not None
            assert result.dialog.call_id == peer.call_id
    finally:
        machine.stop()
    assert assert_same_pages(document, received) == 1


@pytest.mark.parametrize("us", [PJSUA2], indirect=True)
@pytest.mark.libtiff
@pytest.mark.spandsp
@pytest.mark.sipp
@pytest.mark.parametrize(
    "switches",
    [
        pytest.param(True, id="it switches"),
        pytest.param(False, id="we switch", marks=pytest.mark.full),
    ],
)
async def test_a_fax_from_a_gateway(us: Party, document: Path, tmp_path: Path, switches: bool) -> None:
    received = tmp_path / "received.tif"
    machine = RealTimePeer(SpandspTerminal(Role.CALLING, tx_file=document), udp_socket())
    try:
        with caller(tmp_path, machine.address[1], us.address, switches=switches) as peer:
            switch = Switch.EITHER if switches else Switch.CALLEE
            job = await us.take(received, switch=switch)
            await asyncio.to_thread(peer.expect, "call")
            (port,) = await asyncio.to_thread(peer.expect, "image")
            machine.connect((HOST, int(port)))
            machine.start()
            result = await us.result(job)
            await asyncio.to_thread(machine.done.wait, LIMIT)
            assert result.status is FaxStatus.COMPLETED
    finally:
        machine.stop()
    assert assert_same_pages(document, received) == 1


def worker_of(party: Party) -> int:
    """Process id of the worker that has the calls we place: the last one started."""
    line = party.engine._line
    assert isinstance(line, PjsuaLine)
    return line.pids[-1]


@pytest.mark.pjsua2
@pytest.mark.libtiff
@pytest.mark.parametrize(
    "death",
    [signal.SIGKILL, pytest.param(signal.SIGABRT, marks=pytest.mark.full)],
    ids=lambda death: death.name,
)
async def test_a_worker_that_dies_ends_its_fax_and_not_the_next(
    them: Party, document: Path, tmp_path: Path, death: signal.Signals
) -> None:
    """SIGABRT is what an assertion of PJSIP ends it with (``tests.sip.test_pjsua_deaths``)."""
    async with running(backend=Backend.PJSUA2) as us:
        job = us.send(document, them.address)
        far = await them.take(tmp_path / "lost.tif")
        await us.expect(job, Connected)
        us.engine.proceed(job, True)
        await us.expect(job, PageStarted)
        os.kill(worker_of(us), death)
        result = await us.result(job)
        assert result.status is FaxStatus.DISCONNECTED
        why = f"the pjsua2 worker died ({death.name})"
        assert result.reason.startswith(f"the call was lost ({why}) before the fax was over; ")
        assert result.reason.endswith("page 1 of 1")
        assert result.retry
        file = tmp_path / "received.tif"
        assert_arrived(await fax(us, document, them, file), document, file)
        them.engine.abort(far)
        await them.result(far)

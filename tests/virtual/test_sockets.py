"""The virtual gateway on real sockets: calls over the loopback interface, in real time and therefore few."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from sip.syntax.errors import SipError
from t38fsp.call_settings import CallSettings
from t38fsp.events import FaxEvent, SwitchedToT38
from t38fsp.image.compare import differing_pages
from t38fsp.image.errors import DocumentError
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.options import TransmitOptions
from t38fsp.virtual.background import BackgroundGateway, GatewayFax
from t38fsp.virtual.network import Faults, GilbertElliott
from t38fsp.virtual.quirks import parse_quirks
from tests.call.harness import make_pages
from tests.pages import make_document
from tests.peers.realtime import udp_socket

pytestmark = pytest.mark.usefixtures("page_threads")

BAD_LINE = Faults(
    loss=0.03,
    bursts=GilbertElliott.of(0.01, 3),
    duplication=0.02,
    reordering=0.02,
    delay=0.04,
    jitter=0.03,
    drift=0.0001,
)

SENT_TO = {
    "first-seq": BAD_LINE,
    "silent-until-heard,echo": Faults(delay=0.0, loss=0.05),
    "data-in-fcs,own-t38-port,copies=1": Faults(delay=0.03),
    "address-change=4,rtn-last": Faults(delay=0.0),
    "private-address,early-packets": Faults(delay=0.0),
    "version=3,combined-fields,max-datagram=176": Faults(delay=0.1, jitter=0.05),
}
RECEIVED_FROM = {
    "first-seq=65500,wrap-to-one,new-numbers": BAD_LINE,
    "early-packets,rtp-stragglers,early-hang-up": Faults(delay=0.05),
    "private-address": Faults(delay=0.0),
    "switch-after=0,no-attributes": Faults(delay=0.0, dead=(9.0, 10.0)),
}


@dataclass(frozen=True, slots=True)
class Transferred:
    """A fax, as either end saw it."""

    ours: FaxResult
    theirs: GatewayFax
    received: Path

    def assert_delivered(self, sent: Path) -> None:
        for result in (self.ours, self.theirs.result):
            assert result.status is FaxStatus.COMPLETED, result.reason
            assert [page.confirmed for page in result.pages] == [True, True]
        assert differing_pages(sent, self.received) == []


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("letter") / "letter.tif"
    make_document(path, make_pages(2, rows=100))
    return path


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def send(letter: Path, folder: Path, quirks: str, faults: Faults) -> Transferred:
    async with FaxProvider(("127.0.0.1", 0)) as provider:
        with BackgroundGateway(folder, parse_quirks(quirks), faults) as gateway:
            settings = CallSettings(t38_version=3)
            ours = await provider.send(letter, gateway.uri(), settings=settings)
            theirs = await asyncio.wrap_future(gateway.next_fax())
    return Transferred(ours, theirs, theirs.file)


async def receive(letter: Path, folder: Path, quirks: str, faults: Faults) -> Transferred:
    async with FaxProvider(("127.0.0.1", 0), accept_calls=True) as provider:
        with BackgroundGateway(folder, parse_quirks(quirks), faults) as gateway:
            sending = gateway.call("sip:fax@{}:{}".format(*provider.address), letter)
            call = await anext(provider.calls())
            ours = await call.receive(folder / "ours.tif")
            theirs = await asyncio.wrap_future(sending)
    return Transferred(ours, theirs, folder / "ours.tif")


async def test_quirks_and_faults_over_real_sockets(letter: Path, tmp_path: Path) -> None:
    """All at once, since each takes its time: every page arrives, and both ends say so."""
    calls = [send(letter, made(tmp_path / f"to {n}"), *each) for n, each in enumerate(SENT_TO.items())]
    calls += [
        receive(letter, made(tmp_path / f"from {n}"), *each) for n, each in enumerate(RECEIVED_FROM.items())
    ]
    for transferred in await asyncio.gather(*calls):
        transferred.assert_delivered(letter)


async def test_a_gateway_that_is_closed_says_goodbye(letter: Path, tmp_path: Path) -> None:
    """In the middle of a fax: both ends hear of it."""
    gateway = BackgroundGateway(tmp_path)
    async with FaxProvider(("127.0.0.1", 0)) as provider:
        fax = gateway.next_fax()
        training = asyncio.Event()

        def on_event(event: FaxEvent) -> None:
            if isinstance(event, SwitchedToT38):
                training.set()

        sending = asyncio.ensure_future(provider.send(letter, gateway.uri(), on_event=on_event))
        await training.wait()
        await asyncio.to_thread(gateway.close)
        ours, theirs = await sending, fax.result(0)
    assert ours.status is FaxStatus.DISCONNECTED, ours.reason
    assert theirs.result.status is FaxStatus.USER_ABORT


def test_a_call_that_nobody_answers_ends_with_the_gateway(letter: Path, tmp_path: Path) -> None:
    with udp_socket() as silent, BackgroundGateway(tmp_path) as gateway:
        sending = gateway.call("sip:fax@{}:{}".format(*silent.getsockname()), letter)
        assert silent.recv(9999).startswith(b"INVITE sip:fax@")
        gateway.close()
    assert sending.result(0).result.status is FaxStatus.USER_ABORT


def test_what_cannot_be_sent_or_called_is_refused_at_once(letter: Path, tmp_path: Path) -> None:
    with BackgroundGateway(tmp_path, transmit=TransmitOptions(ecm=False)) as gateway:
        with pytest.raises(DocumentError):
            gateway.call("sip:fax@127.0.0.1", tmp_path / "missing.tif")
        with pytest.raises(SipError):
            gateway.call("fax", letter).result(60)
        with pytest.raises(SipError, match="in use"):
            BackgroundGateway(tmp_path, listen=gateway.address)

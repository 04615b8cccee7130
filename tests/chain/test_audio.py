"""Faxes in audio by the real clock, with nothing of ours but the endpoint:

our call ── SIP ── SIPp, which refuses T.38
        └── G.711 ── spandsp's audio fax machine

our call ── SIP ── SIPp
        └── G.711 ── rtpengine's gateway ── T.38 ── spandsp's T.38 terminal
"""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio, Switch
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult, Medium
from tests.chain.gateway import Gateway
from tests.peers.audio_fax import RtpFax
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.realtime import RealTimePeer, udp_socket
from tests.peers.rtpengine import Rtpengine
from tests.peers.sip_peer import Address, SippPeer
from tests.peers.terminal import SpandspTerminal

pytestmark = [pytest.mark.spandsp, pytest.mark.sipp, pytest.mark.full]

_SCENARIOS = Path(__file__).with_name("scenarios")
_HOST = "127.0.0.1"
_LIMIT = 200.0
_NO_T38 = ("v=0", "o=sipp 1 2 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", "m=image 0 udptl t38")
REFUSALS = {
    "488": ("488 Not Acceptable Here", ""),
    "415": ("415 Unsupported Media Type", ""),
    "606": ("606 Not Acceptable", ""),
    "port 0": ("200 OK", "".join(f"{line}\r\n" for line in _NO_T38)),
}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return write_document(
        tmp_path / "sent.tif", [text_page(seed=seed, rows=250, noise_rows=4) for seed in (1, 2)]
    )


class TelephoneLine:
    """A fax machine behind a trunk that has no T.38; a context manager that ends what it began."""

    def __init__(self, fax: RtpFax, folder: Path, refusal: str, remote: Address | None = None) -> None:
        status, body = REFUSALS[refusal]
        name = "line_is_called" if remote is None else "line_calls"
        # SIPp takes a status from the scenario alone.
        scenario = folder / f"{name}.xml"
        scenario.write_text((_SCENARIOS / scenario.name).read_text().replace("[refusal]", status))
        keys = {"body": body, "answer": fax.description, "offer": fax.description}
        self._fax = fax
        self._sipp = SippPeer(scenario, folder, 0, remote=remote, keys=keys)
        self._word = "offer" if remote is None else "answer"
        self.address = self._sipp.address

    def begin(self) -> None:
        """The call is up."""
        # The shell that writes it takes longest: several lines may come before it.
        while (told := self._sipp.listen(self._word))[0] != self._word:
            pass
        self._fax.connect(base64.b64decode(told[-1]).decode("ascii"))
        self._fax.start()

    @property
    def refused(self) -> int:
        """How many offers of T.38 were refused."""
        return len(re.findall("^INVITE .*\r?$", self._sipp.messages, re.MULTILINE)) - 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sipp.stop()


def assert_arrived(result: FaxResult, sent: Path, received: Path) -> None:
    assert result.completed, result.reason
    assert result.medium is Medium.AUDIO
    assert result.modem == "V.17"
    assert result.audio is not None
    assert result.audio.level == pytest.approx(-14, abs=2)
    assert assert_same_pages(sent, received) == 2


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_the_called_end_refuses_t38(tmp_path: Path, document: Path, refusal: str) -> None:
    received = tmp_path / "there.tif"
    async with FaxProvider((_HOST, 0)) as provider, asyncio.timeout(_LIMIT):
        with RtpFax(Role.ANSWERING, rx_file=received) as fax, TelephoneLine(fax, tmp_path, refusal) as line:
            began = asyncio.create_task(asyncio.to_thread(line.begin))
            settings = CallSettings(switch=Switch.CALLER, audio=Audio.FALLBACK)
            result = await provider.send(document, f"sip:fax@{_HOST}:{line.address[1]}", settings=settings)
            await began
            assert line.refused >= 1
    assert_arrived(result, document, received)


@pytest.mark.parametrize(("refusal", "switch"), [("488", Switch.CALLEE), ("port 0", Switch.CALLER)])
async def test_the_calling_end_refuses_t38_or_never_asks(
    tmp_path: Path, document: Path, refusal: str, switch: Switch
) -> None:
    """With CALLER we leave it to the far end to ask, which does not."""
    received = tmp_path / "here.tif"
    async with FaxProvider((_HOST, 0), accept_calls=True) as provider, asyncio.timeout(_LIMIT):
        with (
            RtpFax(Role.CALLING, tx_file=document) as fax,
            TelephoneLine(fax, tmp_path, refusal, provider.address) as line,
        ):
            began = asyncio.create_task(asyncio.to_thread(line.begin))
            incoming = await anext(provider.calls())
            result = await incoming.receive(
                received, settings=CallSettings(switch=switch, audio=Audio.FALLBACK)
            )
            await began
    assert_arrived(result, document, received)


# --- rtpengine as the T.38 gateway --------------------------------------------------------------------------


class T38Machine:
    """spandsp's T.38 terminal with a description of itself, as :class:`RtpFax` has one."""

    def __init__(self, peer: RealTimePeer) -> None:
        self._peer = peer
        self.address = peer.address
        self.spoke = peer.done

    @property
    def description(self) -> str:
        host, port = self.address
        lines = ["v=0", f"o=fax 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
        lines += [f"m=image {port} udptl t38", "a=T38FaxVersion:0", "a=T38MaxBitRate:14400"]
        lines += ["a=T38FaxRateManagement:transferredTCF", "a=T38FaxUdpEC:t38UDPRedundancy"]
        return "".join(f"{line}\r\n" for line in lines)

    def connect(self, description: str) -> None:
        port = re.search(r"^m=image (\d+)", description, re.MULTILINE)
        assert port is not None, description
        self._peer.connect((_HOST, int(port[1])))

    def start(self) -> None:
        self._peer.start()


class AudioSide:
    """The media of a gateway whose SIP side is audio: rtpengine, with T.38 towards the fax machine."""

    def __init__(self, engine: Rtpengine, fax: T38Machine) -> None:
        self._engine, self._fax = engine, fax
        self._call = f"call of the T.38 terminal at port {fax.address[1]}"

    def answer(self, offer: str) -> str:
        self._fax.connect(self._engine.offer(self._call, "sip", offer, **{"T.38": ["force"]}))
        return self._engine.answer(self._call, "sip", "fax", self._fax.description)

    def offer(self, *, image: bool) -> str:
        options = {"T.38": ["decode"], "codec": {"transcode": ["PCMA"]}}
        return self._engine.offer(self._call, "fax", self._fax.description, **options)  # type: ignore[arg-type]

    def answered(self, answer: str) -> None:
        self._fax.connect(self._engine.answer(self._call, "fax", "sip", answer))

    def delete(self) -> None:
        self._engine.delete(self._call, "fax")


@pytest.mark.rtpengine
@pytest.mark.parametrize("sends", [True, False], ids=["we send", "we receive"])
async def test_a_gateway_to_t38(tmp_path: Path, document: Path, sends: bool) -> None:
    """Our audio, rtpengine's modems, spandsp's T.38."""
    received = tmp_path / "received.tif"
    terminal = SpandspTerminal(
        Role.ANSWERING if sends else Role.CALLING,
        **({"rx_file": received} if sends else {"tx_file": document}),  # type: ignore[arg-type]
    )
    peer = RealTimePeer(terminal, udp_socket())
    settings = CallSettings(audio=Audio.ONLY)
    machine = T38Machine(peer)
    with Rtpengine(tmp_path) as engine:
        async with FaxProvider((_HOST, 0), accept_calls=not sends) as provider, asyncio.timeout(_LIMIT):
            remote = None if sends else provider.address
            media = AudioSide(engine, machine)
            with Gateway(media, machine, tmp_path, remote) as gateway:  # type: ignore[arg-type]
                try:
                    if sends:
                        taken = asyncio.create_task(asyncio.to_thread(gateway.take_call, switches=False))
                        uri = f"sip:fax@{_HOST}:{gateway.address[1]}"
                        result = await provider.send(document, uri, settings=settings)
                        await taken
                    else:
                        placed = asyncio.create_task(asyncio.to_thread(gateway.place_call, is_switched=False))
                        incoming = await anext(provider.calls())
                        result = await incoming.receive(received, settings=settings)
                        await placed
                finally:
                    await asyncio.to_thread(peer.stop)
    assert_arrived(result, document, received)

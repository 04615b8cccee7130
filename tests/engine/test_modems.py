"""Audio on real sockets: between two engines, and without the library of modems."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from t38fsp.audio.modem import library
from t38fsp.audio.rtp import RtpPacket
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio, Backend
from t38fsp.engine.audio_places import AudioPlaces
from t38fsp.engine.capacity import OverloadedError
from t38fsp.engine.modems import modems_for
from t38fsp.errors import SettingError
from t38fsp.events import Connected
from t38fsp.jobs import EngineSettings
from t38fsp.outcome import Outcome
from t38fsp.provider import FaxProvider
from t38fsp.results import Medium
from t38fsp.status import FaxStatus
from tests.engine.party import HOST, LIMIT, Start
from tests.peers.libtiff import assert_same_pages

pytestmark = [pytest.mark.usefixtures("page_threads"), pytest.mark.spandsp]


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(library, "_NAMES", ("libspandsp-that-is-not-there.so.9",))
    library._found.cache_clear()
    yield
    library._found.cache_clear()


def test_what_needs_the_library(no_library: None) -> None:
    assert modems_for(Audio.NEVER) is None
    later = modems_for(Audio.FALLBACK)  # it is looked for when a call needs it
    assert later is not None
    with pytest.raises(SettingError):
        later()
    with pytest.raises(SettingError):
        modems_for(Audio.ONLY)


async def test_without_the_library_no_call_is_placed(
    start: Start, document: Path, silent: socket.socket, no_library: None
) -> None:
    party = await start()
    job = party.send(document, silent.getsockname(), audio=Audio.ONLY)
    result = await party.result(job)
    assert result.outcome is Outcome.MISCONFIGURED
    assert "libspandsp" in result.reason
    with pytest.raises(BlockingIOError):
        silent.recv(1)


def test_places() -> None:
    places = AudioPlaces(2)
    places.take_first(1, Audio.FALLBACK)  # it may switch to T.38
    places.take_first(2, Audio.ONLY)
    assert places.refusal(1) == ""
    places.take(1)
    places.take(1)
    assert [bool(places.refusal(job)) for job in (1, 2, 3)] == [False, False, True]
    with pytest.raises(OverloadedError):
        places.take_first(3, Audio.ONLY)
    places.free(1)
    places.free(1)
    assert places.refusal(3) == ""


async def test_more_faxes_in_audio_than_an_engine_takes(
    start: Start, document: Path, silent: socket.socket, tmp_path: Path
) -> None:
    """The second is refused before it is dialled, and with 503 where it is called."""
    us, them = await start(audio_calls=1), await start(accept_calls=True, audio_calls=0)
    first = us.send(document, silent.getsockname(), audio=Audio.ONLY)
    second = us.send(document, silent.getsockname(), audio=Audio.ONLY)
    refused = await us.result(second)
    assert (refused.status, refused.outcome) == (FaxStatus.LINE_UNAVAILABLE, Outcome.OVERLOADED)
    us.engine.abort(first)
    await us.result(first)
    third = us.send(document, them.address, audio=Audio.ONLY)
    taken = await them.take(tmp_path / "received.tif", audio=Audio.ONLY)
    assert (await them.result(taken)).outcome is Outcome.OVERLOADED
    turned_away = await us.result(third)
    assert (turned_away.sip_status, turned_away.retry_after) == (503, 5.0)
    assert us.engine._places.refusal(9) == ""


@pytest.mark.full
async def test_a_fax_in_audio_between_two_engines(start: Start, document: Path, tmp_path: Path) -> None:
    us, them = await start(), await start(accept_calls=True)
    sent = us.send(document, them.address, audio=Audio.ONLY)
    received = await them.take(tmp_path / "received.tif", audio=Audio.ONLY)
    await us.expect(sent, Connected)
    us.engine.proceed(sent, True)
    for result in (await us.result(sent), await them.result(received)):
        assert result.completed, result.reason
        assert (result.medium, result.modem) == (Medium.AUDIO, "V.17")
    assert assert_same_pages(document, tmp_path / "received.tif") == 1


@pytest.mark.full
async def test_hostile_packets_harm_no_call(start: Start, document: Path, tmp_path: Path) -> None:
    """Whoever sends to the media ports of two calls, in mid-fax, changes neither."""
    us, them = await start(), await start(accept_calls=True)
    chance = random.Random(1)
    sent = [us.send(document, them.address, audio=Audio.ONLY) for _ in range(2)]
    taken = [await them.take(tmp_path / f"{number}.tif", audio=Audio.ONLY) for number in range(2)]
    for job in sent:
        await us.expect(job, Connected)
        us.engine.proceed(job, True)

    async def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
            while running := [*us.engine._running.values(), *them.engine._running.values()]:
                for call in running:
                    packet = bytes(
                        RtpPacket(
                            chance.choice([0, 8, 13, 101]),
                            chance.getrandbits(16),
                            chance.getrandbits(32),
                            chance.getrandbits(32),
                            chance.randbytes(chance.choice([0, 160, 1400])),
                        )
                    )
                    for datagram in (packet, chance.randbytes(chance.randrange(1500)), b""):
                        attacker.sendto(datagram, (HOST, call._media.port))
                await asyncio.sleep(0.005)

    attack = asyncio.create_task(flood())
    for party, jobs in ((us, sent), (them, taken)):
        for job in jobs:
            result = await party.result(job)
            assert result.completed, result.reason
    await attack
    for number in range(2):
        assert assert_same_pages(document, tmp_path / f"{number}.tif") == 1


@asynccontextmanager
async def providers(
    near: EngineSettings, far: EngineSettings
) -> AsyncIterator[tuple[FaxProvider, FaxProvider]]:
    async with (
        FaxProvider((HOST, 0), settings=near) as sender,
        FaxProvider((HOST, 0), accept_calls=True, settings=far) as receiver,
        asyncio.timeout(LIMIT),
    ):
        yield sender, receiver


USUAL, APART = EngineSettings(), EngineSettings(workers=2)
PJSUA2 = EngineSettings(backend=Backend.PJSUA2)


@pytest.mark.full
@pytest.mark.parametrize(
    ("near", "far"),
    [
        pytest.param(APART, APART, id="engine processes"),
        pytest.param(PJSUA2, USUAL, id="pjsua2 calls", marks=pytest.mark.pjsua2),
        pytest.param(USUAL, PJSUA2, id="pjsua2 is called", marks=pytest.mark.pjsua2),
    ],
)
async def test_audio_by_other_ways(
    document: Path, tmp_path: Path, near: EngineSettings, far: EngineSettings
) -> None:
    """In engine processes of its own, with a signalling process; and with PJSIP as the stack."""
    settings, file = CallSettings(audio=Audio.ONLY), tmp_path / "received.tif"
    async with providers(near, far) as (sender, receiver):
        target = f"sip:fax@{HOST}:{receiver.address[1]}"
        sending = asyncio.ensure_future(sender.send(document, target, settings=settings))
        incoming = await anext(receiver.calls())
        received, sent = await asyncio.gather(incoming.receive(file, settings=settings), sending)
    for result in (sent, received):
        assert result.completed, result.reason
        assert result.medium is Medium.AUDIO
    assert assert_same_pages(document, file) == 1

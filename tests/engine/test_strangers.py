"""Audio for callers for whom neither an address nor a password speaks: little, unless they talk."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from sip.line import Answered, CallRequest, LineEvent
from sip.line_settings import Callers
from sip.syntax.sdp import SessionDescription
from sip.transport.agent_on_network import AgentLine
from sip.ua.admission import Admission
from sip.values import Hop
from t38fsp.audio.offer import audio_media
from t38fsp.audio.rtp import RtpSender
from t38fsp.choices import Switch
from tests.engine.party import HOST, LIMIT, Party, Start
from tests.peers.realtime import udp_socket

pytestmark = pytest.mark.usefixtures("page_threads")

PATIENCE = 0.4
"""Seconds, where the engine has 5."""
ENOUGH = 20
"""Packets in that time."""


def refuse(offer: SessionDescription) -> None:
    """The caller keeps to audio."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t38fsp.engine.engine._PATIENCE", PATIENCE)


async def audio_for(party: Party, tmp_path: Path, sock: socket.socket, *, talks: bool, gap: float) -> int:
    """Call ``party`` in audio; how many packets come to ``sock`` until more than ENOUGH did, or a ``gap``."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[LineEvent] = asyncio.Queue()
    line = AgentLine(events.put_nowait, user_agent="caller", listen=[Hop(HOST, 0)])
    await line.start()
    request = CallRequest(
        target=f"sip:fax@{HOST}:{party.address[1]}",
        caller=f"sip:caller@{HOST}",
        destination=[Hop(*party.address)],
        media=[audio_media(sock.getsockname()[1])],
        media_address=HOST,
        answerer=refuse,
    )
    line.place(request, loop.time())
    job = await party.take(tmp_path / "received.tif", switch=Switch.CALLER)
    async with asyncio.timeout(LIMIT):
        while not isinstance(event := await events.get(), Answered):
            pass
    if talks:
        far = HOST, event.remote.media[0].port
        await loop.sock_sendto(sock, RtpSender(0, 1, 1, 1).packet(bytes(160)), far)
    packets = 0
    with contextlib.suppress(TimeoutError):
        while packets <= ENOUGH:
            async with asyncio.timeout(gap if packets else LIMIT):
                await loop.sock_recv(sock, 2048)
            packets += 1
    party.engine.abort(job)
    await party.result(job)
    await line.close()
    return packets


@pytest.mark.parametrize(("known", "talks"), [(False, False), (False, True), (True, False)])
async def test_audio_for_whom_nothing_speaks(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, talks: bool
) -> None:
    if not known:
        # Loopback always is.
        monkeypatch.setattr(Admission, "_has_address", lambda self, source: False)
    party = await start(accept_calls=True, callers=Callers(("any",)))
    with udp_socket() as sock:
        sock.setblocking(False)
        served = known or talks
        packets = await audio_for(party, tmp_path, sock, talks=talks, gap=LIMIT if served else 4 * PATIENCE)
    assert packets == ENOUGH + 1 if served else 0 < packets <= ENOUGH

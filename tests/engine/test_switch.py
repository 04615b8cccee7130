"""The switch on real sockets: T.38 from another port than the audio, where the SDP has one for both."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sip.line import Answered, CallRequest, LineEvent, MediaChanged
from sip.syntax.sdp import SessionDescription
from sip.transport.agent_on_network import AgentLine
from sip.values import Address, Hop
from t38fsp.audio.offer import audio_media
from t38fsp.audio.rtp import RtpSender
from t38fsp.choices import Switch
from t38fsp.t38.attributes import T38Parameters
from t38fsp.t38.udptl import Datagram, UdptlSender
from tests.engine.party import HOST, LIMIT, Start
from tests.peers.realtime import udp_socket

pytestmark = pytest.mark.usefixtures("page_threads")


async def test_t38_from_another_port_is_answered_there(start: Start, tmp_path: Path) -> None:
    party = await start(accept_calls=True)
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[LineEvent] = asyncio.Queue()
    line = AgentLine(events.put_nowait, user_agent="gateway", listen=[Hop(HOST, 0)])
    await line.start()

    async def agreed(kind: type[Answered | MediaChanged]) -> Address:
        """Where the party receives."""
        async with asyncio.timeout(LIMIT):
            while not isinstance(event := await events.get(), kind):
                pass
        return HOST, event.remote.media[0].port

    with udp_socket() as audio, udp_socket() as fax:
        audio.setblocking(False)
        fax.setblocking(False)
        port = audio.getsockname()[1]
        call = line.place(
            CallRequest(
                target=f"sip:fax@{HOST}:{party.address[1]}",
                caller=f"sip:gateway@{HOST}",
                destination=[Hop(*party.address)],
                media=[audio_media(port)],
                media_address=HOST,
                answerer=refuse,
            ),
            loop.time(),
        )
        job = await party.take(tmp_path / "received.tif", switch=Switch.CALLER)
        far = await agreed(Answered)
        await loop.sock_sendto(audio, RtpSender(0, 1, 1, 1).packet(bytes(160)), far)
        async with asyncio.timeout(LIMIT):
            await loop.sock_recv(audio, 2048)
        line.offer(call, [T38Parameters().to_media(port)], loop.time())
        far = await agreed(MediaChanged)
        await loop.sock_sendto(fax, UdptlSender(0, 400).wrap(bytes(1)), far)
        async with asyncio.timeout(LIMIT):
            Datagram.parse(await loop.sock_recv(fax, 2048))
        party.engine.abort(job)
        await party.result(job)
    await line.close()


def refuse(offer: SessionDescription) -> None:
    """The party is not to ask."""

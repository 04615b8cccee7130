"""What a fault of the shared line does to the engine that struck it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from sip.line import CallRequest, Hop, LineEvent
from sip.network import SipLine
from sip.registrar import RegistrationState
from sip.remote.server import LineServer
from sip.remote.wire import Hello, Place, codec
from t38fsp.call.media import answer_offer
from t38fsp.engine.lines import ANSWERERS
from tests.sip.link import AUDIO
from tests.sip.peer import LIMIT


class BrokenLine(SipLine):
    def place(self, request: CallRequest, now: float) -> int:
        raise RuntimeError("a fault of ours")


def make_line(
    on_event: Callable[[LineEvent], None], on_registration: Callable[[RegistrationState], None]
) -> SipLine:
    return BrokenLine(on_event, user_agent="test", listen=[Hop("127.0.0.1", 0)])


async def test_an_engine_that_strikes_a_fault_gets_no_more_calls(tmp_path: Path) -> None:
    path = str(tmp_path / "line")
    server = LineServer(path, make_line, answerers=ANSWERERS)
    await server.start()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    reader, writer = await asyncio.open_unix_connection(path)
    request = CallRequest(
        "sip:1@127.0.0.1", "sip:2@127.0.0.1", (Hop("127.0.0.1", 9),), (AUDIO,), "127.0.0.1", answer_offer
    )
    wire = codec()
    writer.write(wire.encode(Hello("engine", 4)) + wire.encode(Place(1, request)))
    async with asyncio.timeout(LIMIT):
        while await reader.read(4096):
            pass
    assert not server._clients
    writer.close()
    await server.close()

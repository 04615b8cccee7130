"""Several messages between two turns of the loop, any of which may be hostile or meet a fault of ours: each
good one is answered, and every deadline comes."""

from __future__ import annotations

import asyncio
import logging
import socket
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sip.syntax.message import parse_message
from sip.transport.udp import UdpPort
from sip.values import Hop, Transport
from t38fsp.engine.media import MediaPort
from tests.sip.besieged import mutate
from tests.sip.peer import LIMIT, Peer, running
from tests.sip.test_reread import CORPUS, TOP, options

FAULT = b"what the agent fails on"
BREAKING = [
    FAULT,
    options(TOP + ";x=<", "SIP/2.0/UDP h;y=>;a b=c"),
    options(TOP + ';x="', "SIP/2.0/UDP h"),
    options(TOP, *["SIP/2.0/UDP h;x=" + "y" * 3000] * 10),
    b"",
    b"\0" * 1000,
]


def good(number: int) -> bytes:
    return (
        f"OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{number};rport\r\n"
        f"From: <sip:a@x>;tag=1\r\nTo: <sip:b@y>\r\nCall-ID: good-{number}\r\nCSeq: 1 OPTIONS\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


class Struck(Peer):
    """A line whose agent fails on FAULT, and sets a deadline with each message that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.due = 0
        self.came = 0
        self.settled = asyncio.Event()

    def strike(self) -> None:
        """Once the line has started."""
        agent = self.line.agent
        receive = agent.receive

        def received(data: bytes, source: Hop, now: float) -> None:
            self.due += 1
            agent._core.timers.at(now, self._deadline)
            if data == FAULT:
                raise RuntimeError("a fault of ours")
            receive(data, source, now)

        agent.receive = received  # type: ignore[method-assign]

    def _deadline(self, now: float) -> None:
        self.came += 1
        self.settled.set()
        if self.came % 3 == 0:
            raise RuntimeError("a fault at a deadline")

    async def until_all_came(self, messages: int) -> None:
        while not (self.came == self.due >= messages):
            self.settled.clear()
            await self.settled.wait()


async def fire(burst: list[bytes]) -> None:
    """Send the whole burst before the loop has its turn; every good one must be answered."""
    line = Struck()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        async with running(line), asyncio.timeout(LIMIT):
            line.strike()
            for data in burst:
                sock.sendto(data, line.hop().address)
            wanted = {f"good-{number}" for number, data in enumerate(burst) if data == good(number)}
            while wanted:
                answer = parse_message(await loop.sock_recv(sock, 65536))
                # As it stands: the answer to a malformed request repeats a Call-ID that is none.
                wanted.discard(answer.headers.get("Call-ID"))
            await line.until_all_came(len(burst))


@given(st.lists(st.one_of(st.none(), st.sampled_from(BREAKING), st.integers(0, 2**32)), max_size=24))
@example([1, None, 0, None])
@example([None, *[0] * 60, None])
@example([3678, None])
@settings(max_examples=40)
def test_every_good_message_of_a_burst_is_answered_and_every_deadline_comes(
    parts: list[int | bytes | None],
) -> None:
    """None is a good one, a number the seed of a mutated one."""
    logging.disable(logging.CRITICAL)
    burst: list[bytes] = []
    for number, part in enumerate(parts):
        if part is None:
            burst.append(good(number))
        elif isinstance(part, bytes):
            burst.append(part)
        else:
            random = Random(part)
            burst.append(mutate(random.choice(CORPUS), CORPUS, random)[:60_000])
    try:
        asyncio.run(fire(burst))
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_faults_are_logged_once_per_kind_and_not_once_per_message(
    transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    line = Struck()
    async with running(line), asyncio.timeout(LIMIT):
        agent = line.line.agent

        def fail(data: bytes, source: Hop, now: float) -> None:
            line.came += 1
            line.settled.set()
            raise (KeyError if b"BYE" in data else RuntimeError)("a fault of ours")

        agent.receive = fail  # type: ignore[method-assign]
        hop = line.hop(transport)
        messages = [good(number).replace(b"OPTIONS", (b"BYE", b"INFO")[number % 2]) for number in range(200)]
        if transport is Transport.TCP:
            _, writer = await asyncio.open_connection(*hop.address)
            writer.write(b"".join(messages))
        else:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for message in messages:
                    sock.sendto(message, hop.address)
        while line.came < len(messages):
            line.settled.clear()
            await line.settled.wait()
        if transport is Transport.TCP:
            writer.close()
    told = [record for record in caplog.records if record.exc_info]
    assert [record.exc_info[0] for record in told] == [KeyError, RuntimeError]  # type: ignore[index]


async def test_messages_of_one_connection_are_answered_around_a_fault() -> None:
    line = Struck()
    async with running(line), asyncio.timeout(LIMIT):
        line.strike()
        agent = line.line.agent
        receive = agent.receive

        def received(data: bytes, source: Hop, now: float) -> None:
            receive(FAULT if b"good-1" in data else data, source, now)

        agent.receive = received  # type: ignore[method-assign]
        reader, writer = await asyncio.open_connection(*line.hop(Transport.TCP).address)
        writer.write(b"".join(good(number).replace(b"/UDP", b"/TCP") for number in range(4)))
        heard = [await reader.readuntil(b"\r\n\r\n") for _ in range(3)]
        assert [parse_message(each).call_id for each in heard] == ["good-0", "good-2", "good-3"]
        await line.until_all_came(4)
        writer.close()


@pytest.mark.parametrize(("turn", "pauses"), [(0.0, 10), (60.0, 1)])
async def test_a_burst_ends_when_its_time_is_over(
    turn: float, pauses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sip.transport.udp._MAX_TURN", turn)
    heard: list[bytes] = []
    paused: list[int] = []
    all_heard = asyncio.Event()

    def pause() -> None:
        paused.append(len(heard))
        if len(heard) == 10:
            all_heard.set()

    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        for _ in range(10):
            far.sendto(b"x", sock.getsockname())
        port = UdpPort(sock, lambda data, hop: heard.append(data), pause, lambda hop: None)
        async with asyncio.timeout(LIMIT):
            await all_heard.wait()
        port.close()
    assert len(paused) == pauses


async def test_a_user_that_fails_on_an_event_has_the_next_ones() -> None:
    line = Peer()
    heard: list[object] = []

    def fail(event: object) -> None:
        heard.append(event)
        raise RuntimeError("a fault of the user")

    line.react = fail
    other = Peer()
    async with running(line, other), asyncio.timeout(LIMIT):
        for _ in range(3):
            other.call(line.hop())
        while len(heard) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_media_datagram_that_meets_a_fault_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def on_datagram(data: bytes, source: tuple[str, int]) -> bool:
        heard.put_nowait(data)
        if data == FAULT:
            raise RuntimeError("a fault of ours")
        return True

    port = MediaPort.open("127.0.0.1", on_datagram)
    sent = [b"1", FAULT, FAULT, b"2", FAULT, b"3"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for data in sent:
            sock.sendto(data, port.address)
        async with asyncio.timeout(LIMIT):
            assert [await heard.get() for _ in sent] == sent
    port.close()
    assert len([record for record in caplog.records if record.exc_info]) == 1

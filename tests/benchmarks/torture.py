"""What strangers can do to a line: mutated messages, floods, slow streams; and what is left behind.

    python -m tests.benchmarks.torture [MESSAGES]

*Mutated* are the messages that the far ends of calls in eleven states, and a registrar, could send next, and
those of RFC 4475, with one to four faults each; after every 250 all calls are ended, and nothing may be left.
The *floods* are of as many messages each, at 10,000 in a second of simulated time. Both run without sockets;
``CPU`` is that of the user agent alone. *Under fire* a line on real sockets is flooded from many addresses,
and held by slow streams, while calls go on with somebody it knows.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import socket
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random

from sip.agent import UserAgent
from sip.line import Answered, Ended, Failed, Incoming, LineEvent
from sip.line_settings import Callers, Limits
from sip.syntax.stream import MESSAGE_LIMIT
from sip.transport.agent_on_network import AgentLine
from sip.ua.admission import Admission
from sip.values import Hop, Transport
from tests.sip.besieged import ROUND, STEP, Besieged, mutate
from tests.sip.link import ALICE, AUDIO, call_request, mirror
from tests.sip.rfc4475 import MESSAGES
from tests.sip.solo import sdp

FLOOD_STEP = 0.0001
"""Seconds between the messages of a flood."""
SETTLE = 400.0
"""Seconds after which nothing may be left."""
FIRE = 10.0
"""Seconds of calls under fire."""
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts, octets and seconds."""

    messages: int
    answers: int
    calls: int
    """The most that there were at once."""
    transactions: int
    """The same."""
    seconds: float
    """CPU of the user agent."""
    grown: int
    """Octets that the process holds more afterwards; 0 when that was not measured."""

    @property
    def rate(self) -> float:
        return self.messages / self.seconds if self.seconds else 0.0


def mutated(messages: int, seed: int = 1) -> Outcome:
    """Feed so many; raises AssertionError when a call or a transaction stays behind."""
    random = Random(seed)
    besieged = Besieged(seed)
    before = seconds = 0.0
    done = answers = calls = transactions = 0
    while done < messages:
        besieged.begin()
        pool = [*besieged.expected, *MESSAGES.values()]
        for _ in range(min(ROUND, messages - done)):
            # Some are left as they are, so that calls move on.
            message = random.choice(pool)
            if random.random() < 0.9:
                message = mutate(message, pool, random)
            began = time.process_time()
            besieged.hear(message)
            seconds += time.process_time() - began
            answers += len(besieged.agent.take_datagrams())
            calls = max(calls, besieged.agent.calls)
            transactions = max(transactions, besieged.agent.transactions)
            besieged.wait(STEP)
            done += 1
        besieged.end()
        assert besieged.agent.idle
        if not before and done >= 0.1 * messages:
            before = held()
    return Outcome(done, answers, calls, transactions, seconds, held() - int(before))


# --- floods -------------------------------------------------------------------------------------------------


def invite(number: int, *fields: str) -> bytes:
    body = sdp()
    head = [
        "INVITE sip:fax@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP 203.0.113.7;branch=z9hG4bK-flood-{number};rport",
        f"From: <sip:x@example.net>;tag={number}",
        "To: <sip:fax@192.0.2.1>",
        f"Call-ID: flood-{number}",
        "CSeq: 1 INVITE",
        "Contact: <sip:x@203.0.113.7>",
        "Content-Type: application/sdp",
        f"Content-Length: {len(body)}",
        *fields,
    ]
    return "".join(line + "\r\n" for line in head).encode() + b"\r\n" + body


def one_source(number: int) -> tuple[bytes, Hop]:
    return invite(number), Hop("203.0.113.7", 5060)


def many_sources(number: int) -> tuple[bytes, Hop]:
    host = f"198.{18 + (number >> 16 & 1)}.{number >> 8 & 255}.{number & 255}"
    return invite(number), Hop(host, 1024 + number % 60000)


def garbage(number: int) -> tuple[bytes, Hop]:
    random = Random(number)
    data = random.randbytes(random.randint(1, 1400))
    return data if number % 2 else invite(number)[: random.randint(0, 300)] + data, many_sources(number)[1]


def others(number: int) -> tuple[bytes, Hop]:
    """Requests that make no call, and responses to nothing."""
    method = (b"OPTIONS", b"REGISTER", b"BYE", b"NOTIFY", b"ACK", b"CANCEL")[number % 6]
    message = invite(number).replace(b"INVITE", method)
    if number % 7 == 0:
        message = message.replace(method + b" sip:fax@192.0.2.1 SIP/2.0", b"SIP/2.0 200 OK")
    return message, many_sources(number)[1]


FLOODS: dict[str, tuple[Callable[[int], tuple[bytes, Hop]], bool]] = {
    "INVITEs of one source": (one_source, True),
    "INVITEs of many sources": (many_sources, True),
    "INVITEs of sources that are not admitted": (many_sources, False),
    "garbage, and INVITEs cut short": (garbage, True),
    "other requests, and responses": (others, True),
}
"""What is sent, and whether everybody may call."""


def flood(name: str, messages: int) -> Outcome:
    """Raises AssertionError when anything is left in the end."""
    source, everybody = FLOODS[name]
    random = Random(1)
    agent = UserAgent(
        contact_address=ALICE.address,
        user_agent="flooded",
        random=random,
        limits=Limits(per_source=8),
        admission=Admission(random, Callers(("any",) if everybody else ())),
    )
    now, seconds = 1000.0, 0.0
    answers = calls = transactions = 0
    before = held()
    for number in range(messages):
        data, hop = source(number)
        began = time.process_time()
        agent.receive(data, hop, now)
        agent.handle_deadline(now)
        answers += len(agent.take_datagrams())
        seconds += time.process_time() - began
        agent.take_events()
        calls = max(calls, agent.calls)
        transactions = max(transactions, agent.transactions)
        now += FLOOD_STEP
    agent.hang_up_all(now)
    end = now + SETTLE
    while (due := agent.next_deadline()) is not None and due < end:
        agent.handle_deadline(due)
        agent.take_datagrams()
    agent.take_events()
    assert agent.idle
    return Outcome(messages, answers, calls, transactions, seconds, held() - before)


def held() -> int:
    """Octets of Python's objects; 0 unless tracemalloc runs."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


# --- under fire ---------------------------------------------------------------------------------------------


class OnlyOne(Admission):
    """Knows one address; all others of this machine are strangers here."""

    def knows(self, source: Hop) -> bool:
        return source.host == HOST


class Party:
    """A line that takes every call."""

    def __init__(self) -> None:
        listen = [Hop(HOST, 0), Hop(HOST, 0, Transport.TCP)]
        self.line = AgentLine(self._on_event, user_agent="party", listen=listen, admission=OnlyOne(Random(1)))
        self.events: asyncio.Queue[LineEvent] = asyncio.Queue()

    def _on_event(self, event: LineEvent) -> None:
        if isinstance(event, Incoming):
            self.line.accept(event.call, [AUDIO], HOST, mirror, asyncio.get_running_loop().time())
        self.events.put_nowait(event)

    async def call(self, hop: Hop) -> float:
        """Place a call and end it; returns the seconds until it was answered."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        call = self.line.place(call_request(destination=[hop], media_address=HOST), began)
        while not isinstance(event := await self.events.get(), Answered):
            assert not isinstance(event, Failed)
        answered = loop.time() - began
        self.line.hang_up(call, loop.time())
        while not isinstance(await self.events.get(), Ended):
            pass
        return answered


@dataclass(frozen=True, slots=True)
class Fire:
    """What came of the calls under fire."""

    calls: int
    longest: float
    """Seconds until a call was answered."""
    streams_cut: float
    """Seconds until the last slow stream was."""


async def under_fire(
    rate: int = 0, streams: int = 0, transports: Sequence[Transport] = (Transport.UDP, Transport.TCP)
) -> Fire:
    """Call a line again and again for FIRE seconds, or longer until all slow streams are cut off, while it
    gets ``rate`` datagrams per second."""
    us, friend = Party(), Party()
    await us.line.start()
    await friend.line.start()
    port = us.line.address[1]
    gunner = multiprocessing.get_context("spawn").Process(target=shoot, args=(port, rate), daemon=True)
    if rate:
        gunner.start()
    loop = asyncio.get_running_loop()
    slow = [asyncio.create_task(crawl(f"127.0.2.{each % 250 + 1}", port)) for each in range(streams)]
    took: list[float] = []
    end = loop.time() + FIRE
    while loop.time() < end or not all(each.done() for each in slow):
        took.append(await friend.call(Hop(HOST, port, transports[len(took) % len(transports)])))
        await asyncio.sleep(0.05)
    if rate:
        gunner.kill()
        gunner.join()
    await friend.line.close()
    await us.line.close()
    assert us.line.agent.calls == us.line.agent.dialogs == 0
    return Fire(len(took), max(took), max([each.result() for each in slow], default=0.0))


def shoot(port: int, rate: int) -> None:
    """Send so many INVITEs and as much garbage per second, from fifty addresses, while our parent lives."""
    parent = multiprocessing.parent_process()
    guns = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
    for number, gun in enumerate(guns):
        gun.bind((f"127.0.1.{number + 1}", 0))
    bullets = [(one_source if number % 2 else garbage)(number)[0] for number in range(1000)]
    began = time.monotonic()
    for number in count():
        if number % 50 == 0:
            if parent is None or not parent.is_alive():
                return
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        guns[number % len(guns)].sendto(bullets[number % len(bullets)], (HOST, port))


async def crawl(host: str, port: int) -> float:
    """Say an INVITE octet by octet; returns the seconds until that is cut off."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        reader, writer = await asyncio.open_connection(HOST, port, local_addr=(host, 0))
    except ConnectionError:
        return 0.0
    try:
        for octet in invite(1):
            writer.write(bytes([octet]))
            await writer.drain()
            try:
                async with asyncio.timeout(0.2):
                    if not await reader.read(1):
                        break
            except TimeoutError:
                continue
    except ConnectionError:
        pass
    finally:
        writer.close()
    return loop.time() - began


def main() -> None:
    logging.disable(logging.WARNING)
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(
        "| | messages | answers | calls, most at once | transactions, most at once | messages per s of CPU |"
    )
    print("|---|---|---|---|---|---|")
    runs: dict[str, Callable[[int], Outcome]] = {"mutated": mutated}
    runs |= {name: partial(flood, name) for name in FLOODS}
    for name, run in runs.items():
        outcome = run(messages)
        print(
            f"| {name} | {outcome.messages} | {outcome.answers} | {outcome.calls} | {outcome.transactions} "
            f"| {outcome.rate:.0f} |"
        )
    tracemalloc.start()
    for name, run in runs.items():
        print(f"memory held more after {messages // 10} messages, {name}: {run(messages // 10).grown} octets")
    tracemalloc.stop()
    for rate, transports in (
        (1000, (Transport.UDP, Transport.TCP)),
        (4000, (Transport.UDP, Transport.TCP)),
        (40_000, (Transport.TCP,)),
    ):
        fire = asyncio.run(under_fire(rate, transports=transports))
        print(
            f"{rate} datagrams per second, calls over {' and '.join(each.value for each in transports)}: "
            f"{fire.calls} in {FIRE:g} s, the longest took {fire.longest:.2f} s"
        )
    fire = asyncio.run(under_fire(streams=200))
    print(
        f"200 slow streams: {fire.calls} calls, the longest took {fire.longest:.2f} s; "
        f"the last stream was cut off after {fire.streams_cut:.1f} s (limit {MESSAGE_LIMIT:g} s)"
    )


if __name__ == "__main__":
    main()

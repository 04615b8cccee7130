"""Two user agents and the network between them, in simulated time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from random import Random

from sip.agent import UserAgent
from sip.line import CallRequest, LineEvent
from sip.line_settings import Limits, SessionTimers
from sip.syntax.message import Request, parse_message
from sip.syntax.sdp import Attribute, MediaDescription, SessionDescription
from sip.values import Credentials, Hop

ALICE = Hop("192.0.2.1", 5060)
BOB = Hop("192.0.2.2", 5060)
AUDIO = MediaDescription("audio", 4000, "RTP/AVP", ("0", "8"))
IMAGE = MediaDescription("image", 4000, "udptl", ("t38",), (Attribute("T38FaxVersion", "0"),))
DELAY = 0.02

Loss = Callable[[int, bytes], bool]
"""Whether the datagram with this number (from 0) is lost."""


def mirror(offer: SessionDescription) -> tuple[MediaDescription, ...]:
    """Accept everything, at our port."""
    return tuple(replace(media, port=5000) for media in offer.media)


def refuse(offer: SessionDescription) -> None:
    """An answerer that takes nothing."""


ANSWERERS = ("tests.sip.link:mirror", "tests.sip.link:refuse")
"""For other processes, which import this module."""


def call_request(**changes: object) -> CallRequest:
    request = CallRequest(
        "sip:+15550100@bob.example", '"Alice" <sip:alice@a.example>', [BOB], ALICE.host, [AUDIO], mirror
    )
    return replace(request, **changes)  # type: ignore[arg-type]


CREDENTIALS = Credentials("alice", "secret")


class Link:
    """Carries datagrams with a delay, loses some, and keeps what was said."""

    def __init__(
        self,
        *,
        lose: Loss = lambda number, data: False,
        seed: int = 1,
        limits: Limits = Limits(),
        alices_timers: SessionTimers | None = None,
        bobs_timers: SessionTimers | None = None,
    ) -> None:
        self.now = 1000.0
        self.alice = UserAgent(
            contact_address=ALICE.address,
            user_agent="alice/1",
            random=Random(seed),
            session_timers=alices_timers,
        )
        self.bob = UserAgent(
            contact_address=BOB.address,
            user_agent="bob/1",
            random=Random(seed + 1),
            limits=limits,
            session_timers=bobs_timers,
        )
        self.events: dict[Hop, list[LineEvent]] = {ALICE: [], BOB: []}
        self.times: list[tuple[float, Hop, LineEvent]] = []
        self.sent: list[tuple[Hop, bytes]] = []
        self.lose = lose
        self.on_event: dict[Hop, Callable[[LineEvent], None]] = {}
        self._agents = {ALICE: self.alice, BOB: self.bob}
        self._flight: list[tuple[float, int, Hop, Hop, bytes]] = []
        self._order = count()

    def collect(self) -> None:
        """Put on the wire what the agents have to send, and hand out their events."""
        busy = True
        while busy:
            busy = False
            for address, agent in self._agents.items():
                for data, destination in agent.take_datagrams():
                    self.put(data, address, destination)
                for event in agent.take_events():
                    busy = True
                    self.events[address].append(event)
                    self.times.append((self.now, address, event))
                    if address in self.on_event:
                        self.on_event[address](event)

    def put(self, data: bytes, source: Hop, destination: Hop) -> None:
        number = len(self.sent)
        self.sent.append((source, data))
        if not self.lose(number, data):
            heapq.heappush(self._flight, (self.now + DELAY, next(self._order), source, destination, data))

    def run(self, seconds: float = 100.0) -> None:
        """Let that much time pass; stops when nothing is in flight and no timer is set."""
        end = self.now + seconds
        self.collect()
        while True:
            deadlines = [agent.next_deadline() for agent in self._agents.values()]
            times = [when for when in deadlines if when is not None]
            times += [self._flight[0][0]] if self._flight else []
            if not times or min(times) > end:
                break
            self.now = max(self.now, min(times))
            while self._flight and self._flight[0][0] <= self.now:
                _, _, source, destination, data = heapq.heappop(self._flight)
                if destination in self._agents:
                    self._agents[destination].receive(data, source, self.now)
            for agent in self._agents.values():
                agent.handle_deadline(self.now)
            self.collect()
        self.now = max(self.now, end)

    def said(self, source: Hop) -> list[str]:
        """Methods and statuses that one side sent, in order, repeats included."""
        return [start_line(data) for address, data in self.sent if address == source]

    @property
    def idle(self) -> bool:
        return self.alice.idle and self.bob.idle


def start_line(data: bytes) -> str:
    message = parse_message(data)
    return message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"

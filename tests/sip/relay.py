"""A UDP relay between a line of ours and SIPp that loses what it is told to lose, and rewrites nothing.

It has two addresses: *near*, which our line takes for the far end, and *far*, which SIPp takes for us.
Messages stay on it because SIPp answers where requests come from, our Via asks for the same (RFC 3581), and
SIPp's Contact or Record-Route names *near*. *Spare* is another way to SIPp,
which answers by the way used last.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sip.syntax.errors import ParseError
from sip.syntax.message import Request, parse_message
from sip.syntax.uri import parse_uri
from sip.values import Address


@dataclass(frozen=True, slots=True)
class Message:
    """A message of an exchange; its copies are one message."""

    ours: bool
    """Whether our line said it."""
    name: str
    """Method, or status and method of CSeq."""
    ordinal: int = 1
    """The how manieth of its name, from the same side, in its exchange."""

    def __str__(self) -> str:
        number = f" ({self.ordinal})" if self.ordinal > 1 else ""
        return f"{'our' if self.ours else 'their'} {self.name}{number}"


Loss = Callable[[str, Message, int], bool]
"""Whether to lose a datagram, of the exchange of this label: a message, and which copy of it, from 1."""


def nothing_lost(label: str, message: Message, copy: int) -> bool:
    return False


class Relay:
    """Carries datagrams. An exchange is what has one Call-ID; its label is the user part of the first To."""

    near: Address
    spare: Address
    far: Address
    us: Address
    them: Address

    def __init__(self, lose: Loss = nothing_lost) -> None:
        self.lose = lose
        self.carried: dict[str, set[Message]] = defaultdict(set)
        """Messages of which a copy arrived, by label."""
        self.lost: dict[str, set[Message]] = defaultdict(set)
        """Messages of which a copy was lost."""
        self.call_ids: dict[str, str] = {}
        """The first of each label."""
        self._labels: dict[str, str] = {}
        self._known: dict[tuple[object, ...], Message] = {}
        self._copies: Counter[tuple[object, ...]] = Counter()
        self._ordinals: Counter[tuple[str, bool, str]] = Counter()
        self._invites: dict[str, int] = defaultdict(int)
        """The CSeq of our last INVITE, by Call-ID."""
        self._news = asyncio.Event()

    async def until(self, label: str, carried: set[Message], lost: set[Message]) -> None:
        """Wait until copies of these messages have been carried, and lost."""
        while not (carried <= self.carried[label] and lost <= self.lost[label]):
            self._news.clear()
            await self._news.wait()

    def passes(self, data: bytes, *, ours: bool) -> bool:
        """Take note of a datagram; whether to carry it."""
        try:
            message = parse_message(data)
            call_id, cseq, tag = message.call_id, message.cseq, message.to.tag
            user = parse_uri(message.to.uri).user or ""
        except ParseError:
            return True
        label = self._labels.setdefault(call_id, user)
        self.call_ids.setdefault(label, call_id)
        name = message.method if isinstance(message, Request) else f"{message.status} {cseq.method}"
        key = call_id, ours, name, cseq.number, tag, message.headers.get("RSeq")
        if key not in self._known:
            self._ordinals[label, ours, name] += 1
            self._known[key] = Message(ours, name, self._ordinals[label, ours, name])
        self._copies[key] += 1
        known = self._known[key]
        if ours and name == "INVITE":
            self._invites[call_id] = max(self._invites[call_id], cseq.number)
        if ours and name == "ACK" and cseq.number < self._invites[call_id] and known in self.carried[label]:
            # SIPp knows an ACK by its method only. When it was late itself, it repeats a response, and the
            # second ACK to that, after our next INVITE, would end its repetition of the next response.
            return False
        if self.lose(label, known, self._copies[key]):
            self.lost[label].add(known)
            self._news.set()
            return False
        self.carried[label].add(known)
        self._news.set()
        return True


class _Side(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def __init__(self, on_datagram: Callable[[bytes, _Side], None]) -> None:
        self._on_datagram = on_datagram

    @property
    def address(self) -> Address:
        host, port = self.transport.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._on_datagram(data, self)


@asynccontextmanager
async def relaying(relay: Relay, us: Address) -> AsyncIterator[Relay]:
    """Run ``relay`` between our line and SIPp, which is told where SIPp is before it sends."""
    relay.us = us

    last: _Side

    def from_us(data: bytes, side: _Side) -> None:
        nonlocal last
        last = side
        if relay.passes(data, ours=True):
            far.transport.sendto(data, relay.them)

    def from_them(data: bytes, side: _Side) -> None:
        if relay.passes(data, ours=False):
            last.transport.sendto(data, relay.us)

    async with AsyncExitStack() as stack:

        async def open_side(on_datagram: Callable[[bytes, _Side], None]) -> _Side:
            _, side = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Side(on_datagram), local_addr=(us[0], 0)
            )
            stack.callback(side.transport.close)
            return side

        near, spare, far = [await open_side(each) for each in (from_us, from_us, from_them)]
        last = near
        relay.near, relay.spare, relay.far = near.address, spare.address, far.address
        yield relay

"""A call in simulated time: two parties and a line that delays, reorders and loses datagrams."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

_ROUNDS_AT_ONE_INSTANT = 10_000
_OVERTAKEN_BY = 0.05
_NEVER = float("inf")


class Party(Protocol):
    """One end of the call. Times are seconds from the start of the call."""

    @property
    def finished(self) -> bool: ...

    def receive_datagram(self, data: bytes, now: float) -> None: ...

    def next_deadline(self) -> float | None: ...

    def handle_deadline(self, now: float) -> None: ...

    def take_datagrams(self) -> list[bytes]: ...


Carrier = Callable[[Party, float], list[float]]
"""When a datagram that a party sends at a time arrives at the other: never, once, or more often."""


@dataclass(slots=True)
class SimulatedCall:
    """What the line saw of a call; ``seconds`` is when it ended."""

    seconds: float = 0.0
    lost: int = 0
    datagrams: list[tuple[float, Party, bytes]] = field(default_factory=list)
    """Every datagram sent, lost ones included: when, by whom, what."""


class CallNeverEndedError(AssertionError):
    """The parties were still at it when the time allowed was over."""


def run(
    peer: Party,
    ours: Party,
    *,
    delay: float = 0.02,
    jitter: float = 0.0,
    loss: float = 0.0,
    overtaken: float = 0.0,
    seed: int = 0,
    carry: Carrier | None = None,
    until: Callable[[], bool] | None = None,
    linger: float = 5.0,
    limit: float = 1800.0,
) -> SimulatedCall:
    """Run a call until both parties have finished.

    Args:
        peer: usually a :class:`tests.peers.endpoint.SpandspEndpoint`.
        ours: usually the product.
        delay: seconds from sender to receiver, each way.
        jitter: up to this many seconds more, drawn for each datagram, which keep their order.
        loss: share of datagrams (0..1) lost in each direction, copies independently.
        overtaken: share of datagrams that come 50 ms later, behind those sent after them.
        seed: of the line's random numbers.
        carry: the line, instead of all those above.
        until: ends the call early when it returns true.
        linger: seconds that one party gets after the other has finished.
        limit: seconds after which the call is considered stuck.

    Raises:
        CallNeverEndedError: ``limit`` passed, or a party asks for the same instant for ever.
    """
    parties = (peer, ours)
    chance = random.Random(seed)
    order = itertools.count()
    in_flight: list[tuple[float, int, Party, bytes]] = []
    call = SimulatedCall()
    now = 0.0
    rounds = 0
    one_finished: float | None = None
    latest: dict[int, float] = {}
    while True:
        for sender, receiver in ((peer, ours), (ours, peer)):
            for datagram in sender.take_datagrams():
                call.datagrams.append((now, sender, datagram))
                if carry is not None:
                    arrivals = carry(sender, now)
                    call.lost += not arrivals
                    for arrival in arrivals:
                        heapq.heappush(in_flight, (arrival, next(order), receiver, datagram))
                    continue
                if chance.random() < loss:
                    call.lost += 1
                    continue
                arrival = now + delay + (chance.uniform(0, jitter) if jitter else 0.0)
                if overtaken and chance.random() < overtaken:
                    arrival += _OVERTAKEN_BY
                else:
                    arrival = latest[id(sender)] = max(arrival, latest.get(id(sender), 0.0))
                heapq.heappush(in_flight, (arrival, next(order), receiver, datagram))
        call.seconds = now
        if until is not None and until():
            return call
        finished = peer.finished + ours.finished
        if finished == len(parties):
            return call
        if one_finished is None and finished:
            one_finished = now
        if one_finished is not None and now > one_finished + linger:
            return call
        deadlines = [_NEVER if (due := party.next_deadline()) is None else due for party in parties]
        earliest = min(*deadlines, in_flight[0][0] if in_flight else _NEVER)
        if earliest == _NEVER:
            raise CallNeverEndedError(f"nothing is left to happen after {now:.2f} s in an open call")
        rounds = rounds + 1 if earliest <= now else 0
        if rounds > _ROUNDS_AT_ONE_INSTANT:
            raise CallNeverEndedError(f"a party asks for the instant {now:.3f} s for ever")
        now = max(now, earliest)
        if now > limit:
            raise CallNeverEndedError(f"the call was not over after {limit:.0f} s")
        while in_flight and in_flight[0][0] <= now:
            _, _, receiver, datagram = heapq.heappop(in_flight)
            receiver.receive_datagram(datagram, now)
        for party, deadline in zip(parties, deadlines, strict=True):
            # What was received may have moved it: one that is handled in vain does no harm, and one that is
            # due now comes in the next round.
            if deadline <= now:
                party.handle_deadline(now)

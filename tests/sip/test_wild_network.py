"""Two user agents that do whatever comes to their minds, over a network that loses, doubles and overtakes.

When the network has come to rest both know the same of the call; when it is over nothing is left.
"""

from __future__ import annotations

import heapq
from random import Random

import pytest

from sip.line import Answered, Ended, Failed, Incoming, LineEvent, MediaChanged
from sip.line_settings import Refresher, SessionTimers
from sip.ua.session import Session, SessionPhase
from sip.values import Hop
from tests.sip.link import ALICE, AUDIO, BOB, DELAY, IMAGE, Link, call_request, mirror


class WildLink(Link):
    """A link whose faults, and whose agents' deeds, follow from ``seed``."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        super().__init__(seed=seed, alices_timers=self._timers(), bobs_timers=self._timers())
        self.lost = self.random.choice([0, 0.05, 0.3])
        self.doubled = self.random.choice([0, 0.1, 0.3])
        self.jitter = self.random.choice([0, 0.05, 1.0])
        self.on_event[BOB] = self._bob_hears

    def _timers(self) -> SessionTimers | None:
        expires, refresher = self.random.choice([90, 1800]), self.random.choice(list(Refresher))
        return SessionTimers(expires, refresher=refresher) if self.random.random() < 0.7 else None

    def put(self, data: bytes, source: Hop, destination: Hop) -> None:
        self.sent.append((source, data))
        for _ in range(2 if self.random.random() < self.doubled else 1):
            if self.random.random() >= self.lost:
                when = self.now + DELAY + self.jitter * self.random.random()
                heapq.heappush(self._flight, (when, next(self._order), source, destination, data))

    def _bob_hears(self, event: LineEvent) -> None:
        if not isinstance(event, Incoming):
            return
        mood = self.random.random()
        if mood < 0.1:
            self.bob.refuse(event.call, 486, self.now)
        elif mood < 0.3:
            self.bob.ring(event.call, self.now)
        if 0.1 <= mood < 0.9:
            self.bob.accept(event.call, [AUDIO], BOB.host, mirror, self.now)

    def call(self) -> None:
        """Alice calls; some things happen."""
        chance = self.random.random
        headers = (("Require", "100rel"),) if chance() < 0.3 else ()
        media = [] if chance() < 0.3 else [AUDIO]
        self.alice.place(call_request(headers=headers, media=media), self.now)
        for _ in range(self.random.randrange(1, 10)):
            self.run(self.random.choice([0.01, 0.03, 0.1, 0.6, 3, 40, 100]))
            agent = self.random.choice([self.alice, self.bob])
            deed = chance()
            if deed < 0.5:
                agent.offer(1, [self.random.choice([AUDIO, IMAGE])], self.now)
            elif deed < 0.6:
                agent.hang_up(1, self.now)
            elif deed < 0.7:
                self.bob.accept(1, [AUDIO], BOB.host, mirror, self.now)

    def rest(self) -> None:
        """Let everything be said that is still to be said."""
        self.lost = self.doubled = 0
        self.run(70)

    def up(self, agent: Hop) -> list[Session]:
        calls = self._agents[agent]._calls.values()
        return [call for call in calls if isinstance(call, Session) and call.phase is SessionPhase.UP]

    def told(self, agent: Hop, *kinds: type[LineEvent]) -> list[LineEvent]:
        return [event for event in self.events[agent] if isinstance(event, kinds)]


@pytest.mark.parametrize(
    "seeds", [range(100), pytest.param(range(100, 3000), marks=pytest.mark.full)], ids=["some", "many"]
)
def test_both_sides_agree_on_the_call_and_its_media_and_forget_it(seeds: range) -> None:
    agreements = 0
    for seed in seeds:
        link = WildLink(seed)
        link.call()
        link.rest()
        ours, theirs = link.up(ALICE), link.up(BOB)
        assert len(ours) == len(theirs), seed
        for one, other in zip(ours, theirs, strict=True):
            agreements += 1
            assert one.negotiation.local == other.negotiation.remote, seed
            assert one.negotiation.remote == other.negotiation.local, seed
        for side, sessions in ((ALICE, ours), (BOB, theirs)):
            for session in sessions:
                last = link.told(side, Answered, MediaChanged)[-1]
                assert isinstance(last, Answered | MediaChanged)
                assert (last.local, last.remote) == (session.negotiation.local, session.negotiation.remote), (
                    seed
                )
        link.alice.hang_up_all(link.now)
        link.bob.hang_up_all(link.now)
        link.run(200)
        assert link.idle, seed
        assert link.alice.next_deadline() is link.bob.next_deadline() is None, seed
        assert len(link.told(ALICE, Failed, Ended)) == 1, seed
        assert len(link.told(BOB, Failed, Ended)) == len(link.told(BOB, Incoming)), seed
    assert agreements > len(seeds) / 10

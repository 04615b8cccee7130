"""The packet queue in simulated time, and the pacer on a loop whose clock only the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.engine.pacer import Lateness, Pacer
from t38fsp.t38.packet_queue import PacketQueue


@dataclass(frozen=True, slots=True)
class Timed:
    name: str
    due: float
    gap: float = 0.0


@dataclass(eq=False, slots=True)
class Call:
    """A channel that writes down what leaves."""

    revoked: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)

    def release(self, packet: Timed) -> bytes | None:
        return None if packet.name in self.revoked else packet.name.encode()

    def send(self, datagram: bytes) -> None:
        self.sent.append(datagram.decode())


def run(queue: PacketQueue[Timed], until: float, start: float = 0.0) -> list[tuple[float, str]]:
    """Let the queue work at its own times; when, and what."""
    left = []
    now = start
    while True:
        left += [(now, released.packet.name) for released in queue.release_due(now)]
        due = queue.next_due()
        if due is None or due > until:
            return left
        assert due > now
        now = due


def burst(prefix: str, count: int, step: float, gap: float = 0.0, start: float = 0.0) -> list[Timed]:
    return [Timed(f"{prefix}{n}", start + n * step, gap) for n in range(count)]


def test_packets_of_several_calls_leave_in_the_order_of_their_times() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    queue.push(Call(), burst("a", 3, 0.5))
    queue.push(Call(), burst("b", 3, 0.5, start=0.25))
    assert run(queue, 2.0) == [
        (0.0, "a0"),
        (0.25, "b0"),
        (0.5, "a1"),
        (0.75, "b1"),
        (1.0, "a2"),
        (1.25, "b2"),
    ]
    assert len(queue) == 0


def test_nothing_leaves_early() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    queue.push(Call(), [Timed("a", 1.0)])
    assert list(queue.release_due(0.999)) == []
    assert queue.next_due() == 1.0
    assert [released.datagram for released in queue.release_due(1.0)] == [b"a"]
    assert queue.next_due() is None


def test_copies_due_together_keep_their_order() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    queue.push(Call(), [Timed("x", 1.0), Timed("y", 1.0), Timed("z", 1.0)])
    assert run(queue, 2.0, start=1.0) == [(1.0, "x"), (1.0, "y"), (1.0, "z")]


def test_a_stall_does_not_bunch_packets_within_their_gap() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    queue.push(Call(), burst("v", 5, 0.0625, gap=0.03125))
    # Nobody looks until all are late; then they leave gap by gap until they have caught up.
    assert run(queue, 1.0, start=0.25) == [
        (0.25, "v0"),
        (0.28125, "v1"),
        (0.3125, "v2"),
        (0.34375, "v3"),
        (0.375, "v4"),
    ]


def test_the_gap_is_counted_from_the_real_departure_and_across_pushes() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    call = Call()
    queue.push(call, [Timed("a", 0.0)])
    assert [released.packet.name for released in queue.release_due(0.5)] == ["a"]
    queue.push(call, [Timed("b", 0.5, gap=0.25), Timed("c", 2.0, gap=0.25)])
    assert run(queue, 3.0, start=0.5) == [(0.75, "b"), (2.0, "c")]


def test_a_stalled_call_does_not_hold_up_the_others() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    queue.push(Call(), burst("late", 3, 0.0, gap=1.0))
    queue.push(Call(), [Timed("other", 0.5)])
    assert run(queue, 5.0) == [(0.0, "late0"), (0.5, "other"), (1.0, "late1"), (2.0, "late2")]


def test_revoked_packets_vanish_without_a_trace() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    call = Call()
    queue.push(call, burst("old", 4, 0.25, gap=0.25))
    assert run(queue, 0.0) == [(0.0, "old0")]
    call.revoked |= {"old1", "old2", "old3"}
    # What follows a revoked burst is due before the end of it, and does not wait for it.
    queue.push(call, burst("new", 3, 0.25, gap=0.25, start=0.375))
    assert run(queue, 5.0, start=0.25) == [(0.375, "new0"), (0.625, "new1"), (0.875, "new2")]


def test_removing_a_channel_forgets_its_packets_and_only_its() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    gone, stays = Call(), Call()
    queue.push(gone, burst("gone", 3, 0.25))
    queue.push(stays, burst("stays", 2, 0.25, start=0.125))
    queue.remove(gone)
    queue.remove(gone)
    assert queue.next_due() == 0.125
    queue.push(gone, [Timed("again", 0.25)])
    assert run(queue, 5.0) == [(0.125, "stays0"), (0.25, "again"), (0.375, "stays1")]


def test_a_channel_may_be_removed_while_its_packet_leaves() -> None:
    queue: PacketQueue[Timed] = PacketQueue()
    call = Call()
    queue.push(call, burst("a", 3, 0.0))
    names = []
    for released in queue.release_due(0.0):
        names.append(released.packet.name)
        queue.remove(call)
    assert names == ["a0"]
    assert queue.next_due() is None


def test_the_queue_is_bounded_for_each_channel() -> None:
    queue: PacketQueue[Timed] = PacketQueue(limit=3)
    greedy, modest = Call(), Call()
    queue.push(greedy, burst("a", 2, 1.0))
    with pytest.raises(OverflowError, match="2 packets wait and 2 more"):
        queue.push(greedy, burst("b", 2, 1.0))
    queue.push(modest, burst("c", 3, 1.0))
    assert len(queue) == 5


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 4)),
        max_size=40,
    ),
    st.integers(1, 12),
)
def test_order_gaps_and_completeness(plan: list[tuple[int, int, int]], step: int) -> None:
    """Whatever is pushed, and however seldom anybody looks."""
    queue: PacketQueue[Timed] = PacketQueue()
    calls = [Call() for _ in range(4)]
    for number, (channel, due, gap) in enumerate(plan):
        queue.push(calls[channel], [Timed(str(number), due, gap)])
    last: dict[int, tuple[int, float]] = {}
    seen = set()
    now = 0
    while queue.next_due() is not None:
        for released in queue.release_due(now):
            channel = calls.index(cast(Call, released.channel))
            packet = released.packet
            assert packet.due <= now
            before, before_due = last.get(channel, (-1000, -1.0))
            assert now - before >= packet.gap
            assert packet.due >= before_due
            last[channel] = (now, packet.due)
            seen.add(packet.name)
        upcoming = queue.next_due()
        assert upcoming is None or upcoming > now
        now += step
    assert seen == {str(number) for number in range(len(plan))}


class SteppedLoop:
    """As much of an event loop as the pacer uses; time passes only in :meth:`advance`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[SteppedTimer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> SteppedTimer:
        timer = SteppedTimer(self, when, callback)
        self.timers.append(timer)
        return timer

    def advance(self, to: float) -> None:
        """Fire what is due on the way, each at its time."""
        while due := sorted((t for t in self.timers if t.due <= to), key=lambda t: t.due):
            self.now = max(self.now, due[0].due)
            self.timers.remove(due[0])
            due[0].callback()
        self.now = to

    def stall(self, to: float) -> None:
        """Time passes while the loop is busy elsewhere."""
        self.now = to


@dataclass(eq=False, slots=True)
class SteppedTimer:
    loop: SteppedLoop
    due: float
    callback: Callable[[], None]

    def when(self) -> float:
        return self.due

    def cancel(self) -> None:
        self.loop.timers.remove(self)


@pytest.fixture
def stepped() -> SteppedLoop:
    return SteppedLoop()


@pytest.fixture
def pacer(stepped: SteppedLoop) -> Pacer[Timed]:
    return Pacer(cast(asyncio.AbstractEventLoop, stepped))


def test_one_timer_serves_all_calls(stepped: SteppedLoop, pacer: Pacer[Timed]) -> None:
    calls = [Call() for _ in range(50)]
    for n, call in enumerate(calls):
        pacer.add(call, burst("p", 3, 0.03, start=0.001 * n))
        assert len(stepped.timers) == 1
    stepped.advance(1.0)
    assert all(call.sent == ["p0", "p1", "p2"] for call in calls)
    assert stepped.timers == []
    assert pacer.lateness.count == 150
    assert pacer.lateness.maximum == 0.0


def test_an_earlier_packet_moves_the_timer(stepped: SteppedLoop, pacer: Pacer[Timed]) -> None:
    late, early = Call(), Call()
    pacer.add(late, [Timed("late", 2.0)])
    pacer.add(early, [Timed("early", 1.0)])
    assert [timer.due for timer in stepped.timers] == [1.0]
    pacer.remove(early)
    assert [timer.due for timer in stepped.timers] == [2.0]
    pacer.remove(late)
    assert stepped.timers == []
    stepped.advance(3.0)
    assert (late.sent, early.sent) == ([], [])


def test_after_a_stall_of_the_loop_the_gap_holds_and_the_lateness_is_told(
    stepped: SteppedLoop, pacer: Pacer[Timed]
) -> None:
    call = Call()
    pacer.add(call, burst("p", 4, 0.0625, gap=0.03125))
    stepped.stall(0.25)
    stepped.advance(0.25)
    assert call.sent == ["p0"]
    stepped.advance(0.28125)
    assert call.sent == ["p0", "p1"]
    stepped.advance(1.0)
    assert call.sent == ["p0", "p1", "p2", "p3"]
    assert pacer.lateness.maximum == 0.25
    assert pacer.lateness.p99 == 0.25


class FaultyCall(Call):
    def send(self, datagram: bytes) -> None:
        raise RuntimeError("a bug in one call")


def test_a_fault_in_one_call_does_not_stop_the_others(stepped: SteppedLoop, pacer: Pacer[Timed]) -> None:
    faulty, sound = FaultyCall(), Call()
    pacer.add(faulty, [Timed("a", 1.0)])
    pacer.add(sound, [Timed("b", 1.0), Timed("c", 2.0)])
    with pytest.raises(RuntimeError):
        stepped.advance(1.0)
    stepped.advance(2.0)
    assert sound.sent == ["b", "c"]


def test_quantiles_of_the_lateness() -> None:
    lateness = Lateness()
    assert lateness.p99 == 0.0
    for _ in range(980):
        lateness.add(0.0004)
    for _ in range(20):
        lateness.add(0.012)
    lateness.add(-0.001)
    assert lateness.count == 1001
    assert lateness.quantile(0.5) == 0.0005
    assert lateness.p99 == 0.012
    lateness.add(7.0)
    assert lateness.maximum == 7.0
    assert lateness.quantile(1.0) == 7.0


async def test_on_a_real_loop_the_packets_leave_in_order_and_not_early() -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    times: list[float] = []

    class Last(Call):
        def send(self, datagram: bytes) -> None:
            super().send(datagram)
            times.append(loop.time())
            if len(self.sent) == 5:
                done.set()

    call = Last()
    pacer: Pacer[Timed] = Pacer(loop)
    start = loop.time()
    pacer.add(call, burst("p", 5, 0.004, start=start))
    await done.wait()
    assert call.sent == ["p0", "p1", "p2", "p3", "p4"]
    assert all(time >= start + n * 0.004 for n, time in enumerate(times))
    assert pacer.lateness.count == 5

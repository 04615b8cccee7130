"""The pacer on a loop whose clock only the test moves, and on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import pytest

from t38fsp.engine.pacer import TICK, Pacer
from t38fsp.t38.packet_lane import PacketLane, Planned


class Call:
    """A lane that writes down what leaves."""

    def __init__(self, pacer: Pacer, failed: Callable[[Exception], None] | None = None) -> None:
        self.sent: list[str] = []
        self._pacer = pacer
        self.lane = PacketLane(lambda octets, flags: octets)
        self.lane.send = self.send
        if failed is not None:
            self.lane.failed = failed

    def send(self, datagram: bytes) -> None:
        self.sent.append(datagram.decode())

    def add(self, packets: list[Planned]) -> None:
        self.lane.add(packets)
        self._pacer.schedule(self.lane)


def packet(name: str, due: float) -> Planned:
    return due, name.encode(), 0, 0.0


def burst(prefix: str, count: int, step: float, gap: float = 0.0, start: float = 0.0) -> list[Planned]:
    return [(start + n * step, f"{prefix}{n}".encode(), 0, gap) for n in range(count)]


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
    """As a loop may give it: not every loop tells when a timer rings."""

    loop: SteppedLoop
    due: float
    callback: Callable[[], None]

    def cancel(self) -> None:
        self.loop.timers.remove(self)


@pytest.fixture
def stepped() -> SteppedLoop:
    return SteppedLoop()


@pytest.fixture
def pacer(stepped: SteppedLoop) -> Pacer:
    return Pacer(cast(asyncio.AbstractEventLoop, stepped))


def test_one_timer_serves_all_calls(stepped: SteppedLoop, pacer: Pacer) -> None:
    calls = [Call(pacer) for _ in range(50)]
    for n, call in enumerate(calls):
        call.add(burst("p", 3, 0.03, start=0.001 * n))
        assert len(stepped.timers) == 1
    stepped.advance(1.0)
    assert all(call.sent == ["p0", "p1", "p2"] for call in calls)
    assert stepped.timers == []
    assert pacer.lateness.count == 150
    assert pacer.lateness.maximum <= TICK


def test_packets_due_within_a_tick_leave_in_one_turn_and_none_of_them_early(
    stepped: SteppedLoop, pacer: Pacer
) -> None:
    rung: list[float] = []
    times: dict[str, float] = {}
    call_at = stepped.call_at

    def ring(callback: Callable[[], None]) -> None:
        rung.append(stepped.now)
        callback()

    def watched(when: float, callback: Callable[[], None]) -> SteppedTimer:
        return call_at(when, partial(ring, callback))

    stepped.call_at = watched  # type: ignore[method-assign]
    for n in range(40):
        call = Call(pacer)
        call.lane.send = lambda datagram: times.__setitem__(datagram.decode(), stepped.now)
        call.add([packet(str(n), 1.0 + n * TICK / 10)])
    stepped.advance(2.0)
    assert len(rung) == 5
    for name, time in times.items():
        assert 0.0 <= time - (1.0 + int(name) * TICK / 10) < TICK + 1e-9


def test_an_earlier_packet_moves_the_timer(stepped: SteppedLoop, pacer: Pacer) -> None:
    late, early = Call(pacer), Call(pacer)
    late.add([packet("late", 2.0)])
    early.add([packet("early", 1.0)])
    assert [timer.due for timer in stepped.timers] == [1.0]
    pacer.remove(early.lane)
    assert [timer.due for timer in stepped.timers] == [2.0]
    pacer.remove(late.lane)
    assert stepped.timers == []
    stepped.advance(3.0)
    assert (late.sent, early.sent) == ([], [])


def test_after_a_stall_of_the_loop_the_gap_holds_and_the_lateness_is_told(
    stepped: SteppedLoop, pacer: Pacer
) -> None:
    call = Call(pacer)
    call.add(burst("p", 4, 0.0625, gap=0.03125))
    stepped.stall(0.25)
    stepped.advance(0.25)
    assert call.sent == ["p0"]
    stepped.advance(0.28)
    assert call.sent == ["p0"]
    stepped.advance(0.2825)
    assert call.sent == ["p0", "p1"]
    stepped.advance(1.0)
    assert call.sent == ["p0", "p1", "p2", "p3"]
    assert pacer.lateness.maximum == 0.25
    assert pacer.lateness.p99 == 0.25


def test_lateness_can_be_taken_each_second_and_is_kept_in_all(stepped: SteppedLoop, pacer: Pacer) -> None:
    call = Call(pacer)
    call.add([packet("a", 0.0), packet("b", 1.0)])
    stepped.stall(0.25)
    stepped.advance(0.5)
    assert (pacer.take_lateness().maximum, pacer.take_lateness().count) == (0.25, 0)
    stepped.advance(1.5)
    assert pacer.take_lateness().maximum == 0.0
    assert (pacer.lateness.count, pacer.lateness.maximum) == (2, 0.25)


def test_a_fault_in_one_call_does_not_stop_the_others(stepped: SteppedLoop, pacer: Pacer) -> None:
    def broken(datagram: bytes) -> None:
        raise RuntimeError("a bug in one call")

    told: list[Exception] = []
    faulty, sound = Call(pacer, told.append), Call(pacer)
    faulty.lane.send = broken
    faulty.add([packet("a", 1.0), packet("d", 1.5)])
    sound.add([packet("b", 1.0), packet("c", 2.0)])
    stepped.advance(2.0)
    assert sound.sent == ["b", "c"]
    assert len(told) == 1


async def test_on_a_real_loop_the_packets_leave_in_order_and_not_early() -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    times: list[float] = []
    pacer = Pacer(loop)
    call = Call(pacer)

    def send(datagram: bytes) -> None:
        call.send(datagram)
        times.append(loop.time())
        if len(call.sent) == 5:
            done.set()

    call.lane.send = send
    start = loop.time()
    call.add(burst("p", 5, 0.004, start=start))
    await done.wait()
    assert call.sent == ["p0", "p1", "p2", "p3", "p4"]
    assert all(time >= start + n * 0.004 for n, time in enumerate(times))
    assert pacer.lateness.count == 5

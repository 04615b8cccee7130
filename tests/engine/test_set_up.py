"""Set-ups of calls that wait for each other; the clock stands still unless somebody computes or sleeps."""

from __future__ import annotations

import asyncio

import pytest

from t38fsp.engine.set_up import Turns


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

        self.computed = 0.0

    def time(self) -> float:
        return self.now

    def compute(self, seconds: float, waited: float = 0.0) -> None:
        """So long, and so long again while others have the processor."""
        self.computed += seconds
        self.now += seconds + waited

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("t38fsp.engine.set_up.asyncio.sleep", clock.sleep)
    monkeypatch.setattr("t38fsp.engine.set_up.time.thread_time", lambda: clock.computed)
    return clock


def turns_by(clock: Clock) -> Turns:
    turns = Turns()
    turns._loop = clock  # type: ignore[assignment]
    return turns


async def test_others_have_twice_the_time_of_a_set_up(clock: Clock) -> None:
    turns = turns_by(clock)
    for seconds in (0.01, 0.02, 0.005):
        async with turns:
            clock.compute(seconds)
    assert clock.slept == [0.02, 0.04]


async def test_a_machine_that_is_busy_with_others_makes_no_pause_longer(clock: Clock) -> None:
    turns = turns_by(clock)
    for _ in range(2):
        async with turns:
            clock.compute(0.01, waited=0.5)
    assert clock.slept == [0.02]


async def test_nobody_waits_where_the_last_one_is_long_ago(clock: Clock) -> None:
    turns = turns_by(clock)
    for _ in range(3):
        async with turns:
            clock.compute(0.01)
        clock.now += 1.0
    assert clock.slept == []


async def test_who_comes_first_is_first_and_who_is_cancelled_takes_no_turn(clock: Clock) -> None:
    turns = turns_by(clock)
    order: list[int] = []

    async def set_up(number: int) -> None:
        async with turns:
            order.append(number)

    async with turns:
        waiting = [asyncio.create_task(set_up(number)) for number in range(4)]
        started = asyncio.Event()
        asyncio.get_running_loop().call_soon(started.set)
        await started.wait()
        waiting[1].cancel()
    await asyncio.wait(waiting)
    assert order == [0, 2, 3]


async def test_a_fault_in_a_set_up_keeps_nobody_waiting(clock: Clock) -> None:
    turns = turns_by(clock)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        async with turns:
            raise RuntimeError("a fault of ours")
    async with turns:
        pass

"""The heap of timers."""

from __future__ import annotations

from sip.transaction.timers import Timers


def test_timers_fire_in_order_of_time_and_then_of_setting() -> None:
    timers = Timers()
    fired: list[str] = []
    timers.at(2.0, lambda now: fired.append("c"))
    timers.at(1.0, lambda now: fired.append("a"))
    timers.at(1.0, lambda now: fired.append("b"))
    timers.at(9.0, lambda now: fired.append("late"))
    timers.fire(0.5)
    assert fired == []
    timers.fire(2.0)
    assert fired == ["a", "b", "c"]
    assert timers.next_deadline() == 9.0


def test_a_cancelled_timer_does_not_fire() -> None:
    timers = Timers()
    fired: list[float] = []
    timer = timers.at(1.0, fired.append)
    timer.cancel()
    timer.cancel()
    assert timers.next_deadline() is None
    assert len(timers) == 0
    timers.fire(5.0)
    assert fired == []


def test_a_timer_may_set_and_cancel_others_while_it_fires() -> None:
    timers = Timers()
    fired: list[str] = []
    doomed = timers.at(2.0, lambda now: fired.append("doomed"))

    def first(now: float) -> None:
        doomed.cancel()
        timers.at(now, lambda late: fired.append("second"))

    timers.at(1.0, first)
    timers.fire(2.0)
    assert fired == ["second"]


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    kept = timers.at(1e9, lambda now: None)
    for number in range(10_000):
        timers.at(1e6 + number, lambda now: None).cancel()
    assert len(timers) == 1
    assert timers.held <= 200
    kept.cancel()
    assert timers.next_deadline() is None

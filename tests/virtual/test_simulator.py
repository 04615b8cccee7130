"""A clock that jumps from one event to the next."""

from __future__ import annotations

from t38fsp.virtual.simulator import Alarm, Simulator


def test_events_come_in_the_order_of_their_times() -> None:
    simulator = Simulator()
    seen: list[tuple[float, str]] = []
    for when, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (0.5, "first")):
        simulator.at(when, lambda name=name: seen.append((simulator.now, name)))  # type: ignore[misc]
    assert simulator.run()
    assert seen == [(0.5, "first"), (1.0, "a"), (1.0, "b"), (2.0, "c")]
    assert simulator.now == 2.0


def test_time_never_goes_back() -> None:
    """What was due in the past comes next, at the time that it is."""
    simulator = Simulator()
    seen: list[float] = []
    simulator.at(5.0, lambda: simulator.at(1.0, lambda: seen.append(simulator.now)))
    simulator.run()
    assert seen == [5.0]


def test_it_stops_when_something_holds() -> None:
    simulator = Simulator()
    seen: list[float] = []
    for when in (1.0, 2.0, 3.0):
        simulator.at(when, lambda: seen.append(simulator.now))
    assert simulator.run(lambda: len(seen) == 2)
    assert (simulator.now, seen) == (2.0, [1.0, 2.0])
    assert simulator.run(lambda: len(seen) == 3)
    assert not simulator.run(lambda: len(seen) == 4)


def test_it_stops_at_a_limit() -> None:
    """And goes on from there: what is due later is still to come."""
    simulator = Simulator()
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(simulator.now)
        simulator.after(10.0, tick)

    tick()
    assert not simulator.run(limit=35.0)
    assert ticks == [0.0, 10.0, 20.0, 30.0]
    assert not simulator.run(limit=55.0)
    assert ticks == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]


def test_an_alarm_rings_once_at_its_last_setting() -> None:
    simulator = Simulator()
    rung: list[float] = []
    alarm = Alarm(simulator, lambda: rung.append(simulator.now))
    alarm.set(3.0)
    alarm.set(1.0)
    alarm.set(2.0)
    simulator.run()
    assert rung == [2.0]
    alarm.set(5.0)
    alarm.set(None)
    simulator.run()
    assert rung == [2.0]


def test_an_alarm_that_is_set_again_while_it_rings() -> None:
    simulator = Simulator()
    rung: list[float] = []

    def on_alarm() -> None:
        rung.append(simulator.now)
        if len(rung) < 3:
            alarm.set(simulator.now + 1.0)

    alarm = Alarm(simulator, on_alarm)
    alarm.set(1.0)
    simulator.run()
    assert rung == [1.0, 2.0, 3.0]

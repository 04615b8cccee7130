"""What a path does to datagrams."""

from __future__ import annotations

import itertools
import random

import pytest

from t38fsp.virtual.network import Faults, GilbertElliott, Path, VirtualNetwork
from t38fsp.virtual.simulator import Simulator

NEAR, FAR = ("192.0.2.1", 4000), ("192.0.2.2", 4000)


def arrivals(
    faults: Faults, count: int = 1000, *, interval: float = 0.02, seed: int = 1
) -> list[list[float]]:
    """When each of ``count`` datagrams arrives that leave one after the other."""
    path = Path(faults, random.Random(seed))
    return [path.arrivals(interval * number) for number in range(count)]


def runs_of_losses(sent: list[list[float]]) -> list[int]:
    return [len(list(group)) for lost, group in itertools.groupby(sent, lambda each: not each) if lost]


def test_a_path_without_faults_only_takes_time() -> None:
    assert arrivals(Faults(delay=0.5), 3, interval=1.0) == [[0.5], [1.5], [2.5]]


def test_loss_at_random_is_as_frequent_as_it_says() -> None:
    lost = sum(not each for each in arrivals(Faults(loss=0.2), 5000))
    assert 900 < lost < 1100


def test_bursts_lose_as_much_but_together() -> None:
    alone = runs_of_losses(arrivals(Faults(loss=0.1), 20_000))
    together = runs_of_losses(arrivals(Faults(bursts=GilbertElliott.of(0.1, 6)), 20_000))
    assert 1800 < sum(alone) < 2200
    assert 1500 < sum(together) < 2500
    assert sum(alone) / len(alone) < 1.3
    assert 5 < sum(together) / len(together) < 7


def test_duplicates_arrive_twice() -> None:
    twice = sum(len(each) == 2 for each in arrivals(Faults(duplication=0.1)))
    assert 70 < twice < 130


def test_what_is_held_back_is_overtaken() -> None:
    order = [each[0] for each in arrivals(Faults(reordering=0.1, held_back=0.07))]
    overtaken = sum(first > second for first, second in itertools.pairwise(order))
    assert 70 < overtaken < 130
    assert max(arrival - number * 0.02 for number, arrival in enumerate(order)) == pytest.approx(0.09)


@pytest.mark.parametrize("in_order", [False, True])
def test_jitter_changes_the_order_unless_it_may_not(in_order: bool) -> None:
    order = [each[0] for each in arrivals(Faults(jitter=0.2, in_order=in_order))]
    assert (order == sorted(order)) is in_order
    assert all(0.02 <= arrival - number * 0.02 <= 0.22001 for number, arrival in enumerate(order))


def test_drift_stretches_time() -> None:
    first, *_, last = arrivals(Faults(delay=0.1, drift=0.0002), 50_001)
    assert last[0] - first[0] == pytest.approx(1000.2)
    first, *_, last = arrivals(Faults(delay=0.1, drift=-0.0002), 50_001)
    assert last[0] - first[0] == pytest.approx(999.9)  # no datagram arrives before it left


def test_nothing_passes_in_the_dead_interval() -> None:
    sent = arrivals(Faults(dead=(2.0, 3.0)), 10, interval=0.5)
    assert [bool(each) for each in sent] == [True] * 4 + [False] * 2 + [True] * 4


def test_a_narrow_path_takes_its_time_and_loses_what_does_not_fit_into_its_queue() -> None:
    path = Path(Faults(delay=0.1, rate=80_000, queue=3000), random.Random(1))  # 10 octets in a millisecond
    assert [path.arrivals(0.0, 1000) for _ in range(4)] == [
        [pytest.approx(0.2)],
        [pytest.approx(0.3)],
        [pytest.approx(0.4)],
        [],
    ]
    assert path.arrivals(0.25, 1000) == [pytest.approx(0.5)]
    assert path.arrivals(9.0, 1000) == [pytest.approx(9.2)]


def test_the_same_seed_gives_the_same_line_and_a_fault_that_is_off_draws_nothing() -> None:
    faults = Faults(loss=0.1, jitter=0.05, duplication=0.05, reordering=0.05)
    assert arrivals(faults, seed=7) == arrivals(faults, seed=7)
    assert arrivals(faults, seed=7) != arrivals(faults, seed=8)
    assert arrivals(Faults(loss=0.1)) == arrivals(Faults(loss=0.1, duplication=0.0, dead=(900.0, 901.0)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": 1.1},
        {"duplication": -0.1},
        {"reordering": 2},
        {"delay": -1},
        {"drift": 1.0},
        {"dead": (3.0, 2.0)},
        {"rate": 0},
        {"rate": 1000, "queue": 0},
    ],
)
def test_faults_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"shares|delay|longer|drift|dead|rate|queue"):
        Faults(**wrong)


@pytest.mark.parametrize("wrong", [(1.0, 5), (0.1, 0.5), (-0.1, 2)])
def test_bursts_that_cannot_be_are_refused(wrong: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="burst"):
        GilbertElliott.of(*wrong)
    with pytest.raises(ValueError, match="probabilit"):
        GilbertElliott(0.5, 0.0)


def test_the_network_has_a_path_for_each_direction_and_shows_what_was_lost() -> None:
    simulator = Simulator()
    tapped: list[bytes] = []
    heard: list[tuple[float, bytes]] = []

    def faults_for(source: tuple[str, int], destination: tuple[str, int]) -> Faults:
        return Faults(delay=0.1) if source == NEAR else Faults(loss=1.0)

    network = VirtualNetwork(
        simulator, random.Random(1), faults_for, lambda when, source, destination, data: tapped.append(data)
    )
    network.bind(FAR, lambda data, source: heard.append((simulator.now, data)))
    network.bind(NEAR, lambda data, source: pytest.fail("everything this way is lost"))
    network.send(NEAR, FAR, b"there")
    network.send(FAR, NEAR, b"back")
    simulator.run()
    assert heard == [(0.1, b"there")]
    assert tapped == [b"there", b"back"]

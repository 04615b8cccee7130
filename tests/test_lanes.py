"""Lanes in simulated time: the order of many calls, gaps, stalls, and who plans when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.lanes import NEVER, Lane, Lanes
from t38fsp.t38.packet_lane import REPEAT, BurstEnd, PacketLane, Planned
from t38fsp.t38.values import Indicator

SILENCE = Indicator.NO_SIGNAL


class Call:
    """A packet lane that writes down what leaves, and when."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.now = 0.0
        self.left: list[tuple[float, str]] = []
        self.lane = PacketLane(lambda octets, flags: octets)
        self.lane.send = self._send

    def _send(self, datagram: bytes) -> None:
        self.left.append((clock.now, datagram.decode()))

    def add(self, packets: list[Planned]) -> None:
        self.lane.add(packets)
        self.lanes.schedule(self.lane)

    @property
    def sent(self) -> list[str]:
        return [name for _, name in self.left]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


clock = Clock()


@pytest.fixture
def lanes() -> Lanes:
    clock.now = 0.0
    return Lanes()


def packet(name: str, due: float, gap: float = 0.0, flags: int = 0) -> Planned:
    return due, name.encode(), flags, gap


def burst(prefix: str, number: int, step: float, gap: float = 0.0, start: float = 0.0) -> list[Planned]:
    return [packet(f"{prefix}{n}", start + n * step, gap) for n in range(number)]


def run(lanes: Lanes, until: float, start: float = 0.0) -> None:
    """Serve the lanes at their own times."""
    clock.now = start
    while True:
        lanes.turn(clock)
        due = lanes.next_due()
        if due is None or due > until:
            return
        assert due > clock.now or due == 0.0
        clock.now = max(due, clock.now)


def test_packets_of_several_calls_leave_in_the_order_of_their_times(lanes: Lanes) -> None:
    left: list[tuple[float, str]] = []
    a, b = Call(lanes), Call(lanes)
    a.left = b.left = left
    a.add(burst("a", 3, 0.5))
    b.add(burst("b", 3, 0.5, start=0.25))
    run(lanes, 2.0)
    assert left == [(0.0, "a0"), (0.25, "b0"), (0.5, "a1"), (0.75, "b1"), (1.0, "a2"), (1.25, "b2")]
    assert lanes.next_due() is None
    assert (lanes.lateness.count, lanes.lateness.maximum) == (6, 0.0)


def test_late_packets_of_several_calls_leave_in_the_order_of_their_times(lanes: Lanes) -> None:
    left: list[tuple[float, str]] = []
    a, b = Call(lanes), Call(lanes)
    a.left = b.left = left
    a.add(burst("a", 3, 0.5))
    b.add(burst("b", 3, 0.5, start=0.25))
    run(lanes, 2.0, start=1.0)
    assert left == [(1.0, name) for name in ("a0", "b0", "a1", "b1", "a2")] + [(1.25, "b2")]


def test_nothing_leaves_early(lanes: Lanes) -> None:
    call = Call(lanes)
    call.add([packet("a", 1.0)])
    clock.now = 0.999
    lanes.turn(clock)
    assert call.sent == []
    assert lanes.next_due() == 1.0
    clock.now = 1.0
    lanes.turn(clock)
    assert call.sent == ["a"]
    assert lanes.next_due() is None


def test_packets_due_together_keep_their_order(lanes: Lanes) -> None:
    call = Call(lanes)
    call.add([packet("x", 1.0), packet("y", 1.0), packet("z", 1.0)])
    run(lanes, 2.0, start=1.0)
    assert call.left == [(1.0, "x"), (1.0, "y"), (1.0, "z")]


def test_a_stall_does_not_bunch_packets_within_their_gap(lanes: Lanes) -> None:
    call = Call(lanes)
    call.add(burst("v", 5, 0.0625, gap=0.03125))
    # Nobody looks until all are late; then they leave gap by gap until they have caught up.
    run(lanes, 1.0, start=0.25)
    assert call.left == [(0.25, "v0"), (0.28125, "v1"), (0.3125, "v2"), (0.34375, "v3"), (0.375, "v4")]


def test_the_gap_is_counted_from_the_real_departure_and_across_additions(lanes: Lanes) -> None:
    call = Call(lanes)
    call.add([packet("a", 0.0)])
    run(lanes, 0.5, start=0.5)
    call.add([packet("b", 0.5, gap=0.25), packet("c", 2.0, gap=0.25)])
    run(lanes, 3.0, start=0.5)
    assert call.left == [(0.5, "a"), (0.75, "b"), (2.0, "c")]


def test_a_stalled_call_does_not_hold_up_the_others(lanes: Lanes) -> None:
    late, other = Call(lanes), Call(lanes)
    late.add(burst("late", 3, 0.0, gap=1.0))
    other.add([packet("other", 0.5)])
    run(lanes, 5.0)
    assert late.left == [(0.0, "late0"), (1.0, "late1"), (2.0, "late2")]
    assert other.left == [(0.5, "other")]


def test_what_is_dropped_vanishes_and_what_follows_does_not_wait_for_it(lanes: Lanes) -> None:
    call = Call(lanes)
    call.add(burst("old", 4, 0.25, gap=0.25))
    run(lanes, 0.0)
    call.lane.drop()
    call.add(burst("new", 3, 0.25, gap=0.25, start=0.125))
    run(lanes, 5.0, start=0.1)
    assert call.left == [(0.0, "old0"), (0.25, "new0"), (0.5, "new1"), (0.75, "new2")]


def test_a_copy_that_would_follow_another_packet_is_left_out(lanes: Lanes) -> None:
    call = Call(lanes)
    call.add([packet("a", 0.0), packet("a", 0.5, flags=REPEAT), packet("a", 1.0, flags=REPEAT)])
    call.add([packet("b", 0.75)])
    run(lanes, 5.0)
    assert call.left == [(0.0, "a"), (0.5, "a"), (0.75, "b")]


def test_removing_a_lane_forgets_its_packets_and_only_its(lanes: Lanes) -> None:
    gone, stays = Call(lanes), Call(lanes)
    gone.add(burst("gone", 3, 0.25))
    stays.add(burst("stays", 2, 0.25, start=0.125))
    lanes.remove(gone.lane)
    lanes.remove(gone.lane)
    assert lanes.next_due() == 0.125
    run(lanes, 5.0)
    assert (gone.sent, stays.sent) == ([], ["stays0", "stays1"])


def test_a_removed_lane_is_gone_however_often_it_was_to_be_planned(lanes: Lanes) -> None:
    """Turns that are too short to plan in: a burst is revoked and another begun, and then the call ends."""

    class Endless:
        done = None

        def extend(self, now: float) -> list[Planned]:
            return [packet("p", now)]

    call, other = Call(lanes), Call(lanes)
    for _ in range(2):
        call.lane.drop()
        call.lane.follow(Endless(), clock.now)
        lanes.schedule(call.lane)
        other.add([packet("o", clock.now) for _ in range(20)])
        lanes.turn(clock, 0.0)
        assert lanes.next_due() == 0.0
    lanes.remove(call.lane)
    lanes.remove(other.lane)
    assert lanes.next_due() is None
    lanes.turn(clock)
    assert call.sent == ["p", "p"]


def test_a_closed_lane_takes_nothing_any_more(lanes: Lanes) -> None:
    call = Call(lanes)
    call.add([packet("a", 0.0)])
    call.lane.close()
    assert call.lane.moved
    call.add([packet("b", 0.0)])
    run(lanes, 5.0)
    assert call.sent == []


def test_a_fault_ends_one_lane_and_is_told(lanes: Lanes) -> None:
    def broken(datagram: bytes) -> None:
        raise RuntimeError("a bug in one call")

    faulty, sound = Call(lanes), Call(lanes)
    told: list[Exception] = []
    faulty.lane.send, faulty.lane.failed = broken, told.append
    faulty.add(burst("f", 3, 1.0, start=1.0))
    sound.add([packet("b", 1.0), packet("c", 2.0)])
    run(lanes, 5.0)
    assert sound.sent == ["b", "c"]
    assert [str(error) for error in told] == ["a bug in one call"]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 4)), max_size=40),
    st.integers(1, 12),
)
def test_order_gaps_and_completeness(plan: list[tuple[int, int, int]], step: int) -> None:
    """Whatever is added, and however seldom anybody looks."""
    clock.now = 0.0
    lanes = Lanes()
    calls = [Call(lanes) for _ in range(4)]
    expected: list[list[tuple[float, int]]] = [[], [], [], []]
    for number, (which, due, gap) in sorted(enumerate(plan), key=lambda each: each[1][1]):
        calls[which].add([packet(str(number), due, gap)])
        expected[which].append((due, number))
    while lanes.next_due() is not None:
        lanes.turn(clock)
        upcoming = lanes.next_due()
        assert upcoming is None or upcoming > clock.now
        clock.now += step
    for call, due in zip(calls, expected, strict=True):
        assert call.sent == [str(number) for _, number in due]
        before = -1000.0
        for (left, name), (when, _) in zip(call.left, due, strict=True):
            assert left >= when
            assert left - before >= plan[int(name)][2]
            before = left


# --- planning -----------------------------------------------------------------------------------------------


class Stretches:
    """A plan of ``number`` stretches of ``size`` packets, 10 ms apart."""

    def __init__(self, number: int, size: int = 10, on_plan: Callable[[], None] = lambda: None) -> None:
        self.done: BurstEnd | None = None
        self.planned_at: list[float] = []
        self._left = number
        self._size = size
        self._next = 0
        self._on_plan = on_plan

    def extend(self, now: float) -> list[Planned]:
        self._on_plan()
        self.planned_at.append(now)
        numbers = range(self._next, self._next + self._size)
        self._next += self._size
        self._left -= 1
        if not self._left:
            self.done = BurstEnd(self._next / 100, SILENCE)
        return [packet(str(n), n / 100) for n in numbers]


def test_a_lane_is_planned_for_before_it_runs_out(lanes: Lanes) -> None:
    call, plan = Call(lanes), Stretches(5)
    call.lane.follow(plan, 0.0)
    lanes.schedule(call.lane)
    run(lanes, 5.0)
    assert call.sent == [str(n) for n in range(50)]
    assert all(left == n / 100 for n, (left, _) in enumerate(call.left))
    assert plan.planned_at == pytest.approx([0.0, 0.06, 0.16, 0.26, 0.36])


def test_the_end_of_a_plan_is_told_when_it_is_known(lanes: Lanes) -> None:
    call, told = Call(lanes), list[float]()
    call.lane.planned = lambda: told.append(clock.now)
    call.lane.follow(Stretches(3), 0.0)
    lanes.schedule(call.lane)
    run(lanes, 5.0)
    assert told == pytest.approx([0.16])


def test_stretches_of_one_packet_are_planned_as_they_are_needed(lanes: Lanes) -> None:
    call = Call(lanes)
    call.lane.follow(Stretches(20, size=1), 0.0)
    lanes.schedule(call.lane)
    run(lanes, 5.0)
    assert call.sent == [str(n) for n in range(20)]


def test_what_is_dropped_is_not_planned(lanes: Lanes) -> None:
    call, plan = Call(lanes), Stretches(5)
    call.lane.follow(plan, 0.0)
    lanes.schedule(call.lane)
    run(lanes, 0.055)
    call.lane.drop()
    lanes.schedule(call.lane)
    run(lanes, 5.0)
    assert len(call.sent) == 6
    assert len(plan.planned_at) == 1


def test_a_fault_in_a_plan_ends_one_lane(lanes: Lanes) -> None:
    def broken() -> None:
        if clock.now > 0.05:
            raise RuntimeError("a bug in one plan")

    faulty, sound = Call(lanes), Call(lanes)
    told: list[Exception] = []
    faulty.lane.failed = told.append
    for call, plan in ((faulty, Stretches(5, on_plan=broken)), (sound, Stretches(5))):
        call.lane.follow(plan, 0.0)
        lanes.schedule(call.lane)
    run(lanes, 5.0)
    assert len(sound.sent) == 50
    assert len(told) == 1


class Costly:
    """A clock that each packet and each plan moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


def test_a_turn_ends_when_its_time_is_spent_and_sends_before_it_plans() -> None:
    clock.now = 0.0
    lanes, costly, did = Lanes(), Costly(), list[str]()

    def planned() -> None:
        did.append("plan")
        costly.spend(0.003)

    def sent(datagram: bytes) -> None:
        did.append("send")
        costly.spend(0.001)

    calls = [Call(lanes) for _ in range(8)]
    for call in calls:
        call.lane.send = sent
        call.lane.follow(Stretches(3, size=4, on_plan=planned), 0.0)
        lanes.schedule(call.lane)
    did.clear()
    costly.now = 1.0  # all is late
    turns = []
    while lanes.next_due() is not None:
        before = costly.now
        lanes.turn(costly, 0.020)
        turns.append(costly.now - before)
        did.append("turn")
    assert did.count("send") == 8 * 12
    assert did.count("plan") == 8 * 2
    # At most 15 packets more before the clock is looked at, or one plan.
    assert max(turns) < 0.040
    # The first turn has sent all that was planned before anything else was.
    assert "plan" not in did[: did.index("turn")]
    assert did.index("plan") >= 8 * 4


def test_a_lane_of_another_kind_makes_its_packet_when_it_is_due(lanes: Lanes) -> None:
    class Ticking(Lane):
        """Says the time, each 20 ms, four times."""

        beats = 0

        @property
        def due(self) -> float:
            return self.beats * 0.02 if self.beats < 4 else NEVER

        def leave(self, now: float, hungry: deque[Lane]) -> float:
            self.send(f"{now:.3f}".encode())
            self.beats += 1
            return self.due

    call, lane = Call(lanes), Ticking()
    lane.send = call.lane.send
    lanes.schedule(lane)
    call.add(burst("p", 3, 0.03))
    run(lanes, 1.0)
    assert call.sent == ["0.000", "p0", "0.020", "p1", "0.040", "0.060", "p2"]


def test_a_lane_that_leads_nowhere_says_so(lanes: Lanes) -> None:
    lane = PacketLane(lambda octets, flags: octets)
    lane.add([packet("a", 0.0)])
    lanes.schedule(lane)
    with pytest.raises(RuntimeError, match="send function"):
        lanes.turn(clock)

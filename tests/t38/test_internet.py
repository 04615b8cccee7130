"""Bursts without the pace of a modem: their packets, how fast they leave, and the mark in SDP."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.syntax.sdp import Attribute, MediaDescription
from t38fsp.t30.vocabulary import CarrierDetected, CarrierLost, FrameReceived, HdlcBurst, Modem
from t38fsp.t38.attributes import (
    MARK,
    T38Parameters,
    has_mark,
    mark_of,
    with_mark,
)
from t38fsp.t38.ifp import Syntax
from t38fsp.t38.internet import (
    FIRST_RATE,
    LEAST_RATE,
    MOST_RATE,
    RateControl,
    UnpacedPlanner,
)
from t38fsp.t38.packet_lane import REPEAT, Planned
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import Timing
from t38fsp.t38.udptl import unprefixed
from tests.t38.line import Line
from tests.t38.outlet import Outlet

FRAMES = tuple(b"\xff\xc0\x60" + bytes((n,)) + random.Random(n).randbytes(256) for n in range(256))
RCP = b"\xff\xc0\x61"
BLOCK = HdlcBurst(Modem.V17_14400, (*FRAMES, RCP, RCP, RCP), modem_paced=False)
PPS = HdlcBurst(Modem.V21, (b"\xff\xc8\xfd\xf2\x00\x00\xff",), modem_paced=False)
MCF = HdlcBurst(Modem.V21, (b"\xff\xc8\x31",), modem_paced=False)


def plan(rate: RateControl, *, roomy: int = 340, max_datagram: int = 1400) -> list[Planned]:
    """A block, planned without being late, and without the copies of its end."""
    planner = UnpacedPlanner(Timing(), rate, roomy, max_datagram - 10, 3, max_datagram)
    burst = planner.plan(BLOCK, Syntax.Y1998, 10.0)
    planned: list[Planned] = []
    while burst.done is None:
        planned += burst.extend(planned[-1][0] if planned else 10.0)
    assert burst.done.due == next(due for due, _, flags, _ in reversed(planned) if not flags & REPEAT)
    return [packet for packet in planned if not packet[2] & REPEAT]


# --- on the wire --------------------------------------------------------------------------------------------


def test_a_block_has_a_packet_for_each_frame_and_takes_as_long_as_the_rate_says() -> None:
    steps = plan(RateControl())
    assert len(steps) == 1 + 259 + 1
    octets = 256 * (4 * (260 + 6 + 2) + 4 + 28)
    assert steps[-1][0] - 10.0 == pytest.approx(octets * 8 / FIRST_RATE, rel=0.02)


def test_frames_are_cut_for_a_far_end_with_small_datagrams() -> None:
    steps = plan(RateControl(), roomy=40, max_datagram=238)
    assert max(len(unprefixed(octets)) for _, octets, _, _ in steps) <= 40
    assert len(steps) == 2 + 256 * 8 + 3


def test_packets_leave_in_groups_and_late_groups_do_not_run_into_each_other() -> None:
    rate = RateControl()
    for _ in range(10):
        rate.answered(0.1, 1.0, 0.0, stored=False)
    assert rate.rate == MOST_RATE
    groups = [list(group) for _, group in itertools.groupby(plan(rate), key=lambda step: step[0])]
    assert max(map(len, groups)) <= 12
    for before, (first, *others) in itertools.pairwise(groups):
        assert first[0] - before[0][0] == pytest.approx(0.005, abs=0.001)
        assert first[3] == 0.0025
        assert not any(gap for _, _, _, gap in others)


@pytest.mark.parametrize(
    ("max_datagram", "loss"),
    [(40, 0.0), (72, 0.0), (238, 0.05), (1400, 0.05)],  # copies do not fit into the smallest
)
def test_what_is_sent_is_heard_and_answered_at_once(max_datagram: int, loss: float) -> None:
    dice = random.Random(1)
    near = Terminal(max_datagram=max_datagram)
    far = Terminal()
    line = Line(near, far, lambda _: None if dice.random() < loss else 0.02)
    line.send(0, BLOCK)
    line.send(0, PPS)
    line.run(10.0)
    frames = [signal for signal in line.heard(1) if isinstance(signal, FrameReceived)]
    assert [frame.frame for frame in frames if frame.good] == [*BLOCK.frames, *PPS.frames]
    # The next burst does not wait for a silence of modems.
    ends = [when for when, signal in line.signals[1] if isinstance(signal, CarrierLost)]
    began = [when for when, signal in line.signals[1] if isinstance(signal, CarrierDetected)]
    assert began[1] - ends[0] < 0.15
    line.send(1, MCF)
    line.run(11.0)
    (answer,) = [when for when, signal in line.signals[0] if isinstance(signal, FrameReceived)]
    assert answer < 10.3


@pytest.mark.parametrize("max_datagram", [72, 1400])
def test_a_stall_makes_no_heap_and_a_call_with_a_modem_goes_on_beside_it(max_datagram: int) -> None:
    fast, slow = Outlet(Terminal(max_datagram=max_datagram)), Outlet(Terminal())
    slow.lanes = fast.lanes
    for _ in range(5):
        fast.terminal.rate_control.answered(0.1, 1.0, 0.0, stored=False)
    assert fast.terminal.rate_control.rate == MOST_RATE
    calls = (fast, slow)
    for call, burst in zip(calls, (BLOCK, HdlcBurst(Modem.V17_14400, FRAMES)), strict=True):
        call.terminal.send(burst, 0.0)
    now, most = 0.0, 0
    while not fast.over:
        before = len(fast.left)
        for call in calls:
            call.turn(now)
        most = max(most, len(fast.left) - before)
        now += 1.0 if now == 0.0 else 0.002  # the process was held up for a second
        if now == pytest.approx(1.002):
            assert len(slow.left) > 1
    assert most <= 32  # two groups
    assert now < 2.0


def test_the_far_end_of_such_a_burst_tells_no_jitter() -> None:
    near, far = Terminal(), Terminal()
    line = Line(near, far, lambda _: 0.02)
    line.send(1, MCF)
    line.run(1.0)
    line.send(0, BLOCK)
    line.run(10.0)
    assert far.counters.received > 250
    assert far.counters.jitter == 0


def test_a_modem_gets_its_pace_again() -> None:
    near, far = Terminal(), Terminal()
    line = Line(near, far)
    line.send(0, PPS)
    line.send(0, HdlcBurst(Modem.V21, PPS.frames))
    line.run(5.0)
    fast, slow = line.bursts_sent[0]
    assert fast < 0.1
    assert slow - fast > 1.2


def test_what_is_revoked_does_not_leave() -> None:
    near, far = Terminal(), Terminal()
    line = Line(near, far)
    line.send(0, BLOCK)
    line.run(0.5)
    near.revoke(line.now)
    line.run(3.0)
    assert not line.bursts_sent[0]
    sent = [each for each in line.sent if each.time > 0.5]
    assert {each.text for each in sent} == {"no-signal"}
    assert len(sent) < 8


# --- how fast -----------------------------------------------------------------------------------------------


def prompt(rate: RateControl, times: int = 1) -> None:
    for _ in range(times):
        rate.answered(0.1, 1.0, 0.0, stored=False)


def test_the_rate_doubles_with_each_prompt_answer_up_to_a_ceiling() -> None:
    rate = RateControl()
    rate.answered(0.1, 0.0, 0.0, stored=False)
    seen = [rate.rate]
    for _ in range(6):
        prompt(rate)
        seen.append(rate.rate)
    assert seen == [n * 1_000_000 for n in (4, 8, 16, 16, 16, 16, 16)]


def test_a_late_answer_tells_how_fast_the_path_is() -> None:
    rate = RateControl()
    rate.answered(0.1, 0.0, 0.0, stored=False)
    rate.answered(3.1, 1.0, 0.0, stored=False)
    assert rate.rate == FIRST_RATE // 4
    prompt(rate, 2)
    assert rate.rate == FIRST_RATE * 5 // 16


def test_the_time_that_pages_take_to_be_stored_does_not_count() -> None:
    rate = RateControl()
    rate.answered(0.1, 0.0, 0.0, stored=False)
    for _ in range(4):
        rate.answered(1.2, 0.1, 0.0, stored=True)
    assert rate.rate == MOST_RATE
    rate.answered(2.3, 1.1, 0.0, stored=True)
    assert rate.rate == MOST_RATE // 2


def test_loss_halves_the_rate_or_more_and_it_comes_back_slowly() -> None:
    rate = RateControl()
    rate.answered(0.1, 1.0, 0.01, stored=False)
    assert rate.rate == FIRST_RATE // 2
    rate.answered(0.1, 1.0, 0.75, stored=False)
    assert rate.rate == FIRST_RATE // 8
    prompt(rate)
    assert FIRST_RATE // 8 < rate.rate < FIRST_RATE // 6
    rate.answered(0.1, 1.0, 1.0, stored=False)
    assert rate.rate == LEAST_RATE


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100), st.floats(0, 1), st.booleans())))
def test_the_rate_stays_within_its_bounds(answers: list[tuple[float, float, float, bool]]) -> None:
    rate = RateControl()
    for seconds, burst, missing, stored in answers:
        rate.answered(seconds, burst, missing, stored=stored)
        assert LEAST_RATE <= rate.rate <= MOST_RATE


# --- the mark -----------------------------------------------------------------------------------------------


def test_a_mark_fits_the_address_beside_it_and_no_other() -> None:
    media = with_mark(T38Parameters().to_media(4000), "192.0.2.1")
    assert has_mark(media, "192.0.2.1")
    assert not has_mark(media, "192.0.2.2")
    moved = MediaDescription("image", 4002, "udptl", ("t38",), media.attributes)
    assert not has_mark(moved, "192.0.2.1")
    assert not has_mark(T38Parameters().to_media(4000), "192.0.2.1")


@pytest.mark.parametrize(
    ("written", "read"),
    [("2001:db8::1", "2001:0DB8:0:0::1"), ("FAX.example", "fax.EXAMPLE"), ("192.0.2.1", "192.0.2.1")],
)
def test_an_address_may_be_spelled_otherwise(written: str, read: str) -> None:
    assert has_mark(with_mark(T38Parameters().to_media(4000), written), read)


def test_case_and_blanks_do_not_matter() -> None:
    value = f"  {mark_of('192.0.2.1', 4000).upper()} "
    attributes = (Attribute("t38faxversion", "0"), Attribute(MARK.upper(), value))
    assert has_mark(MediaDescription("image", 4000, "udptl", ("t38",), attributes), "192.0.2.1")


@given(value=st.none() | st.text(), host=st.text(), port=st.integers(0, 65535))
def test_no_other_value_is_a_mark(value: str | None, host: str, port: int) -> None:
    media = MediaDescription("image", port, "udptl", ("t38",), (Attribute(MARK, value),))
    assert not has_mark(media, host)
    assert has_mark(with_mark(MediaDescription("image", port, "udptl", ("t38",)), host), host)

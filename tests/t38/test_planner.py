"""What a plan asks of the far end: never more octets ahead of its modem than it can hold, and no fill."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest

from t38fsp.t30.vocabulary import Burst, HdlcBurst, Modem, RawBurst
from t38fsp.t38.ifp import DataPacket, IndicatorPacket, Syntax, parse
from t38fsp.t38.packet_lane import CONTROL, REPEAT, BurstEnd, BurstPlan, Planned
from t38fsp.t38.planner import Planner, line_bits
from t38fsp.t38.timing import Timing
from t38fsp.t38.udptl import unprefixed
from tests.sweep import Share, sweep

FAST = [modem for modem in Modem if modem is not Modem.V21]
PAGE = b"\0\1" + random.Random(3).randbytes(6000)
FRAMES = [b"\xff\xc0\x60" + bytes((n,)) + random.Random(n).randbytes(256) for n in range(9)]
ROOM = 200
"""Octets of a packet; more than any chunk has."""


class Step(NamedTuple):
    """A planned packet."""

    due: float
    ifp: bytes
    control: bool


def whole(plan: BurstPlan) -> tuple[list[Step], BurstEnd]:
    """All stretches of a plan."""
    planned: list[Planned] = []
    while plan.done is None:
        stretch = plan.extend(0.0)
        assert stretch or plan.done is not None
        planned += stretch
    return [
        Step(due, unprefixed(octets), bool(flags & CONTROL))
        for due, octets, flags, _ in planned
        if not flags & REPEAT
    ], plan.done


def steps(burst: Burst, planner: Planner) -> list[Step]:
    """The packets of ``burst``, without their copies; the line has been silent."""
    return whole(planner.plan(burst, Syntax.Y1998, 0.0, silent_since=-1.0))[0]


def planner(**options: object) -> Planner:
    return Planner(Timing(), ROOM, ROOM, **options)  # type: ignore[arg-type]


def octets(step: Step) -> bytes:
    packet = parse(step.ifp, Syntax.Y1998)
    return b"".join(field.data for field in packet.fields) if isinstance(packet, DataPacket) else b""


def most_held(burst: HdlcBurst | RawBurst, planned: list[Step], timing: Timing) -> float:
    """Most octets that a far end ever holds whose modem begins with the data as soon as its training ends."""
    raw = isinstance(burst, RawBurst)
    begin = timing.start_up(burst.modem, short_training=burst.short_training, hdlc=not raw)
    rate = burst.modem.rate / 8
    held = most = 0.0
    last = begin
    for step in planned:
        if step.due > begin:
            held = max(held - (step.due - last) * rate, 0.0)
            last = step.due
        held += len(octets(step))
        most = max(most, held)
    return most


# --- T38FaxMaxBuffer ----------------------------------------------------------------------------------------


@sweep(push=Share.ALL, buffer=[24, 40, 72, 160, 200, 400, 2000], modem=FAST)
def test_the_far_end_never_holds_more_than_its_buffer(modem: Modem, buffer: int) -> None:
    for burst in (RawBurst(modem, PAGE), HdlcBurst(modem, FRAMES), RawBurst(modem, bytes(900))):
        planned = steps(burst, planner(max_buffer=buffer))
        assert most_held(burst, planned, Timing()) <= buffer + 1e-6
        sent = b"".join(map(octets, planned))
        assert sent.startswith(burst.data if isinstance(burst, RawBurst) else b"".join(FRAMES))


def test_a_small_buffer_is_one_that_the_usual_plan_would_overrun() -> None:
    burst = RawBurst(Modem.V17_14400, PAGE)
    assert most_held(burst, steps(burst, planner()), Timing()) > 160


def test_a_whole_frame_of_v21_goes_in_pieces_when_the_buffer_is_small() -> None:
    plan = Planner(Timing(whole_frames=True), ROOM, ROOM, max_buffer=40)
    frame = b"\xff\xc8\x01" + bytes(range(90))
    pieces = [octets(step) for step in steps(HdlcBurst(Modem.V21, [frame]), plan)]
    assert [len(piece) for piece in pieces if piece] == [40, 40, 13]
    assert b"".join(pieces) == frame


# --- fill ---------------------------------------------------------------------------------------------------

EOL = b"\x00\x01"


def lines_with_fill(count: int, fill: int) -> bytes:
    """Lines of odd octets, each with ``fill`` octets of zeros before its EOL."""
    chance = random.Random(fill)
    lines = (bytes(chance.randrange(1, 256, 2) for _ in range(chance.randint(1, 90))) for _ in range(count))
    return EOL + b"".join(line + bytes(fill) + EOL for line in lines) + b"\x00\x10\x01" * 3


@pytest.mark.parametrize("fill", [0, 1, 2, 3, 9, 40, 200])
@pytest.mark.parametrize("modem", [Modem.V27TER_2400, Modem.V17_14400])
def test_fill_stays_here_and_keeps_its_time(modem: Modem, fill: int) -> None:
    data = lines_with_fill(30, fill)
    burst = RawBurst(modem, data)
    filled = steps(burst, planner())
    bare = steps(burst, planner(fill_removal=True))
    sent = b"".join(map(octets, bare))
    expected = data
    while b"\0\0\0" in expected:
        expected = expected.replace(b"\0\0\0", b"\0\0")
    assert sent[: len(expected)] == expected
    assert not sent[len(expected) :].strip(b"\0")
    assert (bare[0].due, bare[-1].due) == (filled[0].due, filled[-1].due)
    dues = {step.due for step in filled}
    assert all(step.due in dues for step in bare)
    if fill > 9:
        assert len(sent) < len(data) * 0.75


def test_tcf_is_no_fill() -> None:
    planned = steps(RawBurst(Modem.V17_14400, bytes(2700)), planner(fill_removal=True))
    assert sum(len(octets(step)) for step in planned) == 2700


# --- what must not be lost ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "burst",
    [
        HdlcBurst(Modem.V21, [b"\xff\xc8\x21"]),
        HdlcBurst(Modem.V17_14400, FRAMES[:2]),
        RawBurst(Modem.V29_9600, PAGE[:300]),
        HdlcBurst(Modem.V21, []),
    ],
)
def test_everything_but_the_data_of_a_fast_modem_is_control(burst: Burst) -> None:
    for step in steps(burst, planner()):
        packet = parse(step.ifp, Syntax.Y1998)
        if isinstance(packet, IndicatorPacket):
            assert step.control
            continue
        names = {field.type.name for field in packet.fields}
        is_end = any(name.endswith("SIG_END") for name in names)
        assert step.control is (is_end or packet.type.modem is Modem.V21)


def test_the_end_of_a_burst_is_not_due_before_its_last_bit() -> None:
    frames = FRAMES[:2]
    _, done = whole(planner().plan(HdlcBurst(Modem.V17_14400, frames), Syntax.Y1998, 0.0, silent_since=-1.0))
    bits = sum(sum(line_bits(frame)) + 16 for frame in frames)
    assert done.due == pytest.approx(1.393 + 0.2 + bits / 14400 + 0.1)

"""Two terminals and a network in simulated time: what T.30 sends is what T.30 hears."""

from __future__ import annotations

import random

import pytest

from t38fsp.t30.vocabulary import (
    Burst,
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    HdlcBurst,
    LineSignal,
    Modem,
    RawBurst,
    Tone,
    ToneBurst,
    ToneHeard,
)
from t38fsp.t38.ifp import Syntax
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import Timing
from tests.sweep import sweep
from tests.t38.line import Line

DCS = [b"\xff\xc0\xc2" + bytes.fromhex("0c8c4c") * 6, b"\xff\xc8\xc1\x00\x1f\x22"]
CFR = [b"\xff\xc8\x21"]
ECM = [b"\xff\xc0\x60" + bytes((n,)) + random.Random(n).randbytes(256) for n in range(12)] + [
    b"\xff\xc0\x61"
] * 3
PAGE = b"\0\1" + random.Random(1).randbytes(9000)

CALL: list[tuple[int, Burst]] = [
    (0, HdlcBurst(Modem.V21, DCS)),
    (0, RawBurst(Modem.V17_14400, bytes(2700))),
    (1, HdlcBurst(Modem.V21, CFR)),
    (0, HdlcBurst(Modem.V17_14400, ECM, short_training=True)),
    (1, HdlcBurst(Modem.V21, CFR)),
    (0, RawBurst(Modem.V29_7200, PAGE)),
    (1, HdlcBurst(Modem.V21, CFR)),
    (0, HdlcBurst(Modem.V27TER_2400, ECM[:3])),
]


def bursts_heard(signals: list[LineSignal]) -> list[Burst]:
    """Bursts put together again from what was heard; asserts that nothing was damaged."""
    bursts: list[Burst] = []
    frames: list[bytes] = []
    data = b""
    short = False
    for signal in signals:
        match signal:
            case CarrierDetected(_, short_training):
                frames, data, short = [], b"", short_training
            case FrameReceived(_, frame, good):
                assert good
                frames.append(frame)
            case DataReceived(_, octets, after_gap):
                assert not after_gap
                data += octets
            case CarrierLost(modem, clean):
                assert clean
                bursts.append(HdlcBurst(modem, frames, short) if frames else RawBurst(modem, data, short))
            case ToneHeard(tone):
                bursts.append(ToneBurst(tone, 0.0))
    return bursts


def play(line: Line) -> None:
    for side, burst in CALL:
        done = len(line.bursts_sent[side])
        line.send(side, burst)  # type: ignore[arg-type]
        while len(line.bursts_sent[side]) == done:
            line.run(line.now + 0.05)
        line.run(line.now + 0.3)


def assert_same(line: Line) -> None:
    for side in (0, 1):
        sent = [burst for sender, burst in CALL if sender != side]
        heard = bursts_heard(line.heard(side))  # type: ignore[arg-type]
        assert len(heard) == len(sent)
        for burst, again in zip(sent, heard, strict=True):
            if isinstance(burst, RawBurst) and burst.data == PAGE:
                assert isinstance(again, RawBurst)
                assert again.data.startswith(PAGE)
                assert not again.data[len(PAGE) :].strip(b"\0")
            else:
                assert again == burst


@pytest.mark.parametrize("syntax", Syntax)
@pytest.mark.parametrize(
    "timing",
    [
        Timing(),
        Timing(whole_frames=True),
        Timing(fcs_with_data=True),
        Timing(copies=1, chunk=0.06),
        Timing(copies=4),
    ],
    ids=["default", "whole frames", "fcs with data", "60 ms", "four copies"],
)
def test_every_burst_arrives(syntax: Syntax, timing: Timing) -> None:
    line = Line(Terminal(syntax=syntax, timing=timing), Terminal(syntax=syntax, timing=timing))
    play(line)
    assert_same(line)


@pytest.mark.parametrize("limit", [72, 100, 180, 400])
def test_every_burst_arrives_in_small_datagrams(limit: int) -> None:
    line = Line(Terminal(max_datagram=limit), Terminal(max_datagram=limit))
    play(line)
    assert_same(line)


@sweep(push=5, seed=range(20))
def test_with_redundancy_every_burst_survives_5_percent_loss(seed: int) -> None:
    chance = random.Random(seed)
    line = Line(Terminal(), Terminal(), lambda _: None if chance.random() < 0.05 else 0.03)
    play(line)
    assert_same(line)
    counters = [terminal.counters for terminal in line.terminals]
    assert sum(each.recovered for each in counters) > 5
    assert sum(each.lost for each in counters) == 0


@pytest.mark.parametrize("seed", range(5))
def test_with_redundancy_the_order_of_arrival_does_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    line = Line(Terminal(), Terminal(), lambda _: chance.choice([0.02, 0.02, 0.09]))
    play(line)
    assert_same(line)


@pytest.mark.parametrize("seed", range(5))
def test_without_redundancy_what_is_lost_is_told_and_the_rest_is_right(seed: int) -> None:
    chance = random.Random(seed)
    near, far = Terminal(redundancy=0), Terminal(redundancy=0)
    line = Line(near, far, lambda _: None if chance.random() < 0.05 else 0.03)
    play(line)
    frames = [each for each in line.heard(1) if isinstance(each, FrameReceived)]
    assert any(not each.good for each in frames)
    assert {each.frame for each in frames if each.good} <= {*DCS, *ECM}
    raw = [each for each in line.heard(1) if isinstance(each, DataReceived)]
    assert any(each.after_gap for each in raw)
    assert far.counters.lost > 5


def test_cng_and_ced() -> None:
    line = Line(Terminal(), Terminal())
    line.send(0, ToneBurst(Tone.CNG, 0.5))
    line.send(1, ToneBurst(Tone.CED, 3.0))
    line.run(5.0)
    assert line.heard(0) == [ToneHeard(Tone.CED)]
    assert line.heard(1) == [ToneHeard(Tone.CNG)]

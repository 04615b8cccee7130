"""Jitter of packets that carry no time of their own."""

from __future__ import annotations

import random

import pytest

from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket
from t38fsp.t38.jitter import JitterMeter
from t38fsp.t38.values import DataType, FieldType, Indicator

CHUNK = DataPacket(DataType.V17_14400, (Field(FieldType.T4_NON_ECM_DATA, bytes(54)),))
PACE = 0.03
"""Seconds that 54 octets take at 14400 bit/s."""


def hear(meter: JitterMeter, arrivals: list[float], first: int = 0) -> int:
    return [meter.hear(CHUNK, first + n, arrived) for n, arrived in enumerate(arrivals)][-1]


def test_an_even_line_has_none() -> None:
    assert hear(JitterMeter(), [5.0 + PACE * n for n in range(100)]) == 0


@pytest.mark.parametrize("spread", [0.01, 0.05])
def test_jitter_is_told_in_milliseconds(spread: float) -> None:
    """Two uniform delays differ by a third of their range on average."""
    chance = random.Random(1)
    found = hear(JitterMeter(), [PACE * n + chance.uniform(0, spread) for n in range(2000)])
    assert found == pytest.approx(spread * 1000 / 3, rel=0.5)


def test_what_is_not_paced_or_does_not_follow_counts_for_nothing() -> None:
    meter = JitterMeter()
    hear(meter, [0.0])
    assert meter.hear(CHUNK, 2, 0.5) == 0  # 1 is missing
    assert meter.hear(IndicatorPacket(Indicator.NO_SIGNAL), 3, 0.9) == 0
    assert meter.hear(CHUNK, 4, 1.0) == 0
    assert meter.hear(DataPacket(DataType.V17_14400, (Field(FieldType.HDLC_FCS_OK),)), 5, 1.5) == 0
    assert meter.hear(CHUNK, 6, 2.0) == 0
    slower = DataPacket(DataType.V29_7200, CHUNK.fields)
    assert meter.hear(slower, 7, 2.4) == 0
    assert meter.hear(slower, 8, 4.4) == 0  # a sender that paused

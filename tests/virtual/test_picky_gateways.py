"""Quirks of what a gateway takes: what they do to a naive endpoint, which is not to be seen on the wire.

Each is given what such an endpoint would send, and then what a careful one does.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import pytest

from t38fsp.audio.leg import Role
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket, Packet, Syntax
from t38fsp.t38.values import DataType, FieldType, Indicator
from t38fsp.virtual.hooks import Gateway, Habits
from t38fsp.virtual.quirks import parse_quirks

PREAMBLE = IndicatorPacket(Indicator.V21_PREAMBLE)
TRAINING = IndicatorPacket(Indicator.V29_9600_TRAINING)
SILENCE = IndicatorPacket(Indicator.NO_SIGNAL)
RATE = 9600 / 8
"""Octets a second."""


def v21(*fields: Field) -> DataPacket:
    return DataPacket(DataType.V21, fields)


def raw(octets: int, *, last: bool = False) -> DataPacket:
    kind = FieldType.T4_NON_ECM_SIG_END if last else FieldType.T4_NON_ECM_DATA
    return DataPacket(DataType.V29_9600, (Field(kind, b"\x55" * octets),))


DATA = v21(Field(FieldType.HDLC_DATA, b"\xff\x13\x80"))
FCS_OK = v21(Field(FieldType.HDLC_FCS_OK))
END = v21(Field(FieldType.HDLC_FCS_OK_SIG_END))
BAD_END = v21(Field(FieldType.HDLC_FCS_BAD_SIG_END))
SIG_END = v21(Field(FieldType.HDLC_SIG_END))


class Line:
    """As much of a gateway's call as these quirks ask for."""

    def __init__(self, quirk: str) -> None:
        (self._quirk,) = parse_quirks(quirk)
        self.now = 0.0
        self.random = random.Random(1)
        self.role = Role.ANSWERING
        self.syntax = Syntax.Y1998
        self.habits = self._quirk.habits(Habits())
        self.happened: Counter[str] = Counter()
        self._gateway = cast(Gateway, self)
        self._stage = self._quirk.stage(self._gateway)

    def note(self, name: str) -> None:
        self.happened[name] += 1

    @property
    def complained(self) -> bool:
        return bool(self.happened)

    def hears(self, packets: Iterable[tuple[float, Packet]]) -> list[Packet]:
        """What the machine hears of packets that come at these times."""
        heard: list[Packet] = []
        for self.now, packet in packets:
            heard += self._stage.packet_in(packet, self._gateway)
        return heard

    def takes(self, datagram: bytes) -> bool:
        return bool(list(self._stage.datagram_in(datagram, self._gateway)))

    def takes_packet(self, packet: Packet) -> bool:
        return bool(list(self._stage.ifp_in(ifp.encode(packet, Syntax.Y1998), self._gateway)))


@pytest.mark.parametrize("limit", [72, 176, 238, 400])
def test_limits_of_size_are_enforced_on_the_datagram_or_on_the_packet(limit: int) -> None:
    datagrams, packets = Line(f"max-datagram={limit}"), Line(f"max-ifp={limit}")
    for line in (datagrams, packets):
        assert line.habits.parameters.max_datagram == limit
    assert datagrams.takes(bytes(limit))
    assert not datagrams.takes(bytes(limit + 1))
    assert datagrams.takes(b"\x80\x00" + bytes(172 - 2)), "RTP is no T.38"
    assert packets.takes(bytes(1400))
    assert packets.takes_packet(raw(limit - 8))
    assert not packets.takes_packet(raw(limit))


def test_one_field_loses_what_is_packed_behind_it() -> None:
    naive = [(0.0, v21(Field(FieldType.HDLC_DATA, b"\xff\x13"), Field(FieldType.HDLC_FCS_OK)))]
    assert Line("one-field").hears(naive) == [v21(Field(FieldType.HDLC_DATA, b"\xff\x13"))]
    careful = [(0.0, DATA), (0.1, END)]
    assert Line("one-field").hears(careful) == [DATA, END]


Scene = Sequence[tuple[float, Packet]]


@pytest.mark.parametrize(
    ("quirk", "naive", "harmed", "careful"),
    [
        pytest.param(
            "preamble-needed",
            [(0.0, PREAMBLE), (0.85, DATA), (0.95, END)],
            lambda heard: heard[-1] == BAD_END,
            [(0.0, PREAMBLE), (1.0, DATA), (1.1, END)],
            id="preamble-needed",
        ),
        pytest.param(
            "silence-needed",
            [(0.0, PREAMBLE), (1.0, DATA), (1.1, END), (1.12, TRAINING), (1.4, raw(30))],
            lambda heard: len(heard) == 3,
            [(0.0, PREAMBLE), (1.0, DATA), (1.1, END), (1.175, TRAINING), (1.45, raw(30))],
            id="silence-needed",
        ),
        pytest.param(
            "carrier-limit",
            [(0.0, TRAINING), *((step, raw(30)) for step in range(1, 100)), (100.0, raw(0, last=True))],
            lambda heard: heard[-1] == SILENCE and len(heard) == 92,
            [(0.0, TRAINING), *((step, raw(30)) for step in range(1, 80)), (80.0, raw(0, last=True))],
            id="carrier-limit",
        ),
        pytest.param(
            "page-tail-needed",
            [(0.0, TRAINING), (0.3, raw(100)), (0.4, raw(0, last=True))],
            lambda heard: sum(len(f.data) for p in heard[1:] for f in p.fields) == 100 - int(0.04 * RATE),
            None,
            id="page-tail-needed",
        ),
        pytest.param(
            "frame-tail-needed",
            [(0.0, PREAMBLE), (1.0, DATA), (1.1, END), (1.11, SILENCE)],
            lambda heard: heard[-2] == BAD_END,
            [(0.0, PREAMBLE), (1.0, DATA), (1.1, END), (1.2, SILENCE)],
            id="frame-tail-needed",
        ),
        pytest.param(
            "chokes-on-double-end",
            [(0.0, PREAMBLE), (1.0, DATA), (1.1, END), (1.1, SIG_END), (1.2, TRAINING), (1.5, raw(30))],
            lambda heard: raw(30) not in heard,
            [
                (0.0, PREAMBLE),
                (1.0, DATA),
                (1.1, FCS_OK),
                (1.1, SIG_END),
                (1.2, TRAINING),
                (1.5, raw(30)),
            ],
            id="chokes-on-double-end",
        ),
        pytest.param(
            "strict-modem=0.2",
            [(0.0, PREAMBLE), (1.0, DATA), (1.4, DATA), (1.5, END)],
            lambda heard: heard[-1] == BAD_END,
            [(0.0, PREAMBLE), (1.0, DATA), (1.08, DATA), (1.16, END)],
            id="strict-modem, late in a frame",
        ),
        pytest.param(
            "strict-modem=0.2",
            [(0.0, TRAINING), (0.3, raw(60)), (0.9, raw(60))],
            lambda heard: any(not any(f.data) for p in heard[1:] for f in p.fields),
            [(0.0, TRAINING), (0.3, raw(60)), (0.35, raw(60))],
            id="strict-modem, late in a page",
        ),
        pytest.param(
            "strict-modem=0.2:1800",
            [(0.0, TRAINING), *((0.3, raw(100)) for _ in range(30))],
            lambda heard: len(heard) == 19,
            [(0.0, TRAINING), *((0.3 + 100 / RATE * step, raw(100)) for step in range(30))],
            id="strict-modem, too far ahead",
        ),
    ],
)
def test_times_that_a_naive_endpoint_does_not_keep(
    quirk: str, naive: Scene, harmed: Callable[[list[Packet]], bool], careful: Scene | None
) -> None:
    line = Line(quirk)
    assert harmed(line.hears(naive))
    assert line.complained
    if careful is not None:
        patient = Line(quirk)
        assert patient.hears(careful) == [packet for _, packet in careful]
        assert not patient.complained


def test_a_page_with_a_tail_loses_nothing_but_the_tail() -> None:
    """Fill behind the RTC, 40 ms of it, is what goes."""
    fill = Field(FieldType.T4_NON_ECM_DATA, bytes(int(0.04 * RATE)))
    careful = [(0.0, TRAINING), (0.3, raw(100)), (0.4, DataPacket(DataType.V29_9600, (fill,)))]
    heard = Line("page-tail-needed").hears([*careful, (0.5, raw(0, last=True))])
    data = b"".join(f.data for p in heard if isinstance(p, DataPacket) for f in p.fields)
    assert data == b"\x55" * 100

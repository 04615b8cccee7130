"""Octets of a frame, taken the short way or the long one: what comes of it is the same.

``Terminal.extend_frame`` takes most datagrams of an image without reading more of them than it has to. Here
the same datagrams go to two terminals, one of which does without it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.t30.vocabulary import HdlcBurst, Modem, Tone, ToneBurst
from t38fsp.t38.ifp import (
    HDLC_DATA_PREFIX,
    DataPacket,
    Field,
    IfpError,
    IndicatorPacket,
    Packet,
    Syntax,
    encode,
    field_prefix,
)
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.udptl import ParitySender, UdptlSender
from t38fsp.t38.values import DataType, FieldType, Indicator
from tests.sweep import examples
from tests.t38.outlet import Outlet

_FAST = (Modem.V17_14400, Modem.V29_9600, Modem.V27TER_4800)
_ENDS = (
    FieldType.HDLC_FCS_OK,
    FieldType.HDLC_FCS_OK,
    FieldType.HDLC_FCS_OK,
    FieldType.HDLC_FCS_BAD,
    FieldType.HDLC_SIG_END,
    FieldType.HDLC_FCS_OK_SIG_END,
    FieldType.HDLC_FCS_BAD_SIG_END,
)
_OTHER = Field(FieldType.HDLC_DATA, b"of another frame")


class Pair:
    """Two terminals that are told the same; only one of them has the short way."""

    def __init__(self, syntax: Syntax) -> None:
        self.plain, self.short = Terminal(syntax=syntax), Terminal(syntax=syntax)
        self.outlets = Outlet(self.plain), Outlet(self.short)
        self.taken = self.heard = 0

    def receive(self, datagram: bytes, now: float) -> None:
        understood = self.plain.receive(datagram, now)
        self.heard += 1
        if self.short.extend_frame(datagram, now):
            self.taken += 1
            assert understood
        else:
            assert self.short.receive(datagram, now) is understood
        self.agree()

    def send(self, burst: HdlcBurst | ToneBurst, now: float) -> None:
        for terminal in (self.plain, self.short):
            terminal.send(burst, now)
        self.agree()

    def pass_time(self, now: float) -> None:
        """Whatever is due until ``now``."""
        while (due := self.outlets[0].next_due()) is not None and due <= now:
            for outlet in self.outlets:
                outlet.turn(due)
            self.agree()

    def agree(self) -> None:
        plain, short = self.plain, self.short
        assert short.take_signals() == plain.take_signals()
        assert short.counters == plain.counters
        assert short.next_deadline() == plain.next_deadline()
        assert short.syntax is plain.syntax
        assert short.take_sent() == plain.take_sent()
        assert self.outlets[1].over == self.outlets[0].over
        assert self.outlets[1].left == self.outlets[0].left


def bursts(chance: random.Random) -> Iterator[Packet]:
    """What a far end may send: mostly ECM blocks, some of them odd."""
    for _ in range(chance.randint(1, 4)):
        modem = chance.choice((*_FAST, Modem.V21))
        kind = DataType.of(modem)
        if chance.random() < 0.8:
            yield IndicatorPacket(Indicator.of(modem))
        for _ in range(chance.randint(1, 6)):
            for _ in range(chance.randint(1, 6)):
                octets = chance.randbytes(chance.choice((1, 7, 54, 54, 54, 54, 121, 122, 130)))
                fields = [Field(FieldType.HDLC_DATA, octets)]
                if chance.random() < 0.05:
                    fields.append(Field(chance.choice(_ENDS)))
                yield DataPacket(kind, tuple(fields))
            if chance.random() < 0.9:
                yield DataPacket(kind, (Field(chance.choice(_ENDS)),))
            if chance.random() < 0.1:
                yield chance.choice(
                    (
                        IndicatorPacket(chance.choice(list(Indicator))),
                        DataPacket(kind, (Field(FieldType.T4_NON_ECM_DATA, chance.randbytes(30)),)),
                        DataPacket(DataType.of(chance.choice(_FAST)), (_OTHER,)),
                        DataPacket(kind, ()),
                        DataPacket(kind, (Field(FieldType.HDLC_SIG_END), _OTHER)),
                    )
                )
        yield DataPacket(kind, (Field(FieldType.HDLC_SIG_END),))
        if chance.random() < 0.5:
            yield IndicatorPacket(Indicator.NO_SIGNAL)


def datagrams(chance: random.Random) -> Iterator[bytes]:
    """The same on the wire: numbered from anywhere, with copies or parity, in either syntax."""
    syntax = chance.choice(list(Syntax))
    sender: UdptlSender | ParitySender
    if chance.random() < 0.5:
        sender = UdptlSender(chance.choice((0, 1, 3)), 1400)
    else:
        sender = ParitySender(chance.randint(1, 4), chance.randint(1, 5), 1400)
    sender.number = chance.choice((0, 0xFFF0, 0x7FF0, 0xBFF8, chance.randrange(0x10000)))
    for packet in bursts(chance):
        try:
            ifp = encode(packet, syntax)
        except IfpError:
            continue
        yield sender.wrap(ifp)


def damaged(chance: random.Random, whole: list[bytes], harm: float) -> Iterator[bytes]:
    """Lost, late, doubled, cut off, with octets changed or added."""
    late: list[tuple[int, bytes]] = []
    for at, datagram in enumerate(whole):
        yield from (held for due, held in late if due == at)
        if chance.random() >= harm:
            yield datagram
            continue
        what = chance.randrange(7)
        if what == 1:
            late.append((at + chance.randint(1, 5), datagram))
        elif what == 2:
            yield from (datagram, datagram)
        elif what == 3:
            yield datagram[: chance.randrange(len(datagram) + 1)]
        elif what == 4:
            octets = bytearray(datagram)
            octets[chance.randrange(min(len(octets), 12))] ^= 1 << chance.randrange(8)
            yield bytes(octets)
        elif what == 5:
            yield datagram + chance.randbytes(chance.randint(1, 3))
        elif what == 6:
            yield chance.randbytes(chance.randint(0, 12))


OURS = (
    ToneBurst(Tone.CNG, 0.0),
    HdlcBurst(Modem.V21, (b"\xff\xc8\x84",)),
    HdlcBurst(Modem.V21, (b"\xff\xc8\x84",), attempt=3),
    HdlcBurst(Modem.V21, (b"\xff\xc8\x84",), modem_paced=False),
    HdlcBurst(Modem.V17_14400, (bytes(256), bytes(256)), modem_paced=False),
)


@examples(push=100, full=300)
@given(seed=st.integers(0, 2**32), harm=st.sampled_from([0.0, 0.02, 0.1, 0.4]), speaking=st.booleans())
def test_the_short_way_leads_to_the_same(seed: int, harm: float, speaking: bool) -> None:
    chance = random.Random(seed)
    pair = Pair(chance.choice(list(Syntax)))
    now = 1.0
    for datagram in damaged(chance, list(datagrams(chance)), harm):
        if speaking and chance.random() < 0.05:
            pair.send(chance.choice(OURS), now)
        pair.receive(datagram, now)
        now += chance.choice((0.0, 0.03, 0.03, 0.03, 0.031, 0.2, chance.choice((1.5, 20.0))))
        if chance.random() < 0.8:
            pair.pass_time(now)
    pair.pass_time(now + 60)


@pytest.mark.parametrize("syntax", Syntax)
@pytest.mark.parametrize("parity", [None, (2, 3)])
def test_five_of_six_datagrams_of_a_page_go_the_short_way(
    syntax: Syntax, parity: tuple[int, int] | None
) -> None:
    sender: UdptlSender | ParitySender
    sender = UdptlSender(3, 1400) if parity is None else ParitySender(*parity, 1400)
    frame = [DataPacket(DataType.V17_14400, (Field(FieldType.HDLC_DATA, bytes(52)),))] * 5
    end = DataPacket(DataType.V17_14400, (Field(FieldType.HDLC_FCS_OK),))
    pair = Pair(syntax)
    for packet in [IndicatorPacket(Indicator.V17_14400_LONG_TRAINING), *[*frame, end] * 100]:
        pair.receive(sender.wrap(encode(packet, syntax)), 0.03 * pair.heard)
    assert pair.heard - pair.taken < 110


@pytest.mark.parametrize("modem", Modem)
def test_both_syntaxes_write_octets_of_a_frame_alike(modem: Modem) -> None:
    kind = DataType.of(modem)
    assert {field_prefix(kind, FieldType.HDLC_DATA, syntax) for syntax in Syntax} == {HDLC_DATA_PREFIX[modem]}

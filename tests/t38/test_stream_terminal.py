"""T.38 over a byte stream: what T.30 sends is what T.30 hears, however the stream is cut."""

from __future__ import annotations

import random

import pytest

from t38fsp.t30.vocabulary import FrameReceived, HdlcBurst, Modem
from t38fsp.t38.ifp import Syntax
from t38fsp.t38.stream_terminal import StreamTerminal
from t38fsp.t38.timing import Timing
from tests.t38.line import Line
from tests.t38.outlet import Outlet
from tests.t38.test_two_terminals import assert_same, play


class Pipe(StreamTerminal):
    """Gets its octets in pieces of any length."""

    chance = random.Random(38)

    def receive(self, datagram: bytes, now: float) -> bool:
        good = True
        while datagram:
            end = self.chance.randint(1, 12)
            good &= super().receive(datagram[:end], now)
            datagram = datagram[end:]
        return good


@pytest.mark.parametrize("syntax", Syntax)
def test_every_burst_arrives(syntax: Syntax) -> None:
    near, far = Pipe(syntax=syntax), Pipe(syntax=syntax)
    line = Line(near, far, lambda _: 0.02)
    play(line)
    assert_same(line)
    assert near.counters.malformed == far.counters.malformed == 0


def test_everything_is_sent_once_behind_a_tpkt_header() -> None:
    line = Line(StreamTerminal(timing=Timing(keep_alive=0.0)), StreamTerminal(timing=Timing(keep_alive=None)))
    line.send(0, HdlcBurst(Modem.V21, [b"\xff\xc8\x21"]))
    line.run(5.0)
    assert [each.datagram.hex() for each in line.sent] == [
        "0300000500",
        "0300000506",
        "0300000ac001800000ff",
        "0300000ac001800000c8",
        "0300000ac00180000021",
        "03000007c00140",
        "0300000500",
    ]


def test_who_writes_no_tpkt_gets_none() -> None:
    terminal = StreamTerminal(timing=Timing(keep_alive=0.0))
    assert terminal.receive(bytes.fromhex("00 06 C001800000FF C001800000C8 C00180000021 C00140"), 0.0)
    frames = [each for each in terminal.take_signals() if isinstance(each, FrameReceived)]
    assert [frame.frame for frame in frames] == [b"\xff\xc8\x21"]
    terminal.start(0.0)
    outlet = Outlet(terminal)
    outlet.turn(0.0)
    assert [each.datagram for each in outlet.left] == [b"\x00"]


def test_what_is_no_stream_of_packets_is_not_read_on() -> None:
    terminal = StreamTerminal()
    assert terminal.receive(bytes.fromhex("0300000506"), 0.0)
    assert not terminal.broken
    assert not terminal.receive(b"GET / HTTP/1.1\r\n", 0.0)
    assert terminal.broken
    assert not terminal.receive(bytes.fromhex("0300000500"), 0.0)
    assert (terminal.counters.received, terminal.counters.malformed) == (1, 1)


def test_a_packet_that_cannot_be_read_is_counted() -> None:
    terminal = StreamTerminal()
    assert terminal.receive(bytes.fromhex("03000005FF 0300000506"), 0.0)
    assert (terminal.counters.received, terminal.counters.malformed) == (1, 1)

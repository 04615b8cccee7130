"""A process that stood still for long: what is late leaves all the same, and does not overrun the queue."""

from __future__ import annotations

import pytest

from t38fsp.t30.vocabulary import HdlcBurst, Modem, RawBurst
from t38fsp.t38.packet_queue import PacketQueue
from t38fsp.t38.terminal import Packet, Terminal
from t38fsp.t38.timing import Timing

PAGE = RawBurst(Modem.V17_14400, bytes(range(1, 251)) * 144)  # 20 s
BLOCK = HdlcBurst(Modem.V17_14400, (bytes(range(1, 251)),) * 144)


class Wire:
    """A channel that keeps what is sent."""

    def __init__(self, terminal: Terminal) -> None:
        self.release = terminal.release
        self.sent: list[bytes] = []

    def send(self, datagram: bytes) -> None:
        self.sent.append(datagram)


def played(burst: HdlcBurst | RawBurst, max_datagram: int, stall: float) -> list[bytes]:
    """The datagrams of a burst, when nothing runs for ``stall`` seconds, two seconds after its beginning."""
    terminal = Terminal(max_datagram=max_datagram, timing=Timing(keep_alive=None))
    queue: PacketQueue[Packet] = PacketQueue()
    wire = Wire(terminal)
    now = 0.0
    terminal.send(burst, now)
    queue.push(wire, terminal.take_packets())
    over = False
    while not over or len(queue):
        for released in queue.release_due(now):
            wire.send(released.datagram)
        due = [time for time in (terminal.next_deadline(), queue.next_due()) if time is not None]
        now = max(now, min(due, default=now))
        if now > 2.0:
            now, stall = now + stall, 0.0
        terminal.handle_deadline(now)
        queue.push(wire, terminal.take_packets())
        over = over or terminal.take_sent() > 0
    return wire.sent


@pytest.mark.parametrize("burst", [PAGE, BLOCK], ids=["page", "block"])
@pytest.mark.parametrize(("max_datagram", "stall"), [(72, 15.0), (400, 60.0)])
def test_a_long_stall_costs_no_packet(burst: HdlcBurst | RawBurst, max_datagram: int, stall: float) -> None:
    whole = played(burst, max_datagram, 0.0)
    assert len(whole) > 600
    assert played(burst, max_datagram, stall) == whole

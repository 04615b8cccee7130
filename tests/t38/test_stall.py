"""A process that stood still for long: what is late leaves all the same, and does not overrun the queue."""

from __future__ import annotations

import pytest

from t38fsp.t30.frames import FCF, Frame
from t38fsp.t30.vocabulary import HdlcBurst, Modem, RawBurst
from t38fsp.t38.ifp import DataPacket, Field, Syntax, encode
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import Timing
from t38fsp.t38.values import DataType, FieldType
from tests.t38.outlet import Outlet

PAGE = RawBurst(Modem.V17_14400, bytes(range(1, 251)) * 144)  # 20 s
BLOCK = HdlcBurst(Modem.V17_14400, (bytes(range(1, 251)),) * 144)


def played(burst: HdlcBurst | RawBurst, max_datagram: int, stall: float) -> list[bytes]:
    """The datagrams of a burst, when nothing runs for ``stall`` seconds, two seconds after its beginning."""
    outlet = Outlet(Terminal(max_datagram=max_datagram, timing=Timing(keep_alive=0.0)))
    outlet.terminal.send(burst, 0.0)
    outlet.run(2.0)
    assert 10 < len(outlet.left) < 100
    outlet.turn(2.0 + stall)
    outlet.run(200.0)
    assert len(outlet.over) == 1
    return [each.datagram for each in outlet.left]


@pytest.mark.parametrize("burst", [PAGE, BLOCK], ids=["page", "block"])
@pytest.mark.parametrize(("max_datagram", "stall"), [(72, 15.0), (400, 60.0)])
def test_a_long_stall_costs_no_packet(burst: HdlcBurst | RawBurst, max_datagram: int, stall: float) -> None:
    whole = played(burst, max_datagram, 0.0)
    assert len(whole) > 600
    assert played(burst, max_datagram, stall) == whole


PPR = HdlcBurst(Modem.V21, (bytes(Frame(FCF.PPR, bytes(32))),))
END_OF_FRAME = encode(DataPacket(DataType.V21, (Field(FieldType.HDLC_FCS_OK_SIG_END),)), Syntax.Y1998)


def end_of_ppr(lag: float, redundancy: int) -> float:
    """When its frame ends on a machine where the turns of the loop are ``lag`` seconds apart."""
    outlet = Outlet(Terminal(redundancy=redundancy, timing=Timing(keep_alive=0.0)))
    outlet.terminal.send(PPR, 0.0)
    now = 0.0
    while now < 30.0:
        now += lag
        outlet.turn(now)
        if any(each.ifp == END_OF_FRAME for each in outlet.left):
            return now
    raise AssertionError("it never ends")


@pytest.mark.parametrize("redundancy", [3, 0])
@pytest.mark.parametrize("lag", [0.05, 0.1, 0.2])
def test_late_octets_of_a_frame_leave_together(lag: float, redundancy: int) -> None:
    """A PPR of 35 octets, one for each turn, took longer than the far end waits (T4)."""
    assert end_of_ppr(lag, redundancy) < end_of_ppr(0.001, redundancy) + 8 * lag

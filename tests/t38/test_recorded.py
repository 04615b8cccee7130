"""Datagrams of other implementations, read whole."""

from __future__ import annotations

import pytest

from t38fsp.t30.vocabulary import CarrierDetected, CarrierLost, DataReceived, FrameReceived, LineSignal, Modem
from t38fsp.t38.ifp import Syntax, encode, parse
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.udptl import Datagram
from tests.t38.recorded_calls import NAMES, datagrams


def hear(arriving: list[bytes], terminal: Terminal | None = None) -> list[LineSignal]:
    terminal = terminal or Terminal()
    for datagram in arriving:
        assert terminal.receive(datagram, 0.0)
    return terminal.take_signals()


def frames(signals: list[LineSignal]) -> list[str]:
    """FCF of each good frame (T.30 5.3.6.1), as hexadecimal."""
    return [each.frame[2:3].hex() for each in signals if isinstance(each, FrameReceived) and each.good]


@pytest.mark.parametrize("name", NAMES)
def test_every_datagram_is_read_and_written_alike(name: str) -> None:
    recorded = datagrams(name)
    assert len(recorded) >= 50
    for octets in recorded:
        datagram = Datagram.parse(octets)
        assert bytes(datagram) == octets
        for ifp in (datagram.primary, *datagram.secondaries):
            assert encode(parse(ifp, Syntax.Y1998), Syntax.Y1998) == ifp


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_missing_and_nothing_malformed(name: str) -> None:
    terminal = Terminal()
    recorded = datagrams(name)
    signals = hear(recorded, terminal)
    counters = terminal.counters
    assert (counters.lost, counters.late, counters.malformed) == (0, 0, 0)
    # A recording that begins in mid-call brings along what went before it.
    assert counters.recovered == len(Datagram.parse(recorded[0]).secondaries)
    heard = [each.good for each in signals if isinstance(each, FrameReceived)]
    assert all(heard[1:])
    assert heard[0] or counters.recovered
    assert all(each.clean for each in signals if isinstance(each, CarrierLost))


def test_the_answerer_of_an_ecm_call() -> None:
    """CSI and DIS, CFR, MCF."""
    assert frames(hear(datagrams("asterisk-answerer"))) == ["02", "01", "21", "31"]


def test_the_sender_of_an_ecm_call() -> None:
    """The last image frames, three RCP, PPS-EOP, DCN."""
    signals = hear(datagrams("asterisk-ecm-end"))
    heard = frames(signals)
    assert set(heard[:-5]) == {"60"}
    assert heard[-5:] == ["61", "61", "61", "fd", "df"]
    assert sum(isinstance(each, CarrierLost) for each in signals) == 3


def test_the_sender_of_a_page_without_ecm() -> None:
    """The end of a T.4 two-dimensional page with its RTC, EOP, DCN."""
    signals = hear(datagrams("asterisk-page-end"))
    assert frames(signals) == ["f4", "df"]
    page = b"".join(each.data for each in signals if isinstance(each, DataReceived))
    bits = f"{int.from_bytes(page, 'big'):b}"
    assert "0000000000011" * 5 in bits


@pytest.mark.parametrize("name", ["asterisk-fec", "spandsp-sender"])
def test_dcs_and_tcf(name: str) -> None:
    signals = hear(datagrams(name))
    assert frames(signals) == ["c2", "c1"]
    modems = [each.modem for each in signals if isinstance(each, CarrierDetected)]
    assert modems[0] is Modem.V21
    tcf = b"".join(each.data for each in signals if isinstance(each, DataReceived))
    assert len(tcf) > 500
    assert not tcf.strip(b"\0")


@pytest.mark.parametrize("name", ["asterisk-fec", "asterisk-fec-end"])
def test_recorded_parity_restores_each_single_loss(name: str) -> None:
    recorded = datagrams(name)
    whole = hear(recorded)
    first = next(n for n, each in enumerate(recorded) if Datagram.parse(each).parity)
    span = 9  # three strings of three
    for lost in range(first + span, len(recorded) - 1):
        if recorded[lost] in (recorded[lost - 1], recorded[lost + 1]):
            continue
        terminal = Terminal()
        assert hear(recorded[:lost] + recorded[lost + 1 :], terminal) == whole
        assert (terminal.counters.recovered, terminal.counters.lost) == (1, 0)


@pytest.mark.parametrize("name", ["asterisk-ecm-end", "asterisk-page-end"])
def test_recorded_copies_restore_three_losses_in_a_row(name: str) -> None:
    recorded = datagrams(name)
    whole = hear(recorded)
    for lost in range(4, len(recorded) - 3):
        terminal = Terminal()
        assert hear(recorded[:lost] + recorded[lost + 3 :], terminal) == whole
        assert terminal.counters.lost == 0

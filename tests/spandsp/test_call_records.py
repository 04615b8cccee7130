"""What our calls look like from outside: to tshark, and on the clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from tests.peers.endpoint import SpandspEndpoint
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.simulated import SimulatedCall, run
from tests.peers.terminal import SpandspTerminal
from tests.peers.tshark import PRE_CORRIGENDUM, decode, malformed, write_capture
from tests.spandsp.calls import Conditions, receive_from_spandsp, send_to_spandsp
from tests.sweep import Share, sweep

pytestmark = pytest.mark.spandsp

_OURS = ("127.0.0.1", 40000)
_THEIRS = ("127.0.0.1", 40002)
_PORTS = (_OURS[1], _THEIRS[1])
_DCN = 0x5F


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return write_document(tmp_path / "sent.tif", [text_page(seed=1, rows=160), text_page(seed=2, rows=120)])


def _capture(path: Path, call: SimulatedCall, far: SpandspEndpoint) -> Path:
    return write_capture(
        path,
        (
            (when, _THEIRS, _OURS, octets) if sender is far else (when, _OURS, _THEIRS, octets)
            for when, sender, octets in call.datagrams
        ),
    )


@pytest.mark.tshark
@sweep(push=Share.EACH, version=[0, 2], ecm=[True, False])
def test_our_calls_decode(document: Path, tmp_path: Path, ecm: bool, version: int) -> None:
    line = Conditions(version=version)
    preferences = {PRE_CORRIGENDUM: "FALSE" if version else "TRUE"}
    _, callee, sent = send_to_spandsp(
        document, tmp_path / "there.tif", TransmitOptions(station_id="+15550100", ecm=ecm), None, line
    )
    _, caller, taken = receive_from_spandsp(
        document, tmp_path / "here.tif", ReceiveOptions(station_id="+15550100", ecm=ecm), None, line
    )

    for name, call, far in (("sent", sent, callee), ("received", taken, caller)):
        capture = _capture(tmp_path / f"{name}.pcap", call, far)
        assert malformed(capture, preferences=preferences, udptl_ports=_PORTS) == []
        packets = decode(
            capture,
            ["t30.FacsimileControl", "t30.fif.number"],
            preferences=preferences,
            udptl_ports=_PORTS,
            display_filter="t30",
        )
        controls = [int(value) for packet in packets for value in packet["t30.FacsimileControl"]]
        assert controls[-1] == _DCN
        numbers = {value.strip() for packet in packets for value in packet["t30.fif.number"]}
        assert numbers == {"+15550100", "+15550199"}


@pytest.mark.parametrize("ecm", [True, False], ids=["ecm", "no-ecm"])
def test_we_take_no_longer_than_spandsp(document: Path, tmp_path: Path, ecm: bool) -> None:
    caller = SpandspEndpoint(SpandspTerminal(Role.CALLING, tx_file=document, ecm=ecm))
    callee = SpandspEndpoint(SpandspTerminal(Role.ANSWERING, rx_file=tmp_path / "theirs.tif", ecm=ecm))
    theirs = run(caller, callee)

    _, _, sent = send_to_spandsp(document, tmp_path / "there.tif", TransmitOptions(ecm=ecm))
    _, _, taken = receive_from_spandsp(document, tmp_path / "here.tif", ReceiveOptions(ecm=ecm))

    assert sent.seconds < theirs.seconds * 1.02
    assert taken.seconds < theirs.seconds * 1.02

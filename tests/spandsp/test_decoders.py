"""tshark reads the peers' calls, so that what it says about the product's calls can be trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.endpoint import SpandspEndpoint
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.simulated import run
from tests.peers.terminal import SpandspTerminal
from tests.peers.tshark import PRE_CORRIGENDUM, decode, malformed, write_capture

pytestmark = [pytest.mark.spandsp, pytest.mark.tshark]

_CALLER = ("127.0.0.1", 40000)
_CALLEE = ("127.0.0.1", 40002)
_PORTS = (_CALLER[1], _CALLEE[1])


def _capture(directory: Path, version: int) -> Path:
    document = write_document(directory / "sent.tif", [text_page(rows=200, noise_rows=4)])
    caller = SpandspEndpoint(SpandspTerminal(Role.CALLING, tx_file=document, version=version))
    callee = SpandspEndpoint(
        SpandspTerminal(Role.ANSWERING, rx_file=directory / "received.tif", version=version)
    )
    call = run(caller, callee)
    return write_capture(
        directory / "call.pcap",
        (
            (when, _CALLER, _CALLEE, octets) if sender is caller else (when, _CALLEE, _CALLER, octets)
            for when, sender, octets in call.datagrams
        ),
    )


@pytest.mark.parametrize(("version", "syntax"), [(0, "TRUE"), (2, "FALSE")])
def test_a_call_decodes(tmp_path: Path, version: int, syntax: str) -> None:
    capture = _capture(tmp_path, version)
    preferences = {PRE_CORRIGENDUM: syntax}

    assert malformed(capture, preferences=preferences, udptl_ports=_PORTS) == []
    packets = decode(
        capture,
        ["t38.t30_indicator", "t30.FacsimileControl"],
        preferences=preferences,
        udptl_ports=_PORTS,
        display_filter="t38",
    )

    indicators = {value for packet in packets for value in packet["t38.t30_indicator"]}
    assert {"0", "2", "3", "15"} <= indicators  # no-signal, CED, V.21 preamble, V.17 14400 long
    codes = [int(value) for packet in packets for value in packet["t30.FacsimileControl"]]
    order = [code for code, before in zip(codes, [-1, *codes], strict=False) if code != before]
    for expected in (0x01, 0x41, 0x21, 0x60, 0x61, 0x7D, 0x31, 0x5F):  # DIS DCS CFR FCD RCP PPS MCF DCN
        assert expected in order, f"{expected:02X} is missing in {order}"


def test_the_wrong_syntax_changes_what_is_read(tmp_path: Path) -> None:
    capture = _capture(tmp_path, version=2)

    def field_types(syntax: str) -> set[str]:
        packets = decode(
            capture, ["t38.field_type"], preferences={PRE_CORRIGENDUM: syntax}, udptl_ports=_PORTS
        )
        return {value for packet in packets for value in packet["t38.field_type"]}

    assert field_types("FALSE") == {"0", "2", "4", "6", "7"}
    assert field_types("TRUE") != field_types("FALSE")


def test_a_truncated_datagram_is_malformed(tmp_path: Path) -> None:
    whole = bytes.fromhex("0001 0B C001800005FFC80100CE78 0001 0106")
    capture = write_capture(
        tmp_path / "call.pcap",
        [(0.0, _CALLER, _CALLEE, whole), (0.02, _CALLER, _CALLEE, whole[:9])],
    )

    assert [line.split()[0] for line in malformed(capture, udptl_ports=_PORTS)] == ["2"]

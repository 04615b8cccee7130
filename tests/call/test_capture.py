"""Captured calls as tshark decodes them: SIP, T.38 and T.30, nothing malformed.

tshark takes the media ports for T.38 as soon as it has seen the offer; the audio that still flows then is
told apart here by being RTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from t38fsp.choices import Switch
from t38fsp.image import document
from tests.call.harness import CALLEE, CALLER, SIP_PORT, Scene, make_pages
from tests.peers import tshark
from tests.sweep import Share, sweep

pytestmark = pytest.mark.tshark

RTP_OCTETS = 12 + 160
REASSEMBLED = re.compile(r"\(HDLC Reassembled: ([A-Z]+) - ")

FROM_CALLER, FROM_CALLEE = CALLER, CALLEE


def fax(folder: Path, *, version: int, ecm: bool, switch: Switch) -> Scene:
    scene = Scene(folder)
    scene.answer(ecm=ecm, t38_version=version, station_id="+1 555 0100", switch=Switch.CALLEE)
    scene.send(make_pages(2, rows=100), ecm=ecm, t38_version=version, station_id="+1 555 0199", switch=switch)
    scene.run()
    scene.assert_delivered(2)
    scene.run_out()
    return scene


def preferences(version: int) -> dict[str, str]:
    return {tshark.PRE_CORRIGENDUM: "TRUE" if version == 0 else "FALSE"}


def audio_frames(scene: Scene) -> set[int]:
    """Numbers of the captured datagrams that are RTP."""
    return {
        number
        for number, (_, source, destination, data) in enumerate(scene.tapped, 1)
        if SIP_PORT not in (source[1], destination[1]) and len(data) == RTP_OCTETS and data[0] == 0x80
    }


def ladder(capture: Path, version: int) -> Iterator[tuple[str, str]]:
    """Who said what in T.30, the frames of an image as one."""
    packets = tshark.decode(capture, ["ip.src", "_ws.col.Info"], preferences=preferences(version))
    frames = [
        (packet["ip.src"][0], found[1])
        for packet in packets
        if packet["_ws.col.Info"] and (found := REASSEMBLED.search(packet["_ws.col.Info"][0]))
    ]
    for frame, _ in groupby(frames):
        yield frame


BEGINNING = [
    (FROM_CALLEE, "CSI"),
    (FROM_CALLEE, "DIS"),
    (FROM_CALLER, "TSI"),
    (FROM_CALLER, "DCS"),
    (FROM_CALLEE, "CFR"),
]
ECM_PAGE = [(FROM_CALLER, "FCD"), (FROM_CALLER, "RCP"), (FROM_CALLER, "PPS"), (FROM_CALLEE, "MCF")]
WITH_ECM = [*BEGINNING, *ECM_PAGE * 2, (FROM_CALLER, "DCN")]
WITHOUT_ECM = [
    *BEGINNING,
    *[(FROM_CALLER, "MPS"), (FROM_CALLEE, "MCF")],
    *[(FROM_CALLER, "EOP"), (FROM_CALLEE, "MCF")],
    (FROM_CALLER, "DCN"),
]


@sweep(push=Share.EACH, switch=[Switch.FIRST, Switch.CALLEE], version=[0, 2, 3], ecm=[True, False])
def test_nothing_is_malformed(tmp_path: Path, switch: Switch, version: int, ecm: bool) -> None:
    scene = fax(tmp_path, version=version, ecm=ecm, switch=switch)
    capture = scene.write_capture(tmp_path / "call.pcap")
    malformed = tshark.malformed(capture, preferences=preferences(version))
    audio = audio_frames(scene)
    assert [told for told in malformed if int(told.split()[0]) not in audio] == []
    if switch is Switch.FIRST:
        assert (audio, malformed) == (set(), [])
    protocols = tshark.decode(capture, ["_ws.col.Protocol"], preferences=preferences(version))
    seen = {packet["_ws.col.Protocol"][0] for packet in protocols}
    assert seen - {"RTP"} == {"SIP", "SIP/SDP", "T.38"}


@sweep(push=Share.EACH, version=[0, 3], ecm=[True, False])
def test_the_ladder_of_t30(tmp_path: Path, version: int, ecm: bool) -> None:
    scene = fax(tmp_path, version=version, ecm=ecm, switch=Switch.CALLEE)
    capture = scene.write_capture(tmp_path / "call.pcap")
    assert list(ladder(capture, version)) == (WITH_ECM if ecm else WITHOUT_ECM)


def test_partial_page_signals(tmp_path: Path) -> None:
    """PPS-MPS behind the first page, PPS-EOP behind the last, each with its counters."""
    scene = fax(tmp_path, version=0, ecm=True, switch=Switch.CALLEE)
    capture = scene.write_capture(tmp_path / "call.pcap")
    fields = ["t30.pps.fcf2", "t30.t4.page_count", "t30.t4.block_count", "t30.t4.frame_count"]
    packets = tshark.decode(capture, fields, preferences=preferences(0), display_filter="t30.pps.fcf2")
    frames = [-(-page.octets // 256) - 1 for page in scene.sent.pages]
    mps, eop = 0xF2, 0xF4  # with the X bit of the end that received the DIS
    assert [[int(packet[field][0], 0) for field in fields] for packet in packets] == [
        [mps, 0, 0, frames[0]],
        [eop, 1, 0, frames[1]],
    ]


def test_the_image_frames_carry_the_page(tmp_path: Path) -> None:
    """What tshark takes out of the FCD frames is the coded page, in bit order and length."""
    scene = fax(tmp_path, version=0, ecm=True, switch=Switch.CALLEE)
    capture = scene.write_capture(tmp_path / "call.pcap")
    packets = tshark.decode(
        capture, ["t30.t4.data"], preferences=preferences(0), display_filter="t30.t4.data"
    )
    carried = [bytes.fromhex(packet["t30.t4.data"][0].replace(":", "")) for packet in packets]
    pages = [
        document.encode_page(scene.document, index, mode)
        for index, mode in enumerate([scene.sender.modes[0]] * 2)
    ]
    expected = b"".join(page + bytes(-len(page) % 256) for page in pages)
    assert b"".join(carried) == expected

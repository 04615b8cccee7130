"""How a call corrects errors: what is offered, what is answered, and what is then sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.syntax.sdp import SessionDescription
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Switch
from t38fsp.t38.attributes import T38Parameters
from t38fsp.t38.ifp import DataPacket, IndicatorPacket, Syntax, parse
from t38fsp.t38.udptl import Datagram
from t38fsp.t38.values import DataType, FieldType
from tests.benchmarks.parties import OurSender
from tests.call.harness import CALLEE, CALLER, SIP_PORT, Scene, lossy, make_pages
from tests.call.test_limits import Rewriter
from tests.pages import make_document
from tests.peers.endpoint import SpandspEndpoint
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.simulated import run
from tests.peers.terminal import SpandspTerminal
from tests.sweep import sweep

FEC = "T38FaxUdpEC:t38UDPFEC"
REDUNDANCY = "T38FaxUdpEC:t38UDPRedundancy"


def sent_by(scene: Scene, host: str) -> list[Datagram]:
    """The UDPTL datagrams of one side."""
    return [
        Datagram.parse(data)
        for _, source, destination, data in scene.tapped
        if source[0] == host and SIP_PORT not in (source[1], destination[1]) and data[0] >> 6 != 2
    ]


def corrections(scene: Scene) -> list[str]:
    """T38FaxUdpEC of each description with T.38, in order."""
    bodies = [data.partition(b"\r\n\r\n")[2] for *_, data in scene.tapped if b"m=image" in data]
    told = [SessionDescription.parse(body).media[0].get("T38FaxUdpEC") or "" for body in bodies]
    return [each.removeprefix("t38UDP") for each in told]


@pytest.mark.parametrize(
    ("caller", "callee", "described", "by_parity"),
    [
        (0, 0, ["Redundancy", "Redundancy"], False),
        (3, 0, ["Redundancy", "Redundancy"], False),  # parity only where both name it
        (0, 3, ["FEC", "Redundancy"], False),
        (3, 2, ["FEC", "FEC"], True),
    ],
)
def test_parity_needs_both_sides(
    tmp_path: Path, caller: int, callee: int, described: list[str], by_parity: bool
) -> None:
    scene = Scene(tmp_path)
    scene.answer(parity=callee)
    scene.send(make_pages(1, rows=100), parity=caller)
    scene.run()
    scene.assert_delivered(1)
    assert corrections(scene) == described
    for host, strings in ((CALLER, caller), (CALLEE, callee)):
        sent = sent_by(scene, host)
        most = max(len(each.parity or ()) for each in sent)
        assert most == (strings if by_parity else 0)
        assert (max(len(each.secondaries) for each in sent) > 0) is not by_parity


def test_no_correction_is_none(tmp_path: Path) -> None:
    """T38FaxUdpEC:t38UDPNoEC of the far end."""
    scene = Scene(tmp_path)
    short = "T38FaxUdpEC:t38UDPNoEC"
    Rewriter(scene, CALLEE, {REDUNDANCY: short + " " * (len(REDUNDANCY) - len(short))})
    scene.answer()
    scene.send(make_pages(1, rows=100))
    scene.run()
    scene.assert_delivered(1)
    assert not any(each.secondaries for each in sent_by(scene, CALLER))


@pytest.mark.parametrize("ecm", [True, False])
@sweep(push=4, seed=range(10))
def test_parity_bears_loss(tmp_path: Path, seed: int, ecm: bool) -> None:
    scene = Scene(tmp_path, seed=seed, faults_for=lossy(0.02))
    scene.answer(ecm=ecm, parity=3)
    scene.send(make_pages(1), ecm=ecm, parity=3)
    scene.run()
    scene.assert_delivered(1)
    counters = scene.received.counters
    assert counters["recovered"] > 0 or not counters["longest_burst"]
    assert counters["longest_burst"] < 6


def test_control_data_come_again_more_often_than_image_data(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    scene.send(make_pages(1), redundancy=2, control_redundancy=4)
    scene.run()
    scene.assert_delivered(1)
    # By number: indicators and ends are sent three times, as the same datagram.
    sent = sorted({each.number: each for each in sent_by(scene, CALLER)}.items())
    image = [is_image(each) for _, each in sent]
    copies: dict[bool, set[int]] = {True: set(), False: set()}
    for number, each in sent:
        if number > 4 and len(set(image[number - 4 : number])) == 1:
            copies[image[number - 1]].add(len(each.secondaries))
    assert copies == {True: {2}, False: {4}}


def is_image(datagram: Datagram) -> bool:
    packet = parse(datagram.primary, Syntax.Y1998)
    if isinstance(packet, IndicatorPacket) or packet.type is DataType.V21:
        return False
    return not packet.fields[0].type.name.endswith("SIG_END")


def test_the_limits_of_a_route_stand_above_those_of_the_far_end(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    scene.send(make_pages(1), max_ifp=30, max_buffer=60, redundancy=5)
    scene.run()
    scene.assert_delivered(1)
    sent = sent_by(scene, CALLER)
    assert max(len(each.primary) for each in sent) <= 30
    assert max(len(bytes(each)) for each in sent) < 400


@pytest.mark.parametrize(("caller", "callee"), [(False, False), (True, False), (False, True), (True, True)])
def test_fill_removal_is_answered_only_where_it_is_offered(
    tmp_path: Path, caller: bool, callee: bool
) -> None:
    scene = Scene(tmp_path)
    scene.answer(fill_bit_removal=callee)
    scene.send(make_pages(1, rows=100), fill_bit_removal=caller)
    scene.run()
    scene.assert_delivered(1)
    bodies = [data for *_, data in scene.tapped if b"m=image" in data]
    assert [b"T38FaxFillBitRemoval" in body for body in bodies] == [callee, callee and caller]


@pytest.mark.spandsp
@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("theirs", [False, True])
def test_fill_is_left_out_only_when_both_sides_say_so(tmp_path: Path, ours: bool, theirs: bool) -> None:
    """A machine that asks for 20 ms a line; the gateway before it would put the fill in again."""
    document, received = tmp_path / "sent.tif", tmp_path / "received.tif"
    make_document(document, make_pages(1, kind="lines"))
    machine = SpandspTerminal(Role.ANSWERING, rx_file=received, ecm=False, scan_line_time=20)
    far = SpandspEndpoint(machine)
    settings = CallSettings(switch=Switch.FIRST, ecm=False, fill_bit_removal=ours)
    near = OurSender(document, settings, T38Parameters(fill_bit_removal=theirs))
    call = run(far, near)
    assert near.result.completed, near.result.reason
    assert assert_same_pages(document, received) == 1
    page = b"".join(
        field.data
        for _, sender, data in call.datagrams
        if sender is near
        for packet in [parse(Datagram.parse(data).primary, Syntax.Y1998)]
        if isinstance(packet, DataPacket)
        for field in packet.fields
        if field.type is FieldType.T4_NON_ECM_DATA and field.data.strip(b"\0")
    )
    assert (bytes(3) in page.rstrip(b"\0")) is not (ours and theirs)
    assert call.seconds > 0.02 * 300


def test_indicators_above_version_2_are_never_sent(tmp_path: Path) -> None:
    for version in (0, 2, 3):
        scene = Scene(tmp_path)
        scene.answer(t38_version=version)
        scene.send(make_pages(1, rows=100), t38_version=version)
        scene.run()
        scene.assert_delivered(1)
        for each in sent_by(scene, CALLER) + sent_by(scene, CALLEE):
            packet = parse(each.primary, Syntax.for_version(version))
            if isinstance(packet, IndicatorPacket):
                assert packet.indicator.value < 16
            else:
                assert packet.type.value < 9
                assert all(field.type.value < 8 for field in packet.fields)

"""Calls that switched to T.38, and what came then was nothing, or was no T.38."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp import events
from t38fsp.audio.rtp import RtpSender
from t38fsp.choices import Switch
from t38fsp.outcome import Outcome
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure
from t38fsp.t38.attributes import T38Parameters
from tests.call.harness import CALLEE, CALLER, Scene, make_pages
from tests.call.phone import MEDIA_PORT, PHONE, Phone, t38_too


def test_switched_but_no_packet_ever_comes(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(t38_too)
    scene.send(make_pages(1), to=PHONE, switch=Switch.CALLER)
    scene.run()
    assert scene.sent.status is FaxStatus.FATAL_ERROR
    assert "no T.38 packet ever arrived" in scene.sent.reason
    assert (scene.sent.outcome, scene.sent.retry) == (Outcome.NO_PACKETS, True)
    assert scene.sent.t30_error is T30Failure.NO_FAX
    assert scene.sent.counters["received"] == 0
    scene.run_out()


@pytest.mark.parametrize(
    ("packet", "audio", "other", "told"),
    [
        (RtpSender(0, 7, 7, 7).packet(bytes(160)), 50, 0, "sent audio (50 RTP packets)"),
        (b"\x00\x01\xff\xff no datagram of T.38", 0, 50, "sent 50 datagrams of something other than T.38"),
        (
            b"\x00\x07\x02\xff\xff\x00\x00",
            0,
            1,
            "sent 1 datagram of something other than T.38",
        ),  # UDPTL around nonsense
        (b"\r\n\r\n", 0, 50, "sent 50 datagrams of something other than T.38"),
    ],
    ids=["RTP", "garbage", "UDPTL alone", "keep-alives"],
)
@pytest.mark.parametrize("side", ["sending", "receiving"])
def test_switched_but_what_comes_is_no_t38(
    tmp_path: Path, side: str, packet: bytes, audio: int, other: int, told: str
) -> None:
    """It proves that no firewall is in the way, which the sentence must not suspect then."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    if side == "sending":
        phone.on_incoming = lambda incoming: phone.accept(t38_too)
        scene.send(make_pages(1), to=PHONE, switch=Switch.CALLER)
        host = CALLER
    else:
        scene.answer()
        phone.dial([T38Parameters().to_media(MEDIA_PORT)])
        host = CALLEE
    scene.run(seconds=3.0)
    for _ in range(50):
        scene.network.send((PHONE, MEDIA_PORT), (host, 10_000), packet)
        scene.run(seconds=0.1)
    scene.run()
    result = scene.sent if side == "sending" else scene.received
    assert result.outcome is Outcome.WRONG_PACKETS
    assert told in result.reason
    assert "firewall" not in result.reason
    assert (result.counters["stray_audio"], result.counters["stray_other"]) == (audio, other)


def test_the_last_of_the_audio_proves_nothing(tmp_path: Path) -> None:
    """What was on its way when the call switched."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(t38_too)
    scene.send(make_pages(1), to=PHONE, switch=Switch.CALLER)
    scene.run(until=lambda: any(isinstance(event, events.SwitchedToT38) for event in scene.call.events))
    for packet in (RtpSender(0, 7, 7, 7).packet(bytes(160)), b"\x80\xc8\x00\x06" + bytes(24)):
        scene.network.send((PHONE, MEDIA_PORT), (CALLER, 10_000), packet)
    scene.run()
    assert scene.sent.outcome is Outcome.NO_PACKETS
    assert scene.sent.counters["stray_audio"] == 0

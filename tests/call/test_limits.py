"""What the SDP of the far end allows is kept to, whatever its DIS says; and what our settings allow of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.values import Address
from t38fsp import events
from t38fsp.status import FaxStatus
from t38fsp.t30.frames import FCF
from t38fsp.t30.vocabulary import FrameReceived
from t38fsp.t38.terminal import Terminal
from tests.call.harness import CALLEE, CALLER, SIP_PORT, Scene, make_pages


class Rewriter:
    """A device on the signalling path that puts something else into what ``sender`` says."""

    def __init__(self, scene: Scene, sender: str, change: dict[str, str]) -> None:
        assert all(len(old) == len(new) for old, new in change.items()), "Content-Length has to hold"
        self._send = scene.network.send
        self._sender = sender
        self._change = change
        self.changed = 0
        scene.network.send = self.send  # type: ignore[method-assign]

    def send(self, source: Address, destination: Address, data: bytes) -> None:
        if source[0] == self._sender and SIP_PORT in (source[1], destination[1]):
            for old, new in self._change.items():
                self.changed += old.encode() in data
                data = data.replace(old.encode(), new.encode())
        self._send(source, destination, data)


def rates(scene: Scene) -> list[int]:
    """bit/s of each training of the caller."""
    return [event.bit_rate for event in scene.call.events if isinstance(event, events.Trained)]


@pytest.mark.parametrize(("rate", "used"), [(14400, 14400), (12000, 9600), (9600, 9600), (2400, 2400)])
def test_the_bit_rate_of_the_far_end_is_not_passed(tmp_path: Path, rate: int, used: int) -> None:
    """T38MaxBitRate is what its gateway carries; the DIS of the machine behind may promise more.

    Our answer repeats it, so that here both ends keep to it, and no DIS can state V.17 without 14400.
    """
    scene = Scene(tmp_path)
    rewriter = Rewriter(scene, CALLEE, {"T38MaxBitRate:14400": f"T38MaxBitRate:{rate:>5}"})
    scene.answer()
    scene.send(make_pages(1, rows=100))
    scene.run()
    assert rewriter.changed
    scene.assert_delivered(1)
    assert rates(scene) == [used]


def test_our_dis_does_not_pass_it_either(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    Rewriter(scene, CALLER, {"T38MaxBitRate:14400": "T38MaxBitRate: 9600"})
    scene.answer()
    scene.send(make_pages(1, rows=100))
    scene.run()
    scene.assert_delivered(1)
    assert rates(scene) == [9600]
    ears = Terminal()
    for when, source, destination, data in scene.tapped:
        if source[0] == CALLEE and SIP_PORT not in (source[1], destination[1]) and data[0] >> 6 != 2:
            ears.receive(data, when)
    heard = [signal.frame for signal in ears.take_signals() if isinstance(signal, FrameReceived)]
    dis = next(frame for frame in heard if frame[2] == FCF.DIS.value)
    # Bits 11 to 14 of the DIS: V.27ter and V.29, but no V.17 (T.30 table 2).
    assert f"{dis[4]:08b}"[2:6] == "1100"


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize(
    ("setting", "limit", "why"),
    [
        ("max_pages", 2, "the fax has more pages than the limit, 2 (max_pages)"),
        ("max_octets", 25_000, "the fax has more octets than the limit, 25000 (max_octets)"),
    ],
)
def test_no_more_is_taken_of_one_fax(tmp_path: Path, setting: str, limit: int, why: str, ecm: bool) -> None:
    """The pages before are there, and the sender knows which."""
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm, **{setting: limit})
    scene.send(make_pages(4, rows=300), ecm=ecm)
    scene.run()
    assert why in scene.received.reason
    assert scene.received.status is FaxStatus.FATAL_ERROR
    assert scene.received.pages_confirmed == scene.sent.pages_confirmed == 2
    scene.assert_truthful()


@pytest.mark.parametrize("ecm", [True, False])
def test_a_page_that_is_too_long_is_not_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ecm: bool
) -> None:
    """Its first lines are good lines, but they are not the page."""
    monkeypatch.setattr("t38fsp.call.receiving._PAGE_LIMIT", 1500)
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm)
    scene.send(make_pages(1))
    scene.run()
    sent, taken = scene.call.call.result, scene.taken.call.result
    assert sent is not None
    assert taken is not None
    assert not sent.completed
    assert taken.status is FaxStatus.FATAL_ERROR
    assert "larger than the limit for one page, 1500 octets" in taken.reason
    assert not any(page.confirmed for page in (*sent.pages, *taken.pages))
    assert not scene.output.exists()

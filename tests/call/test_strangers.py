"""Datagrams of strangers who know the addresses of a call, but not where its numbers are."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.values import Address
from t38fsp.t38.udptl import Datagram
from tests.call.harness import CALLER, SIP_PORT, Scene, make_pages

NO_SIGNAL = b"\x00"


class Stranger:
    """Sends 20 datagrams in the name of the caller, 3,000 numbers apart, ``at_once`` so many.

    The first one is ``ahead`` of the caller's own.
    """

    def __init__(self, scene: Scene, ahead: int, at_once: int) -> None:
        self._scene = scene
        self._ahead = ahead
        self._at_once = at_once
        self._heard = 0
        self.sent = 0

    def __call__(self, when: float, source: Address, destination: Address, data: bytes) -> None:
        if source[0] != CALLER or SIP_PORT in (source[1], destination[1]) or data[0] & 0xC0 == 0x80:
            return
        self._heard += 1
        network = self._scene.network
        if self._heard % 20 or self.sent >= 20:
            return
        for _ in range(self._at_once):
            number = int.from_bytes(data[:2], "big") + self._ahead + 3000 * self.sent
            spoofed = bytes(Datagram(number % 65536, NO_SIGNAL))
            self._scene.simulator.at(when, lambda octets=spoofed: network.send(source, destination, octets))
            self.sent += 1


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("at_once", [1, 20])
@pytest.mark.parametrize("ahead", [70, 150, 700, 1900])
def test_numbers_that_jump_about_cost_no_call_and_no_page(
    tmp_path: Path, ahead: int, at_once: int, ecm: bool
) -> None:
    scene = Scene(tmp_path)
    stranger = Stranger(scene, ahead, at_once)
    scene.taps.append(stranger)
    scene.answer(ecm=ecm)
    scene.send(make_pages(2, rows=300), ecm=ecm)
    scene.run()
    scene.assert_delivered(2)
    assert stranger.sent == 20
    assert [page.repeats for page in scene.received.pages] == [0, 0]
    assert scene.received.counters["lost"] == 0

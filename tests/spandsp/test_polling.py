"""Polling with libspandsp's terminal, and its gateway and modem: it has the document, or fetches ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp.t30.options import PollDocument, PollOptions, ReceiveOptions
from t38fsp.t30.outputs import FarEndAddressed, T30Failure
from tests.peers.endpoint import SpandspEndpoint
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import MachineOptions, Role
from tests.peers.simulated import run
from tests.peers.terminal import SpandspTerminal
from tests.spandsp.calls import Conditions, be_polled_by_spandsp, poll_spandsp
from tests.spandsp.harness import OurReceiver

pytestmark = pytest.mark.spandsp

PEERS_AND_ECM = pytest.mark.parametrize(
    ("gateway", "ecm"), [(False, True), (False, False), (True, False)], ids=["ecm", "no-ecm", "gateway"]
)
"""Not its gateway with ECM: it reads a DTC as a DCS, and then plays frames to the modem without HDLC."""


@PEERS_AND_ECM
def test_its_document_is_fetched(document: Path, received: Path, gateway: bool, ecm: bool) -> None:
    near, far, _ = poll_spandsp(
        document, received, {"station_id": "+15550199", "ecm": ecm}, Conditions(gateway=gateway)
    )
    assert near.far_ident == "+15550199"
    assert bool(far.machine.statistics.error_correcting_mode) == ecm
    assert [outcome.response for outcome in near.outcomes] == ["MCF", "MCF"]


@PEERS_AND_ECM
def test_it_fetches_our_document(document: Path, received: Path, gateway: bool, ecm: bool) -> None:
    near, far, _ = be_polled_by_spandsp(
        document, received, ReceiveOptions(station_id="+15550100"), {"ecm": ecm}, Conditions(gateway=gateway)
    )
    assert near.result is not None
    assert near.result.error is None, near.result.detail
    assert near.session.polled
    assert far.machine.completion is not None
    assert far.machine.completion.ok, far.machine.completion.text
    assert far.machine.far_ident == "+15550100"
    assert assert_same_pages(document, received) == near.result.pages_confirmed == 2


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ({"password": "1234", "selective_address": "7"}, True),
        ({"password": "4321", "selective_address": "7"}, False),
        ({"password": "1234", "selective_address": "8"}, False),
        ({}, False),
    ],
    ids=["right", "wrong password", "another document", "nothing"],
)
def test_it_fetches_only_what_it_may(
    document: Path, received: Path, said: MachineOptions, right: bool
) -> None:
    locked = ReceiveOptions(document=PollDocument(selective_address="7", password="1234"))
    near, far, _ = be_polled_by_spandsp(document, received, locked, said)
    assert near.result is not None
    assert far.machine.completion is not None
    assert far.machine.completion.ok is right, far.machine.completion.text
    if right:
        assert assert_same_pages(document, received) == 2
        (asked,) = [output for _, output in near.outputs if isinstance(output, FarEndAddressed)]
        assert (asked.password, asked.selective_address) == ("1234", "7")
    else:
        assert near.result.error is T30Failure.FIELD_REFUSED
        assert not near.session.polled


def test_it_has_nothing_to_be_polled(received: Path, tmp_path: Path) -> None:
    far = SpandspEndpoint(SpandspTerminal(Role.ANSWERING, rx_file=tmp_path / "theirs.tif"))
    near = OurReceiver(received, poll=PollOptions())
    run(far, near)
    assert near.result is not None
    assert near.result.error is T30Failure.NO_DOCUMENT
    assert not received.exists()

"""One call between our machines and a spandsp peer in simulated time, and what has to hold after each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from t38fsp.t30.options import PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import Coding
from t38fsp.t38.ifp import Syntax
from tests.peers.endpoint import IfpFilter, SpandspEndpoint
from tests.peers.gateway import SpandspGateway
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import MachineOptions, Role
from tests.peers.simulated import SimulatedCall, run
from tests.peers.spandsp import Compressions
from tests.peers.terminal import IfpPeer, SpandspTerminal
from tests.spandsp.harness import OurAnswerer, OurReceiver, OurSender

_SYNTAX = {0: Syntax.Y1998, 2: Syntax.Y2002}
COMPRESSIONS = {
    Coding.MH: Compressions.MH,
    Coding.MR: Compressions.MH | Compressions.MR,
    Coding.MMR: Compressions.MH | Compressions.MR | Compressions.MMR,
}
"""What spandsp has when this coding is the best."""
ENCODINGS = {1: "MH", 2: "MR", 3: "MMR"}
"""``encoding`` of spandsp's statistics."""

MODES = pytest.mark.parametrize(
    ("ecm", "coding"),
    [
        pytest.param(True, Coding.MMR, id="ecm-mmr"),
        pytest.param(True, Coding.MR, id="ecm-mr"),
        pytest.param(True, Coding.MH, id="ecm-mh"),
        pytest.param(False, Coding.MR, id="mr"),
        pytest.param(False, Coding.MH, id="mh"),
    ],
)
PEERS = pytest.mark.parametrize("gateway", [False, True], ids=["terminal", "gateway"])


@dataclass(frozen=True, slots=True)
class Conditions:
    """The line, and the far end: a terminal, or a gateway with an audio fax behind it."""

    gateway: bool = False
    version: int = 0
    redundancy: int = 3
    delay: float = 0.02
    jitter: float = 0.0
    loss: float = 0.0
    overtaken: float = 0.0
    seed: int = 0
    fault: IfpFilter | None = None
    """Applied to what the sending machine sends."""


def send_to_spandsp(
    document: Path,
    received: Path,
    ours: TransmitOptions | None = None,
    theirs: MachineOptions | None = None,
    conditions: Conditions | None = None,
) -> tuple[OurSender, SpandspEndpoint, SimulatedCall]:
    """We call and send ``document``; every page has to arrive as it is and to be confirmed once."""
    line = conditions or Conditions()
    options: MachineOptions = {**(theirs or {}), "rx_file": received}
    far = SpandspEndpoint(
        _peer(Role.ANSWERING, line, options), redundancy=line.redundancy, toward_peer=line.fault
    )
    near = OurSender(document, ours, syntax=_SYNTAX[line.version], redundancy=line.redundancy)

    call = _run(far, near, line)

    assert near.result is not None, "our transmitter did not finish"
    assert near.result.error is None, f"{near.result.error}: {near.result.detail}"
    _assert_spandsp_completed(far)
    pages = assert_same_pages(document, received)
    confirmed = [outcome.index for outcome in near.outcomes if outcome.confirmed]
    assert confirmed == list(range(pages)), near.outcomes
    assert near.result.pages_confirmed == pages
    assert far.machine.statistics.pages_rx == pages
    return near, far, call


def receive_from_spandsp(
    document: Path,
    received: Path,
    ours: ReceiveOptions | None = None,
    theirs: MachineOptions | None = None,
    conditions: Conditions | None = None,
) -> tuple[OurReceiver, SpandspEndpoint, SimulatedCall]:
    """spandsp calls and sends ``document`` to us; every page has to arrive as it is."""
    line = conditions or Conditions()
    options: MachineOptions = {**(theirs or {}), "tx_file": document}
    far = SpandspEndpoint(
        _peer(Role.CALLING, line, options), redundancy=line.redundancy, toward_line=line.fault
    )
    near = OurReceiver(received, ours, syntax=_SYNTAX[line.version], redundancy=line.redundancy)

    call = _run(far, near, line)

    assert near.result is not None, "our receiver did not finish"
    assert near.result.error is None, f"{near.result.error}: {near.result.detail}"
    _assert_spandsp_completed(far)
    pages = assert_same_pages(document, received)
    confirmed = [outcome.index for outcome in near.outcomes if outcome.confirmed]
    assert confirmed == list(range(pages)), near.outcomes
    return near, far, call


def poll_spandsp(
    document: Path,
    received: Path,
    theirs: MachineOptions,
    conditions: Conditions | None = None,
) -> tuple[OurReceiver, SpandspEndpoint, SimulatedCall]:
    """We call and fetch ``document``; every page has to arrive as it is."""
    line = conditions or Conditions()
    far = SpandspEndpoint(_peer(Role.ANSWERING, line, {**theirs, "tx_file": document}))
    near = OurReceiver(received, syntax=_SYNTAX[line.version], poll=PollOptions())
    call = _run(far, near, line)
    assert near.result is not None, "our receiver did not finish"
    assert near.result.error is None, f"{near.result.error}: {near.result.detail}"
    _assert_spandsp_completed(far)
    pages = assert_same_pages(document, received)
    assert [outcome.index for outcome in near.outcomes if outcome.confirmed] == list(range(pages))
    assert far.machine.statistics.pages_tx == pages
    return near, far, call


def be_polled_by_spandsp(
    document: Path,
    received: Path,
    ours: ReceiveOptions | None,
    theirs: MachineOptions,
    conditions: Conditions | None = None,
) -> tuple[OurAnswerer, SpandspEndpoint, SimulatedCall]:
    """spandsp calls and fetches ``document``, or tries to."""
    line = conditions or Conditions()
    far = SpandspEndpoint(_peer(Role.CALLING, line, {**theirs, "rx_file": received}))
    near = OurAnswerer(document, ours, syntax=_SYNTAX[line.version])
    call = _run(far, near, line)
    assert near.result is not None, "our answerer did not finish"
    return near, far, call


def _run(
    far: SpandspEndpoint, near: OurSender | OurReceiver | OurAnswerer, line: Conditions
) -> SimulatedCall:
    call = run(
        far,
        near,
        delay=line.delay,
        jitter=line.jitter,
        loss=line.loss,
        overtaken=line.overtaken,
        seed=line.seed,
    )
    # Whoever is not through by now has missed DCN, and learns of the end by BYE.
    far.hang_up()
    near.hang_up(call.seconds)
    return call


def _peer(role: Role, line: Conditions, options: MachineOptions) -> IfpPeer:
    if line.gateway:
        return SpandspGateway(role, version=line.version, **options)
    return SpandspTerminal(role, version=line.version, **options)


def _assert_spandsp_completed(far: SpandspEndpoint) -> None:
    completion = far.machine.completion
    assert completion is not None, "spandsp did not finish"
    assert completion.ok, completion.text
    assert far.rejected == []

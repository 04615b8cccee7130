"""Two endpoints and any line between them that forges nothing: it loses, duplicates, reorders, delays, dies.

Whatever it does and whenever, every call ends in bounded time, with a result that names clause and moment,
and the sender calls no page confirmed that the receiver does not hold.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from PIL import Image, ImageChops

from sip.values import Address
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.vocabulary import Resolution
from t38fsp.virtual.network import Faults, GilbertElliott
from tests.call.harness import CALLER, SIP_PORT, Scene
from tests.pages import PageSpec
from tests.peers import libtiff

LONGEST_DELAY = 1.0

_SHARES = st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.6])
_BURSTS = st.none() | st.builds(GilbertElliott.of, st.sampled_from([0.02, 0.1, 0.3]), st.integers(1, 12))


@st.composite
def any_faults(draw: st.DrawFn) -> Faults:
    """No datagram is ever later than LONGEST_DELAY."""
    delay = draw(st.sampled_from([0.0, 0.02, 0.2, 0.6, 1.0]))
    jitter = draw(st.sampled_from([0.0, 0.02, 0.2, 1.0])) * (LONGEST_DELAY - delay)
    held_back = LONGEST_DELAY - delay - jitter
    return Faults(
        delay=delay,
        jitter=jitter,
        in_order=draw(st.booleans()),
        loss=draw(_SHARES),
        bursts=draw(_BURSTS),
        duplication=draw(_SHARES),
        reordering=draw(_SHARES),
        held_back=held_back,
    )


DEAD = Faults(loss=1.0)
FORMATS: list[tuple[int, Resolution]] = [
    (1728, Resolution.R8_FINE),
    (1728, Resolution.R8_FINE),
    (1728, Resolution.R8_STANDARD),
    (2048, Resolution.R8_FINE),
]
"""Two of them travel alike; the others have the training begin anew."""


class AnyLine(RuleBasedStateMachine):
    """A call whose line changes while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.scene: Scene
        self.there = self.back = Faults()
        self.signalling = False

    @initialize(
        seed=st.integers(0, 2**32),
        formats=st.lists(st.sampled_from(FORMATS), min_size=1, max_size=3),
        kind=st.sampled_from(["text", "lines", "noise"]),
        ecm=st.booleans(),
        redundancy=st.integers(0, 4),
        parity=st.sampled_from([0, 0, 3]),
        signalling=st.booleans(),
    )
    def place(
        self,
        seed: int,
        formats: list[tuple[int, Resolution]],
        kind: str,
        ecm: bool,
        redundancy: int,
        parity: int,
        signalling: bool,
    ) -> None:
        self.signalling = signalling
        self.ecm = ecm
        self.scene = Scene(Path(self.folder.name), seed=seed, faults_for=self.faults_for)
        pages: list[PageSpec] = [(width, resolution, 60, kind) for width, resolution in formats]
        self.scene.answer(ecm=ecm, redundancy=redundancy, parity=parity)
        self.scene.send(pages, ecm=ecm, redundancy=redundancy, parity=parity)

    def faults_for(self, source: Address, destination: Address) -> Faults:
        if SIP_PORT in (source[1], destination[1]) and not self.signalling:
            return Faults()
        return self.there if source[0] == CALLER else self.back

    # --- what the line does ---------------------------------------------------------------------------------

    @rule(there=any_faults(), back=any_faults())
    def change(self, there: Faults, back: Faults) -> None:
        self.there, self.back = there, back

    @rule(faults=any_faults(), back=st.booleans())
    def change_one_way(self, faults: Faults, back: bool) -> None:
        if back:
            self.back = faults
        else:
            self.there = faults

    @rule(seconds=st.sampled_from([0.3, 1.0, 3.0, 10.0]), ways=st.sampled_from(["there", "back", "both"]))
    def die_for_a_while(self, seconds: float, ways: str) -> None:
        before = self.there, self.back
        if ways != "back":
            self.there = DEAD
        if ways != "there":
            self.back = DEAD
        self.scene.run(seconds=seconds)
        self.there, self.back = before

    @rule()
    def heal(self) -> None:
        self.there = self.back = Faults()

    @rule(seconds=st.sampled_from([0.05, 0.4, 1.5, 4.0, 9.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        self.scene.run(seconds=seconds)

    # --- what holds whatever it did -------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if hasattr(self, "scene"):
                self.scene.run()  # an hour at most
                self.assert_true()
                self.scene.run_out()
        finally:
            self.folder.cleanup()

    def assert_true(self) -> None:
        scene = self.scene
        results = [call.call.result for call in scene.calls]
        for result in results:
            assert result is not None
            assert_told(result)
        held = list(libtiff.pages(scene.output)) if scene.output.exists() else []
        sent = list(libtiff.pages(scene.document))
        confirmed = [page.number - 1 for page in scene.sent.pages if page.confirmed]
        assert scene.sent.pages_confirmed == len(confirmed)
        assert confirmed == list(range(len(confirmed)))
        at = 0
        for index in confirmed:
            matches = [
                place for place in range(at, len(held)) if self.is_held(index, sent[index], held[place])
            ]
            assert matches, f"page {index + 1} counts as confirmed, but the receiver does not hold it"
            at = matches[0] + 1

    def is_held(self, index: int, sent: Image.Image, held: Image.Image) -> bool:
        """Dot by dot; but without ECM the third attempt at a page may lack a little of its middle."""
        if sent.size == held.size and ImageChops.logical_xor(sent, held).getbbox() is None:
            return True
        return not self.ecm and self.scene.sent.pages[index].repeats == 2 and sent.width == held.width


def assert_told(result: FaxResult) -> None:
    """A failure of T.30 names clause and moment, unless the network is to blame.

    Then nothing ever came, or SIP was lost.
    """
    if result.t30_error is None:
        assert result.status is not FaxStatus.FATAL_ERROR, result.reason
    if result.completed:
        assert result.t30_error is None
        assert all(page.confirmed for page in result.pages)
    lost = not result.counters.get("received") or result.reason.startswith("the call was lost (")
    if result.t30_error is not None and not lost:
        assert result.reason.startswith(f"{result.t30_error.value}; "), result.reason
        assert "(T.30 " in result.reason


TestAnyLine = AnyLine.TestCase
TestAnyLine.settings = settings(max_examples=18, stateful_step_count=12, deadline=None)


@pytest.mark.full
@pytest.mark.timeout(1800)
class TestAnyLineAtLength(AnyLine.TestCase):
    settings = settings(max_examples=400, stateful_step_count=20, deadline=None)

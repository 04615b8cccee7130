"""Whatever the far end says at whatever moment, the call ends in bounded time and names clause and moment.

The far end is one of ours whose T.30 says something else now and then: any frames, images and tones, instead
of what is right, behind it, at any time, or for ever.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.call.fax_leg import T30Session
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.placing import SendingCall
from t38fsp.call.receiving import ReceivingCall
from t38fsp.results import FaxResult
from t38fsp.t30.frames import FCF, RETURN_TO_CONTROL, Frame, image_frame
from t38fsp.t30.outputs import Output, SendBurst
from t38fsp.t30.vocabulary import Burst, HdlcBurst, LineSignal, Modem, RawBurst, Tone, ToneBurst
from tests.call.harness import Scene, make_pages
from tests.call.test_any_line import assert_told
from tests.peers import libtiff
from tests.sweep import Share, examples, sweep

_FIFS = st.one_of(
    st.just(b""),
    st.sampled_from(
        [
            bytes.fromhex(fif)
            for fif in ("00771f22", "00f71f2321034001", "00461f22", "00461e", "0041", "f4000062")
        ]
    ),
    st.just(b"\xff" * 32),
    st.binary(max_size=40),
)
_FRAMES = st.builds(
    lambda fcf, fif, x: bytes(Frame(fcf, fif, final=fcf is not FCF.TSI, x=x)),
    st.sampled_from([fcf for fcf in FCF if fcf is not FCF.DCN]),
    _FIFS,
    st.booleans(),
)
_FAST = st.sampled_from([modem for modem in Modem if modem is not Modem.V21])
_BLOCK = [image_frame(number, bytes(256)) for number in range(3)] + [RETURN_TO_CONTROL] * 3
BURSTS: st.SearchStrategy[Burst] = st.one_of(
    st.builds(lambda frames: HdlcBurst(Modem.V21, frames), st.lists(_FRAMES, min_size=1, max_size=3)),
    st.builds(lambda frame: HdlcBurst(Modem.V21, [frame]), _FRAMES),
    st.builds(RawBurst, _FAST, st.sampled_from([bytes(2700), b"\x55" * 900, b"\0\x01" * 200]), st.booleans()),
    st.builds(HdlcBurst, _FAST, st.just(_BLOCK), st.booleans()),
    st.builds(ToneBurst, st.sampled_from(Tone), st.just(1.0)),
)


class Manner(Enum):
    RIGHT = auto()
    """What T.30 says."""
    INSTEAD = auto()
    BEHIND = auto()
    """Both, one after the other."""
    SILENT = auto()
    TWICE = auto()


@dataclass(frozen=True)
class Conduct:
    """What becomes of each burst in turn; ``bursts`` are taken in turn too."""

    manners: Sequence[Manner]
    bursts: Sequence[Burst]
    for_ever: bool
    """Begin again at the end of them, rather than do right from there on."""
    unasked: Sequence[float]
    """Seconds after the switch at which a burst is said that nothing asked for."""


CONDUCTS = st.builds(
    Conduct,
    st.lists(st.sampled_from([Manner.RIGHT, *Manner]), min_size=1, max_size=12),
    st.lists(BURSTS, min_size=1, max_size=4),
    st.booleans(),
    st.lists(st.floats(0, 60), max_size=5).map(sorted),
)


class Unruly:
    """A T.30 machine of ours that does not stick to what it knows."""

    def __init__(self, right: T30Session, conduct: Conduct) -> None:
        self._right = right
        self._conduct = conduct
        self._unasked = [*conduct.unasked]  # seconds since the switch at first, then times
        self._began = False
        self._now = 0.0
        self._skipped: list[float] = []  # when bursts that were left out count as sent
        self._said = 0
        self.inserted = 0

    def limit_rate(self, bit_rate: int) -> None:
        self._right.limit_rate(bit_rate)

    def be_internet_aware(self) -> None:
        self._right.be_internet_aware()

    def leave_internet_aware_mode(self, now: float) -> None:
        self._right.leave_internet_aware_mode(now)

    def receive(self, signal: LineSignal, now: float) -> None:
        self._tick(now)
        self._right.receive(signal, now)

    def burst_sent(self, now: float) -> None:
        self._tick(now)
        self._right.burst_sent(now)

    def abort(self, now: float) -> None:
        self._right.abort(now)

    def line_dropped(self, now: float) -> None:
        self._right.line_dropped(now)

    def next_deadline(self) -> float | None:
        times = [self._right.next_deadline(), *self._skipped[:1]]
        if self._began:
            times += self._unasked[:1]
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        self._tick(now)
        while self._skipped and self._skipped[0] <= now:
            self._skipped.pop(0)
            self._right.burst_sent(now)
        self._right.handle_deadline(now)

    def take_outputs(self) -> list[Output]:
        outputs: list[Output] = []
        while self._began and self._unasked and self._unasked[0] <= self._now:
            self._unasked.pop(0)
            outputs.append(self._another())
        for output in self._right.take_outputs():
            outputs += self._say(output) if isinstance(output, SendBurst) else [output]
        return outputs

    def _tick(self, now: float) -> None:
        self._now = now
        if not self._began:
            self._began = True
            self._unasked = [now + seconds for seconds in self._unasked]

    def _another(self) -> SendBurst:
        bursts = self._conduct.bursts
        self.inserted += 1
        return SendBurst(bursts[self.inserted % len(bursts)])

    def _say(self, right: SendBurst) -> list[Output]:
        manners = self._conduct.manners
        position = self._said
        self._said += 1
        if position >= len(manners) and not self._conduct.for_ever:
            return [right]
        match manners[position % len(manners)]:
            case Manner.INSTEAD:
                return [self._another()]
            case Manner.BEHIND:
                return [right, self._another()]
            case Manner.TWICE:
                return [right, right]
            case Manner.SILENT:
                self._skipped.append(self._now + 1.0)
                return []
            case _:
                return [right]


def far_end(kind: type[FaxCall], conduct: Conduct, met: list[Unruly]) -> type[FaxCall]:
    """A call of this kind whose T.30 conducts itself so."""

    class UnrulyCall(kind):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)
            self._session = Unruly(self._session, conduct)
            met.append(self._session)

    return UnrulyCall


def meet(conduct: Conduct, *, sending: bool, ecm: bool, pages: int = 2) -> tuple[FaxResult, Unruly]:
    """What becomes of a call of ours with such a far end; it is over within an hour, and nothing is left."""
    kind = ReceivingCall if sending else SendingCall
    met: list[Unruly] = []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"t38fsp.virtual.endpoint.{kind.__name__}", far_end(kind, conduct, met))
        scene = Scene(Path(folder))
        scene.answer(ecm=ecm)
        scene.send(make_pages(pages, rows=60), ecm=ecm)
        scene.run()
        scene.run_out()
        result = scene.sent if sending else scene.received
        if not sending:
            stored = len(list(libtiff.pages(scene.output))) if scene.output.exists() else 0
            assert result.pages_confirmed <= stored
    return result, met[0]


@examples(push=20, full=60)
@given(CONDUCTS, st.booleans(), st.booleans())
def test_any_conduct_of_the_far_end(conduct: Conduct, sending: bool, ecm: bool) -> None:
    result, _ = meet(conduct, sending=sending, ecm=ecm)
    assert_told(result)


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(max_examples=600, deadline=None)
@given(CONDUCTS, st.booleans(), st.booleans())
def test_any_conduct_of_the_far_end_at_length(conduct: Conduct, sending: bool, ecm: bool) -> None:
    result, _ = meet(conduct, sending=sending, ecm=ecm)
    assert_told(result)


@sweep(
    push=Share.EACH, fcf=[fcf for fcf in FCF if fcf is not FCF.DCN], sending=[True, False], ecm=[True, False]
)
def test_one_frame_for_ever(fcf: FCF, sending: bool, ecm: bool) -> None:
    """Instead of every second burst; for a call that gets somewhere in between."""
    burst = HdlcBurst(Modem.V21, [bytes(Frame(fcf, bytes.fromhex("00771f22"), x=not sending))])
    conduct = Conduct([Manner.RIGHT, Manner.INSTEAD], [burst], for_ever=True, unasked=[])
    result, far = meet(conduct, sending=sending, ecm=ecm)
    assert far.inserted
    assert_told(result)

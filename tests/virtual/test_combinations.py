"""Quirks together, and with faults of the line: pages arrive, or the result says truly that they did not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from t38fsp.audio.leg import Role
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Switch
from t38fsp.image import document
from t38fsp.status import FaxStatus
from t38fsp.virtual.hooks import Quirk
from t38fsp.virtual.network import Faults, GilbertElliott
from t38fsp.virtual.quirks import QUIRKS, QuirkError, check_combination, describe, parse_quirks
from t38fsp.virtual.scenario import Scenario, ScenarioOutcome
from tests.call.harness import make_pages
from tests.pages import make_document
from tests.sweep import examples

LONGEST = 1500.0
"""Virtual seconds within which every such call is over."""

HOPELESS = (
    # Of three DCS two are in the wrong syntax, and the gateway hears the one between them badly.
    {"syntax", "changed-dis"},
    {"syntax", "deaf-to"},
    # The machine has lost patience before the third CTC.
    {"ignores-ctc", "late-answers"},
)
"""Quirks that use up the three tries of T.30 together."""
IMPATIENT = {"preamble-needed", "silence-needed", "frame-tail-needed", "strict-modem"}
"""Quirks that go by the time at which a packet arrives, and so bear no jitter."""


@dataclass(frozen=True, slots=True)
class Combination:
    quirks: tuple[Quirk, ...]
    role: Role
    """Of the machine behind the gateway."""
    ecm: bool

    @property
    def names(self) -> set[str]:
        return {quirk.name for quirk in self.quirks}

    def __str__(self) -> str:
        return f"{','.join(map(describe, self.quirks))} {self.role.name} {'ECM' if self.ecm else 'no ECM'}"


def fits(chosen: Sequence[str], role: Role) -> bool:
    try:
        check_combination([QUIRKS[name]() for name in chosen])
    except QuirkError:
        return False
    return all(role in QUIRKS[name].roles for name in chosen)


@st.composite
def combinations(draw: st.DrawFn, survivable: bool = False) -> Combination:
    role = draw(st.sampled_from(Role))
    candidates = [
        name
        for name, kind in QUIRKS.items()
        if role in kind.roles and not kind.on_sockets_only and (kind.survivable or not survivable)
    ]
    some = st.lists(st.sampled_from(candidates), min_size=2, max_size=4, unique=True)
    chosen = draw(some.filter(lambda those: fits(those, role)))
    ecm = draw(st.booleans())
    if survivable:
        # Without ECM there is no RNR: a page has to be put away within three T4.
        chosen = ["rnr=6" if name == "rnr" and not ecm else name for name in chosen]
    return Combination(parse_quirks(",".join(chosen)), role, ecm)


def share(most: float) -> st.SearchStrategy[float]:
    return st.sampled_from((0.0, 0.0, most / 4, most))


@st.composite
def lines(draw: st.DrawFn) -> Faults:
    """Any line whose datagrams are at most a second late."""
    burst = draw(share(0.1))
    begin = draw(st.none() | st.floats(0, 60))
    return Faults(
        delay=draw(st.sampled_from((0.0, 0.02, 0.2, 0.5))),
        jitter=draw(st.sampled_from((0.0, 0.03, 0.3))),
        loss=draw(share(0.2)),
        bursts=GilbertElliott.of(burst, draw(st.sampled_from((2, 8)))) if burst else None,
        duplication=draw(share(0.2)),
        reordering=draw(share(0.1)),
        drift=draw(st.sampled_from((0.0, 0.0001, -0.0001))),
        dead=None if begin is None else (begin, begin + draw(st.sampled_from((0.5, 3.0, 30.0)))),
    )


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("letter") / "letter.tif"
    make_document(path, make_pages(2, rows=60))
    return path


def run(letter: Path, combination: Combination, faults: Faults, seed: int) -> Iterator[ScenarioOutcome]:
    """The outcome, while its file is there."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(Path(folder), combination.quirks, faults, seed=seed)
        transfer = scenario.send if combination.role is Role.ANSWERING else scenario.receive
        yield transfer(letter, CallSettings(ecm=combination.ecm, switch=Switch.EITHER, t38_version=3))


def held(outcome: ScenarioOutcome) -> list[bytes]:
    """Pixels of the pages that arrived."""
    return [pixels for _, pixels in document.pages(outcome.file)] if outcome.file.exists() else []


def check_delivered(letter: Path, combination: Combination, faults: Faults, seed: int) -> None:
    for outcome in run(letter, combination, faults, seed):
        assert outcome.result.status is FaxStatus.COMPLETED, f"{combination}: {outcome.result.reason}"
        assert [page.confirmed for page in outcome.result.pages] == [True, True]
        assert held(outcome) == [pixels for _, pixels in document.pages(letter)]


def check_truth(letter: Path, combination: Combination, faults: Faults, seed: int) -> None:
    """Nothing counts as confirmed that is not there, or is not what was sent."""
    for outcome in run(letter, combination, faults, seed):
        result = outcome.result
        event(result.status.name)
        assert outcome.seconds < LONGEST
        arrived, sent = held(outcome), [pixels for _, pixels in document.pages(letter)]
        receiving = combination.role is Role.CALLING
        # Without ECM, which a DIS that changes may have denied first, a machine keeps pages with damaged
        # rows, and one may come twice rather than never.
        certain = combination.ecm and all(page.ecm for page in result.pages)
        confirmed = [page.confirmed for page in result.pages]
        if certain or not receiving:
            assert result.completed is (confirmed == [True, True])
        else:
            assert not result.completed or (len(confirmed) >= 2 and all(confirmed))
        assert result.pages_confirmed <= len(arrived)
        if receiving:
            # What came of a page that the far end gave up (EOR) is kept.
            assert outcome.gateway.pages_confirmed <= result.pages_confirmed
            assert len(arrived) <= len(result.pages)
        if certain:
            rest = iter(arrived)
            pages = zip(result.pages, sent, strict=False)
            assert all(page in rest for record, page in pages if record.confirmed)
        if not result.completed:
            assert result.reason


@given(combinations(survivable=True), st.integers(0, 99))
@example(Combination(parse_quirks("mistaken-modem,echo,deaf-to=MCF"), Role.CALLING, ecm=False), 0)
@examples(push=9, full=60)
def test_quirks_that_a_call_survives_it_survives_together(
    letter: Path, combination: Combination, seed: int
) -> None:
    """On a good line every page arrives, whatever quirks come together."""
    if not any(pair <= combination.names for pair in HOPELESS):
        check_delivered(letter, combination, Faults(), seed)


@pytest.mark.full
@given(combinations(survivable=True), st.sampled_from((0.0, 0.1, 0.4)), st.integers(0, 99))
@settings(max_examples=200)
def test_also_on_a_line_that_delays_and_disturbs_their_order(
    letter: Path, combination: Combination, delay: float, seed: int
) -> None:
    if any(pair <= combination.names for pair in HOPELESS):
        return
    # T4 is over before an answer that is late, or for which an echo and a CRP have to make room.
    slow = "late-answers" in combination.names or {"echo", "crp"} <= combination.names
    delay = 0.02 if slow else delay
    # What comes behind a jump in the numbers, but was sent before it, is lost.
    steady = IMPATIENT | {"early-hang-up"} | (set() if combination.ecm else {"seq-jump"})
    jitter = 0.0 if steady & combination.names else 0.05
    faults = Faults(delay=delay, jitter=jitter, duplication=0.03, drift=0.00005)
    check_delivered(letter, combination, faults, seed)


@given(combinations(), lines(), st.integers(0, 99))
@example(
    Combination(parse_quirks("keep-alive=0.5,changed-dis"), Role.ANSWERING, ecm=True),
    Faults(delay=0.5, jitter=0.3, bursts=GilbertElliott.of(0.1, 8)),
    47,
)
@example(
    Combination(parse_quirks("switch-after=20,refresh=9"), Role.CALLING, ecm=False),
    Faults(delay=0.5, dead=(25.0, 28.0)),
    0,
)
@example(
    Combination(parse_quirks("redundancy=0,repeated-indicators=10"), Role.CALLING, ecm=True),
    Faults(delay=0.0, loss=0.2),
    1,
)
@example(
    Combination(parse_quirks("switch-after=20,redundancy=0"), Role.CALLING, ecm=True),
    Faults(delay=0.0, loss=0.2),
    0,
)
@example(
    Combination(parse_quirks("udp-ec,data-in-fcs,short-preamble"), Role.ANSWERING, ecm=True),
    Faults(delay=0.0, jitter=0.03, loss=0.2),
    1,
)
@examples(push=9, full=60)
def test_any_quirks_and_any_line_end_in_a_true_result(
    letter: Path, combination: Combination, faults: Faults, seed: int
) -> None:
    check_truth(letter, combination, faults, seed)


@pytest.mark.full
@given(combinations(), lines(), st.integers(0, 99))
@settings(max_examples=200)
def test_many_quirks_and_many_lines(
    letter: Path, combination: Combination, faults: Faults, seed: int
) -> None:
    check_truth(letter, combination, faults, seed)

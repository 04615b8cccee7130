"""Lost packets: every page identical, every result true."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp import events
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t4.reader import ScanLineChecker
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import PageMode
from tests.call.faults import LostPackets
from tests.call.harness import Scene, Sender, lossy, make_pages
from tests.pages import make_document
from tests.sweep import sweep

SEEDS = range(50)
RECALLS = 3
"""Redundancy: a packet is lost for good only with the three behind it."""
PAGE_BURST = 2
"""TCF is the first."""


def responses(scene: Scene) -> list[str]:
    """Answers to the attempts at pages, as the sender tells them."""
    return [event.record.response for event in scene.call.events if isinstance(event, events.PageDone)]


def assert_true(result: FaxResult, pages: int) -> None:
    """COMPLETED, and every page counted once."""
    assert result.status is FaxStatus.COMPLETED, result.reason
    assert result.pages_confirmed == len(result.pages) == pages


# --- random loss --------------------------------------------------------------------------------------------


@sweep(push=6, seed=SEEDS, ecm=[True, False])
def test_five_percent_in_both_directions(tmp_path: Path, seed: int, ecm: bool) -> None:
    scene = Scene(tmp_path, seed=seed, faults_for=lossy(0.05))
    scene.answer(ecm=ecm, redundancy=RECALLS)
    scene.send(make_pages(2, rows=300), redundancy=RECALLS)
    scene.run()
    scene.assert_delivered(2)
    for result in (scene.sent, scene.received):
        assert_true(result, 2)
    assert scene.received.counters["recovered"] > 0
    scene.assert_truthful()
    scene.run_out()


@pytest.mark.full
@sweep(push=1, full=16, seed=SEEDS, ecm=[True, False])
def test_five_percent_of_dense_pages(tmp_path: Path, seed: int, ecm: bool) -> None:
    """Ten thousand packets: now and then four in a row are lost."""
    scene = Scene(tmp_path, seed=seed, faults_for=lossy(0.05))
    scene.answer(ecm=ecm, redundancy=RECALLS)
    scene.send(make_pages(2, kind="noise", rows=600), redundancy=RECALLS)
    scene.run()
    scene.assert_delivered(2)
    for result in (scene.sent, scene.received):
        assert_true(result, 2)
    scene.assert_truthful()


@sweep(push=4, seed=range(10), ecm=[True, False])
def test_loss_and_reordering_of_everything(tmp_path: Path, seed: int, ecm: bool) -> None:
    """The signalling suffers too, and packets overtake each other."""
    scene = Scene(tmp_path, seed=seed, faults_for=lossy(0.05, jitter=0.04, signalling=True))
    scene.answer(ecm=ecm)
    scene.send(make_pages(2, rows=300))
    scene.run()
    scene.assert_delivered(2)
    scene.assert_truthful()
    scene.run_out()


@sweep(push=4, seed=range(20), ecm=[True, False])
def test_loss_that_no_redundancy_bears(tmp_path: Path, seed: int, ecm: bool) -> None:
    """At 30 % anything may happen but a lie."""
    scene = Scene(tmp_path, seed=seed, faults_for=lossy(0.3))
    scene.answer(ecm=ecm, redundancy=1)
    scene.send(make_pages(2, rows=300), redundancy=1)
    scene.run()
    scene.assert_truthful()
    if ecm and scene.sent.completed:
        scene.assert_delivered(2)
    scene.run_out()


# --- four packets in a row ----------------------------------------------------------------------------------


def with_hole(folder: Path, first: int, length: int, *, attempts: int = 1, ecm: bool) -> Scene:
    """A fax of one page; in its first ``attempts`` at it ``length`` packets from ``first`` are lost."""
    # Without ECM a refused page comes behind another TCF.
    step = 1 if ecm else 2
    hole = LostPackets(range(PAGE_BURST, PAGE_BURST + step * attempts, step), range(first, first + length))
    scene = Scene(folder, faults_for=hole.faults_for)
    hole.watch(scene)
    scene.answer(ecm=ecm)
    scene.send(make_pages(1, rows=300))
    scene.run()
    assert hole.lost >= length
    scene.assert_truthful()
    return scene


def test_three_packets_in_a_row_are_restored(tmp_path: Path) -> None:
    scene = with_hole(tmp_path, 20, 3, ecm=False)
    scene.assert_delivered(1)
    assert responses(scene) == ["MCF"]
    assert (scene.received.counters["recovered"], scene.received.counters["lost"]) == (3, 0)


def test_a_page_with_a_hole_comes_again(tmp_path: Path) -> None:
    scene = with_hole(tmp_path, 20, 4, ecm=False)
    scene.assert_delivered(1)
    assert responses(scene) == ["RTN", "MCF"]
    for result in (scene.sent, scene.received):
        (page,) = result.pages
        assert (page.confirmed, page.response, page.repeats, page.bit_rate) == (True, "MCF", 1, 12000)
    assert scene.received.counters["lost"] == 1


@sweep(push=8, first=[*range(8), *range(8, 140, 6)], ecm=[True, False])
def test_wherever_the_hole_is(tmp_path: Path, first: int, ecm: bool) -> None:
    """From the first octets, over the end of the page, to the command behind it."""
    scene = with_hole(tmp_path, first, 6, ecm=ecm)
    scene.assert_delivered(1)


def test_a_page_with_a_large_hole_each_time_is_never_confirmed(tmp_path: Path) -> None:
    """The rows that came are good rows, but a quarter of the packets did not come."""
    scene = with_hole(tmp_path, 20, 80, attempts=3, ecm=False)
    assert responses(scene) == ["RTN", "RTN", "RTN"]
    assert scene.sent.t30_error is T30Failure.PAGE_REFUSED
    assert not scene.output.exists()


@pytest.mark.parametrize("rows_lost", [False, True])
def test_a_page_that_loses_its_end_each_time_is_never_confirmed(tmp_path: Path, rows_lost: bool) -> None:
    """Without RTC nobody knows how much is missing, even if all that came is good."""

    def call(hole: LostPackets) -> Scene:
        scene = Scene(tmp_path, faults_for=hole.faults_for)
        hole.watch(scene)
        scene.answer(ecm=False, redundancy=0)
        scene.send(make_pages(1, rows=60), ecm=False, max_rate=2400, redundancy=0)
        scene.run()
        return scene

    whole = LostPackets((), ())
    call(whole).assert_delivered(1)
    end = whole.ends[-1]
    behind_rtc = 2 + 1  # zeros that have the modem send all of it, and the end of the burst
    first = end - behind_rtc - (12 if rows_lost else 2)
    scene = call(LostPackets(range(PAGE_BURST, 8, 2), range(first, end + 1)))
    assert responses(scene) == ["RTN", "RTN", "RTN"]
    assert scene.sent.pages_confirmed == scene.received.pages_confirmed == 0


def test_a_page_with_a_hole_each_time(tmp_path: Path) -> None:
    """The third copy is taken as T.30 has it, because it is better than none; the file tells of its rows."""
    scene = with_hole(tmp_path, 20, 5, attempts=3, ecm=False)
    assert responses(scene) == ["RTN", "RTN", "MCF"]
    for result in (scene.sent, scene.received):
        assert_true(result, 1)
        assert result.pages[0].repeats == 2
    (quality,) = scene.receiver.qualities
    assert 0 < quality.bad_rows < 0.05 * quality.rows


# --- a bad line, but no packet lost -------------------------------------------------------------------------


class NoisyLine(Sender):
    """Stands for a gateway with a bad telephone line behind it: octets come wrong in some places."""

    def __init__(self, path: Path, places: int) -> None:
        super().__init__(path)
        self._places = places
        self.bad_share = 0.0
        """Of the rows of the last page."""

    def encode(self, index: int, mode: PageMode) -> bytes:
        data = bytearray(super().encode(index, mode))
        for place in range(self._places):
            at = 100 + place * (len(data) - 200) // self._places
            data[at : at + 2] = b"\x55\xaa"
        checker = ScanLineChecker(mode.coding, mode.width)
        checker.feed(bytes(data))
        quality = checker.finish()
        self.bad_share = quality.bad_rows / quality.rows
        return bytes(data)


@pytest.mark.parametrize(
    ("places", "low", "high", "answers"),
    [
        (0, 0.0, 0.0, ["MCF"]),
        (3, 0.003, 0.05, ["MCF"]),
        (10, 0.05, 0.15, ["RTP"]),
        (40, 0.15, 1.0, ["RTN", "RTN", "RTN"]),
    ],
)
def test_bad_rows_without_lost_packets(
    tmp_path: Path, places: int, low: float, high: float, answers: list[str]
) -> None:
    """T.30's tolerance is for these: confirmed, confirmed with retraining, refused (5.3.6.1.7)."""
    scene = Scene(tmp_path)
    scene.answer(ecm=False)
    make_document(scene.document, make_pages(1, rows=300))
    sender = NoisyLine(scene.document, places)
    scene.send_document(sender)
    scene.run()
    assert low <= sender.bad_share <= high
    assert responses(scene) == answers
    if answers == ["RTN"] * 3:
        assert scene.sent.status is FaxStatus.FATAL_ERROR
        assert scene.sent.t30_error is T30Failure.PAGE_REFUSED
        assert not scene.output.exists()
        assert scene.received.pages_confirmed == 0
    else:
        assert_true(scene.sent, 1)
        assert [quality.bad_rows / quality.rows for quality in scene.receiver.qualities] == [sender.bad_share]
    scene.assert_truthful()
    scene.run_out()

"""A fax that broke off, and the call that goes on: nothing is lost, and what was confirmed is not resent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sip.values import Address
from t38fsp.call_settings import CallSettings
from t38fsp.events import PageDone, PageStarted
from t38fsp.image import document
from t38fsp.jobs import WHOLE, Resume
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus
from t38fsp.t30.vocabulary import Resolution
from t38fsp.virtual.endpoint import SimulatedCall
from t38fsp.virtual.network import Faults
from tests.call.harness import CALLEE, SIP_PORT, Scene, Sender
from tests.pages import make_document
from tests.peers import libtiff
from tests.sweep import Share, examples, sweep

PAGES = 4
_ROWS = [100 + 16 * number for number in range(PAGES)]
"""Each page has a length of its own, by which it is known again."""


class TwoCalls(Scene):
    """The same document sent by one call and then another, to the same file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, faults_for=self._faults)
        self.deaf = False
        """The caller hears no more of the fax."""
        make_document(self.document, [(1728, Resolution.R8_FINE, rows, "text") for rows in _ROWS])
        self.answer()

    def _faults(self, source: Address, destination: Address) -> Faults:
        lost = self.deaf and source[0] == CALLEE and SIP_PORT not in (source[1], destination[1])
        return Faults(loss=1.0 if lost else 0.0)

    def dial(self, resume: Resume = WHOLE, to: str = CALLEE, **options: object) -> SimulatedCall:
        call = self.caller.send(
            f"sip:+15550100@{to}",
            (to, SIP_PORT),
            document.inspect(self.document),
            Sender(self.document),
            CallSettings(**options),  # type: ignore[arg-type]
            resume,
        )
        self.placed.append(call)
        return call

    def finish(self, call: SimulatedCall) -> FaxResult:
        """Run until both ends are through."""
        self.run(until=lambda: all(each.call.result is not None for each in self.calls))
        assert call.call.result is not None
        return call.call.result

    def go_on(self, result: FaxResult, **options: object) -> FaxResult:
        """Send the rest."""
        self.deaf = False
        return self.finish(self.dial(Resume.after(result), **options))

    @property
    def arrived(self) -> list[int]:
        """Numbers of the pages in the file, in their order."""
        if not self.output.exists():
            return []
        return [_ROWS.index(page.height) + 1 for page in libtiff.pages(self.output)]


@pytest.fixture
def scene(tmp_path: Path) -> TwoCalls:
    return TwoCalls(tmp_path)


def confirmed(call: SimulatedCall) -> int:
    return sum(isinstance(event, PageDone) and event.record.confirmed for event in call.events)


def stored(scene: TwoCalls) -> int:
    return len(scene.receiver.qualities)


BreakOff = Callable[[TwoCalls, SimulatedCall], None]


def the_receiver_disconnects(scene: TwoCalls, call: SimulatedCall) -> None:
    """DCN and BYE."""
    scene.taken.abort()


def the_far_end_hangs_up(scene: TwoCalls, call: SimulatedCall) -> None:
    """BYE alone."""
    assert scene.taken.call.line_call is not None
    scene.callee.agent.hang_up(scene.taken.call.line_call, scene.simulator.now)
    scene.callee.flush()


def the_caller_cancels(scene: TwoCalls, call: SimulatedCall) -> None:
    call.abort()


def the_line_goes_dead(scene: TwoCalls, call: SimulatedCall) -> None:
    scene.deaf = True


@sweep(
    push=Share.EACH,
    break_off=[the_receiver_disconnects, the_far_end_hangs_up, the_caller_cancels, the_line_goes_dead],
    after=[1, 3],
    ecm=[True, False],
)
def test_the_rest_comes_with_a_second_call(
    tmp_path: Path, break_off: BreakOff, after: int, ecm: bool
) -> None:
    scene = TwoCalls(tmp_path)
    first = scene.dial(ecm=ecm)
    scene.run(until=lambda: confirmed(first) == after)
    break_off(scene, first)
    partial = scene.finish(first)
    assert not partial.completed
    assert [page.confirmed for page in partial.pages] == [number <= after for number in range(1, PAGES + 1)]
    assert partial.next_page == after + 1
    held = len(scene.arrived)
    assert scene.arrived == list(range(1, held + 1))

    result = scene.go_on(partial, ecm=ecm)
    assert result.status is FaxStatus.COMPLETED
    assert result.first_page == after + 1
    assert [(page.number, page.confirmed) for page in result.pages] == [
        (number, True) for number in range(1, PAGES + 1)
    ]
    assert result.pages[:after] == partial.pages[:after]
    # A page beyond those confirmed may have been stored when its confirmation was on its way.
    assert held in (after, after + 1)
    assert scene.arrived == [*range(1, held + 1), *range(after + 1, PAGES + 1)]
    assert result.reason == f"{PAGES - after} page{'s were' if PAGES - after > 1 else ' was'} sent and " + (
        f"confirmed by the far end, from page {after + 1} on"
    )


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("last", [False, True])
def test_a_page_whose_confirmation_was_lost_comes_twice(scene: TwoCalls, ecm: bool, last: bool) -> None:
    page = PAGES if last else 2
    first = scene.dial(ecm=ecm)
    scene.run(until=lambda: stored(scene) == page)
    scene.deaf = True
    partial = scene.finish(first)
    assert partial.next_page == page
    assert partial.pages[page - 1].response == "T4"
    assert scene.arrived == list(range(1, page + 1))
    result = scene.go_on(partial, ecm=ecm)
    assert result.completed
    assert scene.arrived == [*range(1, page + 1), *range(page, PAGES + 1)]


def test_pages_keep_their_numbers(scene: TwoCalls) -> None:
    call = scene.dial(Resume(3))
    result = scene.finish(call)
    assert result.completed
    started = [event for event in call.events if isinstance(event, PageStarted)]
    assert [(event.number, event.total) for event in started] == [(3, PAGES), (4, PAGES)]
    assert [page.number for page in result.pages] == [3, 4]
    assert scene.arrived == [3, 4]


def test_the_moment_of_a_failure_has_the_number_of_the_page(scene: TwoCalls) -> None:
    call = scene.dial(Resume(3))
    scene.run(until=lambda: stored(scene) == 1)
    scene.deaf = True
    result = scene.finish(call)
    assert "page 3 of 4" in result.reason
    assert result.next_page == 3


def test_a_third_call(scene: TwoCalls) -> None:
    first = scene.dial()
    scene.run(until=lambda: confirmed(first) == 1)
    scene.taken.abort()
    partial = scene.finish(first)
    second = scene.dial(Resume.after(partial))
    scene.run(until=lambda: confirmed(second) == 2)
    scene.callee.received[-1].abort()
    result = scene.go_on(scene.finish(second))
    assert result.completed
    assert scene.arrived == [1, 2, 3, 4]
    assert [page.number for page in result.pages] == [1, 2, 3, 4]


def test_a_second_call_that_nobody_answers_keeps_the_place(scene: TwoCalls) -> None:
    first = scene.dial()
    scene.run(until=lambda: confirmed(first) == 2)
    scene.taken.abort()
    partial = scene.finish(first)
    scene.callee._take = None
    busy = scene.go_on(partial)
    assert busy.status is FaxStatus.BUSY
    assert busy.next_page == 3
    assert busy.pages[:2] == partial.pages[:2]
    scene.answer()
    assert scene.go_on(busy).completed
    assert scene.arrived == [1, 2, 3, 4]


@settings(examples(push=6, full=25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=st.lists(st.floats(0.0, 60.0), min_size=1, max_size=3), ecm=st.booleans())
def test_however_often_it_breaks_off(tmp_path: Path, moments: list[float], ecm: bool) -> None:
    """Every page arrives, in order but for those that are sent again, and again only if unconfirmed."""
    scene = TwoCalls(tmp_path)
    call = scene.dial(ecm=ecm)
    known: set[int] = set()
    sent_in_vain: set[int] = set()
    for moment in moments:
        scene.run(seconds=moment)
        scene.deaf = True
        result = scene.finish(call)
        now_known = {page.number for page in result.pages if page.confirmed}
        assert known <= now_known
        known = now_known
        if result.completed:
            break
        sent_in_vain |= set(scene.arrived) - known
        scene.deaf = False
        call = scene.dial(Resume.after(result), ecm=ecm)
    scene.deaf = False
    result = scene.finish(call)
    assert result.completed
    assert [page.number for page in result.pages] == list(range(1, PAGES + 1))
    arrived = scene.arrived
    assert sorted(set(arrived)) == list(range(1, PAGES + 1))
    assert {number for number in arrived if arrived.count(number) > 1} <= sent_in_vain


# --- the rest, in itself ------------------------------------------------------------------------------------


def partial_result(*pages: bool) -> FaxResult:
    records = tuple(PageRecord(number, done) for number, done in enumerate(pages, 1))
    return FaxResult(FaxStatus.DISCONNECTED, "cut off", pages=records)


def test_where_to_go_on() -> None:
    result = partial_result(True, True, False, False)
    assert Resume.after(result) == Resume(3, result.pages[:2], 4)
    assert Resume.after(partial_result(False, False)) == Resume(1, (), 2)
    assert Resume.after(FaxResult(FaxStatus.BUSY, "busy")) == Resume()
    assert Resume.after(FaxResult(FaxStatus.BUSY, "busy", first_page=3)) == Resume(3)


def test_a_result_that_does_not_list_the_rest() -> None:
    """The engine died behind page 2; how many more there are nobody knows."""
    result = partial_result(True, True)
    assert Resume.after(result) == Resume(3, result.pages)


def test_nothing_to_go_on_with() -> None:
    done = FaxResult(FaxStatus.COMPLETED, "sent", pages=(PageRecord(1, True),))
    with pytest.raises(ValueError, match="nothing left to send"):
        Resume.after(done)
    with pytest.raises(ValueError, match="page 0 "):
        Resume(0)


@pytest.mark.parametrize(
    ("resume", "pages", "fault"),
    [
        (Resume(), 1, None),
        (Resume(3, page_count=4), 4, None),
        (Resume(3, page_count=4), 5, "it has changed since"),
        (Resume(3), 2, "the document has 2 pages, so it cannot be continued at page 3"),
        (Resume(2), 1, "the document has 1 page, so it cannot be continued at page 2"),
    ],
)
def test_a_document_that_does_not_fit(resume: Resume, pages: int, fault: str | None) -> None:
    told = resume.fault(pages)
    assert told is None if fault is None else fault in (told or "")

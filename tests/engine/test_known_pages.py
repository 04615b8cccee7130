"""Results that an engine makes up keep the place of a fax that is sent in parts."""

from __future__ import annotations

from t38fsp.engine.known_pages import KnownPages
from t38fsp.events import Dialing, Finished, PageDone
from t38fsp.jobs import Resume
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus

FAILED = FaxResult(FaxStatus.FATAL_ERROR, "the engine died")


def numbers(result: FaxResult) -> list[tuple[int, bool]]:
    return [(page.number, page.confirmed) for page in result.pages]


def test_an_ordinary_fax_that_never_began() -> None:
    assert KnownPages().complete(FAILED) == FAILED


def test_a_second_call_that_never_began() -> None:
    resume = Resume(2, (PageRecord(1, True, "MCF"),), 3)
    result = KnownPages(resume).complete(FAILED)
    assert numbers(result) == [(1, True), (2, False), (3, False)]
    assert (result.first_page, result.next_page) == (2, 2)
    assert Resume.after(result) == resume


def test_a_first_page_alone_is_remembered() -> None:
    result = KnownPages(Resume(5)).complete(FAILED)
    assert (result.pages, result.next_page) == ((), 5)


def test_pages_that_were_done_before_the_engine_died() -> None:
    known = KnownPages(Resume(2, (PageRecord(1, True),), 4))
    for event in (
        Dialing("sip:a@b"),
        PageDone(PageRecord(2, False, "RTN")),
        PageDone(PageRecord(2, True, "MCF")),
    ):
        assert known.note(event) is event
    finished = known.note(Finished(FAILED))
    assert isinstance(finished, Finished)
    assert numbers(finished.result) == [(1, True), (2, True), (3, False), (4, False)]


def test_the_calls_own_result_stays_as_it_is() -> None:
    result = FaxResult(FaxStatus.COMPLETED, "sent", pages=(PageRecord(1, True),))
    assert KnownPages(Resume(1, (), 3)).note(Finished(result)) == Finished(result)

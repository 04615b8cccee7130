"""What an engine adds to a result, and that one it makes up keeps the place of a fax sent in parts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from t38fsp.engine.known_facts import KnownFacts
from t38fsp.events import Dialing, Finished, PageDone
from t38fsp.jobs import WHOLE, PollJob, PollOffer, ReceiveJob, Resume, SendJob
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus


def known(resume: Resume = WHOLE) -> KnownFacts:
    """Of a fax to a number, with a clock that counts its readings."""
    readings = itertools.count(1)
    what = SendJob(("fax.tif",), "sip:+15550100@trunk.example", resume=resume)
    return KnownFacts(what, lambda: f"second {next(readings)}")


FAILED = FaxResult(FaxStatus.FATAL_ERROR, "the engine died")


def numbers(result: FaxResult) -> list[tuple[int, bool]]:
    return [(page.number, page.confirmed) for page in result.pages]


def test_an_ordinary_fax_that_never_began() -> None:
    assert known().complete(FAILED) == replace(
        FAILED, number="+15550100", documents=("fax.tif",), began="second 1", ended="second 2"
    )


def test_a_second_call_that_never_began() -> None:
    resume = Resume(2, (PageRecord(1, True, "MCF"),), 3)
    result = known(resume).complete(FAILED)
    assert numbers(result) == [(1, True), (2, False), (3, False)]
    assert (result.first_page, result.next_page) == (2, 2)
    assert Resume.after(result) == resume


def test_a_first_page_alone_is_remembered() -> None:
    result = known(Resume(5)).complete(FAILED)
    assert (result.pages, result.next_page) == ((), 5)


def test_pages_that_were_done_before_the_engine_died() -> None:
    facts = known(Resume(2, (PageRecord(1, True),), 4))
    for event in (
        Dialing("sip:a@b"),
        PageDone(PageRecord(2, False, "RTN")),
        PageDone(PageRecord(2, True, "MCF")),
    ):
        assert facts.note(event) is event
    finished = facts.note(Finished(FAILED))
    assert isinstance(finished, Finished)
    assert numbers(finished.result) == [(1, True), (2, True), (3, False), (4, False)]


def test_the_calls_own_result_stays_as_it_is() -> None:
    result = FaxResult(FaxStatus.COMPLETED, "sent", pages=(PageRecord(1, True),))
    finished = known(Resume(1, (), 3)).note(Finished(result))
    assert isinstance(finished, Finished)
    assert finished.result.pages == result.pages


def test_a_result_that_is_complete_stays_as_it_is() -> None:
    """The engine's process has completed it, before the program's does."""
    complete = known().complete(FAILED)
    assert known().complete(complete) == complete


@pytest.mark.parametrize(
    ("target", "number"), [("sip:100@192.0.2.9", "100"), ("sip:gateway.example", "sip:gateway.example")]
)
def test_the_number_is_what_was_dialled(target: str, number: str) -> None:
    for job in (SendJob(("fax.tif",), target), PollJob(("in.tif",), target)):
        assert KnownFacts(job).complete(FAILED).number == number


def test_a_call_that_came_to_us_is_not_tried_again_from_here() -> None:
    """Also one that never began: its caller hung up, or there was no port for its media."""
    told = KnownFacts(ReceiveJob(1, "in.tif")).complete(replace(FAILED, retry=True, retry_reason="later"))
    assert (told.incoming, told.retry, told.number, told.documents) == (True, False, "", ())
    assert told.retry_reason == "only the caller can try again; later"


@pytest.mark.parametrize(("polled", "documents"), [(True, ("menu.tif",)), (False, ())])
def test_a_document_that_was_fetched_from_us(polled: bool, documents: tuple[str, ...]) -> None:
    job = ReceiveJob(1, "in.tif", offer=PollOffer("menu.tif"))
    assert KnownFacts(job).complete(replace(FAILED, polled=polled)).documents == documents


def test_the_times_are_those_of_the_wall_clock() -> None:
    result = KnownFacts(SendJob(("fax.tif",), "sip:100@h")).complete(FAILED)
    began, ended = datetime.fromisoformat(result.began), datetime.fromisoformat(result.ended)
    assert began.tzinfo is not None
    assert timedelta(0) <= ended - began < timedelta(minutes=1)
    assert abs(datetime.now().astimezone() - ended) < timedelta(minutes=1)

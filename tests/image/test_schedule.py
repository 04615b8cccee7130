"""The queue of image jobs in simulated time: who goes first, and what waits for whom at most."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.image.schedule import Job, Schedule

PAGE = 0.03
"""Seconds that a worker needs for an ordinary page."""


class Office:
    """Workers in simulated time. ``log`` has each job's name with the times of its beginning and its end."""

    def __init__(self, workers: int = 2, spare: int = 1) -> None:
        self.schedule = Schedule(workers, spare)
        self.now = 0.0
        self.log: dict[str, tuple[float, float]] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._jobs: dict[Job, tuple[str, float, Callable[[], None] | None]] = {}

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._numbers), action))

    def add(
        self,
        name: str,
        seconds: float,
        *,
        within: float | None = None,
        lane: str | None = None,
        then: Callable[[], None] | None = None,
    ) -> Job:
        due = None if within is None else self.now + within
        job = Job(due, lane)
        self._jobs[job] = name, seconds, then
        self.schedule.add(job, self.now)
        self.begin()
        return job

    def hasten(self, job: Job, within: float) -> None:
        self.schedule.hasten(job, self.now + within)
        self.begin()

    def inspect(self, name: str, seconds: float = PAGE) -> None:
        """A document: its directories, then its first page, which takes ``seconds``."""
        self.add(f"{name} structure", PAGE, then=lambda: self.add(f"{name} page", seconds) and None)

    def begin(self) -> None:
        while (job := self.schedule.take(self.now)) is not None:
            name, seconds, then = self._jobs.pop(job)
            begun = self.now

            def end(job: Job = job, name: str = name, begun: float = begun, then=then) -> None:  # type: ignore[no-untyped-def]
                self.log[name] = begun, self.now
                self.schedule.done(job)
                if then is not None:
                    then()
                self.begin()

            self.at(self.now + seconds, end)

    def run(self, until: float = float("inf")) -> None:
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, action = heapq.heappop(self._agenda)
            action()

    @property
    def order(self) -> list[str]:
        """Names in the order in which the jobs began."""
        return sorted(self.log, key=lambda name: self.log[name][0])


# --- order --------------------------------------------------------------------------------------------------


def test_a_far_end_waits_for_nothing_but_other_far_ends() -> None:
    office = Office(workers=1, spare=1)
    office.add("at work", 1.0)
    office.add("at work too", 1.0, within=9.0)
    office.add("inspect", 1.0)
    office.add("code", 1.0, within=5.0)
    office.add("store", 1.0, within=2.0)
    office.run()
    assert office.order == ["at work", "at work too", "store", "code", "inspect"]


def test_of_equal_haste_the_first_comes_first() -> None:
    office = Office(workers=2, spare=1)
    names = [f"code {number}" for number in range(20)]
    for name in names:
        office.add(name, 1.0, within=5.0)
    office.run()
    assert office.order == names


def test_a_worker_is_left_for_calls_whatever_is_inspected() -> None:
    office = Office(workers=3, spare=1)
    for number in range(10):
        office.inspect(f"hostile {number}", seconds=50.0)
    office.at(20.0, lambda: office.add("code", PAGE, within=5.0) and None)
    office.run(until=30.0)
    assert office.log["code"] == (20.0, 20.0 + PAGE)


def test_turns_are_taken_in_the_order_in_which_they_came() -> None:
    office = Office()
    for number in range(20):
        office.inspect(f"{number}")
    office.run()
    assert office.order == [f"{number} {what}" for what in ("structure", "page") for number in range(20)]
    assert max(end for _, end in office.log.values()) == pytest.approx(40 * PAGE)


def test_a_document_with_a_slow_page_keeps_no_other_one_waiting() -> None:
    office = Office(spare=2)
    office.inspect("hostile", seconds=5.0)
    for number in range(100):
        office.inspect(f"{number}")
    office.run()
    assert office.log["99 page"][1] <= 202 * PAGE + 1e-6


def test_pages_for_one_file_are_stored_one_after_the_other() -> None:
    office = Office(workers=4, spare=2)
    for number in range(4):
        office.add(f"a {number}", 1.0, within=2.0, lane="a.tif")
    office.add("b", 1.0, within=2.0, lane="b.tif")
    office.run()
    assert [office.log[f"a {number}"][0] for number in range(4)] == [0.0, 1.0, 2.0, 3.0]
    assert office.log["b"][0] == 0.0


# --- a change of mind ---------------------------------------------------------------------------------------


def test_a_page_that_a_far_end_comes_to_wait_for_is_done_at_once() -> None:
    office = Office(workers=2, spare=1)
    office.add("inspect", 9.0)
    page = office.add("page before the call", 1.0)
    office.at(1.0, lambda: office.hasten(page, 5.0))
    office.run()
    assert office.log["page before the call"][0] == 1.0


def test_hastening_what_is_done_or_at_work_changes_nothing() -> None:
    office = Office(workers=2, spare=1)
    job = office.add("one", 1.0)
    office.schedule.hasten(job, 0.0)
    office.run()
    office.schedule.hasten(job, 0.0)
    assert office.schedule.take(office.now) is None
    office.add("two", 1.0)
    office.add("three", 1.0)
    office.run()
    assert office.log["three"][0] == 2.0  # there is still one worker to spare


def test_what_is_dropped_is_not_done_and_leaves_its_lane() -> None:
    office = Office(workers=2, spare=1)
    office.add("first", 1.0, within=2.0, lane="a")
    second = office.add("second", 1.0, within=2.0, lane="a")
    office.add("third", 1.0, within=2.0, lane="a")
    assert office.schedule.drop(second)
    assert not office.schedule.drop(second)
    office.run()
    assert office.order == ["first", "third"]
    assert office.log["third"][0] == 1.0


def test_dropping_the_first_of_a_lane_that_waits_for_a_worker() -> None:
    office = Office(workers=2, spare=1)
    for number in range(2):
        office.add(f"busy {number}", 1.0, within=1.0)
    first = office.add("first", 1.0, within=2.0, lane="a")
    office.add("second", 1.0, within=2.0, lane="a")
    assert office.schedule.drop(first)
    office.run()
    assert office.log["second"][0] == 1.0
    assert "first" not in office.log


# --- deadlines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("calls", "pages"), [(60, 40), (100, 10), (300, 5)])
def test_no_page_is_late_while_documents_are_inspected(calls: int, pages: int) -> None:
    """Calls each with a page every 15 s, of as many different documents, begin within a few seconds, beside
    a stream of documents, some of which have a first page that takes 5 s."""
    office = Office(workers=3, spare=1)
    chance = random.Random(calls)
    for number in range(200):
        seconds = 5.0 if number % 10 == 0 else PAGE
        office.at(number / 2, lambda number=number, seconds=seconds: office.inspect(f"{number}", seconds))  # type: ignore[misc]
    late = []

    def want(call: int, page: int) -> None:
        begun = office.now

        def coded() -> None:
            if office.now > begun + 1.0:
                late.append((call, page, office.now - begun))
            if page + 1 < pages:
                office.at(begun + 15.0, lambda: want(call, page + 1))

        office.add(f"code {call} {page}", PAGE, within=5.0, then=coded)

    for call in range(calls):
        office.at(chance.uniform(0.0, 15.0), lambda call=call: want(call, 0))  # type: ignore[misc]
    office.run(until=15.0 * (pages + 2))
    assert not late
    assert sum(name.startswith("code") for name in office.log) == calls * pages
    assert office.schedule.longest_wait <= 1.0


def test_a_dial_waits_while_pages_of_calls_are_waited_for() -> None:
    """What goes before dialling has its turn when no far end waits: so calls are placed as fast as they can
    be served."""
    office = Office(workers=2, spare=1)
    for number in range(100):
        office.add(f"code {number}", 1.0, within=5.0)
    office.add("before dialling", 0.0)
    office.run()
    assert office.log["before dialling"][0] == 49.0


@given(
    st.lists(
        st.tuples(
            st.floats(0, 10),  # when
            st.floats(0.001, 3),  # how long
            st.one_of(st.none(), st.floats(0, 5)),  # within
            st.sampled_from([None, "a", "b"]),  # lane
            st.booleans(),  # dropped, if it still waits
            st.one_of(st.none(), st.floats(0, 5)),  # hastened
        ),
        max_size=40,
    ),
    st.integers(2, 5),
)
def test_every_job_is_done_once_and_no_worker_idles(jobs, workers) -> None:  # type: ignore[no-untyped-def]
    office = Office(workers=workers, spare=workers // 2)
    dropped = set()

    def arrive(number, seconds, within, lane, drop, hasten) -> None:  # type: ignore[no-untyped-def]
        job = office.add(f"{number}", seconds, within=within, lane=lane)
        if hasten is not None:
            office.at(office.now + 0.5, lambda: office.hasten(job, hasten))
        if drop:

            def give_up() -> None:
                if office.schedule.drop(job):
                    dropped.add(f"{number}")
                    office.begin()

            office.at(office.now + 1.0, give_up)

    for number, (when, *rest) in enumerate(jobs):
        office.at(when, lambda number=number, rest=rest: arrive(number, *rest))  # type: ignore[misc]
    office.run()
    assert set(office.log) == {f"{number}" for number in range(len(jobs))} - dropped
    # All workers are free again, as many as there were.
    for _ in range(workers):
        office.schedule.add(Job(0.0), office.now)
    assert [office.schedule.take(office.now) is not None for _ in range(workers + 1)] == [
        *[True] * workers,
        False,
    ]

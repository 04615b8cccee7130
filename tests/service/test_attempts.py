"""What follows from what, in the database alone: a test says the time, and plays the durable engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, PageRecord
from t38fsp.service import actions, attempt_records, chain, documents, jobs, retention
from t38fsp.service.attempt_rows import Begun, SupersededError
from t38fsp.service.attempts import storable
from t38fsp.service.call_rules import Rules
from t38fsp.service.database import Database, DatabaseError
from t38fsp.service.errors import NotFoundError
from t38fsp.service.ids import new_id
from t38fsp.service.jobs import QueuePlace
from t38fsp.service.policy.retry import RetryPolicy
from t38fsp.service.policy.routing import FailOver
from t38fsp.service.submission import Submission
from t38fsp.service.tables import fax, host
from t38fsp.service.values import AfterCrash, AttemptState, Fax, FaxState, Receiver
from tests.peers.postgres import Postgres

T = TypeVar("T")

MORNING = 1_800_000_000.0 - 1_800_000_000.0 % 86400 + 6 * 3600
"""06:00 UTC."""
CHANNELS = {"one": 2, "two": 1}


class Queue:
    """``released`` are the pairs of workflow and fax that the durable engine would start."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.rules = Rules(RetryPolicy(jitter=0.0), channels=CHANNELS)
        self.now = MORNING
        self.released: list[tuple[str, str]] = []
        self.routes: dict[str, str] = {}

    def do(self, work: Callable[[Connection], T]) -> T:
        return self._database.transact(work)

    def submit(self, *numbers: str, routes: tuple[str, ...] = ("one",), **more: object) -> list[str]:
        given = Submission((("a.pdf", b"x"),), tuple(map(Receiver, numbers)), **more)  # type: ignore[arg-type]
        targets = [QueuePlace(number, routes, given.not_before) for number in numbers]
        job = self.do(lambda connection: actions.submit(connection, given, targets, None, 1000, self.now))
        return [f"{job.id}-{at}" for at in range(1, len(numbers) + 1)]

    def release(self) -> list[str]:
        """The faxes that are released now."""
        before = len(self.released)

        def enqueue(connection: Connection, workflow: str, route: str, id: str, priority: int) -> None:
            self.released.append((workflow, id))
            self.routes[id] = route

        self.do(lambda connection: chain.release(connection, CHANNELS, FailOver(), enqueue, self.now))
        return [id for _, id in self.released[before:]]

    def begin(self, id: str, on: str = "here", *, is_ours: bool = True) -> Begun | None:
        workflow = next(workflow for workflow, each in reversed(self.released) if each == id)
        return self.do(
            lambda connection: attempt_records.begin(
                connection, id, workflow, on, self.rules, lambda *_: is_ours, self.now
            )
        )

    def started(self, id: str) -> Begun:
        assert id in self.release()
        begun = self.begin(id)
        assert begun is not None
        return begun

    def connect(self, begun: Begun) -> None:
        self.do(lambda connection: attempt_records.dialling(connection, begun))
        self.do(lambda connection: attempt_records.connected(connection, begun, "dialog"))

    def confirm(self, begun: Begun, number: int, total: int = 3) -> None:
        self.do(lambda connection: attempt_records.page_confirmed(connection, begun, number, total, self.now))

    def conclude(self, begun: Begun, outcome: Outcome, pages: int = 0, **more: object) -> Fax:
        records = tuple(PageRecord(begun.first_page + at, True, "MCF") for at in range(pages))
        result = FaxResult(
            outcome.status,
            outcome.value,
            retry=outcome is not Outcome.BAD_NUMBER,
            pages=records,
            first_page=begun.first_page,
            outcome=outcome,
        )
        self.do(
            lambda connection: attempt_records.conclude(
                connection,
                begun,
                result,
                self.rules,
                0.5,
                self.now,
                **more,  # type: ignore[arg-type]
            )
        )
        return self.fax(begun.fax.id)

    def fax(self, id: str) -> Fax:
        return self.do(lambda connection: jobs.read_fax(connection, id))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.full, pytest.mark.postgresql])]
)
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Queue]:
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'faxes.db'}")
    else:
        server: Postgres = request.getfixturevalue("server")
        database = Database(server.database(new_id("d")))
    database.create()
    yield Queue(database)
    database.engine.dispose()


# --- release ------------------------------------------------------------------------------------------------


def test_the_urgent_ones_go_first_then_the_old_ones_one_for_each_number(queue: Queue) -> None:
    first, second, _ = queue.submit("+1", "+2", "+1")
    queue.now += 1
    (urgent,) = queue.submit("+3", priority=1)
    assert queue.release() == [urgent, first, second]
    assert queue.release() == []


def test_no_more_are_released_than_a_route_has_use_for_and_the_rest_can_be_overtaken(queue: Queue) -> None:
    queue.submit("+1", "+2", "+3", "+4", "+5")
    assert len(queue.release()) == 3
    (urgent,) = queue.submit("+6", priority=1)
    begun = queue.begin(queue.released[0][1])
    assert begun is not None
    queue.conclude(begun, Outcome.COMPLETED, 3)
    assert queue.release() == [urgent]


def test_the_database_refuses_a_second_released_fax_of_a_number(queue: Queue) -> None:
    first, second = queue.submit("+1", "+1")
    assert queue.release() == [first]
    with pytest.raises(DatabaseError) as caught:
        queue.do(
            lambda connection: connection.execute(update(fax).where(fax.c.id == second).values(workflow="w"))
        )
    assert isinstance(caught.value.__cause__, IntegrityError)


def test_what_is_not_due_waits_and_what_is_late_fails(queue: Queue) -> None:
    (early,) = queue.submit("+1", not_before=queue.now + 60)
    (late,) = queue.submit("+2", routes=("nowhere",), deadline=queue.now + 30)
    assert queue.release() == []
    queue.now += 61
    assert queue.release() == [early]
    queue.do(lambda connection: chain.expire(connection, queue.now))
    assert queue.fax(late).state is FaxState.FAILED


def test_a_full_route_hides_no_fax_of_another_one(queue: Queue) -> None:
    queue.submit(*(f"+1{at}" for at in range(150)))
    (other,) = queue.submit("+2", routes=("two",))
    assert other in queue.release()


def test_a_fax_goes_by_the_next_route_while_the_first_is_full_or_rests(queue: Queue) -> None:
    both = queue.submit("+1", "+2", "+3", "+4", routes=("one", "two"))
    assert queue.release() == both
    assert [queue.routes[each] for each in both] == ["one", "one", "two", "one"]
    for each in both:
        if queue.routes[each] == "one":
            begun = queue.begin(each)
            assert begun is not None
            again = queue.conclude(begun, Outcome.UNREACHABLE)
            assert again.state is FaxState.QUEUED
            assert again.next_attempt is not None
            assert again.next_attempt < queue.now + 10
    (new,) = queue.submit("+5", routes=("one",))
    assert queue.release() == []
    queue.now += 61
    assert new in queue.release()


def test_a_route_that_is_registered_nowhere_comes_last(queue: Queue) -> None:
    facts = {"registered": {"one": False}}
    row = {"id": "here", "started": 0.0, "seen": 0.0, "state": "running", "version": "1", "facts": facts}
    queue.do(lambda connection: connection.execute(insert(host).values(row)))
    (id,) = queue.submit("+1", routes=("one", "two"))
    assert queue.release() == [id]
    assert queue.routes[id] == "two"


# --- an attempt ---------------------------------------------------------------------------------------------


def test_a_fax_is_tried_again_when_the_policy_says_and_fails_when_it_says(queue: Queue) -> None:
    queue.rules = replace(queue.rules, retry=RetryPolicy(jitter=0.0, hours=1.0))
    (id,) = queue.submit("+1")
    for _ in range(100):
        found = queue.conclude(queue.started(id), Outcome.BUSY)
        if found.state is not FaxState.QUEUED:
            break
        assert found.next_attempt is not None
        queue.now = found.next_attempt
    assert found.state is FaxState.FAILED
    assert found.attempts > 2
    assert queue.now <= MORNING + 3600


def test_pages_are_sent_from_the_first_that_is_not_confirmed(queue: Queue) -> None:
    (id,) = queue.submit("+1")
    found = queue.conclude(queue.started(id), Outcome.DISCONNECTED, 2)
    assert (found.confirmed, found.state) == (2, FaxState.QUEUED)
    queue.now += 3600
    begun = queue.started(id)
    assert begun.first_page == 3
    assert queue.conclude(begun, Outcome.COMPLETED, 1).state is FaxState.DELIVERED


def test_a_call_does_not_begin_outside_its_hours_nor_after_its_deadline(queue: Queue) -> None:
    (id,) = queue.submit("+1", window="08:00-18:00")
    assert queue.release() == [id]
    assert queue.begin(id) is None
    waiting = queue.fax(id)
    assert (waiting.state, waiting.next_attempt, waiting.attempts) == (FaxState.QUEUED, MORNING + 7200, 0)
    (late,) = queue.submit("+2", deadline=queue.now + 1)
    assert queue.release() == [late]
    queue.now += 2
    assert queue.begin(late) is None
    assert queue.fax(late).state is FaxState.FAILED


def test_no_more_calls_than_channels_even_if_more_are_started(queue: Queue) -> None:
    ids = queue.submit("+1", "+2", "+3")
    assert queue.release() == ids
    assert [queue.begin(id) is not None for id in ids] == [True, True, False]
    assert queue.fax(ids[2]).state is FaxState.QUEUED


def test_a_fax_that_was_cancelled_between_release_and_call_is_not_called(queue: Queue) -> None:
    (id,) = queue.submit("+1")
    queue.release()
    queue.do(lambda connection: actions.cancel(connection, id, queue.now))
    assert queue.begin(id) is None
    assert queue.fax(id).state is FaxState.CANCELLED


def test_a_call_that_was_ended_for_its_host_is_no_failure_of_the_fax(queue: Queue) -> None:
    (id,) = queue.submit("+1")
    left = queue.conclude(queue.started(id), Outcome.CANCELLED, 1, left=True)
    assert (left.state, left.next_attempt) == (FaxState.QUEUED, queue.now)
    assert queue.started(id).first_page == 2


# --- after a crash ------------------------------------------------------------------------------------------


def test_an_attempt_in_which_nothing_was_dialled_goes_on(queue: Queue) -> None:
    (id,) = queue.submit("+1")
    first = queue.started(id)
    again = queue.begin(id, "there")
    assert again is not None
    assert (again.attempt, again.host) == (first.attempt, "there")
    with pytest.raises(SupersededError):
        queue.do(lambda connection: attempt_records.dialling(connection, first))


def test_a_call_that_was_not_up_sent_no_page(queue: Queue) -> None:
    (id,) = queue.submit("+1")
    begun = queue.started(id)
    queue.do(lambda connection: attempt_records.dialling(connection, begun))
    again = queue.begin(id)
    assert again is not None
    assert (again.attempt, again.first_page) == (f"{id}.2", 1)
    assert queue.fax(id).possibly_duplicated is None


@pytest.mark.parametrize("confirmed", [0, 1, 2])
def test_a_call_that_was_up_continues_and_says_which_page_may_come_twice(
    queue: Queue, confirmed: int
) -> None:
    (id,) = queue.submit("+1")
    begun = queue.started(id)
    queue.connect(begun)
    for page in range(1, confirmed + 1):
        queue.confirm(begun, page)
    again = queue.begin(id, "there")
    assert again is not None
    assert again.first_page == confirmed + 1
    assert queue.fax(id).possibly_duplicated == confirmed + 1
    attempts = queue.do(lambda connection: jobs.attempts_of(connection, id))
    assert [each.state for each in attempts] == [AttemptState.RELEASED, AttemptState.STARTED]


def test_a_call_all_of_whose_pages_were_confirmed_is_over(queue: Queue) -> None:
    (id,) = queue.submit("+1")
    begun = queue.started(id)
    queue.connect(begun)
    for page in (1, 2, 3):
        queue.confirm(begun, page)
    assert queue.begin(id) is None
    found = queue.fax(id)
    assert (found.state, found.possibly_duplicated, found.attempts) == (FaxState.DELIVERED, None, 1)


@pytest.mark.parametrize("send_again", [True, False])
def test_a_person_decides_where_the_policy_is_hold(queue: Queue, send_again: bool) -> None:
    (id,) = queue.submit("+1", after_crash=AfterCrash.HOLD)
    begun = queue.started(id)
    queue.connect(begun)
    queue.confirm(begun, 1)
    assert queue.begin(id) is None
    held = queue.fax(id)
    assert (held.state, held.possibly_duplicated) == (FaxState.HELD, 2)
    queue.do(lambda connection: actions.resolve_held(connection, id, send_again, queue.now))
    assert queue.started(id).first_page == (2 if send_again else 3)


def test_the_far_end_has_the_last_page_where_a_person_saw_it(queue: Queue) -> None:
    (id,) = queue.submit("+1", after_crash=AfterCrash.HOLD)
    begun = queue.started(id)
    queue.connect(begun)
    for page in (1, 2):
        queue.confirm(begun, page)
    assert queue.begin(id) is None
    queue.do(lambda connection: actions.resolve_held(connection, id, False, queue.now))
    assert queue.fax(id).state is FaxState.DELIVERED


def test_a_fax_that_hosts_die_of_is_held(queue: Queue) -> None:
    (id,) = queue.submit("+1")
    begun = queue.started(id)
    for _ in range(20):
        queue.connect(begun)
        following = queue.begin(id)
        if following is None:
            break
        begun = following
    assert queue.fax(id).state is FaxState.HELD


def test_a_host_that_was_adopted_neither_begins_nor_ends_what_another_one_has(queue: Queue) -> None:
    (id,) = queue.submit("+1")
    assert queue.release() == [id]
    assert queue.begin(id, is_ours=False) is None
    assert queue.fax(id).attempts == 0
    mine = queue.begin(id)
    assert mine is not None
    queue.connect(mine)
    theirs = queue.begin(id, "there")
    assert theirs is not None
    found = queue.conclude(mine, Outcome.DISCONNECTED, 1)
    # The far end has the page; what becomes of the fax is for the other host.
    assert (found.state, found.confirmed) == (FaxState.SENDING, 1)
    assert queue.conclude(theirs, Outcome.COMPLETED, 3).state is FaxState.DELIVERED


# --- what is old --------------------------------------------------------------------------------------------


def test_a_job_that_is_over_for_long_goes_with_its_documents_and_no_other(queue: Queue) -> None:
    (old,) = queue.submit("+1")
    queue.conclude(queue.started(old), Outcome.COMPLETED, 3)
    queue.now += 86400.0
    (waiting,) = queue.submit("+2")
    expired = queue.do(lambda connection: retention.expire_jobs(connection, queue.now - 3600.0))
    assert expired == 1
    with pytest.raises(NotFoundError):
        queue.fax(old)
    id = queue.fax(waiting).job
    job = queue.do(lambda connection: jobs.read(connection, id))
    assert queue.do(lambda connection: documents.content(connection, job.documents[0].id)) == b"x"
    queue.conclude(queue.started(waiting), Outcome.COMPLETED, 3)
    queue.now += 86400.0
    assert queue.do(lambda connection: retention.expire_jobs(connection, queue.now - 3600.0)) == 1
    with pytest.raises(NotFoundError):
        queue.do(lambda connection: documents.content(connection, job.documents[0].id))


def test_what_a_far_end_calls_itself_can_be_stored() -> None:
    result = FaxResult(
        Outcome.BUSY.status,
        "busy\0",
        True,
        remote_id="+1\0\ud800",
        sip_reason="Busy\u202e",
        warnings=("a\0",),
    )
    stored = storable(result)
    assert stored.outcome is Outcome.BUSY
    assert all(
        text.isprintable() for text in (stored.reason, stored.remote_id, stored.sip_reason, *stored.warnings)
    )
    assert storable(stored) == stored

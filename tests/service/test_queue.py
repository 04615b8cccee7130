"""The queue from submission to result, on SQLite, with a caller that places no calls."""

from __future__ import annotations

import time

import pytest

from t38fsp.image.errors import DocumentError, ImageWorkerError
from t38fsp.outcome import Outcome
from t38fsp.service import events, jobs
from t38fsp.service.caller import CallOrder
from t38fsp.service.database import Database
from t38fsp.service.errors import IdempotencyError, NotFoundError, StateError
from t38fsp.service.hosts import HostError
from t38fsp.service.service import FaxService
from t38fsp.service.submission import Submission, SubmissionError
from t38fsp.service.values import AttemptState, FaxState, Receiver
from tests.service.conftest import NOT_LONG, QUICK, Running
from tests.service.stand_in import StandIn


async def test_a_job_is_delivered_to_all_its_receivers(running: Running) -> None:
    faxes = await running.submit("+15550100", "+15550101", "+1 555 0100")
    done = [await running.until(each.id) for each in faxes]
    assert [each.state for each in done] == [FaxState.DELIVERED] * 3
    assert [each.id for each in done] == [f"{done[0].job}-{at}" for at in (1, 2, 3)]
    assert all((each.attempts, each.pages, each.confirmed) == (1, 2, 2) for each in done)
    assert sorted(running.caller.sent) == sorted(
        2 * [("+15550100", 1), ("+15550100", 2)]
        + [
            ("+15550101", 1),
            ("+15550101", 2),
        ]
    )
    (attempt,) = await running.service.database.run(
        lambda connection: jobs.attempts_of(connection, faxes[0].id)
    )
    assert (attempt.id, attempt.state, attempt.host) == (f"{faxes[0].id}.1", AttemptState.RELEASED, "here")
    assert attempt.result is not None
    assert attempt.result["outcome"] == "COMPLETED"
    told = await running.service.database.run(lambda connection: events.of(connection, faxes[0].id))
    assert [each.kind for each in told] == [
        *("attempt.started", "page.confirmed", "page.confirmed", "attempt.ended", "fax.delivered")
    ]
    assert [each.sequence for each in told] == [1, 2, 3, 4, 5]


@pytest.mark.full
async def test_a_call_that_breaks_off_continues_with_the_page_that_was_not_confirmed(
    running: Running,
) -> None:
    outcomes = iter([Outcome.BUSY, Outcome.DISCONNECTED, Outcome.COMPLETED])
    running.caller.pages = 3

    def plan(order: CallOrder) -> Outcome:
        outcome = next(outcomes)
        running.caller.pages_until_break = 2 if outcome is Outcome.DISCONNECTED else 0
        return outcome

    running.caller.plan = plan
    (fax,) = await running.submit("+15550100")
    done = await running.until(fax.id)
    assert (done.state, done.attempts, done.confirmed, done.possibly_duplicated) == (
        FaxState.DELIVERED,
        3,
        3,
        None,
    )
    assert [order.first_page for order in running.caller.orders] == [1, 1, 3]
    assert running.caller.sent == [("+15550100", page) for page in (1, 2, 3)]


@pytest.mark.full
async def test_what_no_other_call_would_help_fails_at_once_and_can_be_retried(running: Running) -> None:
    running.caller.plan = lambda order: Outcome.BAD_NUMBER
    (fax,) = await running.submit("+15550100")
    failed = await running.until(fax.id)
    assert (failed.state, failed.outcome, failed.attempts) == (FaxState.FAILED, "BAD_NUMBER", 1)
    running.caller.plan = lambda order: Outcome.COMPLETED
    await running.service.retry(fax.job)
    assert (await running.until(fax.id)).state is FaxState.DELIVERED
    with pytest.raises(StateError):
        await running.service.retry(fax.id)


@pytest.mark.full
async def test_cancelling_takes_what_waits_and_ends_the_call_that_is_up(running: Running) -> None:
    running.caller.page_seconds = 30.0
    first, second = await running.submit("+15550100", "+15550100")
    await running.until(first.id, FaxState.SENDING)
    await running.caller.until(lambda: bool(running.caller.up))
    await running.service.cancel(second.id)
    assert (await running.fax(second.id)).state is FaxState.CANCELLED
    await running.service.cancel(first.id)
    assert (await running.until(first.id)).state is FaxState.CANCELLED
    assert not running.caller.up
    with pytest.raises(StateError):
        await running.service.cancel(first.job)
    with pytest.raises(NotFoundError):
        await running.service.cancel("j0")
    await running.service.delete(first.job)
    with pytest.raises(NotFoundError):
        await running.fax(first.id)


@pytest.mark.full
async def test_a_number_has_one_call_at_a_time_and_the_urgent_fax_is_its_next_one(running: Running) -> None:
    running.caller.page_seconds = 0.1
    running.caller.pages = 1
    early = await running.submit(*4 * ["+15550100"])
    await running.caller.until(lambda: bool(running.caller.up))
    (urgent,) = await running.submit("+15550100", priority=1)
    await running.until(early[-1].id)
    order = [each.fax.id for each in running.caller.orders]
    assert order == [early[0].id, urgent.id, *(each.id for each in early[1:])]
    assert running.caller.most_up == 1


@pytest.mark.full
async def test_an_idempotency_key_makes_one_job(running: Running) -> None:
    given = Submission((("a.pdf", b"x"),), (Receiver("+15550100"),), idempotency_key="once")
    first = await running.service.submit(given)
    assert (await running.service.submit(given)).id == first.id
    other = Submission((("a.pdf", b"y"),), (Receiver("+15550100"),), idempotency_key="once")
    with pytest.raises(IdempotencyError):
        await running.service.submit(other)


@pytest.mark.full
async def test_what_is_wrong_with_a_submission_is_told_at_once(running: Running) -> None:
    with pytest.raises(SubmissionError) as caught:
        await running.service.submit(
            Submission((), (Receiver("not a number"),), "elsewhere", 10, deadline=1.0, call={"ecm": 3})
        )
    assert {name for name, _ in caught.value.faults} == {
        *("documents", "receivers[0]", "route", "priority", "deadline", "call")
    }


@pytest.mark.full
async def test_a_stop_in_mid_call_is_continued_by_the_next_start(database: Database, caller: StandIn) -> None:
    caller.pages, caller.page_seconds = 3, 0.4
    async with FaxService(database, caller, {"one": 1}, rules=QUICK, settings=NOT_LONG) as service:
        first = Running(service, caller)
        (fax,) = await first.submit("+15550100")
        await caller.until(lambda: bool(caller.sent))
    left = await database.run(lambda connection: jobs.read_fax(connection, fax.id))
    assert (left.state, left.confirmed) == (FaxState.QUEUED, 1)
    caller.page_seconds = 0.0
    async with FaxService(database, caller, {"one": 1}, rules=QUICK, settings=NOT_LONG) as service:
        done = await Running(service, caller).until(fax.id)
    assert (done.state, done.possibly_duplicated) == (FaxState.DELIVERED, None)
    assert caller.sent == [("+15550100", page) for page in (1, 2, 3)]
    await database.close()


@pytest.mark.full
async def test_faxes_whose_route_is_gone_say_so(
    database: Database, caller: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    later = Submission((("a.pdf", b"x"),), (Receiver("+15550100"),), not_before=time.time() + 3600)
    for routes in ({"two": 1}, {"one": 2}):
        async with FaxService(
            database, caller, routes, rules=QUICK, settings=NOT_LONG, host="here"
        ) as service:
            if "two" in routes:
                job = await service.submit(later)
            fax = await Running(service, caller).fax(f"{job.id}-1")
            assert fax.state is FaxState.QUEUED
            assert ("two" in fax.reason) is ("one" in routes)
    assert (1, "two") in [record.args for record in caplog.records]
    await database.close()


@pytest.mark.full
async def test_what_fails_on_our_side_is_tried_again_and_what_is_wrong_with_the_fax_is_not(
    running: Running,
) -> None:
    errors: list[Exception] = [
        ImageWorkerError("a worker died"),
        RuntimeError("a fault"),
        DocumentError("bad"),
    ]
    call = running.caller.call

    async def failing(*arguments: object) -> object:
        if errors:
            raise errors.pop(0)
        return await call(*arguments)  # type: ignore[arg-type]

    running.caller.call = failing  # type: ignore[assignment,method-assign]
    (fax,) = await running.submit("+15550100")
    failed = await running.until(fax.id)
    assert (failed.state, failed.outcome, failed.attempts) == (FaxState.FAILED, "BAD_DOCUMENT", 3)


@pytest.mark.full
async def test_a_second_host_of_one_name_is_refused(
    running: Running, database: Database, caller: StandIn
) -> None:
    with pytest.raises(HostError):
        await FaxService(database, caller, {"one": 1}, host="here").__aenter__()
    (fax,) = await running.submit("+15550100")
    assert (await running.until(fax.id)).state is FaxState.DELIVERED

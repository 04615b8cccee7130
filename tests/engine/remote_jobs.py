"""What becomes of a job in an engine process, awaited on the loop of a test."""

from __future__ import annotations

import asyncio

from t38fsp.engine.remote_job import RemoteJob
from t38fsp.events import Connected, FaxEvent, Finished
from t38fsp.results import FaxResult
from tests.engine.party import LIMIT


async def expect(job: RemoteJob, kind: type) -> FaxEvent:
    """The next event of this kind, or the end of the job."""

    def wait() -> FaxEvent:
        while not isinstance(event := job.next_event(LIMIT), kind | Finished):
            pass
        return event

    return await asyncio.to_thread(wait)


async def result_of(job: RemoteJob) -> FaxResult:
    event = await expect(job, Finished)
    assert isinstance(event, Finished)
    return event.result


async def sent(job: RemoteJob) -> FaxResult:
    """See a job that sends through."""
    if isinstance(event := await expect(job, Connected), Finished):
        return event.result
    job.proceed(True)
    return await result_of(job)

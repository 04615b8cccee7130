"""The queue with real calls: from one FaxProvider to another on the loopback interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from t38fsp.call_settings import CallSettings
from t38fsp.cover import Cover
from t38fsp.image.compare import differing_pages
from t38fsp.provider import FaxProvider, IncomingFax
from t38fsp.results import FaxResult
from t38fsp.service import jobs
from t38fsp.service.call_rules import Rules
from t38fsp.service.database import Database
from t38fsp.service.preparing import Preparing, ProviderCaller
from t38fsp.service.service import FaxService
from t38fsp.service.submission import Submission, SubmissionError, call_settings, options_of
from t38fsp.service.values import FaxState, Job, Receiver
from t38fsp.settings.file import Configuration
from tests.service.conftest import QUICK

pytestmark = pytest.mark.usefixtures("page_threads", "empty_directory")

HOST = "127.0.0.1"
UNPACED = CallSettings(internet_aware=True)


@dataclass
class FarEnd:
    """Takes every call, into files named by the number called and how often it was."""

    folder: Path
    received: dict[str, list[FaxResult]] = field(default_factory=dict)
    arrived: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """The number of each fax whose file is complete."""

    async def serve(self, provider: FaxProvider) -> None:
        async with asyncio.TaskGroup() as faxes:
            async for call in provider.calls():
                faxes.create_task(self._take(call))

    async def _take(self, call: IncomingFax) -> None:
        number = call.called.removeprefix("sip:").partition("@")[0]
        taken = self.received.setdefault(number, [])
        file = self.folder / f"{number}-{len(taken) + 1}.tif"
        taken.append(await call.receive(file, settings=UNPACED))
        self.arrived.put_nowait(number)

    def file(self, number: str, call: int = 1) -> Path:
        return self.folder / f"{number}-{call}.tif"


@asynccontextmanager
async def service_with_calls(tmp_path: Path) -> AsyncIterator[tuple[FaxService, FarEnd]]:
    far = FarEnd(tmp_path)
    async with FaxProvider((HOST, 0), accept_calls=True) as theirs:
        serving = asyncio.create_task(far.serve(theirs))
        peer = "{}:{}".format(*theirs.address)
        config = Configuration.find(
            default={"routes": {"trunk": {"peer": peer, "t38": {"internet_aware": True}}}}
        )
        route = config.route("trunk")

        def asked(job: Job, name: str) -> CallSettings:
            return call_settings(route.call, options_of(job.options or {}).call)

        database = Database(f"sqlite:///{tmp_path / 'faxes.db'}")
        async with (
            FaxProvider((HOST, 0), config=config) as provider,
            Preparing(database, lambda name: route.pages) as preparing,
            FaxService(
                database,
                ProviderCaller(provider, preparing),
                {"trunk": 4},
                rules=Rules(QUICK.retry, asked=asked),
                preparing=preparing,
            ) as service,
        ):
            yield service, far
        await database.close()
    await serving


async def over(service: FaxService, job: Job) -> list[FaxState]:
    async with service.subscribe() as news:
        while True:
            news.clear()
            faxes = await service.database.run(lambda connection: jobs.faxes_of(connection, job.id))
            if all(each.state.final for each in faxes):
                return [each.state for each in faxes]
            await asyncio.wait_for(news.wait(), 60)


async def test_a_job_to_two_numbers_arrives_at_both(tmp_path: Path, letter: Path) -> None:
    content = await asyncio.to_thread(letter.read_bytes)
    async with service_with_calls(tmp_path) as (service, far):
        job = await service.submit(
            Submission(
                (("letter.tif", content),),
                (Receiver("+15550100"), Receiver("+15550101", "Jane", fields=(("Room", "5"),))),
            )
        )
        assert await over(service, job) == [FaxState.DELIVERED] * 2
        # The far end renames its file after it confirmed the last page, with which the fax is delivered here.
        for _ in range(2):
            number = await asyncio.wait_for(far.arrived.get(), 60)
            assert differing_pages(letter, far.file(number)) == []
        (attempt,) = await service.database.run(
            lambda connection: jobs.attempts_of(connection, f"{job.id}-1")
        )
        assert attempt.result is not None
        assert attempt.dialog == attempt.result["dialog"]


@pytest.mark.full
async def test_a_document_that_is_no_fax_is_refused_when_it_is_submitted(tmp_path: Path) -> None:
    async with service_with_calls(tmp_path) as (service, _):
        with pytest.raises(SubmissionError) as caught:
            await service.submit(
                Submission((("letter.pdf", b"%PDF-1.7"),), (Receiver("+15550100"),), cover=Cover())
            )
    ((name, sentence),) = caught.value.faults
    assert name == "documents[0]"
    assert str(tmp_path) not in sentence
    assert "t38fsp-documents" not in sentence

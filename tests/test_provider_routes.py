"""Routes in the asyncio API: two providers on the loopback interface."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from t38fsp.call_settings import CallSettings
from t38fsp.events import Finished
from t38fsp.header import Header
from t38fsp.jobs import Observer, SendJob
from t38fsp.provider import FaxProvider, IncomingFax
from t38fsp.results import FaxResult
from t38fsp.settings.file import Configuration, ConfigurationError
from t38fsp.status import FaxStatus
from tests.peers.pages import text_page, write_document

pytestmark = pytest.mark.usefixtures("page_threads")

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_document(tmp_path_factory.mktemp("routes") / "sent.tif", [text_page(rows=120, noise_rows=0)])


def configuration(folder: Path, called: FaxProvider) -> Configuration:
    file = folder / "t38fsp.toml"
    host, port = called.address
    file.write_text(f"""
        [routes.office]
        peer = "{host}:{port}"
        channels = 1
        caller = "Office <sip:+15550199@trunk.example>"
        dial = {{ rules = [{{ begins = "0", strip = 1, prepend = "+49" }}] }}
        """)
    return Configuration.read(file)


async def next_call(provider: FaxProvider) -> IncomingFax:
    async with asyncio.timeout(60):
        async for call in provider.calls():
            return call
    raise AssertionError("the provider was left")


@pytest.mark.parametrize(
    ("asked", "header"),
    [
        (None, Header("{page}", "Office")),
        (True, Header()),
        (False, None),
        (Header("{to}", "us"), Header("{to}", "us")),
    ],
)
async def test_the_header_line_is_what_is_asked_for_or_else_what_the_route_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Header | bool | None, header: Header | None
) -> None:
    file = tmp_path / "t38fsp.toml"
    file.write_text('[routes.office]\npeer = "127.0.0.1"\ncaller_name = "Office"\nheader = "{page}"\n')
    jobs: list[SendJob] = []

    def send(number: int, job: SendJob, observer: Observer) -> None:
        jobs.append(job)
        observer(Finished(FaxResult(FaxStatus.COMPLETED, "")))

    async with FaxProvider(LOOPBACK, config=Configuration.read(file)) as provider:
        monkeypatch.setattr(provider._engine, "send", send)
        await provider.send("letter.tif", "100", route="office", header=asked)
    assert [job.header for job in jobs] == [header]


async def test_a_fax_goes_by_its_route(tmp_path: Path, document: Path) -> None:
    async with FaxProvider(LOOPBACK, accept_calls=True) as called:
        config = configuration(tmp_path, called)
        async with FaxProvider(LOOPBACK, config=config) as caller:
            sending = asyncio.create_task(caller.send(document, "0211 1234567", route="office"))
            call = await next_call(called)
            assert call.caller == "sip:+15550199@trunk.example"
            assert call.caller_name == "Office"
            assert call.called == "sip:+492111234567@{}:{}".format(*called.address)

            # Its only channel is taken.
            second = await caller.send(document, "1", route="office")
            assert second.status is FaxStatus.LINE_UNAVAILABLE
            assert second.reason == "all channels of the route office are in use; try again later"
            call.refuse()
            assert (await sending).status is FaxStatus.BUSY

            # What else is given comes before what the route says.
            other = caller.send(document, "1", route="office", caller="sip:me@other.example")
            sending = asyncio.create_task(other)
            call = await next_call(called)
            assert call.caller == "sip:me@other.example"
            call.refuse()
            await sending


async def test_calls_from_a_route_are_known_and_treated_as_it_says(tmp_path: Path, document: Path) -> None:
    async with FaxProvider(LOOPBACK) as caller:
        route = configuration(tmp_path, caller).route(
            "office", station_id="+15550142", t38={"internet_aware": True}
        )
        async with FaxProvider(LOOPBACK, accept_calls=True, routes=[route]) as called:
            sip = "sip:fax@{}:{}".format(*called.address)
            settings = CallSettings(internet_aware=True)
            sending = asyncio.create_task(caller.send(document, sip, settings=settings))
            call = await next_call(called)
            assert call.route == "office"
            result, sent = await asyncio.gather(call.receive(tmp_path / "received.tif"), sending)
            assert sent.completed
            assert result.completed
            assert sent.remote_id == "+15550142"
            # T.38 is as the route says, too: no page takes the time of a modem, unless the machine stalls.
            assert [page.bit_rate for page in sent.pages] == [0] or sent.warnings


async def test_a_route_that_is_not_there(tmp_path: Path, document: Path) -> None:
    async with FaxProvider(LOOPBACK) as provider:
        with pytest.raises(LookupError, match="the provider has no route 'office'; known routes: none"):
            await provider.send(document, "1", route="office")
        file = tmp_path / "t38fsp.toml"
        file.write_text("[routes.office]\nport = 5")
        with pytest.raises(ConfigurationError, match=r"route 'office', port: unknown setting"):
            FaxProvider(LOOPBACK, config=Configuration.read(file))

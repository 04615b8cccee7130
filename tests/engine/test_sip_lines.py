"""The lines of an engine: one that has the SIP address, others for the stacks that faxes ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from sip.line import Failed, Incoming, LineEvent
from sip.line_settings import Callers, Limits, TlsSettings
from sip.remote.signalling import Signalling
from sip.syntax.errors import SipError, UnsupportedError
from sip.ua.admission import Admission
from sip.values import Credentials, Hop, Transport
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend, Switch
from t38fsp.engine import sip_lines as module
from t38fsp.engine.engine import FaxEngine
from t38fsp.engine.sip_lines import ANSWERERS, EngineLine, SipLines, signalling_for
from t38fsp.events import Connected, Finished, Ringing
from t38fsp.jobs import EngineError, EngineSettings, SendJob
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from tests.engine.party import HOST, Party
from tests.peers.libtiff import assert_same_pages
from tests.sip.signalling import signalling

pytestmark = pytest.mark.usefixtures("page_threads")


class FakeLine:
    def __init__(self, settings: EngineSettings, on_event: Callable[[LineEvent], None]) -> None:
        self.settings = settings
        self.tell = on_event
        self.log: list[object] = []

    async def start(self) -> None:
        self.log.append("start")

    async def close(self, limit: float) -> None:
        self.log.append("close")

    def refuse(self, call: int, status: int, now: float) -> None:
        self.log.append((call, status))


class Made:
    """Lines of an engine, the fake ones that were made, and their events."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: EngineSettings) -> None:
        self.fakes: list[FakeLine] = []
        self.failing: list[Exception] = []
        self.events: list[tuple[EngineLine, LineEvent]] = []

        def line_for(
            settings: EngineSettings, on_event: Callable[[LineEvent], None], *others: object
        ) -> FakeLine:
            if self.failing:
                raise self.failing.pop()
            self.fakes.append(FakeLine(settings, on_event))
            return self.fakes[-1]

        monkeypatch.setattr(module, "line_for", line_for)
        self.admission = Admission(Random(1))
        self.lines = SipLines(
            settings, lambda *event: self.events.append(event), print, Random(1), self.admission
        )


SETTINGS = EngineSettings(listen=("192.0.2.1", 5060), accept_calls=True, tls_listen=("192.0.2.1", 5061))


async def test_a_line_over_another_stack_is_made_when_it_is_first_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Made(monkeypatch, SETTINGS)
    assert await made.lines.of(None) is await made.lines.of(Backend.OWN) is made.lines.main
    assert len(made.fakes) == 1
    first, second = await asyncio.gather(*(made.lines.of(Backend.PJSUA2) for _ in range(2)))
    assert first is second is made.fakes[1]
    asked = made.fakes[1].settings
    assert (asked.backend, asked.listen, asked.tls_listen) == (Backend.PJSUA2, ("192.0.2.1", 0), None)
    assert not asked.accept_calls
    await made.lines.close(1.0)
    assert [fake.log for fake in made.fakes] == [["close"], ["start", "close"]]


async def test_a_line_that_never_starts_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(monkeypatch, SETTINGS)

    async def start(fake: FakeLine) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(FakeLine, "start", start)
    asked = asyncio.ensure_future(made.lines.of(Backend.PJSUA2))
    await asyncio.sleep(0)
    await made.lines.close(0.0)
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert [fake.log for fake in made.fakes] == [["close"], []]


async def test_a_signalling_process_stands_for_our_own_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(monkeypatch, EngineSettings(signalling="/run/sip.sock", backend=Backend.PJSUA2))
    assert await made.lines.of(Backend.OWN) is made.lines.main
    assert await made.lines.of(Backend.PJSUA2) is made.fakes[1]
    assert made.fakes[1].settings.signalling is None


async def test_events_come_with_their_line_and_calls_are_taken_by_the_main_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Made(monkeypatch, SETTINGS)
    await made.lines.of(Backend.PJSUA2)
    main, other = made.fakes
    incoming = Incoming(1, "sip:1@h", "sip:2@h", "", "sip:1@h", Hop("192.0.2.9", 5060), None)
    main.tell(incoming)
    other.tell(incoming)
    assert other.log[1:] == [(1, 480)]
    failed = Failed(1, 503, "no")
    other.tell(failed)
    assert made.events == [(main, incoming), (other, failed)]


async def test_a_stack_that_cannot_be_had_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(monkeypatch, SETTINGS)
    made.failing = [SipError("pjsua2 is not installed")]
    with pytest.raises(UnsupportedError, match="pjsua2 is not installed"):
        await made.lines.of(Backend.PJSUA2)

    async def start(fake: FakeLine) -> None:
        raise SipError("the workers cannot be started")

    with monkeypatch.context() as broken:
        broken.setattr(FakeLine, "start", start)
        with pytest.raises(EngineError, match="the workers cannot be started"):
            await made.lines.of(Backend.PJSUA2)
    assert await made.lines.of(Backend.PJSUA2) is made.fakes[-1]
    await made.lines.close(1.0)


async def test_trunks_are_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(monkeypatch, SETTINGS)
    made.lines.admit(frozenset({"192.0.2.9"}))
    assert made.admission.knows(Hop("192.0.2.9", 5060))


def test_a_signalling_process_does_as_the_settings_say() -> None:
    account = Credentials("ata", "secret")
    settings = replace(
        SETTINGS,
        callers=Callers(("192.0.2.0/24",), (account,), silent=False),
        limits=Limits(30, 8, 4, 500),
        tls=TlsSettings("ours.pem", "ours.key"),
        advertised=("203.0.113.7",),
        user_agent="fax of ours",
        workers=2,
    )
    assert signalling_for(settings, "sip.sock") == Signalling(
        "sip.sock",
        ANSWERERS,
        [
            Hop("192.0.2.1", 5060),
            Hop("192.0.2.1", 5060, Transport.TCP),
            Hop("192.0.2.1", 5061, Transport.TLS),
        ],
        TlsSettings("ours.pem", "ours.key"),
        ("203.0.113.7",),
        "fax of ours",
        settings.callers,
        # Each of the engines takes so many.
        replace(settings.limits, calls=60),
    )
    assert signalling_for(replace(SETTINGS, callers=Callers(("any",))), "sip.sock").callers.any_address


# --- faxes --------------------------------------------------------------------------------------------------


async def outcome(what: SendJob) -> FaxResult:
    """Of an engine of its own, for faxes that are never dialled."""
    engine = FaxEngine(EngineSettings(listen=(HOST, 0)), print)
    await engine.start()
    told: asyncio.Queue[object] = asyncio.Queue()
    try:
        engine.send(1, what, told.put_nowait)
        while not isinstance(event := await told.get(), Finished):
            pass
        return event.result
    finally:
        await engine.close()


@pytest.mark.pjsua2
async def test_what_a_stack_cannot_do_is_told_and_not_worth_another_attempt(document: Path) -> None:
    result = await outcome(
        SendJob(
            (str(document),),
            f"sip:1@{HOST}:9",
            settings=CallSettings(switch=Switch.FIRST),
            backend=Backend.PJSUA2,
        )
    )
    assert (result.status, result.retry) == (FaxStatus.FATAL_ERROR, False)
    assert result.outcome is Outcome.MISCONFIGURED
    assert "pjsua2" in result.reason


async def test_a_stack_that_is_not_installed(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sip.pjsua.line.find_spec", lambda name: None)
    result = await outcome(SendJob((str(document),), f"sip:1@{HOST}:9", backend=Backend.PJSUA2))
    assert (result.status, result.retry) == (FaxStatus.FATAL_ERROR, False)
    assert result.reason == "pjsua2 is not installed; install t38fsp[pjsua2]"


@pytest.mark.pjsua2
@pytest.mark.libtiff
async def test_one_engine_sends_over_both_stacks_at_once(document: Path, tmp_path: Path) -> None:
    """Both calls are the first of their line, and have the same number."""
    us, them = Party(), Party(accept_calls=True)
    await us.engine.start()
    them.address = await them.engine.start()
    try:
        jobs = [us.send(document, them.address, backend=backend) for backend in Backend]
        files = [tmp_path / f"{backend.value}.tif" for backend in Backend]
        taken = [await them.take(file) for file in files]
        for job in jobs:
            await us.expect(job, Connected)
            us.engine.proceed(job, True)
        for party, done in ((us, jobs), (them, taken)):
            results = await asyncio.gather(*map(party.result, done))
            assert [result.status for result in results] == [FaxStatus.COMPLETED] * 2
        for file in files:
            assert assert_same_pages(document, file) == 1
    finally:
        await us.close()
        await them.close()


@pytest.mark.parametrize("limits", [Limits(waiting=1), Limits(per_source=1)], ids=["waiting", "per source"])
async def test_no_more_calls_come_in_than_the_settings_say(document: Path, limits: Limits) -> None:
    us, them = Party(), Party(accept_calls=True, limits=limits)
    await us.engine.start()
    them.address = await them.engine.start()
    try:
        waiting = us.send(document, them.address)
        await us.expect(waiting, Ringing)
        refused = await us.result(us.send(document, them.address))
        assert (refused.status, refused.sip_status) == (FaxStatus.BUSY, 486)
        us.engine.abort(waiting)
        await us.result(waiting)
        await them.gone.get()
        again = us.send(document, them.address)
        await us.expect(again, Ringing)
        us.engine.abort(again)
        await us.result(again)
    finally:
        await us.close()
        await them.close()


@pytest.mark.parametrize("allowed", [(), ANSWERERS[:1]], ids=["none", "one"])
async def test_a_signalling_process_that_allows_other_answerers(
    document: Path, tmp_path: Path, allowed: tuple[str, ...]
) -> None:
    """With none the calls cannot begin, with one they end at the switch; both sides know why."""
    them = Party(accept_calls=True)
    them.address = await them.engine.start()
    async with signalling(tmp_path, allowed) as process:
        us = Party(accept_calls=True, signalling=process.path)
        await us.engine.start()
        try:
            going = us.send(document, them.address)
            if allowed:
                await them.take(tmp_path / "there.tif")
                await us.expect(going, Connected)
                us.engine.proceed(going, True)
            them.send(document, process.address)
            for job in (going, await us.take(tmp_path / "here.tif")):
                result = await us.result(job)
                assert (result.status, result.retry) == (FaxStatus.FATAL_ERROR, False)
                assert "the other process does not let" in result.reason
        finally:
            await us.close()
            await them.close()

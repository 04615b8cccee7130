"""Routes of an engine: channels that are taken, calls that belong to a route, and registrations."""

from __future__ import annotations

import asyncio
import queue
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from math import inf
from pathlib import Path
from typing import cast

import pytest

from sip.line_settings import RegistrationSettings
from sip.syntax.digest import make_challenge, verify
from sip.syntax.errors import UnsupportedError
from sip.syntax.message import Headers, Request, Response, parse_message
from sip.syntax.sdp import MediaDescription, Origin, SessionDescription
from sip.ua.registration_messages import Registered, RegistrationRequest
from sip.values import Credentials, Hop
from t38fsp.engine import engine_routes as module
from t38fsp.engine.engine import FaxEngine
from t38fsp.engine.remote import EngineProcess
from t38fsp.engine.sip_lines import EngineLine
from t38fsp.events import Dialing, FaxEvent, Finished, RegistrationChanged, RegistrationStatus
from t38fsp.jobs import EngineRoute, EngineSettings, ReceiveJob, SendJob, WaitingCall
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from tests.peers.realtime import udp_socket
from tests.sip.peer import until

pytestmark = pytest.mark.usefixtures("page_threads")

HOST = "127.0.0.1"
LIMIT = 60.0
"""Seconds after which a test is stuck."""


@dataclass(slots=True)
class Party:
    """An engine and what it told."""

    engine: FaxEngine
    calls: asyncio.Queue[WaitingCall]
    registrations: asyncio.Queue[RegistrationChanged]
    address: tuple[str, int] = (HOST, 0)
    jobs: dict[int, asyncio.Queue[FaxEvent]] = field(default_factory=dict)

    def send(self, what: SendJob) -> int:
        job = len(self.jobs) + 1
        self.jobs[job] = asyncio.Queue()
        self.engine.send(job, what, self.jobs[job].put_nowait)
        return job

    async def wait_for(self, job: int, kind: type[FaxEvent]) -> FaxEvent:
        async with asyncio.timeout(LIMIT):
            while not isinstance(event := await self.jobs[job].get(), kind):
                pass
        return event

    async def result(self, job: int) -> FaxResult:
        event = await self.wait_for(job, Finished)
        assert isinstance(event, Finished)
        return event.result

    async def registration(self) -> RegistrationChanged:
        async with asyncio.timeout(LIMIT):
            return await self.registrations.get()

    async def close(self) -> None:
        await self.engine.close()


class Parties:
    def __init__(self) -> None:
        self.started: list[Party] = []

    async def start(self, *routes: EngineRoute, accept_calls: bool = False) -> Party:
        calls: asyncio.Queue[WaitingCall] = asyncio.Queue()
        registrations: asyncio.Queue[RegistrationChanged] = asyncio.Queue()
        settings = EngineSettings(listen=(HOST, 0), accept_calls=accept_calls, routes=routes)
        engine = FaxEngine(settings, calls.put_nowait, None, registrations.put_nowait)
        party = Party(engine, calls, registrations)
        party.address = await engine.start()
        self.started.append(party)
        return party


@pytest.fixture
async def parties() -> AsyncIterator[Parties]:
    """Starts engines, which end with the test."""
    parties = Parties()
    yield parties
    for party in parties.started:
        await party.close()


@pytest.fixture
async def peer() -> AsyncIterator[socket.socket]:
    """A trunk that the test speaks for."""
    with udp_socket() as sock:
        sock.setblocking(False)
        yield sock


def place(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def fax(document: Path, address: tuple[str, int], route: str | None) -> SendJob:
    return SendJob((str(document),), f"sip:fax@{place(address)}", route=route)


# --- channels -----------------------------------------------------------------------------------------------


async def test_no_more_faxes_than_channels(parties: Parties, peer: socket.socket, document: Path) -> None:
    there = peer.getsockname()
    party = await parties.start(
        EngineRoute("office", place(there), channels=2), EngineRoute("home", place(there))
    )
    first, second = (party.send(fax(document, there, "office")) for _ in range(2))
    refused = await party.result(party.send(fax(document, there, "office")))
    assert (refused.status, refused.retry) == (FaxStatus.LINE_UNAVAILABLE, True)
    assert refused.reason == "all channels of the route office are in use; try again later"
    # Other routes, and faxes without one, have nothing to do with it.
    for route in ("home", None):
        await party.wait_for(party.send(fax(document, there, route)), Dialing)

    party.engine.abort(first)
    assert (await party.result(first)).status is FaxStatus.USER_ABORT
    await party.wait_for(party.send(fax(document, there, "office")), Dialing)
    party.engine.abort(second)


async def test_a_fax_that_cannot_be_prepared_gives_its_channel_back(
    parties: Parties, peer: socket.socket, document: Path, tmp_path: Path
) -> None:
    there = peer.getsockname()
    party = await parties.start(EngineRoute("office", place(there), channels=1))
    for _ in range(3):
        result = await party.result(party.send(fax(tmp_path / "missing.tif", there, "office")))
        assert result.status is FaxStatus.BAD_DOCUMENT
    await party.wait_for(party.send(fax(document, there, "office")), Dialing)


async def test_incoming_calls_take_channels_too(
    parties: Parties, peer: socket.socket, document: Path
) -> None:
    caller = await parties.start()
    called = await parties.start(EngineRoute("office", place(caller.address), channels=1), accept_calls=True)
    waiting = caller.send(fax(document, called.address, None))
    async with asyncio.timeout(LIMIT):
        call = await called.calls.get()
    assert call.route == "office"
    busy = await caller.result(caller.send(fax(document, called.address, None)))
    assert (busy.status, busy.sip_status) == (FaxStatus.BUSY, 486)
    out = await called.result(called.send(fax(document, peer.getsockname(), "office")))
    assert out.status is FaxStatus.LINE_UNAVAILABLE

    called.engine.refuse(call.call)
    assert (await caller.result(waiting)).status is FaxStatus.BUSY
    caller.send(fax(document, called.address, None))
    async with asyncio.timeout(LIMIT):
        await called.calls.get()


# --- challenges ---------------------------------------------------------------------------------------------

ACCOUNT = Credentials("account", "secret")


def said_by(
    peer: socket.socket, to: tuple[str, int], method: str, to_tag: str = "", body: bytes = b""
) -> None:
    """A request of the trunk's, within the one call that it makes."""
    host = place(peer.getsockname())
    headers = Headers(
        [
            ("Via", f"SIP/2.0/UDP {host};branch=z9hG4bK-{method};rport"),
            ("From", "<sip:caller@trunk.example>;tag=1"),
            ("To", f"<sip:account@{place(to)}>{to_tag}"),
            ("Call-ID", "a-call"),
            ("CSeq", f"1 {method}"),
            ("Contact", f"<sip:caller@{host}>"),
            ("Content-Type", "application/sdp"),
        ]
    )
    peer.sendto(bytes(Request(method, f"sip:account@{place(to)}", headers, body)), to)


async def heard(peer: socket.socket, what: str) -> Request | Response:
    """The next message that begins so."""
    async with asyncio.timeout(LIMIT):
        while not (data := await asyncio.get_running_loop().sock_recv(peer, 65536)).startswith(what.encode()):
            pass
    return parse_message(data)


@pytest.mark.parametrize("known", [True, False])
async def test_a_challenge_is_answered_in_calls_that_come_from_the_trunk(
    parties: Parties, peer: socket.socket, tmp_path: Path, known: bool
) -> None:
    via = place(peer.getsockname()) if known else "127.0.0.9"
    party = await parties.start(EngineRoute("office", via, credentials=ACCOUNT), accept_calls=True)
    audio = MediaDescription("audio", peer.getsockname()[1], "RTP/AVP", ("0",))
    offer = SessionDescription(Origin("-", "1", 1, HOST), HOST, (audio,))
    said_by(peer, party.address, "INVITE", body=bytes(offer))
    async with asyncio.timeout(LIMIT):
        call = await party.calls.get()
    party.jobs[1] = asyncio.Queue()
    party.engine.receive(1, ReceiveJob(call.call, str(tmp_path / "got.tif")), party.jobs[1].put_nowait)
    ok = await heard(peer, "SIP/2.0 200")
    said_by(peer, party.address, "ACK", f";tag={ok.to.tag}")
    party.engine.abort(1)
    challenge = make_challenge("trunk.example", "a-nonce")
    bye = await heard(peer, "BYE")
    assert isinstance(bye, Request)
    answer(peer, bye, party.address, 401, ("WWW-Authenticate", str(challenge)))
    if known:
        bye = await heard(peer, "BYE")
        assert isinstance(bye, Request)
        value = bye.headers.get("Authorization") or ""
        assert verify(value, challenge, username="account", password="secret", method="BYE", uri=bye.uri)
        answer(peer, bye, party.address, 200)
    assert (await party.result(1)).status is FaxStatus.USER_ABORT


# --- registrations ------------------------------------------------------------------------------------------

REGISTRATION = RegistrationSettings("sip:trunk.example", "sip:account@trunk.example")


async def hear(peer: socket.socket) -> tuple[Request, tuple[str, int]]:
    async with asyncio.timeout(LIMIT):
        data, source = await asyncio.get_running_loop().sock_recvfrom(peer, 65536)
    message = parse_message(data)
    assert isinstance(message, Request)
    return message, source


def answer(
    peer: socket.socket, request: Request, source: tuple[str, int], status: int, *fields: tuple[str, str]
) -> None:
    names = ("Via", "From", "To", "Call-ID", "CSeq")
    headers = Headers([*((name, request.headers.get(name) or "") for name in names), *fields])
    peer.sendto(bytes(Response(status, "Because", headers)), source)


async def test_a_registration_lasts_as_long_as_the_engine(parties: Parties, peer: socket.socket) -> None:
    party = await parties.start(EngineRoute("office", place(peer.getsockname()), registration=REGISTRATION))
    request, source = await hear(peer)
    assert (request.method, request.uri) == ("REGISTER", "sip:trunk.example")
    assert source == party.address
    contact = request.contact
    assert contact.uri == f"sip:account@{place(party.address)}"
    assert contact.params == {"+sip.fax": "t38", "expires": "3600"}
    assert (await party.registration()).status is RegistrationStatus.REGISTERING
    answer(peer, request, source, 200, ("Contact", f"{contact}"))
    registered = await party.registration()
    assert (registered.route, registered.status) == ("office", RegistrationStatus.REGISTERED)
    assert 3590 < registered.seconds <= 3600

    closing = asyncio.create_task(party.close())
    removal, source = await hear(peer)
    assert removal.headers.get("Expires") == "0"
    answer(peer, removal, source, 200)
    await closing
    parties.started.remove(party)
    assert (await party.registration()).status is RegistrationStatus.UNREGISTERED


async def test_calls_take_the_service_route_of_the_registration(
    parties: Parties, peer: socket.socket, document: Path
) -> None:
    with udp_socket() as proxy:
        proxy.setblocking(False)
        routes = [f"<sip:{place(proxy.getsockname())};lr>", "<sip:core.example;lr>"]
        party = await parties.start(
            EngineRoute("office", place(peer.getsockname()), registration=REGISTRATION)
        )
        request, source = await hear(peer)
        answer(peer, request, source, 200, *(("Service-Route", route) for route in routes))
        while (await party.registration()).status is not RegistrationStatus.REGISTERED:
            pass
        party.send(replace(fax(document, peer.getsockname(), "office"), via=place(peer.getsockname())))
        invite, _ = await hear(proxy)
        assert invite.method == "INVITE"
        assert invite.uri == f"sip:fax@{place(peer.getsockname())}"
        assert invite.headers.get_all("Route") == routes
        # Other calls go where they point.
        party.send(fax(document, peer.getsockname(), None))
        invite, _ = await hear(peer)
        assert invite.headers.get_all("Route") == []
    removing = asyncio.create_task(party.close())
    parties.started.remove(party)
    while (message := await hear(peer))[0].method != "REGISTER":
        pass
    answer(peer, *message, 200)
    await removing


async def test_a_refusal_is_told_with_the_time_of_the_next_attempt(
    parties: Parties, peer: socket.socket
) -> None:
    party = await parties.start(EngineRoute("office", place(peer.getsockname()), registration=REGISTRATION))
    request, source = await hear(peer)
    answer(peer, request, source, 401, ("WWW-Authenticate", str(make_challenge("trunk", "n1"))))
    assert (await party.registration()).status is RegistrationStatus.REGISTERING
    failed = await party.registration()
    assert failed.status is RegistrationStatus.FAILED
    assert failed.reason == "the registrar responded 401 Because"
    assert 890 < failed.seconds <= 1800
    await party.close()
    parties.started.remove(party)
    assert party.registrations.empty(), "what never was registered was unregistered"


async def test_a_failure_is_told_once_also_to_who_reads_the_log_alone(
    parties: Parties, caplog: pytest.LogCaptureFixture
) -> None:
    route = EngineRoute("office", "trunk.invalid", registration=REGISTRATION)
    party = await parties.start(route)
    await party.registration()
    assert not [record for record in caplog.records if "trunk.invalid" in record.getMessage()]
    engine = FaxEngine(EngineSettings(listen=(HOST, 0), routes=(route,)), lambda call: None)
    await engine.start()
    await until(lambda: "route office is not registered: the host 'trunk.invalid' has" in caplog.text)
    await engine.close()


async def test_a_trunk_that_is_not_found_is_told(parties: Parties) -> None:
    party = await parties.start(EngineRoute("office", "trunk.invalid", registration=REGISTRATION))
    failed = await party.registration()
    assert failed.status is RegistrationStatus.FAILED
    assert "'trunk.invalid' has no address" in failed.reason


class OneSidedLine:
    """A line on which a registration meets ``errors``, one at a time, and is taken in the end."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.requests: list[RegistrationRequest] = []
        self.lookups = 0

    def register(self, request: RegistrationRequest, now: float) -> int:
        self.requests.append(request)
        if self.errors:
            raise self.errors.pop(0)
        return len(self.requests)


@asynccontextmanager
async def kept(
    line: OneSidedLine, route: EngineRoute, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[asyncio.Queue[RegistrationChanged]]:
    """The trunk, kept on this line without pauses; what is told of it."""

    async def find(via: str) -> list[Hop]:
        line.lookups += 1
        return [Hop(HOST, 5060)]

    monkeypatch.setattr(module, "LOOK_UP_AGAIN", 0.0)
    told: asyncio.Queue[RegistrationChanged] = asyncio.Queue()
    routes = module.EngineRoutes(
        [route], cast(EngineLine, line), find, told.put_nowait, lambda addresses: None
    )
    routes.begin()
    try:
        async with asyncio.timeout(LIMIT):
            yield told
    finally:
        routes.end()


async def until_looked_up(line: OneSidedLine, times: int) -> None:
    while line.lookups < times:  # noqa: ASYNC110 (the line has nobody to tell)
        await asyncio.sleep(0)


async def test_two_trunks_with_one_account_share_a_registration(
    parties: Parties, peer: socket.socket
) -> None:
    """Two registrations of one Contact would replace each other's binding (RFC 3261 10.2)."""
    there = place(peer.getsockname())
    names = ("office", "slow", "late")
    party = await parties.start(*(EngineRoute(name, there, registration=REGISTRATION) for name in names))
    request, source = await hear(peer)
    answer(peer, request, source, 200, ("Contact", f"{request.contact}"))
    registered: set[str] = set()
    while registered != set(names):
        told = await party.registration()
        if told.status is RegistrationStatus.REGISTERED:
            assert told.route not in registered
            registered.add(told.route)
    closing = asyncio.create_task(party.close())
    removal, source = await hear(peer)
    assert removal.headers.get("Expires") == "0"
    answer(peer, removal, source, 200)
    await closing
    parties.started.remove(party)


async def test_a_trunk_that_is_found_late_is_told_of_the_registration_that_it_shares() -> None:
    line = OneSidedLine()
    told: asyncio.Queue[RegistrationChanged] = asyncio.Queue()
    found = asyncio.Event()
    lookups = count()

    async def find(via: str) -> list[Hop]:
        if next(lookups):
            await found.wait()
        return [Hop(HOST, 5060)]

    names = {"office": "h.example", "late": "h.example", "elsewhere": "other.example"}
    lines = [EngineRoute(name, via, registration=REGISTRATION) for name, via in names.items()]
    routes = module.EngineRoutes(lines, cast(EngineLine, line), find, told.put_nowait, lambda addresses: None)
    routes.begin()
    try:
        async with asyncio.timeout(LIMIT):
            await until(lambda: line.requests)
            state = Registered(1, until=asyncio.get_running_loop().time() + 600, contact="sip:a@h")
            routes.changed(state)
            assert (await told.get()).route == "office"
            found.set()
            late = await told.get()
            assert (late.route, late.status) == ("late", RegistrationStatus.REGISTERED)
            # The same account at another place is another registration.
            await until(lambda: len(line.requests) == 2)
            assert told.empty()
    finally:
        routes.end()


async def test_a_fault_of_ours_is_told_and_does_not_end_the_trunk(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    line = OneSidedLine(RuntimeError("broken"))
    async with kept(line, EngineRoute("office", "h.example", registration=REGISTRATION), monkeypatch) as told:
        failed = await told.get()
        assert (failed.status, failed.reason) == (RegistrationStatus.FAILED, module.FAULT)
        await until_looked_up(line, 2)
        assert len(line.requests) == 2
    assert "RuntimeError: broken" in caplog.text


async def test_what_the_line_cannot_do_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    line = OneSidedLine(UnsupportedError("this stack keeps no registrations"))
    monkeypatch.setattr(module, "LOOK_UP_EACH", 0.0)
    async with kept(line, EngineRoute("office", "h.example", registration=REGISTRATION), monkeypatch) as told:
        failed = await told.get()
        assert failed.reason == "this stack keeps no registrations"
        assert failed.seconds == inf
        await until_looked_up(line, 4)
        assert told.empty()
        assert len(line.requests) == 1


async def test_the_address_that_the_registrar_sees_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    line = OneSidedLine()
    behind_nat = replace(REGISTRATION, follow_rport=True)
    async with kept(line, EngineRoute("office", "h.example", registration=behind_nat), monkeypatch):
        await until_looked_up(line, 1)
    assert line.requests[0].settings.follow_rport


async def test_a_registrar_that_says_nothing_does_not_hold_up_the_end(
    parties: Parties, peer: socket.socket
) -> None:
    party = await parties.start(EngineRoute("office", place(peer.getsockname()), registration=REGISTRATION))
    await hear(peer)
    loop = asyncio.get_running_loop()
    before = loop.time()
    await party.close()
    parties.started.remove(party)
    assert loop.time() - before < 20.0


def test_registrations_of_an_engine_process_are_told() -> None:
    told: queue.SimpleQueue[RegistrationChanged] = queue.SimpleQueue()
    settings = EngineSettings((HOST, 5060), routes=(EngineRoute("office", "h.example", 2, REGISTRATION),))
    engine = EngineProcess(
        settings, print, on_registration=told.put, factory="tests.faxdev.fake_engine:FakeEngine"
    )
    try:
        engine.start()
        expected = RegistrationChanged("office", RegistrationStatus.REGISTERED, "", 600.0)
        assert told.get(timeout=LIMIT) == expected
    finally:
        engine.close()

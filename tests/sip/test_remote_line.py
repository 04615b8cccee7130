"""A line shared by several engines: who gets a call, and what becomes of it when somebody goes."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from sip.ipc.unix_socket import SocketError
from sip.line import Answered, Answerer, Ended, Failed, Incoming, LineEvent, MediaChanged
from sip.line_settings import RegistrationSettings
from sip.remote.line import GONE, RemoteLine, SignallingError
from sip.remote.rules import EngineLoad, Rule, least_busy
from sip.remote.server import LineServer
from sip.syntax.errors import ParseError, SipError, UnsupportedError
from sip.syntax.sdp import MediaDescription
from sip.transport.agent_on_network import AgentLine
from sip.ua.registration_messages import (
    Registered,
    RegistrationFailed,
    RegistrationRequest,
    RegistrationState,
)
from sip.values import Credentials, Hop
from tests.sip.line_suite import HOST, Party, request_to
from tests.sip.link import ANSWERERS, AUDIO, CREDENTIALS, IMAGE, call_request, mirror
from tests.sip.peer import LIMIT, Peer, running, until

REGISTRATION = RegistrationRequest(
    RegistrationSettings("sip:trunk.example", "sip:fax@trunk.example"), (Hop(HOST, 9),)
)


def of_user(user: str) -> RegistrationRequest:
    """The same for another address of record."""
    settings = replace(REGISTRATION.settings, identity=f"sip:{user}@trunk.example")
    return replace(REGISTRATION, settings=settings)


class RecordingLine(AgentLine):
    """A line that registers nowhere, and keeps what it was asked for."""

    def __init__(
        self, on_event: Callable[[LineEvent], None], on_registration: Callable[[RegistrationState], None]
    ) -> None:
        super().__init__(on_event, user_agent="test", listen=[Hop(HOST, 0)])
        self.tell = on_registration
        self.registering: list[RegistrationRequest] = []
        self.ended: list[int] = []
        self.credentials: Credentials | None = None
        self.refusal: SipError | None = None

    def accept(
        self,
        call: int,
        media: Sequence[MediaDescription],
        media_address: str,
        answerer: Answerer,
        now: float,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        self.credentials = credentials
        super().accept(call, media, media_address, answerer, now, credentials=credentials)

    def register(self, request: RegistrationRequest, now: float) -> int:
        if self.refusal is not None:
            raise self.refusal
        self.registering.append(request)
        return len(self.registering)

    def unregister(self, registration: int, now: float) -> None:
        self.ended.append(registration)


class Shared:
    """A server in this process, and engines that connect to it."""

    def __init__(self, directory: Path, rule: Rule) -> None:
        self.path = str(directory / "line.sock")
        self.lines: list[RecordingLine] = []
        self.admitted: list[frozenset[str]] = []
        self.server = LineServer(
            self.path, self._make, answerers=ANSWERERS, rule=rule, admit=self.admitted.append
        )
        self.engines: list[Party] = []
        self.states: list[RegistrationState] = []

    def _make(
        self, on_event: Callable[[LineEvent], None], on_registration: Callable[[RegistrationState], None]
    ) -> RecordingLine:
        self.lines.append(RecordingLine(on_event, on_registration))
        return self.lines[-1]

    @property
    def line(self) -> RecordingLine:
        return self.lines[-1]

    @property
    def hop(self) -> Hop:
        return self.line.addresses[0]

    def keeps(self, identities: set[str]) -> bool:
        """Whether these are registered, each once, and no others."""
        numbered = enumerate(self.line.registering, 1)
        kept = [request.settings.identity for number, request in numbered if number not in self.line.ended]
        return sorted(kept) == sorted(identities)

    async def engine(self, name: str, max_incoming: int = 4) -> Party:
        party = Party(
            lambda on_event, on_registration: RemoteLine(
                on_event,
                path=self.path,
                name=name,
                max_incoming=max_incoming,
                on_registration=self.states.append,
            )
        )
        await party.line.start()
        self.engines.append(party)
        return party


@asynccontextmanager
async def shared(directory: Path, rule: Rule = least_busy) -> AsyncIterator[Shared]:
    it = Shared(directory, rule)
    await it.server.start()
    try:
        yield it
    finally:
        for engine in it.engines:
            await engine.line.close()
        await it.server.close()


# --- who gets a call ----------------------------------------------------------------------------------------


async def test_calls_go_to_the_engine_that_has_fewest(tmp_path: Path) -> None:
    them = Peer()
    async with shared(tmp_path) as line, running(them):
        one, two = await line.engine("one"), await line.engine("two")
        for calls in (1, 2):
            for engine in (one, two):
                them.call(line.hop)
                await engine.expect_several(Incoming, calls)


async def test_nobody_takes_calls(tmp_path: Path) -> None:
    them = Peer()
    async with shared(tmp_path) as line, running(them):
        them.call(line.hop)
        assert (await them.expect(Failed)).status == 480
        await line.engine("one", max_incoming=0)
        them.call(line.hop)
        assert (await them.expect_several(Failed, 2))[-1].status == 480


async def test_all_engines_are_full(tmp_path: Path) -> None:
    them = Peer()
    async with shared(tmp_path) as line, running(them):
        one = await line.engine("one", max_incoming=1)
        call = them.call(line.hop)
        first = await one.expect(Incoming)
        them.call(line.hop)
        assert (await them.expect(Failed)).status == 486
        them.line.hang_up(call, them.now)
        assert (await one.expect(Failed)).call == first.call
        them.call(line.hop)
        await one.expect_several(Incoming, 2)


async def test_a_rule_of_ones_own(tmp_path: Path) -> None:
    """Here the number called names the engine; a number that names none is refused."""

    def by_number(incoming: Incoming, engines: Sequence[EngineLoad]) -> str | None:
        return incoming.request_uri.partition("@")[0].removeprefix("sip:")

    them = Peer()
    async with shared(tmp_path, by_number) as line, running(them):
        one, two = await line.engine("one"), await line.engine("two")
        for engine, name in ((two, "two"), (one, "one")):
            them.call(line.hop, target=f"sip:{name}@{HOST}")
            assert (await engine.expect(Incoming)).request_uri == f"sip:{name}@{HOST}"
        them.call(line.hop, target=f"sip:three@{HOST}")
        assert (await them.expect(Failed)).status == 480


async def test_a_rule_that_fails_refuses(tmp_path: Path) -> None:
    def broken(incoming: Incoming, engines: Sequence[EngineLoad]) -> str:
        return engines[99].name

    them = Peer()
    async with shared(tmp_path, broken) as line, running(them):
        await line.engine("one")
        them.call(line.hop)
        assert (await them.expect(Failed)).status == 480


async def test_engines_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Two processes of one configuration file: each gets a call."""
    them = Peer()
    async with shared(tmp_path) as line, running(them):
        engines = [await line.engine("engine") for _ in range(3)]
        for engine in engines:
            them.call(line.hop)
            await engine.expect(Incoming)
        assert [client.hello.name for client in line.server._clients] == ["engine", "engine-2", "engine-3"]


async def test_the_trunks_of_the_engines_that_are_there_are_admitted(tmp_path: Path) -> None:
    async with shared(tmp_path) as line:
        one, two = await line.engine("one"), await line.engine("two")
        assert isinstance(one.line, RemoteLine)
        assert isinstance(two.line, RemoteLine)
        one.line.admit(frozenset({"192.0.2.1", "192.0.2.2"}))
        two.line.admit(frozenset({"192.0.2.2", "192.0.2.3"}))
        await until(lambda: line.admitted[-1] == {"192.0.2.1", "192.0.2.2", "192.0.2.3"})
        await one.line.close()
        line.engines.remove(one)
        await until(lambda: line.admitted[-1] == {"192.0.2.2", "192.0.2.3"})


# --- calls of several engines -------------------------------------------------------------------------------


async def test_engines_hear_of_their_own_calls_only(tmp_path: Path) -> None:
    them = Peer()
    them.react = them.accept
    async with shared(tmp_path) as line, running(them):
        one, two = await line.engine("one"), await line.engine("two")
        calls = [engine.line.place(request_to(them), engine.now) for engine in (one, two)]
        first, second = await one.expect(Answered), await two.expect(Answered)
        assert [first.call, second.call] == calls == [1, 1]
        assert first.dialog.call_id != second.dialog.call_id
        one.line.offer(first.call, [IMAGE], one.now)
        await one.expect(MediaChanged)
        one.line.hang_up(first.call, one.now)
        await one.expect(Ended)
        assert [type(event) for event in two.events] == [Answered]


async def test_a_call_is_taken_with_the_credentials_of_its_trunk(tmp_path: Path) -> None:
    them = Peer()
    async with shared(tmp_path) as line, running(them):
        one = await line.engine("one")
        them.call(line.hop)
        call = (await one.expect(Incoming)).call
        one.line.accept(call, [AUDIO], HOST, mirror, one.now, credentials=CREDENTIALS)
        await them.expect(Answered)
        assert line.line.credentials == CREDENTIALS


async def test_a_request_that_no_line_would_take_fails(tmp_path: Path) -> None:
    async with shared(tmp_path) as line:
        one = await line.engine("one")
        call = one.line.place(call_request(target="no URI at all", media_address=HOST), one.now)
        failed = await one.expect(Failed)
        assert (failed.call, failed.status, failed.local, failed.advice) == (call, 503, True, "")
        assert "no URI" in failed.reason


async def test_an_answerer_that_is_not_allowed_is_refused_at_once(tmp_path: Path) -> None:
    async with shared(tmp_path) as line:
        one = await line.engine("one")
        with pytest.raises(UnsupportedError, match="does not let sip"):
            one.line.place(call_request(answerer=least_busy), one.now)
        with pytest.raises(UnsupportedError, match="use a function of a module"):
            one.line.place(call_request(answerer=lambda offer: None), one.now)


# --- somebody goes ------------------------------------------------------------------------------------------


async def test_an_engine_goes(tmp_path: Path) -> None:
    """Its calls are hung up, those that ring too; the others go on."""
    them = Peer()
    async with shared(tmp_path) as line, running(them):
        one, two = await line.engine("one", max_incoming=1), await line.engine("two")
        them.react = them.accept
        one.line.place(request_to(them), one.now)
        two.line.place(request_to(them), two.now)
        await one.expect(Answered)
        await two.expect(Answered)
        assert isinstance(one.line, RemoteLine)
        assert one.line._writer is not None
        one.line._writer.transport.abort()
        ended = await them.expect(Ended)
        assert (ended.remote, ended.reason) == (True, "the engine of this call has ended")
        assert (await one.expect(Ended)).reason == GONE
        await until(lambda: line.line.agent.calls == 1)
        assert [type(event) for event in two.events] == [Answered]


async def test_an_idle_engine_tells_that_the_signalling_process_has_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At WARNING, so that it is seen where nothing is said about logging."""
    caplog.set_level("WARNING")
    async with shared(tmp_path) as line:
        one = await line.engine("one")
        line.engines.clear()
    await until(lambda: f"the connection to the signalling process at {line.path} is lost" in caplog.text)
    async with shared(tmp_path):
        await until(lambda: f"connected to the signalling process at {line.path} again" in caplog.text)
        await one.line.close()


async def test_the_signalling_process_goes_and_comes_again(tmp_path: Path) -> None:
    them = Peer()
    async with running(them):
        async with shared(tmp_path) as line:
            one = await line.engine("one")
            line.engines.clear()
            call = one.line.place(request_to(them), one.now)
            await them.expect(Incoming)
            one.line.register(REGISTRATION, one.now)
            await until(lambda: line.line.registering)
        failed = await one.expect(Failed)
        assert (failed.call, failed.local) == (call, True)
        lost = one.line.place(request_to(them), one.now)
        failed = (await one.expect_several(Failed, 2))[-1]
        assert (failed.call, failed.status, failed.reason, failed.local) == (lost, 503, GONE, True)
        assert isinstance(line.states[-1], RegistrationFailed)
        async with shared(tmp_path) as again:
            # It is looked for each second, and what was registered is registered again.
            await until(lambda: again.line.registering)
            assert again.line.registering == [REGISTRATION]
            them.react = them.accept
            one.line.place(request_to(them), one.now)
            await one.expect(Answered)
            await one.line.close()


# --- registrations ------------------------------------------------------------------------------------------


async def test_engines_share_a_registration(tmp_path: Path) -> None:
    async with shared(tmp_path) as line:
        one, two = await line.engine("one"), await line.engine("two")
        number = one.line.register(REGISTRATION, one.now)
        await until(lambda: line.line.registering)
        state = Registered(1, until=5000.0, contact="sip:fax@192.0.2.1")
        line.line.tell(state)
        await until(lambda: line.states)
        other = two.line.register(replace(REGISTRATION, destination=(Hop(HOST, 10),)), two.now)
        await until(lambda: len(line.states) == 2)
        assert line.states == [replace(state, registration=number), replace(state, registration=other)]
        assert line.line.registering == [REGISTRATION]
        assert isinstance(one.line, RemoteLine)
        assert isinstance(two.line, RemoteLine)
        one.line.unregister(number, one.now)
        third = one.line.register(of_user("other"), one.now)
        await until(lambda: len(line.line.registering) == 2)
        assert line.line.ended == []
        two.line.unregister(other, two.now)
        one.line.unregister(third, one.now)
        await until(lambda: len(line.line.ended) == 2)
        assert sorted(line.line.ended) == [1, 2]


async def test_two_routes_of_one_engine_share_a_registration(tmp_path: Path) -> None:
    """Both are told its state, and it lasts until the last of them has ended."""
    async with shared(tmp_path) as line:
        one = await line.engine("one")
        first, second = (one.line.register(REGISTRATION, one.now) for _ in range(2))
        await until(lambda: line.line.registering)
        state = Registered(1, until=5000.0, contact="sip:fax@192.0.2.1")
        line.line.tell(state)
        await until(lambda: len(line.states) == 2)
        told = sorted(line.states, key=lambda each: each.registration)
        assert told == [replace(state, registration=first), replace(state, registration=second)]
        one.line.unregister(first, one.now)
        third = one.line.register(of_user("other"), one.now)
        await until(lambda: len(line.line.registering) == 2)
        assert line.line.ended == []
        one.line.unregister(second, one.now)
        await until(lambda: line.line.ended)
        assert line.line.ended == [1]
        one.line.unregister(third, one.now)


@pytest.mark.parametrize("seed", range(8))
async def test_a_registration_lasts_as_long_as_somebody_wants_it(tmp_path: Path, seed: int) -> None:
    """Whatever engines register, end, and go, in whatever order."""
    random = Random(seed)
    wanted = [of_user(user) for user in ("a", "b")]
    async with shared(tmp_path) as line:
        held: dict[Party, list[tuple[int, RegistrationRequest]]] = {}
        for step in range(40):
            if len(held) < 2:
                held[await line.engine(f"engine {step}")] = []
            party = random.choice(list(held))
            match random.randrange(8):
                case 0:
                    await party.line.close()
                    line.engines.remove(party)
                    del held[party]
                case 1 | 2 | 3 if held[party]:
                    number, _ = held[party].pop(random.randrange(len(held[party])))
                    party.line.unregister(number, party.now)
                case _:
                    request = random.choice(wanted)
                    held[party].append((party.line.register(request, party.now), request))
            expected = {request.settings.identity for each in held.values() for _, request in each}
            await until(partial(line.keeps, expected))
        line.states.clear()
        for number, request in enumerate(line.line.registering, 1):
            if number not in line.line.ended:
                line.line.tell(Registered(number, until=5000.0, contact=request.settings.identity))
        mine = [number for each in held.values() for number, _ in each]
        await until(lambda: len(line.states) >= len(mine))
        assert sorted(state.registration for state in line.states) == sorted(mine)
        for party in held:
            await party.line.close()
            line.engines.remove(party)
        await until(partial(line.keeps, set()))
        assert sorted(line.line.ended) == list(range(1, len(line.line.registering) + 1))


async def test_a_registration_that_no_line_would_take_fails(tmp_path: Path) -> None:
    async with shared(tmp_path) as line:
        one = await line.engine("one")
        line.line.refusal = ParseError("'no URI' is no URI")
        number = one.line.register(REGISTRATION, one.now)
        await until(lambda: line.states)
        assert line.states == [RegistrationFailed(number, 0, "'no URI' is no URI", math.inf)]


# --- the socket ---------------------------------------------------------------------------------------------


async def test_the_socket_is_for_its_owner_and_goes_with_the_server(tmp_path: Path) -> None:
    async with shared(tmp_path) as line:
        assert stat.S_IMODE(os.stat(line.path).st_mode) == 0o600
        with pytest.raises(SocketError, match="another process listens there"):
            await Shared(tmp_path, least_busy).server.start()
    assert os.listdir(tmp_path) == []


async def test_a_socket_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "line.sock"))
    async with shared(tmp_path) as line:
        await line.engine("one")


async def test_nobody_serves_the_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "line.sock")
    with pytest.raises(SignallingError, match="no signalling process listens at"):
        await RemoteLine(lambda event: None, path=path, name="one", max_incoming=64).start()


async def test_a_client_that_writes_nonsense_is_let_go(tmp_path: Path) -> None:
    async with shared(tmp_path) as line:
        reader, writer = await asyncio.open_unix_connection(line.path)
        writer.write(b"\0\0\0\2{}")
        async with asyncio.timeout(LIMIT):
            assert await reader.read() == b""
        writer.close()
        assert (await line.engine("one")).line.address == line.hop.address

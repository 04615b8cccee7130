"""What a fault of the shared line does to the engine that struck it: to one call of it, and to no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import combinations, count
from pathlib import Path

import pytest

from sip.line import Answerer, CallRequest, Incoming, LineEvent
from sip.line_settings import RegistrationSettings
from sip.remote.server import LineServer
from sip.remote.wire import (
    Accept,
    AnswerWith,
    CallHappened,
    HangUp,
    Hello,
    Limit,
    Message,
    NotPlaced,
    Offer,
    Peers,
    Place,
    Refuse,
    Register,
    RegistrationIs,
    Ring,
    Verb,
    Welcome,
    codec,
)
from sip.syntax.sdp import MediaDescription
from sip.ua.registration_messages import RegistrationFailed, RegistrationRequest, RegistrationState
from sip.values import Credentials, Hop
from t38fsp.call.media import AnswerOffers, MediaCapabilities
from t38fsp.engine.sip_lines import ANSWERERS
from t38fsp.t38.attributes import T38Parameters
from tests.sip.link import AUDIO
from tests.sip.peer import LIMIT, until

HOP = Hop("127.0.0.1", 9)
answer_offer = AnswerOffers(MediaCapabilities(5000, T38Parameters()))
REQUEST = CallRequest("sip:1@127.0.0.1", "sip:2@127.0.0.1", (HOP,), "127.0.0.1", (AUDIO,), answer_offer)
REGISTRATION = RegistrationRequest(RegistrationSettings("sip:trunk.example", "sip:fax@trunk.example"), (HOP,))
VERBS: tuple[Verb, ...] = (
    Ring(-1),
    Accept(-1, (AUDIO,), "127.0.0.1", answer_offer, None),
    Refuse(-1, 486),
    AnswerWith(-1, answer_offer),
    Offer(-1, (AUDIO,)),
    HangUp(-1, None),
)
STEPS = ("hang_up", "unregister", "admit")
"""What the server does when an engine goes."""


class BrokenLine:
    """A line of which the named verbs fail on a fault of ours."""

    addresses: Sequence[Hop] = (HOP,)

    def __init__(self, on_event: Callable[[LineEvent], None]) -> None:
        self.on_event = on_event
        self.broken: set[str] = set()
        self.asked: list[str] = []
        self.refused: list[int] = []
        self._calls = 0

    async def start(self) -> None:
        pass

    async def close(self, limit: float = 5.0) -> None:
        pass

    def do(self, verb: str) -> None:
        self.asked.append(verb)
        if verb in self.broken:
            raise RuntimeError(f"{verb}: a fault of ours")

    def place(self, request: CallRequest, now: float) -> int:
        self.do("place")
        self._calls += 1
        return self._calls

    def ring(self, call: int, now: float) -> None:
        self.do("ring")

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
        self.do("accept")

    def refuse(self, call: int, status: int, now: float) -> None:
        self.do("refuse")
        self.refused.append(status)

    def answer_with(self, call: int, answerer: Answerer, now: float) -> None:
        self.do("answer_with")

    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None:
        self.do("offer")

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        self.do("hang_up")

    def register(self, request: RegistrationRequest, now: float) -> int:
        self.do("register")
        return 1

    def redirect(self, registration: int, hops: tuple[Hop, ...]) -> None:
        self.do("redirect")

    def unregister(self, registration: int, now: float) -> None:
        self.do("unregister")


class Engine:
    """An engine that says what the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._decoder = codec(ANSWERERS).decoder()
        self._heard: list[Message] = []
        self.writer = writer

    def say(self, *messages: Message) -> None:
        self.writer.write(b"".join(map(codec().encode, messages)))

    async def hear(self) -> Message:
        async with asyncio.timeout(LIMIT):
            while not self._heard:
                data = await self._reader.read(4096)
                assert data, "the server closed the connection"
                self._heard += self._decoder.feed(data)
        return self._heard.pop(0)


class Server:
    def __init__(self, path: Path) -> None:
        self.path = str(path / "line")
        self.server = LineServer(self.path, self._make, answerers=ANSWERERS, admit=self._admit)

    def _make(
        self, on_event: Callable[[LineEvent], None], on_registration: Callable[[RegistrationState], None]
    ) -> BrokenLine:
        self.line = BrokenLine(on_event)
        return self.line

    def _admit(self, addresses: frozenset[str]) -> None:
        self.admitted = addresses
        self.line.do("admit")

    async def engine(self, name: str) -> Engine:
        engine = Engine(*await asyncio.open_unix_connection(self.path))
        engine.say(Hello(name, 4))
        assert isinstance(await engine.hear(), Welcome)
        return engine


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[Server]:
    server = Server(path)
    await server.server.start()
    # The faults are ours, and told there.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    try:
        yield server
    finally:
        server.line.broken.clear()
        await server.server.close()


async def test_calls_go_to_engines_that_have_not_too_much_to_do(tmp_path: Path) -> None:
    """When all have, the caller is to come again; where they only have no room, they are busy."""

    async def given(engine: Engine) -> None:
        incoming = Incoming(next(calls), "sip:us@here", "sip:a@far", "", "sip:us@here", HOP, None)
        server.line.on_event(incoming)
        assert isinstance(await engine.hear(), CallHappened)

    async def said(engine: Engine, *messages: Message) -> None:
        """They have been read when this comes back."""
        engine.say(*messages, Register(1, REGISTRATION))
        server.line.broken.add("register")
        assert isinstance(await engine.hear(), RegistrationIs)

    calls = count(100)
    async with served(tmp_path) as server:
        one, two = await server.engine("one"), await server.engine("two")
        await given(one)
        await said(one, Limit(1))
        for _ in range(3):
            await given(two)
        await said(two, Limit(0))
        server.line.on_event(Incoming(next(calls), "sip:us@here", "sip:a@far", "", "sip:us@here", HOP, None))
        assert server.line.refused == [503]
        await said(two, Limit(None))
        await given(two)
        await said(one, Limit(None))
        for _ in range(3):
            await given(one)
        server.line.on_event(Incoming(next(calls), "sip:us@here", "sip:a@far", "", "sip:us@here", HOP, None))
        assert server.line.refused == [503, 486]


async def test_a_call_that_cannot_be_placed_for_a_fault_ends_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as it:
        engine = await it.engine("engine")
        it.line.broken = {"place"}
        engine.say(Place(1, REQUEST))
        told = await engine.hear()
        assert isinstance(told, NotPlaced)
        assert (told.call, "internal error" in told.reason) == (1, True)
        it.line.broken = set()
        engine.say(Place(2, REQUEST), Register(1, REGISTRATION), HangUp(2, None))
        await until(lambda: it.line.asked[-1] == "hang_up")
        engine.writer.close()


@pytest.mark.parametrize("hang_up", [True, False], ids=["hangs up", "cannot hang up"])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: type(verb).__name__)
async def test_a_fault_in_a_verb_ends_its_call_alone(tmp_path: Path, verb: Verb, hang_up: bool) -> None:
    async with served(tmp_path) as it:
        engine = await it.engine("engine")
        for call in (7, 8):
            it.line.on_event(Incoming(call, "sip:1@h", "sip:2@h", "", "sip:1@h", HOP, None))
            assert isinstance(await engine.hear(), CallHappened)
        names = {AnswerWith: "answer_with", HangUp: "hang_up"}
        it.line.broken = {names.get(type(verb), type(verb).__name__.lower())} | (
            set() if hang_up else {"hang_up"}
        )
        engine.say(verb)
        told = await engine.hear()
        assert isinstance(told, NotPlaced)
        assert told.call == -1
        it.line.broken = set()
        asked = len(it.line.asked)
        engine.say(verb, Ring(-2))
        await until(lambda: len(it.line.asked) > asked)
        assert it.line.asked[asked:] == ["ring"]
        engine.writer.close()


async def test_a_registration_that_fails_on_a_fault_is_told(tmp_path: Path) -> None:
    async with served(tmp_path) as it:
        engine = await it.engine("engine")
        it.line.broken = {"register"}
        engine.say(Register(3, REGISTRATION))
        told = await engine.hear()
        assert isinstance(told, RegistrationIs)
        assert isinstance(told.state, RegistrationFailed)
        assert told.state.registration == 3
        engine.writer.close()


@pytest.mark.parametrize("broken", [each for n in range(4) for each in combinations(STEPS, n)], ids=" ".join)
async def test_nothing_is_left_of_an_engine_that_went(tmp_path: Path, broken: Sequence[str]) -> None:
    """Each step is made, whichever of the others fails."""
    async with served(tmp_path) as it:
        engine, other = await it.engine("engine"), await it.engine("other")
        engine.say(Peers(("192.0.2.7",)), Place(1, REQUEST), Place(2, REQUEST), Register(1, REGISTRATION))
        await until(lambda: "register" in it.line.asked)
        assert it.admitted == {"192.0.2.7"}
        it.line.asked.clear()
        it.line.broken = set(broken)
        engine.writer.close()
        await until(lambda: len(it.line.asked) >= 4)
        assert sorted(it.line.asked) == ["admit", "hang_up", "hang_up", "unregister"]
        assert it.admitted == frozenset()
        other.say(Ring(-1), Place(1, REQUEST))
        await until(lambda: it.line.asked[-1] == "place")
        other.writer.close()

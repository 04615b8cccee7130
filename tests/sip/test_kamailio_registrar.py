"""Registration at Kamailio, by UDP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from sip.line import Failed, Incoming, LineEvent
from sip.line_settings import RegistrationSettings
from sip.transport.agent_on_network import AgentLine
from sip.ua.registration_messages import (
    Registered,
    Registering,
    RegistrationFailed,
    RegistrationRequest,
    RegistrationState,
    Unregistered,
)
from sip.values import Credentials, Hop
from tests.peers.kamailio import Kamailio
from tests.sip.link import call_request

pytestmark = pytest.mark.kamailio

LIMIT = 60.0
"""Seconds after which a test is stuck."""
BRIEF = 4
"""Seconds of a registration that is refreshed within a test; a machine that stalls for less loses none."""


@pytest.fixture(scope="module")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    folder = tmp_path_factory.mktemp("kamailio")
    with Kamailio(folder, users={"fax": "secret", "other": "sec:ret"}, least_expiry=BRIEF) as running:
        yield running


@dataclass(slots=True)
class Phone:
    line: AgentLine
    states: asyncio.Queue[RegistrationState]
    events: asyncio.Queue[LineEvent]
    registrar: Kamailio
    open: bool = True

    def register(
        self, user: str = "fax", password: str = "secret", expires: int = 600, **more: object
    ) -> int:
        place = self.registrar.place
        request = RegistrationRequest(
            RegistrationSettings(f"sip:{place}", f"sip:{user}@{place}", Credentials(user, password), expires),
            [Hop(self.registrar.host, self.registrar.port)],
            **more,  # type: ignore[arg-type]
        )
        return self.line.register(request, asyncio.get_running_loop().time())

    async def close(self) -> None:
        if self.open:
            self.open = False
            await self.line.close()

    async def state(self) -> RegistrationState:
        async with asyncio.timeout(LIMIT):
            return await self.states.get()

    async def registered(self) -> bool:
        """As seen from outside; our side answers the question, so the loop must go on."""
        return await asyncio.to_thread(self.registrar.registered, "fax")


Make = Callable[[], Awaitable[Phone]]


@pytest.fixture
async def make(registrar: Kamailio) -> AsyncIterator[Make]:
    """Makes phones, which unregister at the end of the test."""
    phones: list[Phone] = []

    async def make() -> Phone:
        states: asyncio.Queue[RegistrationState] = asyncio.Queue()
        events: asyncio.Queue[LineEvent] = asyncio.Queue()
        line = AgentLine(
            events.put_nowait,
            user_agent="t/1",
            listen=[Hop("127.0.0.1", 0)],
            on_registration=states.put_nowait,
        )
        await line.start()
        phones.append(Phone(line, states, events, registrar))
        return phones[-1]

    yield make
    for phone in phones:
        await phone.close()


@pytest.fixture
async def phone(make: Make) -> Phone:
    return await make()


async def test_register_refresh_and_unregister(phone: Phone) -> None:
    assert not await phone.registered()
    number = phone.register(expires=BRIEF, features=(("+sip.fax", "t38"),))
    assert await phone.state() == Registering(number)
    first = await phone.state()
    assert isinstance(first, Registered)
    assert 0 < first.until - asyncio.get_running_loop().time() <= BRIEF
    assert await phone.registered()
    for _ in range(2):
        # That there is never a gap is shown in simulated time (tests/sip/test_registration.py).
        refreshed = await phone.state()
        assert isinstance(refreshed, Registered)
        assert first.until < refreshed.until
        first = refreshed
        assert await phone.registered()
    phone.line.unregister(number, asyncio.get_running_loop().time())
    while not isinstance(state := await phone.state(), Unregistered):
        assert isinstance(state, Registered)
    assert not await phone.registered()


async def test_close_unregisters(registrar: Kamailio, phone: Phone) -> None:
    phone.register()
    assert isinstance(await phone.state(), Registering)
    assert isinstance(await phone.state(), Registered)
    await phone.close()
    assert await phone.state() == Unregistered(1)
    assert not await phone.registered()


@pytest.mark.parametrize(("user", "password"), [("fax", "wrong"), ("nobody", "secret")])
async def test_a_wrong_password_is_told(phone: Phone, user: str, password: str) -> None:
    phone.register(user, password)
    assert isinstance(await phone.state(), Registering)
    failed = await phone.state()
    assert isinstance(failed, RegistrationFailed)
    assert (failed.status, failed.reason) == (401, "the registrar responded 401 Unauthorized")


async def test_a_binding_that_is_too_short_is_made_longer(phone: Phone) -> None:
    phone.register(expires=1)
    assert isinstance(await phone.state(), Registering)
    state = await phone.state()
    assert isinstance(state, Registered)
    assert state.until - asyncio.get_running_loop().time() > 1


async def test_of_several_contacts_ours_is_found(make: Make) -> None:
    other, phone = await make(), await make()
    for each, expires in ((other, 1200), (phone, 600)):
        each.register(expires=expires)
        assert isinstance(await each.state(), Registering)
        state = await each.state()
        assert isinstance(state, Registered)
        assert expires - 10 < state.until - asyncio.get_running_loop().time() <= expires


async def test_a_call_comes_in_through_the_registration(
    registrar: Kamailio, phone: Phone, make: Make
) -> None:
    phone.register("other", "sec:ret")
    assert isinstance(await phone.state(), Registering)
    assert isinstance(await phone.state(), Registered)
    caller = await make()
    target = f"sip:other@{registrar.place}"
    call = call_request(
        target=target, destination=[Hop(registrar.host, registrar.port)], media_address="127.0.0.1"
    )
    now = asyncio.get_running_loop().time()
    caller.line.place(call, now)
    async with asyncio.timeout(LIMIT):
        incoming = await phone.events.get()
        assert isinstance(incoming, Incoming)
        assert incoming.called == target
        assert incoming.request_uri == f"sip:other@127.0.0.1:{phone.line.address[1]}"
        phone.line.refuse(incoming.call, 486, now)
        while not isinstance(failed := await caller.events.get(), Failed):
            pass
    assert failed.status == 486

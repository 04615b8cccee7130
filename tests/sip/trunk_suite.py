"""What every backend of the line must do around a call: find a hop that serves, follow redirections, say who
we are, register, and all that over IPv6."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sip.line import Answered, CallRequest, Ended, Failed, Incoming, MediaChanged
from sip.line_settings import RegistrationSettings
from sip.syntax.errors import UnsupportedError
from sip.ua.registration_messages import Registered, RegistrationFailed, RegistrationRequest
from sip.values import Credentials, Hop, Identity, Transport
from tests.peers.kamailio import Kamailio
from tests.peers.programs import vacant
from tests.sip.line_suite import HOST, IPV6, Party, Suite, hop_of, request_to
from tests.sip.link import AUDIO, IMAGE, call_request, mirror
from tests.sip.peer import Peer, at, running
from tests.sip.refuser import Refuser, refuser

HOST6 = "::1"
BRIEF = 4
"""Seconds of a registration that is refreshed within a test, and what the registrar asks for at least."""


def registration_at(registrar: Kamailio, password: str = "secret", **more: object) -> RegistrationRequest:
    settings = RegistrationSettings(
        f"sip:{registrar.place}",
        f"sip:fax@{registrar.place}",
        Credentials("fax", password),
        **more,  # type: ignore[arg-type]
    )
    return RegistrationRequest(settings, [Hop(registrar.host, registrar.port)])


def request_by(far_end: Refuser, **changes: object) -> CallRequest:
    hop = far_end.hop
    target = f"sip:+15550100@{HOST}:{hop.port}"
    return call_request(target=target, destination=[hop], media_address=HOST, **changes)


class TrunkSuite(Suite):
    # --- further hops ---------------------------------------------------------------------------------------

    async def test_a_refused_connection_leads_to_the_next_hop(self, us: Party, them: Peer) -> None:
        them.react = them.accept
        with vacant(socket.SOCK_STREAM) as nobody:
            hops = [Hop(*nobody, Transport.TCP), them.hop(Transport.TCP)]
            call = us.line.place(request_to(them, destination=hops), us.now)
            assert (await us.expect(Answered)).call == call
        us.line.hang_up(call, us.now)
        assert (await us.expect(Ended)).call == call

    async def test_a_hop_without_service_leads_to_the_next(self, us: Party, them: Peer) -> None:
        them.react = them.accept
        async with refuser(503) as busy:
            us.line.place(request_to(them, destination=[busy.hop, them.hop()]), us.now)
            await us.expect(Answered)
            # It is avoided for a while.
            us.line.place(request_to(them, destination=[busy.hop, them.hop()]), us.now)
            await us.expect_several(Answered, 2)
            assert len(busy.invites) == 1

    async def test_a_silent_hop_leads_to_the_next(self, us: Party, them: Peer) -> None:
        them.react = them.accept
        async with refuser(None) as silent:
            call = us.line.place(request_to(them, destination=[silent.hop, them.hop()]), us.now)
            assert (await us.expect(Answered)).call == call
            assert {str(invite.uri) for invite in silent.invites} == {request_to(them).target}
            assert len(us.events) == 1

    async def test_the_last_hop_has_the_last_word(self, us: Party, them: Peer) -> None:
        async with refuser(503) as first, refuser(503, ("X-Why", "no lines")) as last:
            call = us.line.place(request_to(them, destination=[first.hop, last.hop]), us.now)
            failed = await us.expect(Failed)
            assert (failed.call, failed.status, failed.local) == (call, 503, False)
            assert dict(failed.headers)["X-Why"] == "no lines"
            assert us.events == [failed]

    async def test_other_refusals_are_final(self, us: Party, them: Peer) -> None:
        async with refuser(486) as busy:
            us.line.place(request_to(them, destination=[busy.hop, them.hop()]), us.now)
            assert (await us.expect(Failed)).status == 486
        assert them.events == []

    async def test_a_hang_up_ends_the_search(self, us: Party, them: Peer) -> None:
        async with refuser(None) as silent:
            call = us.line.place(request_to(them, destination=[silent.hop, them.hop()]), us.now)
            us.line.hang_up(call, us.now)
            failed = await us.expect(Failed)
            assert (failed.call, failed.status, failed.local) == (call, 487, True)
        assert them.events == []

    # --- 3xx ------------------------------------------------------------------------------------------------

    async def test_a_redirection_is_followed(self, us: Party, them: Peer) -> None:
        them.react = them.accept
        there = f"sip:+15550123@{HOST}:{them.hop().port}"
        async with refuser(302, ("Contact", f"<{there}>")) as moved:
            call = us.line.place(request_by(moved), us.now)
            assert (await us.expect(Answered)).call == call
        assert (await them.expect(Incoming)).request_uri == there

    async def test_a_redirection_may_be_the_end(self, us: Party, them: Peer) -> None:
        contact = f"<sip:+15550123@{HOST}:{them.hop().port}>"
        async with refuser(302, ("Contact", contact)) as moved:
            us.line.place(request_by(moved, redirects=0), us.now)
            failed = await us.expect(Failed)
            assert (failed.status, dict(failed.headers)["Contact"]) == (302, contact)
        assert them.events == []

    async def test_redirections_end_in_the_last_refusal(self, us: Party, them: Peer) -> None:
        async with refuser(404) as nowhere:
            contact = f"<sip:+15550123@{HOST}:{nowhere.hop.port}>"
            async with refuser(302, ("Contact", contact)) as moved:
                us.line.place(request_by(moved), us.now)
                assert (await us.expect(Failed)).status == 404
            assert len(nowhere.invites) == 1

    # --- who we say we are ----------------------------------------------------------------------------------

    async def test_identity_and_privacy(self, us: Party, them: Peer) -> None:
        identity = Identity(asserted=("sip:+15550123@a.example",), privacy=("id",))
        us.line.place(request_to(them, identity=identity), us.now)
        incoming = await them.expect(Incoming)
        assert incoming.identity == "sip:+15550123@a.example"
        assert dict(incoming.headers)["Privacy"] == "id"
        assert incoming.caller == "sip:anonymous@anonymous.invalid"
        assert "alice" not in dict(incoming.headers)["Contact"]

    async def test_routes(self, us: Party, them: Peer) -> None:
        route = f"<sip:{HOST}:{them.hop().port};lr>"
        us.line.place(request_to(them, target="sip:+15550100@bob.example", routes=(route,)), us.now)
        incoming = await them.expect(Incoming)
        assert incoming.request_uri == "sip:+15550100@bob.example"
        assert [value for name, value in incoming.headers if name == "Route"] == [route]

    # --- registration ---------------------------------------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def registrar(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
        folder = tmp_path_factory.mktemp("kamailio")
        with Kamailio(folder, users={"fax": "secret"}, least_expiry=BRIEF) as running:
            yield running

    @pytest.mark.kamailio
    async def test_a_registration(self, tmp_path: Path, them: Peer, registrar: Kamailio) -> None:
        """Refreshed before it ends; calls come in through it; gone when we are."""
        async with self.line(tmp_path) as make:
            us = Party(make)
            async with running(us):
                await self.registered(us, registrar)
                them.call(Hop(registrar.host, registrar.port), target=f"sip:fax@{registrar.place}")
                incoming = await us.expect(Incoming)
                assert incoming.called == f"sip:fax@{registrar.place}"
                us.answer(incoming.call, [AUDIO])
                us.line.hang_up((await us.expect(Answered)).call, us.now)
                await them.expect(Ended)
                assert await asyncio.to_thread(registrar.registered, "fax")
            while await asyncio.to_thread(registrar.registered, "fax"):
                """A signalling process has not told it yet."""

    async def registered(self, us: Party, registrar: Kamailio) -> None:
        number = us.line.register(registration_at(registrar, expires=BRIEF), us.now)
        before = us.now
        for _ in range(3):
            state = await us.registered()
            assert isinstance(state, Registered)
            assert state.registration == number
            assert state.contact.startswith(f"sip:fax@{HOST}:{hop_of(us.line).port}")
            assert before < state.until <= us.now + BRIEF
            before = state.until

    @pytest.mark.kamailio
    async def test_a_registration_that_is_too_brief_is_made_longer(
        self, us: Party, registrar: Kamailio
    ) -> None:
        us.line.register(registration_at(registrar, expires=1), us.now)
        state = await us.registered()
        assert isinstance(state, Registered)
        assert state.until - us.now > 1

    @pytest.mark.kamailio
    async def test_a_registration_with_a_wrong_password(self, us: Party, registrar: Kamailio) -> None:
        us.line.register(registration_at(registrar, "wrong"), us.now)
        state = await us.registered()
        assert isinstance(state, RegistrationFailed)
        assert state.status == 401
        assert state.reason.endswith("401 Unauthorized")
        assert state.retry_at > us.now

    @pytest.mark.kamailio
    async def test_a_registrar_that_says_nothing_is_followed_by_the_next(
        self, us: Party, registrar: Kamailio
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((HOST, 0))
            hops = [Hop(*silent.getsockname()), Hop(registrar.host, registrar.port)]
            us.line.register(replace(registration_at(registrar), destination=hops), us.now)
            assert isinstance(await us.registered(), Registered)

    # --- IPv6 -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def over_ipv6(self, tmp_path: Path) -> AsyncIterator[tuple[Party, Peer] | None]:
        """The two parties; None when the backend is exempt, and said so."""
        async with self.line(tmp_path, HOST6) as make:
            if IPV6 in self.exempt:
                with pytest.raises(UnsupportedError, match=self.exempt[IPV6]):
                    Party(make)
                yield None
                return
            us, them = Party(make), Peer(*at(HOST6, Transport.UDP, Transport.TCP))
            async with running(us, them):
                yield us, them

    @pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
    async def test_a_call_over_ipv6(self, tmp_path: Path, transport: Transport) -> None:
        async with self.over_ipv6(tmp_path) as parties:
            if parties is None:
                return
            us, them = parties
            them.react = them.accept
            hop = them.hop(transport)
            target = f"sip:+15550100@[{HOST6}]:{hop.port}"
            request = request_to(them, target=target, destination=[hop], media_address=HOST6)
            call = us.line.place(request, us.now)
            assert (await us.expect(Answered)).remote.address == HOST6
            us.line.offer(call, [IMAGE], us.now)
            assert (await us.expect(MediaChanged)).ours
            us.line.hang_up(call, us.now)
            await them.expect(Ended)

    async def test_a_caller_over_ipv6(self, tmp_path: Path) -> None:
        async with self.over_ipv6(tmp_path) as parties:
            if parties is None:
                return
            us, them = parties
            hop = hop_of(us.line)
            them.call(hop, target=f"sip:+15550199@[{HOST6}]:{hop.port}")
            incoming = await us.expect(Incoming)
            assert incoming.source == them.hop()
            us.line.accept(incoming.call, [AUDIO], HOST6, mirror, us.now)
            them.line.offer((await them.expect(Answered)).call, [IMAGE], them.now)
            assert (await us.expect(MediaChanged)).remote.media == (IMAGE,)

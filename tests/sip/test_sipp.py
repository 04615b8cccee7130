"""SIPp as the called party; our side is the line on a real socket."""

from __future__ import annotations

import asyncio
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sip.line import Answered, CallRequest, Ended, Failed, MediaChanged, Ringing
from sip.values import Address, Credentials, Hop, Transport
from tests.peers.programs import vacant
from tests.peers.sipp import running_sipp
from tests.sip.link import CREDENTIALS, call_request
from tests.sip.peer import LIMIT, Peer, running

pytestmark = pytest.mark.sipp

HOST = "127.0.0.1"
SCENARIOS = Path(__file__).parent / "scenarios"


class Sipp:
    """A running SIPp that serves one call of a scenario."""

    def __init__(self, process: Process, address: Address) -> None:
        self.process = process
        self.request: CallRequest = call_request(
            target=f"sip:+15550100@{HOST}:{address[1]}", destination=[Hop(*address)], media_address=HOST
        )

    async def satisfied(self) -> None:
        """The call went as the scenario says: SIPp ends by itself, with status 0."""
        async with asyncio.timeout(LIMIT):
            assert await self.process.wait() == 0


@asynccontextmanager
async def sipp(
    scenario: str, directory: Path, transport: Transport = Transport.UDP, *, contact: str | None = None
) -> AsyncIterator[Sipp]:
    """``contact`` is what SIPp says in place of its address."""
    one_call = ("-m", "1", "-timeout", "120s", "-timeout_error")
    path = SCENARIOS / f"{scenario}.xml"
    if contact is not None:
        told = path.read_text("utf-8").replace("<sip:sipp@[local_ip]:[local_port]>", contact)
        path = directory / path.name
        path.write_text(told, "utf-8")
    started = running_sipp(path, *one_call, directory=directory, tcp=transport.reliable)
    async with started as (process, address):
        yield Sipp(process, address)


async def test_a_call_that_is_answered(tmp_path: Path) -> None:
    caller = Peer()
    async with running(caller), sipp("answers", tmp_path) as called:
        call = caller.line.place(called.request, caller.now)
        answered = await caller.expect(Answered)
        assert answered.remote.media[0].kind == "audio"
        assert (await caller.expect(Ringing)).status == 180
        caller.line.hang_up(call, caller.now, reason="done")
        assert not (await caller.expect(Ended)).remote
        await called.satisfied()


async def test_the_called_side_switches_to_t38(tmp_path: Path) -> None:
    caller = Peer()
    async with running(caller), sipp("switches", tmp_path) as called:
        call = caller.line.place(called.request, caller.now)
        changed = await caller.expect(MediaChanged)
        (image,) = changed.remote.media
        assert (image.kind, image.protocol, image.formats) == ("image", "udptl", ("t38",))
        assert image.get("T38FaxMaxDatagram") == "400"
        assert (changed.local.origin.version, changed.ours) == (2, False)
        caller.line.hang_up(call, caller.now)
        await caller.expect(Ended)
        await called.satisfied()


async def test_the_called_side_hangs_up(tmp_path: Path) -> None:
    caller = Peer()
    async with running(caller), sipp("hangs_up", tmp_path) as called:
        caller.line.place(called.request, caller.now)
        assert (await caller.expect(Ended)).remote
        await called.satisfied()
        assert caller.line.agent.calls == 0


@pytest.mark.parametrize(
    ("status", "reason", "cause"),
    [(486, "Busy Here", 17), (404, "Not Found", None), (480, "Temporarily Unavailable", None)],
)
async def test_the_call_is_refused(tmp_path: Path, status: int, reason: str, cause: int | None) -> None:
    caller = Peer()
    async with running(caller), sipp(f"refuses_{status}", tmp_path) as called:
        caller.line.place(called.request, caller.now)
        failed = await caller.expect(Failed)
        assert (failed.status, failed.reason, failed.cause, failed.local) == (status, reason, cause, False)
        await called.satisfied()


@pytest.mark.parametrize("status", [401, 407])
async def test_the_call_is_challenged(tmp_path: Path, status: int) -> None:
    caller = Peer()
    async with running(caller), sipp(f"challenges_{status}", tmp_path) as called:
        call = caller.line.place(with_credentials(called, CREDENTIALS), caller.now)
        await caller.expect(Answered)
        caller.line.hang_up(call, caller.now)
        await caller.expect(Ended)
        await called.satisfied()


async def test_wrong_credentials_are_refused(tmp_path: Path) -> None:
    caller = Peer()
    async with running(caller), sipp("challenges_401", tmp_path) as called:
        caller.line.place(with_credentials(called, Credentials("alice", "wrong")), caller.now)
        assert (await caller.expect(Failed)).status == 403
        await called.satisfied()


async def test_nobody_answers_and_we_give_up(tmp_path: Path) -> None:
    caller = Peer()
    async with running(caller), sipp("never_answers", tmp_path) as called:
        call = caller.line.place(called.request, caller.now)
        await caller.expect(Ringing)
        caller.line.hang_up(call, caller.now)
        failed = await caller.expect(Failed)
        assert (failed.status, failed.local) == (487, True)
        await called.satisfied()


async def test_a_large_request_moves_from_udp_to_tcp(tmp_path: Path) -> None:
    """SIPp listens by TCP only."""
    caller = Peer()
    large = (("X-Account", "4711" * 400),)
    async with running(caller), sipp("answers", tmp_path, Transport.TCP) as called:
        (hop,) = called.request.destination
        assert hop.transport is Transport.UDP
        request = replace(called.request, headers=large)
        call = caller.line.place(request, caller.now)
        await caller.expect(Answered)
        caller.line.hang_up(call, caller.now)
        await caller.expect(Ended)
        await called.satisfied()


@pytest.mark.parametrize("kind", ["refused", "silent", "refused over TCP", "silent over TCP"])
async def test_a_contact_that_leads_nowhere_costs_neither_the_ack_nor_the_bye(
    tmp_path: Path, kind: str
) -> None:
    """SIPp is satisfied by the ACK of its 200 and by the BYE, both where its messages come from."""
    caller = Peer()
    tcp = kind.endswith("TCP")
    with vacant(socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as (_, free), ExitStack() as stack:
        port = free
        if kind.startswith("silent"):
            sock = stack.enter_context(socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM))
            sock.bind((HOST, 0))
            if tcp:
                sock.listen()
            port = sock.getsockname()[1]
        contact = f"<sip:sipp@{HOST}:{port}{';transport=tcp' * tcp}>"
        async with running(caller), sipp("answers", tmp_path, contact=contact) as called:
            call = caller.line.place(called.request, caller.now)
            await caller.expect(Answered)
            caller.line.hang_up(call, caller.now)
            await caller.expect(Ended)
            await called.satisfied()


async def test_a_large_invite_without_a_response_over_tcp_goes_by_udp(tmp_path: Path) -> None:
    """The TCP port beside SIPp's UDP port accepts connections and never responds."""
    caller = Peer()
    async with running(caller), sipp("answers", tmp_path) as called:
        (hop,) = called.request.destination
        with socket.create_server(hop.address):
            request = replace(called.request, headers=(("X-Account", "4711" * 400),))
            call = caller.line.place(request, caller.now)
            await caller.expect(Answered)
            caller.line.hang_up(call, caller.now)
            await caller.expect(Ended)
            await called.satisfied()


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_refused_connection_leads_to_the_next_hop(tmp_path: Path, transport: Transport) -> None:
    caller = Peer()
    kind = socket.SOCK_STREAM if transport.reliable else socket.SOCK_DGRAM
    with vacant(kind) as address:
        nobody = Hop(*address, transport)
        async with running(caller), sipp("answers", tmp_path) as called:
            hops = [nobody, *called.request.destination]
            call = caller.line.place(replace(called.request, destination=hops), caller.now)
            await caller.expect(Answered)
            assert nobody in caller.line.agent._core.failed_hops
            caller.line.hang_up(call, caller.now)
            await caller.expect(Ended)
            await called.satisfied()


async def test_a_hop_that_answers_when_another_has_the_call_is_hung_up(tmp_path: Path) -> None:
    caller = Peer()
    async with (
        running(caller),
        sipp("answers_late", tmp_path) as late,
        sipp("answers", tmp_path) as called,
    ):
        hops = [*late.request.destination, *called.request.destination]
        call = caller.line.place(replace(called.request, destination=hops), caller.now)
        await caller.expect(Answered)
        # It wants an ACK and a BYE for its 200.
        await late.satisfied()
        assert caller.line.agent.calls == 1
        caller.line.hang_up(call, caller.now)
        await caller.expect(Ended)
        await called.satisfied()
        assert len(caller.events) == 3  # Ringing, Answered, Ended: nothing of the late one


def with_credentials(called: Sipp, credentials: Credentials) -> CallRequest:
    return call_request(
        target=called.request.target,
        destination=called.request.destination,
        media_address=HOST,
        credentials=credentials,
    )

"""PJSIP dies of its own assertions, of signals, of what strangers send; the line goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

import pytest

from sip.line import Answered, Ended, Failed, Incoming, LineEvent
from sip.ua.registration_messages import Registered, RegistrationFailed
from sip.values import Address, Transport
from tests.peers.kamailio import Kamailio
from tests.sip.besieged import mutate
from tests.sip.line_suite import HOST, hop_of, request_to
from tests.sip.link import ANSWERERS, AUDIO, IMAGE
from tests.sip.peer import Peer
from tests.sip.provoked import provoke
from tests.sip.rfc4475 import MESSAGES
from tests.sip.test_pjsua import Pjsua, both
from tests.sip.trunk_suite import registration_at

pytestmark = pytest.mark.pjsua2

LONGEST = 65507
"""Octets of a datagram."""
ABORTED = "the pjsua2 worker died (SIGABRT)"
PROVOKED = (*ANSWERERS, "tests.sip.provoked:provoke")
BODY = f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n"


async def called(us: Pjsua, them: Peer) -> Incoming:
    """Their call, once somebody listens, and has a place for it."""
    with stranger() as sock:
        while not await answers(sock, us.line.address):
            """The next worker is on its way."""
    while True:
        call = them.call(hop_of(us.line))
        while not any(isinstance(event, Failed) and event.call == call for event in them.events):
            for event in us.events:
                if isinstance(event, Incoming) and event.caller_name == "Alice":
                    return event
            more = [asyncio.ensure_future(party.expect_more(len(party.events))) for party in (us, them)]
            _, rest = await asyncio.wait(more, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()


@contextmanager
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.setblocking(False)
        yield sock


async def answers(sock: socket.socket, line: Address) -> bool:
    """Whether OPTIONS are answered there; asked again until it is known, for UDP loses what is too much."""
    place = "{}:{}".format(*sock.getsockname())
    name = f"{time.monotonic_ns()}"
    ping = (
        f"OPTIONS sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bK{name}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:p@{HOST}>;tag=p\r\nTo: <sip:{HOST}>\r\nCall-ID: {name}\r\nCSeq: 1 OPTIONS\r\n"
        f"Content-Length: 0\r\n\r\n"
    ).encode()
    while True:
        try:
            sock.sendto(ping, line)
            async with asyncio.timeout(0.5):
                while name.encode() not in await asyncio.get_running_loop().sock_recv(sock, 65536):
                    pass
            return True
        except TimeoutError:
            pass
        except ConnectionRefusedError:
            await asyncio.sleep(0)
            return False


async def test_a_worker_that_dies_ends_its_calls_with_the_reason() -> None:
    async with both() as (us, them):
        ringing = us.line.place(request_to(them), us.now)
        await them.expect(Incoming)
        them.react = them.accept
        answered = us.line.place(request_to(them), us.now)
        await us.expect(Answered)
        os.kill(us.line.pids[-1], signal.SIGABRT)
        failed, ended = await us.expect(Failed), await us.expect(Ended)
        assert (failed.call, failed.status, failed.reason, failed.local) == (ringing, 503, ABORTED, True)
        assert (ended.call, ended.remote, ended.reason) == (answered, False, ABORTED)
        us.line.place(request_to(them), us.now)
        await us.expect_several(Answered, 2)


async def test_an_assertion_of_pjsip_ends_the_call_and_not_the_next() -> None:
    async with both(answerers=PROVOKED) as (us, them):
        them.react = them.accept
        call = us.line.place(request_to(them, answerer=provoke), us.now)
        theirs = (await them.expect(Answered)).call
        await us.expect(Answered)
        them.line.offer(theirs, [IMAGE], them.now)
        ended = await us.expect(Ended)
        assert (ended.call, ended.remote, ended.reason) == (call, False, ABORTED)
        us.line.place(request_to(them), us.now)
        await us.expect_several(Answered, 2)


async def test_a_worker_that_hangs_is_killed() -> None:
    async with both(heartbeat=0.5) as (us, them):
        them.react = them.accept
        call = us.line.place(request_to(them), us.now)
        await us.expect(Answered)
        os.kill(us.line.pids[-1], signal.SIGSTOP)
        ended = await us.expect(Ended)
        assert (ended.call, ended.reason) == (call, "the pjsua2 worker hung for 3 s and was killed")
        us.line.place(request_to(them), us.now)
        await us.expect_several(Answered, 2)


@pytest.mark.full
async def test_when_a_worker_dies_no_further_hop_is_called() -> None:
    """It was not the hop."""
    async with both() as (us, them):
        call = us.line.place(request_to(them, destination=[them.hop(), them.hop(Transport.TCP)]), us.now)
        await them.expect(Incoming)
        os.kill(us.line.pids[-1], signal.SIGKILL)
        failed = await us.expect(Failed)
        assert (failed.call, failed.reason) == (call, "the pjsua2 worker died (SIGKILL)")
        assert us.events == [failed]


async def test_the_worker_that_listens_is_followed_by_another_at_the_same_port() -> None:
    async with both() as (us, them):
        (first,) = us.line.pids
        os.kill(first, signal.SIGKILL)
        us.answer((await called(us, them)).call, [AUDIO])
        await us.expect(Answered)
        assert us.line.pids != [first]


@pytest.mark.full
async def test_a_caller_who_kills_the_worker_that_listens_stops_no_other() -> None:
    async with both(answerers=PROVOKED) as (us, them):
        (first,) = us.line.pids
        deadly = await called(us, them)
        us.answer(deadly.call, [AUDIO], provoke)
        await us.expect(Answered)
        them.line.offer((await them.expect(Answered)).call, [IMAGE], them.now)
        assert (await us.expect(Ended)).reason == ABORTED
        us.events.clear()
        us.answer((await called(us, them)).call, [AUDIO])
        await us.expect(Answered)
        assert first not in us.line.pids


@pytest.mark.kamailio
async def test_a_registration_outlives_the_worker(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("kamailio")
    with Kamailio(folder, users={"fax": "secret"}) as registrar:
        async with both() as (us, _):
            number = us.line.register(registration_at(registrar), us.now)
            assert isinstance(await us.registered(), Registered)
            os.kill(us.line.pids[0], signal.SIGKILL)
            lost = await us.registered()
            assert isinstance(lost, RegistrationFailed)
            assert (lost.registration, lost.status) == (number, 503)
            assert lost.reason == "the pjsua2 worker died (SIGKILL)"
            again = await us.registered()
            assert isinstance(again, Registered)
            assert again.registration == number


# --- strangers ----------------------------------------------------------------------------------------------


def invite(number: int, port: int) -> bytes:
    return (
        f"INVITE sip:fax@{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:a@a.example>;tag={number}\r\nTo: <sip:fax@{HOST}>\r\n"
        f"Call-ID: {number}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@{HOST}:{port}>\r\n"
        "Supported: timer, 100rel\r\nSession-Expires: 1800\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
    ).encode()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full)])
async def test_calls_come_in_after_hostile_datagrams(seed: int) -> None:
    """The messages of RFC 4475, and mutations of them and of an INVITE; whoever seems to call is refused."""
    random, pool = Random(seed), list(MESSAGES.values())

    async with both() as (us, them):

        def react(event: LineEvent) -> None:
            if isinstance(event, Incoming) and event.caller_name != "Alice":
                us.line.refuse(event.call, 486, us.now)

        us.react = react
        with stranger() as sock:
            port = sock.getsockname()[1]
            hostile = list(pool)
            for number in range(1000):
                intact = random.choice(pool) if number % 2 else invite(number, port)
                hostile.append(mutate(intact, pool, random)[:LONGEST])
            for message in hostile:
                with suppress(ConnectionRefusedError):
                    sock.sendto(message, us.line.address)
                # One after another: the socket of the worker holds only so many.
                await answers(sock, us.line.address)
        us.answer((await called(us, them)).call, [AUDIO])
        await us.expect(Answered)

"""PJSIP dies of its own assertions, of signals, of what strangers send; the line goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from random import Random

import pytest

from sip.line import Answered, Ended, Failed, Incoming, LineEvent, Transport
from sip.registrar import Registered, RegistrationFailed
from tests.peers.kamailio import Kamailio
from tests.sip.besieged import mutate
from tests.sip.line_suite import ANSWERERS, HOST, hop_of, request_to
from tests.sip.link import AUDIO, IMAGE
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


async def called(us: Pjsua, them: Peer, **changes: object) -> Incoming:
    """Call until somebody hears of it: a worker that died listens again after a while."""
    incoming = next((event for event in us.events if isinstance(event, Incoming)), None)
    while incoming is None:
        before = len(them.events)
        them.call(hop_of(us.line), **changes)
        await either(us, them, before)
        incoming = next((event for event in us.events if isinstance(event, Incoming)), None)
    return incoming


async def either(us: Pjsua, them: Peer, before: int) -> None:
    """Wait until the call is announced to us, or has failed."""
    waiting = [asyncio.ensure_future(us.expect(Incoming)), asyncio.ensure_future(them.expect_more(before))]
    _, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()


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


async def test_a_caller_who_kills_the_worker_that_listens_stops_no_other() -> None:
    async with both(answerers=PROVOKED) as (us, them):
        (first,) = us.line.pids
        deadly = await called(us, them)
        us.answer(deadly.call, [AUDIO], provoke)
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


@pytest.mark.parametrize("seed", [1, 2])
async def test_calls_come_in_after_hostile_datagrams(seed: int) -> None:
    """The messages of RFC 4475, and mutations of them and of an INVITE; whoever seems to call is refused."""
    random, pool = Random(seed), list(MESSAGES.values())

    async with both() as (us, them):

        def react(event: LineEvent) -> None:
            if isinstance(event, Incoming):
                us.line.refuse(event.call, 486, us.now)

        us.react = react
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((HOST, 0))
            stranger.setblocking(False)
            for message in pool:
                await heard(stranger, message, us.line.address)
            for number in range(1000):
                intact = random.choice(pool) if number % 2 else invite(number, stranger.getsockname()[1])
                await heard(stranger, mutate(intact, pool, random)[:LONGEST], us.line.address)
        us.react = lambda event: None
        us.events.clear()
        us.answer((await called(us, them)).call, [AUDIO])
        await us.expect(Answered)


async def heard(stranger: socket.socket, message: bytes, line: tuple[str, int]) -> None:
    """Send it, and wait until what came before has been read: an OPTIONS is answered, or nobody is there."""
    loop = asyncio.get_running_loop()
    place = "{}:{}".format(*stranger.getsockname())
    ping = (
        f"OPTIONS sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bKping{id(message)}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:p@{HOST}>;tag=p\r\nTo: <sip:{HOST}>\r\nCall-ID: {id(message)}\r\n"
        f"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    try:
        stranger.sendto(message, line)
        while True:
            stranger.sendto(ping, line)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    while b"OPTIONS" not in await loop.sock_recv(stranger, 65536):
                        pass
                return
    except ConnectionRefusedError:
        """The worker is dead, and the next one not there yet."""

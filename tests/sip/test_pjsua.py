"""What is peculiar to PJSIP: its limits, and that its deaths are survived."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import pytest

from sip.line import Answered, Ended, Failed, Incoming, MediaChanged
from sip.line_settings import Callers, RegistrationSettings
from sip.pjsua.limits import MOST_SDP, check_accept, check_offer, check_request
from sip.pjsua.line import PjsuaError, PjsuaLine
from sip.syntax.errors import ParseError, UnsendableError, UnsupportedError
from sip.syntax.sdp import Attribute
from sip.ua.admission import Admission
from sip.ua.registration_messages import RegistrationRequest
from sip.values import Credentials, Hop, Transport
from tests.sip.line_suite import HOST, Party, hop_of, request_to
from tests.sip.link import ALICE, ANSWERERS, AUDIO, IMAGE, call_request, mirror, refuse
from tests.sip.peer import Peer, running

pytestmark = pytest.mark.pjsua2

TOO_LONG = replace(AUDIO, attributes=tuple(Attribute("x", "y" * 50) for _ in range(20)))


class Pjsua(Party):
    """A line over PJSIP."""

    line: PjsuaLine

    def __init__(self, **settings: object) -> None:
        super().__init__(
            lambda on_event, on_registration: PjsuaLine(
                on_event,
                on_registration=on_registration,
                **{
                    "answerers": ANSWERERS,
                    "user_agent": "test",
                    "host": HOST,
                    "port": 0,
                    "max_incoming": 4,
                    "max_calls": 64,
                    **settings,
                },
            )
        )


@asynccontextmanager
async def both(**settings: object) -> AsyncIterator[tuple[Pjsua, Peer]]:
    us, them = Pjsua(**settings), Peer()
    async with running(us, them):
        yield us, them


# --- what cannot be done ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"media": [IMAGE]}, "begins every call with one audio stream"),
        ({"media": [AUDIO, IMAGE]}, "begins every call with one audio stream"),
        ({"media": [TOO_LONG]}, f"takes session descriptions of {MOST_SDP} octets"),
        ({"destination": []}, "does not look up names"),
        ({"destination": [Hop("2001:db8::1", 5060)]}, "built without IPv6"),
        ({"destination": [ALICE, Hop("2001:db8::1", 5060)]}, "built without IPv6"),
        ({"media_address": "2001:db8::2"}, "built without IPv6"),
        ({"target": "sips:1@192.0.2.1"}, "use sip: and a hop over TLS"),
    ],
)
def test_calls_that_cannot_be_placed(changes: dict[str, object], why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        check_request(call_request(**changes))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"target": "no URI"}, ParseError),
        ({"caller": "<<>"}, ParseError),
        ({"headers": (("Via", "x"),)}, UnsendableError),
    ],
)
def test_calls_that_no_stack_could_place(changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_request(call_request(**changes))


def test_answers_and_offers_that_cannot_be_sent() -> None:
    with pytest.raises(UnsupportedError, match="answers a first INVITE with audio only"):
        check_accept([IMAGE])
    with pytest.raises(UnsupportedError, match="answers a first INVITE with audio only"):
        check_accept([replace(AUDIO, port=0), IMAGE])
    with pytest.raises(UnsupportedError, match=r"can offer only one T\.38 stream within a call"):
        check_offer([AUDIO])
    with pytest.raises(UnsupportedError, match=r"can offer only one T\.38 stream within a call"):
        check_offer([AUDIO, IMAGE])


def test_what_can_be_done_is_not_refused() -> None:
    check_request(call_request())
    check_request(call_request(media=[]))
    for transport in Transport:
        check_request(call_request(destination=[Hop("192.0.2.1", 5060, transport)]))
    check_accept([AUDIO, replace(IMAGE, port=0)])
    check_offer([IMAGE])


async def test_a_port_in_use_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        line = Pjsua(port=port).line
        with pytest.raises(PjsuaError, match=f"cannot listen at {HOST}:{port}.*in use"):
            await line.start()
        assert line.pids == []


# --- who may call -------------------------------------------------------------------------------------------


async def test_a_stranger_is_refused_and_nobody_hears_of_it() -> None:
    async with both(admission=Distrustful()) as (us, them):
        them.call(hop_of(us.line))
        assert (await them.expect(Failed)).status == 403
        assert us.events == []


class Distrustful(Admission):
    """Knows nobody by address, not even this machine."""

    def __init__(self) -> None:
        super().__init__(Random(1))

    def knows(self, source: Hop) -> bool:
        assert source.host == HOST
        return False


def test_callers_cannot_be_asked_for_passwords() -> None:
    policy = Admission(Random(1), Callers(accounts=(Credentials("ata", "secret"),)))
    with pytest.raises(PjsuaError, match="cannot challenge callers; admit callers by address"):
        Pjsua(admission=policy)
    # Who takes no calls asks nobody.
    Pjsua(admission=policy, max_incoming=0)


async def test_an_answer_with_an_ipv6_address_ends_the_call() -> None:
    """PJSIP wants to send media there, and cannot."""
    async with both() as (us, them):
        us.line.place(request_to(them), us.now)
        them.line.accept((await them.expect(Incoming)).call, [AUDIO], "::1", mirror, them.now)
        assert (await us.expect(Ended)).reason == "the call was lost (Unable to create media session)"


async def test_callers_beyond_the_accounts_of_pjsip() -> None:
    """It has eight, and is asserted to have no more; those of calls that are over make room."""
    async with both(max_incoming=0) as (us, them):
        them.react = them.accept
        lasting = us.line.place(request_to(them, caller="sip:lasting@a.example"), us.now)
        await us.expect(Answered)
        for number in range(12):
            call = us.line.place(request_to(them, caller=f"sip:{number}@a.example"), us.now)
            await us.expect_several(Answered, number + 2)
            us.line.hang_up(call, us.now)
            await us.expect_several(Ended, number + 1)
        theirs = next(event.call for event in them.events if isinstance(event, Incoming))
        them.line.offer(theirs, [IMAGE], them.now)
        assert (await us.expect(MediaChanged)).call == lasting


@pytest.mark.full
async def test_six_registrations_and_no_more() -> None:
    async with both(max_incoming=1) as (us, _):
        for number in range(6):
            us.line.register(registration(number), us.now)
        with pytest.raises(UnsupportedError, match="keeps 6 registrations"):
            us.line.register(registration(6), us.now)
        us.line.unregister(1, us.now)
        us.line.register(registration(6), us.now)


def registration(number: int) -> RegistrationRequest:
    """At a registrar that is not there."""
    return RegistrationRequest(RegistrationSettings(f"sip:{HOST}:9", f"sip:{number}@{HOST}"), [Hop(HOST, 9)])


# --- four calls for each process ----------------------------------------------------------------------------


async def test_incoming_calls_beyond_the_limit_are_busy() -> None:
    async with both(max_incoming=2) as (us, them):
        for _ in range(3):
            them.call(hop_of(us.line))
        assert (await them.expect(Failed)).status == 486
        assert len(await us.expect_several(Incoming, 2)) == 2


@pytest.mark.full
async def test_workers_are_started_as_calls_need_them_and_up_to_the_limit() -> None:
    async with both(max_calls=8, max_incoming=0) as (us, them):
        assert len(us.line.pids) == 1
        calls = [us.line.place(request_to(them), us.now) for _ in range(9)]
        failed = await us.expect(Failed)
        assert (failed.call, failed.status, failed.local) == (calls[-1], 503, True)
        assert failed.reason == "the limit of 8 calls over pjsua2 is reached"
        them.react = them.accept
        for incoming in await them.expect_several(Incoming, 8):
            them.accept(incoming)
        await us.expect_several(Answered, 8)
        assert len(us.line.pids) == 2
        for call in calls:
            us.line.hang_up(call, us.now)
        await us.expect_several(Ended, 8)


async def test_calls_leave_nothing_open() -> None:
    async with both(max_incoming=0) as (us, them):
        them.react = them.accept
        (worker,) = us.line.pids

        async def call(count: int) -> int:
            """One call; the files that the worker has open after it."""
            number = us.line.place(request_to(them), us.now)
            await us.expect_several(Answered, count)
            us.line.hang_up(number, us.now)
            await us.expect_several(Ended, count)
            return len(os.listdir(f"/proc/{worker}/fd"))

        first, *_, last = [await call(count) for count in range(1, 11)]
        # The sockets of a call or two may not be closed yet.
        assert last < first + 9


# --- media --------------------------------------------------------------------------------------------------


async def test_pjsip_sends_no_media_of_its_own() -> None:
    """It would play silence from a port that nobody was told of, and a far end would latch on to that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((HOST, 0))
        media.setblocking(False)
        port = media.getsockname()[1]
        async with both() as (us, them):
            call = us.line.place(request_to(them), us.now)
            incoming = await them.expect(Incoming)
            them.line.accept(incoming.call, [replace(AUDIO, port=port)], HOST, refuse, them.now)
            await us.expect(Answered)
            # A whole other line comes and goes, which takes PJSIP a second; the silence would begin at once.
            async with running(Pjsua()):
                pass
            us.line.hang_up(call, us.now)
            await us.expect(Ended)
        with pytest.raises(BlockingIOError):
            media.recv(2048)

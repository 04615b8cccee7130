"""Each message of each exchange with SIPp is lost once, in both roles; every call goes on as it should."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from sip.line_settings import Callers
from sip.ua.admission import Admission
from sip.values import Hop
from tests.sip.ladder import read_ladders
from tests.sip.link import CREDENTIALS
from tests.sip.play import HOST, Play, cases, play
from tests.sip.relay import Relay

pytestmark = pytest.mark.sipp

GROUPS = ["placed", "taken", "switches", "early", "registrations"]


@pytest.mark.parametrize("group", GROUPS)
async def test_each_message_is_lost_once(tmp_path: Path, request: pytest.FixtureRequest, group: str) -> None:
    """At a push, what several ladders begin or end with is lost in the first of them only."""
    plays = []
    known: set[str] = set()
    for ladder in read_ladders(group):
        lost = {rung.message for rung in ladder.rungs if rung.part not in known}
        if request.config.getoption("tier") in ("push", None):
            known |= {rung.part for rung in ladder.rungs if rung.part}
        chosen = {
            label: message for label, message in cases(ladder).items() if not message or message in lost
        }
        plays.append(Play(ladder, chosen, tmp_path / ladder.name))
    await play(plays)


@pytest.mark.full
@pytest.mark.parametrize("group", GROUPS)
async def test_each_message_is_lost_twice(tmp_path: Path, group: str) -> None:
    await play([Play(ladder, cases(ladder), tmp_path / ladder.name, 2) for ladder in read_ladders(group)])


class Challenges(Admission):
    """Asks everybody for a password, even on this machine."""

    def __init__(self) -> None:
        super().__init__(Random(1), Callers(accounts=(CREDENTIALS,)))

    def knows(self, source: Hop) -> bool:
        return False


async def test_calls_of_those_who_know_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sip.ua.admission.ALGORITHMS", ("MD5",))  # SIPp knows no other
    admission = Challenges()
    ladders = read_ladders("accounts")
    await play([Play(ladder, cases(ladder), tmp_path / ladder.name) for ladder in ladders], admission)


async def test_an_advertised_address(tmp_path: Path) -> None:
    ladders = read_ladders("advertised")
    plays = [Play(ladder, cases(ladder), tmp_path / ladder.name) for ladder in ladders]
    await play(plays, advertised=["192.0.2.7"])


async def test_failover(tmp_path: Path) -> None:
    """Each case on a line of its own, because the others would avoid the dead hop."""
    await asyncio.gather(
        *(
            play([Play(ladder, {label: lost}, tmp_path / label)])
            for ladder in read_ladders("failover")
            for label, lost in cases(ladder).items()
        )
    )


def test_an_ack_that_comes_again_after_the_next_invite_is_kept_from_sipp() -> None:
    """SIPp, when it was late itself, would take it for the ACK to its response to that INVITE."""
    relay = Relay()

    def passes(method: str, number: int) -> bool:
        message = (
            f"{method} sip:far@{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST};branch=z9hG4bK{number}\r\n"
            f"From: <sip:us@{HOST}>;tag=us\r\nTo: <sip:far@{HOST}>;tag=far\r\nCall-ID: 1\r\n"
            f"CSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
        )
        return relay.passes(message.encode(), ours=True)

    assert [passes("INVITE", 2), passes("ACK", 2), passes("ACK", 2), passes("INVITE", 3)] == [True] * 4
    assert [passes("ACK", 2), passes("ACK", 3), passes("ACK", 3)] == [False, True, True]

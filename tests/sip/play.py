"""Plays ladders with SIPp over a lossy relay: one SIPp for each ladder, one call for each message to lose.

All of them play at the same time, because T1 passes in real time. The test's verbs wait for what comes before
them in the ladder; SIPp waits, where the ladder says so, for an INFO of the test.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.subprocess import Process
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from sip.line import CallRequest, Incoming, LineEvent
from sip.line_settings import RegistrationSettings, SessionTimers
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.transport.agent_on_network import AgentLine
from sip.ua.admission import AdmissionPolicy
from sip.ua.registration_messages import RegistrationRequest, RegistrationState
from sip.values import Hop, Identity, Transport
from tests.peers.sipp import Address, running_sipp
from tests.sip.ladder import Cue, Happens, Ladder
from tests.sip.link import AUDIO, CREDENTIALS, IMAGE, call_request
from tests.sip.peer import at
from tests.sip.relay import Message, Relay, relaying
from tests.sip.sipp_scenario import sipp_scenario

HOST = "127.0.0.1"
LIMIT = 60.0
"""Seconds after which a case is stuck."""
AT_ONCE = 5
"""Programs of SIPp, no more than can run in time: what one repeats because it was late is in no ladder."""
LINGER = 64.0
"""Seconds after which transactions of the past are forgotten: more than 64*T1."""

REQUESTS: Mapping[str, Mapping[str, object]] = {
    "challenged by the far end": {"credentials": CREDENTIALS},
    "challenged by a proxy": {"credentials": CREDENTIALS},
    "bye challenged": {"credentials": CREDENTIALS},
    "placed switch challenged": {"credentials": CREDENTIALS},
    "interval too small": {"session_timers": SessionTimers(session_expires=90)},
    "late offer": {"media": ()},
    "reliable offer": {"media": ()},
    "identified": {
        "identity": Identity(asserted=("<sip:+15550123@trunk.example>",), privacy=("id",)),
        "headers": (("X-Account", "4711"),),
    },
    "placed with T.38 at once": {"media": (IMAGE,)},
    "placed with audio and image together": {"media": (AUDIO, IMAGE)},
    "through an outbound proxy": {"target": "sip:{label}@trunk.example", "routes": ("<sip:{near};lr>",)},
}
"""What is special about our requests, by ladder."""


def answer(offer: SessionDescription) -> list[MediaDescription]:
    """Ours is always the same; what is off stays off."""
    ours = {"audio": AUDIO, "image": IMAGE}
    return [
        replace(ours[media.kind], port=0) if media.rejected else ours[media.kind] for media in offer.media
    ]


class Line:
    """Our side: one line, and the events of each call by the label of its exchange."""

    def __init__(self, admission: AdmissionPolicy | None, advertised: Sequence[str]) -> None:
        self.line = AgentLine(
            self._on_event,
            user_agent="test",
            listen=at(HOST, Transport.UDP),
            advertised=advertised,
            on_registration=self._on_registration,
            admission=admission,
        )
        self.events: dict[str, list[LineEvent | RegistrationState]] = defaultdict(list)
        self.expected: dict[str, list[Happens]] = {}
        self.calls: dict[str, int] = {}
        self._labels: dict[int, str] = {}
        self._registrations: dict[int, str] = {}
        self._news = asyncio.Event()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def _on_event(self, event: LineEvent) -> None:
        if isinstance(event, Incoming):
            self.took(event.called.removeprefix("sip:").partition("@")[0], event.call)
        self.events[self._labels[event.call]].append(event)
        self._news.set()

    def _on_registration(self, state: RegistrationState) -> None:
        self.events[self._registrations[state.registration]].append(state)
        self._news.set()

    def took(self, label: str, call: int) -> None:
        self.calls[label] = call
        self._labels[call] = label

    def register(self, label: str, relay: Relay) -> None:
        host = "{}:{}".format(*relay.near)
        request = RegistrationRequest(
            RegistrationSettings(f"sip:{host}", f"sip:{label}@sipp.example", CREDENTIALS),
            [Hop(*relay.near), Hop(*relay.spare)],
        )
        self.calls[label] = self.line.register(request, self.now)
        self._registrations[self.calls[label]] = label

    async def until(self, label: str, number: int) -> None:
        """Wait until a call had that many events."""
        while len(self.events[label]) < number:
            self._news.clear()
            await self._news.wait()

    def check(self, label: str) -> None:
        """A call had the events that are expected of it, and no others."""
        found, expected = self.events[label], self.expected[label]
        assert [type(event).__name__ for event in found] == [each.kind for each in expected]
        for event, each in zip(found, expected, strict=True):
            for fact in each.facts:
                name, _, value = fact.partition("=")
                assert str(getattr(event, name)) == value

    async def over(self) -> None:
        """Wait until all calls are over."""
        agent, limit = self.line.agent, self.now + LIMIT
        while agent.calls or agent.dialogs or agent.registrations:
            assert self.now < limit, "a call is never over"
            await asyncio.sleep(0.02)

    def forgets(self) -> None:
        """Nothing is left but transactions that wait for copies, in silence, and go away by themselves."""
        agent = self.line.agent
        agent.handle_deadline(self.now + LINGER)
        assert agent.take_datagrams() == []
        assert agent.idle


@dataclass
class Play:
    """A ladder played by one SIPp: one call for each case, which says what is lost."""

    ladder: Ladder
    cases: Mapping[str, Message | None]
    directory: Path
    copies: int = 1
    """How many of each message that is lost."""
    _pokes: Iterator[int] = field(default_factory=lambda: count(1))

    async def run(self, line: Line) -> dict[str, BaseException]:
        """What went wrong, by case."""
        self.directory.mkdir()
        cases = self.cases
        relay = Relay(self._loses)
        async with relaying(relay, line.line.address), self._sipp(relay) as (process, _):
            players = {label: self._play(line, relay, label, lost) for label, lost in cases.items()}
            results = await asyncio.gather(*players.values(), return_exceptions=True)
            wrong = {
                f"{label} ({cases[label] or 'nothing'} lost)": result
                for label, result in zip(cases, results, strict=True)
                if result is not None
            }
            if not wrong:
                try:
                    async with asyncio.timeout(LIMIT):
                        status = await process.wait()
                    if status:
                        wrong[f"{self.ladder.name}: SIPp"] = AssertionError(f"ended with {status}")
                except TimeoutError as error:
                    wrong[f"{self.ladder.name}: SIPp"] = error
        return wrong

    def _loses(self, label: str, message: Message, copy: int) -> bool:
        never = any(rung.message == message for rung in self.ladder.rungs if not rung.arrives)
        return never or (copy <= self.copies and self.cases.get(label) == message)

    def _sipp(self, relay: Relay) -> AbstractAsyncContextManager[tuple[Process, Address]]:
        scenario = self.directory / "scenario.xml"
        scenario.write_text(sipp_scenario(self.ladder))
        (self.directory / "labels.csv").write_text("\n".join(["SEQUENTIAL", *self.cases, ""]))
        arguments = ["-m", str(len(self.cases)), "-inf", "labels.csv"]
        arguments += ["-key", "near", "{}:{}".format(*relay.near)]
        arguments += ["-key", "refresher", "uac" if self.ladder.called else "uas"]
        arguments += ["-timeout", "120s", "-timeout_error", "-trace_msg", "-message_file", "messages.log"]
        # The relay knows what belongs to the exchange; a copy that comes late is none of SIPp's business.
        arguments += ["-default_behaviors", "all,-abortunexp"]
        if self.ladder.called:
            arguments += ["-r", "50", "-l", "1000", "-auth_uri", "fax@{}:{}".format(*relay.far)]
            arguments.append("{}:{}".format(*relay.far))

        def at(address: Address) -> None:
            relay.them = address

        return running_sipp(scenario, *arguments, directory=self.directory, at=at)

    async def _play(self, line: Line, relay: Relay, label: str, lost: Message | None) -> None:
        carried: set[Message] = set()
        gone: set[Message] = set()
        expected: list[Happens] = []
        try:
            async with asyncio.timeout(LIMIT):
                for step in self.ladder.steps:
                    if isinstance(step, Cue):
                        await relay.until(label, carried, gone)
                        self._cue(step, line, relay, label)
                    elif isinstance(step, Happens):
                        if step.kind != "Ringing" or not any("18" in each.name for each in gone - carried):
                            expected.append(step)
                        await line.until(label, len(expected))
                    else:
                        if step.message == lost or not step.arrives:
                            gone.add(step.message)
                        if step.arrives and (step.repeated or step.message != lost):
                            carried.add(step.message)
                await relay.until(label, carried, gone)
                self._poke(relay, label)
        except TimeoutError:
            missing = ", ".join(map(str, carried - relay.carried[label] | gone - relay.lost[label]))
            raise AssertionError(f"missing: {missing}; events: {line.events[label]}") from None
        line.expected[label] = expected
        line.check(label)
        # What need not be repeated comes again all the same when the call goes on for long enough.
        for happened, wanted in ((relay.carried[label] - gone | carried, carried), (relay.lost[label], gone)):
            assert happened == wanted, " and ".join(map(str, happened ^ wanted))

    def _cue(self, cue: Cue, line: Line, relay: Relay, label: str) -> None:
        if not cue.ours:
            self._poke(relay, label)
        elif cue.text == "we place":
            request = self._request(relay, label)
            line.took(label, line.line.place(request, line.now))
        elif cue.text == "we register":
            line.register(label, relay)
        elif cue.text == "we unregister":
            line.line.unregister(line.calls[label], line.now)
        elif cue.text == "we switch":
            line.line.offer(line.calls[label], [IMAGE], line.now)
        elif cue.text == "we hang up":
            line.line.hang_up(line.calls[label], line.now, reason="done")
        elif cue.text == "we ring":
            line.line.ring(line.calls[label], line.now)
        elif cue.text == "we accept":
            incoming = line.events[label][0]
            assert isinstance(incoming, Incoming)
            media = [AUDIO] if incoming.offer is None else answer(incoming.offer)
            line.line.accept(incoming.call, media, HOST, answer, line.now)
        elif cue.text == "we refuse":
            line.line.refuse(line.calls[label], 486, line.now)
        else:
            raise ValueError(f"no such cue: {cue.text}")

    def _request(self, relay: Relay, label: str) -> CallRequest:
        near = "{}:{}".format(*relay.near)
        given: dict[str, Any] = {
            "target": f"sip:{label}@{near}",
            "destination": [Hop(*relay.near), Hop(*relay.spare)],
            "media_address": HOST,
            "answerer": answer,
        }
        given |= REQUESTS.get(self.ladder.name, {})
        given["target"] = given["target"].format(label=label)
        given["routes"] = tuple(route.format(near=near) for route in given.get("routes", ()))
        return call_request(**given)

    def _poke(self, relay: Relay, label: str) -> None:
        info = (
            f"INFO sip:sipp@{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:9;branch=z9hG4bK-poke\r\n"
            f"From: <sip:test@{HOST}>;tag=test\r\nTo: <sip:sipp@{HOST}>\r\n"
            f"Call-ID: {relay.call_ids[label]}\r\nCSeq: {next(self._pokes)} INFO\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(info.encode(), relay.them)


def cases(ladder: Ladder) -> dict[str, Message | None]:
    """Nothing is lost, or one of the messages; by what the called party is named."""
    name = ladder.name.replace(" ", "-")
    lost: dict[str, Message | None] = {f"{name}-whole": None}
    for number, rung in enumerate(ladder.rungs):
        lost[f"{name}-{number}"] = rung.message
    return lost


async def play(
    plays: Sequence[Play], admission: AdmissionPolicy | None = None, advertised: Sequence[str] = ()
) -> None:
    """Play all on one line, several at once."""
    line = Line(admission, advertised)
    places = asyncio.Semaphore(AT_ONCE)

    async def run(each: Play) -> Mapping[str, BaseException]:
        async with places:
            return await each.run(line)

    await line.line.start()
    try:
        wrong: dict[str, BaseException] = {}
        for found in await asyncio.gather(*map(run, plays)):
            wrong |= found
        assert not wrong, "\n".join(f"{case}: {error!r}" for case, error in wrong.items())
        await line.over()
        line.forgets()
        for label in line.expected:
            line.check(label)
    finally:
        await line.line.close()

"""A far end that says proper things at the wrong time: nothing raises, calls end once, nothing is left."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from sip.line import Ended, Failed, Incoming
from sip.line_settings import Refresher, SessionTimers
from sip.syntax.digest import make_challenge
from sip.syntax.message import Request, Response
from sip.values import Hop, Transport
from tests.sip.link import ALICE, AUDIO, BOB, CREDENTIALS, IMAGE, call_request, mirror
from tests.sip.solo import Solo, sdp

ELSEWHERE = Hop("192.0.2.7", 5060)
BODIES = (
    *(b"", b"", sdp(), sdp(IMAGE), sdp(AUDIO, IMAGE, version=2), sdp(replace(IMAGE, port=0), version=3)),
    b"v=1\r\n",
)
STATUSES = (
    *(
        100,
        180,
        183,
        183,
        200,
        200,
        200,
        202,
        302,
        401,
        407,
        404,
        408,
        422,
        481,
        486,
        487,
        488,
        491,
        500,
        503,
    ),
    603,
)
CONTACTS = (
    "<sip:bob@192.0.2.2:5060>",
    "<sip:bob@10.0.0.3>",
    "<sip:bob@name.example>",
    "*",
    "<sip:bob@192.0.2.9;transport=tcp>;q=0.5",
)
FIELDS = {
    "Record-Route": ("<sip:192.0.2.91;lr>", "<sip:proxy.example>", "<sip:10.0.0.1;lr>, <sips:x.example;lr>"),
    "Require": ("100rel",),
    "RSeq": ("1", "1", "2", "3"),
    "Session-Expires": ("90;refresher=uac", "90;refresher=uas", "1800", "5"),
    "Min-SE": ("90", "3600"),
    "Allow": ("INVITE, UPDATE", "INVITE"),
    "Supported": ("timer",),
    "Retry-After": ("5",),
    "Reason": ('Q.850;cause=16;text="enough"',),
    "WWW-Authenticate": tuple(str(make_challenge("r", f"n{number}")) for number in range(3)),
    "Proxy-Authenticate": (str(make_challenge("r", "n", "SHA-256", stale=True)),),
}
ASKED_WITHIN = ("ACK", "ACK", "BYE", "INVITE", "UPDATE", "PRACK", "INFO", "OPTIONS", "CANCEL", "REFER")


class Unruly(Solo):
    """What the far end and our own call do follows from ``seed``."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        expires = self.random.choice([None, 90, 1800])
        refresher = self.random.choice(list(Refresher))
        super().__init__(seed=seed, session_timers=SessionTimers(expires, refresher=refresher))
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.placed: list[int] = []

    def act(self) -> None:
        deed = self.random.choices(
            [
                self._place,
                self._answer,
                self._call,
                self._ask,
                self._obey,
                self._break,
                self._look_up,
                self._pass,
            ],
            [12, 30, 10, 28, 10, 3, 2, 5],
        )[0]
        deed()
        for message in self.sent():
            if isinstance(message, Response):
                self.responses.append(message)
            elif message.method != "ACK":
                self.requests.append(message)

    def calls(self) -> list[int]:
        return self.placed + [event.call for event in self.events if isinstance(event, Incoming)]

    def _some_fields(self) -> tuple[tuple[str, str], ...]:
        chosen = [name for name in FIELDS if self.random.random() < 0.15]
        return tuple((name, self.random.choice(FIELDS[name])) for name in chosen)

    # --- the far end ----------------------------------------------------------------------------------------

    def _answer(self) -> None:
        if not self.requests:
            return
        choice = self.random.choice
        self.reply(
            choice(self.requests[-6:]),
            choice(STATUSES),
            tag=choice(["bob", "bob", "carl"]),
            body=choice(BODIES),
            fields=self._some_fields(),
            contact=choice(CONTACTS),
            source=choice([BOB, BOB, Hop(BOB.host, 9999), replace(ELSEWHERE, transport=Transport.TCP)]),
        )

    def _call(self) -> None:
        choice = self.random.choice
        self.ask(
            "INVITE",
            number=choice([1, 2, 3]),
            call_id=choice(["c1", "c2", "c3"]),
            body=choice(BODIES),
            branch=choice([None, "z9hG4bK-same"]),
            fields=self._some_fields(),
        )

    def _ask(self) -> None:
        """Something within a dialog of which there was a message of ours."""
        choice = self.random.choice
        method, fields = choice(ASKED_WITHIN), self._some_fields()
        known = [*self.requests[-3:], *(each for each in self.responses[-6:] if each.to.tag is not None)]
        if not known:
            return
        last = choice(known)
        ends = [last.headers.get("From") or "", last.headers.get("To") or ""]
        if isinstance(last, Request):
            ends = [ends[1] + ("" if last.to.tag else ";tag=bob"), ends[0]]
        elif "RSeq" in last.headers:
            fields = (*fields, ("RAck", f"{last.headers.get('RSeq')} {last.cseq}"))
        self.ask(
            method,
            number=choice([last.cseq.number, last.cseq.number + 1, self.random.randrange(1, 9)]),
            call_id=last.call_id,
            from_=ends[0],
            to=ends[1],
            body=choice(BODIES),
            branch=choice([None, None, last.via.branch]),
            fields=fields,
        )

    # --- our own call, the network, and time ----------------------------------------------------------------

    def _place(self) -> None:
        choice = self.random.choice
        request = call_request(
            media=choice([[AUDIO], [IMAGE], []]),
            answerer=choice([mirror, lambda offer: None]),
            credentials=choice([None, CREDENTIALS]),
            destination=choice([[BOB], [BOB, ELSEWHERE]]),
        )
        self.placed.append(self.agent.place(request, self.now))

    def _obey(self) -> None:
        if not self.calls():
            return
        choice, agent = self.random.choice, self.agent
        call, media = choice(self.calls()), [choice([AUDIO, IMAGE])]
        verb = choice(["hang_up", "ring", "accept", "refuse", "offer", "answer_with"])
        if verb == "hang_up":
            agent.hang_up(call, self.now)
        elif verb == "ring":
            agent.ring(call, self.now)
        elif verb == "accept":
            agent.accept(call, media, ALICE.host, mirror, self.now)
        elif verb == "refuse":
            agent.refuse(call, choice([486, 488]), self.now)
        elif verb == "offer":
            agent.offer(call, media, self.now)
        else:
            agent.answer_with(call, mirror, self.now)
        self.events += agent.take_events()

    def _break(self) -> None:
        broken = self.random.choice([self.agent.unreachable, self.agent.disconnected])
        broken(self.random.choice([BOB, Hop("192.0.2.9", 5060, Transport.TCP)]), self.now)
        self.events += self.agent.take_events()

    def _look_up(self) -> None:
        for place in self.agent.take_lookups():
            self.agent.resolved(place, self.random.choice([[], [BOB]]))

    def _pass(self) -> None:
        self.wait(self.random.choice([0.1, 0.6, 3, 5, 33, 50, 900]))


@pytest.mark.parametrize(
    "seeds", [range(150), pytest.param(range(150, 2000), marks=pytest.mark.full)], ids=["some", "many"]
)
def test_whatever_comes_each_call_ends_once_and_nothing_is_left(seeds: range) -> None:
    statuses: Counter[int] = Counter()
    for seed in seeds:
        solo = Unruly(seed)
        for _ in range(solo.random.randrange(5, 60)):
            solo.act()
        solo.agent.hang_up_all(solo.now)
        solo.wait(200)
        assert solo.agent.idle, seed
        ends = Counter(event.call for event in solo.events if isinstance(event, Failed | Ended))
        assert ends == Counter(solo.calls()), seed
        # A hop that was told to be avoided is so for an hour at most.
        solo.wait(3600)
        assert solo.agent.next_deadline() is None, seed
        statuses.update(response.status for response in solo.responses)
    assert {200, 481, 482, 487, 488, 500} <= statuses.keys()

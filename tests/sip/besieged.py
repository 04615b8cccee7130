"""A user agent with calls in every state, what their far ends would say next, and what noise makes of it.

Simulated time; everything follows from the seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from sip.line_settings import RegistrationSettings, SessionTimers
from sip.syntax.message import Request, Response
from sip.ua.registration_messages import RegistrationRequest
from sip.values import Hop
from tests.sip.link import ALICE, AUDIO, BOB, CREDENTIALS, IMAGE, call_request, mirror
from tests.sip.solo import Solo, sdp

CHALLENGE = ("WWW-Authenticate", 'Digest realm="sipp", nonce="8dd7a7cb", algorithm=MD5, qop="auth"')
RELIABLE = (("Require", "100rel"), ("RSeq", "4711"))
TIMERS = (("Session-Expires", "1800;refresher=uas"), ("Supported", "timer"))
OFFER = sdp(IMAGE, version=2)
ROUND = 250
"""Messages until all calls are ended and begun anew."""
STEP = 0.02
"""Seconds between messages."""


class Besieged(Solo):
    """Calls of each state are begun by :meth:`begin`; ``expected`` is what could come for them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, session_timers=SessionTimers(session_expires=1800))
        self.expected: list[bytes] = []
        self._aloud = True
        self._calls = 0

    def say(self, message: Request | Response, source: Hop = BOB) -> None:
        if self._aloud:
            super().say(message, source)
        else:
            self.expected.append(bytes(message))

    def begin(self) -> None:
        """A call in each state, and a registration."""
        self.expected.clear()
        states: list[Callable[[], None]] = [
            self._calling,
            self._early,
            self._up,
            self._offering,
            self._giving_up,
            self._hanging_up,
            self._ringing,
            self._ringing_reliably,
            self._unconfirmed,
            self._taken,
            self._registering,
        ]
        for state in states:
            self._aloud = True
            state()
            self._aloud = True
            self.sent()

    # --- calls of ours --------------------------------------------------------------------------------------

    def _invite(self) -> Request:
        return self.place(call_request(credentials=CREDENTIALS))

    def _calling(self) -> None:
        invite = self._invite()
        self._aloud = False
        for status in (100, 180, 183, 486, 503, 603):
            self.reply(invite, status)
        self.reply(invite, 180, fields=RELIABLE, body=sdp())
        self.reply(invite, 200, body=sdp(), fields=TIMERS)
        self.reply(invite, 200, body=sdp(), tag="fork")
        self.reply(invite, 302, contact="<sip:carol@192.0.2.3>;q=0.5")
        self.reply(invite, 401, fields=(CHALLENGE,))
        self.reply(invite, 422, fields=(("Min-SE", "3600"),))

    def _early(self) -> None:
        invite = self._invite()
        ringing = self.reply(invite, 180, fields=RELIABLE, body=sdp())
        prack = self.request("PRACK")
        self._aloud = False
        self.reply(prack, 200)
        self.reply(invite, 200)
        self.reply(invite, 180, fields=(RELIABLE[0], ("RSeq", "4712")))
        self.ask_within(ringing, "UPDATE", 1, OFFER)
        self.ask_within(ringing, "INFO", 2)

    def _session(self) -> Response:
        invite = self._invite()
        ok = self.reply(invite, 200, body=sdp(), fields=TIMERS)
        self.request("ACK")
        return ok

    def _within(self, ok: Response) -> None:
        for number, method in enumerate(("INVITE", "UPDATE", "INVITE", "OPTIONS", "INFO", "PRACK", "BYE"), 1):
            self.ask_within(ok, method, number, OFFER if method in ("INVITE", "UPDATE") else b"")
        self.ask_within(ok, "ACK", 1)
        self.ask_within(ok, "NOTIFY", 9)

    def _up(self) -> None:
        ok = self._session()
        self._aloud = False
        self._within(ok)
        self.expected.append(bytes(ok))

    def _offering(self) -> None:
        ok = self._session()
        self.agent.offer(self._last, [IMAGE], self.now)
        invite = self.request("INVITE")
        self._aloud = False
        for status in (100, 415, 481, 488, 491):
            self.reply(invite, status)
        self.reply(invite, 200, body=OFFER)
        self.reply(invite, 407, fields=(("Proxy-Authenticate", CHALLENGE[1]),))
        self._within(ok)

    def _giving_up(self) -> None:
        invite = self._invite()
        self.reply(invite, 180)
        self.agent.hang_up(self._last, self.now)
        cancel = self.request("CANCEL")
        self._aloud = False
        self.reply(cancel, 200)
        self.reply(invite, 487)
        self.reply(invite, 200, body=sdp())

    def _hanging_up(self) -> None:
        ok = self._session()
        self.agent.hang_up(self._last, self.now, reason="done")
        bye = self.request("BYE")
        self._aloud = False
        for status in (200, 481, 500):
            self.reply(bye, status)
        self.reply(bye, 401, fields=(CHALLENGE,))
        self._within(ok)

    @property
    def _last(self) -> int:
        """The number of the call that was begun last."""
        return max(self.agent._calls)

    # --- calls of theirs ------------------------------------------------------------------------------------

    def _incoming(self, *fields: tuple[str, str]) -> tuple[Request, str]:
        self._calls += 1
        call_id = f"theirs-{self._calls}"
        invite = self.ask("INVITE", call_id=call_id, body=sdp(), branch=f"z9hG4bK-{call_id}", fields=fields)
        self.agent.ring(self._last, self.now)
        ringing = self.sent()[-1]
        self.expected.append(bytes(invite))
        return invite, ringing.headers.get("To") or ""

    def _dialog(self, invite: Request, to: str, *methods: str) -> None:
        for number, method in enumerate(methods, 2):
            body = OFFER if method in ("INVITE", "UPDATE") else b""
            self.ask(method, number=number, call_id=invite.call_id, to=to, body=body)

    def _cancel(self, invite: Request) -> None:
        self.ask("CANCEL", call_id=invite.call_id, branch=invite.via.branch)

    def _ringing(self) -> None:
        invite, to = self._incoming(*TIMERS)
        self._aloud = False
        self._cancel(invite)
        self._dialog(invite, to, "INVITE", "UPDATE", "INFO", "BYE")

    def _ringing_reliably(self) -> None:
        invite, to = self._incoming(("Require", "100rel"))
        self._aloud = False
        self.ask("PRACK", number=2, call_id=invite.call_id, to=to, fields=(("RAck", "1 1 INVITE"),))
        self._cancel(invite)

    def _unconfirmed(self) -> None:
        invite, to = self._incoming()
        self.agent.accept(self._last, [AUDIO], ALICE.host, mirror, self.now)
        self._aloud = False
        self.ask("ACK", call_id=invite.call_id, to=to)
        self._dialog(invite, to, "INVITE", "BYE")

    def _taken(self) -> None:
        invite, to = self._incoming(*TIMERS)
        self.agent.accept(self._last, [AUDIO], ALICE.host, mirror, self.now)
        self.ask("ACK", call_id=invite.call_id, to=to)
        self._aloud = False
        self._dialog(invite, to, "INVITE", "UPDATE", "OPTIONS", "REFER", "BYE")

    def _registering(self) -> None:
        self.agent.registrations.begin(
            RegistrationRequest(
                RegistrationSettings("sip:b.example", "sip:alice@b.example", CREDENTIALS), [BOB]
            ),
            self.now,
        )
        register = self.request("REGISTER")
        contact = ("Contact", register.headers.get("Contact") or "")
        self._aloud = False
        self.reply(register, 200, fields=(contact,))
        self.reply(register, 401, fields=(CHALLENGE,))
        self.reply(register, 423, fields=(("Min-Expires", "7200"),))
        self.reply(register, 503, fields=(("Retry-After", "30"),))

    # --- the end --------------------------------------------------------------------------------------------

    def end(self) -> None:
        """End everything, with a far end that answers nothing any more."""
        self.agent.hang_up_all(self.now)
        self.agent.registrations.end_all(self.now)
        self.wait(400)
        self.agent.take_datagrams()
        self.agent.registrations.take_events()
        self.events.clear()


# --- noise --------------------------------------------------------------------------------------------------

ODD = [
    b"",
    b" ",
    b";",
    b"<",
    b">",
    b'"',
    b",,,",
    b"\0",
    b"\r",
    b"\r\n ",
    b"\r\n\r\n",
    b"\xff\xfe",
    b"\xc3\x28",
    b"%00",
    b"sip:",
    b"<sip:@>;tag",
    b"[::1",
    b"-1",
    b"0",
    b"65536",
    b"4294967296",
    b"99999999999999999999999",
    b"1e9",
    b"z9hG4bK",
    b"x" * 9000,
    b"a," * 3000,
]
NUMBERS = [b"0", b"1", b"-1", b"65536", b"2147483648", b"4294967295", b"4294967296", b"9" * 30]


def mutate(message: bytes, others: list[bytes], random: Random) -> bytes:
    """``message`` with one to four faults."""
    for _ in range(random.randint(1, 4)):
        message = random.choice(FAULTS)(message, others, random)
    return message


def _flip(message: bytes, others: list[bytes], random: Random) -> bytes:
    octets = bytearray(message or b"\0")
    octets[random.randrange(len(octets))] ^= 1 << random.randrange(8)
    return bytes(octets)


def _cut(message: bytes, others: list[bytes], random: Random) -> bytes:
    at = random.randint(0, len(message))
    return message[:at] + message[at + random.randint(0, 60) :]


def _truncate(message: bytes, others: list[bytes], random: Random) -> bytes:
    return message[: random.randint(0, len(message))]


def _insert(message: bytes, others: list[bytes], random: Random) -> bytes:
    at = random.randint(0, len(message))
    return message[:at] + random.choice(ODD) + message[at:]


def _noise(message: bytes, others: list[bytes], random: Random) -> bytes:
    at = random.randint(0, len(message))
    return message[:at] + random.randbytes(random.randint(1, 40)) + message[at:]


def _splice(message: bytes, others: list[bytes], random: Random) -> bytes:
    other = random.choice(others)
    return message[: random.randint(0, len(message))] + other[random.randint(0, len(other)) :]


def _number(message: bytes, others: list[bytes], random: Random) -> bytes:
    found = list(re.finditer(rb"[0-9]+", message))
    if not found:
        return message
    which = random.choice(found)
    return message[: which.start()] + random.choice(NUMBERS) + message[which.end() :]


def _value(message: bytes, others: list[bytes], random: Random) -> bytes:
    lines = message.split(b"\r\n")
    at = random.randrange(len(lines))
    lines[at] = lines[at].partition(b":")[0] + b": " + random.choice(ODD)
    return b"\r\n".join(lines)


def _lines(message: bytes, others: list[bytes], random: Random) -> bytes:
    """Repeat, drop, or exchange lines."""
    lines = message.split(b"\r\n")
    one, two = random.randrange(len(lines)), random.randrange(len(lines))
    what = random.randrange(4)
    if what == 0:
        lines.insert(one, lines[two])
    elif what == 1:
        del lines[one]
    elif what == 2:
        lines[one], lines[two] = lines[two], lines[one]
    else:
        lines[one:one] = [lines[two]] * random.choice([2, 20, 300])
    return b"\r\n".join(lines)


def _foreign_line(message: bytes, others: list[bytes], random: Random) -> bytes:
    """A header of another message, such as a body's type, or a tag."""
    lines, foreign = message.split(b"\r\n"), random.choice(others).split(b"\r\n")
    lines[random.randrange(len(lines))] = random.choice(foreign)
    return b"\r\n".join(lines)


FAULTS: list[Callable[[bytes, list[bytes], Random], bytes]] = [
    _flip,
    _cut,
    _truncate,
    _insert,
    _noise,
    _splice,
    _number,
    _value,
    _lines,
    _foreign_line,
]

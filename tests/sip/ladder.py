"""Exchanges written as ladders.

A ladder has one message on each line, ``>`` for what our line says and ``<`` for what SIPp says; ``*`` is an
event of our line, with what it must say (``status=486``). Between them stands what starts them: ``we …`` is a
verb of the test, ``they …`` lets SIPp go on (which otherwise says each message as soon as it may)::

    [they hang up]
    we place
    > INVITE
    < 180
    * Ringing
    < 200 audio
    > ACK
    * Answered
    they hang up
    < BYE
    > 200
    * Ended

A response is to the last request of the other side, save that the method stands behind it (``487 INVITE``).
Other words behind a message of SIPp's add what ``tests.sip.sipp_scenario`` has for them; behind one of ours
they are what SIPp checks. Nobody repeats an unreliable provisional response that is lost, nor what bears a
``?``; ``!`` marks one that is repeated with its request, ``x`` what never arrives. ``... name`` stands for a
ladder of ``ladders/parts.txt``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.sip.relay import Message

LADDERS = Path(__file__).with_name("ladders")


@dataclass(frozen=True, slots=True)
class Rung:
    """A message of a ladder."""

    message: Message
    method: str
    status: int | None
    words: tuple[str, ...]
    repeated: bool
    arrives: bool
    part: str = ""
    """The part that it was taken from (``ladders/parts.txt``); empty for what only this ladder has."""

    @property
    def ours(self) -> bool:
        return self.message.ours


@dataclass(frozen=True, slots=True)
class Cue:
    """What starts the messages behind it."""

    text: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Happens:
    """An event of our line, and what is known of it beside its kind."""

    kind: str
    facts: tuple[str, ...]


Step = Rung | Cue | Happens


@dataclass(frozen=True, slots=True)
class Ladder:
    name: str
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, name: str, lines: Iterable[tuple[str, str]]) -> Ladder:
        """``lines`` are each with the part that it was taken from."""
        steps: list[Step] = []
        asked: dict[bool, str] = {}
        count: Counter[tuple[bool, str]] = Counter()
        for line, part in lines:
            first, *words = line.split()
            if first == "*":
                kind, *facts = words
                steps.append(Happens(kind, tuple(facts)))
            elif first in ("we", "they"):
                steps.append(Cue(line, first == "we"))
            else:
                steps.append(replace(_rung(first == ">", words, asked, count), part=part))
        return cls(name, tuple(steps))

    @property
    def rungs(self) -> list[Rung]:
        return [step for step in self.steps if isinstance(step, Rung)]

    @property
    def called(self) -> bool:
        """Whether SIPp begins."""
        return not self.rungs[0].ours


def _rung(ours: bool, words: list[str], asked: dict[bool, str], count: Counter[tuple[bool, str]]) -> Rung:
    """``asked`` are the last requests so far, ``count`` the messages of each name."""
    name, *marks = words
    more = [mark for mark in marks if mark not in "?!x"]
    if name.isdigit():
        status = int(name)
        method = more.pop(0) if more and more[0].isupper() else asked[not ours]
        name = f"{status} {method}"
        repeated = status >= 200 or "reliable" in more or "!" in marks
    else:
        status, method, repeated = None, name, True
        if method != "ACK":
            asked[ours] = method
    count[ours, name] += 1
    message = Message(ours, name, count[ours, name])
    return Rung(message, method, status, tuple(more), repeated and "?" not in marks, "x" not in marks)


def read_ladders(name: str) -> list[Ladder]:
    """The ladders of a file in ``ladders/``."""
    parts = _sections("parts")
    ladders = []
    for title, lines in _sections(name).items():
        whole: list[tuple[str, str]] = []
        for line in lines:
            part = line.removeprefix("... ") if line.startswith("... ") else ""
            whole += [(each, part) for each in (parts[part] if part else [line])]
        ladders.append(Ladder.parse(title, whole))
    return ladders


def _sections(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (LADDERS / f"{name}.txt").read_text("ascii").splitlines():
        if line.startswith("["):
            lines = found[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            lines.append(line)
    return found

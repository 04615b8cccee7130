"""The command that waits for its answer: how often it is sent, and when it gives way (T.30 5.4.2)."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t30.line import HalfDuplexLine, Timer
from t38fsp.t30.vocabulary import Burst, HdlcBurst

_CANCELLED_REPEAT = 0.9
"""A repeat that is still in its preamble gives way to an answer."""

_NO_ANSWER = 0.5
"""Silence after what a repeat gave way to, and which was no answer after all."""

_REPLY_OVERLAP = 0.25
"""An answer may begin this long before our burst is reported as sent, for its tail outlasts 75 ms."""


class Command:
    """``limit`` is how often a command is sent in all."""

    def __init__(self, line: HalfDuplexLine, limit: int) -> None:
        self._line = line
        self._limit = limit
        self.name = ""
        self._bursts: tuple[HdlcBurst, *tuple[Burst, ...]]
        self._tries = self._tries_before = 0
        self._repeat_began: float | None = None
        self._gave_way = False

    # --- guards -------------------------------------------------------------------------------------------

    def tries_left(self) -> bool:
        """The command may be sent once more: three times in all."""
        return self._tries < self._limit

    def repeat_in_preamble(self) -> bool:
        """A repetition began just now, and has not given way before."""
        began = self._repeat_began
        return began is not None and not self._gave_way and self._line.now - began < _CANCELLED_REPEAT

    # --- actions ------------------------------------------------------------------------------------------

    def repeat(self) -> None:
        """Send the same command again."""
        line = self._line
        self._tries += 1
        self._repeat_began = line.now
        line.stop(Timer.T4)
        command, *following = self._bursts
        line.play(replace(command, attempt=self._tries, modem_paced=line.modem_paced), *following)

    def count_anew(self) -> None:
        """Let the tries so far not count: what was faster than modems may have overrun somebody."""
        self._tries = 0

    def count_on(self) -> None:
        """Let the next command go on counting: a DIS that changes each time is not answered for ever."""
        self._tries_before = self._tries

    def await_answer(self) -> None:
        """Start T4."""
        self._repeat_began = None
        self._line.start(Timer.T4, self._line.durations.t4)

    def give_way(self) -> None:
        """Stop the repetition, uncounted: what begins now is the answer to the command before it.

        It may as well be our own preamble as an echo. So a command gives way only once.
        """
        self._gave_way = True
        self._tries -= 1
        self._repeat_began = None
        self._line.stop_sending()
        self._line.start(Timer.T4, _NO_ANSWER)

    # --- for the other parts ------------------------------------------------------------------------------

    def send(self, name: str, command: HdlcBurst, *following: Burst) -> None:
        self.name = name
        self._bursts = (command, *following)
        self._tries = self._tries_before + 1
        self._tries_before = 0
        self._repeat_began = None
        self._gave_way = False
        self._line.stop(Timer.T4)
        self._line.play(*self._bursts)

    @property
    def may_be_answered(self) -> bool:
        """What is heard now began after our command was over."""
        line = self._line
        return line.on_line is None and line.carrier_began >= line.sent_at - _REPLY_OVERLAP

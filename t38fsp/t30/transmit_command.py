"""The command that waits for its response: how often it is sent, and when it is stopped (T.30 5.4.2)."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t30.half_duplex import HalfDuplexLine, Timer
from t38fsp.t30.vocabulary import Burst, HdlcBurst

_CANCELLED_REPEAT = 0.9
"""Seconds of preamble within which a repetition is stopped in favour of a response that begins."""

_NO_ANSWER = 0.5
"""Silence after a burst for which a repetition was stopped, and which was not a response."""

_REPLY_OVERLAP = 0.25
"""Seconds by which a response may begin before our burst is reported as sent; its tail can exceed 75 ms."""


class Command:
    """The last command; ``limit`` is the total number of its transmissions."""

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
        """The command may be sent again: three times in total."""
        return self._tries < self._limit

    def repeat_in_preamble(self) -> bool:
        """A repetition has just begun, and was not stopped before."""
        began = self._repeat_began
        return began is not None and not self._gave_way and self._line.now - began < _CANCELLED_REPEAT

    # --- actions ------------------------------------------------------------------------------------------

    def repeat(self) -> None:
        """Retransmit the command."""
        line = self._line
        self._tries += 1
        self._repeat_began = line.now
        line.stop(Timer.T4)
        command, *following = self._bursts
        line.play(replace(command, attempt=self._tries, modem_paced=line.modem_paced), *following)

    def count_anew(self) -> None:
        """Reset the count of tries: bursts faster than modems may have overrun a gateway."""
        self._tries = 0

    def count_on(self) -> None:
        """Continue the count with the next command, to bound the responses to a DIS that keeps changing."""
        self._tries_before = self._tries

    def await_answer(self) -> None:
        """Start T4."""
        self._repeat_began = None
        self._line.start(Timer.T4, self._line.durations.t4)

    def give_way(self) -> None:
        """Stop the repetition, without counting it: the carrier that begins is a response to the command
        before.

        It may also be an echo of our own preamble, so a command is stopped only once.
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
        """The current carrier began after the end of our command."""
        line = self._line
        return line.on_line is None and line.carrier_began >= line.sent_at - _REPLY_OVERLAP

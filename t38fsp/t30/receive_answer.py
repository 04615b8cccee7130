"""The receiver's answers: the one that was given last, and when it is given again (T.30 5.4.2)."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t30.frames import FCF
from t38fsp.t30.line import HalfDuplexLine, Timer
from t38fsp.t30.vocabulary import HdlcBurst, Modem

_REPEAT_LIMIT = 6
"""The same answer again, to CRP or to a repeated command; a transmitter asks three times."""

_PREAMBLE_HEARD = 0.6
"""A V.21 carrier that was up for so many seconds had the preamble of a modem."""

_UNHEARD = 0.85
"""Seconds of preamble at least, in which an answer on a modem says nothing yet (5.3.1)."""

_REPEAT_WINDOW = 5.0
"""Seconds after a command without ECM in which the same again is its repetition (T4, and the line's delay);
later it belongs to a page of which nothing was heard."""

_ANSWER_WINDOW = 2.4
"""A transmitter repeats its command 2.55 s after it at the earliest; an answer begins before."""


class Answer:
    """The command that was answered last, and the answer. It is repeated when the command is."""

    def __init__(self, line: HalfDuplexLine) -> None:
        self._line = line
        self._command: tuple[FCF, bytes] | None = None
        self._command_at = 0.0
        self._answer: HdlcBurst | None = None
        self.repeats = 0
        self._silence = (Timer.T2, line.durations.t2)
        """What runs from the end of the answer until the next command."""
        self._image_since = False
        self.agreed_pace = True
        """There are modems, by the DCS; before it, by the SDP."""
        self._heard = FCF.DCN

    # --- guards -------------------------------------------------------------------------------------------

    def is_repetition(self) -> bool:
        """The command is the last one again, without an image between: our answer was lost."""
        return self._command == (self._heard, b"") and not self._image_since

    def came_in_time(self) -> bool:
        """The command came within 5 s of the last one; later it is about a page that was lost."""
        return self._line.carrier_began - self._command_at <= _REPEAT_WINDOW

    def untrained_image(self) -> bool:
        """An image came although our answer asked for training before it."""
        return self._image_since and self._command is not None

    def repeated_too_often(self) -> bool:
        """The answer has been repeated six times."""
        due = self._answer is not None and self._line.on_line is None
        return due and self.repeats >= _REPEAT_LIMIT

    def in_time(self) -> bool:
        """The line is free, and an answer begins before the transmitter repeats its command."""
        line = self._line
        free = line.carrier is None and line.on_line is None
        return free and line.now - self._command_at <= _ANSWER_WINDOW

    def asks_for_command(self) -> bool:
        """The answer was DIS or DTC, which is repeated after T4."""
        return self._silence[0] is Timer.T4

    def image_carrier(self) -> bool:
        """A carrier of an image modem is up."""
        return self._line.carrier not in (None, Modem.V21)

    # --- actions ------------------------------------------------------------------------------------------

    def repeat(self) -> None:
        """Give the same answer again, unless something is being sent."""
        if self._answer is None or self._line.on_line is not None:
            return
        self.repeats += 1
        self._say(replace(self._answer, modem_paced=self._line.modem_paced))

    def note_repetition(self) -> None:
        """Count the time for the next repetition from here."""
        self._command_at = self._line.now

    def note_command(self) -> None:
        """Remember the command, so as to know its repetition."""
        self.note(self._heard)

    def note_image(self) -> None:
        """An image burst came after the answer; if it carried frames, it was a command taken for one."""
        if self._line.framed:
            self.note_unreadable()
        else:
            self._image_since = True

    def await_command(self) -> None:
        """Start the timer for the next command: T2, or T4 after DIS."""
        timer, seconds = self._silence
        self._line.start(timer, seconds)

    def await_training(self) -> None:
        """Start T2 for a training check or DCS."""
        self._line.start(Timer.T2, self._line.durations.t2)

    def await_late_command(self) -> None:
        """Start T2, long enough for a command that was lost twice (5.4.2)."""
        self._line.start(Timer.T2, self._line.durations.last_command)

    def image_begins(self) -> None:
        """Stop T2 and T5: the image, or the training check, has begun."""
        self._line.stop(Timer.T2)
        self._line.stop(Timer.T5)

    def send_tr(self) -> None:
        """TR: ask when the transmitter will be ready, for T5 (5.3.6.1.8)."""
        if not self._line.runs(Timer.T5):
            self._line.start(Timer.T5, self._line.durations.t5)
        self._say(self._line.frames((FCF.TR, b"")))

    # --- for the other parts ------------------------------------------------------------------------------

    def hear(self, fcf: FCF) -> None:
        """The command that the guards and actions are about, PRI-MPS and the like as MPS.

        A command at the pace of a modem is answered so: such a far end does not listen before it is over.
        """
        line = self._line
        self._heard = fcf
        line.modem_paced = self.agreed_pace or line.now - line.carrier_began > _PREAMBLE_HEARD

    def note(self, fcf: FCF, detail: bytes = b"") -> None:
        self._command = (fcf, detail)
        self._command_at = self._line.now

    def forget_command(self) -> None:
        self._command = None

    def answered(self, fcf: FCF, detail: bytes) -> bool:
        """Whether this command was answered last."""
        return self._command == (fcf, detail)

    def note_unreadable(self) -> bool:
        """What came when the last command would come again was that; so will the next one be."""
        if not self.came_in_time():
            return False
        self._command_at = self._line.now
        return True

    def await_dcs(self, *frames: tuple[FCF, bytes]) -> None:
        """An answer after which the transmitter trains again."""
        self._line.start(Timer.T1, self._line.durations.t1)
        self._respond((Timer.T2, self._line.durations.t2), *frames)

    def before_silence(self, *frames: tuple[FCF, bytes]) -> None:
        """An answer after which T2 ends in DIS: that to EOM."""
        self._respond((Timer.T2, self._line.durations.t2), *frames)

    def respond(self, *frames: tuple[FCF, bytes]) -> None:
        """An answer to a transmitter that has trained: a command that was lost twice comes a third time."""
        self._respond((Timer.T2, self._line.durations.last_command), *frames)

    def identify(self, attempt: int, *frames: tuple[FCF, bytes]) -> None:
        """DIS or DTC, said for the ``attempt``-th time in a row.

        Where nobody answers there may be a modem between after all.
        """
        if attempt > 1:
            self.agreed_pace = self._line.modem_paced = True
        self._respond((Timer.T4, self._line.durations.t4), *frames, attempt=attempt)

    @property
    def unheard(self) -> bool:
        """What is on the line cannot have been answered yet."""
        line = self._line
        burst = line.on_line
        modem_paced = isinstance(burst, HdlcBurst) and burst.modem_paced
        return modem_paced and line.now - line.on_line_since < _UNHEARD

    # --- inside -------------------------------------------------------------------------------------------

    def _respond(self, silence: tuple[Timer, float], *frames: tuple[FCF, bytes], attempt: int = 1) -> None:
        self._silence = silence
        self._answer = replace(self._line.frames(*frames), attempt=attempt)
        self.repeats = 0
        self._image_since = False
        self._say(self._answer)

    def _say(self, answer: HdlcBurst) -> None:
        """Say it next: of answers that have not begun the newest counts, however fast commands come.

        The same answer in its preamble is heard after this command as well: two of them would be taken for
        the answers to two commands.
        """
        line = self._line
        line.stop(Timer.T2)
        line.stop(Timer.T4)
        line.queue.clear()
        if not (line.on_line == answer and self.unheard):
            line.play(answer)

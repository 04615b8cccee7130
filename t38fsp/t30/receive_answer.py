"""The receiver's responses: the last one sent, and when it is retransmitted (T.30 5.4.2)."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t30.frames import FCF
from t38fsp.t30.half_duplex import HalfDuplexLine, Timer
from t38fsp.t30.outputs import Listen
from t38fsp.t30.vocabulary import HdlcBurst, Modem

_REPEAT_LIMIT = 6
"""Retransmissions of a response, to CRP or to a repeated command; a transmitter sends a command three
times."""

_PREAMBLE_HEARD = 0.6
"""A V.21 carrier that lasted this many seconds had the preamble of a modem."""

_UNHEARD = 0.85
"""Minimum preamble in seconds, during which a response at modem pace has no content yet (5.3.1)."""

_REPEAT_WINDOW = 5.0
"""Without ECM: seconds after a command within which an equal one is its repetition (T4 plus line delay); a
later one belongs to a page of which nothing was received."""

_ANSWER_WINDOW = 2.4
"""A transmitter repeats its command after 2.55 s at the earliest (T4 - 15 %); a response must begin
before."""


class Answer:
    """The last command that was answered, and its response, which is repeated if the command is."""

    def __init__(self, line: HalfDuplexLine) -> None:
        self._line = line
        self._command: tuple[FCF, bytes] | None = None
        self._command_at = 0.0
        self._answer: HdlcBurst | None = None
        self.repeats = 0
        self._silence = (Timer.T2, line.durations.t2)
        """The timer that runs from the end of the response until the next command."""
        self._image_since = False
        self.agreed_pace = True
        """Whether the session has modems: by the DCS or, before it, by the SDP."""
        self.image: Listen | None = None
        """What follows a response to a trained transmitter; None before the first DCS."""
        self._listen: Listen | None = None
        """What follows the last response; None if only V.21 does."""
        self._heard = FCF.DCN

    # --- guards -------------------------------------------------------------------------------------------

    def is_repetition(self) -> bool:
        """The command repeats the last one, with no image in between: our response was lost."""
        return self._command == (self._heard, b"") and not self._image_since

    def came_in_time(self) -> bool:
        """The command came within 5 s of the last one; a later one is for a page that was lost."""
        return self._line.carrier_began - self._command_at <= _REPEAT_WINDOW

    def untrained_image(self) -> bool:
        """An image came although our response asked for training first."""
        return self._image_since and self._command is not None

    def repeated_too_often(self) -> bool:
        """The response has been repeated six times."""
        due = self._answer is not None and self._line.on_line is None
        return due and self.repeats >= _REPEAT_LIMIT

    def in_time(self) -> bool:
        """The line is free, and there is time for a response before the transmitter repeats its command."""
        line = self._line
        free = line.carrier is None and line.on_line is None
        return free and line.now - self._command_at <= _ANSWER_WINDOW

    def asks_for_command(self) -> bool:
        """The response was DIS or DTC, which is repeated after T4."""
        return self._silence[0] is Timer.T4

    def image_carrier(self) -> bool:
        """A carrier of an image modem is up."""
        return self._line.carrier not in (None, Modem.V21)

    # --- actions ------------------------------------------------------------------------------------------

    def repeat(self) -> None:
        """Retransmit the response, unless something is being sent."""
        if self._answer is None or self._line.on_line is not None:
            return
        self.repeats += 1
        self._say(replace(self._answer, modem_paced=self._line.modem_paced))

    def note_repetition(self) -> None:
        """Restart the time for recognising a repetition."""
        self._command_at = self._line.now

    def note_command(self) -> None:
        """Remember the command, to recognise its repetition."""
        self.note(self._heard)

    def note_image(self) -> None:
        """An image burst came after the response; if it had frames, it was a command misread as an image."""
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
        """Start T2 with time for the third transmission of a command lost twice (5.4.2)."""
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
        """Set the command that guards and actions use, PRI-MPS and the like as MPS.

        A command at modem pace gets a response at modem pace: such a far end does not receive while it sends.
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
        """Whether this was the last command answered."""
        return self._command == (fcf, detail)

    def note_unreadable(self) -> bool:
        """Treat an unreadable burst as a repetition of the last command, if it came at that time."""
        if not self.came_in_time():
            return False
        self._command_at = self._line.now
        return True

    def await_dcs(self, *frames: tuple[FCF, bytes]) -> None:
        """Send a response after which the transmitter trains again."""
        self._line.start(Timer.T1, self._line.durations.t1)
        self._respond((Timer.T2, self._line.durations.t2), *frames)

    def before_silence(self, *frames: tuple[FCF, bytes]) -> None:
        """Send the response to EOM, after which DIS follows on the expiry of T2."""
        self._respond((Timer.T2, self._line.durations.t2), *frames)

    def respond(self, *frames: tuple[FCF, bytes]) -> None:
        """Send a response to a trained transmitter; the wait allows for a command that is lost twice."""
        self._respond((Timer.T2, self._line.durations.last_command), *frames, listen=self.image)

    def identify(self, attempt: int, *frames: tuple[FCF, bytes]) -> None:
        """Send DIS or DTC for the ``attempt``-th time in a row.

        Without a response there may be a modem in the path after all, so repetitions are at modem pace.
        """
        if attempt > 1:
            self.agreed_pace = self._line.modem_paced = True
        self._respond((Timer.T4, self._line.durations.t4), *frames, attempt=attempt)

    @property
    def unheard(self) -> bool:
        """The far end cannot have responded yet to what is on the line."""
        line = self._line
        burst = line.on_line
        modem_paced = isinstance(burst, HdlcBurst) and burst.modem_paced
        return modem_paced and line.now - line.on_line_since < _UNHEARD

    # --- internals ----------------------------------------------------------------------------------------

    def _respond(
        self,
        silence: tuple[Timer, float],
        *frames: tuple[FCF, bytes],
        attempt: int = 1,
        listen: Listen | None = None,
    ) -> None:
        self._silence = silence
        self._listen = listen
        self._answer = replace(self._line.frames(*frames), attempt=attempt)
        self.repeats = 0
        self._image_since = False
        self._say(self._answer)

    def _say(self, answer: HdlcBurst) -> None:
        """Queue the response, replacing any that has not begun, so that fast commands cannot fill the queue.

        An equal response that is still in its preamble also answers this command: a second one would be taken
        as the response to another command.
        """
        line = self._line
        line.stop(Timer.T2)
        line.stop(Timer.T4)
        line.queue.clear()
        if not (line.on_line == answer and self.unheard):
            line.play(answer)
            if self._listen is not None and self.agreed_pace:
                line.emit(self._listen)

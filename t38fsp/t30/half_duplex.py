"""The half-duplex line as seen by one end: what it sends, the state of the far end's carrier, its timers.

One burst at a time, each in reply to the one before. Timers that wait for the far end do not run out while
its carrier is up; each has a limit beyond which they do, so that whatever is heard every wait ends.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from t38fsp.t30.frames import FCF, Frame
from t38fsp.t30.optional_frames import FarEnd
from t38fsp.t30.options import T30Timers
from t38fsp.t30.outputs import Output, RevokeBurst, SendBurst, SessionWarned
from t38fsp.t30.vocabulary import Burst, HdlcBurst, Modem


class Timer(Enum):
    """What a machine can wait for (5.4.3.1, A.5.4.1)."""

    T1 = "T1"
    T2 = "T2"
    T4 = "T4"
    T5 = "T5"
    CARRIER = "the far end's carrier ends"
    SILENT_CARRIER = "an image carrier has data again"
    LAST_FRAME = "the carrier ends after a final frame"
    PAGE = "the next page is prepared"
    STORE = "the page is stored"
    DIS_REPEAT = "the DIS is repeated"
    STALL = "a page makes progress"
    DISCONNECT = "DCN is sent"

    __hash__ = object.__hash__  # in C; looked up for every packet


# T.30 stops T2 and T4 at the first flag. Holding them over the carrier does the same, and lets them go on if
# the carrier brought nothing.
HELD_BY_CARRIER = frozenset({Timer.T1, Timer.T2, Timer.T4, Timer.T5, Timer.DIS_REPEAT})

_HOLD_LIMIT = 30.0
"""A held timer expires this long after its time even if carriers keep arriving."""

_AFTER_CARRIER = 0.5
"""Silence before a held timer expires, to avoid transmitting in the gap between two bursts."""


class HalfDuplexLine:
    """Shared by a machine and its parts. ``x`` is the X bit of our frames: set by the terminal that received
    the DIS (5.3.6.1)."""

    def __init__(self, durations: T30Timers, *, x: bool) -> None:
        self.durations = durations
        self.x = x
        self.now = 0.0
        self.outputs: list[Output] = []
        # transmit state
        self.queue: deque[Burst] = deque()
        self.on_line: Burst | None = None
        self.on_line_since = float("-inf")
        self.sent_at = float("-inf")
        self.modem_paced = True
        """Bursts keep the pace of their modem."""
        # receive state
        self.carrier: Modem | None = None
        self.carrier_began = 0.0
        self.framed = False
        """The carrier brought HDLC frames, good or bad."""
        self.far_end = FarEnd()
        self.heard: Frame | None = None
        """The command or response that guards and actions use."""
        self.octets = b""
        """The frame or octets of an image, for the same purpose."""
        self.after_gap = False
        """Packets before them were lost."""
        self.clean = True
        """The end of the image burst was signalled, not inferred."""
        self._far_end_spoke = False
        self._deadlines: dict[Timer, float] = {}
        self._limits: dict[Timer, float] = {}
        self._warned: set[str] = set()

    # --- guards -------------------------------------------------------------------------------------------

    def far_end_spoke(self) -> bool:
        """A carrier of the far end was heard."""
        return self._far_end_spoke

    def sending(self) -> bool:
        """A burst of ours is on the line."""
        return self.on_line is not None

    def at_modem_pace(self) -> bool:
        """Bursts are sent at modem pace: the session is not internet-aware, or no longer so."""
        return self.modem_paced

    # --- sending ------------------------------------------------------------------------------------------

    def emit(self, output: Output) -> None:
        self.outputs.append(output)

    def frames(self, *frames: tuple[FCF, bytes]) -> HdlcBurst:
        """One V.21 burst; the final bit goes on its last frame."""
        last = len(frames) - 1
        return HdlcBurst(
            Modem.V21,
            tuple(
                # T.30 5.3.5: of a burst only the last frame has the final bit.
                bytes(Frame(fcf, fif, final=position == last, x=self.x))
                for position, (fcf, fif) in enumerate(frames)
            ),
            modem_paced=self.modem_paced,
        )

    def play(self, *bursts: Burst) -> None:
        self.queue.extend(bursts)
        if self.on_line is None and self.queue:
            self.play_next()

    def play_next(self) -> None:
        self.on_line = self.queue.popleft()
        self.on_line_since = self.now
        self.emit(SendBurst(self.on_line))

    def stop_sending(self) -> None:
        """Stop the burst being sent, and discard those queued."""
        self.queue.clear()
        if self.on_line is not None:
            self.on_line = None
            self.emit(RevokeBurst())

    def warn(self, text: str) -> None:
        """Emit a warning, once per text."""
        if text not in self._warned:
            self._warned.add(text)
            self.emit(SessionWarned(text))

    # --- hearing ------------------------------------------------------------------------------------------

    def carrier_up(self, modem: Modem) -> None:
        self.carrier = modem
        self.carrier_began = self.now
        self.framed = False
        self.note_far_end()
        if modem is Modem.V21:
            self.start(Timer.CARRIER, self.durations.control_carrier)
        else:
            self.start(Timer.CARRIER, self.durations.image_carrier)
            # Restarted by each frame or octet (``T30Machine``): only an image may last for half an hour.
            self.start(Timer.SILENT_CARRIER, self.durations.silent_carrier)

    def carrier_down(self) -> None:
        self.carrier = None
        for timer in (Timer.CARRIER, Timer.SILENT_CARRIER, Timer.LAST_FRAME):
            self.stop(timer)
        # Do not time out right after a burst: another may follow the gap.
        for timer in HELD_BY_CARRIER & self._deadlines.keys():
            patient = max(self._deadlines[timer], self.now + _AFTER_CARRIER)
            # Never past the limit, or a far end that sends noise forever would hold the call.
            self._deadlines[timer] = min(patient, self._limits[timer])

    @property
    def fif(self) -> bytes:
        """The information field of what was heard."""
        return b"" if self.heard is None else self.heard.fif

    def note_far_end(self) -> None:
        """The far end has sent something."""
        self._far_end_spoke = True

    def identify_far_end(self) -> None:
        """Report the contents of its optional frames that have changed."""
        self.outputs += self.far_end.news()

    # --- timers -------------------------------------------------------------------------------------------

    def start(self, timer: Timer, seconds: float) -> None:
        self._deadlines[timer] = self.now + seconds
        self._limits[timer] = self.now + seconds + _HOLD_LIMIT

    def stop(self, timer: Timer) -> None:
        self._deadlines.pop(timer, None)

    def stop_all(self) -> None:
        self._deadlines.clear()

    def runs(self, timer: Timer) -> bool:
        return timer in self._deadlines

    def next_deadline(self) -> float | None:
        if self.carrier is None:
            return min(self._deadlines.values(), default=None)
        return min(map(self._due, self._deadlines), default=None)

    def next_timer(self, now: float) -> Timer | None:
        """Stop and return the earliest timer if it is due."""
        due = self.next_deadline()
        if due is None or due > now:
            return None
        timer = min(self._deadlines, key=self._due)
        self.stop(timer)
        return timer

    def _due(self, timer: Timer) -> float:
        held = self.carrier is not None and timer in HELD_BY_CARRIER
        return self._limits[timer] if held else self._deadlines[timer]

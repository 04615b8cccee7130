"""What the transmitter and the receiver of T.30 share: the line, the timers, and the end.

The far end is half-duplex, and so are we: one burst at a time, each in reply to the one before. A command or
response is acted upon when its carrier ends. Timers that wait for the far end do not run out while its
carrier is up; each has a limit beyond which they do, so that whatever is heard every wait ends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from enum import Enum

from t38fsp.t30.frames import FCF, Frame, FrameError, is_image_frame
from t38fsp.t30.identity import FarEnd
from t38fsp.t30.options import Timers
from t38fsp.t30.outputs import Finished, Output, RevokeBurst, SendBurst, T30Error, Warned
from t38fsp.t30.record import PageRecord
from t38fsp.t30.vocabulary import (
    Burst,
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    HdlcBurst,
    LineSignal,
    Modem,
    ToneHeard,
)


class Timer(Enum):
    """What a session can wait for."""

    T1 = "T1"
    T2 = "T2"
    T4 = "T4"
    T5 = "T5"
    CARRIER = "the far end's carrier ends"
    SILENT_CARRIER = "the far end's carrier carries something"
    LAST_FRAME = "the carrier ends after a final frame"
    PAGE = "the next page is prepared"
    STORE = "the page is stored"
    FRESH_DIS = "the DIS is repeated"
    STALL = "a page gets on"
    DCN = "DCN is sent"

    __hash__ = object.__hash__  # in C; looked up for every packet


_HELD_BY_CARRIER = frozenset({Timer.T1, Timer.T2, Timer.T4, Timer.T5, Timer.FRESH_DIS})

_HOLD_LIMIT = 30.0
"""A timer runs out this long after its time even if carriers keep coming."""

_AFTER_CARRIER = 0.5
"""Silence before a held timer runs out, lest we speak into the gap between two bursts."""

_AFTER_FINAL_FRAME = 1.0
"""A carrier that should have ended with its final frame is taken as ended after this long."""

_DCN_LIMIT = 5.0
"""DCN takes 1.5 s; the end does not depend on the terminal below."""


class Session(ABC):
    """Base of both machines. Inputs after the end do nothing."""

    _x: bool
    """The X bit of our frames: set by the terminal that received the DIS (5.3.6.1)."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._now = 0.0
        self._outputs: list[Output] = []
        self._deadlines: dict[Timer, float] = {}
        self._limits: dict[Timer, float] = {}
        self._queue: deque[Burst] = deque()
        self._on_line: Burst | None = None
        self._on_line_since = float("-inf")
        self._sent_at = float("-inf")
        self._carrier: Modem | None = None
        self._carrier_began = 0.0
        self._framed = False
        """The carrier brought HDLC frames, good or bad."""
        self._heard: Frame | None = None
        self._far_end_spoke = False
        self._far_end = FarEnd()
        self._warned: set[str] = set()
        self._paced = True
        """Bursts keep the pace of their modem."""
        self._verdict: Finished | None = None
        self._finished = False
        self._record: PageRecord | None = None
        self._pages_confirmed = 0
        self._shortfall: T30Error | None = None
        """What is missing although nothing is left to be confirmed."""

    # --- inputs -------------------------------------------------------------------------------------------

    def receive(self, signal: LineSignal, now: float) -> None:
        """Something was heard on the line."""
        if self._finished:
            return
        self._now = now
        match signal:
            case CarrierDetected(modem):
                self._carrier_up(modem)
            case FrameReceived(modem, octets, good):
                self._ensure_carrier(modem)
                self._framed = True
                if signal.after_gap:
                    self._gap_heard()
                # Some gateways take V.21 for a fast modem at times: the frame tells better what it is.
                if good and (modem is Modem.V21 or not is_image_frame(octets)):
                    self._control_frame(octets)
                elif good:
                    self._image_heard(signal)
            case DataReceived(modem):
                self._ensure_carrier(modem)
                if modem is not Modem.V21:
                    self._image_heard(signal)
            case CarrierLost(clean=clean):
                self._carrier_down(clean=clean)
            case ToneHeard():
                pass  # some gateways announce tones that nobody sent: they prove nothing

    def burst_sent(self, now: float) -> None:
        """The last bit of the burst last asked for has left; CNG counts as sent once it is on."""
        if self._finished or self._on_line is None:
            return
        self._now = now
        self._on_line = None
        if self._queue:
            self._play_next()
            return
        self._sent_at = now
        if self._verdict is not None:
            self._conclude(self._verdict)
        else:
            self._all_sent()

    def abort(self, now: float) -> None:
        """End the session from here: DCN where the far end would hear it, then Finished(ABORTED)."""
        if self._finished or self._verdict is not None:
            return
        self._now = now
        if self._complete():
            # Let the answer that confirms the last page be heard.
            self._end_after_burst(Finished(self._shortfall, "", self._pages_confirmed))
        elif self._far_end_spoke:
            self._end(T30Error.ABORTED, response="abort")
        else:
            self._finish(T30Error.ABORTED, response="abort")

    def line_dropped(self, now: float) -> None:
        """The call is over: what was not confirmed by now never will be."""
        if self._finished:
            return
        self._now = now
        # A far end that hangs up with its last frame leaves no time for the end of its carrier.
        self._act_on_heard()
        if self._finished:
            return
        if self._verdict is not None:
            self._conclude(self._verdict)
        elif self._complete():
            self._finish(self._shortfall)
        else:
            self._finish(T30Error.LINE_DROPPED, response="no line")

    def next_deadline(self) -> float | None:
        """When to call :meth:`handle_deadline`; None when only the line or the application can go on."""
        return min(map(self._due, self._deadlines), default=None)

    def handle_deadline(self, now: float) -> None:
        """Let the timers run out that are due."""
        while self._deadlines:
            timer = min(self._deadlines, key=self._due)
            if self._due(timer) > now:
                return
            self._now = now
            self._stop(timer)
            self._run_out(timer)

    def take_outputs(self) -> list[Output]:
        """What is to be done, in order; each output is given out once."""
        outputs, self._outputs = self._outputs, []
        return outputs

    # --- what the machines define -------------------------------------------------------------------------

    @abstractmethod
    def _frame(self, frame: Frame) -> None:
        """A command or response of the far end is over."""

    @abstractmethod
    def _all_sent(self) -> None:
        """The line is ours no more."""

    @abstractmethod
    def _timed_out(self, timer: Timer) -> None: ...

    @abstractmethod
    def _complete(self) -> bool:
        """Nothing is left to be confirmed; only DCN is missing."""

    @abstractmethod
    def _moment(self) -> str:
        """What is going on, in words that fit after ``while``."""

    @abstractmethod
    def _ending(self) -> None:
        """The session is about to end."""

    @abstractmethod
    def _carrier_heard(self, modem: Modem) -> None:
        """A burst of the far end began."""

    @abstractmethod
    def _gap_heard(self) -> None:
        """Packets were lost before a frame: other frames, or whole bursts."""

    @abstractmethod
    def _image_heard(self, signal: FrameReceived | DataReceived | CarrierLost) -> None:
        """A good frame, octets, or the end of a burst on an image modem."""

    # --- sending ------------------------------------------------------------------------------------------

    def _emit(self, output: Output) -> None:
        self._outputs.append(output)

    def _frames(self, *frames: tuple[FCF, bytes]) -> HdlcBurst:
        """One V.21 burst; the final bit goes on its last frame."""
        last = len(frames) - 1
        return HdlcBurst(
            Modem.V21,
            tuple(
                bytes(Frame(fcf, fif, final=position == last, x=self._x))
                for position, (fcf, fif) in enumerate(frames)
            ),
            paced=self._paced,
        )

    def _play(self, *bursts: Burst) -> None:
        self._queue.extend(bursts)
        if self._on_line is None and self._queue:
            self._play_next()

    def _play_next(self) -> None:
        self._on_line = self._queue.popleft()
        self._on_line_since = self._now
        self._emit(SendBurst(self._on_line))

    def _hush(self) -> None:
        """Stop whatever we are sending."""
        self._queue.clear()
        if self._on_line is not None:
            self._on_line = None
            self._emit(RevokeBurst())

    # --- hearing ------------------------------------------------------------------------------------------

    def _ensure_carrier(self, modem: Modem) -> None:
        if self._carrier is not modem:
            self._carrier_up(modem)
        elif modem is not Modem.V21:
            self._start(Timer.SILENT_CARRIER, self._timers.silent_carrier)

    def _carrier_up(self, modem: Modem) -> None:
        if self._carrier is not None:
            self._carrier_down()
            if self._finished:
                return
        self._carrier = modem
        self._carrier_began = self._now
        self._framed = False
        self._far_end_spoke = True
        if modem is Modem.V21:
            self._start(Timer.CARRIER, self._timers.control_carrier)
        else:
            self._start(Timer.CARRIER, self._timers.image_carrier)
            self._start(Timer.SILENT_CARRIER, self._timers.silent_carrier)
        self._carrier_heard(modem)

    def _carrier_down(self, *, clean: bool = False) -> None:
        modem, self._carrier = self._carrier, None
        for timer in (Timer.CARRIER, Timer.SILENT_CARRIER, Timer.LAST_FRAME):
            self._stop(timer)
        for timer in _HELD_BY_CARRIER & self._deadlines.keys():
            patient = max(self._deadlines[timer], self._now + _AFTER_CARRIER)
            self._deadlines[timer] = min(patient, self._limits[timer])
        if modem is Modem.V21 or self._heard is not None:
            self._act_on_heard()
        elif modem is not None:
            self._image_heard(CarrierLost(modem, clean))

    def _control_frame(self, octets: bytes) -> None:
        try:
            frame = Frame.parse(octets)
        except FrameError:
            return  # noise that happens to have a good FCS, or something after our time
        if frame.fcf is FCF.DCN:
            self._disconnected()
        elif not self._far_end.heard(frame):
            self._heard = frame
            if frame.final:
                self._start(Timer.LAST_FRAME, _AFTER_FINAL_FRAME)

    def _act_on_heard(self) -> None:
        frame, self._heard = self._heard, None
        if frame is not None and self._verdict is None:
            self._frame(frame)

    def _identify_far_end(self) -> None:
        self._outputs += self._far_end.news()

    def _warn(self, text: str) -> None:
        """Tell it once."""
        if text not in self._warned:
            self._warned.add(text)
            self._emit(Warned(text))

    # --- timers -------------------------------------------------------------------------------------------

    def _start(self, timer: Timer, seconds: float) -> None:
        self._deadlines[timer] = self._now + seconds
        self._limits[timer] = self._now + seconds + _HOLD_LIMIT

    def _stop(self, timer: Timer) -> None:
        self._deadlines.pop(timer, None)

    def _runs(self, timer: Timer) -> bool:
        return timer in self._deadlines

    def _due(self, timer: Timer) -> float:
        held = self._carrier is not None and timer in _HELD_BY_CARRIER
        return self._limits[timer] if held else self._deadlines[timer]

    def _run_out(self, timer: Timer) -> None:
        if timer in (Timer.LAST_FRAME, Timer.SILENT_CARRIER):
            self._carrier_down()
        elif timer is Timer.DCN and self._verdict is not None:
            self._conclude(self._verdict)
        elif timer is Timer.CARRIER:
            self._end(T30Error.CARRIER_STUCK)
        else:
            self._timed_out(timer)

    # --- pages --------------------------------------------------------------------------------------------

    def _report(self, *, confirmed: bool, response: str) -> None:
        """The outcome of the page on the line, once."""
        if self._record is not None:
            self._emit(self._record.outcome(confirmed=confirmed, response=response, now=self._now))
            self._record = None

    # --- the end ------------------------------------------------------------------------------------------

    def _end(self, error: T30Error | None, detail: str = "", response: str = "") -> None:
        """Send DCN, then finish (5.3.6.1.8). ``response`` is what came instead of a confirmation."""
        if self._verdict is not None:
            return
        detail = self._told(error, detail)
        self._report(confirmed=False, response=response or (error.name if error else ""))
        self._ending()
        self._verdict = Finished(error, detail, self._pages_confirmed)
        self._deadlines.clear()
        self._start(Timer.DCN, _DCN_LIMIT)
        self._hush()
        self._play(self._frames((FCF.DCN, b"")))

    def _end_after_burst(self, verdict: Finished) -> None:
        """Finish when what is on the line has left it."""
        self._ending()
        if self._on_line is None:
            self._conclude(verdict)
        else:
            self._verdict = verdict
            self._deadlines.clear()
            self._start(Timer.DCN, _DCN_LIMIT)

    def _finish(self, error: T30Error | None, detail: str = "", response: str = "") -> None:
        """Finish without a word."""
        detail = self._told(error, detail)
        self._report(confirmed=False, response=response or (error.name if error else ""))
        self._ending()
        self._hush()
        self._conclude(Finished(error, detail, self._pages_confirmed))

    def _told(self, error: T30Error | None, detail: str) -> str:
        """What was wrong, and when."""
        if error is None:
            return detail
        return f"{detail}; {self._moment()}" if detail else self._moment()

    def _conclude(self, verdict: Finished) -> None:
        self._finished = True
        self._deadlines.clear()
        self._queue.clear()
        self._emit(verdict)

    def _disconnected(self) -> None:
        """DCN ends the session whenever it comes; it is never answered (5.3.6.1.8)."""
        if self._verdict is not None:
            return
        if self._complete():
            self._finish(self._shortfall)
        else:
            self._finish(T30Error.DISCONNECTED, response="DCN")

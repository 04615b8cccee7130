"""The core of the transmitter and of the receiver: what is heard becomes inputs, inputs follow a state table.

A command or response is acted upon when its carrier ends. This file is the only place where a state is set;
the tables say which one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter

from t38fsp.t30.frames import FCF, Frame, FrameError, is_image_frame
from t38fsp.t30.half_duplex import HalfDuplexLine, Timer
from t38fsp.t30.outputs import Output, SessionFinished, T30Failure
from t38fsp.t30.record import PageReports
from t38fsp.t30.table import HEARD, Ending, Event, Input, Manner, Row, Table
from t38fsp.t30.vocabulary import (
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    LineSignal,
    Modem,
    ToneHeard,
)

_AFTER_FINAL_FRAME = 1.0
"""Seconds after a final frame until its carrier counts as ended."""

_DCN_LIMIT = 5.0
"""DCN takes 1.5 s; this timer ends the session even if the terminal below never reports it as sent."""


@dataclass(frozen=True, slots=True)
class _BoundRow:
    """A row whose names are bound to the parts of one machine."""

    row: Row
    guards: tuple[tuple[Callable[[], bool], bool], ...]
    actions: tuple[Callable[[], None], ...]

    def applies(self) -> bool:
        for guard, wanted in self.guards:  # noqa: SIM110 - for every packet of an image
            if guard() is not wanted:
                return False
        return True


class T30Machine(ABC):
    """Base of both machines. Inputs after the end are ignored."""

    def __init__(self, table: Table, line: HalfDuplexLine, reports: PageReports) -> None:
        self.line = line
        self.reports = reports
        self.table = table
        self._state = self._reported_state = table.start
        self._bound: dict[tuple[Enum, Input], tuple[_BoundRow, ...]] = {}
        self._frame: Frame | None = None
        self._verdict: SessionFinished | None = None
        self._finished = False

    @property
    def state(self) -> Enum:
        return self._state

    # --- inputs -------------------------------------------------------------------------------------------

    def receive(self, signal: LineSignal, now: float) -> None:
        """Process a signal received on the line."""
        if self._finished:
            return
        self.line.now = now
        match signal:
            case CarrierDetected(modem):
                self._carrier_up(modem)
            case FrameReceived(modem, octets, good):
                self._ensure_carrier(modem)
                self.line.framed = True
                if signal.after_gap:
                    self._gap_heard()
                # Some gateways at times announce V.21 as a fast modem: the frame itself is the better
                # evidence.
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
                pass  # some gateways announce tones that were never sent

    def burst_sent(self, now: float) -> None:
        """The last bit of the last requested burst was sent; CNG counts as sent once it is on."""
        line = self.line
        if self._finished or line.on_line is None:
            return
        line.now = now
        line.on_line = None
        # DCS and TCF are two bursts; T4 runs from the end of the last one.
        # The table gets one SENT for what belongs together, so its states need not know of the parts.
        if line.queue:
            line.play_next()
            return
        line.sent_at = now
        self._take(Event.SENT)

    def abort(self, now: float) -> None:
        """End the session locally: DCN if the far end would receive it, then SessionFinished(ABORTED)."""
        self._take_at(Event.ABORT, now)

    def line_dropped(self, now: float) -> None:
        """The call is over: pages that are not confirmed yet stay unconfirmed."""
        if self._finished:
            return
        self.line.now = now
        # A far end may hang up right after its last frame, before the end of its carrier was reported.
        # An MCF whose end of carrier has not come makes the difference between a fax that is complete and one
        # that is not.
        self._act_on_heard()
        self._take(Event.LINE_DROPPED)

    def next_deadline(self) -> float | None:
        """When to call :meth:`handle_deadline`; None if only the line or the application can continue."""
        return self.line.next_deadline()

    def handle_deadline(self, now: float) -> None:
        """Expire the timers that are due."""
        while (timer := self.line.next_timer(now)) is not None:
            self.line.now = now
            if timer in (Timer.LAST_FRAME, Timer.SILENT_CARRIER):
                self._carrier_down()
            else:
                self._take(timer)

    def take_outputs(self) -> list[Output]:
        """Return and clear the pending outputs, in order."""
        outputs, self.line.outputs = self.line.outputs, []
        return outputs

    # --- what the machines define -------------------------------------------------------------------------

    @abstractmethod
    def _frame_heard(self, frame: Frame) -> None:
        """A command or response of the far end was received, and its carrier has ended."""

    @abstractmethod
    def _nothing_heard(self) -> None:
        """A V.21 carrier of the far end has ended without a good frame."""

    @abstractmethod
    def _moment(self, state: Enum) -> str:
        """The current activity, in words that fit after ``while``."""

    @abstractmethod
    def _release(self) -> None:
        """Release what an ended session no longer needs."""

    @abstractmethod
    def _carrier_heard(self, modem: Modem) -> None:
        """A burst of the far end began."""

    @abstractmethod
    def _gap_heard(self) -> None:
        """Packets were lost before a frame: other frames, or whole bursts."""

    @abstractmethod
    def _image_heard(self, signal: FrameReceived | DataReceived | CarrierLost) -> None:
        """A good frame, octets, or the end of a burst on an image modem."""

    # --- receiving ----------------------------------------------------------------------------------------

    def _ensure_carrier(self, modem: Modem) -> None:
        if self.line.carrier is not modem:
            self._carrier_up(modem)
        elif modem is not Modem.V21:
            self.line.start(Timer.SILENT_CARRIER, self.line.durations.silent_carrier)

    def _carrier_up(self, modem: Modem) -> None:
        if self.line.carrier is not None:
            # The packet that signalled its end was lost.
            self._carrier_down()
            if self._finished:
                return
        self.line.carrier_up(modem)
        self._carrier_heard(modem)

    def _carrier_down(self, *, clean: bool = False) -> None:
        modem = self.line.carrier
        self.line.carrier_down()
        # A good V.21 frame on a carrier announced as an image modem is still a command.
        if modem is Modem.V21 or self._frame is not None:
            self._act_on_heard()
        elif modem is not None:
            self._image_heard(CarrierLost(modem, clean))

    def _control_frame(self, octets: bytes) -> None:
        try:
            frame = Frame.parse(octets)
        except FrameError:
            return  # noise with a good FCS, or a frame of a later edition of T.30
        if frame.fcf is FCF.DCN:
            self._take(FCF.DCN)  # valid in every state, and never answered (5.3.6.1.8)
        # Optional frames (NSF, CSI, TSI, SUB ...) come before the command in the same burst, and
        # are only stored.
        elif not self.line.far_end.heard(frame):
            # The last command of a burst counts.
            self._frame = frame
            if frame.final:
                self.line.start(Timer.LAST_FRAME, _AFTER_FINAL_FRAME)

    def _act_on_heard(self) -> None:
        frame, self._frame = self._frame, None
        if frame is None:
            self._nothing_heard()
        else:
            self.line.heard = frame
            self._frame_heard(frame)

    # --- the table ----------------------------------------------------------------------------------------

    def _take_at(self, given: Input, now: float) -> None:
        if not self._finished:
            self.line.now = now
            self._take(given)

    def _take(self, given: Input, heard: FCF | None = None) -> None:
        """Follow the table from here, through steps, to the next state. Reports name ``heard``, if given."""
        self.reports.given = heard or given
        place = self._state
        # A step is a state in which nothing waits: its rows are followed at once, until a state that waits
        # for the line.
        while (bound := self._find(place, given)) is not None:
            self._follow(place, given, bound)
            place, given = self._arrive(bound.row.next), Event.AT_ONCE
            if place not in self.table.steps:
                return

    def _find(self, place: Enum, given: Input) -> _BoundRow | None:
        key = (place, given)
        rows = self._bound.get(key)
        if rows is None:
            # Bound when first needed: a call comes to a third of the rows.
            rows = self._bound[key] = tuple(map(self._bind, self.table.index.get(key, ())))
        # The first row whose guards hold, in the order of the table.
        for bound in rows:
            if bound.applies():
                return bound
        return None

    def _bind(self, row: Row) -> _BoundRow:
        """Resolve the names in the row to methods of this machine's parts."""
        return _BoundRow(
            row,
            tuple((attrgetter(name)(self), wanted) for name, wanted in row.guards),
            tuple(attrgetter(name)(self) for name in row.actions),
        )

    def _follow(self, place: Enum, given: Input, bound: _BoundRow) -> None:
        """Run the actions of a row; tests hook in here to record which rows are reached."""
        for action in bound.actions:
            action()

    def _arrive(self, target: Enum | Ending | None) -> Enum:
        if target is None:
            return self._state
        if isinstance(target, Ending):
            target = self._end(target)
        elif target in self.table.steps:
            self._reported_state = self.table.reported_as.get(target, self._reported_state)
            return target
        self._state = self._reported_state = target
        return target

    # --- the end ------------------------------------------------------------------------------------------

    def _end(self, ending: Ending) -> Enum:
        """Report the outcome of the page and of the session; return the next state."""
        # A fax that comes to its regular end is still a failure if a page of it was given up (EOR).
        failure = ending.failure or self.reports.shortfall
        response = self.reports.response if ending.response == HEARD else ending.response
        self.reports.report(confirmed=False, response=response or (failure.name if failure else ""))
        detail = self._detail(failure, ending)
        self._release()
        self._verdict = SessionFinished(failure, detail, self.reports.confirmed)
        line = self.line
        # DCN is sent once and never answered (5.3.6.1.8): the session ends with its last bit.
        if ending.manner is Manner.SILENT:
            line.stop_sending()
            self.conclude()
            return self.table.end
        line.stop_all()
        line.start(Timer.DISCONNECT, _DCN_LIMIT)
        if ending.manner is Manner.DCN:
            line.stop_sending()
            line.play(line.frames((FCF.DCN, b"")))
        return self.table.disconnect

    def _detail(self, failure: T30Failure | None, ending: Ending) -> str:
        """What failed, and in which state."""
        if failure is None:
            return ""
        moment = self._moment(self._reported_state)
        detail = attrgetter(ending.detail_from)(self)() if ending.detail_from else ending.detail
        return f"{detail}; {moment}" if detail else moment

    def conclude(self) -> None:
        """Report the end of the session."""
        self._finished = True
        self.line.stop_all()
        self.line.queue.clear()
        if self._verdict is not None:
            self.line.emit(self._verdict)

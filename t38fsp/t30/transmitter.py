"""The transmitter: its parts and its interface to the application (the table is in ``transmit_table``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from t38fsp.t30.frames import FCF, Frame
from t38fsp.t30.half_duplex import HalfDuplexLine
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.record import PageReports
from t38fsp.t30.table import Event
from t38fsp.t30.transmit_command import Command
from t38fsp.t30.transmit_ecm import TransmitEcm
from t38fsp.t30.transmit_pages import TransmitPages
from t38fsp.t30.transmit_phase_b import TransmitPhaseB
from t38fsp.t30.transmit_table import COMMANDING, IMAGE, TRANSMIT_TABLE, State
from t38fsp.t30.vocabulary import CarrierLost, DataReceived, FrameReceived, Modem, PageFormat


class Transmitter(T30Machine):
    """Sends ``pages`` to the far end, from page ``first`` (counted from 0) on.

    Outputs are drained with ``take_outputs``. Nothing is sent before ``start``, no DCS before ``proceed``.
    With ``polled`` it is the called end, and goes on from the DTC of a caller: see :meth:`take_up`.

    Raises:
        ValueError: no pages, or no page ``first``.
    """

    def __init__(
        self, pages: Sequence[PageFormat], options: TransmitOptions, first: int = 0, *, polled: bool = False
    ) -> None:
        if not pages:
            raise ValueError("the fax is empty; give at least one page")
        if not 0 <= first < len(pages):
            raise ValueError(f"page {first + 1} does not exist; the fax has {len(pages)}")
        # X is set by the end that received the DIS (5.3.6.1), which is the caller, whichever end sends
        # pages.
        line = HalfDuplexLine(options.timers, x=not polled)
        reports = PageReports(line)
        super().__init__(TRANSMIT_TABLE, line, reports)
        self._polled = polled
        self.page_count = len(pages)
        self.command = Command(line, options.tries)
        self.phase_b = TransmitPhaseB(line, self.command, options, polled=polled)
        self.pages = TransmitPages(line, reports, self.command, self.phase_b, pages, first)
        self.ecm = TransmitEcm(line, reports, self.command, self.phase_b, self.pages)

    # --- inputs -------------------------------------------------------------------------------------------

    def limit_rate(self, bit_rate: int) -> None:
        """Before the start: no modem above ``bit_rate`` (bit/s, 2400 or more), in our DCS and after."""
        options = self.phase_b.options
        self.phase_b.options = replace(options, max_rate=min(options.max_rate, bit_rate))

    def be_internet_aware(self) -> None:
        """Before the start: there is no modem in the path, so play no tone.

        Modem pace is left if the DIS of the far end has bit 123.
        """
        self.phase_b.options = replace(self.phase_b.options, internet_aware=True, cng=False)

    def leave_internet_aware_mode(self, now: float) -> None:
        """The far end may have changed: return to modem pace."""
        self.line.now = now
        self.phase_b.leave_internet_aware_mode("the far end moved")

    def start(self, now: float) -> None:
        """The line is up: play CNG and wait for a DIS, for T1 at most."""
        self._take_at(Event.START, now)

    def take_up(self, dtc: Frame, now: float) -> None:
        """In place of ``start``: continue after the DTC that the receiver got; needs no ``proceed``."""
        self.line.now = now
        self.line.note_far_end()
        self.line.heard = dtc
        self._take(FCF.DIS)

    def proceed(self, now: float) -> None:
        """Permit sending: DCS may follow."""
        self.phase_b.give_leave()
        self._take_at(Event.PROCEED, now)

    def page_ready(self, request: int, data: bytes, now: float) -> None:
        """The coded page requested by PageWanted, exactly as it is sent on the line."""
        if not data:
            self.page_failed(request, "its coding is empty", now)
        elif self.pages.put(request, data):
            self._take_at(Event.PAGE_READY, now)

    def page_failed(self, request: int, error: str, now: float) -> None:
        """The page cannot be coded. The session ends after the page on the line."""
        if self.pages.fail(request, error):
            self._take_at(Event.PAGE_FAILED, now)

    # --- for the machine ----------------------------------------------------------------------------------

    def _frame_heard(self, frame: Frame) -> None:
        # A DIS is unsolicited; any other frame is a response, and cannot begin before the end of our command.
        unasked = self._state in (State.WAIT_DIS, State.WAIT_PROCEED)
        if not unasked and not self.command.may_be_answered:
            return
        fcf = self._in_our_role(frame.fcf)
        if fcf is not None:
            self._take(fcf, frame.fcf)

    def _in_our_role(self, fcf: FCF) -> FCF | None:
        """Map frames to inputs of the table, which is that of a caller and gets the capabilities from a DIS.

        A polled called end gets them from the DTC; a DIS is then an echo of its own.
        """
        return {FCF.DTC: FCF.DIS, FCF.DIS: None}.get(fcf, fcf) if self._polled else fcf

    def _nothing_heard(self) -> None:
        """Ignored: T4 keeps running."""

    def _carrier_heard(self, modem: Modem) -> None:
        if modem is Modem.V21:
            self._take(Event.V21_BEGINS)

    def _gap_heard(self) -> None:
        """Ignored: lost frames are retransmitted, or requested again."""

    def _image_heard(self, signal: FrameReceived | DataReceived | CarrierLost) -> None:
        """Ignored: a receiver sends no images."""

    def _release(self) -> None:
        self.pages.buffer.clear()

    def _moment(self, state: Enum) -> str:
        name = self.command.name
        if state in IMAGE:
            words = "sending the image"
        elif state not in COMMANDING:
            words = f"waiting for {state.value}"
        elif self.line.sending():
            words = f"sending {name}"
        else:
            words = f"waiting for the response to {name}"
        return f"{words}, {self.pages.position}" if self.phase_b.dis_heard() else words

"""The receiver: its parts and its interface to the application (the table is in ``receive_table``)."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from t38fsp.t30.frames import PLAIN_COMMANDS, Frame
from t38fsp.t30.half_duplex import HalfDuplexLine
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.options import PollOptions, ReceiveOptions
from t38fsp.t30.receive_answer import Answer
from t38fsp.t30.receive_ecm import ReceiveEcm
from t38fsp.t30.receive_pages import ReceivePages
from t38fsp.t30.receive_phase_b import ReceivePhaseB
from t38fsp.t30.receive_polls import PolledEnd, PollingEnd
from t38fsp.t30.receive_table import POLL_TABLE, RECEIVE_TABLE
from t38fsp.t30.record import PageReports
from t38fsp.t30.table import Event
from t38fsp.t30.vocabulary import CarrierLost, DataReceived, FrameReceived, Modem, PageQuality


class Receiver(T30Machine):
    """Receives a fax: as the called end, or with ``poll`` as a caller that polls a document.

    A page that begins again with the same index replaces the earlier attempt, which was refused or
    interrupted. Pages are confirmed only after ``page_stored``.
    """

    def __init__(self, options: ReceiveOptions, poll: PollOptions | None = None) -> None:
        # X follows the DIS, not the document: a caller that polls sets it and yet receives (5.3.6.1).
        line = HalfDuplexLine(options.timers, x=poll is not None)
        reports = PageReports(line)
        super().__init__(RECEIVE_TABLE if poll is None else POLL_TABLE, line, reports)
        self.answer = Answer(line)
        self.phase_b = ReceivePhaseB(line, reports, self.answer, options)
        self.pages = ReceivePages(line, reports, self.answer, self.phase_b)
        self.ecm = ReceiveEcm(line, reports, self.answer, self.phase_b, self.pages)
        self.polls: PolledEnd | PollingEnd
        if poll is None:
            self.polls = PolledEnd(line, self.answer, self.phase_b)
        else:
            self.polls = PollingEnd(line, self.answer, self.phase_b, poll)

    # --- inputs -------------------------------------------------------------------------------------------

    def limit_rate(self, bit_rate: int) -> None:
        """Before the start: no modem above ``bit_rate`` (bit/s, 2400 or more), in our DIS and after."""
        options = self.phase_b.options
        self.phase_b.options = replace(options, max_rate=min(options.max_rate, bit_rate))

    def be_internet_aware(self) -> None:
        """Before the start: there is no modem in the path. Leave modem pace, play no tone, set DIS bit
        123."""
        self.phase_b.options = replace(self.phase_b.options, internet_aware=True)
        self.answer.agreed_pace = self.line.modem_paced = False

    def leave_internet_aware_mode(self, now: float) -> None:
        """The far end may have changed: return to modem pace, and stop offering DIS bit 123."""
        self.line.now = now
        self.phase_b.options = replace(self.phase_b.options, internet_aware=False)
        self.answer.agreed_pace = self.line.modem_paced = True

    def start(self, now: float, *, ced: bool = True) -> None:
        """The call is answered: CED for 3 s if wanted, then DIS every T4 for T1.

        With ``poll`` the line is up: play CNG and listen for a DIS, for T1 at most. A caller plays no CED.
        """
        self.phase_b.ced = ced
        self._take_at(Event.START, now)

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        """The page is stored: it may be confirmed or, without ECM, refused for its quality."""
        if not self._finished and self.pages.take_verdict(index, quality):
            self._take_at(Event.STORED, now)

    def page_refused(self, index: int, now: float) -> None:
        """The page arrived damaged without ECM and was not kept: request it again (RTN)."""
        if not self._finished and self.pages.take_verdict(index, None):
            self._take_at(Event.STORED, now)

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        """The page could not be stored: it is never confirmed, and the session ends.

        Except for one that the far end gave up (EOR), of which there may be nothing to store.
        """
        if not self._finished and self.pages.take_error(index, error):
            self._take_at(Event.NOT_STORED, now)

    # --- for the machine ----------------------------------------------------------------------------------

    def _frame_heard(self, frame: Frame) -> None:
        self.answer.hear(PLAIN_COMMANDS.get(frame.fcf, frame.fcf))
        self._take(frame.fcf)

    def _nothing_heard(self) -> None:
        if self.answer.note_unreadable():
            self._take(Event.UNREADABLE)

    def _carrier_heard(self, modem: Modem) -> None:
        if modem is not Modem.V21:
            self.ecm.burst_begins()
            self._take(Event.IMAGE_BEGINS)

    def _gap_heard(self) -> None:
        self.ecm.gap_heard()

    def _image_heard(self, signal: FrameReceived | DataReceived | CarrierLost) -> None:
        line = self.line
        match signal:
            case FrameReceived(frame=octets):
                line.octets = octets
                self._take(Event.IMAGE_FRAME)
            case DataReceived(data=octets):
                line.octets, line.after_gap = octets, signal.after_gap
                self._take(Event.IMAGE_OCTETS)
            case CarrierLost(clean=clean):
                line.clean = clean
                self._take(Event.IMAGE_OVER)

    def _release(self) -> None:
        """Nothing to release: pages are passed on as they arrive."""

    def _moment(self, state: Enum) -> str:
        return f"waiting for {state.value}, page {self.pages.index + 1}"

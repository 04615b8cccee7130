"""The receiver's pages: their reception, their storage, and the responses that wait for it."""

from __future__ import annotations

from t38fsp.t30.frames import FCF, PLAIN_COMMANDS
from t38fsp.t30.half_duplex import HalfDuplexLine, Timer
from t38fsp.t30.outputs import PageBegun, PageData, PageReceived
from t38fsp.t30.receive_answer import Answer
from t38fsp.t30.receive_phase_b import ReceivePhaseB
from t38fsp.t30.record import PageAttempt, PageReports
from t38fsp.t30.vocabulary import PageQuality

_MOST_STORES = 4
"""Pages of one call that may wait to be stored; they delay the pages of other calls."""


class ReceivePages:
    """The page being received, and those that wait to be stored."""

    def __init__(
        self, line: HalfDuplexLine, reports: PageReports, answer: Answer, phase_b: ReceivePhaseB
    ) -> None:
        self._line = line
        self._reports = reports
        self._answer = answer
        self._phase_b = phase_b
        self.index = 0
        self._attempts = 0
        self.following = FCF.EOP
        """The post-message command, PRI-MPS and the like as MPS."""
        self._stores: list[int] = []
        """Indexes of pages passed on and not stored yet."""
        self._quality: PageQuality | None = None
        self._judged: FCF | None = None
        self._error = ""
        self._damaged = False

    # --- guards -------------------------------------------------------------------------------------------

    def begun(self) -> bool:
        """Part of the page was received."""
        return self._reports.record is not None

    def store_full(self) -> bool:
        """Four pages wait to be stored: a conforming transmitter waits for a response before the next
        page."""
        return len(self._stores) >= _MOST_STORES

    def judged(self) -> bool:
        """The page is stored, or was refused, and has no response yet."""
        return self._judged is not None

    def bad(self) -> bool:
        """The page was refused, or too many of its rows are bad."""
        return self._judged is FCF.RTN

    def poor(self) -> bool:
        """Some rows of the page are bad."""
        return self._judged is FCF.RTP

    def last(self) -> bool:
        """The command was EOP or is treated like it."""
        return self.following is FCF.EOP

    def mode_changes(self) -> bool:
        """The command was EOM or EOS, or is treated like them."""
        return self.following is FCF.EOM

    # --- actions ------------------------------------------------------------------------------------------

    def take_octets(self) -> None:
        """Pass on octets of the page."""
        self.hand_up(self._line.octets, self._line.after_gap)

    def note_end(self) -> None:
        """Without ECM: if the end of the burst was inferred, its last octets may be missing."""
        if not self._line.clean and self.begun() and not self._phase_b.ecm():
            # Counts as a loss at the end: without it a page cut off there would look whole.
            self.hand_up(b"", after_gap=True)

    def note_following(self) -> None:
        """Remember the post-message command."""
        fcf = FCF.EOP if self._line.heard is None else self._line.heard.fcf
        self.following = PLAIN_COMMANDS.get(fcf, fcf)

    def store(self) -> None:
        """Request storage of the page; the response waits for it."""
        self._judged = None
        self._line.stop(Timer.T2)
        self._line.start(Timer.STORE, self._line.durations.store_wait)
        self._store()

    def wait_for_store(self) -> None:
        """Start T5: the page is not stored yet."""
        self._line.start(Timer.T5, self._line.durations.t5)

    def send_rnr(self) -> None:
        """RNR (A.5.4.1)."""
        self._answer.respond((FCF.RNR, b""))

    def judge(self) -> None:
        """Choose MCF, RTP or RTN by the share of bad rows; with ECM every row is good."""
        quality = self._quality
        if quality is None:
            self._judged = FCF.RTN
        elif self._phase_b.ecm():
            self._judged = FCF.MCF
        else:
            options = self._phase_b.options
            # A page without any row is one that was not received.
            share = quality.bad_rows / quality.rows if quality.rows > 0 else 1.0
            passable = FCF.RTP if share < options.bad_share else FCF.RTN
            self._judged = FCF.MCF if share < options.poor_share else passable

    def refuse(self) -> None:
        """RTN: request the page again."""
        self._attempts += 1
        self._answer_page(confirmed=False, response=FCF.RTN)
        self.send_rtn()

    def confirm(self) -> None:
        """Count the page; one with a block that was given up (EOR) is not confirmed by the MCF for the
        rest."""
        self._reports.confirmed += not self._damaged
        # The far end knows from its own EOR that the page is incomplete (A.4.3).
        response = FCF.ERR if self._damaged else self._verdict
        self._answer_page(confirmed=not self._damaged, response=response)
        self._next_page()

    def answer(self) -> None:
        """MCF or RTP, to be followed by a command."""
        self._answer.respond((self._verdict, b""))

    def answer_before_dis(self) -> None:
        """MCF or RTP, to be followed by DIS."""
        self._answer.before_silence((self._verdict, b""))

    def answer_before_dcs(self) -> None:
        """RTP, to be followed by DCS."""
        self._answer.await_dcs((self._verdict, b""))

    def send_rtn(self) -> None:
        """RTN: no image was received, or a bad one."""
        self._answer.await_dcs((FCF.RTN, b""))

    def give_up(self) -> None:
        """The page ends with EOR: keep what has come of it, unconfirmed."""
        if self.begun():
            self._store()
            self._reports.report(confirmed=False, response=str(FCF.ERR))
        self._next_page()

    # --- in words -----------------------------------------------------------------------------------------

    def store_error(self) -> str:
        """Why the page could not be stored."""
        return self._error

    # --- for the other parts ------------------------------------------------------------------------------

    def take_verdict(self, index: int, quality: PageQuality | None) -> bool:
        """The page was stored, or refused (None); false when it was given up, or came again, meanwhile."""
        self._quality = quality
        return self._take_answer(index) and index not in self._stores

    def take_error(self, index: int, error: str) -> bool:
        """The page could not be stored; false when the far end has given it up meanwhile."""
        self._error = error
        return self._take_answer(index)

    def hand_up(self, octets: bytes, after_gap: bool = False) -> None:
        self.begin().octets += len(octets)
        self._line.emit(PageData(self.index, octets, after_gap))

    def begin(self) -> PageAttempt:
        """The page that is coming in; it begins with the first call."""
        if self._reports.record is None:
            mode = self._phase_b.choice.mode
            repeats = 0 if mode.ecm else self._attempts
            began = self._line.carrier_began
            self._reports.record = PageAttempt(self.index, mode, began, repeats=repeats)
            self._line.emit(PageBegun(self.index, mode))
        return self._reports.record

    def mark_damaged(self) -> None:
        """A block of the page was given up."""
        self._damaged = True

    # --- inside -------------------------------------------------------------------------------------------

    @property
    def _verdict(self) -> FCF:
        return self._judged or FCF.MCF

    def _store(self) -> None:
        self._stores.append(self.index)
        self._line.emit(PageReceived(self.index, self._phase_b.choice.mode))

    def _take_answer(self, index: int) -> bool:
        if index not in self._stores:
            return False
        self._stores.remove(index)
        return index == self.index

    def _answer_page(self, *, confirmed: bool, response: FCF) -> None:
        self._line.stop(Timer.STORE)
        self._line.stop(Timer.T5)
        self._reports.report(confirmed=confirmed, response=str(response))

    def _next_page(self) -> None:
        self.index += 1
        self._attempts = 0
        self._damaged = False
        self._phase_b.page_over()

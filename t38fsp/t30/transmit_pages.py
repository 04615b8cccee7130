"""The transmitter's pages: prepared ahead, sent, confirmed or retransmitted (phases C and D without ECM)."""

from __future__ import annotations

from collections.abc import Sequence

from t38fsp.t30.dcs_choice import Choice
from t38fsp.t30.frames import FCF
from t38fsp.t30.half_duplex import HalfDuplexLine, Timer
from t38fsp.t30.outgoing_blocks import LONGEST_BURST
from t38fsp.t30.outputs import PageBegun
from t38fsp.t30.page_buffer import PageBuffer
from t38fsp.t30.record import PageAttempt, PageReports
from t38fsp.t30.transmit_command import Command
from t38fsp.t30.transmit_phase_b import TransmitPhaseB
from t38fsp.t30.vocabulary import PageFormat, RawBurst


class TransmitPages:
    """The page being sent and its outcome. ``first`` is the page to begin with, counted from 0."""

    def __init__(
        self,
        line: HalfDuplexLine,
        reports: PageReports,
        command: Command,
        phase_b: TransmitPhaseB,
        formats: Sequence[PageFormat],
        first: int,
    ) -> None:
        self._line = line
        self._reports = reports
        self._command = command
        self._phase_b = phase_b
        self._formats = tuple(formats)
        self._first = self._index = first
        self._attempts = 0
        self._asked = False
        self.buffer = PageBuffer()
        self.following: FCF | None = None
        """Our post-message command; None for PPS-NULL."""

    # --- guards -------------------------------------------------------------------------------------------

    def acceptable(self) -> bool:
        """Both ends have a modem and a coding in common."""
        return self._chosen(self._index) is not None

    def dcs_unchanged(self) -> bool:
        """The DCS would be the same again; never without a modem, as that mode is left."""
        choice = self._phase_b.choice
        return choice.modem_paced and choice == self._chosen(self._index)

    def ecm(self) -> bool:
        """The DCS chose ECM."""
        return self._phase_b.choice.mode.ecm

    def ready(self) -> bool:
        """The coded page is available."""
        return self._coded() is not None

    def failed(self) -> bool:
        """The page could not be coded."""
        return self.buffer.error(self._index) is not None

    def last(self) -> bool:
        """The page was the last one: EOP, or PPS-EOP."""
        return self.following is FCF.EOP

    def mode_changes(self) -> bool:
        """The next page needs another DCS: EOM, or PPS-EOM."""
        return self.following is FCF.EOM

    def tries_left(self) -> bool:
        """The page may be sent again: three times in total."""
        return self._attempts + 1 < self._phase_b.options.page_tries

    # --- actions ------------------------------------------------------------------------------------------

    def prepare_first(self) -> None:
        """Request the coding of the first page for this receiver.

        If the DIS changes before sending is permitted, the DCS is made from the last one.
        """
        if not self._asked:
            self.prepare(self._index)

    def choose(self) -> None:
        """Choose the mode of the page, and request its coding."""
        self._phase_b.choice = self._chosen(self._index) or self._phase_b.choice
        self.prepare(self._index)

    def choose_alike(self) -> None:
        """Keep the DCS; the page may have to be shortened."""
        self._phase_b.choice = self._chosen(self._index) or self._phase_b.choice

    def await_page(self) -> None:
        """Start the limit for silence until the page is available."""
        self._line.start(Timer.PAGE, self._line.durations.page_wait)
        self.prepare(self._index)

    def begin(self) -> None:
        """Begin the record of the page."""
        data = self.octets
        mode = self._phase_b.choice.mode
        self._line.stop(Timer.PAGE)
        # With ECM the repeated frames count instead, each as it is sent.
        repeats = 0 if mode.ecm else self._attempts
        self._reports.record = PageAttempt(self._index, mode, self._line.now, len(data), repeats)
        self._line.emit(PageBegun(self._index, mode, len(data)))

    def prepare_next(self) -> None:
        """Request the coding of the next page."""
        self.prepare(self._index + 1)

    def send(self) -> None:
        """Send the page in one burst, including its RTC."""
        data, modem = self.octets, self._phase_b.choice.modem
        seconds = len(data) * 8 / modem.rate
        if seconds > LONGEST_BURST:
            self._line.warn(
                f"page {self._index + 1} keeps the carrier up for {seconds:.0f} s without error correction; "
                f"many gateways cut it off after 90 s"
            )
        short = self._phase_b.short_training
        self._phase_b.long_training = False
        self._line.play(RawBurst(modem, data, short))

    def send_post_message(self) -> None:
        """MPS, EOM or EOP (5.3.6.1.6)."""
        self.following = following = self.what_follows()
        self._command.send(str(following), self._line.frames((following, b"")))

    def confirm(self) -> None:
        """The page is confirmed; count it, and continue with the next."""
        self._reports.confirmed += 1
        self._reports.report(confirmed=True, response=self._reports.response)
        self.buffer.drop(self._index)
        self._index += 1
        self._attempts = 0

    def try_again(self) -> None:
        """Report that the page was not confirmed; it is retransmitted, beginning with DCS."""
        self._attempts += 1
        self._reports.report(confirmed=False, response=self._reports.response)
        self._line.stop(Timer.T5)

    # --- for the other parts ------------------------------------------------------------------------------

    def put(self, request: int, data: bytes) -> bool:
        """Accept a coded page; true if it is the one on the line."""
        return self.buffer.put(request, data) == self._index

    def fail(self, request: int, error: str) -> bool:
        """A page cannot be coded; true if it is the one on the line."""
        return self.buffer.fail(request, error) == self._index

    def error(self) -> str:
        """Why the page cannot be coded."""
        return self.buffer.error(self._index) or ""

    @property
    def octets(self) -> bytes:
        """The coded page."""
        return self._coded() or b""

    def what_follows(self) -> FCF:
        """EOP, MPS or EOM."""
        # MPS even if the next page cannot be coded: EOP would present the fax as complete.
        index = self._index + 1
        if index >= len(self._formats):
            return FCF.EOP
        choice = self._chosen(index)
        # EOM returns to phase B, where the new DCS takes its place (5.3.6.1.6); MPS keeps the mode.
        return FCF.MPS if choice is not None and choice.dcs == self._phase_b.choice.dcs else FCF.EOM

    @property
    def page_counter(self) -> int:
        """The page counter of PPS: from 0, modulo 256 (A.4.3)."""
        # Counted from the first page of this call: a fax that is continued begins at 0 again.
        return self._index - self._first & 0xFF

    @property
    def position(self) -> str:
        """The page number, in words."""
        count = len(self._formats)
        return f"page {min(self._index + 1, count)} of {count}"

    def prepare(self, index: int) -> None:
        """Request the coding of page ``index``, if it exists and is not available yet."""
        if index >= len(self._formats):
            return
        choice = self._chosen(index)
        wanted = None if choice is None else self.buffer.want(index, choice.mode)
        if wanted is not None:
            self._asked = True
            self._line.emit(wanted)

    # --- internals ----------------------------------------------------------------------------------------

    def _chosen(self, index: int) -> Choice | None:
        return self._phase_b.choose(self._formats[index])

    def _coded(self) -> bytes | None:
        return self.buffer.get(self._index, self._phase_b.choice.mode)

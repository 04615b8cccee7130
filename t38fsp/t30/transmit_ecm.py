"""The transmitter's error correction: blocks, PPS, and its responses (T.30 annex A, figure A.7)."""

from __future__ import annotations

from collections.abc import Collection

from t38fsp.t30.dcs_choice import Choice
from t38fsp.t30.frames import (
    FCF,
    FrameError,
    PartialPageSignal,
    end_of_retransmission,
    parse_partial_page_request,
)
from t38fsp.t30.half_duplex import HalfDuplexLine, Timer
from t38fsp.t30.outgoing_blocks import BlockSender, frames_per_burst
from t38fsp.t30.outputs import Negotiated, RoundTripMeasured
from t38fsp.t30.record import PageReports
from t38fsp.t30.transmit_command import Command
from t38fsp.t30.transmit_pages import TransmitPages
from t38fsp.t30.transmit_phase_b import TransmitPhaseB
from t38fsp.t30.vocabulary import HdlcBurst

_PROBE = 16
"""Frames of the first block without modem pace; its response measures the path."""

_MANY = 8
"""Frames. A far end that loses most of this number is overrun: by a gateway after all, or by a slow path."""


class TransmitEcm:
    """Sends a page in blocks."""

    _block: BlockSender  # since the first image
    _choice_before: Choice  # since the first CTC

    def __init__(
        self,
        line: HalfDuplexLine,
        reports: PageReports,
        command: Command,
        phase_b: TransmitPhaseB,
        pages: TransmitPages,
    ) -> None:
        self._line = line
        self._reports = reports
        self._command = command
        self._phase_b = phase_b
        self._pages = pages
        self._page = b""
        self._image_began = 0.0
        self._whole_blocks = False
        """The far end does not support short ones."""
        self._ctc_refused = False
        self._probed = False
        """A block was sent without modem pace."""
        self._enough = False

    # --- guards -------------------------------------------------------------------------------------------

    def more_blocks(self) -> bool:
        """PPS-NULL: other blocks of the page follow."""
        return self._pages.following is None

    def ppr_valid(self) -> bool:
        """The PPR has a bit for each of 256 frames."""
        return self._flagged() is not None

    def enough_requests(self) -> bool:
        """This was the fourth PPR for the block (A.4.3)."""
        return self._enough

    def progressed(self) -> bool:
        """Fewer frames are missing than when the count of requests was last reset."""
        return self._block.progressed

    def ctc_refused(self) -> bool:
        """The far end does not support CTC."""
        return self._ctc_refused

    def may_continue(self) -> bool:
        """CTC can help: there is a lower rate, or there was progress at this one."""
        if not self._phase_b.options.continue_to_correct:
            return False
        return self._phase_b.internet_aware() or self._phase_b.rate_left() or self._block.progressed

    # --- actions ------------------------------------------------------------------------------------------

    def first_block(self) -> None:
        """Begin the page with block 0."""
        self._page = self._pages.octets
        self._begin_block(0, 0)

    def next_block(self) -> None:
        """Begin the block after the confirmed one."""
        self._begin_block(self._block.block.end, self._block.number + 1)

    def send_frames(self) -> None:
        """Send the missing frames, up to the limit of a burst, and RCP."""
        line = self._line
        repeats = self._block.repeats
        frames = self._block.next_burst()
        if self._reports.record is not None:
            self._reports.record.repeats += self._block.repeats - repeats
        self._image_began = line.now
        short = self._phase_b.short_training
        self._phase_b.long_training = False
        line.play(HdlcBurst(self._phase_b.choice.modem, frames, short, modem_paced=line.modem_paced))

    def send_pps(self) -> None:
        """PPS with NULL, or with MPS, EOM or EOP after the last block (A.4.3)."""
        block = self._block
        # Decided when the PPS is sent: until then the next page may have become known to need another mode.
        following = self._pages.what_follows() if block.block.last else None
        self._pages.following = following
        signal = PartialPageSignal(following, self._pages.page_counter, block.number, block.announced)
        fif = signal.to_fif(x=self._line.x)
        self._command.send(str(signal), self._line.frames((FCF.PPS, fif)))

    def block_confirmed(self) -> None:
        """Stop T5; without a modem report the path measured by the response."""
        self._line.stop(Timer.T5)
        self._line.stop(Timer.STALL)
        self._weigh_turn(())

    def read_request(self) -> None:
        """Record the missing frames of a PPR, and count it."""
        flagged = self._flagged()
        assert flagged is not None, "the guard has parsed it"
        self._line.stop(Timer.T5)
        self._weigh_turn(flagged)
        self._enough = not self._block.requested(flagged)
        # For the rest of the call: what this receiver cannot do it will not learn.
        self._whole_blocks = self._block.whole

    def count_requests_anew(self) -> None:
        """Allow four more PPRs."""
        self._block.begin_again(self._block.per_burst)

    def ask_to_continue(self) -> None:
        """CTC with the next lower rate; at the lowest with the same, while there is progress."""
        if self._phase_b.choice.modem_paced:
            self._phase_b.step_down()
        else:
            self._phase_b.leave_internet_aware_mode("frames were lost repeatedly")
        self.send_ctc()

    def send_ctc(self) -> None:
        """CTC with the highest remaining rate."""
        self._choice_before = self._phase_b.choice
        self._take_choice(self._choice_before.at(self._phase_b.best_modem))
        fif = self._phase_b.choice.rate_fif
        self._command.send("CTC", self._line.frames((FCF.CTC, fif)))

    def continue_at_rate(self) -> None:
        """Process CTR: report the rate; the next training is long (A.4.3)."""
        choice = self._phase_b.choice
        self._line.emit(Negotiated(choice.mode, choice.modem))
        self._phase_b.long_training = True

    def return_to_old_rate(self) -> None:
        """PPR instead of CTR: send no more CTC, and keep the old rate; the next page uses the lower one."""
        self._ctc_refused = True
        # The frames are then sent at the rate that the receiver still expects.
        self._take_choice(self._choice_before)

    def note_ctc_refused(self) -> None:
        """Send no more CTC: some receivers do not support it."""
        self._ctc_refused = True

    def send_eor(self) -> None:
        """EOR with the post-message command: give up the block (A.4.3)."""
        following = self._pages.following
        fif = end_of_retransmission(following, x=self._line.x)
        self._command.send(f"EOR-{following or 'NULL'}", self._line.frames((FCF.EOR, fif)))

    def send_rr(self) -> None:
        """RR; T5 runs from the first RNR (A.5.4.1)."""
        line = self._line
        # T5 bounds the whole time of being busy, however many RNR there are (A.5.4.1).
        if not line.runs(Timer.T5):
            line.start(Timer.T5, line.durations.t5)
        self._command.send("RR", line.frames((FCF.RR, b"")))

    # --- in words -----------------------------------------------------------------------------------------

    def stalled(self) -> str:
        """The time limit that the block exceeded."""
        return f"one block took more than {self._line.durations.stall:.0f} s"

    # --- inside -------------------------------------------------------------------------------------------

    def _begin_block(self, start: int, number: int) -> None:
        choice = self._phase_b.choice
        per_burst = frames_per_burst(choice.modem, choice.frame_size)
        if not self._line.modem_paced and not self._probed:
            self._probed = True
            per_burst = _PROBE
        self._block = BlockSender(
            self._page, start, number, choice.frame_size, per_burst, whole=self._whole_blocks
        )
        self._line.start(Timer.STALL, self._line.durations.stall)

    def _take_choice(self, choice: Choice) -> None:
        self._phase_b.choice = choice
        self._block.begin_again(frames_per_burst(choice.modem, choice.frame_size))
        if self._reports.record is not None:
            self._reports.record.mode = choice.mode

    def _flagged(self) -> Collection[int] | None:
        try:
            return parse_partial_page_request(self._line.fif)
        except FrameError:
            return None

    def _weigh_turn(self, flagged: Collection[int]) -> None:
        """Without a modem: report the path measured by the response, or fall back to modem pace."""
        if self._line.modem_paced:
            return
        sent = self._block.on_line
        missing = len(set(flagged).intersection(sent))
        if len(sent) >= _MANY and missing > len(sent) / 2:
            self._phase_b.leave_internet_aware_mode("most of a block was lost")
            return
        # The response to the last block of a page waits for its storage at the far end.
        stored = not missing and self._pages.following is not None
        burst = self._line.sent_at - self._image_began
        self._line.emit(RoundTripMeasured(self._phase_b.turn, burst, len(sent), missing, stored))

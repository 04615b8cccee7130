"""The receiver's error correction: frames, PPS and its responses (T.30 annex A, figure A.8).

``t38fsp.t30.incoming_blocks`` assigns frames to blocks.
"""

from __future__ import annotations

from t38fsp.t30.frames import (
    FCF,
    PLAIN_COMMANDS,
    Frame,
    FrameError,
    PartialPageSignal,
    parse_end_of_retransmission,
    parse_image_frame,
    partial_page_request,
)
from t38fsp.t30.half_duplex import HalfDuplexLine
from t38fsp.t30.incoming_blocks import IncomingBlocks, Standing
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.receive_answer import Answer
from t38fsp.t30.receive_pages import ReceivePages
from t38fsp.t30.receive_phase_b import ReceivePhaseB
from t38fsp.t30.record import PageReports


class ReceiveEcm:
    """Collects the frames of a block until it is complete at a PPS."""

    _pps: PartialPageSignal  # since the first PPS

    def __init__(
        self,
        line: HalfDuplexLine,
        reports: PageReports,
        answer: Answer,
        phase_b: ReceivePhaseB,
        pages: ReceivePages,
    ) -> None:
        self._line = line
        self._reports = reports
        self._answer = answer
        self._phase_b = phase_b
        self._pages = pages
        self._blocks = IncomingBlocks(256)
        self._standing = Standing.INCOMPLETE
        self._asked_for = False
        """An image burst came with the PPS, which is then not just a repetition."""
        self._burst_heard = False
        """An image burst came since the last PPS."""
        self._requests = 0
        """Responses that requested frames (PPR, CTR) and were not followed by any yet."""
        self._page_goes_on = False

    # --- guards -------------------------------------------------------------------------------------------

    def pps_valid(self) -> bool:
        """The PPS can be read."""
        return self._parsed_pps() is not None

    def eor_valid(self) -> bool:
        """The EOR can be read."""
        try:
            parse_end_of_retransmission(self._line.fif)
        except FrameError:
            return False
        return True

    def incomplete(self) -> bool:
        """Frames of the block are missing."""
        return self._standing is Standing.INCOMPLETE

    def complete(self) -> bool:
        """Every frame of the block is there."""
        return self._standing is Standing.COMPLETE

    def repeated(self) -> bool:
        """The PPS is for the last taken block: the response was lost, or not yet received."""
        return self._standing is Standing.REPEATED

    def skipped(self) -> bool:
        """The transmitter treats a block as confirmed that was not."""
        return self._standing is Standing.SKIPPED

    def page_goes_on(self) -> bool:
        """The command was PPS-NULL or EOR-NULL: other blocks of the page follow."""
        return self._page_goes_on

    def request_on_its_way(self) -> bool:
        """The same PPR is being sent, and no burst came with the PPS: it answers this PPS, too."""
        return not self._asked_for and self._line.on_line == self._line.frames(self._request())

    def answer_on_its_way(self) -> bool:
        """The PPS came with frames requested by a surplus PPR, so it was sent before our response."""
        return self._asked_for and self._requests > 0

    def eor_repeated(self) -> bool:
        """The EOR repeats the last command, and no part of a block was received since."""
        return self._blocks.untouched and self._answer.answered(FCF.EOR, self._line.fif[:1])

    # --- actions ------------------------------------------------------------------------------------------

    def begin_page(self) -> None:
        """Discard blocks received before the DCS."""
        self._blocks = IncomingBlocks(self._phase_b.choice.frame_size)

    def take_frame(self) -> None:
        """Keep the frame until its PPS arrives."""
        try:
            frame = Frame.parse(self._line.octets)
            if frame.fcf is not FCF.FCD:
                return
            number, part = parse_image_frame(frame)
        except FrameError:
            return
        if self._answer.repeats:
            if self._line.sending():
                # The first response arrived after all; the repetition would be taken as one to these frames.
                self._line.stop_sending()
        elif self._blocks.between and (self._line.queue or self._answer.unheard):
            # Otherwise a repetition of the last block would be taken for the beginning of the next one, which
            # has no number of its own.
            return  # sent before our response could arrive, so it belongs to the previous block
        self._pages.begin()
        self._blocks.add(number, part)

    def read_pps(self) -> None:
        """Identify the block of the PPS by its counters, and find its missing frames."""
        signal = self._parsed_pps()
        assert signal is not None, "the guard has parsed it"
        self._pps = signal
        self._page_goes_on = signal.following is None
        self._asked_for, self._burst_heard = self._burst_heard, False
        begun = self._blocks.begun
        self._standing = self._blocks.signal(signal)
        self._count_repeats()
        if not begun and self._standing is not Standing.REPEATED:
            self._requests = 0

    def keep_request(self) -> None:
        """Send nothing after the PPR that is being sent."""
        self._line.queue.clear()

    def send_ppr(self) -> None:
        """PPR with a bit for every frame that is missing or does not exist (A.4.4)."""
        self._answer.respond(self._request())
        # Frames came with this PPS, so one of the requests before has been met.
        self._requests = max(self._requests - self._asked_for, 0) + 1

    def take_block(self) -> None:
        """Pass on the octets of the block."""
        # The PPRs that were not acted on yet; one that has not begun will not be sent.
        self._requests = max(self._requests - 1 - bool(self._line.queue), 0)
        signal = self._pps
        self._answer.note(FCF.PPS, bytes((signal.page, signal.block)))
        octets = self._blocks.take(signal.following)
        if octets:
            self._pages.hand_up(octets)
        if signal.following is not None:
            self._pages.following = PLAIN_COMMANDS.get(signal.following, signal.following)

    def confirm_block(self) -> None:
        """MCF: the block is complete."""
        self._phase_b.bound_page()
        self._answer.respond((FCF.MCF, b""))

    def forget_empty_page(self) -> None:
        """The next page has not begun after all: its first frames were repetitions for this one."""
        if self._reports.record is not None and self._reports.record.octets == 0:
            self._reports.record = None

    def count_request(self) -> None:
        """The frames for a surplus PPR have arrived."""
        self._requests -= 1

    def wait_on(self) -> None:
        """Send nothing; wait for the next command."""
        if not self._line.sending():
            self._answer.await_command()

    def repeat_answer(self) -> None:
        """Retransmit the response, unless something is being sent."""
        repeats = self._answer.repeats
        self._answer.repeat()
        if self._answer.repeats > repeats and not self._blocks.begun:
            self._blocks.answered_again()

    def count_ctr(self) -> None:
        """Count a CTR, which requests frames like PPR."""
        self._requests += 1

    def give_up_block(self) -> None:
        """Pass on the received part of the block; the page will not be confirmed."""
        following = parse_end_of_retransmission(self._line.fif)
        self._answer.note(FCF.EOR, self._line.fif[:1])
        self._requests = 0
        octets = self._blocks.give_up()
        self._count_repeats()
        if octets:
            self._pages.hand_up(octets)
        self._reports.shortfall = T30Failure.ECM_FAILED
        self._pages.mark_damaged()
        self._page_goes_on = following is None
        if following is not None:
            self._pages.following = PLAIN_COMMANDS.get(following, following)

    def send_err(self) -> None:
        """ERR, after which a command is due."""
        self._answer.respond((FCF.ERR, b""))

    def send_err_before_dis(self) -> None:
        """ERR, after which DIS is due."""
        self._answer.before_silence((FCF.ERR, b""))

    # --- for the machine ----------------------------------------------------------------------------------

    def burst_begins(self) -> None:
        """An image carrier began: a PPS for the frames so far may have been missed."""
        self._burst_heard = True
        self._blocks.break_off()

    def gap_heard(self) -> None:
        """Packets were lost: a PPS for the frames so far may have been missed."""
        self._blocks.break_off()

    # --- internals ----------------------------------------------------------------------------------------

    def _parsed_pps(self) -> PartialPageSignal | None:
        try:
            return PartialPageSignal.parse(self._line.fif)
        except FrameError:
            return None

    def _request(self) -> tuple[FCF, bytes]:
        return FCF.PPR, partial_page_request(self._blocks.present)

    def _count_repeats(self) -> None:
        repeats = self._blocks.take_repeats()
        if self._reports.record is not None:
            self._reports.record.repeats += repeats

"""The transmitter's error correction: blocks, PPS, and what may come of it (T.30 annex A, figure A.7)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection

from t38fsp.t30.choice import Choice
from t38fsp.t30.ecm import BlockSender, frames_per_burst
from t38fsp.t30.frames import (
    FCF,
    Frame,
    FrameError,
    PartialPageSignal,
    end_of_retransmission,
    parse_partial_page_request,
)
from t38fsp.t30.negotiation import Negotiation, State
from t38fsp.t30.outputs import Negotiated, T30Error, TurnTaken
from t38fsp.t30.session import Timer
from t38fsp.t30.vocabulary import HdlcBurst, Modem, RawBurst

_PROBE = 16
"""Frames of the first block without the pace of a modem: its answer tells what the path takes."""


_MANY = 8
"""Frames. Whoever loses most of so many is overrun: a gateway after all, or a path that is no better."""


class Correction(Negotiation):
    """A transmitter that can get a page across in blocks."""

    _block: BlockSender  # since the first image, with ECM
    _choice_before: Choice  # since the first CTC

    _following: FCF | None = None
    """What our post-message command says; None for PPS-NULL."""
    _whole_blocks = False
    """The far end takes no short ones."""
    _refuses_ctc = False
    _image_began = 0.0
    _probed = False
    """A block has gone without the pace of a modem."""

    @abstractmethod
    def _page_confirmed(self, response: FCF) -> None:
        """The page is over there."""

    @abstractmethod
    def _page_again(self, response: str, error: T30Error) -> None:
        """The page from DCS on, unless it was tried often enough."""

    @abstractmethod
    def _what_follows(self) -> FCF:
        """The post-message command for the page on the line."""

    @property
    def _short_training(self) -> bool:
        """V.17 trains at length only for TCF and after CTR."""
        return self._choice.modem.modulation == "V.17" and not self._long_training

    def _send_image(self, burst: HdlcBurst | RawBurst) -> None:
        self._state = State.IMAGE
        self._image_began = self._now
        self._long_training = False
        self._play(burst)

    # --- blocks -------------------------------------------------------------------------------------------

    def _send_block(self, page: bytes, start: int, number: int) -> None:
        size = self._choice.frame_size
        per_burst = frames_per_burst(self._choice.modem, size)
        if not self._paced and not self._probed:
            self._probed = True
            per_burst = _PROBE
        self._block = BlockSender(page, start, number, size, per_burst, whole=self._whole_blocks)
        self._start(Timer.STALL, self._timers.stall)
        self._send_frames()

    def _send_frames(self) -> None:
        if self._outpaces and not self._refuses_ctc:
            self._continue_at(self._ladder[0])
            return
        repeats = self._block.repeats
        frames = self._block.next_burst()
        if self._record is not None:
            self._record.repeats += self._block.repeats - repeats
        burst = HdlcBurst(self._choice.modem, frames, self._short_training, paced=self._paced)
        self._send_image(burst)

    def _end_of_block(self) -> None:
        """PPS, and in it what follows (A.4.3)."""
        block = self._block
        self._following = self._what_follows() if block.block.last else None
        page = self._index - self._first
        signal = PartialPageSignal(self._following, page & 0xFF, block.number, block.announced)
        fif = signal.to_fif(x=self._x)
        self._send_command(State.PPS, str(signal), self._frames((FCF.PPS, fif)))

    def _block_confirmed(self, frame: Frame) -> None:
        """MCF, PIP or RTP; of the last block it confirms the page. Within a page nobody trains again."""
        self._stop(Timer.T5)
        self._stop(Timer.STALL)
        self._weigh_turn(())
        data = self._supply.get(self._index, self._choice.mode)
        if self._following is None and data is not None:
            self._send_block(data, self._block.block.end, self._block.number + 1)
        else:
            self._page_confirmed(frame.fcf)

    def _weigh_turn(self, flagged: Collection[int]) -> None:
        if self._paced:
            return
        sent = self._block.on_line
        missing = len(set(flagged).intersection(sent))
        if len(sent) >= _MANY and missing > len(sent) / 2:
            self._keep_pace("most of a block was lost")
            return
        stored = not missing and self._following is not None
        burst = self._sent_at - self._image_began
        self._emit(TurnTaken(self._turn, burst, len(sent), missing, stored))

    # --- requests -----------------------------------------------------------------------------------------

    def _partial_page_requested(self, frame: Frame) -> None:
        """PPR: the flagged frames again; after the fourth time lower the rate or give up (A.4.3)."""
        try:
            flagged = parse_partial_page_request(frame.fif)
        except FrameError:
            return
        self._stop(Timer.T5)
        self._weigh_turn(flagged)
        enough = not self._block.requested(flagged)
        self._whole_blocks = self._block.whole
        if not enough:
            self._send_frames()
        elif self._refuses_ctc and self._block.progressed:
            self._block.begin_again(self._block.per_burst)
            self._send_frames()
        elif self._refuses_ctc and self._ladder[1:]:
            self._step_down()
            self._page_again(str(frame.fcf), T30Error.ECM_FAILED)
        elif self._may_continue():
            self._ask_to_continue()
        else:
            fif = end_of_retransmission(self._following, x=self._x)
            name = f"EOR-{self._following or 'NULL'}"
            self._send_command(State.ERR, name, self._frames((FCF.EOR, fif)))

    def _may_continue(self) -> bool:
        if self._refuses_ctc or not self._options.continue_to_correct:
            return False
        return not self._choice.paced or bool(self._ladder[1:]) or self._block.progressed

    def _ask_to_continue(self) -> None:
        """CTC with the next lower rate; at the lowest with the same, as long as that makes progress."""
        if self._choice.paced:
            self._step_down()
        else:
            self._keep_pace("frames were lost time and again")
        self._continue_at(self._ladder[0])

    def _continue_at(self, modem: Modem) -> None:
        self._choice_before = self._choice
        self._take_choice(self._choice.at(modem))
        self._send_command(State.CTR, "CTC", self._frames((FCF.CTC, self._choice.rate_fif)))

    def _take_choice(self, choice: Choice) -> None:
        self._choice = choice
        self._block.begin_again(frames_per_burst(choice.modem, choice.frame_size))
        if self._record is not None:
            self._record.mode = choice.mode

    def _continue(self, _: Frame) -> None:
        """CTR: the rest of the block, after long training."""
        self._emit(Negotiated(self._choice.mode, self._choice.modem))
        self._long_training = True
        self._send_frames()

    def _ctc_unanswered(self) -> None:
        """Some receivers know no CTC; every one knows DCS for that rate, at the price of the whole page."""
        if self._tries < self._options.tries:
            self._repeat()
        else:
            self._refuses_ctc = True
            self._page_again("T4", T30Error.NO_ANSWER_TO_PAGE)

    def _ctc_refused(self, _: Frame) -> None:
        """PPR instead of CTR: on at the rate that it knows. The next page takes the lower one."""
        self._refuses_ctc = True
        self._take_choice(self._choice_before)
        self._send_frames()

    def _given_up(self, _: Frame) -> None:
        """ERR: the far end knows that the page is incomplete, and so is the document."""
        self._end(T30Error.ECM_FAILED, response="ERR")

    def _stalled(self) -> None:
        self._end(T30Error.ECM_FAILED, f"one block took more than {self._timers.stall:.0f} s")

    # --- flow control -------------------------------------------------------------------------------------

    def _not_ready(self, _: Frame) -> None:
        """RNR: ask with RR until T5 (A.5.4.1)."""
        if not self._runs(Timer.T5):
            self._start(Timer.T5, self._timers.t5)
        after_eor = self._state in (State.ERR, State.BUSY_ERR)
        self._send_command(State.BUSY_ERR if after_eor else State.BUSY, "RR", self._frames((FCF.RR, b"")))

    def _busy_too_long(self) -> None:
        self._end(T30Error.RECEIVER_BUSY, response="RNR")

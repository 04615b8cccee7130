"""The transmitter: from the DIS of the far end to our DCN (T.30 figure 5-2, ECM figure A.7).

Answers of the far end that are not in the table of the state, and timers that are not, are ignored: they are
late, echoes, or noise. An answer counts only if its carrier came after our command was over. A command
without an answer is sent three times (5.4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from t38fsp.t30.ecm import BlockSender
from t38fsp.t30.frames import (
    FCF,
    Frame,
    FrameError,
    PartialPageSignal,
    end_of_retransmission,
    parse_partial_page_request,
)
from t38fsp.t30.negotiation import COMMANDING, Negotiation, State
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.outputs import Negotiated, PageBegun, T30Error
from t38fsp.t30.record import PageRecord
from t38fsp.t30.session import Timer
from t38fsp.t30.vocabulary import DataReceived, FrameReceived, HdlcBurst, PageFormat, RawBurst

_REPLY_OVERLAP = 0.25
"""An answer may begin this long before our burst is reported as sent, for its tail outlasts 75 ms."""


class Transmitter(Negotiation):
    """Sends ``pages`` (at least one) to whoever answers.

    Outputs are drained with ``take_outputs``. Nothing is sent before ``start``, no DCS before ``proceed``.

    Raises:
        ValueError: no pages.
    """

    _block: BlockSender  # since the first image, with ECM

    def __init__(self, pages: Sequence[PageFormat], options: TransmitOptions) -> None:
        if not pages:
            raise ValueError("a fax has at least one page")
        super().__init__(pages, options)
        self._attempts = 0
        self._following: FCF | None = None

    # --- pages as coded octets ----------------------------------------------------------------------------

    def page_ready(self, request: int, data: bytes, now: float) -> None:
        """The coded page that PageWanted asked for, exactly as it goes on the line."""
        if self._finished:
            return
        if not data:
            self.page_failed(request, "it was coded into nothing", now)
            return
        self._now = now
        if self._supply.put(request, data) == self._index and self._state is State.PAGE:
            self._begin_page()

    def page_failed(self, request: int, error: str, now: float) -> None:
        """The page cannot be coded. The page on the line is finished first; then the session ends."""
        if self._finished:
            return
        self._now = now
        if self._supply.fail(request, error) == self._index and self._state is State.PAGE:
            self._end(T30Error.PAGE_UNAVAILABLE, error)

    # --- phase C ------------------------------------------------------------------------------------------

    def _begin_page(self) -> None:
        """The image, or a short silence until it is there."""
        error = self._supply.error(self._index)
        data = self._supply.get(self._index, self._choice.mode)
        if error is not None:
            self._end(T30Error.PAGE_UNAVAILABLE, error)
        elif data is not None:
            self._stop(Timer.PAGE)
            self._send_page(data)
        else:
            self._state = State.PAGE
            self._start(Timer.PAGE, self._timers.page_wait)
            self._want(self._index)

    def _page_too_late(self) -> None:
        self._end(T30Error.PAGE_UNAVAILABLE, "it took longer than the far end waits")

    def _send_page(self, data: bytes) -> None:
        choice = self._choice
        repeats = 0 if choice.mode.ecm else self._attempts
        self._record = PageRecord(self._index, choice.mode, self._now, len(data), repeats)
        self._emit(PageBegun(self._index, choice.mode))
        if choice.mode.ecm:
            self._send_block(BlockSender(data, 0, choice.frame_size))
        else:
            self._send_image(RawBurst(choice.modem, data, self._short_training))
        self._want(self._index + 1)

    def _send_block(self, block: BlockSender) -> None:
        self._block = block
        self._send_frames()

    def _send_frames(self) -> None:
        frames = self._block.burst_frames()
        self._send_image(HdlcBurst(self._choice.modem, frames, self._short_training))

    @property
    def _short_training(self) -> bool:
        """V.17 trains at length only for TCF and after CTR."""
        return self._choice.modem.modulation == "V.17" and not self._long_training

    def _send_image(self, burst: HdlcBurst | RawBurst) -> None:
        self._state = State.IMAGE
        self._long_training = False
        self._play(burst)

    # --- phase D ------------------------------------------------------------------------------------------

    def _post_message(self) -> None:
        """The image is out: say what follows (5.3.6.1.6, A.4.3)."""
        following = self._what_follows()
        if not self._choice.mode.ecm:
            self._following = following
            self._send_command(State.MCF, str(following), self._frames((following, b"")))
            return
        block = self._block
        self._following = following if block.block.last else None
        signal = PartialPageSignal(self._following, self._index & 0xFF, block.number, len(block.outstanding))
        fif = signal.to_fif(x=self._x)
        self._send_command(State.PPS, str(signal), self._frames((FCF.PPS, fif)))

    def _what_follows(self) -> FCF:
        index = self._index + 1
        if index >= len(self._pages) or self._supply.error(index) is not None:
            return FCF.EOP
        choice = self._choose(index)
        return FCF.MPS if choice is not None and choice.dcs == self._choice.dcs else FCF.EOM

    def _message_confirmed(self, frame: Frame) -> None:
        """MCF, PIP or RTP without ECM."""
        self._page_confirmed(frame.fcf)

    def _block_confirmed(self, frame: Frame) -> None:
        """MCF or PIP with ECM; of the last block it confirms the page."""
        self._stop(Timer.T5)
        data = self._supply.get(self._index, self._choice.mode)
        if self._following is None and data is not None:
            self._send_block(BlockSender(data, self._block.number + 1, self._choice.frame_size))
        else:
            self._page_confirmed(frame.fcf)

    def _page_confirmed(self, response: FCF) -> None:
        self._pages_confirmed += 1
        self._report(confirmed=True, response=str(response))
        self._supply.drop(self._index)
        self._index += 1
        self._attempts = 0
        if self._following is FCF.EOP:
            missing = self._supply.error(self._index)
            self._end(None if missing is None else T30Error.PAGE_UNAVAILABLE, missing or "")
        elif self._following is FCF.EOM:
            self._await_dis()
        elif response is FCF.RTP:
            self._train()
        else:
            self._begin_page()

    def _message_refused(self, frame: Frame) -> None:
        """RTN or PIN: the page again, at a lower rate where there is one (5.3.6.1.7)."""
        self._page_again(str(frame.fcf), T30Error.PAGE_REFUSED)

    def _page_again(self, response: str, error: T30Error) -> None:
        """The page from DCS on, at a lower rate where there is one, unless it was tried often enough."""
        if self._another_attempt(response, error):
            self._stop(Timer.T5)
            self._step_down()
            self._train()

    def _another_attempt(self, response: str, error: T30Error) -> bool:
        self._attempts += 1
        if self._attempts >= self._options.page_tries:
            self._end(error, response=response)
            return False
        self._report(confirmed=False, response=response)
        return True

    def _started_over(self, frame: Frame) -> None:
        """DIS instead of a confirmation: the far end has lost the page and begins anew."""
        if self._another_attempt(str(frame.fcf), T30Error.PROTOCOL) and self._read_dis(frame):
            self._stop(Timer.T5)
            self._train()

    # --- error correction ---------------------------------------------------------------------------------

    def _partial_page_requested(self, frame: Frame) -> None:
        """PPR: the flagged frames again; after the fourth time lower the rate or give up (A.4.3)."""
        try:
            flagged = parse_partial_page_request(frame.fif)
        except FrameError:
            return
        self._stop(Timer.T5)
        if self._block.requested(flagged):
            self._resend()
        elif self._options.continue_to_correct and (self._ladder[1:] or self._block.progressed):
            self._ask_to_continue()
        else:
            fif = end_of_retransmission(self._following, x=self._x)
            name = f"EOR-{self._following or 'NULL'}"
            self._send_command(State.ERR, name, self._frames((FCF.EOR, fif)))

    def _resend(self) -> None:
        if self._record is not None:
            self._record.repeats += len(self._block.outstanding)
        self._send_frames()

    def _ask_to_continue(self) -> None:
        """CTC with the next lower rate; at the lowest with the same, as long as that makes progress."""
        self._step_down()
        self._block.begin_again()
        self._choice = self._choice.at(self._ladder[0])
        if self._record is not None:
            self._record.mode = self._choice.mode
        self._send_command(State.CTR, "CTC", self._frames((FCF.CTC, self._choice.rate_fif)))

    def _continue(self, _: Frame) -> None:
        """CTR: the rest of the block, after long training."""
        self._emit(Negotiated(self._choice.mode, self._choice.modem))
        self._long_training = True
        self._resend()

    def _correction_unanswered(self) -> None:
        """Some receivers do not know CTC; every receiver knows DCS, at the price of the whole page."""
        if self._tries < self._options.tries:
            self._repeat()
        else:
            self._page_again("T4", T30Error.NO_ANSWER_TO_PAGE)

    def _given_up(self, _: Frame) -> None:
        """ERR: the far end knows that the page is incomplete, and so is the document."""
        self._end(T30Error.ECM_FAILED, response="ERR")

    def _not_ready(self, _: Frame) -> None:
        """RNR: ask with RR until T5 (A.5.4.1)."""
        if not self._runs(Timer.T5):
            self._start(Timer.T5, self._timers.t5)
        after_eor = self._state in (State.ERR, State.BUSY_ERR)
        self._send_command(State.BUSY_ERR if after_eor else State.BUSY, "RR", self._frames((FCF.RR, b"")))

    def _busy_too_long(self) -> None:
        self._end(T30Error.RECEIVER_BUSY, response="RNR")

    # --- the line and the time ----------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        early = self._on_line is not None or self._carrier_began < self._sent_at - _REPLY_OVERLAP
        if early and self._state not in (State.DIS, State.LEAVE):
            return
        handler = _ANSWERS.get((self._state, frame.fcf))
        if handler is not None:
            handler(self, frame)

    def _image_heard(self, signal: FrameReceived | DataReceived | None) -> None:
        """A receiver sends no images."""

    def _all_sent(self) -> None:
        if self._state is State.IMAGE:
            self._post_message()
        elif self._state in COMMANDING:
            self._command_sent()

    def _timed_out(self, timer: Timer) -> None:
        handler = _TIMEOUTS.get((self._state, timer))
        if handler is not None:
            handler(self)

    def _ending(self) -> None:
        self._state = State.END
        self._supply.clear()

    def _complete(self) -> bool:
        return self._index >= len(self._pages)


_ANSWERS: Mapping[tuple[State, FCF], Callable[[Transmitter, Frame], None]] = {
    # 5.3.6.1.1 identification
    (State.DIS, FCF.DIS): Transmitter._dis,
    (State.DIS, FCF.DTC): Transmitter._polled,
    (State.LEAVE, FCF.DIS): Transmitter._dis,
    # 5.3.6.1.4 pre-message responses
    (State.CFR, FCF.CFR): Transmitter._confirmed_to_receive,
    (State.CFR, FCF.FTT): Transmitter._failed_to_train,
    (State.CFR, FCF.DIS): Transmitter._dis_again,
    (State.CFR, FCF.DTC): Transmitter._dis_again,
    (State.CFR, FCF.CRP): Transmitter._repeat,
    # 5.3.6.1.7 post-message responses; nobody here whom PIP or PIN could call
    (State.MCF, FCF.MCF): Transmitter._message_confirmed,
    (State.MCF, FCF.PIP): Transmitter._message_confirmed,
    (State.MCF, FCF.RTP): Transmitter._message_confirmed,
    (State.MCF, FCF.RTN): Transmitter._message_refused,
    (State.MCF, FCF.PIN): Transmitter._message_refused,
    (State.MCF, FCF.DIS): Transmitter._started_over,
    (State.MCF, FCF.CRP): Transmitter._repeat,
    # A.4.4 responses to a block
    (State.PPS, FCF.MCF): Transmitter._block_confirmed,
    (State.PPS, FCF.PIP): Transmitter._block_confirmed,
    (State.PPS, FCF.PPR): Transmitter._partial_page_requested,
    (State.PPS, FCF.PIN): Transmitter._message_refused,
    (State.PPS, FCF.RTN): Transmitter._message_refused,
    (State.PPS, FCF.RNR): Transmitter._not_ready,
    (State.PPS, FCF.DIS): Transmitter._started_over,
    (State.PPS, FCF.CRP): Transmitter._repeat,
    # A.5.4.1 flow control
    (State.BUSY, FCF.RNR): Transmitter._not_ready,
    (State.BUSY, FCF.MCF): Transmitter._block_confirmed,
    (State.BUSY, FCF.PIP): Transmitter._block_confirmed,
    (State.BUSY, FCF.PPR): Transmitter._partial_page_requested,
    (State.BUSY, FCF.PIN): Transmitter._message_refused,
    (State.BUSY, FCF.RTN): Transmitter._message_refused,
    (State.BUSY, FCF.DIS): Transmitter._started_over,
    (State.BUSY, FCF.CRP): Transmitter._repeat,
    # A.4.3 a lower rate, or the end of correction
    (State.CTR, FCF.CTR): Transmitter._continue,
    (State.CTR, FCF.DIS): Transmitter._started_over,
    (State.CTR, FCF.CRP): Transmitter._repeat,
    (State.ERR, FCF.ERR): Transmitter._given_up,
    (State.ERR, FCF.RNR): Transmitter._not_ready,
    (State.ERR, FCF.CRP): Transmitter._repeat,
    (State.BUSY_ERR, FCF.ERR): Transmitter._given_up,
    (State.BUSY_ERR, FCF.RNR): Transmitter._not_ready,
    (State.BUSY_ERR, FCF.CRP): Transmitter._repeat,
}

_TIMEOUTS: Mapping[tuple[State, Timer], Callable[[Transmitter], None]] = {
    # 5.4.3.1
    (State.DIS, Timer.T1): Transmitter._no_fax,
    (State.DIS, Timer.FRESH_DIS): Transmitter._train,
    (State.LEAVE, Timer.T1): Transmitter._no_leave,
    (State.CFR, Timer.T4): Transmitter._repeat,
    (State.PAGE, Timer.PAGE): Transmitter._page_too_late,
    (State.MCF, Timer.T4): Transmitter._repeat,
    (State.PPS, Timer.T4): Transmitter._repeat,
    (State.CTR, Timer.T4): Transmitter._correction_unanswered,
    (State.ERR, Timer.T4): Transmitter._repeat,
    (State.BUSY, Timer.T4): Transmitter._repeat,
    (State.BUSY, Timer.T5): Transmitter._busy_too_long,
    (State.BUSY_ERR, Timer.T4): Transmitter._repeat,
    (State.BUSY_ERR, Timer.T5): Transmitter._busy_too_long,
}

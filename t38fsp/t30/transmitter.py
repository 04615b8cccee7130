"""The transmitter: from the DIS of the far end to our DCN (T.30 figure 5-2, ECM figure A.7).

Answers of the far end that are not in the table of the state, and timers that are not, are ignored: they are
late, echoes, or noise. An answer counts only if its carrier came after our command was over. A command
without an answer is sent three times (5.4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.correction import Correction
from t38fsp.t30.ecm import LONGEST_BURST
from t38fsp.t30.fields import refusal_in_words
from t38fsp.t30.frames import FCF, Frame, FrameError
from t38fsp.t30.negotiation import COMMANDING, State
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.outputs import PageBegun, T30Error
from t38fsp.t30.record import PageRecord
from t38fsp.t30.session import Timer
from t38fsp.t30.vocabulary import CarrierLost, DataReceived, FrameReceived, PageFormat, RawBurst

_REPLY_OVERLAP = 0.25
"""An answer may begin this long before our burst is reported as sent, for its tail outlasts 75 ms."""


class Transmitter(Correction):
    """Sends ``pages`` to whoever answers, from page ``first`` (counted from 0) on.

    Outputs are drained with ``take_outputs``. Nothing is sent before ``start``, no DCS before ``proceed``.

    Raises:
        ValueError: no pages, or no page ``first``.
    """

    def __init__(self, pages: Sequence[PageFormat], options: TransmitOptions, first: int = 0) -> None:
        if not pages:
            raise ValueError("a fax has at least one page")
        if not 0 <= first < len(pages):
            raise ValueError(f"there is no page {first + 1} to begin with; the fax has {len(pages)}")
        super().__init__(pages, options, first)
        self._attempts = 0

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
        self._end(T30Error.PAGE_LATE)

    def _send_page(self, data: bytes) -> None:
        choice = self._choice
        repeats = 0 if choice.mode.ecm else self._attempts
        self._record = PageRecord(self._index, choice.mode, self._now, len(data), repeats)
        self._emit(PageBegun(self._index, choice.mode, len(data)))
        if choice.mode.ecm:
            self._send_block(data, 0, 0)
        else:
            self._warn_of_length(len(data) * 8 / choice.modem.rate)
            self._send_image(RawBurst(choice.modem, data, self._short_training))
        self._want(self._index + 1)

    # --- phase D ------------------------------------------------------------------------------------------

    def _post_message(self) -> None:
        """The image is out: say what follows (5.3.6.1.6, A.4.3)."""
        if self._choice.mode.ecm:
            self._end_of_block()
        else:
            self._following = following = self._what_follows()
            self._send_command(State.MCF, str(following), self._frames((following, b"")))

    def _what_follows(self) -> FCF:
        # Also where the next page cannot be coded: EOP would tell the far end that the fax is complete.
        index = self._index + 1
        if index >= len(self._pages):
            return FCF.EOP
        choice = self._choose(index)
        return FCF.MPS if choice is not None and choice.dcs == self._choice.dcs else FCF.EOM

    def _warn_of_length(self, seconds: float) -> None:
        if seconds > LONGEST_BURST:
            self._warn(
                f"page {self._index + 1} keeps the carrier up for {seconds:.0f} s without error correction; "
                f"many gateways cut it off after 90 s"
            )

    def _message_confirmed(self, frame: Frame) -> None:
        """MCF, PIP or RTP without ECM."""
        self._page_confirmed(frame.fcf)

    def _page_confirmed(self, response: FCF) -> None:
        self._pages_confirmed += 1
        self._report(confirmed=True, response=str(response))
        self._supply.drop(self._index)
        self._index += 1
        self._attempts = 0
        missing = self._supply.error(self._index)
        if self._following is FCF.EOP or missing is not None:
            self._state = State.PAGE
            self._end(None if missing is None else T30Error.PAGE_UNAVAILABLE, missing or "")
        elif self._following is FCF.EOM:
            self._await_dis()
        elif response is FCF.RTP or self._outpaces:
            self._train()
        else:
            # The same DCS, but the page may have to be made shorter.
            self._choice = self._choose(self._index) or self._choice
            self._begin_page()

    def _message_refused(self, frame: Frame) -> None:
        """RTN or PIN: the page again, at a lower rate where there is one (5.3.6.1.7)."""
        self._step_down()
        self._page_again(str(frame.fcf), T30Error.PAGE_REFUSED)

    def _page_again(self, response: str, error: T30Error) -> None:
        if self._another_attempt(response, error):
            self._stop(Timer.T5)
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
        try:
            Capabilities.parse(frame.fif)
        except FrameError:
            return  # nothing to go on with, so the page is not given up for it
        if not self._paced:
            self._keep_pace("the far end lost the page")
        if self._another_attempt(str(frame.fcf), T30Error.PROTOCOL) and self._read_dis(frame):
            self._stop(Timer.T5)
            self._train()

    # --- other line control signals (5.3.6.1.8) -----------------------------------------------------------

    def _field_refused(self, frame: Frame) -> None:
        """FNV: without the sub-address or the identity the fax might go to the wrong person."""
        self._end(T30Error.FIELD_REFUSED, refusal_in_words(frame.fif), str(frame.fcf))

    def _ready_wanted(self, _: Frame) -> None:
        """TR, while the page is being prepared: not yet."""
        if self._on_line is None:
            self._play(self._frames((FCF.TNR, b"")))

    # --- the line and the time ----------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        early = self._on_line is not None or self._carrier_began < self._sent_at - _REPLY_OVERLAP
        if early and self._state not in (State.DIS, State.LEAVE):
            return
        fcf = self._in_our_role(frame.fcf)
        handler = None if fcf is None else _ANSWERS.get((self._state, fcf))
        if handler is not None:
            handler(self, frame)

    def _in_our_role(self, fcf: FCF) -> FCF | None:
        """The table is that of a caller, to whom a DIS says what the far end can do."""
        return fcf

    def _gap_heard(self) -> None:
        """What was lost comes again, or is asked for again."""

    def _image_heard(self, signal: FrameReceived | DataReceived | CarrierLost) -> None:
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
    (State.CFR, FCF.CRP): Transmitter._repeat,
    (State.CFR, FCF.FNV): Transmitter._field_refused,
    (State.PAGE, FCF.TR): Transmitter._ready_wanted,
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
    (State.PPS, FCF.RTP): Transmitter._block_confirmed,
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
    (State.BUSY, FCF.RTP): Transmitter._block_confirmed,
    (State.BUSY, FCF.PIN): Transmitter._message_refused,
    (State.BUSY, FCF.RTN): Transmitter._message_refused,
    (State.BUSY, FCF.DIS): Transmitter._started_over,
    (State.BUSY, FCF.CRP): Transmitter._repeat,
    # A.4.3 a lower rate, or the end of correction
    (State.CTR, FCF.CTR): Transmitter._continue,
    (State.CTR, FCF.PPR): Transmitter._ctc_refused,
    (State.CTR, FCF.ERR): Transmitter._given_up,
    (State.CTR, FCF.DIS): Transmitter._started_over,
    (State.CTR, FCF.CRP): Transmitter._repeat,
    (State.ERR, FCF.ERR): Transmitter._given_up,
    (State.ERR, FCF.RNR): Transmitter._not_ready,
    (State.ERR, FCF.DIS): Transmitter._started_over,
    (State.ERR, FCF.CRP): Transmitter._repeat,
    (State.BUSY_ERR, FCF.ERR): Transmitter._given_up,
    (State.BUSY_ERR, FCF.RNR): Transmitter._not_ready,
    (State.BUSY_ERR, FCF.DIS): Transmitter._started_over,
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
    (State.CTR, Timer.T4): Transmitter._ctc_unanswered,
    (State.ERR, Timer.T4): Transmitter._repeat,
    (State.BUSY, Timer.T4): Transmitter._repeat,
    (State.BUSY, Timer.T5): Transmitter._busy_too_long,
    (State.BUSY_ERR, Timer.T4): Transmitter._repeat,
    (State.BUSY_ERR, Timer.T5): Transmitter._busy_too_long,
    # who asks for less and less would be sent to for hours
    **{
        (state, Timer.STALL): Transmitter._stalled
        for state in (State.IMAGE, State.PPS, State.BUSY, State.CTR, State.ERR, State.BUSY_ERR)
    },
}

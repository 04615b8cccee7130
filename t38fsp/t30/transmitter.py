"""The transmitter: from the DIS of the far end to our DCN (T.30 figure 5-2, ECM figure A.7).

Answers of the far end that are not in the table of the state, and timers that are not, are ignored: they are
late, echoes, or noise. An answer counts only if its carrier came after our command was over. A command
without an answer is sent three times (5.4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum

from t38fsp.t30.capabilities import Capabilities, Choice, choose_mode
from t38fsp.t30.ecm import Block, BlockFrames
from t38fsp.t30.fallback import DESCENDING, ladder
from t38fsp.t30.frames import (
    FCF,
    Frame,
    FrameError,
    PartialPageSignal,
    encode_station_id,
    end_of_retransmission,
    parse_partial_page_request,
)
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.outputs import (
    Negotiated,
    PageBegun,
    PageOutcome,
    PageWanted,
    T30Error,
)
from t38fsp.t30.session import Session, Timer
from t38fsp.t30.training import training_check
from t38fsp.t30.vocabulary import (
    Burst,
    DataReceived,
    FrameReceived,
    HdlcBurst,
    Modem,
    PageFormat,
    PageMode,
    RawBurst,
    Tone,
    ToneBurst,
)

_REPLY_OVERLAP = 0.25
"""An answer may begin this long before our burst is reported as sent, for its tail outlasts 75 ms."""

_FRESH = 2.0
"""A DIS that ended so long ago is about to be repeated; wait for it rather than collide."""

_FRESH_DIS_LIMIT = 5.0

_PPR_LIMIT = 4
"""A.4.3: after the fourth PPR for a block comes CTC or EOR."""

_CANCELLED_REPEAT = 0.9
"""A repeat that is still in its preamble gives way to an answer."""


class State(Enum):
    """What the transmitter waits for."""

    IDLE = "the start"
    DIS = "DIS"
    LEAVE = "leave to send"
    CFR = "the answer to DCS"
    PAGE = "the page to be prepared"
    IMAGE = "the end of the image"
    MCF = "the answer to the post-message command"
    PPS = "the answer to PPS"
    BUSY = "the end of RNR"
    CTR = "the answer to CTC"
    ERR = "the answer to EOR"
    BUSY_ERR = "the end of RNR after EOR"
    END = "the end of DCN"


class Transmitter(Session):
    """Sends ``pages`` (at least one) to whoever answers.

    Outputs are drained with ``take_outputs``; nothing is sent before :meth:`start`, and no DCS before
    :meth:`proceed`.

    Raises:
        ValueError: no pages.
    """

    _x = True

    def __init__(self, pages: Sequence[PageFormat], options: TransmitOptions) -> None:
        if not pages:
            raise ValueError("a fax has at least one page")
        super().__init__(options.timers)
        self._pages = tuple(pages)
        self._options = options
        self._state = State.IDLE
        self._leave = False
        self._capabilities: Capabilities | None = None
        self._dis_ended = 0.0
        self._ladder: tuple[Modem, ...] = ()
        self._choice: Choice | None = None
        # commands
        self._command_name = ""
        self._command_bursts: tuple[Burst, ...] = ()
        self._tries = 0
        self._repeat_began: float | None = None
        # pages as coded octets
        self._last_request = 0
        self._wanted: dict[int, tuple[int, PageMode]] = {}
        self._coded: dict[int, tuple[PageMode, bytes]] = {}
        self._unavailable: dict[int, str] = {}
        # the page on the line
        self._index = 0
        self._attempts = 0
        self._page_began: float | None = None
        self._page_octets = 0
        self._repeats = 0
        self._following: FCF | None = None
        self._long_training = False
        # its block, with ECM
        self._block_number = 0
        self._block: Block | None = None
        self._numbers: Sequence[int] = ()
        self._requests = 0
        self._flagged_before = 0

    # --- inputs -------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """The line is up: play CNG and listen for a DIS, for T1 at most."""
        self._now = now
        if self._options.cng:
            self._play(ToneBurst(Tone.CNG, 0.0))
        self._await_dis()

    def proceed(self, now: float) -> None:
        """The application gives leave to send: DCS may follow."""
        if self._finished:
            return
        self._now = now
        self._leave = True
        if self._state is not State.LEAVE:
            return
        if self._carrier is None and now - self._dis_ended <= _FRESH:
            self._train()
        else:
            self._state = State.DIS
            self._start(Timer.FRESH_DIS, _FRESH_DIS_LIMIT)

    def page_ready(self, request: int, data: bytes, now: float) -> None:
        """The coded page that PageWanted asked for, exactly as it goes on the line."""
        if not data:
            self.page_failed(request, "it was coded into nothing", now)
            return
        if self._finished or request not in self._wanted:
            return
        self._now = now
        index, mode = self._wanted.pop(request)
        self._coded[index] = (mode, data)
        if self._state is State.PAGE and index == self._index:
            self._begin_page()

    def page_failed(self, request: int, error: str, now: float) -> None:
        """The page cannot be coded. The page on the line is finished first; then the session ends."""
        if self._finished or request not in self._wanted:
            return
        self._now = now
        index, _ = self._wanted.pop(request)
        self._unavailable[index] = error
        if index == self._index and self._state is State.PAGE:
            self._end(T30Error.PAGE_UNAVAILABLE, error)

    # --- phase B ------------------------------------------------------------------------------------------

    def _await_dis(self) -> None:
        self._state = State.DIS
        self._start(Timer.T1, self._timers.t1)

    def _dis(self, frame: Frame) -> None:
        """5.3.6.1.1: the far end says what it can do."""
        if not self._read_dis(frame):
            return
        self._state = State.LEAVE
        self._want(self._index)
        if self._leave:
            self._train()

    def _read_dis(self, frame: Frame) -> bool:
        """Take over the capabilities; false when there is nothing to go on with."""
        try:
            capabilities = Capabilities.parse(frame.fif)
        except FrameError:
            return False
        self._stop(Timer.FRESH_DIS)
        self._identify_far_end()
        self._dis_ended = self._now
        if not capabilities.receives:
            self._end(T30Error.NOT_A_RECEIVER)
            return False
        rungs = ladder(capabilities.modems, self._options.max_rate)
        modem = self._choice.modem if self._choice else DESCENDING[0]
        proven = tuple(rung for rung in rungs if DESCENDING.index(rung) >= DESCENDING.index(modem))
        self._ladder = proven or rungs
        self._capabilities = capabilities
        if not self._ladder or self._choose(self._index) is None:
            self._end(T30Error.INCOMPATIBLE)
            return False
        return True

    def _choose(self, index: int) -> Choice | None:
        if self._capabilities is None or not self._ladder:
            return None
        return choose_mode(self._capabilities, self._pages[index], self._options, self._ladder[0])

    def _train(self) -> None:
        """DCS, then 1.5 s of zeros on the modem that it names."""
        choice = self._choose(self._index)
        if choice is None:
            self._end(T30Error.INCOMPATIBLE)
            return
        self._choice = choice
        self._long_training = False
        self._want(self._index)
        frames = [(FCF.DCS, choice.fif)]
        if self._options.station_id:
            frames.insert(0, (FCF.TSI, encode_station_id(self._options.station_id)))
        self._stop(Timer.T1)
        self._send_command(State.CFR, "DCS", self._frames(*frames), training_check(choice.modem))

    def _confirmed_to_receive(self, _: Frame) -> None:
        if self._choice is not None:
            self._emit(Negotiated(self._choice.mode, self._choice.modem))
        self._begin_page()

    def _failed_to_train(self, _: Frame) -> None:
        self._ladder = self._ladder[1:]
        if self._ladder:
            self._train()
        else:
            self._end(T30Error.TRAINING_FAILED)

    def _dis_again(self, frame: Frame) -> None:
        """Our DCS was missed; the DIS may have changed (5.4.2)."""
        tries, before = self._tries, self._choice
        if frame.fcf is FCF.DIS and not self._read_dis(frame):
            return
        if before is not None and before == self._choose(self._index):
            self._repeat()
        else:
            self._train()
            self._tries = tries + 1

    def _polled(self, _: Frame) -> None:
        self._end(T30Error.NOT_A_RECEIVER, "the far end wants to poll a document (DTC)")

    # --- pages as coded octets ----------------------------------------------------------------------------

    def _want(self, index: int) -> None:
        """Have page ``index`` coded for the present mode unless it is, or is being, already."""
        if index >= len(self._pages) or index in self._unavailable:
            return
        choice = self._choose(index)
        if choice is None:
            return
        known = [mode for mode, _ in (self._coded[index],)] if index in self._coded else []
        known += [mode for wanted, mode in self._wanted.values() if wanted == index]
        if any(_same_octets(mode, choice.mode) for mode in known):
            return
        self._wanted = {request: page for request, page in self._wanted.items() if page[0] != index}
        self._last_request += 1
        self._wanted[self._last_request] = (index, choice.mode)
        self._emit(PageWanted(self._last_request, index, choice.mode))

    def _begin_page(self) -> None:
        """Phase C, or a short silence until the page is there."""
        choice = self._choice
        if choice is None:
            return
        if self._index in self._unavailable:
            self._end(T30Error.PAGE_UNAVAILABLE, self._unavailable[self._index])
            return
        mode, data = self._coded.get(self._index, (None, b""))
        if mode is None or not _same_octets(mode, choice.mode):
            if self._state is not State.PAGE:
                self._start(Timer.PAGE, self._timers.page_wait)
            self._state = State.PAGE
            self._want(self._index)
            return
        self._stop(Timer.PAGE)
        self._page_began = self._now
        self._page_octets = len(data)
        self._repeats = 0
        self._emit(PageBegun(self._index, choice.mode))
        if choice.mode.ecm:
            self._block_number = 0
            self._begin_block()
        else:
            self._send_image(RawBurst(choice.modem, data, self._short_training(choice.modem)))
        self._want(self._index + 1)

    def _page_too_late(self) -> None:
        self._end(T30Error.PAGE_UNAVAILABLE, "it took longer than the far end waits")

    # --- phase C ------------------------------------------------------------------------------------------

    def _short_training(self, modem: Modem) -> bool:
        return modem.modulation == "V.17" and not self._long_training

    def _send_image(self, burst: HdlcBurst | RawBurst) -> None:
        self._state = State.IMAGE
        self._long_training = False
        self._play(burst)

    def _begin_block(self) -> None:
        choice = self._choice
        if choice is None:
            return
        _, data = self._coded[self._index]
        self._block = Block(data, self._block_number, choice.frame_size)
        self._requests = 0
        self._flagged_before = len(self._block) + 1
        self._send_frames(range(len(self._block)))

    def _send_frames(self, numbers: Sequence[int]) -> None:
        if self._choice is None or self._block is None:
            return
        self._numbers = numbers
        modem = self._choice.modem
        self._send_image(HdlcBurst(modem, BlockFrames(self._block, numbers), self._short_training(modem)))

    # --- phase D ------------------------------------------------------------------------------------------

    def _post_message(self) -> None:
        """The image is out: say what follows (5.3.6.1.6, A.4.3)."""
        self._following = self._what_follows()
        if self._block is None:
            name, frame = str(self._following), (self._following or FCF.EOP, b"")
            self._send_command(State.MCF, name, self._frames(frame))
            return
        if not self._block.last:
            self._following = None
        signal = PartialPageSignal(
            self._following, self._index & 0xFF, self._block_number, len(self._numbers)
        )
        fif = signal.to_fif(x=self._x)
        self._send_command(State.PPS, str(signal), self._frames((FCF.PPS, fif)))

    def _what_follows(self) -> FCF:
        following = self._index + 1
        if following >= len(self._pages) or following in self._unavailable:
            return FCF.EOP
        choice = self._choose(following)
        same = choice is not None and self._choice is not None and choice.dcs == self._choice.dcs
        return FCF.MPS if same else FCF.EOM

    def _message_confirmed(self, frame: Frame) -> None:
        """MCF, PIP or RTP without ECM."""
        self._page_confirmed(frame.fcf, retrain=frame.fcf is FCF.RTP)

    def _block_confirmed(self, frame: Frame) -> None:
        """MCF or PIP with ECM; of the last block it confirms the page."""
        self._stop(Timer.T5)
        if self._following is None:
            self._block_number += 1
            self._begin_block()
        else:
            self._page_confirmed(frame.fcf, retrain=False)

    def _page_confirmed(self, response: FCF, *, retrain: bool) -> None:
        self._pages_confirmed += 1
        self._report(confirmed=True, response=str(response))
        self._coded.pop(self._index, None)
        self._index += 1
        self._attempts = 0
        self._block = None
        if self._following is FCF.EOP:
            missing = self._unavailable.get(self._index)
            self._end(None if missing is None else T30Error.PAGE_UNAVAILABLE, missing or "")
        elif self._following is FCF.EOM:
            self._await_dis()
        elif retrain:
            self._train()
        else:
            self._begin_page()

    def _message_refused(self, frame: Frame) -> None:
        """RTN or PIN: the page again, at a lower rate where there is one (5.3.6.1.7)."""
        if self._another_attempt(frame.fcf, T30Error.PAGE_REFUSED):
            self._ladder = self._ladder[1:] or self._ladder
            self._train()

    def _another_attempt(self, response: FCF, error: T30Error) -> bool:
        self._attempts += 1
        if self._attempts >= self._options.page_tries:
            self._end(error, response=str(response))
            return False
        self._report(confirmed=False, response=str(response))
        return True

    def _started_over(self, frame: Frame) -> None:
        """DIS instead of a confirmation: the far end has lost the page and begins anew."""
        if self._another_attempt(frame.fcf, T30Error.PROTOCOL) and self._read_dis(frame):
            self._stop(Timer.T5)
            self._train()

    # --- error correction ---------------------------------------------------------------------------------

    def _partial_page_requested(self, frame: Frame) -> None:
        """PPR: the flagged frames again; after the fourth time lower the rate or give up (A.4.3)."""
        if self._block is None:
            return
        try:
            flagged = parse_partial_page_request(frame.fif)
        except FrameError:
            return
        self._stop(Timer.T5)
        wanted = sorted(number for number in flagged if number < len(self._block))
        self._numbers = wanted or [len(self._block) - 1]
        self._requests += 1
        if self._requests < _PPR_LIMIT:
            self._resend()
        elif self._options.continue_to_correct and self._continue_at():
            self._requests = 0
            self._flagged_before = len(self._numbers)
        else:
            fif = end_of_retransmission(self._following, x=self._x)
            name = f"EOR-{self._following or 'NULL'}"
            self._send_command(State.ERR, name, self._frames((FCF.EOR, fif)))

    def _resend(self) -> None:
        self._repeats += len(self._numbers)
        self._send_frames(self._numbers)

    def _continue_at(self) -> bool:
        """CTC with the next lower rate, or with the same while that makes progress; false for neither."""
        lower = self._ladder[1:]
        if not lower and len(self._numbers) >= self._flagged_before:
            return False
        self._ladder = lower or self._ladder
        choice = self._choose(self._index)
        if choice is None:
            return False
        self._choice = choice
        self._send_command(State.CTR, "CTC", self._frames((FCF.CTC, choice.rate_fif)))
        return True

    def _continue(self, _: Frame) -> None:
        """CTR: the rest of the block, after long training."""
        if self._choice is not None:
            self._emit(Negotiated(self._choice.mode, self._choice.modem))
        self._long_training = True
        self._resend()

    def _given_up(self, _: Frame) -> None:
        """ERR: the far end knows that the page is incomplete, and so is the document."""
        self._end(T30Error.ECM_FAILED, response="ERR")

    def _not_ready(self, _: Frame) -> None:
        """RNR: ask with RR until T5 (A.5.4.1)."""
        if Timer.T5 not in self._deadlines:
            self._start(Timer.T5, self._timers.t5)
        after_eor = self._state in (State.ERR, State.BUSY_ERR)
        self._send_command(State.BUSY_ERR if after_eor else State.BUSY, "RR", self._frames((FCF.RR, b"")))

    def _refused_with_ecm(self, frame: Frame) -> None:
        self._end(T30Error.PAGE_REFUSED, response=str(frame.fcf))

    # --- commands -----------------------------------------------------------------------------------------

    def _send_command(self, state: State, name: str, *bursts: Burst) -> None:
        self._state = state
        self._command_name = name
        self._command_bursts = bursts
        self._tries = 1
        self._repeat_began = None
        self._stop(Timer.T4)
        self._play(*bursts)

    def _repeat(self, _: Frame | None = None) -> None:
        """T4 ran out, or CRP came: the same command, three times in all (5.4.2)."""
        if self._tries >= self._options.tries:
            training = self._state is State.CFR
            self._end(T30Error.NO_ANSWER_TO_DCS if training else T30Error.NO_ANSWER_TO_PAGE, response="T4")
            return
        self._tries += 1
        self._repeat_began = self._now
        self._stop(Timer.T4)
        self._play(*self._command_bursts)

    def _all_sent(self) -> None:
        self._repeat_began = None
        if self._state is State.IMAGE:
            self._post_message()
        elif (self._state, Timer.T4) in _TIMEOUTS:
            self._start(Timer.T4, self._timers.t4)

    # --- hearing ------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        early = self._on_line is not None or self._carrier_began < self._sent_at - _REPLY_OVERLAP
        if early and self._state not in (State.DIS, State.LEAVE):
            return
        handler = _ANSWERS.get((self._state, frame.fcf))
        if handler is not None:
            handler(self, frame)

    def _carrier_heard(self, modem: Modem) -> None:
        """An answer that begins as we begin to repeat the command is the answer to the command."""
        began = self._repeat_began
        if modem is Modem.V21 and began is not None and self._now - began < _CANCELLED_REPEAT:
            self._repeat_began = None
            self._hush()
            self._start(Timer.T4, self._timers.t4)

    def _image_heard(self, signal: FrameReceived | DataReceived | None) -> None:
        """A receiver sends no images."""

    def _timed_out(self, timer: Timer) -> None:
        handler = _TIMEOUTS.get((self._state, timer))
        if handler is not None:
            handler(self)

    def _no_fax(self) -> None:
        if self._capabilities is not None:
            self._end(T30Error.PROTOCOL)
        elif self._far_end_spoke:
            self._end(T30Error.NO_FAX)
        else:
            self._finish(T30Error.NO_FAX)

    def _no_leave(self) -> None:
        self._end(T30Error.ABORTED)

    def _busy_too_long(self) -> None:
        self._end(T30Error.RECEIVER_BUSY, response="RNR")

    # --- the end ------------------------------------------------------------------------------------------

    def _report(self, *, confirmed: bool, response: str) -> None:
        """The outcome of the page on the line, once."""
        if self._page_began is None or self._choice is None:
            return
        mode = self._choice.mode
        seconds = self._now - self._page_began
        self._page_began = None
        self._emit(
            PageOutcome(
                self._index,
                confirmed,
                response,
                mode.bit_rate,
                mode.coding,
                mode.ecm,
                self._page_octets,
                self._repeats if mode.ecm else self._attempts,
                seconds,
            )
        )

    def _ending(self, error: T30Error | None, response: str) -> None:
        self._report(confirmed=False, response=response)
        self._state = State.END
        self._coded.clear()
        self._wanted.clear()

    def _complete(self) -> bool:
        return self._index >= len(self._pages)

    def _moment(self) -> str:
        if self._state is State.IMAGE:
            words = "sending the image"
        elif (self._state, FCF.CRP) not in _ANSWERS:
            words = f"waiting for {self._state.value}"
        elif self._on_line is not None:
            words = f"sending {self._command_name}"
        else:
            words = f"waiting for the answer to {self._command_name}"
        if self._capabilities is None:
            return words
        return f"{words}, page {min(self._index + 1, len(self._pages))} of {len(self._pages)}"


def _same_octets(one: PageMode, other: PageMode) -> bool:
    """Whether a page coded for one mode will do for the other: fill alone depends on the rate."""
    if replace(one, bit_rate=other.bit_rate) != other:
        return False
    return one.bit_rate == other.bit_rate or one.scan_line_time == 0


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
    (State.PPS, FCF.PIN): Transmitter._refused_with_ecm,
    (State.PPS, FCF.RTN): Transmitter._refused_with_ecm,
    (State.PPS, FCF.RNR): Transmitter._not_ready,
    (State.PPS, FCF.DIS): Transmitter._started_over,
    (State.PPS, FCF.CRP): Transmitter._repeat,
    # A.5.4.1 flow control
    (State.BUSY, FCF.RNR): Transmitter._not_ready,
    (State.BUSY, FCF.MCF): Transmitter._block_confirmed,
    (State.BUSY, FCF.PIP): Transmitter._block_confirmed,
    (State.BUSY, FCF.PPR): Transmitter._partial_page_requested,
    (State.BUSY, FCF.PIN): Transmitter._refused_with_ecm,
    (State.BUSY, FCF.RTN): Transmitter._refused_with_ecm,
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
    (State.CTR, Timer.T4): Transmitter._repeat,
    (State.ERR, Timer.T4): Transmitter._repeat,
    (State.BUSY, Timer.T4): Transmitter._repeat,
    (State.BUSY, Timer.T5): Transmitter._busy_too_long,
    (State.BUSY_ERR, Timer.T4): Transmitter._repeat,
    (State.BUSY_ERR, Timer.T5): Transmitter._busy_too_long,
}

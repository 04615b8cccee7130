"""The receiver: from our DIS to the DCN of the far end (T.30 figure 5-2, ECM figure A.8).

Commands that are not in the table of the state, and timers that are not, are ignored: they are echoes or
noise. A command that repeats the one before, without an image between, lost our answer: it is answered again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from t38fsp.t30.capabilities import Choice, capabilities_of
from t38fsp.t30.dcs import BitField
from t38fsp.t30.ecm import BlockCollector
from t38fsp.t30.fallback import modem_of_dcs
from t38fsp.t30.frames import (
    FCF,
    WITHOUT_INTERRUPT,
    Frame,
    FrameError,
    PartialPageSignal,
    encode_station_id,
    parse_end_of_retransmission,
    parse_image_frame,
    partial_page_request,
)
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.outputs import Negotiated, PageBegun, PageData, PageOutcome, PageReceived, T30Error
from t38fsp.t30.session import Session, Timer
from t38fsp.t30.training import TrainingJudge
from t38fsp.t30.vocabulary import (
    DataReceived,
    FrameReceived,
    HdlcBurst,
    Modem,
    PageQuality,
    Tone,
    ToneBurst,
)

_CED_SECONDS = 3.0

_REPEAT_WINDOW = 5.0
"""Seconds after a command without ECM in which the same again is its repetition (T4, and the line's delay);
later it belongs to a page of which nothing was heard."""

_ANSWER_WINDOW = 2.4
"""A transmitter repeats its command 2.55 s after it at the earliest; an answer begins before."""

_TRAINING_LIMIT = 20
"""FTT for one page; no ladder has so many rungs."""

_REPEAT_LIMIT = 6
"""The same answer again, to CRP or to a repeated command; a transmitter asks three times."""


class State(Enum):
    """What the receiver waits for."""

    IDLE = "the start"
    DCS = "DCS"
    TCF = "the training check"
    IMAGE = "the image"
    STORE = "the page to be stored"
    BUSY = "RR, or the command again"
    EOM = "the end of the silence after EOM"
    DCN = "DCN"
    END = "the end of our DCN"


class Receiver(Session):
    """Receives what comes.

    A page whose index was begun before replaces what came of it: it had been refused or interrupted. Pages
    are confirmed only after :meth:`page_stored`.
    """

    _x = False

    def __init__(self, options: ReceiveOptions) -> None:
        super().__init__(options.timers)
        self._options = options
        self._capabilities = capabilities_of(options)
        self._state = State.IDLE
        self._choice: Choice | None = None
        self._judge: TrainingJudge | None = None
        self._trainings = 0
        # answers
        self._answer: HdlcBurst | None = None
        self._answer_again = 0
        self._command: tuple[FCF, bytes] | None = None
        self._command_at = 0.0
        self._quiet_timer = Timer.T2
        # the page
        self._index = 0
        self._following = FCF.EOP
        self._page_begun: float | None = None
        self._page_octets = 0
        self._attempts = 0
        self._stored: FCF | None = None
        self._damaged: set[int] = set()
        # its block, with ECM
        self._block = BlockCollector(256)
        self._repeats = 0

    # --- inputs -------------------------------------------------------------------------------------------

    def start(self, now: float, *, ced: bool = True) -> None:
        """The call is answered: CED for 3 s if wanted, then DIS every T4 for T1."""
        self._now = now
        self._start(Timer.STALL, self._timers.stall)
        if ced:
            self._play(ToneBurst(Tone.CED, _CED_SECONDS))
        self._begin_identification()

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        """The page is safe: it may be confirmed, or refused for its quality when it came without ECM."""
        if self._finished or index != self._index or self._state not in (State.STORE, State.BUSY):
            return
        self._now = now
        self._stored = self._verdict_on(quality)
        if self._state is State.STORE:
            self._answer_page()

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        """The page is lost here: it is never confirmed, and the session ends."""
        if self._finished or index not in (self._index, *self._damaged):
            return
        self._now = now
        self._end(T30Error.PAGE_NOT_STORED, error)

    # --- phase B ------------------------------------------------------------------------------------------

    def _begin_identification(self) -> None:
        self._start(Timer.T1, self._timers.t1)
        self._identify()

    def _identify(self) -> None:
        """CSI and DIS, again every T4 until T1 (5.3.6.1.1, 5.4.3.1)."""
        frames = [(FCF.DIS, bytes(self._capabilities))]
        if self._options.station_id:
            frames.insert(0, (FCF.CSI, encode_station_id(self._options.station_id)))
        self._respond(State.DCS, *frames, quiet=Timer.T4)

    def _dcs(self, frame: Frame) -> None:
        """5.3.6.1.3: what is not confirmed by now will come again."""
        try:
            choice = Choice.parse(BitField.parse(frame.fif))
        except FrameError:
            return
        self._identify_far_end()
        self._interrupted("DCS")
        if choice is None or (choice.mode.ecm and not self._options.ecm):
            self._end(T30Error.INCOMPATIBLE, "its DCS asks for what our DIS does not offer")
            return
        self._choice = choice
        self._command = None
        self._block = BlockCollector(choice.frame_size)
        self._judge = TrainingJudge(choice.modem)
        self._state = State.TCF
        self._stop(Timer.T1)
        self._stop(Timer.STORE)
        self._stop(Timer.T5)
        self._start(Timer.T2, self._timers.t2)

    def _polled(self, _: Frame) -> None:
        self._end(T30Error.PROTOCOL, "it wants to poll a document (DTC), there is none")

    def _judge_training(self) -> None:
        """CFR or FTT (5.3.6.1.4)."""
        choice, judge = self._choice, self._judge
        if choice is None or judge is None:
            return
        if judge.passed:
            self._emit(Negotiated(choice.mode, choice.modem))
            self._respond(State.IMAGE, (FCF.CFR, b""))
            return
        self._trainings += 1
        if self._trainings >= _TRAINING_LIMIT:
            self._end(T30Error.TRAINING_FAILED)
            return
        self._start(Timer.T1, self._timers.t1)
        self._respond(State.DCS, (FCF.FTT, b""))

    # --- phase C ------------------------------------------------------------------------------------------

    def _image_heard(self, signal: FrameReceived | DataReceived | None) -> None:
        if self._state is State.TCF:
            self._training_heard(signal)
        elif self._state is not State.IMAGE or self._choice is None:
            return
        elif signal is None:
            self._start(Timer.T2, self._timers.t2)
        elif isinstance(signal, FrameReceived):
            if self._choice.mode.ecm:
                self._image_frame(signal.frame, self._choice)
        elif not self._choice.mode.ecm:
            self._begin_page(self._choice)
            self._page_data(signal.data, signal.after_gap)

    def _training_heard(self, signal: FrameReceived | DataReceived | None) -> None:
        if signal is None:
            self._judge_training()
        elif isinstance(signal, DataReceived) and self._judge is not None:
            self._judge.feed(signal.data, after_gap=signal.after_gap)

    def _image_frame(self, octets: bytes, choice: Choice) -> None:
        try:
            frame = Frame.parse(octets)
            if frame.fcf is not FCF.FCD:
                return
            number, part = parse_image_frame(frame)
        except FrameError:
            return
        self._begin_page(choice)
        self._block.add(number, part)

    def _begin_page(self, choice: Choice) -> None:
        if self._page_begun is None:
            self._page_begun = self._carrier_began
            self._page_octets = 0
            self._repeats = 0
            self._emit(PageBegun(self._index, choice.mode))

    def _page_data(self, octets: bytes, after_gap: bool = False) -> None:
        self._page_octets += len(octets)
        self._emit(PageData(self._index, octets, after_gap))

    def _carrier_heard(self, modem: Modem) -> None:
        if modem is not Modem.V21 and self._state in (State.TCF, State.IMAGE):
            self._stop(Timer.T2)

    # --- phase D without ECM ------------------------------------------------------------------------------

    def _post_message(self, frame: Frame) -> None:
        """MPS, EOM or EOP after an image (5.3.6.1.6); PRI is for an operator, whom we have not."""
        if self._choice is None or self._choice.mode.ecm:
            return
        command = WITHOUT_INTERRUPT.get(frame.fcf, frame.fcf)
        if self._page_begun is None:
            if self._command == (command, b"") and self._carrier_began - self._command_at <= _REPEAT_WINDOW:
                self._command_at = self._now
                self._repeat()
            else:
                self._refuse_missing_page(command)
            return
        self._note_command(command, b"")
        self._following = command
        self._page_over()

    def _refuse_missing_page(self, command: FCF) -> None:
        """A page of which nothing was heard."""
        self._note_command(command, b"")
        self._start(Timer.T1, self._timers.t1)
        self._respond(State.DCS, (FCF.RTN, b""))

    def _page_over(self) -> None:
        if self._choice is None:
            return
        self._stored = None
        self._state = State.STORE
        self._stop(Timer.T2)
        self._start(Timer.STORE, self._timers.store_wait)
        self._emit(PageReceived(self._index, self._choice.mode))

    def _verdict_on(self, quality: PageQuality) -> FCF:
        if self._choice is not None and self._choice.mode.ecm:
            return FCF.MCF
        share = quality.bad_rows / quality.rows if quality.rows > 0 else 1.0
        if share < self._options.poor_share:
            return FCF.MCF
        return FCF.RTP if share < self._options.bad_share else FCF.RTN

    def _answer_page(self) -> None:
        """The page was stored: confirm or refuse it, and wait for what its command announced."""
        response = self._stored
        if response is None:
            return
        self._stored = None
        self._stop(Timer.STORE)
        self._stop(Timer.T5)
        if response is FCF.RTN:
            self._attempts += 1
            self._report(confirmed=False, response=response.name)
            self._start(Timer.T1, self._timers.t1)
            self._respond(State.DCS, (response, b""))
            return
        self._pages_confirmed += 1
        self._report(confirmed=True, response=response.name)
        self._next_page()
        state = self._state_after(self._following)
        if state is State.IMAGE and response is FCF.RTP:
            self._start(Timer.T1, self._timers.t1)
            state = State.DCS
        self._respond(state, (response, b""))

    def _next_page(self) -> None:
        self._index += 1
        self._attempts = 0
        self._trainings = 0
        self._start(Timer.STALL, self._timers.stall)

    def _state_after(self, command: FCF) -> State:
        return {FCF.EOP: State.DCN, FCF.EOM: State.EOM}.get(command, State.IMAGE)

    # --- phase D with ECM ---------------------------------------------------------------------------------

    def _partial_page(self, frame: Frame) -> None:
        """PPS: MCF when every frame is there, else PPR (A.4.3)."""
        if self._choice is None or not self._choice.mode.ecm:
            return
        try:
            signal = PartialPageSignal.parse(frame.fif)
        except FrameError:
            return
        counters = bytes((signal.page, signal.block))
        if self._block.empty and self._command == (FCF.PPS, counters):
            self._repeat()
            return
        self._block.announce(signal.frames)
        if not self._block.complete:
            self._respond(State.IMAGE, (FCF.PPR, partial_page_request(self._block.present)))
            return
        self._note_command(FCF.PPS, counters)
        self._take_block()
        if signal.following is None:
            self._start(Timer.STALL, self._timers.stall)
            self._respond(State.IMAGE, (FCF.MCF, b""))
            return
        self._following = WITHOUT_INTERRUPT.get(signal.following, signal.following)
        self._page_over()

    def _take_block(self) -> None:
        if self._choice is None:
            return
        octets = self._block.octets()
        self._repeats += self._block.repeats
        self._block = BlockCollector(self._choice.frame_size)
        if octets:
            self._page_data(octets)

    def _end_of_retransmission(self, frame: Frame) -> None:
        """EOR: the transmitter gave up on the block; ERR lets it go on, the page is not confirmed (A.4.3)."""
        if self._choice is None or not self._choice.mode.ecm:
            return
        try:
            following = parse_end_of_retransmission(frame.fif)
        except FrameError:
            return
        command = (FCF.EOR, bytes(frame.fif[:1]))
        if self._block.empty and self._command == command:
            self._repeat()
            return
        self._note_command(*command)
        self._take_block()
        state = State.IMAGE
        if following is not None:
            if self._page_begun is not None:
                self._damaged.add(self._index)
                self._emit(PageReceived(self._index, self._choice.mode))
                self._report(confirmed=False, response=FCF.ERR.name)
            self._next_page()
            state = self._state_after(WITHOUT_INTERRUPT.get(following, following))
        self._respond(state, (FCF.ERR, b""))

    def _continue_to_correct(self, frame: Frame) -> None:
        """CTC: another rate for the rest of the block (A.4.3)."""
        if self._choice is None or not self._choice.mode.ecm or len(frame.fif) < 2:
            return
        modem = modem_of_dcs(BitField.parse(frame.fif[:2] + b"\0"))
        if modem is None:
            return
        self._choice = self._choice.at(modem)
        self._emit(Negotiated(self._choice.mode, modem))
        self._respond(State.IMAGE, (FCF.CTR, b""))

    def _result_wanted(self, _: Frame) -> None:
        """RR, or the command again, while the page is being stored (A.5.4.1)."""
        if self._stored is not None:
            self._answer_page()
        elif self._choice is not None and self._choice.mode.ecm:
            self._say_busy()

    def _store_is_slow(self) -> None:
        """With ECM say RNR; without, silence makes the transmitter repeat its command."""
        self._state = State.BUSY
        if Timer.T5 not in self._deadlines:
            self._start(Timer.T5, self._timers.t5)
        if self._choice is not None and self._choice.mode.ecm:
            self._say_busy()
        else:
            self._start(Timer.T2, self._timers.t2)

    def _say_busy(self) -> None:
        self._respond(State.BUSY, (FCF.RNR, b""))

    def _store_too_slow(self) -> None:
        self._end(T30Error.PAGE_NOT_STORED, "storing it took longer than the far end waits", "RNR")

    # --- answers ------------------------------------------------------------------------------------------

    def _note_command(self, fcf: FCF, detail: bytes) -> None:
        self._command = (fcf, detail)
        self._command_at = self._now

    def _respond(self, state: State, *frames: tuple[FCF, bytes], quiet: Timer = Timer.T2) -> None:
        self._state = state
        self._quiet_timer = quiet
        self._stop(Timer.T2)
        self._stop(Timer.T4)
        self._answer = self._frames(*frames)
        self._answer_again = 0
        self._play(self._answer)

    def _repeat(self, _: Frame | None = None) -> None:
        """The same answer again: it was lost, or CRP asks for it."""
        if self._answer is None or self._on_line is not None:
            return
        self._answer_again += 1
        if self._answer_again > _REPEAT_LIMIT:
            self._end(T30Error.PROTOCOL, "the far end never took our answer")
            return
        self._stop(Timer.T2)
        self._stop(Timer.T4)
        self._play(self._answer)

    def _all_sent(self) -> None:
        if self._state is not State.STORE and self._carrier in (None, Modem.V21):
            quiet = self._quiet_timer
            self._start(quiet, self._timers.t4 if quiet is Timer.T4 else self._timers.t2)

    # --- hearing ------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        handler = _COMMANDS.get((self._state, frame.fcf))
        if handler is not None:
            handler(self, frame)

    def _timed_out(self, timer: Timer) -> None:
        if timer is Timer.STALL:
            self._end(T30Error.NO_COMMAND, f"no page got on for {self._timers.stall:.0f} s")
            return
        handler = _TIMEOUTS.get((self._state, timer))
        if handler is not None:
            handler(self)

    def _no_command(self) -> None:
        self._end(T30Error.NO_COMMAND, response="T2")

    def _done(self) -> None:
        """DCN was lost, or never sent: the last page had been confirmed."""
        self._finish(None)

    # --- the end ------------------------------------------------------------------------------------------

    def _interrupted(self, response: str) -> None:
        self._report(confirmed=False, response=response)

    def _report(self, *, confirmed: bool, response: str) -> None:
        if self._page_begun is None or self._choice is None:
            return
        mode = self._choice.mode
        seconds = self._now - self._page_begun
        self._page_begun = None
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
        self._interrupted(response)
        self._state = State.END

    def _complete(self) -> bool:
        return self._state is State.DCN

    def _moment(self) -> str:
        return f"waiting for {self._state.value}, page {self._index + 1}"


_COMMANDS: Mapping[tuple[State, FCF], Callable[[Receiver, Frame], None]] = {
    # 5.3.6.1.3 DCS begins anew from everywhere: our CFR, or everything since, was lost
    **{(state, FCF.DCS): Receiver._dcs for state in State if state not in (State.IDLE, State.END)},
    (State.DCS, FCF.DTC): Receiver._polled,
    # 5.3.6.1.6 post-message commands
    **{
        (state, fcf): Receiver._post_message
        for state in (State.DCS, State.IMAGE, State.EOM, State.DCN)
        for fcf in (FCF.MPS, FCF.EOM, FCF.EOP, *WITHOUT_INTERRUPT)
    },
    # A.4.3 commands with ECM
    **{
        (state, fcf): handler
        for state in (State.IMAGE, State.EOM, State.DCN)
        for fcf, handler in (
            (FCF.PPS, Receiver._partial_page),
            (FCF.EOR, Receiver._end_of_retransmission),
            (FCF.RR, Receiver._repeat),
        )
    },
    (State.IMAGE, FCF.CTC): Receiver._continue_to_correct,
    # A.5.4.1 the page is not stored yet
    **{
        (State.BUSY, fcf): Receiver._result_wanted
        for fcf in (FCF.RR, FCF.PPS, FCF.MPS, FCF.EOM, FCF.EOP, *WITHOUT_INTERRUPT)
    },
    # 5.3.6.1.8 command repeat
    **{(state, FCF.CRP): Receiver._repeat for state in (State.DCS, State.IMAGE, State.EOM, State.DCN)},
}

_TIMEOUTS: Mapping[tuple[State, Timer], Callable[[Receiver], None]] = {
    # 5.4.3.1
    (State.DCS, Timer.T1): Receiver._no_command,
    (State.DCS, Timer.T4): Receiver._identify,
    (State.DCS, Timer.T2): Receiver._identify,
    (State.TCF, Timer.T2): Receiver._judge_training,
    (State.IMAGE, Timer.T2): Receiver._no_command,
    (State.EOM, Timer.T2): Receiver._begin_identification,
    (State.DCN, Timer.T2): Receiver._done,
    # A.5.4.1
    (State.STORE, Timer.STORE): Receiver._store_is_slow,
    (State.BUSY, Timer.T2): Receiver._no_command,
    (State.BUSY, Timer.T5): Receiver._store_too_slow,
}

"""The receiver: from our DIS to the DCN of the far end (T.30 figure 5-2, ECM figure A.8).

Commands that are not in the table of the state, and timers that are not, are ignored: they are echoes or
noise. A command that repeats the one before, without an image between, lost our answer: it is answered again.
With ECM the counters of PPS tell a repetition (``t38fsp.t30.incoming_blocks``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from t38fsp.t30.answering import State
from t38fsp.t30.dcs import BitField
from t38fsp.t30.fallback import modem_of_dcs
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
from t38fsp.t30.incoming_blocks import Standing
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.outputs import Negotiated, PageBegun, PageData, T30Error
from t38fsp.t30.record import PageRecord
from t38fsp.t30.session import Timer
from t38fsp.t30.storing import Storing
from t38fsp.t30.vocabulary import CarrierLost, DataReceived, FrameReceived, Modem

_REPEAT_WINDOW = 5.0
"""Seconds after a command without ECM in which the same again is its repetition (T4, and the line's delay);
later it belongs to a page of which nothing was heard."""


class Receiver(Storing):
    """Receives what comes.

    A page whose index was begun before replaces what came of it: it had been refused or interrupted. Pages
    are confirmed only after ``page_stored``.
    """

    def __init__(self, options: ReceiveOptions) -> None:
        super().__init__(options)
        self._burst_heard = False
        """An image burst came since the last PPS."""
        self._requests = 0
        """Answers that ask for frames (PPR, CTR) and have not been followed by any."""

    # --- phase C ------------------------------------------------------------------------------------------

    def _image_heard(self, signal: FrameReceived | DataReceived | CarrierLost) -> None:
        if isinstance(signal, CarrierLost) and self._state in (State.DCS, State.TCF, State.IMAGE):
            if self._framed:
                self._unreadable()
            else:
                self._image_since_answer = True
        if self._state is State.TCF:
            self._training_heard(signal)
        elif self._state is not State.IMAGE:
            return
        elif isinstance(signal, CarrierLost):
            if not signal.clean and self._record is not None and not self._choice.mode.ecm:
                # Whatever was last in the burst may be missing.
                self._page_data(b"", after_gap=True)
            self._await_command()
        elif isinstance(signal, FrameReceived):
            if self._choice.mode.ecm:
                self._image_frame(signal.frame)
        elif not self._choice.mode.ecm:
            self._page_data(signal.data, signal.after_gap)

    def _image_frame(self, octets: bytes) -> None:
        try:
            frame = Frame.parse(octets)
            if frame.fcf is not FCF.FCD:
                return
            number, part = parse_image_frame(frame)
        except FrameError:
            return
        if self._answer_repeats:
            if self._on_line is not None:
                # It has heard the answer the first time; now it would take it for that to these frames.
                self._hush()
        elif self._blocks.between and (self._queue or self._unheard):
            return  # sent before the answer to the block before could be heard: they are of that block
        self._page()
        self._blocks.add(number, part)

    def _page_data(self, octets: bytes, after_gap: bool = False) -> None:
        self._page().octets += len(octets)
        self._emit(PageData(self._index, octets, after_gap))

    def _page(self) -> PageRecord:
        """The page that is coming in; it begins with the first call."""
        if self._record is None:
            mode = self._choice.mode
            repeats = 0 if mode.ecm else self._attempts
            self._record = PageRecord(self._index, mode, self._carrier_began, repeats=repeats)
            self._emit(PageBegun(self._index, mode))
        return self._record

    # --- phase D without ECM ------------------------------------------------------------------------------

    def _post_message(self, frame: Frame) -> None:
        """MPS, EOM or EOP after an image (5.3.6.1.6)."""
        command = PLAIN_COMMANDS.get(frame.fcf, frame.fcf)
        if self._record is not None and not self._choice.mode.ecm:
            self._note_command(command)
            self._following = command
            self._page_over()
        elif not self._is_repeated(command) and not self._choice.mode.ecm:
            self._note_command(command)
            self._await_dcs((FCF.RTN, b""))

    def _post_message_again(self, frame: Frame) -> None:
        """The same, where no image can have come; one did if the far end would not train again."""
        repeated = self._is_repeated(PLAIN_COMMANDS.get(frame.fcf, frame.fcf))
        untrained = self._state is State.DCS and self._image_since_answer and self._command is not None
        if untrained and not repeated:
            self._await_dcs((FCF.RTN, b""))

    def _is_repeated(self, command: FCF) -> bool:
        """Answer once more if the command is the last one again, rather than the end of a lost page."""
        late = self._state is State.IMAGE and self._carrier_began - self._command_at > _REPEAT_WINDOW
        if self._command != (command, b"") or late or self._image_since_answer:
            return False
        self._command_at = self._now
        self._repeat()
        return True

    def _note_command(self, fcf: FCF, detail: bytes = b"") -> None:
        self._command = (fcf, detail)
        self._command_at = self._now

    # --- phase D with ECM ---------------------------------------------------------------------------------

    def _partial_page(self, frame: Frame) -> None:
        """PPS: MCF when every frame is there, else PPR (A.4.3)."""
        if not self._choice.mode.ecm:
            return
        try:
            signal = PartialPageSignal.parse(frame.fif)
        except FrameError:
            return
        asked_for, self._burst_heard = self._burst_heard, False
        begun = self._blocks.begun
        standing = self._blocks.signal(signal)
        self._count_repeats()
        if not begun and standing is not Standing.REPEATED:
            self._requests = 0
        match standing:
            case Standing.INCOMPLETE:
                self._request_frames(asked_for)
            case Standing.COMPLETE:
                self._block_complete(signal)
            case Standing.REPEATED:
                self._block_again(asked_for)
            case Standing.OUTDATED:
                self._say_nothing()
            case Standing.SKIPPED:
                detail = "it goes on although a block has not come whole, or its counters (PPS) stand still"
                self._end(T30Error.PROTOCOL, detail)

    def _request_frames(self, asked_for: bool) -> None:
        """PPR. ``asked_for``: frames came with the PPS, which is no mere repetition then."""
        request = (FCF.PPR, partial_page_request(self._blocks.present))
        if not asked_for and self._on_line == self._frames(request):
            self._queue.clear()  # it is the answer to this PPS, too
            return
        self._respond(State.IMAGE, request)
        self._requests = max(self._requests - asked_for, 0) + 1

    def _block_complete(self, signal: PartialPageSignal) -> None:
        # PPRs that it has not acted upon; one that has not begun is not said any more.
        self._requests = max(self._requests - 1 - bool(self._queue), 0)
        self._note_command(FCF.PPS, bytes((signal.page, signal.block)))
        octets = self._blocks.take(signal.following)
        if octets:
            self._page_data(octets)
        if signal.following is None:
            self._start(Timer.STALL, self._timers.stall)
            self._respond(State.IMAGE, (FCF.MCF, b""))
            return
        self._following = PLAIN_COMMANDS.get(signal.following, signal.following)
        self._page_over()

    def _block_again(self, asked_for: bool) -> None:
        """PPS of the block that was answered last: the same answer, unless it is on its way already.

        With the frames that one PPR too many asked for, this PPS was sent before the answer could be heard.
        A second one would be taken for the answer to the next block.
        """
        if self._record is not None and self._record.octets == 0:
            self._record = None  # the next page has not begun after all
        if asked_for and self._requests:
            self._requests -= 1
            self._say_nothing()
        else:
            self._repeat()

    def _say_nothing(self) -> None:
        if self._on_line is None:
            self._all_sent()

    def _repeat(self, _: Frame | None = None) -> None:
        repeats = self._answer_repeats
        super()._repeat()
        if self._answer_repeats > repeats and not self._blocks.begun:
            self._blocks.answered_again()

    def _count_repeats(self) -> None:
        repeats = self._blocks.take_repeats()
        if self._record is not None:
            self._record.repeats += repeats

    def _end_of_retransmission(self, frame: Frame) -> None:
        """EOR: the transmitter gave up on the block; ERR lets it go on, the page is not confirmed (A.4.3)."""
        if not self._choice.mode.ecm:
            return
        try:
            following = parse_end_of_retransmission(frame.fif)
        except FrameError:
            return
        command = (FCF.EOR, frame.fif[:1])
        if self._blocks.untouched and self._command == command:
            self._repeat()
            return
        self._note_command(*command)
        self._requests = 0
        octets = self._blocks.give_up()
        self._count_repeats()
        if octets:
            self._page_data(octets)
        self._shortfall = T30Error.ECM_FAILED
        self._damaged = True
        state = State.IMAGE
        if following is not None:
            if self._record is not None:
                if not self._hand_up():
                    return
                self._report(confirmed=False, response=str(FCF.ERR))
            state = self._next_page(PLAIN_COMMANDS.get(following, following))
        self._respond(state, (FCF.ERR, b""))

    def _continue_to_correct(self, frame: Frame) -> None:
        """CTC: another rate for the rest of the block (A.4.3)."""
        if not self._choice.mode.ecm or len(frame.fif) < 2:
            return
        modem = modem_of_dcs(BitField.parse(frame.fif[:2] + b"\0"))
        if modem is None or not self._may_negotiate():
            return
        self._choice = self._choice.at(modem)
        self._agreed_pace = self._paced = True
        if self._record is not None:
            self._record.mode = self._choice.mode
        self._emit(Negotiated(self._choice.mode, modem))
        self._respond(State.IMAGE, (FCF.CTR, b""))
        self._requests += 1

    # --- the line and the time ----------------------------------------------------------------------------

    def _carrier_heard(self, modem: Modem) -> None:
        super()._carrier_heard(modem)
        if modem is not Modem.V21:
            self._burst_heard = True
            self._blocks.break_off()

    def _gap_heard(self) -> None:
        self._blocks.break_off()

    def _act_on_heard(self) -> None:
        if self._heard is None:
            self._unreadable()
        super()._act_on_heard()

    def _unreadable(self) -> None:
        """What came when the last command would come again was that; so will the next one be."""
        if self._carrier_began - self._command_at <= _REPEAT_WINDOW:
            self._command_at = self._now
            if self._state is State.EOM:
                self._await_command()

    def _frame(self, frame: Frame) -> None:
        self._follow_pace()
        handler = _COMMANDS.get((self._state, frame.fcf))
        if handler is not None:
            handler(self, frame)

    def _never_ready(self) -> None:
        self._end(T30Error.NO_COMMAND, "it was not ready to send (TNR) within T5")

    def _timed_out(self, timer: Timer) -> None:
        if timer is Timer.STALL:
            self._end(T30Error.NO_COMMAND, f"no page got on for {self._timers.stall:.0f} s")
            return
        handler = _TIMEOUTS.get((self._state, timer))
        if handler is not None:
            handler(self)

    def _ending(self) -> None:
        self._state = State.END

    def _complete(self) -> bool:
        return self._state is State.DCN


_POST_MESSAGE = (FCF.MPS, FCF.EOM, FCF.EOP, *PLAIN_COMMANDS)
_AFTER_CFR = (State.IMAGE, State.EOM, State.DCN)

_COMMANDS: Mapping[tuple[State, FCF], Callable[[Receiver, Frame], None]] = {
    # 5.3.6.1.3 DCS begins anew from everywhere: our CFR, or everything since, was lost
    **{(state, FCF.DCS): Receiver._dcs for state in State if state not in (State.IDLE, State.END)},
    (State.DCS, FCF.DTC): Receiver._dtc,
    (State.DCS, FCF.DIS): Receiver._dis,
    (State.DIS, FCF.DIS): Receiver._dis,
    (State.DCS, FCF.FNV): Receiver._field_refused,
    # 5.3.6.1.6 post-message commands
    **{(State.IMAGE, fcf): Receiver._post_message for fcf in _POST_MESSAGE},
    **{
        (state, fcf): Receiver._post_message_again
        for state in (State.DCS, State.EOM, State.DCN)
        for fcf in _POST_MESSAGE
    },
    # A.4.3 commands with ECM
    **{(state, FCF.PPS): Receiver._partial_page for state in _AFTER_CFR},
    **{(state, FCF.EOR): Receiver._end_of_retransmission for state in _AFTER_CFR},
    (State.IMAGE, FCF.CTC): Receiver._continue_to_correct,
    # A.5.4.1 flow control
    **{(state, FCF.RR): Receiver._repeat for state in _AFTER_CFR},
    **{(State.BUSY, fcf): Receiver._result_wanted for fcf in (FCF.RR, FCF.PPS, *_POST_MESSAGE)},
    # 5.3.6.1.8 command repeat
    **{(state, FCF.CRP): Receiver._repeat for state in (State.DCS, *_AFTER_CFR)},
    (State.BUSY, FCF.CRP): Receiver._result_wanted,
    # 5.3.6.1.8 a transmitter that is not ready
    **{(state, FCF.TNR): Receiver._ready_wanted for state in (State.DCS, State.IMAGE)},
}

_TIMEOUTS: Mapping[tuple[State, Timer], Callable[[Receiver], None]] = {
    # 5.4.3.1
    (State.DIS, Timer.T1): Receiver._no_dis,
    (State.DCS, Timer.T1): Receiver._no_command,
    (State.DCS, Timer.T4): Receiver._identify,
    (State.DCS, Timer.T2): Receiver._identify,
    (State.TCF, Timer.T2): Receiver._judge_training,
    (State.IMAGE, Timer.T2): Receiver._no_command,
    **{(state, Timer.T5): Receiver._never_ready for state in (State.DCS, State.IMAGE)},
    (State.EOM, Timer.T2): Receiver._begin_identification,
    (State.DCN, Timer.T2): Receiver._done,
    # A.5.4.1
    (State.STORE, Timer.STORE): Receiver._store_is_slow,
    (State.BUSY, Timer.T2): Receiver._no_command,
    (State.BUSY, Timer.T5): Receiver._store_too_slow,
}

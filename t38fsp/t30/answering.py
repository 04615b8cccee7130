"""The receiver's phase B: from our DIS to our CFR; and how an answer is given at all."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from t38fsp.t30.capabilities import Choice, capabilities_of
from t38fsp.t30.dcs import BitField
from t38fsp.t30.ecm import BlockCollector
from t38fsp.t30.frames import FCF, Frame, FrameError, encode_station_id
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.outputs import Negotiated, T30Error
from t38fsp.t30.session import Session, Timer
from t38fsp.t30.training import TrainingJudge
from t38fsp.t30.vocabulary import DataReceived, FrameReceived, HdlcBurst, Modem, Tone, ToneBurst

_CED_SECONDS = 3.0

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


class Answering(Session):
    """A receiver that can get as far as CFR."""

    _x = False
    _choice: Choice  # since the first DCS
    _judge: TrainingJudge  # since the first DCS

    def __init__(self, options: ReceiveOptions) -> None:
        super().__init__(options.timers)
        self._options = options
        self._state = State.IDLE
        self._identifications = 0
        """DIS said in a row."""
        self._trainings = 0
        self._index = 0
        self._block = BlockCollector(256)
        # the command that was answered last, and the answer
        self._command: tuple[FCF, bytes] | None = None
        self._answer: HdlcBurst | None = None
        self._answer_repeats = 0
        self._quiet_timer = Timer.T2
        self._image_since_answer = False

    def limit_rate(self, bit_rate: int) -> None:
        """Before the start: no modem above ``bit_rate`` (bit/s, 2400 or more), in our DIS and after."""
        self._options = replace(self._options, max_rate=min(self._options.max_rate, bit_rate))

    def start(self, now: float, *, ced: bool = True) -> None:
        """The call is answered: CED for 3 s if wanted, then DIS every T4 for T1."""
        self._now = now
        self._start(Timer.STALL, self._timers.stall)
        if ced:
            self._play(ToneBurst(Tone.CED, _CED_SECONDS))
        self._begin_identification()

    # --- the DIS ------------------------------------------------------------------------------------------

    def _begin_identification(self) -> None:
        self._identifications = 0
        self._start(Timer.T1, self._timers.t1)
        self._identify()

    def _identify(self) -> None:
        """CSI and DIS, again every T4 until T1 (5.3.6.1.1, 5.4.3.1)."""
        frames = [(FCF.DIS, bytes(capabilities_of(self._options)))]
        if self._options.station_id:
            frames.insert(0, (FCF.CSI, encode_station_id(self._options.station_id)))
        self._identifications += 1
        self._respond(State.DCS, *frames, quiet=Timer.T4, attempt=self._identifications)

    def _polled(self, _: Frame) -> None:
        self._end(T30Error.PROTOCOL, "it wants to poll a document (DTC), there is none")

    # --- the DCS ------------------------------------------------------------------------------------------

    def _dcs(self, frame: Frame) -> None:
        """5.3.6.1.3: a page that is not confirmed by now will come again."""
        try:
            choice = Choice.parse(BitField.parse(frame.fif))
        except FrameError:
            return
        self._identify_far_end()
        self._report(confirmed=False, response=str(frame.fcf))
        if choice is None or (choice.mode.ecm and not self._options.ecm):
            self._end(T30Error.INCOMPATIBLE, "its DCS asks for what our DIS does not offer")
            return
        self._choice = choice
        self._command = None
        self._block = BlockCollector(choice.frame_size)
        self._judge = TrainingJudge(choice.modem)
        self._state = State.TCF
        for timer in (Timer.T1, Timer.T4, Timer.T5, Timer.STORE):
            self._stop(timer)
        self._start(Timer.T2, self._timers.t2)

    def _training_heard(self, signal: FrameReceived | DataReceived | None) -> None:
        if signal is None and self._judge.has_heard:
            self._judge_training()
        elif signal is None:
            # A carrier that brought nothing: some gateways announce one where V.21 ends. TCF may still come.
            self._start(Timer.T2, self._timers.t2)
        elif isinstance(signal, DataReceived):
            self._judge.feed(signal.data)

    def _judge_training(self) -> None:
        """CFR or FTT (5.3.6.1.4)."""
        if self._judge.passed:
            self._emit(Negotiated(self._choice.mode, self._choice.modem))
            self._respond(State.IMAGE, (FCF.CFR, b""))
            return
        self._trainings += 1
        if self._trainings >= _TRAINING_LIMIT:
            self._end(T30Error.TRAINING_FAILED)
            return
        self._await_dcs((FCF.FTT, b""))

    # --- answers ------------------------------------------------------------------------------------------

    def _respond(
        self, state: State, *frames: tuple[FCF, bytes], quiet: Timer = Timer.T2, attempt: int = 1
    ) -> None:
        """Answer; ``quiet`` then runs until the next command."""
        self._state = state
        self._quiet_timer = quiet
        self._answer = replace(self._frames(*frames), attempt=attempt)
        self._answer_repeats = 0
        self._image_since_answer = False
        self._give_answer(self._answer)

    def _await_dcs(self, answer: tuple[FCF, bytes]) -> None:
        """An answer after which the transmitter trains again."""
        self._start(Timer.T1, self._timers.t1)
        self._respond(State.DCS, answer)

    def _repeat(self, _: Frame | None = None) -> None:
        """The same answer again: it was lost, or CRP asks for it."""
        if self._answer is None or self._on_line is not None:
            return
        self._answer_repeats += 1
        if self._answer_repeats > _REPEAT_LIMIT:
            self._end(T30Error.PROTOCOL, "the far end never took our answer")
            return
        self._give_answer(self._answer)

    def _give_answer(self, answer: HdlcBurst) -> None:
        self._stop(Timer.T2)
        self._stop(Timer.T4)
        self._play(answer)

    # --- the line and the time ----------------------------------------------------------------------------

    def _carrier_heard(self, modem: Modem) -> None:
        if modem is not Modem.V21 and self._state in (State.TCF, State.IMAGE):
            self._image_since_answer = True
            self._stop(Timer.T2)

    def _all_sent(self) -> None:
        image = self._state in (State.TCF, State.IMAGE) and self._carrier not in (None, Modem.V21)
        if image or self._state is State.STORE:
            return
        if self._quiet_timer is Timer.T4:
            self._start(Timer.T4, self._timers.t4)
        else:
            self._await_command()

    def _await_command(self) -> None:
        trained = self._state in (State.IMAGE, State.BUSY, State.DCN)
        self._start(Timer.T2, self._timers.last_command if trained else self._timers.t2)

    def _no_command(self) -> None:
        self._end(T30Error.NO_COMMAND, response="T2")

    def _done(self) -> None:
        """DCN was lost, or never sent: the last page had been confirmed."""
        self._finish(self._shortfall)

    def _moment(self) -> str:
        return f"waiting for {self._state.value}, page {self._index + 1}"

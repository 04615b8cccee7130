"""The receiver's phase B: from our DIS to our CFR; and how an answer is given at all."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from t38fsp.t30.capabilities import capabilities_of
from t38fsp.t30.choice import Choice
from t38fsp.t30.dcs import Bit, BitField
from t38fsp.t30.fields import field_not_valid, refusal_in_words
from t38fsp.t30.frames import FCF, Frame, FrameError, encode_station_id
from t38fsp.t30.incoming_blocks import IncomingBlocks
from t38fsp.t30.options import PollDocument, ReceiveOptions
from t38fsp.t30.outputs import Negotiated, PollRequested, T30Error
from t38fsp.t30.session import Session, Timer
from t38fsp.t30.training import TrainingJudge
from t38fsp.t30.vocabulary import CarrierLost, DataReceived, FrameReceived, HdlcBurst, Modem, Tone, ToneBurst

_CED_SECONDS = 3.0

_TRAINING_LIMIT = 20
"""FTT for one page; no ladder has so many rungs."""

_NEGOTIATION_LIMIT = 1000
"""DCS and CTC for one page. Modems leave time for fewer before the receiver's stall; each is an event."""

_REPEAT_LIMIT = 6
"""The same answer again, to CRP or to a repeated command; a transmitter asks three times."""


_PREAMBLE_HEARD = 0.6
"""A V.21 carrier that was up for so many seconds had the preamble of a modem."""

_UNHEARD = 0.85
"""Seconds of preamble at least, in which an answer on a modem says nothing yet (5.3.1)."""

_REFUSAL_LIMIT = 3
"""Wrong passwords in one call."""


class State(Enum):
    """What the receiver waits for."""

    IDLE = "the start"
    DIS = "DIS"
    """Of a caller that polls."""
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
        self._trainings = self._negotiations = 0
        """FTT, and DCS and CTC, since the last page."""
        self._index = 0
        self._blocks = IncomingBlocks(256)
        # the command that was answered last, and the answer
        self._command: tuple[FCF, bytes] | None = None
        self._answer: HdlcBurst | None = None
        self._answer_repeats = 0
        self._quiet_timer = Timer.T2
        self._image_since_answer = False
        self._refusals = 0
        self._refused_poll = ""
        """What was wrong with the last DTC, when nothing has followed it."""
        self._two_receivers = False
        self._agreed_pace = True
        """By the DCS there are modems."""

    def limit_rate(self, bit_rate: int) -> None:
        """Before the start: no modem above ``bit_rate`` (bit/s, 2400 or more), in our DIS and after."""
        self._options = replace(self._options, max_rate=min(self._options.max_rate, bit_rate))

    def be_internet_aware(self) -> None:
        """Before the start: say in the DIS that no pace need be kept (bit 123)."""
        self._options = replace(self._options, internet_aware=True)

    def keep_modem_pace(self, now: float) -> None:
        """The far end may have become another: answer at the pace of modems, and offer nothing else."""
        self._now = now
        self._options = replace(self._options, internet_aware=False)
        self._agreed_pace = self._paced = True

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
        """Say who we are and what we can do, again every T4 until T1 (5.3.6.1.1, 5.4.3.1)."""
        self._identifications += 1
        if self._may_identify():
            said = self._identification()
            self._respond(State.DCS, *said, quiet=Timer.T4, attempt=self._identifications)

    def _may_identify(self) -> bool:
        """DIS has no limit but T1."""
        return True

    def _identification(self) -> list[tuple[FCF, bytes]]:
        """CSI and DIS."""
        dis = (FCF.DIS, self._our_capabilities())
        if not self._options.station_id:
            return [dis]
        return [(FCF.CSI, encode_station_id(self._options.station_id)), dis]

    def _our_capabilities(self) -> bytes:
        return bytes(capabilities_of(replace(self._options, document=self._document)))

    @property
    def _document(self) -> PollDocument | None:
        """What a caller may poll. One that has sent pages may not: a fax goes one way."""
        return None if self._index else self._options.document

    def _dis(self, frame: Frame) -> None:
        self._dis_heard(frame)

    def _dis_heard(self, frame: Frame) -> None:
        """An echo of our DIS, or a far end that has answered too: it never sends a DCS."""
        self._two_receivers = frame.fif != self._our_capabilities()

    def _no_dis(self) -> None:
        if self._far_end_spoke:
            self._end(T30Error.NO_FAX)
        else:
            self._finish(T30Error.NO_FAX)

    # --- polling ------------------------------------------------------------------------------------------

    def _dtc(self, frame: Frame) -> None:
        self._polled(frame)

    def _polled(self, frame: Frame) -> None:
        """DTC: the caller wants the document (5.3.6.1.2), if it knows the password and which one it is."""
        try:
            capabilities = BitField.parse(frame.fif)
        except FrameError:
            return
        self._identify_far_end()
        document, said = self._document, self._far_end.addressed
        if document is None:
            self._end(T30Error.PROTOCOL, "it wants to poll a document (DTC), and none is offered")
            return
        wrong = [FCF.PWD] if document.password not in ("", said.password) else []
        if document.selective_address not in ("", said.selective_address):
            wrong.append(FCF.SEP)
        if wrong:
            self._refuse_poll(wrong, understood=Bit.FIELD_NOT_VALID in capabilities)
            return
        self._hush()  # its DTC may have crossed our DIS, of which the transmitter would not know
        self._deadlines.clear()
        self._finished = True
        self._emit(PollRequested(frame))

    def _refuse_poll(self, wrong: list[FCF], *, understood: bool) -> None:
        """FNV where the DTC allows it (bit 33), so that the caller may ask again."""
        self._refusals += 1
        self._refused_poll = f"it polls with a wrong {' and '.join(map(str, wrong))}, or none"
        if understood and self._refusals < _REFUSAL_LIMIT:
            self._await_dcs((FCF.FNV, field_not_valid(wrong)))
        else:
            self._end(T30Error.FIELD_REFUSED, self._refused_poll)

    def _disconnected(self) -> None:
        if self._refused_poll and self._verdict is None:
            self._finish(T30Error.FIELD_REFUSED, self._refused_poll)
        else:
            super()._disconnected()

    def _field_refused(self, frame: Frame) -> None:
        """FNV to the DTC of a caller that polls; ours may come back as an echo."""
        if not self._refused_poll:
            self._end(T30Error.FIELD_REFUSED, refusal_in_words(frame.fif))

    # --- the DCS ------------------------------------------------------------------------------------------

    def _dcs(self, frame: Frame) -> None:
        """5.3.6.1.3: a page that is not confirmed by now will come again."""
        try:
            dcs = BitField.parse(frame.fif)
        except FrameError:
            return
        if not self._options.internet_aware:
            # Who did not offer it (bit 123) goes by the modem.
            dcs = BitField(dcs.bits - {Bit.INTERNET_AWARE})
        choice = Choice.parse(dcs)
        self._identify_far_end()
        self._report(confirmed=False, response=str(frame.fcf))
        if choice is None or (choice.mode.ecm and not self._options.ecm):
            self._end(T30Error.INCOMPATIBLE, "its DCS asks for what our DIS does not offer")
            return
        if not self._may_negotiate():
            return
        self._choice = choice
        self._agreed_pace = self._paced = choice.paced
        self._refused_poll = ""
        self._command = None
        self._blocks = IncomingBlocks(choice.frame_size)
        self._judge = TrainingJudge(choice.modem)
        self._state = State.TCF
        for timer in (Timer.T1, Timer.T4, Timer.T5, Timer.STORE):
            self._stop(timer)
        if choice.paced:
            self._start(Timer.T2, self._timers.t2)
        else:
            self._trained()

    def _may_negotiate(self) -> bool:
        self._negotiations += 1
        if self._negotiations <= _NEGOTIATION_LIMIT:
            return True
        self._end(T30Error.PROTOCOL, "it negotiates on and on")
        return False

    def _trained(self) -> None:
        """Without a modem there was nothing to train."""
        self._emit(Negotiated(self._choice.mode, self._choice.modem))
        self._respond(State.IMAGE, (FCF.CFR, b""))

    def _training_heard(self, signal: FrameReceived | DataReceived | CarrierLost) -> None:
        if isinstance(signal, CarrierLost) and self._judge.has_heard:
            self._judge_training()
        elif isinstance(signal, CarrierLost):
            # A carrier that brought nothing: some gateways announce one where V.21 ends. TCF may still come.
            self._start(Timer.T2, self._timers.t2)
        elif isinstance(signal, DataReceived):
            self._judge.feed(signal.data)

    def _judge_training(self) -> None:
        """CFR or FTT (5.3.6.1.4)."""
        if self._judge.passed:
            self._trained()
            return
        self._trainings += 1
        if self._trainings >= _TRAINING_LIMIT:
            self._end(T30Error.TRAINING_FAILED)
            return
        self._await_dcs((FCF.FTT, b""))

    def _follow_pace(self) -> None:
        """A command at the pace of a modem is answered so: who says it does not listen before it is over."""
        self._paced = self._agreed_pace or self._now - self._carrier_began > _PREAMBLE_HEARD

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

    def _ready_wanted(self, _: Frame) -> None:
        """TNR: the transmitter is not ready; ask it with TR when it will be, for T5 (5.3.6.1.8)."""
        if not self._runs(Timer.T5):
            self._start(Timer.T5, self._timers.t5)
        self._give_answer(self._frames((FCF.TR, b"")))

    def _repeat(self, _: Frame | None = None) -> None:
        """The same answer again: it was lost, or CRP asks for it."""
        if self._answer is None or self._on_line is not None:
            return
        self._answer_repeats += 1
        if self._answer_repeats > _REPEAT_LIMIT:
            self._end(T30Error.PROTOCOL, "the far end never took our answer")
            return
        self._give_answer(replace(self._answer, paced=self._paced))

    def _give_answer(self, answer: HdlcBurst) -> None:
        """Say it next: of answers that have not begun the newest counts, however fast commands come.

        The same answer in its preamble is heard after this command as well: two of them would be taken for
        the answers to two commands.
        """
        self._stop(Timer.T2)
        self._stop(Timer.T4)
        self._queue.clear()
        if not (self._on_line == answer and self._unheard):
            self._play(answer)

    @property
    def _unheard(self) -> bool:
        """What is on the line cannot have been answered yet."""
        burst = self._on_line
        paced = isinstance(burst, HdlcBurst) and burst.paced
        return paced and self._now - self._on_line_since < _UNHEARD

    # --- the line and the time ----------------------------------------------------------------------------

    def _carrier_heard(self, modem: Modem) -> None:
        if modem is not Modem.V21 and self._state in (State.TCF, State.IMAGE):
            self._stop(Timer.T2)
            self._stop(Timer.T5)

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
        detail = "it sends DIS, as a receiver does" if self._two_receivers else ""
        self._end(T30Error.NO_COMMAND, detail, response="T2")

    def _done(self) -> None:
        """DCN was lost, or never sent: the last page had been confirmed."""
        self._finish(self._shortfall)

    def _moment(self) -> str:
        return f"waiting for {self._state.value}, page {self._index + 1}"

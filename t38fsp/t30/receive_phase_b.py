"""The receiver's phase B: our DIS, the DCS of the far end, and training (T.30 5.3.6.1.1 to 5.3.6.1.4)."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t30.capabilities import capabilities_of
from t38fsp.t30.dcs import Bit, BitField
from t38fsp.t30.dcs_choice import Choice
from t38fsp.t30.frames import FCF, FrameError, encode_station_id
from t38fsp.t30.half_duplex import HalfDuplexLine, Timer
from t38fsp.t30.modems import modem_of_dcs
from t38fsp.t30.optional_frames import refusal_in_words
from t38fsp.t30.options import PollDocument, ReceiveOptions
from t38fsp.t30.outputs import Listen, Negotiated
from t38fsp.t30.receive_answer import Answer
from t38fsp.t30.record import PageReports
from t38fsp.t30.training import TrainingJudge
from t38fsp.t30.vocabulary import Modem, Tone, ToneBurst

_CED_SECONDS = 3.0

_TRAINING_LIMIT = 20
"""FTT for one page; there are fewer rates to fall back to."""

_NEGOTIATION_LIMIT = 1000
"""DCS and CTC for one page. Modems leave time for fewer before the receiver's stall; each is an event."""


class ReceivePhaseB:
    """Our offered capabilities, and the mode that the far end chose."""

    choice: Choice  # since the first DCS
    _judge: TrainingJudge  # since the first DCS

    def __init__(
        self, line: HalfDuplexLine, reports: PageReports, answer: Answer, options: ReceiveOptions
    ) -> None:
        self._line = line
        self._reports = reports
        self._answer = answer
        self.options = options
        self.ced = True
        self.identifications = 0
        """DIS or DTC sent in a row."""
        self._trainings = self._negotiations = 0
        """FTT, and DCS and CTC, since the last page."""
        self._offers_document = True
        self._read: Choice | None = None
        """The mode of the DCS just received."""
        self._two_receivers = False
        self.refused_poll = ""
        """What was wrong with the last DTC, when nothing has followed it."""

    # --- guards -------------------------------------------------------------------------------------------

    def dcs_valid(self) -> bool:
        """The DCS has the three octets that every DCS has."""
        try:
            BitField.parse(self._line.fif)
        except FrameError:
            return False
        return True

    def acceptable(self) -> bool:
        """The DCS asks for nothing that our DIS does not offer."""
        choice = self._read
        return choice is not None and (self.options.ecm or not choice.mode.ecm)

    def negotiated_too_often(self) -> bool:
        """1000 DCS and CTC came for one page."""
        return self._negotiations >= _NEGOTIATION_LIMIT

    def no_modem(self) -> bool:
        """The DCS chose the internet-aware mode (bit 123): there is nothing to train."""
        return self._read is not None and not self._read.modem_paced

    def training_heard(self) -> bool:
        """The training check brought octets, good or bad."""
        return self._judge.has_heard

    def training_passed(self) -> bool:
        """A second of zeros came without a wrong octet."""
        return self._judge.passed

    def trained_too_often(self) -> bool:
        """This is the twentieth training check that failed for one page."""
        return self._trainings + 1 >= _TRAINING_LIMIT

    def ctc_valid(self) -> bool:
        """The CTC names a modem that we have."""
        return self._modem_of_ctc() is not None

    def ecm(self) -> bool:
        """The DCS chose ECM."""
        return self.choice.mode.ecm

    # --- actions ------------------------------------------------------------------------------------------

    def answer_call(self) -> None:
        """Play CED for 3 s if wanted, and if a modem may hear it."""
        self.bound_page()
        if self.ced and self._line.modem_paced:
            self._line.play(ToneBurst(Tone.CED, _CED_SECONDS))

    def begin_identification(self) -> None:
        """Start T1: the other end has to be identified within that."""
        self.identifications = 0
        # After EOM, too, phase B begins with a T1 of its own.
        self._line.start(Timer.T1, self._line.durations.t1)

    def send_dis(self) -> None:
        """CSI and DIS, again every T4 until T1; from the second on at modem pace."""
        self.identifications += 1
        frames = [(FCF.DIS, self.capabilities())]
        if self.options.station_id:
            # 5.3.6.1.1: CSI comes before the DIS, which is the mandatory frame and the last.
            frames.insert(0, (FCF.CSI, encode_station_id(self.options.station_id)))
        self._answer.identify(self.identifications, *frames)

    def note_dis(self) -> None:
        """A DIS that is not an echo of ours: the far end is a receiver, too, and will not send DCS."""
        # An echo of our own DIS is the same octet by octet.
        self._two_receivers = self._line.fif != self.capabilities()

    def read_dcs(self) -> None:
        """Read the DCS; a page that is not confirmed yet will be sent again."""
        dcs = BitField.parse(self._line.fif)
        if not self.options.internet_aware:
            # Without our offer of it (DIS bit 123) the session stays at modem pace.
            dcs = BitField(dcs.bits - {Bit.INTERNET_AWARE})
        self._read = Choice.parse(dcs)
        self._line.identify_far_end()
        self._reports.report(confirmed=False, response=self._reports.response)

    def take_dcs(self) -> None:
        """Set up the mode of the DCS."""
        choice = self._read
        assert choice is not None, "the guard has seen it"
        self.choice = choice
        self._negotiations += 1
        self._answer.agreed_pace = self._line.modem_paced = choice.modem_paced
        self._answer.forget_command()
        self.refused_poll = ""
        self._judge = TrainingJudge(choice.modem)
        if choice.modem_paced:
            self._line.emit(Listen(choice.modem))
        self._answer.image = self._image(choice.modem)
        for timer in (Timer.T1, Timer.T4, Timer.T5, Timer.STORE):
            self._line.stop(timer)

    def check_training(self) -> None:
        """Evaluate octets of the training check."""
        self._judge.feed(self._line.octets)

    def send_cfr(self) -> None:
        """CFR; report the mode."""
        self._line.emit(Negotiated(self.choice.mode, self.choice.modem))
        self._answer.respond((FCF.CFR, b""))

    def send_ftt(self) -> None:
        """FTT: the far end must train again, at a lower rate."""
        self._trainings += 1
        self._answer.await_dcs((FCF.FTT, b""))

    def send_ctr(self) -> None:
        """CTR: the rest of the block follows at another rate, at modem pace."""
        modem = self._modem_of_ctc()
        assert modem is not None, "the guard has seen it"
        self._negotiations += 1
        self.choice = self.choice.at(modem)
        self._answer.agreed_pace = self._line.modem_paced = True
        if self._reports.record is not None:
            self._reports.record.mode = self.choice.mode
        self._line.emit(Negotiated(self.choice.mode, modem))
        self._answer.image = Listen(modem, hdlc=True)  # long training once (A.4.3)
        self._answer.respond((FCF.CTR, b""))
        self._answer.image = self._image(modem)

    # --- in words -----------------------------------------------------------------------------------------

    def two_receivers(self) -> str:
        """Explains a far end that never sends a command."""
        return "it sends DIS, as a receiver does" if self._two_receivers else ""

    def refusal(self) -> str:
        """The fields that an FNV refuses."""
        return refusal_in_words(self._line.fif)

    def stalled(self) -> str:
        """How long there was no progress."""
        return f"no page made progress for {self._line.durations.stall:.0f} s"

    # --- for the other parts ------------------------------------------------------------------------------

    def capabilities(self) -> bytes:
        """The information field of our DIS or DTC."""
        return bytes(capabilities_of(replace(self.options, document=self.document)))

    @property
    def document(self) -> PollDocument | None:
        """The document that a caller may poll; None once it has sent pages, as a fax goes one way."""
        return self.options.document if self._offers_document else None

    def bound_page(self) -> None:
        """Limit the time of the next block, or of the next page without ECM."""
        self._line.start(Timer.STALL, self._line.durations.stall)

    def page_over(self) -> None:
        """Another page begins."""
        self._offers_document = False
        self._trainings = self._negotiations = 0
        self.bound_page()

    # --- internals ----------------------------------------------------------------------------------------

    def _image(self, modem: Modem) -> Listen:
        """The next image on a modem that is trained; only V.17 has a short training."""
        return Listen(modem, modem.modulation == "V.17", self.choice.mode.ecm)

    def _modem_of_ctc(self) -> Modem | None:
        fif = self._line.fif
        # The field of CTC is the first two octets of a DCS (A.4.3); the third one here only
        # satisfies the parser.
        return modem_of_dcs(BitField.parse(fif[:2] + b"\0")) if len(fif) >= 2 else None

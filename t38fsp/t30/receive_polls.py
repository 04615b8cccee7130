"""What polling adds to phase B of a receiver (T.30 5.3.6.1.2): DTC at the called end, and at the caller."""

from __future__ import annotations

from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.dcs import Bit, BitField
from t38fsp.t30.frames import FCF, FrameError, encode_station_id
from t38fsp.t30.half_duplex import HalfDuplexLine
from t38fsp.t30.optional_frames import field_not_valid
from t38fsp.t30.options import PollOptions
from t38fsp.t30.outputs import CapabilitiesReceived, PollRequested
from t38fsp.t30.receive_answer import Answer
from t38fsp.t30.receive_phase_b import ReceivePhaseB
from t38fsp.t30.vocabulary import Tone, ToneBurst

_REFUSAL_LIMIT = 3
"""Wrong passwords in one call."""


class PolledEnd:
    """The called end: a caller may ask for the document, if it knows the password and which one it is."""

    def __init__(self, line: HalfDuplexLine, answer: Answer, phase_b: ReceivePhaseB) -> None:
        self._line = line
        self._answer = answer
        self._phase_b = phase_b
        self._refusals = 0
        self._wrong: list[FCF] = []
        """The fields of the DTC that do not match."""

    # --- guards -------------------------------------------------------------------------------------------

    def dtc_valid(self) -> bool:
        """The DTC has the three octets that every DTC has."""
        return self._parsed() is not None

    def offered(self) -> bool:
        """Our DIS offered a document (bit 9)."""
        return self._phase_b.document is not None

    def wrong(self) -> bool:
        """The password or the selective address is not that of the document."""
        return bool(self._wrong)

    def may_refuse(self) -> bool:
        """The caller understands FNV (bit 33), and has been refused less than twice."""
        capabilities = self._parsed()
        understood = capabilities is not None and Bit.FIELD_NOT_VALID in capabilities
        return understood and self._refusals + 1 < _REFUSAL_LIMIT

    def refused(self) -> bool:
        """The last DTC was refused, and nothing has followed it."""
        return bool(self._phase_b.refused_poll)

    # --- actions ------------------------------------------------------------------------------------------

    def read_dtc(self) -> None:
        """Compare what the DTC asks for with the document."""
        self._line.identify_far_end()
        document, said = self._phase_b.document, self._line.far_end.addressed
        self._wrong = []
        if document is not None and document.password not in ("", said.password):
            self._wrong.append(FCF.PWD)
        if document is not None and document.selective_address not in ("", said.selective_address):
            self._wrong.append(FCF.SEP)
        if self._wrong:
            names = " and ".join(map(str, self._wrong))
            self._phase_b.refused_poll = f"it polls with a wrong {names}, or none"

    def send_fnv(self) -> None:
        """FNV: the caller may ask again."""
        self._refusals += 1
        self._answer.await_dcs((FCF.FNV, field_not_valid(self._wrong)))

    def hand_over(self) -> None:
        """Leave the rest to a transmitter; it would not know of a DIS that the DTC has crossed."""
        self._line.stop_sending()
        assert self._line.heard is not None, "a DTC was heard"
        self._line.emit(PollRequested(self._line.heard))

    # --- in words -----------------------------------------------------------------------------------------

    def refusal(self) -> str:
        """What was wrong with the DTC."""
        return self._phase_b.refused_poll

    # --- inside -------------------------------------------------------------------------------------------

    def _parsed(self) -> BitField | None:
        try:
            return BitField.parse(self._line.fif)
        except FrameError:
            return None


class PollingEnd:
    """The caller: it answers the DIS with DTC."""

    def __init__(
        self, line: HalfDuplexLine, answer: Answer, phase_b: ReceivePhaseB, options: PollOptions
    ) -> None:
        self._line = line
        self._answer = answer
        self._phase_b = phase_b
        self._options = options
        self._capabilities: Capabilities | None = None

    # --- guards -------------------------------------------------------------------------------------------

    def dis_valid(self) -> bool:
        """The DIS has the three octets that every DIS has."""
        return self._parsed() is not None

    def has_document(self) -> bool:
        """The far end offers a document (bit 9)."""
        return self._capabilities is not None and Bit.DOCUMENT_TO_POLL in self._capabilities.others

    def tries_left(self) -> bool:
        """DTC may be sent once more: three times in all."""
        return self._phase_b.identifications < self._options.tries

    # --- actions ------------------------------------------------------------------------------------------

    def call(self) -> None:
        """Play CNG if wanted, and if a modem may hear it."""
        self._phase_b.bound_page()
        if self._options.cng and self._line.modem_paced:
            self._line.play(ToneBurst(Tone.CNG, 0.0))

    def read_dis(self) -> None:
        """Take over the capabilities of the far end."""
        capabilities = self._parsed()
        self._line.identify_far_end()
        if capabilities is not None and capabilities != self._capabilities:
            self._capabilities = capabilities
            self._line.emit(CapabilitiesReceived(capabilities))

    def send_dtc(self) -> None:
        """PWD, SEP and PSA where the DIS allows them, CIG and DTC."""
        poll = self._options
        frames: list[tuple[FCF, bytes]] = []
        for fcf, text, bit in (
            (FCF.PWD, poll.password, Bit.PASSWORD),
            (FCF.SEP, poll.selective_address, Bit.SELECTIVE_POLLING),
            (FCF.PSA, poll.sub_address, Bit.POLLED_SUBADDRESS),
        ):
            if text and self._capabilities is not None and bit in self._capabilities.others:
                frames.append((fcf, encode_station_id(text)))
            elif text:
                self._line.warn(f"the far end does not accept {fcf} (DIS bit {int(bit)}), so it was left out")
        if self._phase_b.options.station_id:
            frames.append((FCF.CIG, encode_station_id(self._phase_b.options.station_id)))
        self._phase_b.identifications += 1
        dtc = (FCF.DTC, self._phase_b.capabilities())
        self._answer.identify(self._phase_b.identifications, *frames, dtc)

    # --- inside -------------------------------------------------------------------------------------------

    def _parsed(self) -> Capabilities | None:
        try:
            return Capabilities.parse(self._line.fif)
        except FrameError:
            return None

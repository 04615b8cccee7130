"""The transmitter's phase B: the DIS of the far end, and our DCS (T.30 5.3.6.1.1 to 5.3.6.1.4)."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.dcs import Bit
from t38fsp.t30.dcs_choice import Choice, choose_mode
from t38fsp.t30.frames import FCF, FrameError, encode_station_id
from t38fsp.t30.half_duplex import HalfDuplexLine, Timer
from t38fsp.t30.modems import DESCENDING, ladder
from t38fsp.t30.optional_frames import refusal_in_words
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.outputs import CapabilitiesReceived, Negotiated, RoundTripMeasured
from t38fsp.t30.training import training_check
from t38fsp.t30.transmit_command import Command
from t38fsp.t30.vocabulary import Modem, PageFormat, Tone, ToneBurst

# A receiver repeats its DIS T4 after the end of the last one, at the earliest after 2.55 s.
_FRESH = 2.0
"""Seconds after the end of a DIS from which its repetition is imminent; wait for it to avoid a collision."""

_DIS_REPEAT_LIMIT = 5.0

_MODEM_TURN = 1.0
"""Seconds. Preamble and frame of CFR take 1.05 on a modem: a slower response may have passed through one."""


class TransmitPhaseB:
    """The far end's capabilities, the mode we chose, and the remaining rates.

    ``polled`` is set for a called end whose document is polled (DTC).
    """

    choice: Choice  # since the first DCS

    def __init__(
        self, line: HalfDuplexLine, command: Command, options: TransmitOptions, *, polled: bool
    ) -> None:
        self._line = line
        self._command = command
        self.options = options
        self._polled = polled
        self._capabilities: Capabilities | None = None
        self._may_send = polled
        self.dis_ended: float | None = None
        self._ladder: tuple[Modem, ...] = DESCENDING
        self._best = 0  # index in DESCENDING; the rates before it have failed
        self._train_next = False
        self.long_training = False
        """V.17 uses long training only for TCF and after CTR (A.4.3)."""

    # --- guards -------------------------------------------------------------------------------------------

    def dis_valid(self) -> bool:
        """The DIS has at least the three mandatory octets."""
        return self._parsed() is not None

    def dis_heard(self) -> bool:
        """A valid DIS was received in this session."""
        return self.dis_ended is not None

    def dis_is_fresh(self) -> bool:
        """The DIS has just ended, so DCS cannot collide with its repetition."""
        line = self._line
        return line.carrier is None and self.dis_ended is not None and line.now - self.dis_ended <= _FRESH

    def receives(self) -> bool:
        """The far end can receive (bit 10); a polling one can, whatever that bit is."""
        return self._polled or (self._capabilities is not None and self._capabilities.receives)

    def may_send(self) -> bool:
        """The application has permitted sending; not needed when polled."""
        return self._may_send

    def internet_aware(self) -> bool:
        """The last DCS or CTC chose no modem (bit 123)."""
        return not self.choice.modem_paced

    def answered_like_a_modem(self) -> bool:
        """The last DCS chose no modem, but its response took as long as through a modem."""
        return self.internet_aware() and self._line.now - self._line.sent_at > _MODEM_TURN

    def outpaces(self) -> bool:
        """The last DCS or CTC chose no modem, but we have fallen back to modem pace."""
        return self._line.modem_paced and not self.choice.modem_paced

    def rate_left(self) -> bool:
        """Both ends support a lower rate that has not failed."""
        return len(self._ladder) > 1

    def must_train(self) -> bool:
        """RTP requires training before the next page (5.3.6.1.7); so does a return to modem pace."""
        return self._train_next or self.outpaces()

    # --- actions ------------------------------------------------------------------------------------------

    def call(self) -> None:
        """Play CNG if wanted."""
        if self.options.cng:
            self._line.play(ToneBurst(Tone.CNG, 0.0))

    def await_dis(self) -> None:
        """Start T1."""
        self._line.stop(Timer.T4)
        self._line.start(Timer.T1, self._line.durations.t1)

    def await_repeated_dis(self) -> None:
        """Wait for the repetition of the DIS, for a few seconds at most."""
        self._line.start(Timer.DIS_REPEAT, _DIS_REPEAT_LIMIT)

    def read_dis(self) -> None:
        """Store the capabilities of the far end, and the rates that both support."""
        capabilities = self._parsed()
        assert capabilities is not None, "the guard has parsed it"
        line = self._line
        line.stop(Timer.DIS_REPEAT)
        line.identify_far_end()
        self.dis_ended = line.now
        if capabilities != self._capabilities:
            self._capabilities = capabilities
            line.emit(CapabilitiesReceived(capabilities))
        if self.receives():
            self._warn_of_addresses(capabilities)
        shared = ladder(capabilities.modems, self.options.max_rate)
        # A rate that failed in this session is not tried again, even in a later phase B.
        # ``or shared``: a machine that now offers only rates that failed before gets them again.
        self._ladder = tuple(modem for modem in shared if DESCENDING.index(modem) >= self._best) or shared

    def send_dcs(self) -> None:
        """Send DCS, then 1.5 s of zeros (TCF) on the modem that it names; without a modem DCS only."""
        line, choice = self._line, self.choice
        line.modem_paced = choice.modem_paced
        self.long_training = self._train_next = False
        # DCS begins phase B's second half, which T4 and the number of tries bound.
        line.stop(Timer.T1)
        command = line.frames(*self._optional_frames(), (FCF.DCS, choice.fif))
        # TCF is sent on the modem of the DCS, always with long training, and without ECM framing (5.3.6.1.3).
        training = (training_check(choice.modem),) if choice.modem_paced else ()
        self._command.send("DCS", command, *training)

    def trained(self) -> None:
        """Process CFR: report the mode and, without a modem, the path measured by the response."""
        if not self._line.modem_paced:
            self._line.emit(RoundTripMeasured(self.turn))
        self._line.emit(Negotiated(self.choice.mode, self.choice.modem))

    def step_down(self) -> None:
        """Use the next lower rate, if there is one."""
        # RTN and CTC come here even at the lowest rate, which is then used again.
        self._ladder = self._ladder[1:] or self._ladder
        self._best = DESCENDING.index(self._ladder[0])

    def train_next(self) -> None:
        """Note that the next page begins with DCS."""
        self._train_next = True

    def send_tnr(self) -> None:
        """TNR: the page is being prepared."""
        self._line.play(self._line.frames((FCF.TNR, b"")))

    # --- leaving the internet-aware mode ------------------------------------------------------------------

    def leave_untrained(self) -> None:
        """Fall back to modem pace: FTT can only come from a modem."""
        self.leave_internet_aware_mode("the far end asked for training")

    def leave_slow(self) -> None:
        """Fall back to modem pace: the response took as long as through a modem."""
        self.leave_internet_aware_mode("the response to DCS took as long as modems need")

    def leave_unanswered(self) -> None:
        """Fall back to modem pace: the command may have been lost because it was faster."""
        self.leave_internet_aware_mode(f"{self._command.name} went unanswered")

    def leave_unheard(self) -> None:
        """Fall back to modem pace, if the DCS without a response named no modem."""
        if not self.choice.modem_paced:
            self.leave_internet_aware_mode("DCS was not received")

    def leave_lost(self) -> None:
        """Fall back to modem pace: the far end has restarted."""
        if not self._line.modem_paced:
            self.leave_internet_aware_mode("the far end lost the page")

    def leave_internet_aware_mode(self, why: str) -> None:
        """Keep modem pace for the rest of the session."""
        self.options = replace(self.options, internet_aware=False)
        if not self._line.modem_paced:
            self._line.modem_paced = True
            self._line.warn(f"{why}, so the fax continues at modem pace")

    # --- for the other parts ------------------------------------------------------------------------------

    def refusal(self) -> str:
        """The fields that an FNV refuses, in words."""
        return refusal_in_words(self._line.fif)

    def give_leave(self) -> None:
        self._may_send = True

    def choose(self, page: PageFormat) -> Choice | None:
        """The mode of the page; None if the far end cannot receive it, or is not known yet."""
        if self._capabilities is None or not self._ladder:
            return None
        return choose_mode(self._capabilities, page, self.options, self._ladder[0])

    @property
    def best_modem(self) -> Modem:
        return self._ladder[0]

    @property
    def short_training(self) -> bool:
        """V.17 uses long training only for TCF and after CTR."""
        return self.choice.modem.modulation == "V.17" and not self.long_training

    @property
    def turn(self) -> float:
        """Seconds from the end of our command to the beginning of the response."""
        return max(self._line.carrier_began - self._line.sent_at, 0.0)

    # --- internals ----------------------------------------------------------------------------------------

    def _parsed(self) -> Capabilities | None:
        try:
            return Capabilities.parse(self._line.fif)
        except FrameError:
            return None

    def _warn_of_addresses(self, capabilities: Capabilities) -> None:
        if self.options.sub_address and Bit.SUBADDRESS not in capabilities.others:
            self._line.warn("the far end does not support sub-addresses (DIS bit 49), so it is omitted")
        if self.options.sender_id and Bit.PASSWORD not in capabilities.others:
            self._line.warn(
                "the far end does not support sender identification (DIS bit 50), so it is omitted"
            )

    def _optional_frames(self) -> list[tuple[FCF, bytes]]:
        """SUB and SID if announced in the DCS, and TSI (5.3.6.1.3)."""
        texts = {
            FCF.SUB: self.options.sub_address if Bit.SUBADDRESS in self.choice.dcs else "",
            FCF.SID: self.options.sender_id if Bit.PASSWORD in self.choice.dcs else "",
            FCF.TSI: self.options.station_id,
        }
        return [(fcf, encode_station_id(text)) for fcf, text in texts.items() if text]

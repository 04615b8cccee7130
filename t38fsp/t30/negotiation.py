"""The transmitter's phase B: from the DIS of the far end to its CFR; and how a command is sent at all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.choice import Choice, choose_mode
from t38fsp.t30.dcs import Bit
from t38fsp.t30.fallback import DESCENDING, ladder
from t38fsp.t30.frames import FCF, Frame, FrameError, encode_station_id
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.outputs import CapabilitiesReceived, Negotiated, T30Error, TurnTaken
from t38fsp.t30.session import Session, Timer
from t38fsp.t30.supply import PageSupply
from t38fsp.t30.training import training_check
from t38fsp.t30.vocabulary import Burst, HdlcBurst, Modem, PageFormat, Tone, ToneBurst

_FRESH = 2.0
"""A DIS that ended so long ago is about to be repeated; wait for it rather than collide."""

_FRESH_DIS_LIMIT = 5.0

_MODEM_TURN = 1.0
"""Seconds. On a modem the preamble and the frame of CFR take 1.05: what takes longer may have met one."""

_CANCELLED_REPEAT = 0.9
"""A repeat that is still in its preamble gives way to an answer."""

_NO_ANSWER = 0.5
"""Silence behind what a repeat gave way to, and which was no answer after all."""


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


COMMANDING = frozenset(
    {State.CFR, State.MCF, State.PPS, State.BUSY, State.CTR, State.ERR, State.BUSY_ERR},
)
"""States in which a command is on the line, or an answer to it is due within T4."""


class Negotiation(Session):
    """A transmitter that can get as far as CFR."""

    _x = True
    _capabilities: Capabilities | None = None
    _choice: Choice  # since the first DCS

    def __init__(self, pages: Sequence[PageFormat], options: TransmitOptions, first: int) -> None:
        super().__init__(options.timers)
        self._pages = tuple(pages)
        self._options = options
        self._state = State.IDLE
        self._leave = False
        self._supply = PageSupply()
        self._first = self._index = first
        self._long_training = False
        # the DIS
        self._dis_ended: float | None = None
        self._ladder: tuple[Modem, ...] = DESCENDING
        self._best = 0  # in DESCENDING: what is above it has failed
        # the command
        self._command_name = ""
        self._command_bursts: tuple[HdlcBurst, *tuple[Burst, ...]]
        self._tries = 0
        self._repeat_began: float | None = None
        self._gave_way = False

    def limit_rate(self, bit_rate: int) -> None:
        """Before the start: no modem above ``bit_rate`` (bit/s, 2400 or more), in our DCS and after."""
        self._options = replace(self._options, max_rate=min(self._options.max_rate, bit_rate))

    def be_internet_aware(self) -> None:
        """Before the start: let the DIS of the far end do away with the pace of modems (bit 123)."""
        self._options = replace(self._options, internet_aware=True)

    def keep_modem_pace(self, now: float) -> None:
        """The far end may have become another: what follows goes at the pace of modems."""
        self._now = now
        self._keep_pace("the far end moved")

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
        if self._carrier is None and self._dis_ended is not None and now - self._dis_ended <= _FRESH:
            self._train()
        else:
            self._state = State.DIS
            self._start(Timer.FRESH_DIS, _FRESH_DIS_LIMIT)

    @abstractmethod
    def _begin_page(self) -> None:
        """Phase C."""

    # --- the DIS ------------------------------------------------------------------------------------------

    def _await_dis(self) -> None:
        self._state = State.DIS
        self._stop(Timer.T4)
        self._start(Timer.T1, self._timers.t1)

    def _dis(self, frame: Frame) -> None:
        """5.3.6.1.1: the far end says what it can do."""
        if not self._read_dis(frame):
            return
        if self._state is State.DIS:
            # Of a DIS that changes while leave is awaited only the last one counts, when DCS is made of it.
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
        if capabilities != self._capabilities:
            self._capabilities = capabilities
            self._emit(CapabilitiesReceived(capabilities))
        if not self._may_receive(capabilities):
            self._end(T30Error.NOT_A_RECEIVER)
            return False
        self._warn_of_addresses(capabilities)
        shared = ladder(capabilities.modems, self._options.max_rate)
        # A rate that failed once in this session is not tried again, even in a later phase B.
        self._ladder = tuple(modem for modem in shared if DESCENDING.index(modem) >= self._best) or shared
        if not self._ladder or self._choose(self._index) is None:
            self._end(T30Error.INCOMPATIBLE)
            return False
        return True

    def _may_receive(self, capabilities: Capabilities) -> bool:
        return capabilities.receives

    def _warn_of_addresses(self, capabilities: Capabilities) -> None:
        if self._options.sub_address and Bit.SUBADDRESS not in capabilities.others:
            self._warn("the far end takes no sub-address (DIS bit 49), so the fax goes without it")
        if self._options.sender_id and Bit.PASSWORD not in capabilities.others:
            self._warn("the far end takes no sender identity (DIS bit 50), so the fax goes without it")

    def _polled(self, _: Frame) -> None:
        self._end(T30Error.NOT_A_RECEIVER, "the far end wants to poll a document (DTC)")

    def _no_fax(self) -> None:
        if self._dis_ended is not None:
            self._end(T30Error.PROTOCOL)
        elif self._far_end_spoke:
            self._end(T30Error.NO_FAX)
        else:
            self._finish(T30Error.NO_FAX)

    def _no_leave(self) -> None:
        self._end(T30Error.ABORTED)

    # --- the DCS ------------------------------------------------------------------------------------------

    def _choose(self, index: int) -> Choice | None:
        if self._capabilities is None:
            return None
        return choose_mode(self._capabilities, self._pages[index], self._options, self._ladder[0])

    def _want(self, index: int) -> None:
        """Have page ``index`` coded, if there is one."""
        if index >= len(self._pages):
            return
        choice = self._choose(index)
        wanted = None if choice is None else self._supply.want(index, choice.mode)
        if wanted is not None:
            self._emit(wanted)

    def _train(self) -> None:
        """DCS, then 1.5 s of zeros on the modem that it names; without a modem nothing is to be trained."""
        choice = self._choose(self._index)
        if choice is None:
            self._end(T30Error.INCOMPATIBLE)
            return
        self._choice = choice
        self._paced = choice.paced
        self._long_training = False
        self._want(self._index)
        self._stop(Timer.T1)
        command = self._frames(*self._identities(choice), (FCF.DCS, choice.fif))
        training = (training_check(choice.modem),) if choice.paced else ()
        self._send_command(State.CFR, "DCS", command, *training)

    def _identities(self, choice: Choice) -> list[tuple[FCF, bytes]]:
        """SUB and SID where the DCS says so, and TSI (5.3.6.1.3)."""
        options = self._options
        texts = {
            FCF.SUB: options.sub_address if Bit.SUBADDRESS in choice.dcs else "",
            FCF.SID: options.sender_id if Bit.PASSWORD in choice.dcs else "",
            FCF.TSI: options.station_id,
        }
        return [(fcf, encode_station_id(text)) for fcf, text in texts.items() if text]

    def _confirmed_to_receive(self, _: Frame) -> None:
        if not self._choice.paced and self._now - self._sent_at > _MODEM_TURN:
            self._keep_pace("the answer to DCS took as long as modems need")
        if self._outpaces:
            self._train()
            return
        if not self._paced:
            self._emit(TurnTaken(self._turn))
        self._emit(Negotiated(self._choice.mode, self._choice.modem))
        self._begin_page()

    def _failed_to_train(self, _: Frame) -> None:
        if not self._choice.paced:
            self._keep_pace("the far end wants to be trained")
            self._train()
            return
        if len(self._ladder) == 1:
            self._end(T30Error.TRAINING_FAILED)
            return
        self._step_down()
        self._train()

    def _step_down(self) -> None:
        """Use the next lower rate, if there is one."""
        self._ladder = self._ladder[1:] or self._ladder
        self._best = DESCENDING.index(self._ladder[0])

    def _dis_again(self, frame: Frame) -> None:
        """Our DCS was missed; the DIS may have changed (5.4.2)."""
        if not self._read_dis(frame):
            return
        if not self._choice.paced:
            self._keep_pace("DCS went unheard")
        # Whoever changes its DIS each time is not trained for ever either.
        if self._choice == self._choose(self._index) or self._tries >= self._options.tries:
            self._repeat()
            return
        tries = self._tries
        self._train()
        self._tries = tries + 1

    # --- the pace -----------------------------------------------------------------------------------------

    def _keep_pace(self, why: str) -> None:
        """Leave the internet-aware mode for the rest of the session."""
        self._options = replace(self._options, internet_aware=False)
        if not self._paced:
            self._paced = True
            self._warn(f"{why}, so the fax goes on at the pace of a modem")

    @property
    def _outpaces(self) -> bool:
        """The far end knows no modem rate yet, but we keep to one."""
        return self._paced and not self._choice.paced

    @property
    def _turn(self) -> float:
        """Seconds from the end of our command to the beginning of the answer."""
        return max(self._carrier_began - self._sent_at, 0.0)

    # --- commands -----------------------------------------------------------------------------------------

    def _send_command(self, state: State, name: str, command: HdlcBurst, *following: Burst) -> None:
        self._state = state
        self._command_name = name
        self._command_bursts = (command, *following)
        self._tries = 1
        self._repeat_began = None
        self._gave_way = False
        self._stop(Timer.T4)
        self._play(*self._command_bursts)

    def _repeat(self, crp: Frame | None = None) -> None:
        """T4 ran out, or CRP came: the same command, three times in all (5.4.2).

        What went faster than modems and has no answer may have overrun somebody: then three times count anew.
        """
        if crp is None and not self._paced:
            self._keep_pace(f"{self._command_name} went unanswered")
            self._tries = 0
            if self._state is State.CFR:
                self._train()
                return
        if self._tries >= self._options.tries:
            training = self._state is State.CFR
            error = T30Error.NO_ANSWER_TO_DCS if training else T30Error.NO_ANSWER_TO_PAGE
            self._end(error, response="T4")
            return
        self._tries += 1
        self._repeat_began = self._now
        self._stop(Timer.T4)
        command, *following = self._command_bursts
        self._play(replace(command, attempt=self._tries, paced=self._paced), *following)

    def _command_sent(self) -> None:
        self._repeat_began = None
        self._start(Timer.T4, self._timers.t4)

    def _carrier_heard(self, modem: Modem) -> None:
        """An answer that begins as we begin to repeat the command is the answer to the command.

        It may as well be our own preamble as an echo. So a command gives way once, and that does not count.
        """
        began = self._repeat_began
        if modem is not Modem.V21 or began is None or self._gave_way:
            return
        if self._now - began < _CANCELLED_REPEAT:
            self._gave_way = True
            self._tries -= 1
            self._repeat_began = None
            self._hush()
            self._start(Timer.T4, _NO_ANSWER)

    def _moment(self) -> str:
        if self._state is State.IMAGE:
            words = "sending the image"
        elif self._state not in COMMANDING:
            words = f"waiting for {self._state.value}"
        elif self._on_line is not None:
            words = f"sending {self._command_name}"
        else:
            words = f"waiting for the answer to {self._command_name}"
        if self._dis_ended is None:
            return words
        return f"{words}, page {min(self._index + 1, len(self._pages))} of {len(self._pages)}"

"""The guards and actions of the state table of a call (``t38fsp.call.table``).

``hang_up`` in the table is ``_hang_up`` here. They read and write facts, and neither see nor set the state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sip.line import (
    Answered,
    Answerer,
    Ended,
    Failed,
    LineEvent,
    SipLine,
)
from sip.line import Ringing as LineRinging
from sip.syntax.sdp import SessionDescription
from sip.values import Address
from t38fsp import events
from t38fsp.audio.leg import Role
from t38fsp.call import verdict
from t38fsp.call.driver import CallContext, PageJob
from t38fsp.call.fax_leg import FaxLeg, T30Session
from t38fsp.call.machine import CallMachine
from t38fsp.call.media import (
    AnswerOffers,
    AudioMedia,
    HoldAudio,
    ImageMedia,
    hold_image,
    image_offer,
    offer_audio_again,
    our_capabilities,
    terminal_for,
)
from t38fsp.call.media_address import on_hold
from t38fsp.call.record import CallRecord
from t38fsp.call.switching import Switching
from t38fsp.call.verdict import Verdict
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio
from t38fsp.errors import SettingError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, Medium
from t38fsp.t30.outputs import Output
from t38fsp.t38.attributes import Setup
from t38fsp.t38.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two session descriptions that are in effect, and the media that they agree on."""

    local: SessionDescription
    remote: SessionDescription
    media: AudioMedia | ImageMedia | None
    ours: bool
    """The offer was ours."""


class CallActions(ABC):
    """The facts of a call, and the guards and actions that all calls share."""

    def __init__(
        self,
        line: SipLine,
        session: T30Session,
        settings: CallSettings,
        context: CallContext,
        role: Role,
        record: CallRecord,
    ) -> None:
        self._line = line
        self._session = session
        self._settings = settings
        self._context = context
        self._role = role
        self._capabilities = our_capabilities(settings, context)
        self._answerer: Answerer = AnswerOffers(self._capabilities)
        self.line_call: int | None = None
        self.remote_media: Address | None = None
        """Destination of datagrams; changes with the SDP."""
        self.stream: Setup | None = None
        """How the connection with ``remote_media`` is set up, for T.38 over TCP; None over UDPTL. Octets for
        it come from the lane, as datagrams do."""
        self.result: FaxResult | None = None
        self.moved = True
        """There may be outputs to take; the driver sets this to false when it drains the call."""
        self._machine = CallMachine(self, settings)
        self._event: LineEvent | None = None
        """The last event of the line; the actions read it."""
        self._fault: Verdict | None = None
        self._agreement: Agreement | None = None
        self._switching = Switching(
            settings, role, context.rtp, record, context.patience, self._capabilities.audio
        )
        self._fax: FaxLeg | None = None
        self._payload_type: int | None = None
        """Payload type of the audio that was agreed on last; a refusal of T.38 by port 0 leaves it in use."""
        self._record = record
        self._page_jobs: list[PageJob] = []
        self._events: list[events.FaxEvent] = []

    @abstractmethod
    def _on_output(self, output: Output, now: float) -> None:
        """Take an output of T.30."""

    def _emit(self, event: events.FaxEvent) -> None:
        self._events.append(event)

    # --- guards of the table -------------------------------------------------------------------------------

    def _is_called(self) -> bool:
        """The call came to us."""
        return self._role is Role.ANSWERING

    def _is_aborted(self) -> bool:
        """The application has ended it."""
        return self._record.aborted

    def _has_no_modem(self) -> bool:
        """The last burst was not sent at modem pace, since no gateway modulates it."""
        return self._fax is not None and not self._fax.modem_paced

    def _is_in_audio(self) -> bool:
        """T.30 uses audio."""
        return self._fax is not None and self._fax.in_audio

    def _audio_is_full(self) -> bool:
        """This end cannot bear another fax in audio."""
        return bool(self._context.no_audio_now())

    def _has_result(self) -> bool:
        """The call is over and has its result."""
        return self.result is not None

    # --- actions of the table: the line --------------------------------------------------------------------

    def _report_ringing(self, now: float) -> None:
        """Report a provisional response to the application."""
        assert isinstance(self._event, LineRinging)
        self._emit(events.Ringing(self._event.status, self._event.reason))

    def _connect(self, now: float) -> None:
        """Record the dialog and report it to the application, which may end the call."""
        assert isinstance(self._event, Answered)
        self._record.dialog = self._event.dialog
        # At the answer: an INVITE must not wait for a library that most calls do not need.
        self._find_modems()
        self._emit(events.Connected(self._event.dialog))

    def _find_modems(self) -> None:
        """Without the library of modems the call does as if audio were not allowed; a verdict will name
        it."""
        if self._context.modems is None or self._switching.audio is Audio.NEVER:
            return
        try:
            self._context.modems()
        except SettingError as error:
            self._switching.audio = Audio.NEVER
            self._record.no_modems = str(error)

    def _hang_up(self, now: float) -> None:
        """Send CANCEL, BYE or 480; begin no further burst."""
        if self._record.dialog is not None:
            self._emit(events.Disconnected(self._record.dialog, False))
        # Before the BYE: nothing is sent to a far end that may hear it as the next call.
        self._switching.end()
        if self._fax is not None:
            self._fax.stop_bursts()
        if self.line_call is not None:
            self._line.hang_up(self.line_call, now)

    def _note_end(self, now: float) -> None:
        """Record the end of the dialog; report a BYE to the application."""
        assert isinstance(self._event, Ended)
        self._record.cause = self._event.cause
        if self._event.remote:
            self._record.hung_up = self._event
            if self._record.dialog is not None:
                self._emit(events.Disconnected(self._record.dialog, True))

    def _note_failure(self, now: float) -> None:
        """Record the final response to the INVITE, and make the verdict from it."""
        assert isinstance(self._event, Failed)
        failed = self._event
        self._record.sip_status, self._record.sip_reason = failed.status, failed.reason
        self._record.cause = failed.cause
        self._judge(verdict.of_failure(failed, sent_credentials=self._sent_credentials()))

    def _sent_credentials(self) -> bool:
        return False

    # --- actions of the table: media -----------------------------------------------------------------------

    def _play_tones(self, now: float) -> None:
        """Play and detect tones in the audio that was agreed on."""
        agreement = self._agreement
        assert agreement is not None
        assert isinstance(agreement.media, AudioMedia)
        self.remote_media = agreement.media.remote
        self._payload_type = agreement.media.payload_type
        self._switching.agreed(agreement.media, now)

    def _offer_t38(self, now: float) -> None:
        """Send a re-INVITE with T.38 alone."""
        self._switching.asked = True
        if self.line_call is not None:
            # A line for each that there was (RFC 3264 8): the image line takes the place of the audio.
            lines = () if self._agreement is None else self._agreement.local.media
            self._line.offer(self.line_call, image_offer(self._capabilities, lines), now)

    def _begin_in_audio(self, now: float) -> None:
        """Begin T.30 on an audio terminal, which takes over the audio of the call."""
        from t38fsp.audio.modem.terminal import AudioTerminal

        assert self._context.modems is not None
        assert self._record.dialog is not None
        terminal = AudioTerminal(
            self._switching.hand_over(),
            self._context.modems(),
            now,
            echo_protection=self._settings.echo_protection,
        )
        self._fax = FaxLeg(self._session, terminal, self._on_output, now)
        self._record.medium = Medium.AUDIO
        self._emit(events.BeganInAudio(self._record.dialog))
        terminal.start(now)
        self._restore_audio(now)
        self._start_session(now)

    def _restore_audio(self, now: float) -> None:
        """Offer audio again, if the far end's refusal of T.38 has left the call without it."""
        agreement = self._agreement
        if agreement is not None and agreement.media is None and self.line_call is not None:
            self._line.offer(
                self.line_call, offer_audio_again(self._capabilities, agreement.local.media), now
            )

    def _hold_audio(self, now: float) -> None:
        """From now on answer every offer with the audio that is in effect, and refuse T.38."""
        if self.line_call is not None and self._payload_type is not None:
            held = HoldAudio(self._capabilities, self._payload_type)
            self._line.answer_with(self.line_call, held, now)

    def _follow_audio(self, now: float) -> None:
        """Send to the address, and with the law, in effect now."""
        agreement = self._agreement
        assert agreement is not None
        assert isinstance(agreement.media, AudioMedia)
        if not on_hold(agreement.media.remote):
            self.remote_media = agreement.media.remote
        self._payload_type = agreement.media.payload_type
        if self._fax is not None and not isinstance(self._fax.terminal, Terminal):
            self._fax.terminal.change(agreement.media.payload_type, agreement.media.law)

    def _follow_media(self, now: float) -> None:
        """Send to the address in effect now. Fall back to modem pace if the far end may have changed."""
        media = self._image
        # Hold by the unspecified address (RFC 3264 8.4) names no destination; keep the last one.
        if not on_hold(media.remote):
            self.remote_media = media.remote
        # What is behind the new address may be a gateway, whose modem has to be paced.
        if self._fax is not None and not media.internet_aware:
            self._session.leave_internet_aware_mode(now)

    def _hold_image(self, now: float) -> None:
        """From now on answer every offer with the image line that is in effect."""
        agreement = self._agreement
        if agreement is not None and self.line_call is not None:
            self._line.answer_with(self.line_call, hold_image(agreement.local, agreement.remote), now)

    def _allow_audio(self, now: float) -> None:
        """The fax is over: accept an offer of audio again."""
        if self.line_call is not None:
            self._line.answer_with(self.line_call, self._answerer, now)

    def _switch(self, now: float) -> None:
        """Begin T.30 on a T.38 terminal."""
        media = self._image
        assert self._agreement is not None
        assert self._record.dialog is not None
        self._switching.end()
        begun = self._fax is not None  # in audio, where nothing was heard or said yet
        if self._fax is not None:
            self._fax.end()
        self._record.medium = Medium.T38
        terminal = terminal_for(media, self._settings)
        self._fax = FaxLeg(self._session, terminal, self._on_output, now)
        self.stream = media.setup
        self._emit(events.SwitchedToT38(self._record.dialog, self._agreement.ours))
        terminal.start(now)
        # T38MaxBitRate bounds the modems of both directions; the DIS of a gateway may still name faster ones.
        self._session.limit_rate(media.max_bit_rate)
        if media.internet_aware and not begun:
            self._session.be_internet_aware()
        if not begun:
            self._start_session(now)
        # Not over TCP, on which nothing can come before the connection.
        if self.stream is None:
            # Media may come before the SDP that announces it (RFC 3264 5.1).
            for data in self._switching.take_early(media.remote):
                self._fax.receive(data, now)

    @abstractmethod
    def _start_session(self, now: float) -> None:
        """T.38 is up: begin T.30 phase B."""

    @property
    def _image(self) -> ImageMedia:
        assert self._agreement is not None
        assert isinstance(self._agreement.media, ImageMedia)
        return self._agreement.media

    # --- actions of the table: T.30 ------------------------------------------------------------------------

    def _abort_t30(self, now: float) -> None:
        """Make T.30 send DCN, if the far end can hear it."""
        self._session.abort(now)

    def _stop_sending(self, now: float) -> None:
        """Send nothing more, but continue to receive."""
        assert self._fax is not None
        self._fax.stop_sending()

    def _drop_line(self, now: float) -> None:
        """End T.30, unless it is over; it reports the moment at which the line was lost."""
        if self._fax is not None and self._record.finished is None:
            self._fax.line_dropped(now)

    # --- actions of the table: the verdict and the end -----------------------------------------------------

    def _judge(self, why: Verdict) -> None:
        """Record a verdict; the first one is kept."""
        # The first cause; what follows from it, such as the end of the dialog, would hide it.
        if self._record.verdict is None:
            self._record.verdict = why

    def _judge_no_answer(self, now: float) -> None:
        """The verdict: the call was not answered in time."""
        limit = f"{self._settings.ring_limit:g}"
        self._judge(
            verdict.verdict(
                Outcome.NO_ANSWER,
                f"the call was not answered within {limit} second{'' if limit == '1' else 's'}",
            )
        )

    def _judge_no_switch(self, now: float) -> None:
        """The verdict: T.38 did not come in time."""
        self._judge(self._switching.no_switch())

    def _judge_audio_full(self, now: float) -> None:
        """The verdict: T.38 did not come, and this end has too many faxes in audio."""
        self._judge(verdict.verdict(Outcome.OVERLOADED, self._context.no_audio_now()))

    def _judge_end_in_audio(self, now: float) -> None:
        """The verdict on a call that ended before the switch."""
        assert isinstance(self._event, Ended)
        self._judge(self._switching.cut_off(self._event, now))

    def _judge_end_in_fax(self, now: float) -> None:
        """The verdict on a dialog that failed before the fax was over."""
        assert isinstance(self._event, Ended)
        moment = "" if self._record.finished is None else self._record.finished.detail
        self._judge(verdict.of_end(self._event, switched=True, moment=moment))

    def _note_abort(self, now: float) -> None:
        """Record that the application ended the call."""
        self._record.aborted = True

    def _note_fault(self, now: float) -> None:
        """The verdict is the error on our side, unless T.30 was over."""
        if self._record.finished is None and self._fault is not None:
            self._judge(self._fault)

    def _conclude(self, now: float) -> None:
        """Make the result."""
        self._switching.end()
        if self._fax is not None:
            self._record.note_leg(self._fax)
            self._fax.end()
        self.result = self._record.result(now)
        self._emit(events.Finished(self.result))

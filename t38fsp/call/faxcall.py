"""One fax call, sans-IO: a SIP line above, a media port below, T.30 in the middle.

Phases, and what moves a call from one to the next:

    IDLE ──start──► CALLING ──answered──► AUDIO ──T.38 agreed──► FAX ──T.30 finished──► CLEARING ──► OVER
                       └───────────── failed, aborted, hung up, timed out ───────────────────────────┘

An image answer to the first INVITE skips AUDIO. In AUDIO only tones are played and heard: T.30 begins with
the switch, so a late switch does no harm. SendingCall, PollingCall and ReceivingCall add their ends of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from typing import ClassVar

from sip.line import (
    Answered,
    Answerer,
    Ended,
    Failed,
    Line,
    LineEvent,
    MediaChanged,
    OfferDeclined,
    OfferRefused,
)
from sip.line import Ringing as LineRinging
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.values import Address
from t38fsp import events
from t38fsp.audio.leg import Role
from t38fsp.call import verdict
from t38fsp.call.environment import CallEnvironment, PageJob
from t38fsp.call.fax_leg import FaxLeg, Session
from t38fsp.call.media import (
    AnswerOffers,
    AudioMedia,
    ImageMedia,
    agreed_media,
    hold_image,
    image_offer,
    our_capabilities,
    refused_here,
    terminal_for,
)
from t38fsp.call.places import on_hold
from t38fsp.call.record import CallRecord
from t38fsp.call.switching import Switching
from t38fsp.call.verdict import Verdict
from t38fsp.jobs import CallSettings
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.t30.outputs import Finished, Output
from t38fsp.t38.connection import Setup
from t38fsp.t38.terminal import Packet

_DRAIN = 0.4
"""Seconds between the end of DCN and BYE, so that the gateway plays it out."""
_CLEAR_LIMIT = 3.0
"""Seconds after which a call whose BYE or CANCEL goes unanswered is over for us."""
_LATE = 0.5
"""Seconds that T.38 is still listened for behind a BYE, which may overtake the MCF of the last page."""
_ABORT_LIMIT = 1.9
"""Seconds that an abort leaves T.30 to say DCN."""


class Phase(Enum):
    IDLE = auto()
    CALLING = auto()
    AUDIO = auto()
    FAX = auto()
    CLEARING = auto()
    OVER = auto()


class Timer(Enum):
    RINGING = auto()
    HANG_UP = auto()
    ABORT = auto()
    LATE = auto()
    CLEAR = auto()


class FaxCall(ABC):
    """The part that sending and receiving share. Feed it, then drain every ``take_…``."""

    def __init__(
        self,
        line: Line,
        session: Session,
        settings: CallSettings,
        environment: CallEnvironment,
        role: Role,
        record: CallRecord,
    ) -> None:
        self._line = line
        self._session = session
        self._settings = settings
        self._environment = environment
        self._capabilities = our_capabilities(settings, environment)
        self._answerer: Answerer = AnswerOffers(self._capabilities)
        self.line_call: int | None = None
        self.remote_media: Address | None = None
        """Where datagrams go; changes with the SDP."""
        self.stream: Setup | None = None
        """How a connection with ``remote_media`` comes about, for T.38 over TCP; what goes over it is given
        out as datagrams are."""
        self.result: FaxResult | None = None
        self._phase = Phase.IDLE
        self._timers: dict[Timer, float] = {}
        self._lines: tuple[MediaDescription, ...] = ()
        """Of the description of ours that holds."""
        self._switching = Switching(settings, role, environment.rtp, record, environment.patience)
        self._fax: FaxLeg | None = None
        self._record = record
        self._datagrams: list[bytes] = []
        self._packets: list[Packet] = []
        self._page_jobs: list[PageJob] = []
        self._events: list[events.FaxEvent] = []

    # --- in ------------------------------------------------------------------------------------------------

    def line_event(self, event: LineEvent, now: float) -> None:
        """The line reports on this call."""
        match event:
            case LineRinging(status=status, reason=reason):
                if self._phase is Phase.CALLING:
                    self._emit(events.Ringing(status, reason))
            case Answered():
                self._on_answered(event, now)
            case MediaChanged():
                self._on_media(event.local, event.remote, event.ours, now)
            case OfferRefused():
                self._switching.refused(now, event)
            case OfferDeclined(offer=offer, reason=reason):
                self._decline(offer, reason)
            case Failed():
                self._on_failed(event, now)
            case Ended():
                self._on_ended(event, now)
        self._pump(now)

    def datagram_received(self, data: bytes, source: Address, now: float) -> bool:
        """A datagram arrived; true when it was understood, so that ``source`` may be latched."""
        if self._fax is not None:
            # UDP beside a connection is not heard.
            accepted = self.stream is None and self._fax.receive_datagram(data, now)
        else:
            accepted = self._switching.receive(data, source, self.remote_media, now)
        self._pump(now)
        return accepted

    def stream_received(self, octets: bytes, now: float) -> None:
        """The connection of ``stream`` brought these, cut anywhere."""
        if self._fax is not None:
            self._fax.receive(octets, now)
        self._pump(now)

    def next_deadline(self) -> float | None:
        """When to call :meth:`handle_deadline`; None while only input can change anything."""
        if self._phase is Phase.OVER:
            return None
        if self._fax is not None and not self._timers:
            return self._fax.next_deadline()  # as after nearly every datagram of a fax
        times = list(self._timers.values())
        if (due := self._leg.next_deadline()) is not None:
            times.append(due)
        return min(times, default=None)

    def handle_deadline(self, now: float) -> None:
        for timer in [timer for timer, due in self._timers.items() if due <= now]:
            if self._timers.pop(timer, None) is not None:
                self._ON_TIMER[timer](self, now)
        self._leg.handle_deadline(now)
        self._pump(now)

    def abort(self, now: float) -> None:
        """End the call: CANCEL, or DCN and BYE; over within 3 s (FS_USER_ABORT unless already completed)."""
        if self._record.aborted or self._phase in (Phase.CLEARING, Phase.OVER):
            return
        self._record.aborted = True
        if self._phase is Phase.FAX and self._record.finished is None:
            self._timers[Timer.ABORT] = now + _ABORT_LIMIT
            self._session.abort(now)
        else:
            self._hang_up(now)
        self._pump(now)

    def break_off(self, why: Verdict, now: float) -> FaxResult:
        """A fault of ours struck: the call is over as it stands, and nothing more is said, also not in T.30.

        ``why`` is the verdict, unless the fax was over already.
        """
        if self._record.verdict is None and self._record.finished is None:
            self._record.verdict = why
        self._conclude(now)
        assert self.result is not None
        return self.result

    # --- out -----------------------------------------------------------------------------------------------

    def take_datagrams(self) -> list[bytes]:
        """RTP packets to send now."""
        taken, self._datagrams = self._datagrams, []
        return taken

    def take_packets(self) -> list[Packet]:
        """T.38 packets for the pacer."""
        taken, self._packets = self._packets, []
        return taken

    def release(self, packet: Packet) -> bytes | None:
        """The datagram of a packet that is due; None when it has been revoked."""
        return None if self._fax is None else self._fax.release(packet)

    def take_page_jobs(self) -> list[PageJob]:
        """Slow work, answered through the ``page_…`` methods."""
        taken, self._page_jobs = self._page_jobs, []
        return taken

    def take_events(self) -> list[events.FaxEvent]:
        taken, self._events = self._events, []
        return taken

    # --- the line ------------------------------------------------------------------------------------------

    def _on_answered(self, event: Answered, now: float) -> None:
        self._timers.pop(Timer.RINGING, None)
        self._record.sip_status, self._record.sip_reason = event.status, event.reason
        if self._record.aborted or self._phase is Phase.CLEARING:
            return
        self._record.dialog = event.dialog
        self._phase = Phase.AUDIO
        live = {media.kind.lower() for media in event.local.media if not media.rejected}
        self._switching.answered(now, offered="image" in live)
        self._emit(events.Connected(event.dialog))
        self._on_media(event.local, event.remote, self._switching.asked, now)

    def _on_media(
        self, local: SessionDescription, remote: SessionDescription, ours: bool, now: float
    ) -> None:
        self._lines = local.media
        media = agreed_media(local, remote)
        if isinstance(media, ImageMedia):
            if not on_hold(media.remote):
                self.remote_media = media.remote
            if self._record.finished is None and self.line_call is not None:
                self._line.answer_with(self.line_call, hold_image(local, remote), now)
            if self._phase is Phase.AUDIO:
                self._switch(media, ours, now)
            elif not media.internet_aware:
                self._session.leave_internet_aware_mode(now)
        elif self._phase is Phase.AUDIO:
            self._stay_in_audio(media, remote, ours, now)

    def _stay_in_audio(
        self, media: AudioMedia | None, remote: SessionDescription, ours: bool, now: float
    ) -> None:
        self._decline(remote)
        if media is not None:
            self.remote_media = media.remote
            self._switching.agreed(media, now)
        elif ours:
            # A 200 with port 0 is a refusal too.
            self._switching.refused(now)

    def _decline(self, offer: SessionDescription | None, why: str = "") -> None:
        """Note what we do not take of theirs, if there is anything; ``why`` where that is known already."""
        told = f"the far end's offer was refused here: {why}" if why else ""
        if told := told or (refused_here(self._capabilities, offer) if offer is not None else ""):
            self._switching.declined(told)

    def _switch(self, media: ImageMedia, ours: bool, now: float) -> None:
        assert self._record.dialog is not None
        self._phase = Phase.FAX
        self._switching.end()
        terminal = terminal_for(media, self._settings)
        self._fax = FaxLeg(self._session, terminal, self._on_output, now)
        self.stream = media.setup
        self._emit(events.SwitchedToT38(self._record.dialog, ours))
        terminal.start(now)
        self._session.limit_rate(media.max_bit_rate)
        if media.internet_aware:
            self._session.be_internet_aware()
        self._start_session(now)
        if self.stream is None:
            for data in self._switching.take_early(media.remote):
                self._fax.receive(data, now)

    @abstractmethod
    def _start_session(self, now: float) -> None:
        """T.38 is up: begin phase B."""

    def _on_failed(self, event: Failed, now: float) -> None:
        self._record.sip_status, self._record.sip_reason = event.status, event.reason
        self._record.cause = event.cause
        if self._record.verdict is None:
            self._record.verdict = verdict.of_failure(event, sent_credentials=self._sent_credentials())
        self._conclude(now)

    def _sent_credentials(self) -> bool:
        return False

    def _on_ended(self, event: Ended, now: float) -> None:
        if self._phase is Phase.OVER:
            return
        self._record.cause = event.cause
        if event.remote:
            self._record.hung_up = event
        if event.remote and self._record.dialog is not None:
            self._emit(events.Disconnected(self._record.dialog, True))
        cut_off = self._record.finished is None and self._phase is not Phase.CLEARING
        if self._fax is not None and cut_off and event.remote and not self._record.aborted:
            self._phase = Phase.CLEARING
            self._fax.break_off(now)
            self._timers = {Timer.LATE: now + _LATE}
            return
        if self._fax is not None and self._record.finished is None:
            self._fax.line_dropped(now)
        if cut_off and self._fax is None:
            self._record.verdict = self._switching.cut_off(event, now)
        elif cut_off:
            moment = "" if self._record.finished is None else self._record.finished.detail
            self._record.verdict = verdict.of_end(event, switched=True, moment=moment)
        self._conclude(now)

    def _hang_up(self, now: float) -> None:
        if self._phase in (Phase.CLEARING, Phase.OVER):
            return
        if self._phase is Phase.IDLE or self.line_call is None:
            self._conclude(now)
            return
        if self._record.dialog is not None:
            self._emit(events.Disconnected(self._record.dialog, False))
        self._phase = Phase.CLEARING
        self._switching.end()
        if self._fax is not None:
            self._fax.silence()
        self._timers = {Timer.CLEAR: now + (1.0 if self._record.aborted else _CLEAR_LIMIT)}
        self._line.hang_up(self.line_call, now)

    # --- timers --------------------------------------------------------------------------------------------

    def _on_nothing_late(self, now: float) -> None:
        if self._fax is not None and self._record.finished is None:
            self._fax.line_dropped(now)  # T.30 tells best at what moment the far end hung up.
        self._conclude(now)

    def _on_ringing_too_long(self, now: float) -> None:
        self._record.verdict = verdict.verdict(
            Outcome.NO_ANSWER, f"nobody answered within {self._settings.ring_limit:g} seconds"
        )
        self._hang_up(now)

    # --- T.30 and what is below it -------------------------------------------------------------------------

    @property
    def _leg(self) -> Switching | FaxLeg:
        """What runs at present."""
        return self._switching if self._fax is None else self._fax

    def _pump(self, now: float) -> None:
        """Carry out what the input just handled has brought about."""
        if self._fax is None:
            self._switch_or_not(now)
        else:
            self._fax.pump(now)
            self._packets += self._fax.take_packets()

    def _switch_or_not(self, now: float) -> None:
        self._datagrams += self._switching.take_packets()
        if (why := self._switching.gives_up(now)) is not None:
            self._record.verdict = why
            self._hang_up(now)
        elif self._switching.asks(now) and self.line_call is not None:
            self._line.offer(self.line_call, image_offer(self._capabilities, self._lines), now)

    def _on_output(self, output: Output, now: float) -> None:
        """Anything not handled here belongs to sending or to receiving alone."""
        match output:
            case Finished():
                self._record.finished = output
                self._timers.pop(Timer.ABORT, None)
                if self.line_call is not None:
                    # Back to audio, if they like: the fax is over.
                    self._line.answer_with(self.line_call, self._answerer, now)
                self._timers[Timer.HANG_UP] = now + self._drain_time()
            case _:
                event = self._record.note(output)
                if event is not None:
                    self._emit(event)

    def _drain_time(self) -> float:
        return _DRAIN

    @property
    def _lost(self) -> int:
        """Packets, so far."""
        return 0 if self._fax is None else self._fax.counters.lost

    # --- the end -------------------------------------------------------------------------------------------

    def _conclude(self, now: float) -> None:
        if self._phase is Phase.OVER:
            return
        self._phase = Phase.OVER
        self._timers.clear()
        self._switching.end()
        if self._fax is not None:
            self._fax.silence()
            self._record.counters = self._fax.counters
            self._record.strays = self._fax.strays
        self.result = self._record.result(now)
        self._emit(events.Finished(self.result))

    def _emit(self, event: events.FaxEvent) -> None:
        self._events.append(event)

    _ON_TIMER: ClassVar[dict[Timer, Callable[[FaxCall, float], None]]] = {
        Timer.RINGING: _on_ringing_too_long,
        Timer.HANG_UP: _hang_up,
        Timer.ABORT: _hang_up,
        Timer.LATE: _on_nothing_late,
        Timer.CLEAR: _conclude,
    }

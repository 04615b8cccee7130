"""One fax call, sans-IO: a SIP line above, a media port below, T.30 in the middle.

Events of the line, the audio, T.30 and the application become inputs of the state table
(``t38fsp.call.table``, run by ``t38fsp.call.machine``), whose guards and actions are in
``t38fsp.call.actions``. SendingCall, PollingCall and ReceivingCall are the concrete calls.
"""

from __future__ import annotations

from sip.line import (
    Answered,
    Ended,
    Failed,
    LineEvent,
    MediaChanged,
    OfferDeclined,
    OfferRefused,
)
from sip.line import Ringing as LineRinging
from sip.syntax.sdp import SessionDescription
from sip.values import Address
from t38fsp import events
from t38fsp.call.actions import Agreement, CallActions
from t38fsp.call.driver import PageJob
from t38fsp.call.media import (
    ImageMedia,
    agreed_media,
    refused_here,
)
from t38fsp.call.table import Event
from t38fsp.call.verdict import Verdict
from t38fsp.lanes import Lane
from t38fsp.results import FaxResult
from t38fsp.t30.outputs import Output, SessionFinished


class FaxCall(CallActions):
    """The part that sending and receiving share. After each input drain every ``take_…`` (``settle``)."""

    # --- in ------------------------------------------------------------------------------------------------

    def line_event(self, event: LineEvent, now: float) -> None:
        """Take an event of the line for this call."""
        self._event = event
        match event:
            case LineRinging():
                self._machine.feed(Event.RINGING, now)
            case Answered():
                self._on_answered(event, now)
            case MediaChanged():
                self._on_media(event.local, event.remote, event.ours, now)
            case OfferRefused():
                self._record.refusal = event
                self._machine.feed(Event.OFFER_REFUSED, now)
            case OfferDeclined(offer=offer, reason=reason):
                self._note_declined(offer, reason)
            case Failed():
                self._machine.feed(Event.INVITE_FAILED, now)
            case Ended(remote=remote):
                self._machine.feed(Event.FAR_END_HUNG_UP if remote else Event.DIALOG_ENDED, now)
        self._pump(now)

    def _on_answered(self, event: Answered, now: float) -> None:
        self._record.sip_status, self._record.sip_reason = event.status, event.reason
        live = {media.kind.lower() for media in event.local.media if not media.rejected}
        self._switching.note_answer(now, offered="image" in live)
        # There is no row for it if our CANCEL has crossed this 200.
        if self._machine.feed(Event.ANSWERED, now):
            self._on_media(event.local, event.remote, self._switching.asked, now)

    def _on_media(
        self, local: SessionDescription, remote: SessionDescription, ours: bool, now: float
    ) -> None:
        media = agreed_media(local, remote)
        self._agreement = Agreement(local, remote, media, ours)
        if isinstance(media, ImageMedia):
            self._machine.feed(Event.T38_AGREED, now)
            return
        # Only facts here; whether it matters is for the table.
        # An exchange that agreed on audio may also have refused a T.38 line of theirs: a verdict must name
        # that.
        self._note_declined(remote)
        if media is not None:
            self._machine.feed(Event.AUDIO_AGREED, now)
        elif ours:
            # A 200 with port 0 is a refusal too (RFC 3264 6).
            self._machine.feed(Event.OFFER_REFUSED, now)

    def _note_declined(self, offer: SessionDescription | None, why: str = "") -> None:
        """Record what we refuse of the far end's offer, if anything; ``why`` is the reason where known
        already."""
        refused = f"the far end's offer was refused here: {why}" if why else ""
        if refused := refused or (refused_here(self._capabilities, offer) if offer is not None else ""):
            self._record.declined = refused

    def datagram_received(self, data: bytes, source: Address, now: float) -> bool:
        """Take a datagram; true if it was understood, so that ``source`` may be latched."""
        # Nearly all datagrams of a page end here: no pump, and no deadline that has moved earlier.
        if self._fax is not None:
            if self.stream is None and self._fax.extend_frame(data, now):
                return True
            # UDP beside a TCP connection is ignored.
            accepted = self.stream is None and self._fax.receive_datagram(data, now)
            if accepted and not self._fax.has_news:
                return True
            # T.38 is still possible until T.30 has spoken in audio.
            if self._fax.in_audio and not self._fax.spoke and not accepted:
                self._switching.keep_early(data, source, self.remote_media)
        else:
            accepted = self._switching.receive(data, source, self.remote_media, now)
        self._pump(now)
        return accepted

    def stream_received(self, octets: bytes, now: float) -> None:
        """Take octets of the connection of ``stream``, split at any point."""
        if self._fax is not None:
            self._fax.receive(octets, now)
        self._pump(now)

    def next_deadline(self) -> float | None:
        """When to call :meth:`handle_deadline`; None if only input can change anything."""
        if self.result is not None:
            # A call that is over has no timers, whatever its parts still think.
            return None
        leg = None if self._fax is None else self._fax.next_deadline()
        timer = self._machine.next_deadline()
        if timer is None or leg is None:
            return leg if timer is None else timer
        return min(timer, leg)

    def handle_deadline(self, now: float) -> None:
        if self._fax is not None:
            self._fax.handle_deadline(now)
        self._pump(now)

    def abort(self, now: float) -> None:
        """End the call: CANCEL, or DCN and BYE; over within 3 s (FS_USER_ABORT unless already completed)."""
        if self._machine.feed(Event.ABORT, now):
            self._pump(now)

    def break_off(self, why: Verdict, now: float) -> FaxResult:
        """End the call at once after an error on our side; nothing more is sent, neither SIP nor T.30.

        ``why`` is the verdict, unless the fax was over already.
        """
        self._fault = why
        self._machine.feed(Event.FAULT, now)
        assert self.result is not None
        return self.result

    # --- out -----------------------------------------------------------------------------------------------

    def take_lane(self) -> Lane | None:
        """The lane that sends our media, if the time of its next packet has changed; None otherwise."""
        lane = self._switching.lane if self._fax is None else self._fax.lane
        if lane is None or not lane.moved:
            return None
        lane.moved = False
        return lane

    def take_page_jobs(self) -> list[PageJob]:
        """Slow work; the ``page_…`` methods take its results."""
        taken, self._page_jobs = self._page_jobs, []
        return taken

    def take_events(self) -> list[events.FaxEvent]:
        taken, self._events = self._events, []
        return taken

    # --- what runs below the table -------------------------------------------------------------------------

    def _pump(self, now: float) -> None:
        """After every input: carry its consequences through the lower parts, and expire due timers.

        An offer that is due at once is made here, after the media of the answer are known.
        """
        # An input may have changed anything; only extend_frame is known to change nothing.
        self.moved = True
        self._pump_media(now)
        before = self._fax
        self._machine.handle_deadline(now)
        if self._fax is not before:
            self._pump_media(now)  # T.30 has begun by a timer

    def _pump_media(self, now: float) -> None:
        if self._fax is None:
            for first in self._switching.take_v21():
                self._machine.feed(Event.V21_HEARD if first else Event.V21_AGAIN, now)
        if self._fax is not None:
            spoke = self._fax.spoke
            self._fax.pump(now)
            if self._fax.spoke and not spoke:
                self._machine.feed(Event.T30_SPEAKS, now)

    def _on_output(self, output: Output, now: float) -> None:
        """Take an output of T.30 that sending and receiving share."""
        match output:
            case SessionFinished():
                self._record.finished = output
                self._machine.feed(Event.T30_COMPLETE if output.error is None else Event.T30_FAILED, now)
            case _:
                event = self._record.note(output)
                if event is not None:
                    self._emit(event)

    @property
    def _lost(self) -> int:
        """Packets lost so far."""
        return 0 if self._fax is None else self._fax.lost
